"""Writes a batch of postings to the ledger: reads what they touch, applies the rules in memory, writes what follows.

It is a script (see `db.connection`): the same code on both dialects, inside one transaction. On Postgres
the items are locked in the order of their ids before anything is read that a decision depends on, so that
several processes agree; on SQLite the one writer is lock enough.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from stocky import clock
from stocky.alerts.repository import raise_and_resolve_negative_stock
from stocky.catalogue.codes import is_item_code
from stocky.catalogue.repository import add_stub, remove_stub
from stocky.catalogue.schemas import Item
from stocky.db import Ask, Script
from stocky.quantity import from_milli
from stocky.stock.ledger import Entry, Ledger, Level, Refused, Stocked, Written
from stocky.stock.operations import ItemKey, Operation, Outcome, Place, Posting, RefusalKind
from stocky.stock.schemas import Sku, StockEvent


class _BarcodeRow(msgspec.Struct):
    code: str
    item_id: int
    pack_milli: int


class _CodeRow(msgspec.Struct):
    code: str
    id: int


class _PlaceRow(msgspec.Struct):
    id: int
    name: str
    box_no: int | None
    loc_no: int | None


class _SkuKey(msgspec.Struct):
    id: int
    item_id: int
    location_id: int


class _UndoRow(msgspec.Struct):
    id: int
    kind: str
    item_id: int
    location_id: int
    sku_id: int
    delta_milli: int
    reversed_by: int | None
    transfer_id: int | None
    batch_id: str | None


class _Remembered(msgspec.Struct):
    """An event_id that was refused before."""

    event_id: str
    fingerprint: str
    refusal: RefusalKind
    reason: str


class _Earlier(msgspec.Struct):
    """An event_id in the ledger, with its content's fingerprint and all rows of its transfer."""

    fingerprint: str | None
    events: list[StockEvent]


class _Found(msgspec.Struct):
    """What the references of one operation lead to."""

    item_id: int | None = None
    pack_milli: int = 1000
    location_id: int | None = None
    to_location_id: int | None = None
    undone: list[_UndoRow] = []
    refusal: Refused | None = None
    is_stub: bool = False


# Items as answers show them, by id. A row is read again only when its version says that it changed.
ItemCache = dict[int, Item]
ITEM_CACHE_SIZE = 50_000
# How far a scanner's clock may be ahead.
CLOCK_TOLERANCE = timedelta(days=1)


def record(postings: list[Posting], cache: ItemCache) -> Script[None]:
    """Fills the outcomes of every posting, in order. Neighbours in the batch do not see each other fail."""
    moment = clock.now()
    groups: dict[type[Posting], list[Posting]] = defaultdict(list)
    for posting in postings:
        groups[type(posting)].append(posting)
    for kind, members in groups.items():
        yield from kind.prepare(members)
    operations = [operation for posting in postings for operation in posting.operations]
    found = yield from _resolve(operations)
    ledger = yield from _read_ledger(operations, found, moment)
    known, refused = yield from _read_event_ids(operations)
    items = yield from _read_items(operations, found, ledger, cache)
    application = _Application(ledger, found, known, refused, items, moment)
    for posting in postings:
        application.apply(posting)
    yield from _write(application)
    yield from _remove_unused_stubs(postings, found)
    for kind, members in groups.items():
        yield from kind.finish(members)


# --- what the references lead to ---------------------------------------------------------------------


