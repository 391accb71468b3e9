"""The ledger on pages: filtered and live, the events of one request, the stock at a moment, and undo."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.datastructures import State
from litestar.params import Parameter

from stocky import clock
from stocky.auth.guards import allow, members
from stocky.auth.repository import list_users
from stocky.auth.schemas import Principal, Role
from stocky.catalogue import repository as catalogue
from stocky.catalogue.location_repository import get_location
from stocky.db import Connection
from stocky.errors import Invalid, NotFound
from stocky.http.parameters import After, LotFilter, PathId, SerialFilter
from stocky.http.request import long_read
from stocky.pages import pickers
from stocky.pages.forms import read_values
from stocky.pages.problems import own_path
from stocky.pages.rendering import Html, make_url, page, see_other
from stocky.scanner.repository import list_scanners
from stocky.schema import MAX_ID
from stocky.stock import repository, service
from stocky.stock.event_lines import Line, describe_events
from stocky.stock.recorder import Recorder
from stocky.stock.schemas import EntryType

ROWS = 50
# At most this many users and scanners are offered as filters; the address accepts any.
_MOST_CHOICES = 300
viewers = allow(Role.ADMIN, Role.MEMBER, Role.READ_ONLY)
_FILTERS = ("item_id", "item_id_text", "location_id", "location_id_text", "user_id", "scanner_id", "type")
_MAY_BE_EMPTY = {"may_be_empty": (*_FILTERS, "since", "until", "cursor", "at")}

_LONG_READ = long_read("location_id", "user_id", "scanner_id", "type", "since", "lot", "serial")

OptionalId = Annotated[int | None, Parameter(ge=1, le=MAX_ID, required=False)]
OptionalText = Annotated[str, Parameter(max_length=200, required=False)]
OptionalDay = Annotated[date | None, Parameter(required=False)]


@get("/activity", opt=viewers | _MAY_BE_EMPTY | _LONG_READ)
async def show_activity(
    request: Request[Any, Any, Any],
    state: State,
    read: Connection,
    user: Principal,
    item_id: OptionalId = None,
    item_id_text: OptionalText = "",
    location_id: OptionalId = None,
    location_id_text: OptionalText = "",
    user_id: OptionalId = None,
    scanner_id: Annotated[str | None, Parameter(max_length=128, required=False)] = None,
    type: Annotated[EntryType | None, Parameter(required=False)] = None,
    since: OptionalDay = None,
    until: OptionalDay = None,
    lot: LotFilter = None,
    serial: SerialFilter = None,
    cursor: OptionalId = None,
) -> Html:
    """The ledger, newest first; days are in the time zone of the settings."""
    item_id, item_text = await chosen_item(read, item_id, item_id_text)
    location_id, location_text = await chosen_location(read, location_id, location_id_text)
    found = await repository.list_events(
        read,
        limit=ROWS,
        cursor=cursor,
        item_id=item_id,
        location_id=location_id,
        user_id=user_id,
        scanner_id=scanner_id,
        type=type,
        since=None if since is None else clock.day_bounds(since, 1, state.zone)[0],
        until=None if until is None else clock.day_bounds(until, 1, state.zone)[-1],
        lot=lot,
        serial=serial,
    )
    lines = await describe_events(read, found.events)
    # As in the API, only admins get the list of accounts.
    is_admin = user.user.role is Role.ADMIN
    accounts = await list_users(read, skip=0, limit=_MOST_CHOICES) if is_admin else []
    query = {
        "item_id": item_id,
        "location_id": location_id,
        "user_id": user_id,
        "scanner_id": scanner_id,
        "type": None if type is None else type.value,
        "since": since,
        "until": until,
        "lot": lot or None,
        "serial": serial or None,
    }
    shown = {name: value for name, value in query.items() if value is not None}
    return page(
        request,
        "activity.html",
        lines=lines,
        batches=_shared_batches(lines),
        next_cursor=found.next_cursor,
        cursor=cursor,
        query=shown,
        # Without the base path, which the redirect after an undo adds.
        back=make_url("", "/activity", {"cursor": cursor, **shown}),
        item_text=item_text,
        location_text=location_text,
        people=[(each.id, each.username) for each in accounts],
        scanners=[each.scanner_id for each in await list_scanners(read, skip=0, limit=_MOST_CHOICES)],
        is_undone=_is_undone(request),
    )


@get("/activity/batches/{batch_id:str}", opt=viewers | long_read())
async def show_batch(request: Request[Any, Any, Any], read: Connection, batch_id: str) -> Html:
    """The events of one request, such as an import."""
    events = await repository.list_start_of_batch(read, batch_id[:64], ROWS)
    if not events:
        raise NotFound(f"There is no batch {batch_id[:64]!r}")
    count, remaining = await repository.count_batch(read, batch_id[:64])
    return page(
        request,
        "batch.html",
        batch_id=batch_id,
        first=events[0],
        count=count,
        may_be_undone=remaining > 0,
        lines=await describe_events(read, events),
        is_undone=_is_undone(request),
    )


@get("/activity/stock", opt=viewers | _MAY_BE_EMPTY | long_read())
async def show_stock_then(
    request: Request[Any, Any, Any],
    state: State,
    read: Connection,
    at: Annotated[str, Parameter(max_length=40, required=False)] = "",
    item_id: OptionalId = None,
    item_id_text: OptionalText = "",
    location_id: OptionalId = None,
    location_id_text: OptionalText = "",
    cursor: After = 0,
) -> Html:
    """The stock at a moment; one without an offset is in the time zone of the settings."""
    item_id, item_text = await chosen_item(read, item_id, item_id_text)
    location_id, location_text = await chosen_location(read, location_id, location_id_text)
    skus = []
    if at:
        moment = _moment(at, state.zone)
        skus = await repository.list_skus_as_of(
            read, moment, skip=0, limit=ROWS + 1, item_id=item_id, location_id=location_id, after=cursor
        )
    more = len(skus) > ROWS
    await repository.expand_skus(read, skus[:ROWS], {"item", "location"})
    return page(
        request,
        "stock-then.html",
        skus=skus[:ROWS],
        next_cursor=skus[ROWS - 1].id if more else None,
        at=at,
        item_id=item_id,
        location_id=location_id,
        item_text=item_text,
        location_text=location_text,
        zone=state.timezone,
    )


@post("/activity/{event_id:int}/undo", opt=members)
async def undo_event(request: Request[Any, Any, Any], recorder: Recorder, user: Principal, event_id: PathId) -> Html:
    """Undoes one event with its whole transfer."""
    values = await read_values(request)
    await service.undo(recorder, None, user, event=event_id)
    return see_other(request, own_path(values.get("back", ["/activity"])[-1]), done="undone")


@post("/activity/batches/{batch_id:str}/undo", opt=members)
async def undo_batch(request: Request[Any, Any, Any], recorder: Recorder, user: Principal, batch_id: str) -> Html:
    """Undoes the events of a batch that are not undone yet."""
    await service.undo(recorder, None, user, batch=batch_id[:64])
    return see_other(request, f"/activity/batches/{batch_id[:64]}", done="undone")


async def chosen_item(read: Connection, item_id: int | None, text: str) -> tuple[int | None, str]:
    """The item to filter by, and its name; without script only its name, code or barcode was typed."""
    typed = {"item_id": [] if item_id is None else [str(item_id)], "item_id_text": [text]}
    await pickers.pick_item(read, typed)
    if not typed["item_id"]:
        return None, ""
    item = await catalogue.get_item(read, int(typed["item_id"][0]))
    return item.id, item.name


async def chosen_location(read: Connection, location_id: int | None, text: str) -> tuple[int | None, str]:
    """The same for a location."""
    typed = {"location_id": [] if location_id is None else [str(location_id)], "location_id_text": [text]}
    await pickers.pick_location(read, typed)
    if not typed["location_id"]:
        return None, ""
    location = await get_location(read, int(typed["location_id"][0]))
    return location.id, location.path


def _moment(text: str, zone: tzinfo | None) -> datetime:
    """The moment in the text of a browser's date and time field. Raises Invalid."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid("must be a time like 2026-01-31T12:00:00Z", field="at") from None


def _is_undone(request: Request[Any, Any, Any]) -> bool:
    """Whether the page is the answer to an undo."""
    return request.query_params.get("done") == "undone"


def _shared_batches(lines: list[Line]) -> dict[int, str]:
    """The batches of several entries, by the first line of each; a batch of one event is undone as that event."""
    first: dict[str, int] = {}
    shared: dict[int, str] = {}
    for line in lines:
        batch_id = line.event.batch_id
        if batch_id is not None and first.setdefault(batch_id, line.event.id) != line.event.id:
            shared[first[batch_id]] = batch_id
    return shared


routes = [show_activity, show_batch, show_stock_then, undo_event, undo_batch]
