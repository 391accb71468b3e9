"""Values the stock of a day: reads SKUs, prices and what happened since, page by page, and multiplies in Python.

Nothing is multiplied by a database: a quantity times a price may have more than 64 bits. A page takes milliseconds, so
that on Postgres, where rows arrive on the event loop, no scan waits for all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from functools import partial
from typing import Any, NamedTuple

from stocky import clock
from stocky.catalogue.location_repository import get_locations
from stocky.catalogue.schemas import Location
from stocky.db import Connection
from stocky.errors import Invalid
from stocky.money import from_micro
from stocky.prices.known import KnownPrices, Paid, Stock, needs_pack, value_of
from stocky.prices.schemas import ItemValue, LocationValue, StockValue
from stocky.settings.repository import get_currency
from stocky.stock.schemas import LotPrice
from stocky.stock.units import pack_size

PAGE_ROWS = 5_000
# How many moves back the lot of a SKU is followed, and how many SKUs at once.
MOST_MOVES = 5
_IDS = 1_000
# The clock of a scanner may be ahead of the server's: a SKU may have changed before what changed it occurred.
_AHEAD = timedelta(days=2)
# What a list of values is sorted by, for the id of each entry.
Keys = dict[str, Callable[[int], Any]]


class Valued(NamedTuple):
    """A SKU, the price that counts for it, and its value in millionths; None for neither."""

    stock: Stock
    paid: Paid | None
    micro: int | None
    pack_milli: int | None
    is_of_lot: bool


class Valuation(NamedTuple):
    """The valued SKUs of a day, in the order of their ids."""

    as_of: date
    currency: str
    skus: list[Valued]

    def total(self) -> StockValue:
        group = _Group(self.skus)
        return StockValue(
            as_of=self.as_of,
            currency=self.currency,
            value=from_micro(group.micro),
            item_count=len({each.stock.item_id for each in self.skus}),
            sku_count=group.sku_count,
            without_price=group.without_price,
        )


class _Group:
    """SKUs that are valued together."""

    def __init__(self, skus: Iterable[Valued] = ()) -> None:
        self.micro = self.sku_count = self.without_price = 0
        for each in skus:
            self.add(each)

    def add(self, sku: Valued) -> None:
        self.sku_count += 1
        if sku.micro is None:
            self.without_price += 1
        else:
            self.micro += sku.micro


async def value_stock(
    read: Connection, as_of: date | None, zone: tzinfo | None, *, within: int | None = None
) -> Valuation:
    """The value of the stock at the end of a day, by default today. Raises Invalid for a day at the calendar's ends."""
    day = clock.now().astimezone(zone).date() if as_of is None else as_of
    until = clock.day_bounds(day, 1, zone)[-1]
    skus = await read.run(_value_stock, until, within)
    return Valuation(day, await get_currency(read), skus)


async def value_items(read: Connection, item_ids: Collection[int]) -> dict[int, Valued]:
    """The SKUs of these items with their present value, by their ids; empty ones have the price of their lot, too."""
    if not item_ids:
        return {}
    return {each.stock.id: each for each in await read.run(_value_items, list(item_ids))}


async def price_skus(read: Connection, item_ids: Collection[int]) -> dict[int, LotPrice]:
    """What the SKUs of these items cost, each in its unit, by their ids; those without a price are left out."""
    valued = await value_items(read, item_ids)
    priced = {id: price for id, sku in valued.items() if (price := unit_micro(sku)) is not None}
    if not priced:
        return {}
    currency = await get_currency(read)
    return {
        id: LotPrice(unit_price=from_micro(micro), currency=currency, is_of_lot=valued[id].is_of_lot)
        for id, micro in priced.items()
    }


def unit_micro(sku: Valued) -> int | None:
    """What one of the unit of a SKU costs, in millionths."""
    return None if sku.paid is None else value_of(1000, sku.stock.unit, sku.paid, sku.pack_milli)