def _resolve(operations: list[Operation]) -> Script[dict[int, _Found]]:
    """By the operation's identity: its item, places and the rows it would undo; or why there are none."""
    skus = yield from _resolve_skus(operations)
    undone = yield from _resolve_undone(operations)
    places = yield from _resolve_places(operations, {row.location_id for row in (*skus.values(), *undone)})
    barcodes, codes = yield from _resolve_item_keys(operations)
    in_use = {place.id for place in places}
    found: dict[int, _Found] = {}
    unknown: list[tuple[Operation, str]] = []
    for operation in operations:
        one = found[id(operation)] = _Found()
        try:
            if operation.sku_id is not None:
                _find_by_sku(operation, one, skus, in_use)
            if operation.place is not None:
                one.location_id = _one_place(operation.place, places)
            if operation.to_place is not None:
                one.to_location_id = _one_place(operation.to_place, places)
            if operation.item is not None and not _find_item(operation, operation.item, one, barcodes, codes):
                unknown.append((operation, operation.item.barcode or ""))
            if operation.kind == "undo":
                one.undone = _rows_to_undo(operation, undone, in_use)
        except Refused as refusal:
            one.refusal = refusal
    if unknown:
        yield from _add_stubs(unknown, found)
    return found


def _add_stubs(unknown: list[tuple[Operation, str]], found: dict[int, _Found]) -> Script[None]:
    """Makes items for barcodes that nobody knows, unless the event is one that was sent before."""
    event_ids = [operation.event_id for operation, _ in unknown if operation.event_id is not None]
    rows = yield Ask("find_event_ids", {"event_ids": msgspec.json.encode(event_ids).decode()})
    known = {row[1] for row in rows}
    wanted = [(barcode, found[id(operation)]) for operation, barcode in unknown if operation.event_id not in known]
    stubs: dict[str, int] = {}
    # In one order everywhere, so that two processes do not wait for each other in a circle.
    for barcode, one in sorted(wanted, key=lambda each: each[0]):
        if barcode not in stubs:
            stubs[barcode] = yield from add_stub(barcode)
        one.item_id = stubs[barcode]
        one.is_stub = True


def _find_by_sku(operation: Operation, one: _Found, skus: dict[int, _SkuKey], in_use: set[int]) -> None:
    assert operation.sku_id is not None
    sku = skus.get(operation.sku_id)
    if sku is None:
        raise Refused(f"There is no SKU with id {operation.sku_id}", "not_found")
    if sku.location_id not in in_use and not operation.hide:
        raise _place_gone(sku.location_id)
    one.item_id, one.location_id = sku.item_id, sku.location_id


def _find_item(
    operation: Operation,
    key: ItemKey,
    one: _Found,
    barcodes: dict[str, _BarcodeRow],
    codes: dict[str, int],
) -> bool:
    """False for a barcode that nobody knows and that a stub is to be made for. Raises Refused."""
    if key.id is not None:
        one.item_id = key.id
    elif key.code is not None:
        one.item_id = codes.get(key.code.upper())
        if one.item_id is None:
            raise Refused(f"There is no item with code {key.code}", "not_found")
    elif key.barcode is not None:
        if barcode := barcodes.get(key.barcode):
            one.item_id, one.pack_milli = barcode.item_id, barcode.pack_milli
        elif by_code := codes.get(key.barcode.upper()):
            one.item_id = by_code
        elif operation.stub_unknown:
            return False
        else:
            raise Refused(f"There is no item with barcode {key.barcode}", "not_found")
    return True


def _resolve_item_keys(operations: list[Operation]) -> Script[tuple[dict[str, _BarcodeRow], dict[str, int]]]:
    keys = [operation.item for operation in operations if operation.item is not None]
    wanted = list({key.barcode for key in keys if key.barcode is not None})
    rows: list[_BarcodeRow] = []
    if wanted:
        rows = yield Ask("find_barcodes", {"codes": msgspec.json.encode(wanted).decode()}, _BarcodeRow)
    barcodes = {row.code: row for row in rows}
    unknown = {barcode for barcode in wanted if barcode not in barcodes and is_item_code(barcode)}
    codes = list({key.code.upper() for key in keys if key.code} | {barcode.upper() for barcode in unknown})
    found: list[_CodeRow] = []
    if codes:
        found = yield Ask("find_item_codes", {"codes": msgspec.json.encode(codes).decode()}, _CodeRow)
    return barcodes, {row.code: row.id for row in found}


