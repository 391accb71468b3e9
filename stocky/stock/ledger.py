"""The rules of stock, without a database: operations are applied one after the other to the stock of a batch.

A quantity changes only with an entry. A rejected operation leaves no trace once the caller has reverted to its mark.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from fractions import Fraction

import msgspec

from stocky.quantity import from_milli
from stocky.schema import MAX_ID
from stocky.stock import units
from stocky.stock.models import Entry, EventToUndo, MergedStock, OperationRejected, SkuState, StockItem
from stocky.stock.operations import AnyLot, Operation

# Far above any stock, and exact as a JSON number.
LIMIT_MILLI = 10**15


class Ledger:
    """The stock of the items of a batch, and the entries that change it. `handed_over` is where merged stock went."""

    def __init__(
        self, items: list[StockItem], levels: list[SkuState], moment: datetime, handed_over: Sequence[MergedStock] = ()
    ) -> None:
        self.items = {item.id: item for item in items}
        self.moment = moment
        self.entries: list[Entry] = []
        self.changed: dict[int, SkuState] = {}
        self.made: list[SkuState] = []
        self.reversed: set[int] = set()
        self._by_item: dict[int, list[SkuState]] = {item.id: [] for item in items}
        self._by_sku: dict[int, SkuState] = {}
        # How to take back what the batch has done so far, newest last.
        self._undo: list[Callable[[], None]] = []
        self._merges = {each.item_id: each for each in handed_over}
        self._taken_over_by = {each.sku_id: each.into_sku_id for each in handed_over}
        self._taken_over_in_old_unit = {each.sku_id for each in handed_over if each.is_unit_changed}
        for level in levels:
            self._by_item[level.item_id].append(level)
            self._by_sku[level.id] = level

    def level(self, sku_id: int) -> SkuState | None:
        return self._by_sku.get(sku_id)

    def levels(self, item_id: int) -> list[SkuState]:
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
        found: SkuState | None = None
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

    def convert(self, item: StockItem, milli: int | Fraction, unit: str, into: str) -> int:
        """Thousandths of one unit of an item as those of another. Raises OperationRejected rather than rounding."""
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
            raise OperationRejected(f"{item.name} cannot be converted from {unit} into {into}{how}") from None
        except units.Inexact as inexact:
            raise OperationRejected(
                f"{units.told(milli, unit)} of {item.name} would be {units.told(inexact.exact, into)}, which has more"
                f" than three decimals; nothing is rounded. Book a quantity that is exact in {into}, or count it in"
                f" {unit} there",
                "invalid",
            ) from None

    def level_for(
        self,
        operation: Operation,
        item: StockItem,
        location_id: int,
        lot: date | None,
        *,
        like: SkuState | None = None,
    ) -> SkuState:
        """The level of a lot at a place: found, shown again where it was hidden, or made."""
        if operation.sku_id is not None and like is None:
            return self._by_sku[operation.sku_id]
        for level in self.levels(item.id):
            if level.location_id == location_id and level.expiry_date == lot:
                if operation.create_sku:
                    self.check_unit(operation, level)
                self.show(level)
                return level
        unit = like.unit if like else operation.unit or self.unit_of(item.id, location_id) or units.PIECE
        level = SkuState(
            0, item.id, location_id, lot, 0, unit, operation.notes or "", True, 0, self.moment, self.moment
        )
        self.made.append(level)
        self._by_item[item.id].append(level)
        self.remember(self._forget_made, level)
        return level

    def check_unit(self, operation: Operation, level: SkuState) -> None:
        """Raises OperationRejected for a quantity in a unit of another kind than the one that is counted in there."""
        item = self.items[level.item_id]
        if operation.unit is not None and units.ratio(operation.unit, level.unit, item.pack_milli) is None:
            # One that was deleted cannot be changed before it is there again.
            otherwise = "change the SKU's unit first" if level.is_active else "leave the unit out, and change it then"
            raise OperationRejected(
                f"{item.name} is counted in {level.unit} there, not in {operation.unit}. Send the"
                f" quantity in {level.unit}, or {otherwise}"
            )

    def book(self, operation: Operation, level: SkuState, delta_milli: int, reverses_id: int | None = None) -> Entry:
        """The entry that changes a level. Raises OperationRejected for more than can be counted."""
        after = level.quantity_milli + delta_milli
        if abs(after) > LIMIT_MILLI:
            raise OperationRejected("The quantity would become larger than Stocky can count", "invalid")
        self.touch(level)
        level.quantity_milli = after
        entry = Entry(operation.kind or "set", level, delta_milli, after, operation, reverses_id)
        self.entries.append(entry)
        return entry

    def show(self, level: SkuState) -> None:
        """A level that was hidden is there again."""
        if not level.is_active:
            self.touch(level)
            level.is_active = True

    def touch(self, level: SkuState) -> None:
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

    def _forget_made(self, level: SkuState) -> None:
        self.made.remove(level)
        self._by_item[level.item_id].remove(level)

    @staticmethod
    def check_in_use(item: StockItem) -> None:
        """Raises OperationRejected for an item that is not in use: it holds nothing, and nothing is booked to it."""
        if item.merged_into_id is not None:
            raise OperationRejected(
                f"{item.name} was merged into item {item.merged_into_id}; undo the merge first", "invalid"
            )
        if not item.is_active:
            raise OperationRejected(f"{item.name} is no longer in use; make it active again first", "invalid")

    def add(self, operation: Operation, item: StockItem, location_id: int) -> list[Entry]:
        """Stock comes in, to the named lot or to the stock without one."""
        _at_least_some(operation)
        level = self.open(operation, item, location_id)
        return [self.book(operation, level, self._asked(operation, item, level))]

    def open(self, operation: Operation, item: StockItem, location_id: int) -> SkuState:
        """The level that stock would be added to."""
        level = self.level_for(
            operation, item, location_id, None if isinstance(operation.lot, AnyLot) else operation.lot
        )
        if not level.version:
            self.touch(level)
        return level

    def remove(self, operation: Operation, item: StockItem, location_id: int | None) -> list[Entry]:
        """Stock goes out: of the named lot, or earliest expiry first; the item's policy decides about too little.

        Without a location it goes out of all of them, and too little is refused.
        """
        _at_least_some(operation)
        taken, is_short = self._take(operation, item, location_id)
        entries = [self.book(operation, level, -quantity) for level, quantity in taken]
        entries[0].is_short = is_short
        return link_transfer(entries)

    def move(self, operation: Operation, item: StockItem, location_id: int, to_location_id: int) -> list[Entry]:
        """Stock changes place, lot by lot, as the two sides of one transfer, each in the unit of its SKU."""
        _at_least_some(operation)
        if location_id == to_location_id:
            raise OperationRejected("The stock is at this location already; name another one to move it to", "invalid")
        entries = []
        for level, quantity in self._take(operation, item, location_id)[0]:
            target = self.level_for(operation, item, to_location_id, level.expiry_date, like=level)
            entries += self._pass_on(operation, level, target, quantity)
        return link_transfer(entries)

    def set(self, operation: Operation, item: StockItem, location_id: int) -> list[Entry]:
        """A count: the difference is booked, a difference of nothing included."""
        if operation.sku_id is not None:
            level = self._by_sku[operation.sku_id]
        elif not isinstance(operation.lot, AnyLot):
            level = self.level_for(operation, item, location_id, operation.lot)
        else:
            here = [each for each in self.levels(item.id) if each.location_id == location_id and each.is_active]
            with_stock = [each for each in here if each.quantity_milli]
            if len(with_stock) > 1:
                raise OperationRejected(
                    "Several lots of the item are at this location; name the lot that was counted, by its expiry date,"
                    " in the field lot of POST /events",
                    "invalid",
                )
            found = with_stock or here
            level = found[0] if len(found) == 1 else self.level_for(operation, item, location_id, None)
        return [self.book(operation, level, self._asked(operation, item, level) - level.quantity_milli)]

    def undo(self, operation: Operation, rows: list[EventToUndo]) -> list[Entry]:
        """Compensates rows of the ledger, latest first; all of them or none.

        What is taken from an item that was merged since is what the other one has of it.
        """
        entries, mark = [], len(self.entries)
        for row in reversed(rows):
            if row.kind == "undo":
                raise OperationRejected(f"Event {row.id} is itself an undo; post the change again instead", "undone")
            if row.reversed_by is not None or row.id in self.reversed:
                raise OperationRejected(f"Event {row.id} has been undone already", "undone")
            level = self._by_sku[row.sku_id]
            if row.is_unit_changed and row.delta_milli:
                raise OperationRejected(
                    f"Event {row.id} was booked before the unit of SKU {row.sku_id} was changed to {level.unit};"
                    " correct the quantity with an event of type set instead"
                )
            item = self.items[row.item_id]
            self.remember(self.reversed.discard, row.id)
            self.reversed.add(row.id)
            merge = self._merges.get(item.id)
            if merge is None:
                self.check_in_use(item)
                self.show(level)
            elif row.batch_id == merge.batch_id:
                raise OperationRejected(
                    f"Event {row.id} is how {item.name} was merged into item {merge.into_id}; undo the merge", "invalid"
                )
            elif row.delta_milli:
                self._hand_back(operation, level, row.delta_milli)
            entries.append(self.book(operation, level, -row.delta_milli, reverses_id=row.id))
        self._check_enough(mark)
        return link_transfer(entries)

    def write_off(self, operation: Operation) -> list[Entry]:
        """A SKU goes away: what it holds is booked out and it is hidden."""
        assert operation.sku_id is not None
        level = self._by_sku[operation.sku_id]
        entries = [self.book(operation, level, -level.quantity_milli)] if level.quantity_milli else []
        self.touch(level)
        level.is_active = False
        return entries

    def transfer_all(self, operation: Operation, item: StockItem, to: StockItem) -> list[Entry]:
        """All that an item holds becomes another's, lot by lot where it lies; what is below zero, too."""
        self.check_in_use(item)
        self.check_in_use(to)
        entries = []
        for level in [each for each in self.levels(item.id) if each.is_active]:
            if level.quantity_milli:
                target = self.level_for(operation, to, level.location_id, level.expiry_date, like=level)
                if units.ratio(level.unit, target.unit, _both(to, item).pack_milli) is None:
                    raise OperationRejected(
                        f"At one place {item.name} is counted in {level.unit} and {to.name} in {target.unit};"
                        " count both in one unit first"
                    )
                # Each SKU is a transfer of its own, so that the ledger tells which one took it over.
                entries += self._pass_on(operation, level, target, level.quantity_milli)
            self.touch(level)
            level.is_active = False
        return entries

    def _hand_back(self, operation: Operation, level: SkuState, quantity_milli: int) -> None:
        """A level of a merged item has again what an undoing takes from it, merge by merge from who has it now.

        It is booked as part of each merge, so that undoing the merge gives back that much less.
        """
        merge = self._merges[level.item_id]
        into = self.items[merge.into_id]
        holder = self._by_sku.get(self._taken_over_by.get(level.id) or 0) or self.level_for(
            operation, into, level.location_id, level.expiry_date, like=level
        )
        item = self.items[level.item_id]
        if level.id in self._taken_over_in_old_unit:
            raise OperationRejected(
                f"{item.name} was merged into {into.name} before the unit of SKU {holder.id} was changed to"
                f" {holder.unit}; correct the quantity of {into.name} with an event of type set instead"
            )
        if units.ratio(level.unit, holder.unit, _both(into, item).pack_milli) is None:
            raise OperationRejected(
                f"{item.name} was counted in {level.unit} there, and {into.name} is counted in"
                f" {holder.unit}; correct the count of {into.name} instead"
            )
        held_milli = self.convert(_both(into, item), quantity_milli, level.unit, holder.unit)
        if into.merged_into_id is None:
            self.check_in_use(into)
        else:
            self._hand_back(operation, holder, held_milli)
        passing_on = msgspec.structs.replace(operation, kind="move", event_id=None, fingerprint=None)
        for entry in self._pass_on(passing_on, holder, level, held_milli, quantity_milli):
            entry.batch_id = merge.batch_id
        # It may have been made or shown for this, and one of a merged item is not shown.
        holder.is_active = into.merged_into_id is None

    def _pass_on(
        self, operation: Operation, giver: SkuState, taker: SkuState, given_milli: int, taken_milli: int | None = None
    ) -> list[Entry]:
        """Moves stock between two SKUs, on each side in its unit. Raises OperationRejected rather than rounding."""
        if giver.unit == taker.unit:
            return link_transfer([self.book(operation, giver, -given_milli), self.book(operation, taker, given_milli)])
        item = _both(self.items[taker.item_id], self.items[giver.item_id])
        if taken_milli is None:
            taken_milli = self.convert(item, given_milli, giver.unit, taker.unit)
        entries = [self.book(operation, giver, -given_milli), self.book(operation, taker, taken_milli)]
        worth = units.ratio(giver.unit, taker.unit, item.pack_milli)
        if worth is not None and worth != 1:
            entries[0].unit_scale, entries[1].unit_scale = worth.numerator, worth.denominator
        return link_transfer(entries)

    def _check_enough(self, mark: int) -> None:
        """Raises OperationRejected where the entries since `mark` oversell what may not be oversold."""
        before: dict[int, int] = {}
        for entry in self.entries[mark:]:
            before.setdefault(id(entry.level), entry.quantity_after_milli - entry.delta_milli)
        for entry in self.entries[mark:]:
            item, left = self.items[entry.level.item_id], entry.level.quantity_milli
            if left < min(0, before[id(entry.level)]) and item.oversell_policy != "allow":
                raise OperationRejected(
                    f"Undoing this would leave {from_milli(left):g} of {item.name}: what came in has gone out since."
                    " Undo that first"
                )

    def _asked(self, operation: Operation, item: StockItem, level: SkuState) -> int:
        """The quantity asked for, in thousandths of a level's unit, which it is in where no unit is named."""
        unit = operation.unit
        if operation.in_main_unit:
            unit = self.unit_of(item.id)
        if unit is None or unit == level.unit:
            return operation.quantity_milli
        if operation.unit is not None:
            self.check_unit(operation, level)
        return self.convert(item, operation.quantity_milli, unit, level.unit)

    def _take(
        self, operation: Operation, item: StockItem, location_id: int | None
    ) -> tuple[list[tuple[SkuState, int]], bool]:
        """Which levels give how much, each in its unit, and whether that is all there was, and less than was asked for.

        What is missing goes negative only where the item allows it.
        """
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
        unit = self._unit_taken(operation, item, location_id, sources)
        taken: list[tuple[SkuState, int]] = []
        missing: int | Fraction = operation.quantity_milli
        for level in sources:
            if not missing or level.quantity_milli <= 0:
                continue
            if level.unit == unit:
                worth: int | Fraction | None = 1
            else:
                worth = units.ratio(level.unit, unit, item.pack_milli)
            if worth is None:
                continue
            there = level.quantity_milli * worth
            if there <= missing:
                taken.append((level, level.quantity_milli))
                missing -= there
            else:
                taken.append((level, self.convert(item, missing, unit, level.unit)))
                missing = 0
        if not missing:
            return taken, False
        if item.oversell_policy == "reject" or operation.kind == "move" or location_id is None:
            named = unit if any(level.unit != unit for level in sources) else None
            raise OperationRejected(
                f"Only {units.told(operation.quantity_milli - missing, named)} of {item.name} there, and"
                f" {units.told(operation.quantity_milli, named)} asked for"
            )
        if item.oversell_policy == "clamp":
            if not taken:
                raise OperationRejected(f"Nothing of {item.name} is there to take")
            return taken, True
        lot = None if isinstance(operation.lot, AnyLot) else operation.lot
        last = sources[0] if operation.sku_id else self.level_for(operation, item, location_id, lot)
        more = self.convert(item, missing, unit, last.unit)
        for index, (level, quantity) in enumerate(taken):
            if level is last:
                taken[index] = (level, quantity + more)
                return taken, False
        return [*taken, (last, more)], False

    def _unit_taken(
        self, operation: Operation, item: StockItem, location_id: int | None, sources: list[SkuState]
    ) -> str:
        """The unit that a quantity to be taken is in. Raises OperationRejected where it could be of two kinds.

        Of all places at once it is taken in the main unit, as projects and lists count; what is of another kind stays.
        """
        if operation.unit is not None:
            if sources and not any(units.ratio(each.unit, operation.unit, item.pack_milli) for each in sources):
                self.check_unit(operation, sources[0])
            return operation.unit
        if operation.in_main_unit or location_id is None:
            return self.unit_of(item.id) or units.PIECE
        if not sources:
            return self.unit_of(item.id, location_id) or units.PIECE
        unit = min(sources, key=lambda level: level.id or MAX_ID).unit
        for level in sources:
            if level.unit != unit and level.quantity_milli and not units.ratio(level.unit, unit, item.pack_milli):
                raise OperationRejected(
                    f"{item.name} is counted in {unit} and in {level.unit} there; say in which unit the quantity is, in"
                    " the field unit, or take it from one SKU",
                    "invalid",
                )
        return unit


def link_transfer(entries: list[Entry]) -> list[Entry]:
    """Several rows of one operation share the first one's id as their transfer."""
    if len(entries) > 1:
        for entry in entries:
            entry.first = entries[0]
    return entries


def _both(item: StockItem, other: StockItem) -> StockItem:
    """An item with the pack of either, for what passes from one to the other; with none where they differ."""
    packs = {item.pack_milli, other.pack_milli} - {None}
    if packs == {item.pack_milli}:
        return item
    return msgspec.structs.replace(item, pack_milli=packs.pop() if len(packs) == 1 else None)


def _at_least_some(operation: Operation) -> None:
    if operation.quantity_milli <= 0:
        raise OperationRejected("The quantity must be more than 0", "invalid")


def _seniority(level: SkuState) -> tuple[bool, int]:
    """The lowest is the one whose unit counts: not hidden, and oldest."""
    return not level.is_active, level.id or MAX_ID
