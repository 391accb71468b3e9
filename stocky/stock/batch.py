"""Applies the rules to the postings of one batch, in memory: an outcome for each operation, and the entries to write.

The same event_id gets the same outcome, whether the first one is in the database or earlier in this batch.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction

import msgspec

from stocky import clock
from stocky.catalogue.schemas import Item
from stocky.money import MAX_PRICE, MICRO
from stocky.quantity import from_milli
from stocky.schema import MAX_ID
from stocky.stock import units
from stocky.stock.fingerprints import has_fingerprint
from stocky.stock.ledger import Ledger
from stocky.stock.lots import check_serials
from stocky.stock.models import Entry, EntryPrice, EventToUndo, OperationRejected, SkuState, StockItem
from stocky.stock.operations import AnyLot, Operation, Outcome, Posting, RejectionKind
from stocky.stock.references import ResolvedReferences, apply_pack_size, batch_undone
from stocky.stock.schemas import Sku, StockEvent

# How far ahead a scanner's clock may be.
CLOCK_TOLERANCE = timedelta(days=1)


class StoredRejection(msgspec.Struct):
    """An event_id that was rejected before, as stored in the database."""

    event_id: str
    fingerprint: str
    refusal: RejectionKind
    reason: str


class RecordedEvent(msgspec.Struct):
    """An event_id in the ledger: the fingerprint of its content, and all rows of its transfer."""

    fingerprint: str | None
    events: list[StockEvent]


class Batch:
    """One pass over the postings of a batch."""

    def __init__(
        self,
        ledger: Ledger,
        found: dict[int, ResolvedReferences],
        recorded: dict[str, RecordedEvent],
        rejected: dict[str, StoredRejection],
        items: dict[int, Item],
        moment: datetime,
    ) -> None:
        self.ledger = ledger
        self.new_rejections: list[StoredRejection] = []
        self.moment = moment
        self.booked: list[tuple[Outcome, list[Entry]]] = []
        # SKUs in responses that get their id when they are written.
        self.without_id: list[tuple[Sku, SkuState]] = []
        # SKUs created without stock.
        self.opened: list[tuple[Outcome, SkuState]] = []
        self._found = found
        self._recorded = recorded
        self._rejected = rejected
        self._items = items
        # Outcomes of this batch by event_id; their rows have no ids yet.
        self._decided: dict[str, tuple[str | None, Outcome]] = {}

    def apply(self, posting: Posting) -> None:
        """Applies each operation in turn; one rejected operation reverts an atomic posting."""
        mark = self.ledger.savepoint()
        booked, rejections, decided = len(self.booked), len(self.new_rejections), self._decided
        if posting.atomic:
            self._decided = dict(decided)
        posting.outcomes = [self._apply(operation, posting) for operation in posting.operations]
        posting.rejected_whole = posting.atomic and any(each.status == "rejected" for each in posting.outcomes)
        if posting.rejected_whole:
            self.ledger.revert(mark)
            del self.booked[booked:]
            del self.new_rejections[rejections:]
            self._decided = decided

    def _apply(self, operation: Operation, posting: Posting) -> Outcome:
        found = self._found[id(operation)]
        outcome = self._seen_before(operation)
        if outcome is None:
            mark = self.ledger.savepoint()
            try:
                outcome = self._decide(operation, found, posting)
            except OperationRejected as rejection:
                # As in `references.resolve`, for one that `found` keeps.
                rejection.__traceback__ = None
                self.ledger.revert(mark)
                outcome = Outcome(status="rejected", reason=rejection.reason, rejection=rejection.kind)
                self._remember_rejection(operation, rejection)
            if operation.event_id is not None:
                self._decided[operation.event_id] = (operation.fingerprint, outcome)
        if found.item_id in self.ledger.items:
            item = self.ledger.items[found.item_id]
            outcome.is_reviewed = not item.needs_review and item.id not in self.ledger.reactivated
            if operation.with_details:
                self._show_stock(outcome, item.id)
        return outcome

    def _decide(self, operation: Operation, found: ResolvedReferences, posting: Posting) -> Outcome:
        if found.rejection is not None:
            raise found.rejection
        if operation.kind is None:
            if found.item_id is not None and found.item_id not in self.ledger.items:
                raise OperationRejected(f"There is no item with id {found.item_id}", "not_found")
            return Outcome(status="looked_up")
        if operation.occurred_at is not None and operation.occurred_at > self.moment + CLOCK_TOLERANCE:
            raise OperationRejected("occurred_at is in the future; set the scanner's clock", "invalid")
        if operation.occurred_at is not None and operation.occurred_at < clock.LONG_AGO:
            raise OperationRejected("occurred_at is before 1970; set the scanner's clock", "invalid")
        created = len(self.ledger.created)
        booked = len(self.ledger.entries)
        entries = self._entries(operation, found)
        check_serials(self.ledger.entries[booked:], self.ledger.items, self.ledger.skus)
        for entry in entries:
            entry.batch_id = posting.batch_id
        outcome = Outcome(status="applied")
        if entries:
            if operation.price is not None:
                entries[0].price = self._price(operation, entries[0])
            outcome.quantity_after_milli = entries[0].quantity_after_milli
            outcome.is_short = entries[0].is_short
            self.booked.append((outcome, entries))
        elif operation.create_sku and found.item_id is not None and found.location_id is not None:
            sku = self.ledger.open(operation, self.ledger.items[found.item_id], found.location_id)
            outcome.quantity_after_milli = sku.quantity_milli
            self.opened.append((outcome, sku))
        outcome.sku_is_new = len(self.ledger.created) > created
        return outcome

    def _entries(self, operation: Operation, found: ResolvedReferences) -> list[Entry]:
        ledger = self.ledger
        if operation.kind == "undo":
            rows = [
                EventToUndo(
                    row.id,
                    row.kind,
                    row.item_id,
                    row.sku_id,
                    row.delta_milli,
                    row.reversed_by,
                    row.batch_id,
                    row.is_unit_changed,
                )
                for row in found.undone
                if operation.undo_batch is None or row.id not in ledger.reversed
            ]
            if not rows:
                raise batch_undone(operation)
            return ledger.undo(operation, rows)
        if found.item_id is None:
            raise OperationRejected("Name the item by id, upc or code", "invalid")
        item = ledger.items.get(found.item_id)
        if item is None:
            raise OperationRejected(f"There is no item with id {found.item_id}", "not_found")
        if operation.into is not None:
            return ledger.transfer_all(operation, item, ledger.items[operation.into])
        if operation.sku_id is not None:
            self._check_sku(operation)
            if operation.deactivate:
                return ledger.write_off(operation)
        if operation.create_stub and not item.is_active and item.merged_into_id is None:
            ledger.reactivate(item)
        ledger.check_in_use(item)
        if operation.in_packs:
            operation = self._apply_pack_size(operation, item, found)
        if operation.all_locations:
            return ledger.remove(operation, item, None)
        location_id = found.location_id if found.location_id is not None else self._only_location(operation, item)
        if operation.of_label:
            operation = self._check_piece(operation, item, location_id)
        if operation.create_sku and not operation.quantity_milli:
            return []
        if operation.kind == "add":
            return ledger.add(operation, item, location_id)
        if operation.kind == "remove":
            return ledger.remove(operation, item, location_id)
        if operation.kind == "set":
            return ledger.set(operation, item, location_id)
        if operation.kind == "open":
            return ledger.open_closed(operation, item, location_id)
        if found.to_location_id is None:
            raise OperationRejected("Name the location to move to", "invalid")
        if operation.lends and found.to_location_id not in ledger.persons:
            raise OperationRejected(
                f"Location {found.to_location_id} is a place; lend to a location of the kind person, or move the stock",
                "invalid",
            )
        if operation.returns_loan is not None and found.to_location_id in ledger.persons:
            raise OperationRejected(
                f"Location {found.to_location_id} is a person, so this is no return; lend it to them instead, or name a"
                " place",
                "invalid",
            )
        return ledger.move(operation, item, location_id, found.to_location_id)

    def _apply_pack_size(self, operation: Operation, item: StockItem, found: ResolvedReferences) -> Operation:
        """Converts packs of a scanned code into one of the item's units, or into the operation's unit."""
        scanned = operation.item.scanned if operation.item else None
        if scanned is None:
            return operation
        ledger = self.ledger
        location_id = found.to_location_id if found.location_id is None else found.location_id
        if scanned.price is not None and operation.kind != "set" and operation.quantity_milli == 1000:
            self._refuse_price(item, location_id)
        is_plain = found.pack_milli == 1000 and item.pack_milli is None
        if is_plain and scanned.milligrams is None and scanned.count is None:
            return operation
        content = operation.unit
        if content is None and item.pack_milli is not None:
            # Counted in pieces and in packs: a pack quantity is a number of pieces.
            content = units.PIECE
        elif content is None and found.pack_milli != 1000:
            content = ledger.unit_of(item.id)
        unit = ledger.unit_of(item.id, location_id)
        if scanned.milligrams is not None:
            unit = ledger.weight_unit_of(item.id, location_id) or unit
        return apply_pack_size(operation, found.pack_milli, unit, content)

    def _price(self, operation: Operation, entry: Entry) -> EntryPrice:
        """The price of one of the quantity as it was sent, which may have counted packs or weighed labels."""
        assert operation.price is not None
        booked = entry.operation
        if operation.price.unit is not None:
            return EntryPrice(operation.price, 1000, operation.price.unit)
        unit = booked.unit
        if unit is None and booked.in_main_unit:
            unit = self.ledger.unit_of(entry.sku.item_id)
        per_milli = 1000
        if operation.quantity_milli:
            per_milli = units.nearest(Fraction(booked.quantity_milli * 1000, operation.quantity_milli)) or 1
        if operation.price.micro * 1000 > MAX_PRICE * MICRO * per_milli:
            raise OperationRejected(
                f"The price of one {unit or entry.sku.unit} would be above {MAX_PRICE:,}", "invalid"
            )
        return EntryPrice(operation.price, per_milli, unit or entry.sku.unit)

    def _check_piece(self, operation: Operation, item: StockItem, location_id: int) -> Operation:
        """Leaves the serial number of a label out unless one piece is booked: then it is only in the note."""
        unit = operation.unit or self.ledger.unit_of(item.id, location_id) or units.PIECE
        quantities = (0, 1000) if operation.kind == "set" else (1000,)
        if operation.quantity_milli in quantities and units.counts_pieces(unit):
            return operation
        return msgspec.structs.replace(operation, serial=AnyLot.ANY)

    def _refuse_price(self, item: StockItem, location_id: int | None) -> None:
        """Raises OperationRejected for a piece whose label has no weight, where stock is counted by weight."""
        unit = self.ledger.unit_of(item.id, location_id)
        if unit is not None and units.is_weight(unit):
            raise OperationRejected(
                f"The label states a price and no weight, and {item.name} is counted in {unit} there; send its weight"
                " as the quantity, with the unit",
                "invalid",
            )

    def _check_sku(self, operation: Operation) -> None:
        assert operation.sku_id is not None
        sku = self.ledger.sku(operation.sku_id)
        if sku is None or not sku.is_active:
            raise OperationRejected(f"There is no SKU with id {operation.sku_id}", "not_found")
        if operation.if_versions is not None and sku.version not in operation.if_versions:
            raise OperationRejected(
                f"The SKU was changed since you read it (version {sku.version} now); read it again and repeat",
                "stale",
            )
        self.ledger.check_unit(operation, sku)

    def _only_location(self, operation: Operation, item: StockItem) -> int:
        """The item's location, if it has exactly one. A person is meant only by a move, if no place has stock."""
        active = [sku for sku in self.ledger.skus(item.id) if sku.is_active]
        if not isinstance(operation.serial, AnyLot):
            active = [sku for sku in active if sku.serial == operation.serial and sku.quantity_milli] or active
        persons = self.ledger.persons
        stocked = {sku.location_id for sku in active if sku.quantity_milli}
        places = stocked - persons or {sku.location_id for sku in active} - persons
        if operation.kind == "move":
            if operation.to_location is not None and operation.to_location.id is not None:
                if stocked == {operation.to_location.id}:
                    raise OperationRejected(f"All of {item.name} is at that location already", "invalid")
                stocked.discard(operation.to_location.id)
                places.discard(operation.to_location.id)
            if stocked and stocked <= persons:
                places = stocked
        if len(places) == 1:
            return places.pop()
        if not places and stocked & persons:
            raise OperationRejected(f"Name the location: all of {item.name} is lent", "invalid")
        where = "at no location yet" if not places else f"at {len(places)} locations"
        raise OperationRejected(f"Name the location: {item.name} is {where}", "invalid")

    def _seen_before(self, operation: Operation) -> Outcome | None:
        """The first outcome of this event_id, from the database or from earlier in this batch."""
        event_id = operation.event_id
        if event_id is None:
            return None
        if decided := self._decided.get(event_id):
            fingerprint, outcome = decided
            if fingerprint != operation.fingerprint:
                return _other_content(event_id)
            if outcome.status != "applied":
                return msgspec.structs.replace(outcome)
            again = msgspec.structs.replace(outcome, status="duplicate")
            # The duplicate gets its ids together with the first one.
            self.booked.extend((again, entries) for first, entries in list(self.booked) if first is outcome)
            self.opened.extend((again, sku) for first, sku in list(self.opened) if first is outcome)
            return again
        if recorded := self._recorded.get(event_id):
            if not _is_same(operation, recorded.fingerprint):
                return _other_content(event_id)
            first = recorded.events[0]
            return Outcome(
                status="duplicate",
                ledger_id=first.id,
                events=recorded.events,
                sku_id=first.sku_id,
                quantity_after_milli=round(first.quantity_after * 1000),
            )
        if rejected := self._rejected.get(event_id):
            if not _is_same(operation, rejected.fingerprint):
                return _other_content(event_id)
            return Outcome(status="rejected", reason=rejected.reason, rejection=rejected.refusal)
        return None

    def _remember_rejection(self, operation: Operation, rejection: OperationRejected) -> None:
        # A failed If-Match is not stored: the client may send the event again with the current version.
        if operation.event_id is not None and operation.kind is not None and rejection.kind != "stale":
            self.new_rejections.append(
                StoredRejection(operation.event_id, operation.fingerprint or "", rejection.kind, rejection.reason)
            )

    def _show_stock(self, outcome: Outcome, item_id: int) -> None:
        skus = [sku for sku in self.ledger.skus(item_id) if sku.is_active]
        if len(skus) > 1:
            skus.sort(key=lambda sku: sku.id or MAX_ID)
        outcome.skus = shown = []
        for sku in skus:
            answer = sku.to_sku()
            shown.append(answer)
            if not sku.id:
                self.without_id.append((answer, sku))
        total = self.ledger.total_milli(item_id)
        outcome.item = msgspec.structs.replace(
            self._items[item_id], total_quantity=from_milli(total), unit=self.ledger.unit_of(item_id)
        )
        if item_id in self.ledger.reactivated:
            outcome.item.is_active = outcome.item.needs_review = True
            outcome.item.version += 1
            outcome.item.updated_at = self.moment


def _is_same(operation: Operation, stored: str | None) -> bool:
    """Whether the operation has the content that was recorded under its event_id."""
    return stored == operation.fingerprint or (
        operation.content is not None and has_fingerprint(operation.content, stored)
    )


def _other_content(event_id: str) -> Outcome:
    return Outcome(
        status="rejected",
        rejection="event_id",
        reason=f"The event_id {event_id} was already used with other content; use a new one for each event",
    )