def _resolve_places(operations: list[Operation], ids: set[int]) -> Script[list[_PlaceRow]]:
    """Those the operations name, and those of `ids`, as far as they are in use."""
    wanted = {place for operation in operations for place in (operation.place, operation.to_place) if place}
    if not wanted and not ids:
        return []
    places: list[_PlaceRow] = yield Ask(
        "find_places",
        {
            "ids": msgspec.json.encode([*ids, *(place.id for place in wanted if place.id is not None)]).decode(),
            "names": msgspec.json.encode([place.name for place in wanted if place.name is not None]).decode(),
            "box_nos": msgspec.json.encode([place.box_no for place in wanted if place.box_no is not None]).decode(),
        },
        _PlaceRow,
    )
    return places


def _one_place(place: Place, places: list[_PlaceRow]) -> int:
    for row in places:
        if place.id is not None:
            if row.id == place.id:
                return row.id
        elif place.name is not None:
            if row.name == place.name:
                return row.id
        elif (row.box_no, row.loc_no) == (place.box_no, place.loc_no):
            return row.id
    if place.id is not None:
        raise Refused(f"There is no active location with id {place.id}", "not_found")
    if place.name is not None:
        raise Refused(f"There is no active location named {place.name!r}", "not_found")
    raise Refused(f"There is no place {place.loc_no} in box {place.box_no}", "not_found")


def _resolve_skus(operations: list[Operation]) -> Script[dict[int, _SkuKey]]:
    ids = [operation.sku_id for operation in operations if operation.sku_id is not None]
    if not ids:
        return {}
    rows: list[_SkuKey] = yield Ask("find_sku_keys", {"ids": msgspec.json.encode(ids).decode()}, _SkuKey)
    return {row.id: row for row in rows}


def _resolve_undone(operations: list[Operation]) -> Script[list[_UndoRow]]:
    events = [operation.undo_event for operation in operations if operation.undo_event is not None]
    batches = [operation.undo_batch for operation in operations if operation.undo_batch is not None]
    if not events and not batches:
        return []
    rows: list[_UndoRow] = yield Ask(
        "find_events_to_undo",
        {"ids": msgspec.json.encode(events).decode(), "batch_ids": msgspec.json.encode(batches).decode()},
        _UndoRow,
    )
    return rows


def _rows_to_undo(operation: Operation, rows: list[_UndoRow], in_use: set[int]) -> list[_UndoRow]:
    chosen = _chosen_to_undo(operation, rows)
    for row in chosen:
        if row.location_id not in in_use:
            raise _place_gone(row.location_id)
    return chosen


def _batch_undone(operation: Operation) -> Refused:
    return Refused(f"Batch {operation.undo_batch} has been undone already", "undone")


def _place_gone(location_id: int) -> Refused:
    return Refused(f"The location {location_id} is no longer in use; make it active again first", "invalid")


def _chosen_to_undo(operation: Operation, rows: list[_UndoRow]) -> list[_UndoRow]:
    if operation.undo_batch is not None:
        # What was undone one by one already, and the undoing itself, is no longer part of the batch.
        of_batch = [row for row in rows if row.batch_id == operation.undo_batch and row.kind != "undo"]
        if not of_batch:
            raise Refused(f"There is no batch {operation.undo_batch}", "not_found")
        left = [row for row in of_batch if row.reversed_by is None]
        if not left:
            raise _batch_undone(operation)
        return left
    target = next((row for row in rows if row.id == operation.undo_event), None)
    if target is None:
        raise Refused(f"There is no event with id {operation.undo_event}", "not_found")
    if target.transfer_id is None:
        return [target]
    return [row for row in rows if row.transfer_id == target.transfer_id]


# --- what the decisions depend on, read after the items are locked -------------------------------------