async def list_item_values(
    read: Connection, valuation: Valuation, *, skip: int, limit: int, without_price: bool = False, order: str = ""
) -> tuple[list[ItemValue], int]:
    """A page of the items by value, the largest first, or in another order, and the number of all.

    `without_price`: only items with SKUs that have none. Raises Invalid for an order that the list does not have.
    """
    groups = await read.compute(partial(_grouped, valuation.skus, "item_id", without_price))
    names: dict[int, tuple[str, str]] = {}
    if "item_" in order:
        names = await name_items(read, groups.keys())
    keys: Keys = {
        "value": lambda id: groups[id].micro,
        "item_id": lambda id: id,
        "item_code": lambda id: names[id][0],
        "item_name": lambda id: names[id][1].lower(),
        "sku_count": lambda id: groups[id].sku_count,
        "without_price": lambda id: groups[id].without_price,
    }
    page = (await read.compute(partial(_in_order, groups, keys, order)))[skip : skip + limit]
    names = names or await name_items(read, page)
    values = [
        ItemValue(
            item_id=id,
            item_code=names[id][0],
            item_name=names[id][1],
            value=from_micro(groups[id].micro),
            sku_count=groups[id].sku_count,
            without_price=groups[id].without_price,
        )
        for id in page
    ]
    return values, len(groups)


async def list_location_values(
    read: Connection, valuation: Valuation, *, skip: int, limit: int, order: str = ""
) -> tuple[list[LocationValue], int]:
    """The same for locations."""
    groups = await read.compute(partial(_grouped, valuation.skus, "location_id", False))
    locations: dict[int, Location] = {}
    if "location_" in order:
        locations = await get_locations(read, set(groups))
    keys: Keys = {
        "value": lambda id: groups[id].micro,
        "location_id": lambda id: id,
        "location_path": lambda id: locations[id].path.lower(),
        "sku_count": lambda id: groups[id].sku_count,
        "without_price": lambda id: groups[id].without_price,
    }
    page = (await read.compute(partial(_in_order, groups, keys, order)))[skip : skip + limit]
    locations = locations or await get_locations(read, set(page))
    values = [
        LocationValue(
            location_id=id,
            location_path=locations[id].path,
            value=from_micro(groups[id].micro),
            sku_count=groups[id].sku_count,
            without_price=groups[id].without_price,
        )
        for id in page
    ]
    return values, len(groups)


async def name_items(read: Connection, ids: Iterable[int]) -> dict[int, tuple[str, str]]:
    """The codes and the names of items."""
    wanted = set(ids)
    rows = await read.rows("name_items_to_value", ids=wanted) if wanted else []
    return {row[0]: (row[1], row[2]) for row in rows}


def _grouped(skus: Sequence[Valued], field: str, without_price: bool) -> dict[int, _Group]:
    groups: dict[int, _Group] = defaultdict(_Group)
    for each in skus:
        groups[getattr(each.stock, field)].add(each)
    return {id: group for id, group in groups.items() if group.without_price or not without_price}


def _in_order(groups: Mapping[int, _Group], keys: Keys, order: str) -> list[int]:
    """The ids of groups, the largest value first, or in this order and then that one. Raises Invalid."""
    ids = sorted(groups, key=lambda id: (-groups[id].micro, id))
    for key in reversed(order.split(",") if order else []):
        name = key.removeprefix("-")
        if name not in keys:
            raise Invalid(
                f"sort: this list cannot be sorted by {name!r}; use {', '.join(keys)}, with - in front for the reverse",
                field="sort",
            )
        ids.sort(key=keys[name], reverse=key != name)
    return ids


async def _value_stock(tx: Connection, until: datetime, within: int | None) -> list[Valued]:
    changed: dict[int, int] = dict(await tx.rows("list_changes_since", since=until))
    prices, after = KnownPrices(), 0
    while rows := await tx.rows("list_prices_known", until=until, after=after, limit=PAGE_ROWS):
        after = rows[-1][0]
        await tx.compute(partial(prices.add, rows))
    skus: list[Stock] = []
    after = 0
    while rows := await tx.rows(
        "list_stock_to_value", after=after, limit=PAGE_ROWS, changed_since=until - _AHEAD, within=within
    ):
        after = rows[-1][0]
        skus += await tx.compute(partial(_quantities_then, rows, changed))
    return await _value(tx, skus, prices, until)


