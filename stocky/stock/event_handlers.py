"""`/events`: reads the ledger, and records many events in one request, for scanners that were offline."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from litestar import get, post
from litestar.dto import MsgspecDTO
from litestar.params import Parameter

from stocky.auth.guards import members, readers, scanners
from stocky.auth.schemas import Principal
from stocky.catalogue import repository as catalogue
from stocky.db import Connection, Database
from stocky.http.parameters import Limit, LotFilter, PathId, SerialFilter, Within
from stocky.http.request import long_read
from stocky.http.routing import Router
from stocky.schema import MAX_ID
from stocky.stock import repository, service
from stocky.stock.event_reading import read_events
from stocky.stock.recorder import Recorder
from stocky.stock.schemas import EntryType, EventPage, EventResults, NewEvents, NewUndo, StockEvent, Undone

ItemId = Annotated[int | None, Parameter(ge=1, le=MAX_ID, description="Only events of this item", required=False)]
LocationId = Annotated[
    int | None, Parameter(ge=1, le=MAX_ID, description="Only events at this location", required=False)
]
UserId = Annotated[int | None, Parameter(ge=1, le=MAX_ID, description="Only events of this user", required=False)]
Cursor = Annotated[
    int | None, Parameter(ge=1, le=MAX_ID, description="The `next_cursor` of the previous page", required=False)
]
Since = Annotated[
    datetime | None, Parameter(description="Only events that occurred at or after this time", required=False)
]
Until = Annotated[datetime | None, Parameter(description="Only events that occurred before this time", required=False)]
TypeFilter = Annotated[
    EntryType | None, Parameter(description="Only this type, in any case; empty for all", required=False)
]
Details = Annotated[bool, Parameter(description="With the item of each event, and its stock right after it")]
ScannerFilter = Annotated[str | None, Parameter(max_length=128, description="Only this scanner", required=False)]


class EventsBody(MsgspecDTO[NewEvents]):
    """Decodes a batch so that a malformed event does not block the others; Litestar generates nothing for it."""

    @classmethod
    def create_for_field_definition(cls, *_: Any, **__: Any) -> None:
        pass

    @classmethod
    def create_openapi_schema(cls, field_definition: Any, handler_id: str, schema_creator: Any) -> Any:
        return schema_creator.for_field_definition(field_definition)

    def decode_bytes(self, value: bytes) -> NewEvents:
        return read_events(value)


@post("/", opt=scanners, status_code=200, dto=EventsBody, return_dto=None)
async def post_events(
    data: NewEvents, recorder: Recorder, database: Database, user: Principal, details: Details = False
) -> EventResults:
    """Record up to 1,000 events in order, each with its own result; with `atomic`, all or none.

    An event that is malformed is rejected like any other one, and can be sent again, corrected, with its `event_id`.
    """
    if details:
        return await service.record_events_with_details(recorder, database, data, user)
    return await service.record_events(recorder, data, user)


@get(
    "/",
    opt=readers
    | {"may_be_empty": ("type",)}
    | long_read("location_id", "within", "user_id", "scanner_id", "type", "since", "until", "lot", "serial"),
)
async def list_events(
    read: Connection,
    item_id: ItemId = None,
    location_id: LocationId = None,
    within: Within = None,
    user_id: UserId = None,
    scanner_id: ScannerFilter = None,
    type: TypeFilter = None,
    since: Since = None,
    until: Until = None,
    lot: LotFilter = None,
    serial: SerialFilter = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> EventPage:
    """The ledger, newest first."""
    return await repository.list_events(
        read,
        limit=limit,
        cursor=cursor,
        item_id=item_id,
        location_id=location_id,
        within=within,
        user_id=user_id,
        scanner_id=scanner_id,
        type=type,
        since=since,
        until=until,
        lot=lot,
        serial=serial,
    )


@get("/{event_id:int}", opt=readers)
async def get_event(read: Connection, event_id: PathId) -> StockEvent:
    """One event of the ledger."""
    return await repository.get_event(read, event_id)


@get("/by-event-id/{event_id:str}", opt=readers)
async def get_event_by_event_id(
    read: Connection,
    event_id: Annotated[
        str, Parameter(min_length=1, max_length=128, description="The client's own id, percent-encoded where needed")
    ],
) -> StockEvent:
    """The event that a client sent with this `event_id`: of a move, the event that takes.

    404 says that it was rejected and why, or that it never arrived or was refused for its form.
    """
    return await repository.get_event_by_event_id(read, event_id)


@post("/{event_id:int}/undo", opt=members, status_code=200)
async def undo_event(recorder: Recorder, user: Principal, event_id: PathId, data: NewUndo | None = None) -> Undone:
    """Compensate an event together with its whole transfer."""
    return Undone(await service.undo(recorder, data, user, event=event_id))


@post("/batches/{batch_id:str}/undo", opt=members, status_code=200)
async def undo_batch(
    recorder: Recorder,
    user: Principal,
    batch_id: Annotated[str, Parameter(max_length=64, description="The `batch_id` of the response")],
    data: NewUndo | None = None,
) -> Undone:
    """Compensate every event of a batch that has not been undone yet. For an import, only the stock is undone."""
    return Undone(await service.undo(recorder, data, user, batch=batch_id))


@get("/{item_id:int}/events", opt=readers)
async def list_item_events(read: Connection, item_id: PathId, cursor: Cursor = None, limit: Limit = 100) -> EventPage:
    """The history of an item, newest first."""
    await catalogue.get_item(read, item_id)
    return await repository.list_events(read, item_id=item_id, cursor=cursor, limit=limit)


event_routes = Router(
    "/events",
    route_handlers=[post_events, list_events, get_event, get_event_by_event_id, undo_event, undo_batch],
    tags=["Events"],
)

item_history_routes = Router("/items", route_handlers=[list_item_events], tags=["Items"])
