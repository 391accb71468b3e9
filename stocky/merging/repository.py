"""Merges in the database: one transaction moves everything, and a journal of the moves allows the undo.

Stock moves by events, so that the ledger totals do not change and the history of each item stays correct.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from stocky import clock
from stocky.alerts.evaluate import evaluate_alerts
from stocky.auth.schemas import Principal
from stocky.barcodes.codes import describe_misread, read_plain
from stocky.catalogue import repository as catalogue
from stocky.catalogue.field_repository import return_values, take_values
from stocky.catalogue.schemas import Item
from stocky.db import Connection, Listing
from stocky.errors import Conflict, Invalid
from stocky.logs import audit
from stocky.merging.moves import (
    lock_lists,
    move_documents,
    move_list_entries,
    move_project_entries,
    return_documents,
    return_list_entries,
    return_project_entries,
)
from stocky.merging.schemas import Merge, Moved, MovedBarcode, OpenMerge, SameBarcode, Stub
from stocky.stock.batch_writer import new_batch_id
from stocky.stock.operations import ItemKey, Operation
from stocky.stock.recorder import Recorder
from stocky.stock.references import LedgerRow
from stocky.stock.service import raise_if_rejected

UNDOABLE_FOR = timedelta(days=1)


class _StubRow(msgspec.Struct):
    item_id: int
    event_count: int
    scan_count: int
    last_event_id: int | None
    last_seen: datetime | None


async def merge_items(tx: Connection, recorder: Recorder, source_id: int, target_id: int, by: Principal) -> Item:
    """Moves everything of the source to the target and returns the target. Repeating it changes nothing.

    The caller holds the merge lock. Raises NotFound, Invalid for an item and itself, Conflict when one is not in use.
    """
    if source_id == target_id:
        raise Invalid("An item cannot be merged into itself; choose another", field="into")
    await lock_lists(tx, source_id)
    source, target = await _locked(tx, source_id, target_id)
    if source.merged_into_id == target.id:
        return target
    for item in (source, target):
        if item.merged_into_id is not None:
            raise Conflict(f"{item.name} is already merged into item {item.merged_into_id}; use that one")
        if not item.is_active:
            raise Conflict(f"{item.name} is no longer in use; make it active again first")
    batch_id, moment = new_batch_id(), clock.now()
    operation = Operation(
        kind="move",
        item=ItemKey(id=source.id),
        into=target.id,
        note=f"{source.name} ({source.code}) merged into {target.name} ({target.code})"[:1000],
        user_id=by.id,
    )
    skus = [await _list_skus(tx, item.id) for item in (source, target)]
    raise_if_rejected(await recorder.record_within(tx, operation, batch_id=batch_id))
    before = await tx.all("list_items_merged_into", dict[str, int], target_id=source.id)
    moved = Moved(
        barcodes=[MovedBarcode(each.barcode, each.barcode == source.upc) for each in source.barcodes],
        source_skus=skus[0],
        target_skus=skus[1],
        merged_before=[row["id"] for row in before],
        list_entries=await move_list_entries(tx, source, target, by, moment),
        project_entries=await move_project_entries(tx, source, target, moment),
        documents=await move_documents(tx, source, target, moment),
        image_document_id=source.image_document_id,
        fields=await take_values(tx, source, target),
    )
    await tx.execute("move_barcodes", source_id=source.id, target_id=target.id)
    await tx.execute("mark_merged", source_id=source.id, target_id=target.id, moment=moment)
    await _touch(tx, target.id)
    await evaluate_alerts(tx, [source_id, target.id])
    await tx.value(
        "add_merge",
        source_id=source.id,
        target_id=target.id,
        batch_id=batch_id,
        moved=msgspec.json.encode(moved).decode(),
        user_id=by.id,
        merged_at=moment,
    )
    await audit.record(tx, by, "merged", "item", source.id, {"into": target.id, "name": source.name})
    return await catalogue.get_item(tx, target.id)


async def undo_merge(tx: Connection, recorder: Recorder, source_id: int, by: Principal) -> Item:
    """Separates the source again and moves back what it had. A merge that exists only in the journal just ends.

    The caller holds the merge lock. Raises NotFound, Conflict when the source is not merged, a day has passed, or what
    moved is no longer in stock.
    """
    source = await catalogue.get_item(tx, source_id)
    merge = await tx.one("find_open_merge", OpenMerge, source_id=source_id)
    if merge is None:
        raise Conflict(f"{source.name} is not merged into another item")
    await lock_lists(tx, merge.target_id)
    source, target = await _locked(tx, source_id, merge.target_id)
    moment = clock.now()
    if source.merged_into_id != (target.merged_into_id or target.id):
        await tx.execute("end_merge", id=merge.id, undone_at=moment)
        return source
    if moment > merge.merged_at + UNDOABLE_FOR:
        raise Conflict(f"{source.name} was merged more than a day ago; move stock that is not {target.name} manually")
    if target.merged_into_id is not None:
        raise Conflict(
            f"{target.name} was itself merged into item {target.merged_into_id} later; undo that merge first"
        )
    await tx.execute("mark_unmerged", source_id=source_id, moment=moment)
    await tx.execute("return_merged", source_id=source_id, ids=merge.moved.merged_before, moment=moment)
    operation = Operation(
        kind="undo", undo_batch=merge.batch_id, note=f"Merge of {source.name} undone"[:1000], user_id=by.id
    )
    batch_ids = [merge.batch_id]
    if rows := await tx.all("find_events_to_undo", LedgerRow, ids="[]", batch_ids=batch_ids):
        changed = next((row for row in rows if row.is_unit_changed and row.delta_milli), None)
        if changed is not None:
            raise Conflict(
                f"The unit of SKU {changed.sku_id} was changed after {source.name} was merged; move stock that is not"
                f" {target.name} manually"
            )
        raise_if_rejected(await recorder.record_within(tx, operation))
    await tx.execute("show_skus", item_id=source_id, ids=merge.moved.source_skus, moment=moment)
    await tx.execute(
        "hide_unused_skus",
        item_id=target.id,
        batch_id=merge.batch_id,
        ids=merge.moved.target_skus,
        since=merge.merged_at,
        moment=moment,
    )
    for barcode in merge.moved.barcodes:
        await tx.execute(
            "return_barcode",
            source_id=source_id,
            target_id=target.id,
            code=barcode.code,
            is_primary=barcode.is_primary,
        )
    when = {"merged_at": merge.merged_at, "moment": moment}
    await return_list_entries(tx, merge.moved.list_entries, source, target, by, **when)
    await return_project_entries(tx, merge.moved.project_entries, source, target, **when)
    await return_values(tx, target, merge.moved.fields)
    await return_documents(tx, merge.moved.documents, merge.moved.image_document_id, source_id, target.id, moment)
    await _touch(tx, target.id)
    await evaluate_alerts(tx, [source_id, target.id])
    await tx.execute("end_merge", id=merge.id, undone_at=moment)
    await audit.record(tx, by, "unmerged", "item", source_id, {"from": target.id, "name": source.name})
    return await catalogue.get_item(tx, source_id)


async def lock_merges(tx: Connection) -> None:
    """Blocks other merges. Taken before all other locks, since partial imports lock whole tables."""
    await tx.execute("lock_merges")


async def try_to_lock_merges(tx: Connection) -> bool:
    """Takes the merge lock without waiting; False when another transaction holds it."""
    return bool(await tx.value("try_to_lock_merges"))


async def list_merges(
    read: Connection, item_id: int, *, skip: int, limit: int, listing: Listing | None = None
) -> list[Merge]:
    """The merges of an item, into another and of others into it, newest first. Raises NotFound."""
    await catalogue.get_item(read, item_id)
    merges = await read.page("list_merges", Merge, listing, item_id=item_id, skip=skip, limit=limit)
    for merge in merges:
        until = merge.merged_at + UNDOABLE_FOR
        if merge.undone_at is None and until > clock.now():
            merge.undoable_until = until
    return merges


async def list_stubs(read: Connection, *, skip: int, limit: int, listing: Listing | None = None) -> list[Stub]:
    """Scanned items that are not named yet, the last scanned first."""
    rows = await read.page("list_stubs", _StubRow, listing, skip=skip, limit=limit)
    items = await catalogue.get_items(read, {row.item_id for row in rows})
    return [_stub(row, items[row.item_id]) for row in rows]


async def find_stub(read: Connection, item_id: int) -> Stub | None:
    """One of them; None for an item that is named, merged or hidden."""
    row = await read.one("find_stub", _StubRow, item_id=item_id)
    return None if row is None else _stub(row, await catalogue.get_item(read, item_id))


def _stub(row: _StubRow, item: Item) -> Stub:
    return Stub(
        item=item,
        event_count=row.event_count,
        scan_count=row.scan_count,
        last_event_id=row.last_event_id,
        last_seen=row.last_seen,
        misread=_misread(item),
    )


def _misread(item: Item) -> list[str]:
    """The barcodes with a wrong check digit; the maker's part number of a bag may look like one."""
    codes = [each.barcode for each in item.barcodes if each.barcode != item.manufacturer_code]
    return [code for code in codes if describe_misread(read_plain(code)) is not None]


async def list_same_barcodes(
    read: Connection, *, skip: int, limit: int, listing: Listing | None = None
) -> list[SameBarcode]:
    """Barcodes that turned out to be the same as another one, which a person has to resolve."""
    return await read.page("list_same_barcodes", SameBarcode, listing, skip=skip, limit=limit)


async def _locked(tx: Connection, source_id: int, target_id: int) -> tuple[Item, Item]:
    """Both items, locked until the transaction ends. Raises NotFound."""
    await tx.all("lock_items", dict[str, Any], ids=sorted([source_id, target_id]))
    return await catalogue.get_item(tx, source_id), await catalogue.get_item(tx, target_id)


async def _list_skus(tx: Connection, item_id: int) -> list[int]:
    return [row["id"] for row in await tx.all("list_active_sku_ids", dict[str, int], item_id=item_id)]


async def _touch(tx: Connection, item_id: int) -> None:
    await tx.execute("bump_item_versions", ids=[item_id], updated_at=clock.now())
