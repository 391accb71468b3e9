"""Values each SKU of a day: reads SKUs, prices and what happened since, page by page, and multiplies in Python.

Nothing is multiplied by a database: a quantity times a price may have more than 64 bits. A page takes milliseconds, so
that on Postgres, where rows arrive on the event loop, no scan waits for all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from stocky import clock
from stocky.db import Connection
from stocky.money import from_micro
from stocky.prices.known import KnownPrices, Paid, PriceHistory, Stock, needs_pack, targets, value_of
from stocky.settings.repository import get_currency
from stocky.stock.schemas import LotPrice
from stocky.stock.units import pack_size

PAGE_ROWS = 5_000
# How many moves back the lot of a SKU is followed, and how many SKUs at once.
MOST_MOVES = 5
_IDS = 1_000
# The clock of a scanner may be ahead of the server's: a SKU may have changed before what changed it occurred.
_AHEAD = timedelta(days=2)


class Valued(Struct, frozen=True, gc=False):
    """A SKU, the price that counts for it, and its value in millionths; None for neither."""

    stock: Stock
    paid: Paid | None
    micro: int | None
    pack_milli: int | None
    is_of_lot: bool


def end_of_day(as_of: date | None, zone: tzinfo | None) -> tuple[date, datetime]:
    """A day, by default today, and the moment at which it ends. Raises Invalid for a day at the calendar's ends."""
    day = clock.now().astimezone(zone).date() if as_of is None else as_of
    return day, clock.day_bounds(day, 1, zone)[-1]


async def value_stock(tx: Connection, until: datetime, within: int | None = None) -> list[Valued]:
    """The SKUs with stock at the moment before `until`, in the order of their ids. `read.run` makes it one snapshot."""
    merged = await _merged_by(tx, until)
    prices, after = KnownPrices(merged), 0
    while rows := await tx.rows("list_prices_known", until=until, after=after, limit=PAGE_ROWS):
        after = rows[-1][0]
        await tx.compute(partial(prices.add, rows))
    changed = await _changes_since(tx, until)
    # No event is older than that; the first days of the calendar have none two days earlier.
    changed_since = max(until, clock.LONG_AGO) - _AHEAD
    skus: list[Stock] = []
    after = 0
    while rows := await tx.rows(
        "list_stock_to_value", after=after, limit=PAGE_ROWS, changed_since=changed_since, until=until, within=within
    ):
        after = rows[-1][0]
        skus += await tx.compute(partial(_quantities_then, rows, changed))
    return await _value(tx, skus, prices, merged, until)


async def value_items(read: Connection, item_ids: Collection[int], until: datetime | None = None) -> dict[int, Valued]:
    """The SKUs of these items with their present value, by their ids; empty ones have the price of their lot, too.

    With `until`, they have the prices that were known before that, for their present quantities.
    """
    if not item_ids:
        return {}
    return {each.stock.id: each for each in await read.run(_value_items, set(item_ids), until)}


async def price_skus(read: Connection, item_ids: Collection[int], until: datetime | None = None) -> dict[int, LotPrice]:
    """What the SKUs of these items cost, each in its unit, by their ids; those without a price are left out."""
    valued = await value_items(read, item_ids, until)
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


async def name_items(read: Connection, ids: Iterable[int]) -> dict[int, tuple[str, str]]:
    """The codes and the names of items."""
    wanted, names = sorted(set(ids)), {}
    for start in range(0, len(wanted), PAGE_ROWS):
        rows = await read.rows("name_items_to_value", ids=wanted[start : start + PAGE_ROWS])
        names.update({row[0]: (row[1], row[2]) for row in rows})
    return names


async def _merged_by(tx: Connection, until: datetime) -> dict[int, int]:
    """The items that were merged then, with what they were merged into."""
    merges: list[tuple[int, int]] = []
    after = 0
    while rows := await tx.rows("list_merges_by", until=until, after=after, limit=PAGE_ROWS):
        after = rows[-1][0]
        merges += [(source, target) for _, source, target in rows]
    return targets(merges)


