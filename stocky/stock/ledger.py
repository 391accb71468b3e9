"""The rules of stock, without a database: a level only changes by a row of the ledger, and by all of it.

`Ledger` holds what was read for one batch, applies operations one after the other in memory and
collects what has to be written. A refused operation leaves no trace in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime

import msgspec

from stocky.quantity import from_milli
from stocky.stock.levels import Entry, HandedOver, Level, Refused, Stocked, Written
from stocky.stock.operations import AnyLot, Operation

# Far above any stock, and exact as a JSON number.
LIMIT_MILLI = 10**15


class Ledger:
    """The levels of the items of a batch, and the entries that change them."""

    def __init__(
        self, items: list[Stocked], levels: list[Level], moment: datetime, handed_over: Sequence[HandedOver] = ()
    ) -> None:
        self.items = {item.id: item for item in items}
        self.moment = moment
        self.entries: list[Entry] = []
        self.changed: dict[int, Level] = {}
        self.made: list[Level] = []
        self.reversed: set[int] = set()
        self._by_item: dict[int, list[Level]] = {item.id: [] for item in items}
        self._by_sku: dict[int, Level] = {}
        self._merges = {each.item_id: each for each in handed_over}
        self._taken_over_by = {each.sku_id: each.into_sku_id for each in handed_over}
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

    @staticmethod
    def check_in_use(item: Stocked) -> None:
        """Raises Refused for an item that was taken out of use: it holds nothing, and nothing is booked to it."""
        if item.merged_into_id is not None:
            raise Refused(f"{item.name} was merged into item {item.merged_into_id}; undo the merge first", "invalid")
        if not item.is_active:
            raise Refused(f"{item.name} is no longer in use; make it active again first", "invalid")

    def add(self, operation: Operation, item: Stocked, location_id: int) -> list[Entry]:
        """Stock comes in, to the named lot or to the stock without one."""
        _at_least_some(operation)
        return [self._book(operation, self.open(operation, item, location_id), operation.quantity_milli)]

    def open(self, operation: Operation, item: Stocked, location_id: int) -> Level:
        """The level that stock would be added to."""
        level = self._level_for(
            operation, item, location_id, None if isinstance(operation.lot, AnyLot) else operation.lot
        )
        if not level.version:
            self._touch(level)
        return level

    def remove(self, operation: Operation, item: Stocked, location_id: int | None) -> list[Entry]:
        """Stock goes out: of the named lot, or earliest expiry first; the item's policy decides about too little.

        Without a location it goes out of all of them, and too little is refused.
        """
        _at_least_some(operation)
        taken = self._take(operation, item, location_id, operation.quantity_milli)
        entries = [self._book(operation, level, -quantity) for level, quantity in taken]
        return _as_one(entries)

    def move(self, operation: Operation, item: Stocked, location_id: int, to_location_id: int) -> list[Entry]:
        """Stock changes place, lot by lot, as the two sides of one transfer."""
        _at_least_some(operation)
        if location_id == to_location_id:
            raise Refused("The stock is at this location already; name another one to move it to", "invalid")
        entries = []
        for level, quantity in self._take(operation, item, location_id, operation.quantity_milli):
            target = self._level_for(operation, item, to_location_id, level.expiry_date, like=level)
            entries.append(self._book(operation, level, -quantity))
            entries.append(self._book(operation, target, quantity))
        return _as_one(entries)

    def set(self, operation: Operation, item: Stocked, location_id: int) -> list[Entry]:
        """A count: the difference is booked, a difference of nothing included."""
        if operation.sku_id is not None:
            level = self._by_sku[operation.sku_id]
        elif not isinstance(operation.lot, AnyLot):
            level = self._level_for(operation, item, location_id, operation.lot)
        else:
            here = [each for each in self.levels(item.id) if each.location_id == location_id and each.is_active]
            with_stock = [each for each in here if each.quantity_milli]
            if len(with_stock) > 1:
                raise Refused("Several lots of the item are at this location; name the lot that was counted", "invalid")
            found = with_stock or here
            level = found[0] if len(found) == 1 else self._level_for(operation, item, location_id, None)
        return [self._book(operation, level, operation.quantity_milli - level.quantity_milli)]

    def undo(self, operation: Operation, rows: list[Written]) -> list[Entry]:
        """Compensates rows of the ledger, latest first; all of them or none.

        What is taken from an item that was merged since is what the other one has of it.
        """
        entries, mark = [], len(self.entries)
        for row in reversed(rows):
            if row.kind == "undo":
                raise Refused(f"Event {row.id} is itself an undo; post the change again instead", "undone")
            if row.reversed_by is not None or row.id in self.reversed:
                raise Refused(f"Event {row.id} has been undone already", "undone")
            level = self._by_sku[row.sku_id]
            item = self.items[row.item_id]
            self._remember(self.reversed.discard, row.id)
            self.reversed.add(row.id)
            merge = self._merges.get(item.id)
            if merge is None:
                self.check_in_use(item)
                self._show(level)
            elif row.batch_id == merge.batch_id:
                raise Refused(
                    f"Event {row.id} is how {item.name} was merged into item {merge.into_id}; undo the merge", "invalid"
                )
            elif row.delta_milli:
                self._hand_back(operation, level, row.delta_milli)
            entries.append(self._book(operation, level, -row.delta_milli, reverses_id=row.id))
        self._check_enough(mark)
        return _as_one(entries)

    def write_off(self, operation: Operation) -> list[Entry]:
        """A SKU goes away: what it holds is booked out and it is hidden."""
        assert operation.sku_id is not None
        level = self._by_sku[operation.sku_id]
        entries = [self._book(operation, level, -level.quantity_milli)] if level.quantity_milli else []
        self._touch(level)
        level.is_active = False
        return entries

    def hand_over(self, operation: Operation, item: Stocked, to: Stocked) -> list[Entry]:
        """All that an item holds becomes another's, lot by lot where it lies; what is below zero, too."""
        self.check_in_use(item)
        self.check_in_use(to)
        entries = []
        for level in [each for each in self.levels(item.id) if each.is_active]:
            if level.quantity_milli:
                target = self._level_for(operation, to, level.location_id, level.expiry_date, like=level)
                if target.unit != level.unit:
                    raise Refused(
                        f"At one place {item.name} is counted in {level.unit} and {to.name} in {target.unit};"
                        " count both in one unit first"
                    )
                # Each SKU is a transfer of its own, so that the ledger tells which one took it over.
                entries += self._pass_on(operation, level, target, level.quantity_milli)
            self._touch(level)
            level.is_active = False
        return entries

    def _hand_back(self, operation: Operation, level: Level, quantity_milli: int) -> None:
        """A level of a merged item has again what an undoing takes from it, merge by merge from who has it now.

        It is booked as part of each merge, so that undoing the merge gives back that much less.
        """
        merge = self._merges[level.item_id]
        into = self.items[merge.into_id]
        holder = self._by_sku.get(self._taken_over_by.get(level.id) or 0) or self._level_for(
            operation, into, level.location_id, level.expiry_date, like=level
        )
        if holder.unit != level.unit:
            raise Refused(
                f"{self.items[level.item_id].name} was counted in {level.unit} there, and {into.name} is counted in"
                f" {holder.unit}; correct the count of {into.name} instead"
            )
        if into.merged_into_id is None:
            self.check_in_use(into)
        else:
            self._hand_back(operation, holder, quantity_milli)
        passing_on = msgspec.structs.replace(operation, kind="move", event_id=None, fingerprint=None)
        for entry in self._pass_on(passing_on, holder, level, quantity_milli):
            entry.batch_id = merge.batch_id
        # It may have been made or shown for this, and one of a merged item is not shown.
        holder.is_active = into.merged_into_id is None

    def _pass_on(self, operation: Operation, giver: Level, taker: Level, quantity_milli: int) -> list[Entry]:
        """Stock changes from one item to another."""
        return _as_one([self._book(operation, giver, -quantity_milli), self._book(operation, taker, quantity_milli)])

    def _check_enough(self, mark: int) -> None:
        """Raises Refused where the entries since `mark` leave less than nothing of what may not be oversold."""
        before: dict[int, int] = {}
        for entry in self.entries[mark:]:
            before.setdefault(id(entry.level), entry.quantity_after_milli - entry.delta_milli)
        for entry in self.entries[mark:]:
            item, left = self.items[entry.level.item_id], entry.level.quantity_milli
            if left < min(0, before[id(entry.level)]) and item.oversell_policy != "allow":
                raise Refused(
                    f"Undoing this would leave {from_milli(left):g} of {item.name}: what came in has gone out since."
                    " Undo that first"
                )

    def _take(
        self, operation: Operation, item: Stocked, location_id: int | None, quantity_milli: int
    ) -> list[tuple[Level, int]]:
        """Which levels give how much. The remainder goes negative only where the item allows it."""
        if operation.sku_id is not None:
            sources = [self._by_sku[operation.sku_id]]
        else:
            sources = [
                level
                for level in self.levels(item.id)
                if (location_id is None or level.location_id == location_id)
                and level.is_active
                and (isinstance(operation.lot, AnyLot) or level.expiry_date == operation.lot)
            ]
            sources.sort(key=lambda level: (level.expiry_date or date.max, level.id))
        taken: list[tuple[Level, int]] = []
        missing = quantity_milli
        for level in sources:
            if missing and level.quantity_milli > 0:
                taken.append((level, min(missing, level.quantity_milli)))
                missing -= taken[-1][1]
        if not missing:
            return taken
        there = quantity_milli - missing
        if item.oversell_policy == "reject" or operation.kind == "move" or location_id is None:
            raise Refused(
                f"Only {from_milli(there):g} of {item.name} there, and {from_milli(quantity_milli):g} asked for"
            )
        if item.oversell_policy == "clamp":
            if not there:
                raise Refused(f"Nothing of {item.name} is there to take")
            return taken
        lot = None if isinstance(operation.lot, AnyLot) else operation.lot
        last = sources[0] if operation.sku_id else self._level_for(operation, item, location_id, lot)
        for index, (level, quantity) in enumerate(taken):
            if level is last:
                taken[index] = (level, quantity + missing)
                return taken
        return [*taken, (last, missing)]

    def _level_for(
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
                self._show(level)
                return level
        unit = operation.unit or (like.unit if like else self.unit_of(item.id) or "piece")
        level = Level(0, item.id, location_id, lot, 0, unit, operation.notes or "", True, 0, self.moment, self.moment)
        self.made.append(level)
        self._by_item[item.id].append(level)
        self._remember(self._forget_made, level)
        return level

    def check_unit(self, operation: Operation, level: Level) -> None:
        """Raises Refused for a quantity in another unit than the one that is counted in there."""
        if operation.unit is not None and operation.unit.strip().lower() != level.unit.strip().lower():
            # One that was deleted cannot be changed before it is there again.
            otherwise = "change the SKU's unit first" if level.is_active else "leave the unit out, and change it then"
            raise Refused(
                f"{self.items[level.item_id].name} is counted in {level.unit} there, not in {operation.unit}. Send the"
                f" quantity in {level.unit}, or {otherwise}"
            )

    def unit_of(self, item_id: int) -> str | None:
        """What an item is counted in; None while nobody has said so, since it was never anywhere."""
        return next((level.unit for level in self.levels(item_id)), None)

    def _forget_made(self, level: Level) -> None:
        self.made.remove(level)
        self._by_item[level.item_id].remove(level)

    def _book(self, operation: Operation, level: Level, delta_milli: int, reverses_id: int | None = None) -> Entry:
        after = level.quantity_milli + delta_milli
        if abs(after) > LIMIT_MILLI:
            raise Refused("The quantity would become larger than Stocky can count", "invalid")
        self._touch(level)
        level.quantity_milli = after
        entry = Entry(operation.kind or "set", level, delta_milli, after, operation, reverses_id)
        self.entries.append(entry)
        return entry

    def _show(self, level: Level) -> None:
        if not level.is_active:
            self._touch(level)
            level.is_active = True

    def _touch(self, level: Level) -> None:
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

    def _remember(self, take_back: Callable[..., None], *arguments: object) -> None:
        self._undo.append(lambda: take_back(*arguments))


def _at_least_some(operation: Operation) -> None:
    if operation.quantity_milli <= 0:
        raise Refused("The quantity must be more than 0", "invalid")


def _as_one(entries: list[Entry]) -> list[Entry]:
    """Several rows of one operation share the first one's id as their transfer."""
    if len(entries) > 1:
        for entry in entries:
            entry.first = entries[0]
    return entries
