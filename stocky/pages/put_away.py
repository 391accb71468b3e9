"""The location for bought items: the one with most of the item, else its previous one, else the user's last choice.

It is never a person.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from litestar import Request
from msgspec import Struct

from stocky.catalogue.location_repository import get_location
from stocky.catalogue.schemas import Location
from stocky.db import Connection
from stocky.errors import NotFound
from stocky.quantity import from_milli, to_milli
from stocky.schema import LocationKind
from stocky.shopping.schemas import Entry
from stocky.stock.item_stock import LocatedStock, get_stocked_items

# The user's last choice for items that have no location yet.
LOCATION_COOKIE = "stocky_put_away"


class Row(Struct):
    """An entry with the stock of its item and the location it is added to when bought.

    `there` is what that location holds: a quantity for each unit.
    """

    entry: Entry
    stock: list[LocatedStock]
    location_id: int | None = None
    location_path: str = ""
    there: list[tuple[float, str]] = []


async def make_rows(read: Connection, entries: list[Entry], default: Location | None) -> list[Row]:
    """The entries with their stock; an item goes where most of it is, else where it was, else to `default`."""
    ids = [entry.item.id for entry in entries if entry.item.id is not None]
    stocked = {each.item.id: each.stock for each in await get_stocked_items(read, ids)}
    rows = []
    for entry in entries:
        stock = [] if entry.item.id is None else stocked.get(entry.item.id, [])
        row = Row(entry, [each for each in stock if each.quantity])
        if entry.item.id is not None:
            if at_hand := [each for each in stock if not each.is_lent]:
                best = max(at_hand, key=lambda each: each.quantity)
                row.location_id, row.location_path = best.location_id, best.location_path
                row.there = _by_unit(each for each in at_hand if each.location_id == best.location_id)
            elif default is not None:
                row.location_id, row.location_path = default.id, default.path
        rows.append(row)
    return rows


def _by_unit(stock: Iterable[LocatedStock]) -> list[tuple[float, str]]:
    """The sum of each unit, without those of which nothing is left; stock in another unit cannot be added."""
    sums: dict[str, int] = defaultdict(int)
    for each in stock:
        sums[each.unit] += to_milli(each.quantity)
    return [(from_milli(milli), unit) for unit, milli in sums.items() if milli]


async def chosen_location(request: Request[Any, Any, Any], read: Connection) -> Location | None:
    """The location that the user chose for items without one."""
    text = request.cookies.get(LOCATION_COOKIE, "")
    if not text.isascii() or not text.isdigit() or len(text) > 15 or not int(text):
        return None
    try:
        location = await get_location(read, int(text))
    except NotFound:
        return None
    return location if location.is_active and location.kind is LocationKind.PLACE else None
