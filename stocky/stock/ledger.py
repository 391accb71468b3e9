"""The rules of stock, without a database: applies operations in order to the stock of a batch.

A quantity changes only with an entry. A rejected operation has no effect once the caller has reverted to its savepoint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

import msgspec

from stocky import clock
from stocky.quantity import quantity_text
from stocky.schema import MAX_ID
from stocky.stock import units
from stocky.stock.lots import describe_named, is_named, lot_of, preference, quantity_elsewhere
from stocky.stock.models import Entry, EventToUndo, LotKey, MergedStock, OperationRejected, SkuState, StockItem
from stocky.stock.operations import AnyLot, Operation

# Far above any stock, and exact as a JSON number.
LIMIT_MILLI = 10**15


class Ledger:
    """The stock of the items of a batch, and the entries that change it; `merged_stock` maps merged SKUs to targets."""

    def __init__(
        self, items: list[StockItem], skus: list[SkuState], moment: datetime, merged_stock: Sequence[MergedStock] = ()
    ) -> None:
        self.items = {item.id: item for item in items}
        self.moment = moment
        self.entries: list[Entry] = []
        self.changed: dict[int, SkuState] = {}
        self.created: list[SkuState] = []
        self.reversed: set[int] = set()
        # Locations that are persons, as far as operations may concern them.
        self.persons: set[int] = set()
        # Hidden items that a scan reactivates.
        self.reactivated: set[int] = set()
        self._by_item: dict[int, list[SkuState]] = {item.id: [] for item in items}
        self._by_sku: dict[int, SkuState] = {}
        # Undo log of the batch so far, newest last: methods and their arguments. They are not bound to this ledger, as
        # only the garbage collector would free such a cycle, and a batch of scans makes thousands of objects.
        self._undo: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._merges = {each.item_id: each for each in merged_stock}
        self._target_sku = {each.sku_id: each.into_sku_id for each in merged_stock}
        self._merged_in_old_unit = {each.sku_id for each in merged_stock if each.is_unit_changed}
        for sku in skus:
            self._by_item[sku.item_id].append(sku)
            self._by_sku[sku.id] = sku

    def sku(self, sku_id: int) -> SkuState | None:
        return self._by_sku.get(sku_id)

    def skus(self, item_id: int) -> list[SkuState]:
        return self._by_item[item_id]

    def savepoint(self) -> int:
        """A mark for `revert`."""
        return len(self._undo)

    def revert(self, mark: int) -> None:
        """Restores the state at the mark."""
        while len(self._undo) > mark:
            action, arguments = self._undo.pop()
            action(self, *arguments)

    def weight_unit_of(self, item_id: int, location_id: int | None) -> str | None:
        """The unit of weight of an item at a location: that of its oldest SKU there that has one."""
        weighed = [
            sku
            for sku in self.skus(item_id)
            if sku.is_active and sku.location_id == location_id and units.is_weight(sku.unit)
        ]
        return min(weighed, key=_seniority).unit if weighed else None

    def unit_of(self, item_id: int, location_id: int | None = None) -> str | None:
        """The unit of an item at a location, or its main unit.

        That is the unit of its oldest active SKU there, or else of its oldest SKU at any location; None for an item
        that has never had a SKU. The view `item_amount` has the same rule.
        """
        found: SkuState | None = None
        for sku in self.skus(item_id):
            if location_id is not None and (sku.location_id != location_id or not sku.is_active):
                continue
            if found is None or _seniority(sku) < _seniority(found):
                found = sku
        if found is None:
            return None if location_id is None else self.unit_of(item_id)
        return found.unit

    def total_milli(self, item_id: int) -> int:
        """Thousandths of the main unit in all active SKUs; SKUs in a unit of another kind are left out."""
        skus = [sku for sku in self._by_item[item_id] if sku.is_active]
        if len(skus) == 1:
            return skus[0].quantity_milli
        if len({sku.unit for sku in skus}) < 2:
            return sum(sku.quantity_milli for sku in skus)
        main = self.unit_of(item_id) or units.PIECE
        pack_milli = self.items[item_id].pack_milli
        worths = ((sku.quantity_milli, units.ratio(sku.unit, main, pack_milli)) for sku in skus)
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
            raise OperationRejected(f"{item.name} cannot be converted from {unit} into {into}; {fix}", "unit") from None
        except units.Inexact as inexact:
            raise OperationRejected(
                f"{units.describe(milli, unit)} of {item.name} would be {units.describe(inexact.exact, into)}, which"
                f" has more than three decimals; nothing is rounded. Book a quantity that is exact in {into}, or count"
                f" it in {unit} there",
                "invalid",
            ) from None

    def sku_for(
        self,
        operation: Operation,
        item: StockItem,
        location_id: int,
        lot: LotKey,
        *,
        like: SkuState | None = None,
    ) -> SkuState:
        """The SKU of a lot at a location: found, reactivated or created."""
        if operation.sku_id is not None and like is None:
            return self._by_sku[operation.sku_id]
        expiry_date, number, serial, opened_on = lot
        for sku in self.skus(item.id):
            if (
                sku.location_id == location_id
                and sku.expiry_date == expiry_date
                and sku.lot == number
                and sku.serial == serial
                and sku.opened_on == opened_on
            ):
                if operation.create_sku:
                    self.check_unit(operation, sku)
                self.show(sku)
                return sku
        unit = like.unit if like else operation.unit or self.unit_of(item.id, location_id) or units.PIECE
        if serial and not units.counts_pieces(unit):
            raise OperationRejected(
                f"A serial number names one piece, and {item.name} is counted in {unit} there; send the unit piece",
                "unit",
            )
        sku = SkuState(
            id=0,
            item_id=item.id,
            location_id=location_id,
            expiry_date=expiry_date,
            lot=number,
            serial=serial,
            opened_on=opened_on,
            quantity_milli=0,
            unit=unit,
            notes=operation.notes or "",
            is_active=True,
            version=0,
            created_at=self.moment,
            updated_at=self.moment,
        )
        self.created.append(sku)
        self._by_item[item.id].append(sku)
        self._undo.append((Ledger._remove_created, (sku,)))
        return sku

    def check_unit(self, operation: Operation, sku: SkuState) -> None:
        """Raises OperationRejected for a quantity in a unit of another kind than the SKU's."""
        item = self.items[sku.item_id]
        if operation.unit is not None and units.ratio(operation.unit, sku.unit, item.pack_milli) is None:
            # A deleted SKU cannot be changed until it is active again.
            otherwise = "change the SKU's unit first" if sku.is_active else "leave the unit out and change it later"
            raise OperationRejected(
                f"{item.name} is counted in {sku.unit} there, not in {operation.unit}. Send the"
                f" quantity in {sku.unit}, or {otherwise}",
                "unit",
            )

    def book(self, operation: Operation, sku: SkuState, delta_milli: int, reverses_id: int | None = None) -> Entry:
        """Changes a SKU with an entry. Raises OperationRejected for a quantity above LIMIT_MILLI."""
        after = sku.quantity_milli + delta_milli
        if abs(after) > LIMIT_MILLI:
            raise OperationRejected("The quantity would be larger than Stocky can count", "invalid")
        self.touch(sku)
        sku.quantity_milli = after
        entry = Entry(operation.kind or "set", sku, delta_milli, after, operation, reverses_id)
        self.entries.append(entry)
        return entry

    def show(self, sku: SkuState) -> None:
        """Reactivates a hidden SKU."""
        if not sku.is_active:
            self.touch(sku)
            sku.is_active = True

    def touch(self, sku: SkuState) -> None:
        """Marks a SKU as changed and logs its state for `revert`; call it before the change."""
        before = (sku.quantity_milli, sku.is_active, sku.version, sku.updated_at)
        self._undo.append((Ledger._restore, (sku, before, len(self.entries), id(sku) in self.changed)))
        sku.version += 1
        sku.updated_at = self.moment
        self.changed[id(sku)] = sku

    def _restore(self, sku: SkuState, before: tuple[int, bool, int, datetime], entries: int, was_changed: bool) -> None:
        sku.quantity_milli, sku.is_active, sku.version, sku.updated_at = before
        del self.entries[entries:]
        if not was_changed:
            self.changed.pop(id(sku), None)

    def _remove_created(self, sku: SkuState) -> None:
        self.created.remove(sku)
        self._by_item[sku.item_id].remove(sku)

    def _forget_reversal(self, event_id: int) -> None:
        self.reversed.discard(event_id)

    @staticmethod
    def check_in_use(item: StockItem) -> None:
        """Raises OperationRejected for an inactive or merged item: it holds no stock, and none is booked to it."""
        if item.merged_into_id is not None:
            raise OperationRejected(
                f"{item.name} was merged into item {item.merged_into_id}; undo the merge first", "invalid"
            )
        if not item.is_active:
            raise OperationRejected(f"{item.name} is no longer in use; make it active again first", "invalid")

    def reactivate(self, item: StockItem) -> None:
        """Makes a hidden item active again, because its barcode was scanned."""
        self._undo.append((Ledger._hide, (item,)))
        item.is_active = True
        self.reactivated.add(item.id)

    def _hide(self, item: StockItem) -> None:
        item.is_active = False
        self.reactivated.discard(item.id)

    def add(self, operation: Operation, item: StockItem, location_id: int) -> list[Entry]:
        """Adds stock to the named lot, or to the stock without a lot."""
        _check_positive(operation)
        sku = self.open(operation, item, location_id)
        return [self.book(operation, sku, self._requested(operation, item, sku))]

    def open(self, operation: Operation, item: StockItem, location_id: int) -> SkuState:
        """The SKU that an addition goes to; what has no expiry date keeps as long as the item does."""
        lot = lot_of(operation, self.skus(item.id))
        if lot.expiry_date is None and isinstance(operation.expiry_date, AnyLot) and item.shelf_life_days is not None:
            lot = lot._replace(expiry_date=self._day_of(operation) + timedelta(days=item.shelf_life_days))
        sku = self.sku_for(operation, item, location_id, lot)
        if not sku.version:
            self.touch(sku)
        return sku

    def remove(self, operation: Operation, item: StockItem, location_id: int | None) -> list[Entry]:
        """Removes stock from the named lot, or earliest expiry first; the item's policy decides about a shortage.

        Without a location it is taken from all of them but persons, and a shortage is rejected.
        """
        _check_positive(operation)
        taken, is_short = self._take(operation, item, location_id)
        entries = [self.book(operation, sku, -quantity) for sku, quantity in taken]
        entries[0].is_short = is_short
        return link_transfer(entries)

    def move(self, operation: Operation, item: StockItem, location_id: int, to_location_id: int) -> list[Entry]:
        """Moves stock lot by lot, as the two sides of one transfer, each in the unit of its SKU."""
        _check_positive(operation)
        if location_id == to_location_id:
            raise OperationRejected("The stock is already at this location; name another one to move it to", "invalid")
        entries = []
        for sku, quantity in self._take(operation, item, location_id)[0]:
            target = self.sku_for(operation, item, to_location_id, sku.key, like=sku)
            entries += self._transfer(operation, sku, target, quantity)
        return link_transfer(entries)

    def open_closed(self, operation: Operation, item: StockItem, location_id: int) -> list[Entry]:
        """Opens closed stock: it moves to the SKUs of what was opened there that day, which expire by `opened_days`."""
        _check_positive(operation)
        if operation.sku_id is not None and self._by_sku[operation.sku_id].opened_on is not None:
            raise OperationRejected(f"SKU {operation.sku_id} of {item.name} is opened already", "invalid")
        day = self._day_of(operation)
        by_day = None if item.opened_days is None else day + timedelta(days=item.opened_days)
        move = msgspec.structs.replace(operation, kind="move")
        entries: list[Entry] = []
        for sku, quantity in self._take(operation, item, location_id)[0]:
            expiry_date = min(filter(None, (sku.expiry_date, by_day)), default=None)
            lot = sku.key._replace(expiry_date=expiry_date, opened_on=day)
            entries += self._transfer(
                move, sku, self.sku_for(operation, item, sku.location_id, lot, like=sku), quantity
            )
        return link_transfer(entries)

    def _day_of(self, operation: Operation) -> date:
        return clock.local_date(operation.occurred_at or self.moment)

    def set(self, operation: Operation, item: StockItem, location_id: int) -> list[Entry]:
        """Sets a counted quantity: books the difference, even one of 0."""
        if operation.sku_id is not None:
            sku = self._by_sku[operation.sku_id]
        else:
            sku = self._counted(operation, item, location_id)
        return [self.book(operation, sku, self._requested(operation, item, sku) - sku.quantity_milli)]

    def _counted(self, operation: Operation, item: StockItem, location_id: int) -> SkuState:
        """The SKU of a count: the named one, or the only one that it may mean."""
        here = [
            each
            for each in self.skus(item.id)
            if each.location_id == location_id and each.is_active and is_named(operation, each)
        ]
        lot = lot_of(operation, self.skus(item.id))
        with_stock = [each for each in here if each.quantity_milli]
        if len(with_stock) > 1:
            names_number = not (operation.lot is operation.serial is AnyLot.ANY)
            if names_number and (named := next((each for each in with_stock if each.key == lot), None)) is not None:
                return named
            raise OperationRejected(
                "Several lots of the item are at this location; name the counted lot by the fields expiry_date, lot and"
                " serial of POST /events",
                "invalid",
            )
        found = with_stock or ([] if operation.names_lot else here)
        return found[0] if len(found) == 1 else self.sku_for(operation, item, location_id, lot)

    def undo(self, operation: Operation, rows: list[EventToUndo]) -> list[Entry]:
        """Compensates rows of the ledger, latest first; all or none.

        For an item that was merged since, the stock is removed from the merge target.
        """
        entries, mark = [], len(self.entries)
        for row in reversed(rows):
            if row.kind == "undo":
                raise OperationRejected(f"Event {row.id} is itself an undo; post the change again instead", "undone")
            if row.reversed_by is not None or row.id in self.reversed:
                raise OperationRejected(f"Event {row.id} has been undone already", "undone")
            sku = self._by_sku[row.sku_id]
            if row.is_unit_changed and row.delta_milli:
                raise OperationRejected(
                    f"Event {row.id} was booked before the unit of SKU {row.sku_id} was changed to {sku.unit};"
                    " correct the quantity with an event of type set instead",
                    "unit",
                )
            item = self.items[row.item_id]
            self._undo.append((Ledger._forget_reversal, (row.id,)))
            self.reversed.add(row.id)
            merge = self._merges.get(item.id)
            if merge is None:
                self.check_in_use(item)
                self.show(sku)
            elif row.batch_id == merge.batch_id:
                raise OperationRejected(
                    f"Event {row.id} is part of the merge of {item.name} into item {merge.into_id}; undo the merge",
                    "invalid",
                )
            elif row.delta_milli:
                self._return_merged(operation, sku, row.delta_milli)
            entries.append(self.book(operation, sku, -row.delta_milli, reverses_id=row.id))
        self._check_enough(mark)
        return link_transfer(entries)

    def write_off(self, operation: Operation) -> list[Entry]:
        """Removes the stock of a SKU and hides it."""
        assert operation.sku_id is not None
        sku = self._by_sku[operation.sku_id]
        entries = [self.book(operation, sku, -sku.quantity_milli)] if sku.quantity_milli else []
        self.touch(sku)
        sku.is_active = False
        return entries

    def transfer_all(self, operation: Operation, item: StockItem, to: StockItem) -> list[Entry]:
        """Transfers all stock of an item to another one, lot by lot at the same locations; negative stock, too."""
        self.check_in_use(item)
        self.check_in_use(to)
        entries = []
        for sku in [each for each in self.skus(item.id) if each.is_active]:
            if sku.quantity_milli:
                target = self.sku_for(operation, to, sku.location_id, sku.key, like=sku)
                if units.ratio(sku.unit, target.unit, _with_pack_of_either(to, item).pack_milli) is None:
                    raise OperationRejected(
                        f"At one location {item.name} is counted in {sku.unit} and {to.name} in {target.unit};"
                        " count both in one unit first",
                        "unit",
                    )
                # A transfer per SKU, so that the ledger shows which SKU received it.
                entries += self._transfer(operation, sku, target, sku.quantity_milli)
            self.touch(sku)
            sku.is_active = False
        return entries

    def _return_merged(self, operation: Operation, sku: SkuState, quantity_milli: int) -> None:
        """Returns to a SKU of a merged item what an undo takes from it, merge by merge from its current holder.

        It is booked as part of each merge, so undoing the merge returns that much less.
        """
        merge = self._merges[sku.item_id]
        into = self.items[merge.into_id]
        holder = self._by_sku.get(self._target_sku.get(sku.id) or 0) or self.sku_for(
            operation, into, sku.location_id, sku.key, like=sku
        )
        item = self.items[sku.item_id]
        if sku.id in self._merged_in_old_unit:
            raise OperationRejected(
                f"{item.name} was merged into {into.name} before the unit of SKU {holder.id} was changed to"
                f" {holder.unit}; correct the quantity of {into.name} with an event of type set instead",
                "unit",
            )
        if units.ratio(sku.unit, holder.unit, _with_pack_of_either(into, item).pack_milli) is None:
            raise OperationRejected(
                f"{item.name} was counted in {sku.unit} there, and {into.name} is counted in"
                f" {holder.unit}; correct the count of {into.name} instead",
                "unit",
            )
        held_milli = self.convert(_with_pack_of_either(into, item), quantity_milli, sku.unit, holder.unit)
        if into.merged_into_id is None:
            self.check_in_use(into)
        else:
            self._return_merged(operation, holder, held_milli)
        transfer = msgspec.structs.replace(operation, kind="move", event_id=None, fingerprint=None)
        for entry in self._transfer(transfer, holder, sku, held_milli, quantity_milli):
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
            before.setdefault(id(entry.sku), entry.quantity_after_milli - entry.delta_milli)
        for entry in self.entries[mark:]:
            item, left = self.items[entry.sku.item_id], entry.sku.quantity_milli
            if left < min(0, before[id(entry.sku)]) and item.oversell_policy != "allow":
                raise OperationRejected(
                    f"Undoing this would leave {quantity_text(left)} of {item.name}: the stock was removed or moved"
                    " since. Undo that first"
                )

    def _requested(self, operation: Operation, item: StockItem, sku: SkuState) -> int:
        """The operation's quantity in thousandths of the SKU's unit, which is the default unit."""
        unit = operation.unit
        if operation.in_main_unit:
            unit = self.unit_of(item.id)
        if unit is None or unit == sku.unit:
            return operation.quantity_milli
        if operation.unit is not None:
            self.check_unit(operation, sku)
        return self.convert(item, operation.quantity_milli, unit, sku.unit)

    def _take(
        self, operation: Operation, item: StockItem, location_id: int | None
    ) -> tuple[list[tuple[SkuState, int]], bool]:
        """How much to take from which SKUs, each in its unit, and whether the stock is less than the request.

        A SKU goes negative only if the item's policy allows it.
        """
        if operation.sku_id is not None:
            sources = [self._by_sku[operation.sku_id]]
        else:
            sources = [
                sku
                for sku in self.skus(item.id)
                if (sku.location_id not in self.persons if location_id is None else sku.location_id == location_id)
                and sku.is_active
                and is_named(operation, sku)
            ]
            if len(sources) > 1:
                sources.sort(key=lambda sku: preference(operation, sku))
        unit = self._unit_taken(operation, item, location_id, sources)
        taken: list[tuple[SkuState, int]] = []
        missing: int | Fraction = operation.quantity_milli
        for sku in sources:
            if not missing or sku.quantity_milli <= 0:
                continue
            if sku.unit == unit:
                ratio: int | Fraction | None = 1
            else:
                ratio = units.ratio(sku.unit, unit, item.pack_milli)
            if ratio is None:
                continue
            available = sku.quantity_milli * ratio
            if available <= missing:
                taken.append((sku, sku.quantity_milli))
                missing -= available
            else:
                taken.append((sku, self.convert(item, missing, unit, sku.unit)))
                missing = 0
        if not missing:
            return taken, False
        if item.oversell_policy == "reject" or operation.kind in ("move", "open") or location_id is None:
            named = unit if any(sku.unit != unit for sku in sources) else None
            reason = (
                f"Only {units.describe(operation.quantity_milli - missing, named)} of"
                f" {describe_named(item, operation)} in stock;"
                f" {units.describe(operation.quantity_milli, named)} requested"
            )
            if operation.sku_id is None and location_id is not None:
                elsewhere = quantity_elsewhere(operation, item, self.skus(item.id), location_id, unit)
                reason += f"; {units.describe(elsewhere, named)} elsewhere" if elsewhere > 0 else ""
            raise OperationRejected(reason)
        if item.oversell_policy == "clamp":
            if not taken:
                raise OperationRejected(f"No {item.name} in stock to take")
            return taken, True
        last = self._oversold(operation, item, location_id, sources)
        more = self.convert(item, missing, unit, last.unit)
        for index, (sku, quantity) in enumerate(taken):
            if sku is last:
                taken[index] = (sku, quantity + more)
                return taken, False
        return [*taken, (last, more)], False

    def _oversold(self, operation: Operation, item: StockItem, location_id: int, sources: list[SkuState]) -> SkuState:
        """The SKU that a shortage is taken from. The serial number of a label does not name it: no piece is below 0."""
        if operation.sku_id is not None:
            return sources[0]
        lot = lot_of(operation, self.skus(item.id))
        if operation.of_label:
            bulk = next((sku for sku in sources if not sku.serial and sku.opened_on is None), None)
            return bulk or self.sku_for(operation, item, location_id, lot._replace(serial=""))
        return self.sku_for(operation, item, location_id, lot)

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
        unit = min(sources, key=lambda sku: sku.id or MAX_ID).unit
        for sku in sources:
            if sku.unit != unit and sku.quantity_milli and not units.ratio(sku.unit, unit, item.pack_milli):
                raise OperationRejected(
                    f"{item.name} is counted in {unit} and in {sku.unit} there; name the unit of the quantity in the"
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


def _seniority(sku: SkuState) -> tuple[bool, int]:
    """Sort key: active SKUs before hidden ones, then the oldest."""
    return not sku.is_active, sku.id or MAX_ID
