"""Where things that were bought are put: where most of the item is, else where it was, else the user's last choice."""

from __future__ import annotations

from typing import Any

from litestar import Request
from msgspec import Struct

from stocky.catalogue.location_repository import get_location
from stocky.catalogue.schemas import Location
from stocky.db import Connection
from stocky.errors import NotFound
from stocky.shopping.schemas import Entry
from stocky.stock.item_stock import LocatedStock, get_stocked_items

# The user's last choice for things that have no location yet.
PLACE_COOKIE = "stocky_put_away"


class Row(Struct):
    """An entry with what is in stock of it and where it is put when it is bought."""

    entry: Entry
    stock: list[LocatedStock]
    place_id: int | None = None
    place_name: str = ""


async def make_rows(read: Connection, entries: list[Entry], place: Location | None) -> list[Row]:
    """The entries with their stock; an item goes where most of it is, else where it was, else to `place`."""
    ids = [entry.item.id for entry in entries if entry.item is not None]
    stocked = {each.item.id: each.stock for each in await get_stocked_items(read, ids)}
    rows = []
    for entry in entries:
        stock = [] if entry.item is None else stocked.get(entry.item.id, [])
        row = Row(entry, [each for each in stock if each.quantity])
        if entry.item is not None:
            if stock:
                best = max(stock, key=lambda each: each.quantity)
                row.place_id, row.place_name = best.location_id, best.location_name
            elif place is not None:
                row.place_id, row.place_name = place.id, place.name
        rows.append(row)
    return rows


async def chosen_place(request: Request[Any, Any, Any], read: Connection) -> Location | None:
    """The location that was chosen for things that have none."""
    text = request.cookies.get(PLACE_COOKIE, "")
    if not text.isascii() or not text.isdigit() or len(text) > 15 or not int(text):
        return None
    try:
        location = await get_location(read, int(text))
    except NotFound:
        return None
    return location if location.is_active else None