async def _changes_since(tx: Connection, until: datetime) -> dict[int, int]:
    """How much each SKU changed by what occurred since then."""
    changed: dict[int, int] = defaultdict(int)

    def add(rows: Sequence[Sequence[Any]]) -> None:
        for _, _, sku_id, delta_milli in rows:
            changed[sku_id] += delta_milli

    since: Any = until
    after = 0
    while rows := await tx.rows("list_changes_since", since=since, after=after, limit=PAGE_ROWS):
        after, since = rows[-1][:2]
        await tx.compute(partial(add, rows))
    return changed


def _quantities_then(rows: Sequence[Sequence[Any]], changed: Mapping[int, int]) -> list[Stock]:
    """The SKUs with the quantities that they had before what changed since; empty ones are left out."""
    skus = [Stock(*row) for row in rows]
    if changed:
        skus = [replace(each, milli=each.milli - changed.get(each.id, 0)) for each in skus]
    return [each for each in skus if each.milli]


async def _value_items(tx: Connection, item_ids: set[int], until: datetime | None) -> list[Valued]:
    if until is None:
        until = clock.FAR_AWAY
        merged = dict(await tx.rows("list_merged_items", ids=item_ids))
    else:
        merged = await _merged_by(tx, until)
    skus = [Stock(*row) for row in await tx.rows("list_stock_of_items_to_value", ids=item_ids, until=until)]
    prices = KnownPrices(merged)
    prices.add(await tx.rows("list_prices_of_items", ids=_with_merged(item_ids, merged), until=until))
    return await _value(tx, skus, prices, merged, until)


def _with_merged(item_ids: set[int], merged: Mapping[int, int]) -> set[int]:
    """These items with those that they are merged into, and all that are merged into the same."""
    into = {merged.get(id, id) for id in item_ids}
    return into | {source for source, target in merged.items() if target in into}


async def _value(
    tx: Connection, skus: list[Stock], prices: KnownPrices, merged: Mapping[int, int], until: datetime
) -> list[Valued]:
    inherited: dict[int, Paid] = {}
    may_inherit = await tx.compute(lambda: [each for each in skus if prices.may_inherit(each)])
    for start in range(0, len(may_inherit), _IDS):
        inherited |= await _inherited(tx, may_inherit[start : start + _IDS], merged, until)

    def find() -> list[tuple[Stock, Paid | None, bool]]:
        found: list[tuple[Stock, Paid | None, bool]] = []
        for sku in skus:
            of_lot = prices.of_lot(sku.item_id, sku.key) or inherited.get(sku.id)
            paid = None if sku.is_unit_changed else of_lot or prices.of_item(sku.item_id)
            found.append((sku, paid, of_lot is not None))
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


async def _inherited(
    tx: Connection, skus: Sequence[Stock], merged: Mapping[int, int], until: datetime
) -> dict[int, Paid]:
    """The prices of the lots that these SKUs were moved from, paid by then, by the ids of the SKUs."""
    found: dict[int, Paid] = {}
    history = PriceHistory(merged)
    known_items: set[int] = set()
    # Each SKU, with the one whose source is looked for, that one's item, and when the stock left it, None for not.
    at: dict[int, tuple[int, int, Any]] = {each.id: (each.id, each.item_id, None) for each in skus}
    for _ in range(MOST_MOVES):
        moves: dict[int, list[Sequence[Any]]] = defaultdict(list)
        for row in await tx.rows(
            "list_sources_of_skus",
            ids={sku_id for sku_id, _, _ in at.values()},
            item_ids={item_id for _, item_id, _ in at.values()},
            until=until,
        ):
            moves[row[0]].append(row)
        items = _with_merged({row[5] for rows in moves.values() for row in rows}, merged) - known_items
        if items:
            history.add(await tx.rows("list_prices_of_items", ids=items, until=until))
            known_items |= items
        following: dict[int, tuple[int, int, Any]] = {}
        for id, (sku_id, _, left_at) in at.items():
            move = next((row for row in reversed(moves[sku_id]) if left_at is None or row[6] <= left_at), None)
            if move is None:
                continue
            _, expiry_date, lot, serial, source_id, source_item_id, moved_at = move
            paid = history.by(moved_at, source_item_id, (expiry_date, lot, serial))
            if paid is None:
                following[id] = (source_id, source_item_id, moved_at)
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