def _read_ledger(operations: list[Operation], found: dict[int, _Found], moment: datetime) -> Script[Ledger]:
    ids = {one.item_id for one in found.values() if one.item_id is not None}
    ids.update(row.item_id for one in found.values() for row in one.undone)
    if not ids:
        return Ledger([], [], moment)
    wanted = {"ids": msgspec.json.encode(sorted(ids)).decode()}
    items: list[Stocked] = yield Ask("lock_items", wanted, Stocked)
    levels: list[Level] = yield Ask("list_levels", wanted, Level)
    return Ledger(items, levels, moment)


def _read_event_ids(operations: list[Operation]) -> Script[tuple[dict[str, _Earlier], dict[str, _Remembered]]]:
    ids = [operation.event_id for operation in operations if operation.event_id is not None]
    if not ids:
        return {}, {}
    wanted = {"event_ids": msgspec.json.encode(ids).decode()}
    refused: list[_Remembered] = yield Ask("find_refusals", wanted, _Remembered)
    fingerprints = yield Ask("find_event_ids", wanted)
    known = {}
    if fingerprints:
        events: list[StockEvent] = yield Ask(
            "list_transfers_by_id", {"ids": msgspec.json.encode([row[0] for row in fingerprints]).decode()}, StockEvent
        )
        rows: dict[int, list[StockEvent]] = defaultdict(list)
        for event in events:
            rows[event.transfer_id or event.id].append(event)
        known = {row[1]: _Earlier(row[2], rows[row[0]]) for row in fingerprints}
    return known, {row.event_id: row for row in refused}


def _read_items(
    operations: list[Operation], found: dict[int, _Found], ledger: Ledger, cache: ItemCache
) -> Script[ItemCache]:
    """The items that answers show."""
    shown: dict[int, Item] = {}
    missing: list[int] = []
    for operation in operations:
        item_id = found[id(operation)].item_id
        if not operation.in_full or item_id is None or item_id not in ledger.items or item_id in shown:
            continue
        cached = cache.get(item_id)
        if cached is not None and cached.version == ledger.items[item_id].version:
            shown[item_id] = cached
        else:
            missing.append(item_id)
    if missing:
        items: list[Item] = yield Ask("list_items_by_id", {"ids": msgspec.json.encode(missing).decode()}, Item)
        if len(cache) > ITEM_CACHE_SIZE:
            cache.clear()
        # A stub made in this transaction may never be committed, and its id be another item's next time.
        stubs = {one.item_id for one in found.values() if one.is_stub}
        for item in items:
            shown[item.id] = item
            if item.id not in stubs:
                cache[item.id] = item
    return shown


# --- applying ------------------------------------------------------------------------------------------


