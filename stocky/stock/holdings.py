"""The levels of a batch in memory: one changes only with an entry of the ledger, and all of it can be taken back.

They are what was read for the batch; what they changed into, and the entries, is what has to be written.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from fractions import Fraction

from stocky.schema import MAX_ID
from stocky.stock import units
from stocky.stock.models import Entry, Level, Refused, Stocked
from stocky.stock.operations import Operation

# Far above any stock, and exact as a JSON number.
LIMIT_MILLI = 10**15


class Holdings:
    """The levels of the items of a batch, and the entries that change them."""

    def __init__(self, items: list[Stocked], levels: list[Level], moment: datetime) -> None:
        self.items = {item.id: item for item in items}
        self.moment = moment
        self.entries: list[Entry] = []
        self.changed: dict[int, Level] = {}
        self.made: list[Level] = []
        self._by_item: dict[int, list[Level]] = {item.id: [] for item in items}
        self._by_sku: dict[int, Level] = {}
        # How to take back what the batch has done so far, newest last.
        self._undo: list[Callable[[], None]] = []
        for level in levels:
            self._by_item[level.item_id].append(level)
            self._by_sku[level.id] = level

    def level(self, sku_id: int) -> Level | None:
        return self._by_sku.get(sku_id)

    def levels(self, item_id: int) -> list[Level]:
        return self._by_item[item_id]

    def savepoint(self) -> int:
        """A mark to which `revert` can go back."""
        return len(self._undo)

    def revert(self, mark: int) -> None:
        """Everything is as it was at the mark."""
        while len(self._undo) > mark:
            self._undo.pop()()

    def weighed_in(self, item_id: int, location_id: int | None) -> str | None:
        """The unit of weight that an item is counted in at a location, by its oldest SKU there that has one."""
        weighed = [
            level
            for level in self.levels(item_id)
            if level.is_active and level.location_id == location_id and units.is_weight(level.unit)
        ]
        return min(weighed, key=_seniority).unit if weighed else None

    def unit_of(self, item_id: int, location_id: int | None = None) -> str | None:
        """What an item is counted in at a location, or as a whole, by its main unit.

        That is the unit of its oldest SKU there that is not hidden, or else of its oldest one anywhere; None for an
        item that was never anywhere. The view `item_amount` says the same.
        """
        found: Level | None = None
        for level in self.levels(item_id):
            if location_id is not None and (level.location_id != location_id or not level.is_active):
                continue
            if found is None or _seniority(level) < _seniority(found):
                found = level
        if found is None:
            return None if location_id is None else self.unit_of(item_id)
        return found.unit

    def total_milli(self, item_id: int) -> int:
        """Thousandths of the main unit in all SKUs that are not hidden; what is of another kind is not in it."""
        levels = [level for level in self.levels(item_id) if level.is_active]
        if len({level.unit for level in levels}) < 2:
            return sum(level.quantity_milli for level in levels)
        main = self.unit_of(item_id) or units.PIECE
        pack_milli = self.items[item_id].pack_milli
        worths = ((level.quantity_milli, units.ratio(level.unit, main, pack_milli)) for level in levels)
        return units.nearest(sum((Fraction(milli) * worth for milli, worth in worths if worth is not None), Fraction()))

    def convert(self, item: Stocked, milli: int | Fraction, unit: str, into: str) -> int:
        """Thousandths of one unit of an item as thousandths of another. Raises Refused, also rather than rounding."""
        if unit == into and isinstance(milli, int):
            return milli
        try:
            return units.convert(milli, unit, into, item.pack_milli)
        except units.OtherKind:
            both = units.measure_of(unit).kind == units.measure_of(into).kind
            how = (
                "; give it one barcode whose pack_quantity says how many pieces are in a pack"
                if both
                else "; count it in one unit first"
            )
            raise Refused(f"{item.name} cannot be converted from {unit} into {into}{how}") from None
        except units.Inexact as inexact:
            raise Refused(
                f"{units.told(milli, unit)} of {item.name} would be {units.told(inexact.exact, into)}, which has more"
                f" than three decimals; nothing is rounded. Book a quantity that is exact in {into}, or count it in"
                f" {unit} there",
                "invalid",
            ) from None

    def level_for(
        self,
        operation: Operation,
        item: Stocked,
        location_id: int,
        lot: date | None,
        *,
        like: Level | None = None,
    ) -> Level:
        """The level of a lot at a place: found, shown again where it was hidden, or made."""
        if operation.sku_id is not None and like is None:
            return self._by_sku[operation.sku_id]
        for level in self.levels(item.id):
            if level.location_id == location_id and level.expiry_date == lot:
                if operation.opens:
                    self.check_unit(operation, level)
                self.show(level)
                return level
        unit = like.unit if like else operation.unit or self.unit_of(item.id, location_id) or units.PIECE
        level = Level(0, item.id, location_id, lot, 0, unit, operation.notes or "", True, 0, self.moment, self.moment)
        self.made.append(level)
        self._by_item[item.id].append(level)
        self.remember(self._forget_made, level)
        return level

    def check_unit(self, operation: Operation, level: Level) -> None:
        """Raises Refused for a quantity in a unit of another kind than the one that is counted in there."""
        item = self.items[level.item_id]
        if operation.unit is not None and units.ratio(operation.unit, level.unit, item.pack_milli) is None:
            # One that was deleted cannot be changed before it is there again.
            otherwise = "change the SKU's unit first" if level.is_active else "leave the unit out, and change it then"
            raise Refused(
                f"{item.name} is counted in {level.unit} there, not in {operation.unit}. Send the"
                f" quantity in {level.unit}, or {otherwise}"
            )

    def book(self, operation: Operation, level: Level, delta_milli: int, reverses_id: int | None = None) -> Entry:
        """The entry that changes a level. Raises Refused for more than can be counted."""
        after = level.quantity_milli + delta_milli
        if abs(after) > LIMIT_MILLI:
            raise Refused("The quantity would become larger than Stocky can count", "invalid")
        self.touch(level)
        level.quantity_milli = after
        entry = Entry(operation.kind or "set", level, delta_milli, after, operation, reverses_id)
        self.entries.append(entry)
        return entry

    def show(self, level: Level) -> None:
        """A level that was hidden is there again."""
        if not level.is_active:
            self.touch(level)
            level.is_active = True

    def touch(self, level: Level) -> None:
        """Before a level is changed: what it is now can be gone back to, and it is one to be written."""
        before = (level.quantity_milli, level.is_active, level.version, level.updated_at)
        entries = len(self.entries)
        was_changed = id(level) in self.changed

        def back() -> None:
            level.quantity_milli, level.is_active, level.version, level.updated_at = before
            del self.entries[entries:]
            if not was_changed:
                self.changed.pop(id(level), None)

        self._undo.append(back)
        level.version += 1
        level.updated_at = self.moment
        self.changed[id(level)] = level

    def remember(self, take_back: Callable[..., None], *arguments: object) -> None:
        """Something else was done, which `take_back` undoes."""
        self._undo.append(lambda: take_back(*arguments))

    def _forget_made(self, level: Level) -> None:
        self.made.remove(level)
        self._by_item[level.item_id].remove(level)


def _seniority(level: Level) -> tuple[bool, int]:
    """The lowest is the one whose unit counts: not hidden, and oldest."""
    return not level.is_active, level.id or MAX_ID


def as_one(entries: list[Entry]) -> list[Entry]:
    """Several rows of one operation share the first one's id as their transfer."""
    if len(entries) > 1:
        for entry in entries:
            entry.first = entries[0]
    return entries
