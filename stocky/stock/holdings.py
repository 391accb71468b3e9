"""The levels of a batch in memory: one changes only with an entry of the ledger, and all of it can be taken back.

They are what was read for the batch; what they changed into, and the entries, is what has to be written.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from stocky.stock.levels import Entry, Level, Refused, Stocked
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

    def unit_of(self, item_id: int) -> str | None:
        """What an item is counted in; None while nobody has said so, since it was never anywhere."""
        return next((level.unit for level in self.levels(item_id)), None)

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
        unit = operation.unit or (like.unit if like else self.unit_of(item.id) or "piece")
        level = Level(0, item.id, location_id, lot, 0, unit, operation.notes or "", True, 0, self.moment, self.moment)
        self.made.append(level)
        self._by_item[item.id].append(level)
        self.remember(self._forget_made, level)
        return level

    def check_unit(self, operation: Operation, level: Level) -> None:
        """Raises Refused for a quantity in another unit than the one that is counted in there."""
        if operation.unit is not None and not is_same_unit(operation.unit, level.unit):
            # One that was deleted cannot be changed before it is there again.
            otherwise = "change the SKU's unit first" if level.is_active else "leave the unit out, and change it then"
            raise Refused(
                f"{self.items[level.item_id].name} is counted in {level.unit} there, not in {operation.unit}. Send the"
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


def is_same_unit(one: str, other: str) -> bool:
    """Whether quantities in both can be added up."""
    return one.strip().lower() == other.strip().lower()


def as_one(entries: list[Entry]) -> list[Entry]:
    """Several rows of one operation share the first one's id as their transfer."""
    if len(entries) > 1:
        for entry in entries:
            entry.first = entries[0]
    return entries