class _Application:
    """One pass over the postings of a batch."""

    def __init__(
        self,
        ledger: Ledger,
        found: dict[int, _Found],
        known: dict[str, _Earlier],
        refused: dict[str, _Remembered],
        items: dict[int, Item],
        moment: datetime,
    ) -> None:
        self.ledger = ledger
        self.new_refusals: list[_Remembered] = []
        self.moment = moment
        self.booked: list[tuple[Outcome, list[Entry]]] = []
        # What answers show of levels that get their id when they are written.
        self.unnumbered: list[tuple[Sku, Level]] = []
        # SKUs that were asked for without stock.
        self.opened: list[tuple[Outcome, Level]] = []
        self._found = found
        self._known = known
        self._refused = refused
        self._items = items
        # What this batch itself has decided, by event_id; the rows behind it have no ids yet.
        self._decided: dict[str, tuple[str | None, Outcome]] = {}

    def apply(self, posting: Posting) -> None:
        """Every operation in turn; for an atomic posting, none once one is refused."""
        mark = self.ledger.savepoint()
        booked, refusals, decided = len(self.booked), len(self.new_refusals), self._decided
        if posting.atomic:
            self._decided = dict(decided)
        posting.outcomes = [self._apply(operation, posting) for operation in posting.operations]
        posting.refused_whole = posting.atomic and any(each.status == "rejected" for each in posting.outcomes)
        if posting.refused_whole:
            self.ledger.revert(mark)
            del self.booked[booked:]
            del self.new_refusals[refusals:]
            self._decided = decided

    def _apply(self, operation: Operation, posting: Posting) -> Outcome:
        found = self._found[id(operation)]
        outcome = self._seen_before(operation)
        if outcome is None:
            mark = self.ledger.savepoint()
            try:
                outcome = self._decide(operation, found, posting)
            except Refused as refusal:
                self.ledger.revert(mark)
                outcome = Outcome(status="rejected", reason=refusal.reason, refusal=refusal.kind)
                self._remember_refusal(operation, refusal)
            if operation.event_id is not None:
                self._decided[operation.event_id] = (operation.fingerprint, outcome)
        if operation.in_full and found.item_id in self._items:
            self._show_stock(outcome, found.item_id)
            outcome.is_stub = found.is_stub
        return outcome

    def _decide(self, operation: Operation, found: _Found, posting: Posting) -> Outcome:
        if found.refusal is not None:
            raise found.refusal
        if operation.kind is None:
            if found.item_id is not None and found.item_id not in self.ledger.items:
                raise Refused(f"There is no item with id {found.item_id}", "not_found")
            return Outcome(status="looked_up")
        if operation.occurred_at is not None and operation.occurred_at > self.moment + CLOCK_TOLERANCE:
            raise Refused("occurred_at lies in the future; set the clock of the scanner", "invalid")
        if operation.occurred_at is not None and operation.occurred_at < clock.LONG_AGO:
            raise Refused("occurred_at lies before 1970; set the clock of the scanner", "invalid")
        made = len(self.ledger.made)
        entries = self._entries(operation, found)
        for entry in entries:
            entry.batch_id = posting.batch_id
        outcome = Outcome(status="applied")
        if entries:
            outcome.quantity_after_milli = entries[0].quantity_after_milli
            self.booked.append((outcome, entries))
        elif operation.opens and found.item_id is not None and found.location_id is not None:
            level = self.ledger.open(operation, self.ledger.items[found.item_id], found.location_id)
            outcome.quantity_after_milli = level.quantity_milli
            self.opened.append((outcome, level))
        outcome.sku_is_new = len(self.ledger.made) > made
        return outcome

    def _entries(self, operation: Operation, found: _Found) -> list[Entry]:
        ledger = self.ledger
        if operation.kind == "undo":
            rows = [
                Written(row.id, row.kind, row.item_id, row.sku_id, row.delta_milli, row.reversed_by)
                for row in found.undone
                if operation.undo_batch is None or row.id not in ledger.reversed
            ]
            if not rows:
                raise _batch_undone(operation)
            return ledger.undo(operation, rows)
        if found.item_id is None:
            raise Refused("Name the item by id, upc or code", "invalid")
        item = ledger.items.get(found.item_id)
        if item is None:
            raise Refused(f"There is no item with id {found.item_id}", "not_found")
        if operation.sku_id is not None:
            self._check_sku(operation)
            if operation.hide:
                return ledger.write_off(operation)
        ledger.check_in_use(item)
        if operation.in_packs and found.pack_milli != 1000:
            total = _packs(operation.quantity_milli, found.pack_milli)
            operation = msgspec.structs.replace(operation, quantity_milli=total)
        location_id = found.location_id if found.location_id is not None else self._only_place(operation, item)
        if operation.opens and not operation.quantity_milli:
            return []
        if operation.kind == "add":
            return ledger.add(operation, item, location_id)
        if operation.kind == "remove":
            return ledger.remove(operation, item, location_id)
        if operation.kind == "set":
            return ledger.set(operation, item, location_id)
        if found.to_location_id is None:
            raise Refused("Name the location to move to", "invalid")
        return ledger.move(operation, item, location_id, found.to_location_id)

    def _check_sku(self, operation: Operation) -> None:
        assert operation.sku_id is not None
        level = self.ledger.level(operation.sku_id)
        if level is None or not level.is_active:
            raise Refused(f"There is no SKU with id {operation.sku_id}", "not_found")
        if operation.if_version is not None and operation.if_version != level.version:
            raise Refused(
                f"The SKU was changed since you read it (version {level.version} now); read it again and repeat",
                "stale",
            )

    def _only_place(self, operation: Operation, item: Stocked) -> int:
        """Where the item is, when it is at one place only."""
        active = [level for level in self.ledger.levels(item.id) if level.is_active]
        places = {level.location_id for level in active if level.quantity_milli} or {
            level.location_id for level in active
        }
        if operation.kind == "move" and operation.to_place is not None and operation.to_place.id is not None:
            places.discard(operation.to_place.id)
        if len(places) == 1:
            return places.pop()
        where = "nowhere yet" if not places else f"at {len(places)} locations"
        raise Refused(f"Name the location: {item.name} is {where}", "invalid")

    def _seen_before(self, operation: Operation) -> Outcome | None:
        """The first answer to this event_id, from the ledger or from earlier in this batch."""
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
            # Its ids come with those of the first.
            self.booked.extend((again, entries) for first, entries in list(self.booked) if first is outcome)
            self.opened.extend((again, level) for first, level in list(self.opened) if first is outcome)
            return again
        if earlier := self._known.get(event_id):
            if earlier.fingerprint != operation.fingerprint:
                return _other_content(event_id)
            first = earlier.events[0]
            return Outcome(
                status="duplicate",
                ledger_id=first.id,
                events=earlier.events,
                sku_id=first.sku_id,
                quantity_after_milli=round(first.quantity_after * 1000),
            )
        if remembered := self._refused.get(event_id):
            if remembered.fingerprint != operation.fingerprint:
                return _other_content(event_id)
            return Outcome(status="rejected", reason=remembered.reason, refusal=remembered.refusal)
        return None

    def _remember_refusal(self, operation: Operation, refusal: Refused) -> None:
        # A failed If-Match says nothing of the event: it is right to send it again with what is there now.
        if operation.event_id is not None and operation.kind is not None and refusal.kind != "stale":
            self.new_refusals.append(
                _Remembered(operation.event_id, operation.fingerprint or "", refusal.kind, refusal.reason)
            )

    def _show_stock(self, outcome: Outcome, item_id: int) -> None:
        levels = [level for level in self.ledger.levels(item_id) if level.is_active]
        total = sum(level.quantity_milli for level in levels)
        outcome.item = msgspec.structs.replace(self._items[item_id], total_quantity=from_milli(total))
        outcome.skus = [level.to_sku() for level in levels]
        self.unnumbered.extend((sku, level) for sku, level in zip(outcome.skus, levels, strict=True) if not level.id)