def _quantities_then(rows: Sequence[Sequence[Any]], changed: dict[int, int]) -> list[Stock]:
    """The SKUs with the quantities that they had before what changed since; empty ones are left out."""
    skus = [Stock(*row) for row in rows]
    if changed:
        skus = [each._replace(milli=each.milli - changed.get(each.id, 0)) for each in skus]
    return [each for each in skus if each.milli]


async def _value_items(tx: Connection, item_ids: list[int]) -> list[Valued]:
    prices = KnownPrices()
    prices.add(await tx.rows("list_prices_of_items", ids=item_ids))
    skus = [Stock(*row) for row in await tx.rows("list_stock_of_items_to_value", ids=item_ids)]
    return await _value(tx, skus, prices, clock.FAR_AWAY)


async def _value(tx: Connection, skus: list[Stock], prices: KnownPrices, until: datetime) -> list[Valued]:
    inherited = await _inherited(tx, [each for each in skus if prices.may_inherit(each)], prices, until)

    def find() -> list[tuple[Stock, Paid | None, bool]]:
        found = []
        for sku in skus:
            of_lot = prices.of_lot(sku.item_id, sku.key) or inherited.get(sku.id)
            found.append((sku, of_lot or prices.of_item(sku.item_id), of_lot is not None))
        return found

    priced = await tx.compute(find)
    packs = await _packs(tx, {sku.item_id for sku, paid, _ in priced if paid is not None and needs_pack(sku, paid)})

    def valued() -> list[Valued]:
        found = []
        for sku, paid, is_of_lot in priced:
            pack_milli = packs.get(sku.item_id)
            micro = None if paid is None else value_of(sku.milli, sku.unit, paid, pack_milli)
            found.append(Valued(sku, None if micro is None else paid, micro, pack_milli, is_of_lot))
        return found

    return await tx.compute(valued)


async def _inherited(tx: Connection, skus: list[Stock], prices: KnownPrices, until: datetime) -> dict[int, Paid]:
    """The prices of the lots that these SKUs were moved from, by the ids of the SKUs."""
    found: dict[int, Paid] = {}
    items = {each.id: each.item_id for each in skus}
    # Each SKU, with the one whose source is looked for and that one's item.
    at = {each.id: (each.id, each.item_id) for each in skus}
    for _ in range(MOST_MOVES):
        sources: dict[int, Any] = {}
        wanted = sorted(set(at.values()))
        for start in range(0, len(wanted), _IDS):
            part = wanted[start : start + _IDS]
            rows = await tx.rows(
                "list_sources_of_skus",
                ids=[sku_id for sku_id, _ in part],
                item_ids={item_id for _, item_id in part},
                until=until,
            )
            sources.update((row[0], row) for row in rows)
        following = {}
        for id, (sku_id, _) in at.items():
            if sku_id not in sources:
                continue
            _, expiry_date, lot, serial, source_id, source_item_id = sources[sku_id]
            paid = prices.of_lot(items[id], (expiry_date, lot, serial))
            if paid is None:
                following[id] = (source_id, source_item_id)
            else:
                found[id] = paid
        at = following
        if not at:
            break
    return found


async def _packs(tx: Connection, item_ids: set[int]) -> dict[int, int | None]:
    """The thousandths of a piece in a pack of each of these items."""
    if not item_ids:
        return {}
    packs: dict[int, list[int]] = defaultdict(list)
    for item_id, pack_milli in await tx.rows("list_packs", ids=item_ids):
        packs[item_id].append(pack_milli)
    return {item_id: pack_size(sizes) for item_id, sizes in packs.items()}
