"""The rules of stock, without a database: applies operations in order to the stock of a batch.

A quantity changes only with an entry. A rejected operation has no effect once the caller has reverted to its savepoint.
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
    """The stock of the items of a batch, and the entries that change it; `merged_stock` maps merged SKUs to targets."""

    def __init__(
        self, items: list[StockItem], levels: list[SkuState], moment: datetime, merged_stock: Sequence[MergedStock] = ()
    ) -> None:
        self.items = {item.id: item for item in items}
        self.moment = moment
        self.entries: list[Entry] = []
        self.changed: dict[int, SkuState] = {}
        self.made: list[SkuState] = []
        self.reversed: set[int] = set()
        self._by_item: dict[int, list[SkuState]] = {item.id: [] for item in items}
        self._by_sku: dict[int, SkuState] = {}
        # Undo log of the batch so far, newest last.
        self._undo: list[Callable[[], None]] = []
        self._merges = {each.item_id: each for each in merged_stock}
        self._target_sku = {each.sku_id: each.into_sku_id for each in merged_stock}
        self._merged_in_old_unit = {each.sku_id for each in merged_stock if each.is_unit_changed}
        for level in levels:
            self._by_item[level.item_id].append(level)
            self._by_sku[level.id] = level

    def level(self, sku_id: int) -> SkuState | None:
        return self._by_sku.get(sku_id)

    def levels(self, item_id: int) -> list[SkuState]:
        return self._by_item[item_id]

    def savepoint(self) -> int:
        """A mark for `revert`."""
        return len(self._undo)

    def revert(self, mark: int) -> None:
        """Restores the state at the mark."""
        while len(self._undo) > mark:
            self._undo.pop()()

    def weight_unit_of(self, item_id: int, location_id: int | None) -> str | None:
        """The unit of weight of an item at a location: that of its oldest SKU there that has one."""
        weighed = [
            level
            for level in self.levels(item_id)
            if level.is_active and level.location_id == location_id and units.is_weight(level.unit)
        ]
        return min(weighed, key=_seniority).unit if weighed else None

    def unit_of(self, item_id: int, location_id: int | None = None) -> str | None:
        """The unit of an item at a location, or its main unit.

        That is the unit of its oldest active SKU there, or else of its oldest SKU at any location; None for an item
        that has never had a SKU. The view `item_amount` has the same rule.
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
        """Thousandths of the main unit in all active SKUs; SKUs in a unit of another kind are left out."""
        levels = [level for level in self.levels(item_id) if level.is_active]
        if len({level.unit for level in levels}) < 2:
            return sum(level.quantity_milli for level in levels)
        main = self.unit_of(item_id) or units.PIECE
        pack_milli = self.items[item_id].pack_milli
        worths = ((level.quantity_milli, units.ratio(level.unit, main, pack_milli)) for level in levels)
        return units.nearest(sum((Fraction(milli) * worth for milli, worth in worths if worth is not None), Fraction()))

    def convert(self, item: StockItem, milli: int | Fraction, unit: str, into: str) -> int:
        """Converts thousandths of one unit into those of another. Raises OperationRejected instead of rounding."""
        if unit == into and isinstance(milli, int):
            return milli
        try:
            return units.convert(milli, unit, into, item.pack_milli)
        except units.OtherKind:
            is_same_kind = units.measure_of(unit).kind == units.measure_of(into).kind
            fix = (
                "set the pack_quantity of one of its barcodes to the pieces in a pack"
                if is_same_kind
                else "count it in one unit first"
            )
            raise OperationRejected(f"{item.name} cannot be converted from {unit} into {into}; {fix}") from None
        except units.Inexact as inexact:
            raise OperationRejected(
                f"{units.describe(milli, unit)} of {item.name} would be {units.describe(inexact.exact, into)}, which"
                f" has more than three decimals; nothing is rounded. Book a quantity that is exact in {into}, or count"
                f" it in {unit} there",
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
        """The level of a lot at a location: found, reactivated or created."""
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
        self.log_undo(self._remove_made, level)
        return level

    def check_unit(self, operation: Operation, level: SkuState) -> None:
        """Raises OperationRejected for a quantity in a unit of another kind than the level's."""
        item = self.items[level.item_id]
        if operation.unit is not None and units.ratio(operation.unit, level.unit, item.pack_milli) is None:
            # A deleted SKU cannot be changed until it is active again.
            otherwise = "change the SKU's unit first" if level.is_active else "leave the unit out and change it later"
            raise OperationRejected(
                f"{item.name} is counted in {level.unit} there, not in {operation.unit}. Send the"
                f" quantity in {level.unit}, or {otherwise}"
            )

    def book(self, operation: Operation, level: SkuState, delta_milli: int, reverses_id: int | None = None) -> Entry:
        """Changes a level with an entry. Raises OperationRejected for a quantity above LIMIT_MILLI."""
        after = level.quantity_milli + delta_milli
        if abs(after) > LIMIT_MILLI:
            raise OperationRejected("The quantity would be larger than Stocky can count", "invalid")
        self.touch(level)
        level.quantity_milli = after
        entry = Entry(operation.kind or "set", level, delta_milli, after, operation, reverses_id)
        self.entries.append(entry)
        return entry

    def show(self, level: SkuState) -> None:
        """Reactivates a hidden level."""
        if not level.is_active:
            self.touch(level)
            level.is_active = True

    def touch(self, level: SkuState) -> None:
        """Marks a level as changed and logs its state for `revert`; call it before the change."""
        before = (level.quantity_milli, level.is_active, level.version, level.updated_at)
        entries = len(self.entries)
        was_changed = id(level) in self.changed

        def restore() -> None:
            level.quantity_milli, level.is_active, level.version, level.updated_at = before
            del self.entries[entries:]
            if not was_changed:
                self.changed.pop(id(level), None)

        self._undo.append(restore)
        level.version += 1
        level.updated_at = self.moment
        self.changed[id(level)] = level

    def log_undo(self, action: Callable[..., None], *arguments: object) -> None:
        """Adds an action to the undo log."""
        self._undo.append(lambda: action(*arguments))

    def _remove_made(self, level: SkuState) -> None:
        self.made.remove(level)
        self._by_item[level.item_id].remove(level)

    @staticmethod
    def check_in_use(item: StockItem) -> None:
        """Raises OperationRejected for an inactive or merged item: it holds no stock, and none is booked to it."""
        if item.merged_into_id is not None:
            raise OperationRejected(
                f"{item.name} was merged into item {item.merged_into_id}; undo the merge first", "invalid"
            )
        if not item.is_active:
            raise OperationRejected(f"{item.name} is no longer in use; make it active again first", "invalid")

    def add(self, operation: Operation, item: StockItem, location_id: int) -> list[Entry]:
        """Adds stock to the named lot, or to the stock without a lot."""
        _check_positive(operation)
        level = self.open(operation, item, location_id)
        return [self.book(operation, level, self._requested(operation, item, level))]

    def open(self, operation: Operation, item: StockItem, location_id: int) -> SkuState:
        """The level that an addition goes to."""
        level = self.level_for(
            operation, item, location_id, None if isinstance(operation.lot, AnyLot) else operation.lot
        )
        if not level.version:
            self.touch(level)
        return level

    def remove(self, operation: Operation, item: StockItem, location_id: int | None) -> list[Entry]:
        """Removes stock from the named lot, or earliest expiry first; the item's policy decides about a shortage.

        Without a location it is taken from all of them, and a shortage is rejected.
        """
        _check_positive(operation)
        taken, is_short = self._take(operation, item, location_id)
        entries = [self.book(operation, level, -quantity) for level, quantity in taken]
        entries[0].is_short = is_short
        return link_transfer(entries)

    def move(self, operation: Operation, item: StockItem, location_id: int, to_location_id: int) -> list[Entry]:
        """Moves stock lot by lot, as the two sides of one transfer, each in the unit of its SKU."""
        _check_positive(operation)
        if location_id == to_location_id:
            raise OperationRejected("The stock is already at this location; name another one to move it to", "invalid")
        entries = []
        for level, quantity in self._take(operation, item, location_id)[0]:
            target = self.level_for(operation, item, to_location_id, level.expiry_date, like=level)
            entries += self._transfer(operation, level, target, quantity)
        return link_transfer(entries)

    def set(self, operation: Operation, item: StockItem, location_id: int) -> list[Entry]:
        """Sets a counted quantity: books the difference, even one of 0."""
        if operation.sku_id is not None:
            level = self._by_sku[operation.sku_id]
        elif not isinstance(operation.lot, AnyLot):
            level = self.level_for(operation, item, location_id, operation.lot)
        else:
            here = [each for each in self.levels(item.id) if each.location_id == location_id and each.is_active]
            with_stock = [each for each in here if each.quantity_milli]
            if len(with_stock) > 1:
                raise OperationRejected(
                    "Several lots of the item are at this location; name the counted lot by its expiry date, in the"
                    " field lot of POST /events",
                    "invalid",
                )
            found = with_stock or here
            level = found[0] if len(found) == 1 else self.level_for(operation, item, location_id, None)
        return [self.book(operation, level, self._requested(operation, item, level) - level.quantity_milli)]

    def undo(self, operation: Operation, rows: list[EventToUndo]) -> list[Entry]:
        """Compensates rows of the ledger, latest first; all or none.

        For an item that was merged since, the stock is taken back from the merge target.
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
            self.log_undo(self.reversed.discard, row.id)
            self.reversed.add(row.id)
            merge = self._merges.get(item.id)
            if merge is None:
                self.check_in_use(item)
                self.show(level)
            elif row.batch_id == merge.batch_id:
                raise OperationRejected(
                    f"Event {row.id} is part of the merge of {item.name} into item {merge.into_id}; undo the merge",
                    "invalid",
                )
            elif row.delta_milli:
                self._return_merged(operation, level, row.delta_milli)
            entries.append(self.book(operation, level, -row.delta_milli, reverses_id=row.id))
        self._check_enough(mark)
        return link_transfer(entries)

    def write_off(self, operation: Operation) -> list[Entry]:
        """Books out what a SKU holds and hides it."""
        assert operation.sku_id is not None
        level = self._by_sku[operation.sku_id]
        entries = [self.book(operation, level, -level.quantity_milli)] if level.quantity_milli else []
        self.touch(level)
        level.is_active = False
        return entries

    def transfer_all(self, operation: Operation, item: StockItem, to: StockItem) -> list[Entry]:
        """Transfers all stock of an item to another one, lot by lot at the same locations; negative stock, too."""
        self.check_in_use(item)
        self.check_in_use(to)
        entries = []
        for level in [each for each in self.levels(item.id) if each.is_active]:
            if level.quantity_milli:
                target = self.level_for(operation, to, level.location_id, level.expiry_date, like=level)
                if units.ratio(level.unit, target.unit, _with_pack_of_either(to, item).pack_milli) is None:
                    raise OperationRejected(
                        f"At one location {item.name} is counted in {level.unit} and {to.name} in {target.unit};"
                        " count both in one unit first"
                    )
                # A transfer per SKU, so that the ledger shows which SKU received it.
                entries += self._transfer(operation, level, target, level.quantity_milli)
            self.touch(level)
            level.is_active = False
        return entries

    def _return_merged(self, operation: Operation, level: SkuState, quantity_milli: int) -> None:
        """Returns to a level of a merged item what an undo takes from it, merge by merge from its current holder.

        It is booked as part of each merge, so undoing the merge returns that much less.
        """
        merge = self._merges[level.item_id]
        into = self.items[merge.into_id]
        holder = self._by_sku.get(self._target_sku.get(level.id) or 0) or self.level_for(
            operation, into, level.location_id, level.expiry_date, like=level
        )
        item = self.items[level.item_id]
        if level.id in self._merged_in_old_unit:
            raise OperationRejected(
                f"{item.name} was merged into {into.name} before the unit of SKU {holder.id} was changed to"
                f" {holder.unit}; correct the quantity of {into.name} with an event of type set instead"
            )
        if units.ratio(level.unit, holder.unit, _with_pack_of_either(into, item).pack_milli) is None:
            raise OperationRejected(
                f"{item.name} was counted in {level.unit} there, and {into.name} is counted in"
                f" {holder.unit}; correct the count of {into.name} instead"
            )
        held_milli = self.convert(_with_pack_of_either(into, item), quantity_milli, level.unit, holder.unit)
        if into.merged_into_id is None:
            self.check_in_use(into)
        else:
            self._return_merged(operation, holder, held_milli)
        transfer = msgspec.structs.replace(operation, kind="move", event_id=None, fingerprint=None)
        for entry in self._transfer(transfer, holder, level, held_milli, quantity_milli):
            entry.batch_id = merge.batch_id
        # It may have been created or reactivated here; the SKUs of a merged item stay hidden.
        holder.is_active = into.merged_into_id is None

    def _transfer(
        self, operation: Operation, source: SkuState, target: SkuState, out_milli: int, in_milli: int | None = None
    ) -> list[Entry]:
        """Moves stock between two SKUs, each side in its unit. Raises OperationRejected instead of rounding."""
        if source.unit == target.unit:
            return link_transfer([self.book(operation, source, -out_milli), self.book(operation, target, out_milli)])
        item = _with_pack_of_either(self.items[target.item_id], self.items[source.item_id])
        if in_milli is None:
            in_milli = self.convert(item, out_milli, source.unit, target.unit)
        entries = [self.book(operation, source, -out_milli), self.book(operation, target, in_milli)]
        ratio = units.ratio(source.unit, target.unit, item.pack_milli)
        if ratio is not None and ratio != 1:
            entries[0].unit_scale, entries[1].unit_scale = ratio.numerator, ratio.denominator
        return link_transfer(entries)

    def _check_enough(self, mark: int) -> None:
        """Raises OperationRejected if the entries since `mark` oversell an item whose policy forbids it."""
        before: dict[int, int] = {}
        for entry in self.entries[mark:]:
            before.setdefault(id(entry.level), entry.quantity_after_milli - entry.delta_milli)
        for entry in self.entries[mark:]:
            item, left = self.items[entry.level.item_id], entry.level.quantity_milli
            if left < min(0, before[id(entry.level)]) and item.oversell_policy != "allow":
                raise OperationRejected(
                    f"Undoing this would leave {from_milli(left):g} of {item.name}: the stock was removed or moved"
                    " since. Undo that first"
                )

    def _requested(self, operation: Operation, item: StockItem, level: SkuState) -> int:
        """The operation's quantity in thousandths of the level's unit, which is the default unit."""
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
        """How much to take from which levels, each in its unit, and whether the stock is less than the request.

        A level goes negative only if the item's policy allows it.
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
                ratio: int | Fraction | None = 1
            else:
                ratio = units.ratio(level.unit, unit, item.pack_milli)
            if ratio is None:
                continue
            available = level.quantity_milli * ratio
            if available <= missing:
                taken.append((level, level.quantity_milli))
                missing -= available
            else:
                taken.append((level, self.convert(item, missing, unit, level.unit)))
                missing = 0
        if not missing:
            return taken, False
        if item.oversell_policy == "reject" or operation.kind == "move" or location_id is None:
            named = unit if any(level.unit != unit for level in sources) else None
            raise OperationRejected(
                f"Only {units.describe(operation.quantity_milli - missing, named)} of {item.name} in stock;"
                f" {units.describe(operation.quantity_milli, named)} requested"
            )
        if item.oversell_policy == "clamp":
            if not taken:
                raise OperationRejected(f"No {item.name} in stock to take")
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
        """The unit of a quantity to take. Raises OperationRejected if it could be of two kinds.

        From all locations at once it is the main unit, as projects and lists count; stock of another kind is not taken.
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
                    f"{item.name} is counted in {unit} and in {level.unit} there; name the unit of the quantity in the"
                    " field unit, or take it from one SKU",
                    "invalid",
                )
        return unit


def link_transfer(entries: list[Entry]) -> list[Entry]:
    """Several rows of one operation share the id of the first as their transfer id."""
    if len(entries) > 1:
        for entry in entries:
            entry.first = entries[0]
    return entries


def _with_pack_of_either(item: StockItem, other: StockItem) -> StockItem:
    """The item with the pack size of either, for a transfer between them; with none if they differ."""
    packs = {item.pack_milli, other.pack_milli} - {None}
    if packs == {item.pack_milli}:
        return item
    return msgspec.structs.replace(item, pack_milli=packs.pop() if len(packs) == 1 else None)


def _check_positive(operation: Operation) -> None:
    if operation.quantity_milli <= 0:
        raise OperationRejected("The quantity must be more than 0", "invalid")


def _seniority(level: SkuState) -> tuple[bool, int]:
    """Sort key: active SKUs before hidden ones, then the oldest."""
    return not level.is_active, level.id or MAX_ID
