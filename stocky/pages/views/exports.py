"""Every CSV file that Stocky writes, with its filters; the forms redirect to the routes of the API."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get
from litestar.datastructures import State
from litestar.params import Parameter

from stocky import clock
from stocky.auth.guards import readers
from stocky.catalogue.part_repository import list_item_types
from stocky.db import Connection
from stocky.exports.programs import Program
from stocky.http.parameters import LotFilter, Search, SerialFilter
from stocky.imports.presets import BY_NAME as PRESETS
from stocky.pages.rendering import Html, page, see_other
from stocky.pages.views.activity import OptionalDay, OptionalId, OptionalText, chosen_item, chosen_location
from stocky.schema import StorageType
from stocky.stock.schemas import EntryType

_MOST_TYPES = 500


@get("/export", opt=readers)
async def show_exports(request: Request[Any, Any, Any], read: Connection) -> Html:
    """The files with the forms for their filters."""
    types = await list_item_types(read, skip=0, limit=_MOST_TYPES, pattern=None)
    programs = [(each.value, PRESETS[each.value].title) for each in Program]
    return page(request, "export.html", types=[(each.id, each.name) for each in types], programs=programs)


@get("/export/items", opt=readers | {"may_be_empty": ("storage_type", "type_id", "preset")})
async def export_items(
    request: Request[Any, Any, Any],
    search: Search = None,
    storage_type: StorageType | None = None,
    type_id: OptionalId = None,
    tag: Annotated[str | None, Parameter(max_length=50, required=False)] = None,
    hidden: bool = False,
    needs_review: bool = False,
    preset: Program | None = None,
) -> Html:
    """Redirects to items.csv."""
    return see_other(
        request,
        "/api/v1/exports/items.csv",
        search=search,
        storage_type=None if storage_type is None else storage_type.value,
        type_id=type_id,
        tag=tag,
        is_active="false" if hidden else None,
        needs_review="true" if needs_review else None,
        preset=None if preset is None else preset.value,
    )


@get("/export/stock", opt=readers | {"may_be_empty": ("item_id", "location_id", "preset")})
async def export_stock(
    request: Request[Any, Any, Any],
    read: Connection,
    item_id: OptionalId = None,
    item_id_text: OptionalText = "",
    location_id: OptionalId = None,
    location_id_text: OptionalText = "",
    low_stock: bool = False,
    expiring_soon: bool = False,
    preset: Program | None = None,
    lot: LotFilter = None,
    serial: SerialFilter = None,
) -> Html:
    """Redirects to stock.csv."""
    return see_other(
        request,
        "/api/v1/exports/stock.csv",
        item_id=(await chosen_item(read, item_id, item_id_text))[0],
        location_id=(await chosen_location(read, location_id, location_id_text))[0],
        low_stock="true" if low_stock else None,
        expiring_soon="true" if expiring_soon else None,
        preset=None if preset is None else preset.value,
        lot=lot or None,
        serial=serial or None,
    )


@get("/export/events", opt=readers | {"may_be_empty": ("item_id", "location_id", "type", "since", "until")})
async def export_events(
    request: Request[Any, Any, Any],
    state: State,
    read: Connection,
    item_id: OptionalId = None,
    item_id_text: OptionalText = "",
    location_id: OptionalId = None,
    location_id_text: OptionalText = "",
    scanner_id: Annotated[str | None, Parameter(max_length=128, required=False)] = None,
    type: Annotated[EntryType | None, Parameter(required=False)] = None,
    since: OptionalDay = None,
    until: OptionalDay = None,
    lot: LotFilter = None,
    serial: SerialFilter = None,
) -> Html:
    """Redirects to events.csv; days are in the time zone of the settings."""
    return see_other(
        request,
        "/api/v1/exports/events.csv",
        item_id=(await chosen_item(read, item_id, item_id_text))[0],
        location_id=(await chosen_location(read, location_id, location_id_text))[0],
        scanner_id=scanner_id,
        type=None if type is None else type.value,
        since=None if since is None else clock.day_bounds(since, 1, state.zone)[0].isoformat(),
        until=None if until is None else clock.day_bounds(until, 1, state.zone)[-1].isoformat(),
        lot=lot or None,
        serial=serial or None,
    )


routes = [show_exports, export_items, export_stock, export_events]
