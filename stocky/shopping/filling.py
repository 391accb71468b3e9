"""Puts on a shopping list what is running low; what is on it already is never put there twice."""

from __future__ import annotations

from msgspec import Struct

from stocky.auth.schemas import Principal
from stocky.catalogue.repository import lock_items
from stocky.db import Connection
from stocky.quantity import MAX_QUANTITY, to_milli
from stocky.shopping.entries import MAX_ENTRIES, Addition, add_entries, list_entries
from stocky.shopping.repository import open_list
from stocky.shopping.schemas import Filled, Filling

# Of something that is exactly at its minimum nothing is missing, and yet it is to be bought.
LEAST_MILLI = 1000


class _LowItem(Struct):
    id: int
    name: str
    min_quantity_milli: int
    stock_milli: float


async def fill_from_low_stock(tx: Connection, list_id: int, wanted: Filling, by: Principal) -> Filled:
    """Adds the items at or below their minimum with what is missing up to it, or up to the target; at least 1 of each.

    Raises NotFound.
    """
    opened = await open_list(tx, list_id, by)
    room = MAX_ENTRIES - opened.item_count
    low = await tx.all("list_low_items", _LowItem, list_id=list_id, limit=room + 1)
    # None of them is merged into another before it is on the list.
    await lock_items(tx, {item.id for item in low})
    low = await tx.all("list_low_items", _LowItem, list_id=list_id, limit=room + 1)
    target_milli = to_milli(wanted.target or 0, "target")
    additions = [Addition(item.id, None, _missing_milli(item, target_milli), item.name) for item in low[:room]]
    ids = set(await tx.run(add_entries(list_id, additions, by, {"because": "low_stock"})))
    added = [entry for entry in await list_entries(tx, list_id) if entry.id in ids]
    return Filled(added, is_complete=len(low) <= room)


def _missing_milli(item: _LowItem, target_milli: int) -> int:
    missing = int(max(item.min_quantity_milli, target_milli) - item.stock_milli)
    return min(max(missing, LEAST_MILLI), MAX_QUANTITY * 1000)