def _other_content(event_id: str) -> Outcome:
    return Outcome(
        status="rejected",
        refusal="event_id",
        reason=f"The event_id {event_id} was used before for something else; make a new one for each event",
    )


def _packs(quantity_milli: int, pack_milli: int) -> int:
    product = quantity_milli * pack_milli
    if product % 1000:
        raise Refused("The quantity times the pack quantity has more than three decimals", "invalid")
    return product // 1000


# --- writing -------------------------------------------------------------------------------------------


def _write(application: _Application) -> Script[None]:
    ledger, moment = application.ledger, application.moment
    for level in ledger.made:
        level.id = yield from _add_level(level)
    made = {id(level) for level in ledger.made}
    changed = [level for key, level in ledger.changed.items() if key not in made]
    if changed:
        yield Ask(
            "change_levels",
            rows=[(level.quantity_milli, level.is_active, level.version, moment, level.id) for level in changed],
        )
    if ledger.entries:
        ids = yield Ask("reserve_event_ids", {"count": len(ledger.entries)})
        for entry, row in zip(ledger.entries, ids, strict=True):
            entry.id = row[0]
        yield Ask("add_events", rows=[_row(entry, moment) for entry in ledger.entries])
        yield from raise_and_resolve_negative_stock(_negatives(ledger), moment)
    if application.new_refusals:
        yield Ask(
            "add_refusals",
            # In one order everywhere, so that two processes do not wait for each other in a circle.
            rows=[
                (each.event_id, each.fingerprint, each.refusal, each.reason, moment)
                for each in sorted(application.new_refusals, key=lambda each: each.event_id)
            ],
        )
    for outcome, level in application.opened:
        outcome.sku_id = level.id
    for sku, level in application.unnumbered:
        sku.id = level.id
    for outcome, entries in application.booked:
        outcome.ledger_id = entries[0].id
        outcome.sku_id = entries[0].level.id
        if entries[0].operation.in_full:
            outcome.events = [_event(entry, moment) for entry in entries]


