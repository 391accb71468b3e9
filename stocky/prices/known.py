"""Which price counts for which stock: the last of its lot, or else the last of its item. Pure rules, no database.

A lot is what SKUs of an item with one expiry date, lot and serial number share, wherever they are. An item and those
merged into it by then are one. All arithmetic is on integers and fractions; only the value of a SKU is rounded, to a
millionth.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from msgspec import Struct

from stocky.money import nearest
from stocky.stock import units

# The expiry date, the lot and the serial number, as the driver returns them.
Lot = tuple[Any, str, str]
NO_LOT: Lot = (None, "", "")


class Paid(Struct, frozen=True, order=True, gc=False):
    """A price: `micro` millionths for `per_milli` thousandths of `unit`. Later ones compare as greater."""

    paid_at: Any
    id: int
    micro: int
    per_milli: int
    unit: str


class Stock(Struct, frozen=True, gc=False):
    """A SKU with a quantity in thousandths; the columns of list_stock_to_value.

    Of one whose unit was changed since, the quantity is in a unit that is not known, and has no value.
    """

    id: int
    item_id: int
    location_id: int
    expiry_date: Any
    lot: str
    serial: str
    opened_on: Any
    unit: str
    milli: int
    is_unit_changed: bool

    @property
    def key(self) -> Lot:
        return (self.expiry_date, self.lot, self.serial)


class KnownPrices:
    """The last price of each lot and each item; `merged` has the target of each merged item."""

    def __init__(self, merged: Mapping[int, int]) -> None:
        self._merged = merged
        self._of_item: dict[int, Paid] = {}
        self._of_stock_without_lot: dict[int, Paid] = {}
        self._of_lot: dict[tuple[int, Lot], Paid] = {}
        self._have_several: set[int] = set()

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Adds prices, in any order, as list_prices_known returns them."""
        for id, item_id, expiry_date, lot, serial, micro, per_milli, unit, paid_at in rows:
            paid, item_id = Paid(paid_at, id, micro, per_milli, unit), self._merged.get(item_id, item_id)
            last = self._of_item.get(item_id)
            if last is not None:
                self._have_several.add(item_id)
            if last is None or last < paid:
                self._of_item[item_id] = paid
            key = (expiry_date, lot, serial)
            if key == NO_LOT:
                before = self._of_stock_without_lot.get(item_id)
                if before is None or before < paid:
                    self._of_stock_without_lot[item_id] = paid
            else:
                before = self._of_lot.get((item_id, key))
                if before is None or before < paid:
                    self._of_lot[item_id, key] = paid

    def of_item(self, item_id: int) -> Paid | None:
        return self._of_item.get(self._merged.get(item_id, item_id))

    def of_lot(self, item_id: int, lot: Lot) -> Paid | None:
        item_id = self._merged.get(item_id, item_id)
        if lot == NO_LOT:
            return self._of_stock_without_lot.get(item_id)
        return self._of_lot.get((item_id, lot))

    def may_inherit(self, stock: Stock) -> bool:
        """Whether the price of this stock may be that of the lot that it was moved from, under another key.

        That is what was opened, or its expiry date or number corrected, after a move. An item with one price has no
        other to choose from.
        """
        if stock.opened_on is None and stock.key == NO_LOT:
            return False
        is_choice = self._merged.get(stock.item_id, stock.item_id) in self._have_several
        return is_choice and self.of_lot(stock.item_id, stock.key) is None


class PriceHistory:
    """All prices of the lots of a few items."""

    def __init__(self, merged: Mapping[int, int]) -> None:
        self._merged = merged
        self._of_lot: dict[tuple[int, Lot], list[Paid]] = defaultdict(list)
        self._of_group: dict[tuple[int, Lot], list[Paid]] = defaultdict(list)

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Adds prices, in any order, as list_prices_of_items returns them."""
        for id, item_id, expiry_date, lot, serial, micro, per_milli, unit, paid_at in rows:
            paid, key = Paid(paid_at, id, micro, per_milli, unit), (expiry_date, lot, serial)
            self._of_lot[item_id, key].append(paid)
            self._of_group[self._merged.get(item_id, item_id), key].append(paid)

    def by(self, moment: Any, item_id: int, lot: Lot) -> Paid | None:
        """The last price of a lot that was paid by a moment: its item's own, or else one merged with it."""
        own = self._of_lot.get((item_id, lot), ())
        merged = self._of_group.get((self._merged.get(item_id, item_id), lot), ())
        for prices in (own, merged):
            if known := [paid for paid in prices if paid.paid_at <= moment]:
                return max(known)
        return None


def targets(merges: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Into which item each merged item went in the end, by merges as (source, target)."""
    into = dict(merges)
    found = {}
    for source in into:
        target, seen = into[source], {source}
        while target in into and target not in seen:
            seen.add(target)
            target = into[target]
        found[source] = target
    return found


def value_of(milli: int, unit: str, paid: Paid, pack_milli: int | None) -> int | None:
    """What a quantity costs, in millionths; None if the price is for a unit of another kind."""
    ratio = units.ratio(unit, paid.unit, pack_milli)
    if ratio is None:
        return None
    if ratio == 1:
        product = milli * paid.micro
        whole, rest = divmod(product, paid.per_milli)
        return whole if not rest else nearest(Fraction(product, paid.per_milli))
    return nearest(ratio * milli * paid.micro / paid.per_milli)


def needs_pack(stock: Stock, paid: Paid) -> bool:
    """Whether the pack size of the item is needed to convert from the unit of the stock into that of the price."""
    return stock.unit != paid.unit and (units.is_pack(stock.unit) or units.is_pack(paid.unit))
