"""What the stock of a day is worth in sum, by item and by location; cached until the next commit, for paging.

A cached summary is valid for one revision of the database on SQLite, for one snapshot on Postgres.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, tzinfo
from functools import partial
from typing import Any, NamedTuple

from stocky.catalogue.location_repository import get_locations
from stocky.catalogue.schemas import Location
from stocky.db import Connection, Database
from stocky.errors import Invalid
from stocky.money import from_micro
from stocky.prices.schemas import ItemValue, LocationValue, StockValue
from stocky.prices.valuation import Valued, end_of_day, name_items, value_stock
from stocky.settings.repository import get_currency

# How many items and locations all cached summaries may have: about 160 bytes each.
MOST_GROUPS = 250_000

# What a list of values is sorted by.
Keys = dict[str, Callable[["Group"], Any]]


class Group(NamedTuple):
    """The value of the SKUs of one item or location, in millionths; `without_price` of them are not in it."""

    id: int
    micro: int
    sku_count: int
    without_price: int


class Summary(NamedTuple):
    """The value of a day. The items and the locations are in the order of their value, the largest first."""

    total: StockValue
    items: list[Group]
    locations: list[Group]


class StockValues:
    """The summaries of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # On SQLite, the threads of several connections use it.
        self._lock = threading.Lock()
        self._cached: OrderedDict[tuple[datetime, int | None], tuple[object, Summary]] = OrderedDict()
        database.gate.on_data_replaced(self._clear)

    async def get_or_read(
        self, read: Connection, as_of: date | None, zone: tzinfo | None, *, within: int | None = None
    ) -> Summary:
        """The value of the stock at the end of a day, by default today. Raises Invalid for a day out of bounds."""
        day, until = end_of_day(as_of, zone)
        epoch = self._database.gate.epoch
        return await read.run(self._find, epoch, self._database.revision(), day, until, within)

    async def _find(
        self, tx: Connection, epoch: int, revision: object | None, day: date, until: datetime, within: int | None
    ) -> Summary:
        if revision is None:
            revision = await tx.value("find_snapshot")
        position, key = None if revision is None else (epoch, revision), (until, within)
        with self._lock:
            known = self._cached.get(key)
            if known is not None and known[0] == position:
                self._cached.move_to_end(key)
                return known[1]
        skus = await value_stock(tx, until, within)
        summary = await tx.compute(partial(_summarize, skus, day, await get_currency(tx)))
        # It was read after the revision, so it is at least as new.
        if position is not None and epoch == self._database.gate.epoch:
            self._store(key, position, summary)
        return summary

    def _store(self, key: tuple[datetime, int | None], position: object, summary: Summary) -> None:
        with self._lock:
            for old in [each for each, (before, _) in self._cached.items() if before != position or each == key]:
                del self._cached[old]
            self._cached[key] = (position, summary)
            while sum(len(each.items) + len(each.locations) for _, each in self._cached.values()) > MOST_GROUPS:
                self._cached.popitem(last=False)

    def _clear(self) -> None:
        with self._lock:
            self._cached.clear()


async def list_item_values(
    read: Connection, summary: Summary, *, skip: int, limit: int, without_price: bool = False, order: str = ""
) -> tuple[list[ItemValue], int]:
    """A page of the items by value, the largest first, or in another order, and the number of all.

    `without_price`: only items with SKUs that have none. Raises Invalid for an order that the list does not have.
    """
    groups = summary.items
    if without_price:
        groups = await read.compute(lambda: [each for each in summary.items if each.without_price])
    names: dict[int, tuple[str, str]] = {}
    if "item_" in order:
        names = await name_items(read, [each.id for each in groups])
    keys: Keys = {
        "value": lambda each: each.micro,
        "item_id": lambda each: each.id,
        "item_code": lambda each: names[each.id][0],
        "item_name": lambda each: names[each.id][1].lower(),
        "sku_count": lambda each: each.sku_count,
        "without_price": lambda each: each.without_price,
    }
    page = (await read.compute(partial(_in_order, groups, keys, order)))[skip : skip + limit]
    names = names or await name_items(read, [each.id for each in page])
    values = [
        ItemValue(
            item_id=each.id,
            item_code=names[each.id][0],
            item_name=names[each.id][1],
            value=from_micro(each.micro),
            sku_count=each.sku_count,
            without_price=each.without_price,
        )
        for each in page
    ]
    return values, len(groups)


async def list_location_values(
    read: Connection, summary: Summary, *, skip: int, limit: int, order: str = ""
) -> tuple[list[LocationValue], int]:
    """The same for locations."""
    groups = summary.locations
    locations: dict[int, Location] = {}
    if "location_" in order:
        locations = await get_locations(read, {each.id for each in groups})
    keys: Keys = {
        "value": lambda each: each.micro,
        "location_id": lambda each: each.id,
        "location_path": lambda each: locations[each.id].path.lower(),
        "sku_count": lambda each: each.sku_count,
        "without_price": lambda each: each.without_price,
    }
    page = (await read.compute(partial(_in_order, groups, keys, order)))[skip : skip + limit]
    locations = locations or await get_locations(read, {each.id for each in page})
    values = [
        LocationValue(
            location_id=each.id,
            location_path=locations[each.id].path,
            value=from_micro(each.micro),
            sku_count=each.sku_count,
            without_price=each.without_price,
        )
        for each in page
    ]
    return values, len(groups)


def _summarize(skus: Sequence[Valued], day: date, currency: str) -> Summary:
    items = _grouped((each.stock.item_id, each.micro) for each in skus)
    total = StockValue(
        as_of=day,
        currency=currency,
        value=from_micro(sum(each.micro for each in items)),
        item_count=len(items),
        sku_count=len(skus),
        without_price=sum(each.without_price for each in items),
    )
    return Summary(total, items, _grouped((each.stock.location_id, each.micro) for each in skus))


def _grouped(values: Iterable[tuple[int, int | None]]) -> list[Group]:
    sums: dict[int, list[int]] = {}
    for id, micro in values:
        group = sums.setdefault(id, [0, 0, 0])
        group[0] += micro or 0
        group[1] += 1
        group[2] += micro is None
    return sorted((Group(id, *group) for id, group in sums.items()), key=lambda each: (-each.micro, each.id))


def _in_order(groups: Sequence[Group], keys: Keys, order: str) -> Sequence[Group]:
    """The groups in this order, and then by value. Raises Invalid."""
    if not order:
        return groups
    ordered = list(groups)
    for key in reversed(order.split(",")):
        name = key.removeprefix("-")
        if name not in keys:
            raise Invalid(
                f"sort: this list cannot be sorted by {name!r}; use {', '.join(keys)}, with - in front for the reverse",
                field="sort",
            )
        ordered.sort(key=keys[name], reverse=key != name)
    return ordered
