"""`/exports`: items, stock and the ledger as CSV, streamed while they are read."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from litestar import get
from litestar.datastructures import State
from litestar.params import Parameter
from litestar.response import Stream

from stocky import clock
from stocky.auth.guards import readers
from stocky.exports import service
from stocky.exports.programs import Program
from stocky.http.parameters import LotFilter, Search, SerialFilter, Within, field_filters
from stocky.http.request import StockyRequest
from stocky.http.routing import Router
from stocky.http.sse import ClosingStream
from stocky.prices.valuation import end_of_day
from stocky.schema import MAX_ID, StorageType
from stocky.stock.schemas import EntryType

CSV = "text/csv"
TypeId = Annotated[int | None, Parameter(ge=1, le=MAX_ID, description="Only items of this type", required=False)]
ItemId = Annotated[int | None, Parameter(ge=1, le=MAX_ID, description="Only rows of this item", required=False)]
LocationId = Annotated[int | None, Parameter(ge=1, le=MAX_ID, description="Only rows of this location", required=False)]
UserId = Annotated[int | None, Parameter(ge=1, le=MAX_ID, description="Only events of this user", required=False)]
TagFilter = Annotated[str | None, Parameter(max_length=50, description="Only items with this tag", required=False)]
Since = Annotated[datetime | None, Parameter(description="Only events at or after this time", required=False)]
Until = Annotated[datetime | None, Parameter(description="Only events before this time", required=False)]
TypeFilter = Annotated[
    EntryType | None,
    Parameter(description="Only events of this type, in any letter case; empty for all", required=False),
]
ScannerFilter = Annotated[
    str | None, Parameter(max_length=128, description="Only events of this scanner", required=False)
]
ProgramColumns = Annotated[
    Program | None,
    Parameter(description="The program that is to import the file, whose columns it has", required=False),
]
AsOf = Annotated[
    date | None,
    Parameter(description="The day, at whose end in the server's time zone the stock is counted; by default today"),
]


@get("/items.csv", opt=readers, media_type=CSV)
async def export_items(
    request: StockyRequest,
    state: State,
    search: Search = None,
    storage_type: StorageType | None = None,
    is_active: bool = True,
    needs_review: bool | None = None,
    type_id: TypeId = None,
    tag: TagFilter = None,
    within: Within = None,
    preset: ProgramColumns = None,
) -> Stream:
    """Export items, in the columns of an import, or with `preset` in those of another program.

    The filters are those of the list of items, also by custom fields.
    """
    wanted = service.ItemFilter(
        search=search,
        storage_type=storage_type,
        is_active=is_active,
        needs_review=needs_review,
        type_id=type_id,
        tag=tag,
        within=within,
        preset=preset,
        fields=field_filters(request),
    )
    return await _download(state, "items", wanted)


@get("/stock.csv", opt=readers, media_type=CSV)
async def export_stock(
    state: State,
    item_id: ItemId = None,
    location_id: LocationId = None,
    within: Within = None,
    low_stock: bool = False,
    expiring_soon: bool = False,
    search: Search = None,
    preset: ProgramColumns = None,
    lot: LotFilter = None,
    serial: SerialFilter = None,
) -> Stream:
    """Export stock, in the columns of an import, or with `preset` in those of another program.

    The filters are those of the list of SKUs.
    """
    wanted = service.StockFilter(
        item_id=item_id,
        location_id=location_id,
        within=within,
        low_stock=low_stock,
        expiring_soon=expiring_soon,
        search=search,
        preset=preset,
        lot=lot,
        serial=serial,
    )
    return await _download(state, "stock", wanted)


@get("/events.csv", opt=readers | {"may_be_empty": ("type",)}, media_type=CSV)
async def export_events(
    state: State,
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
) -> Stream:
    """Export the ledger, oldest first. The filters are those of the list of events."""
    wanted = service.EventFilter(
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
    return await _download(state, "events", wanted)


@get("/value.csv", opt=readers, media_type=CSV)
async def export_value(state: State, as_of: AsOf = None, within: Within = None) -> Stream:
    """Export the value of the stock at the end of a day: a row for each SKU, with its price and its value."""
    _, until = end_of_day(as_of, state.zone)
    return await _download(state, "value", service.ValueFilter(until=until, within=within))


async def _download(state: State, name: str, wanted: service.Filter) -> Stream:
    exports: service.Exports = state.exports
    pieces = await exports.start(wanted)
    filename = f"stocky_{name}_{clock.now():%Y%m%d_%H%M%S}.csv"
    return ClosingStream(
        pieces,
        media_type=f"{CSV}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{filename}"', "Cache-Control": "private, no-store"},
    )


export_routes = Router(
    "/exports", route_handlers=[export_items, export_stock, export_events, export_value], tags=["Exports"]
)
