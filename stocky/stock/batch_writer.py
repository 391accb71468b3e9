"""Writes a batch of postings in one transaction: reads the affected stock, applies the rules in memory, writes rows.

The same code runs on both dialects. On Postgres the items are locked in the order of their ids before any row is read
that a decision depends on, so several processes agree; SQLite has one writer and needs no lock.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from datetime import datetime
from typing import Any

from stocky import clock
from stocky.alerts.evaluate import COLD, evaluate_alerts
from stocky.catalogue.repository import items_by_id
from stocky.catalogue.schemas import Item
from stocky.catalogue.stubs import remove_stub
from stocky.db import Connection
from stocky.quantity import from_milli
from stocky.stock.batch import Batch, RecordedEvent, StoredRejection
from stocky.stock.ledger import Ledger
from stocky.stock.loans import record_loans
from stocky.stock.memory import StockMemory
from stocky.stock.models import Entry, MergedStock, SkuState, StockItem
from stocky.stock.operations import Operation, Posting
from stocky.stock.references import LedgerRow, ResolvedReferences, resolve
from stocky.stock.schemas import StockEvent
from stocky.stock.units import is_pack, pack_size

# Items for responses, by id. A row is read again only when its version has changed.
ItemCache = dict[int, Item]
ITEM_CACHE_SIZE = 50_000


async def write_batch(tx: Connection, postings: list[Posting], cache: ItemCache, memory: StockMemory) -> None:
    """Fills the outcomes of every posting, in order. One posting's rejection does not affect the others.

    `memory` may be new; its `committed` is called by the caller, who knows.
    """
    moment = clock.now()
    groups: dict[type[Posting], list[Posting]] = defaultdict(list)
    for posting in postings:
        groups[type(posting)].append(posting)
    for kind, members in groups.items():
        await kind.prepare(tx, members)
    operations = [operation for posting in postings for operation in posting.operations]
    await memory.begin(tx)
    found, persons = await resolve(tx, operations, memory.barcodes)
    ledger = await _read_ledger(tx, operations, found, moment, memory)
    ledger.persons = persons | await _read_persons(tx, operations, ledger)
    recorded, rejected = await _read_event_ids(tx, operations)
    items = await _read_items(tx, operations, found, ledger, cache)
    batch = Batch(ledger, found, recorded, rejected, items, moment)
    for posting in postings:
        batch.apply(posting)
    await _write(tx, batch)
    await _remove_unused_stubs(tx, postings, found)
    for kind, members in groups.items():
        await kind.finish(tx, members)
    await memory.keep(tx, ledger, has_stubs=any(one.is_stub for one in found.values()))


def new_batch_id() -> str:
    """An id for the events that one request or transfer writes."""
    return uuid.uuid4().hex


def items_with_changed_alerts(ledger: Ledger) -> set[int]:
    """Items with a quantity that crossed the threshold of an alert in this batch.

    Thresholds: an item's total, its minimum; a SKU, 0 from above or below; a SKU that expires or needs a cold
    location, between empty and stocked.
    """
    before: dict[int, tuple[SkuState, int]] = {}
    for entry in ledger.entries:
        before.setdefault(id(entry.sku), (entry.sku, entry.quantity_after_milli - entry.delta_milli))
    crossed = set()
    gained: dict[int, int] = defaultdict(int)
    for sku, was in before.values():
        now, item = sku.quantity_milli, ledger.items[sku.item_id]
        gained[item.id] += now - was
        is_watched = sku.expiry_date is not None or item.default_storage_type in COLD
        if (was < 0) != (now < 0) or (is_watched and (was > 0) != (now > 0)):
            crossed.add(item.id)
    for item_id, gain in gained.items():
        minimum = ledger.items[item_id].min_quantity_milli
        if minimum is not None:
            skus = ledger.skus(item_id)
            total = sum(sku.quantity_milli for sku in skus)
            # Items counted in several units are always evaluated: their main unit may have changed.
            if (total <= minimum) != (total - gain <= minimum) or len({sku.unit for sku in skus}) > 1:
                crossed.add(item_id)
    return crossed


async def _read_ledger(
    tx: Connection,
    operations: list[Operation],
    found: dict[int, ResolvedReferences],
    moment: datetime,
    memory: StockMemory,
) -> Ledger:
    ids = {one.item_id for one in found.values() if one.item_id is not None}
    undone = {row.item_id for one in found.values() for row in one.undone}
    ids.update(undone)
    ids.update(operation.into for operation in operations if operation.into is not None)
    if not ids:
        return Ledger([], [], moment)
    items = await _lock_items(tx, ids, memory)
    if undone:
        await _read_unit_changes(tx, found)
    merged = {item.id: item.merged_into_id for item in items if item.merged_into_id is not None}
    merged_stock: list[MergedStock] = []
    if merged:
        # An id or an old label's code of a merged item means the merge target. Locking out of order may deadlock with
        # another batch that does the same; the database aborts one of the two, and it is retried.
        for one in found.values():
            one.item_id = merged.get(one.item_id or 0, one.item_id)
        if behind := undone & merged.keys():
            # While an item is locked, no merge of it into another one is made or undone.
            wanted = {"ids": sorted(behind)}
            merged_stock = await tx.all("list_merged_stock", MergedStock, **wanted)
        targets = {*merged.values(), *(each.into_id for each in merged_stock)}
        items += await _lock_items(tx, targets - ids, memory)
    skus = await _read_skus(tx, items, memory)
    await _read_packs(tx, operations, items, skus)
    return Ledger(items, skus, moment, merged_stock)


async def _read_unit_changes(tx: Connection, found: dict[int, ResolvedReferences]) -> None:
    """Reads again which events to undo are in an earlier unit: it may have changed before their items were locked."""
    rows = [row for one in found.values() for row in one.undone]
    ids = {row.id for row in rows}
    current: list[LedgerRow] = await tx.all("find_events_to_undo", LedgerRow, ids=ids, batch_ids=[])
    changed = {row.id for row in current if row.is_unit_changed}
    for row in rows:
        row.is_unit_changed = row.id in changed


async def _read_packs(
    tx: Connection, operations: list[Operation], items: list[StockItem], skus: list[SkuState]
) -> None:
    """Reads the pack size of items that are counted in packs and in pieces; a batch without packs needs no query."""
    named = {sku.unit for sku in skus} | {each.unit for each in operations if each.unit is not None}
    if len(named) < 2 or not any(map(is_pack, named)):
        return
    wanted = {"ids": [item.id for item in items]}
    packs: dict[int, list[int]] = defaultdict(list)
    for item_id, pack_milli in await tx.rows("list_packs", **wanted):
        packs[item_id].append(pack_milli)
    counted: dict[int, set[bool]] = defaultdict(set)
    for sku in skus:
        counted[sku.item_id].add(is_pack(sku.unit))
    requested = {is_pack(each.unit) for each in operations if each.unit is not None}
    for item in items:
        if len(counted[item.id] | requested) > 1:
            item.pack_milli = pack_size(packs[item.id])


async def _read_persons(tx: Connection, operations: list[Operation], ledger: Ledger) -> set[int]:
    """The persons who have some of the items, if an operation may concern them without naming its location."""
    if not ledger.items or not any(_is_anywhere(operation) for operation in operations):
        return set()
    return {row[0] for row in await tx.rows("list_persons_with", ids=set(ledger.items))}


def _is_anywhere(operation: Operation) -> bool:
    if operation.kind is None or operation.kind == "undo":
        return False
    return operation.location is None and operation.sku_id is None


async def _lock_items(tx: Connection, ids: set[int], memory: StockMemory) -> list[StockItem]:
    items = [memory.items[id] for id in ids if id in memory.items]
    if missing := sorted(id for id in ids if id not in memory.items):
        items += [StockItem(*row) for row in await tx.rows("lock_items", ids=missing)]
    return items


async def _read_skus(tx: Connection, items: list[StockItem], memory: StockMemory) -> list[SkuState]:
    skus = [sku for item in items if item.id in memory.skus for sku in memory.skus[item.id]]
    if missing := [item.id for item in items if item.id not in memory.skus]:
        skus += await tx.all("list_skus_of_items", SkuState, ids=missing)
    return skus


async def _read_event_ids(
    tx: Connection, operations: list[Operation]
) -> tuple[dict[str, RecordedEvent], dict[str, StoredRejection]]:
    ids = [operation.event_id for operation in operations if operation.event_id is not None]
    if not ids:
        return {}, {}
    wanted = {"event_ids": ids}
    rejected: list[StoredRejection] = await tx.all("find_refusals", StoredRejection, **wanted)
    fingerprints = await tx.rows("find_event_ids", **wanted)
    recorded = {}
    if fingerprints:
        events: list[StockEvent] = await tx.all(
            "list_transfers_by_id", StockEvent, ids=[row[0] for row in fingerprints]
        )
        rows: dict[int, list[StockEvent]] = defaultdict(list)
        for event in events:
            rows[event.transfer_id or event.id].append(event)
        recorded = {row[1]: RecordedEvent(row[2], rows[row[0]]) for row in fingerprints}
    return recorded, {row.event_id: row for row in rejected}


async def _read_items(
    tx: Connection, operations: list[Operation], found: dict[int, ResolvedReferences], ledger: Ledger, cache: ItemCache
) -> ItemCache:
    """The items that the outcomes include."""
    shown: dict[int, Item] = {}
    missing: list[int] = []
    for operation in operations:
        item_id = found[id(operation)].item_id
        if not operation.with_details or item_id is None or item_id not in ledger.items or item_id in shown:
            continue
        cached = cache.get(item_id)
        if cached is not None and cached.version == ledger.items[item_id].version:
            shown[item_id] = cached
        else:
            missing.append(item_id)
    if missing:
        items = await items_by_id(tx, missing)
        if len(cache) > ITEM_CACHE_SIZE:
            cache.clear()
        # A stub from this transaction may never be committed, and its id may then go to another item.
        stubs = {one.item_id for one in found.values() if one.is_stub}
        for item in items.values():
            shown[item.id] = item
            if item.id not in stubs:
                cache[item.id] = item
    return shown


async def _write(tx: Connection, batch: Batch) -> None:
    ledger, moment = batch.ledger, batch.moment
    for sku in ledger.created:
        sku.id = await _add_sku(tx, sku)
    created = {id(sku) for sku in ledger.created}
    changed = [sku for key, sku in ledger.changed.items() if key not in created]
    if changed:
        await tx.execute_many(
            "change_skus",
            [(sku.quantity_milli, sku.is_active, sku.version, moment, sku.id) for sku in changed],
        )
    if ledger.reactivated:
        await tx.execute("reactivate_items", ids=ledger.reactivated, updated_at=moment)
    if ledger.entries:
        ids = await tx.rows("reserve_event_ids", count=len(ledger.entries))
        for entry, row in zip(ledger.entries, ids, strict=True):
            entry.id = row[0]
        await tx.execute_many("add_events", [_row(entry, moment) for entry in ledger.entries])
        if paid := [entry for entry in ledger.entries if entry.price is not None]:
            await tx.execute_many("add_prices", [_price_row(entry, moment) for entry in paid])
        lent = await record_loans(tx, ledger)
        if crossed := items_with_changed_alerts(ledger) | ledger.reactivated | lent:
            await evaluate_alerts(tx, crossed)
    if batch.new_rejections:
        await tx.execute_many(
            "add_refusals",
            [
                (each.event_id, each.fingerprint, each.refusal, each.reason, moment)
                for each in sorted(batch.new_rejections, key=lambda each: each.event_id)
            ],
        )
    for outcome, sku in batch.opened:
        outcome.sku_id = sku.id
    for answer, sku in batch.without_id:
        answer.id = sku.id
    for outcome, entries in batch.booked:
        outcome.ledger_id = entries[0].id
        outcome.sku_id = entries[0].sku.id
        if entries[0].operation.with_details:
            outcome.events = [_event(entry, moment) for entry in entries]


async def _remove_unused_stubs(tx: Connection, postings: list[Posting], found: dict[int, ResolvedReferences]) -> None:
    """Removes stubs that only postings rejected as a whole would have used."""
    stubs: dict[bool, set[int]] = {True: set(), False: set()}
    for posting in postings:
        for operation in posting.operations:
            one = found[id(operation)]
            if one.is_stub and one.item_id is not None:
                stubs[posting.rejected_whole].add(one.item_id)
    for item_id in sorted(stubs[True] - stubs[False]):
        await remove_stub(tx, item_id)


async def _add_sku(tx: Connection, sku: SkuState) -> int:
    rows = await tx.rows(
        "add_sku",
        item_id=sku.item_id,
        location_id=sku.location_id,
        expiry_date=sku.expiry_date,
        lot=sku.lot,
        serial=sku.serial,
        opened_on=sku.opened_on,
        quantity_milli=sku.quantity_milli,
        unit=sku.unit,
        notes=sku.notes,
        is_active=sku.is_active,
        version=sku.version,
        created_at=sku.created_at,
    )
    id: int = rows[0][0]
    return id


def _row(entry: Entry, moment: datetime) -> tuple[Any, ...]:
    """The parameters of add_events, in its order."""
    operation, sku = entry.operation, entry.sku
    # All rows of a transfer belong to one operation; only the first has its event_id.
    is_first = entry.first is None or entry.first is entry
    return (
        entry.id,
        operation.event_id if is_first else None,
        operation.fingerprint if is_first else None,
        entry.batch_id,
        None if entry.first is None else entry.first.id,
        entry.kind,
        sku.item_id,
        sku.location_id,
        sku.id,
        entry.delta_milli,
        entry.quantity_after_milli,
        operation.occurred_at or moment,
        moment,
        operation.user_id,
        operation.scanner_id,
        entry.reverses_id,
        operation.note,
        entry.unit_scale,
    )


def _price_row(entry: Entry, moment: datetime) -> tuple[Any, ...]:
    """The parameters of add_prices, in its order."""
    assert entry.price is not None
    return (
        entry.sku.item_id,
        entry.sku.id,
        entry.id,
        entry.price.paid.micro,
        entry.price.per_milli,
        entry.price.unit,
        entry.price.paid.seller,
        entry.operation.occurred_at or moment,
        entry.operation.user_id,
        moment,
    )


def _event(entry: Entry, moment: datetime) -> StockEvent:
    operation, sku = entry.operation, entry.sku
    is_first = entry.first is None or entry.first is entry
    return StockEvent(
        id=entry.id,
        event_id=operation.event_id if is_first else None,
        type=entry.kind,
        item_id=sku.item_id,
        location_id=sku.location_id,
        sku_id=sku.id,
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
        expiry_date=sku.expiry_date,
        lot=sku.lot,
        serial=sku.serial,
        opened_on=sku.opened_on,
    )
