"""Items with their stock by location, for pages: the number of queries does not depend on the number of items."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime

from msgspec import Struct

from stocky.catalogue.repository import ExpiringItem, ItemFilter, items_by_id, list_by_expiry, list_item_versions
from stocky.catalogue.schemas import Item
from stocky.db import Connection
from stocky.schema import LocationKind, StorageType


class LocatedStock(Struct, gc=False):
    """A SKU with its location. `box_no` and `loc_no` are set if that is in a box."""

    sku_id: int
    item_id: int
    location_id: int
    location_path: str
    storage_type: StorageType
    kind: LocationKind
    box_no: int | None
    loc_no: int | None
    expiry_date: date | None
    lot: str
    serial: str
    opened_on: date | None
    quantity: float
    unit: str
    notes: str
    updated_at: datetime

    @property
    def is_lent(self) -> bool:
        """Whether a person has it."""
        return self.kind is LocationKind.PERSON


class StockedItem(Struct):
    """An item with its SKUs, empty ones included; `item` has the total, its unit and the minimum.

    `expiring` is why a list by expiry has the item.
    """

    item: Item
    stock: list[LocatedStock]
    expiring: ExpiringItem | None = None

    @property
    def is_low(self) -> bool:
        """Whether the total is at or below the minimum, by the rule of alerts and `low_stock`."""
        item = self.item
        return item.is_active and item.min_quantity is not None and item.total_quantity <= item.min_quantity

    @property
    def nearest_expiry(self) -> date | None:
        """The earliest expiry date of the stock."""
        return min((each.expiry_date for each in self.stock if each.expiry_date and each.quantity > 0), default=None)


async def list_stocked_items(read: Connection, wanted: ItemFilter, *, skip: int, limit: int) -> list[StockedItem]:
    """A page of items in the order they were added or expire, read at one moment.

    Fewer than `limit` items mean that it is the last page.
    """
    return await read.run(_list_stocked_items, wanted, skip, limit)


async def get_stocked_items(read: Connection, item_ids: Iterable[int]) -> list[StockedItem]:
    """The items with these ids, in that order, read at one moment; missing ones are left out."""
    return await read.run(_stocked, list(item_ids))


async def _list_stocked_items(tx: Connection, wanted: ItemFilter, skip: int, limit: int) -> list[StockedItem]:
    if wanted.is_by_expiry:
        expiring = {each.id: each for each in await list_by_expiry(tx, wanted, skip=skip, limit=limit)}
        found = await _stocked(tx, list(expiring))
        return [StockedItem(each.item, each.stock, expiring[each.item.id]) for each in found]
    return await _stocked(tx, [row[0] for row in await list_item_versions(tx, wanted, skip=skip, limit=limit)])


async def _stocked(tx: Connection, ids: list[int]) -> list[StockedItem]:
    if not ids:
        return []
    items = await items_by_id(tx, ids)
    stock: dict[int, list[LocatedStock]] = defaultdict(list)
    for row in await tx.all("list_stock_of_items", LocatedStock, ids=ids):
        stock[row.item_id].append(row)
    return [StockedItem(items[id], stock[id]) for id in ids if id in items]