def _remove_unused_stubs(postings: list[Posting], found: dict[int, _Found]) -> Script[None]:
    """What only postings that were refused as a whole would have needed."""
    stubs: dict[bool, set[int]] = {True: set(), False: set()}
    for posting in postings:
        for operation in posting.operations:
            one = found[id(operation)]
            if one.is_stub and one.item_id is not None:
                stubs[posting.refused_whole].add(one.item_id)
    for item_id in sorted(stubs[True] - stubs[False]):
        yield from remove_stub(item_id)


def _add_level(level: Level) -> Script[int]:
    rows = yield Ask(
        "add_level",
        {
            "item_id": level.item_id,
            "location_id": level.location_id,
            "expiry_date": level.expiry_date,
            "quantity_milli": level.quantity_milli,
            "unit": level.unit,
            "notes": level.notes,
            "version": level.version,
            "created_at": level.created_at,
        },
    )
    id: int = rows[0][0]
    return id


def _row(entry: Entry, moment: datetime) -> tuple[Any, ...]:
    """In the order of add_events' parameters."""
    operation, level = entry.operation, entry.level
    # A transfer's rows belong to one operation; the first of them carries its event_id.
    is_first = entry.first is None or entry.first is entry
    return (
        entry.id,
        operation.event_id if is_first else None,
        operation.fingerprint if is_first else None,
        entry.batch_id,
        None if entry.first is None else entry.first.id,
        entry.kind,
        level.item_id,
        level.location_id,
        level.id,
        entry.delta_milli,
        entry.quantity_after_milli,
        operation.occurred_at or moment,
        moment,
        operation.user_id,
        operation.scanner_id,
        entry.reverses_id,
        operation.note,
    )


def _event(entry: Entry, moment: datetime) -> StockEvent:
    operation, level = entry.operation, entry.level
    is_first = entry.first is None or entry.first is entry
    return StockEvent(
        id=entry.id,
        event_id=operation.event_id if is_first else None,
        type=entry.kind,
        item_id=level.item_id,
        location_id=level.location_id,
        sku_id=level.id,
        delta=from_milli(entry.delta_milli),
        quantity_after=from_milli(entry.quantity_after_milli),
        occurred_at=operation.occurred_at or moment,
        recorded_at=moment,
        user_id=operation.user_id,
        scanner_id=operation.scanner_id,
        batch_id=entry.batch_id,
        transfer_id=None if entry.first is None else entry.first.id,
        reverses_id=entry.reverses_id,
        note=operation.note,
    )


def _negatives(ledger: Ledger) -> Iterable[tuple[Level, str, bool]]:
    """The levels that this batch took below zero (True) or back out of it (False), with their item's name."""
    first: dict[int, Entry] = {}
    for entry in ledger.entries:
        first.setdefault(id(entry.level), entry)
    for entry in first.values():
        before = entry.quantity_after_milli - entry.delta_milli
        if (before < 0) != (entry.level.quantity_milli < 0):
            yield entry.level, ledger.items[entry.level.item_id].name, entry.level.quantity_milli < 0


def new_batch_id() -> str:
    """A name for what one request or transfer writes."""
    return uuid.uuid4().hex
