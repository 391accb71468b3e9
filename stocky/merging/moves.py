"""Moves what refers to a merged item: list entries, project entries and documents; no list ever has an item twice.

Lists and projects are in separate tables, which a query parameter cannot name; a list also logs what moved. The picture
of an item is always one of its own documents.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from stocky.auth.schemas import Principal
from stocky.catalogue.schemas import Item
from stocky.db import Connection
from stocky.errors import Conflict
from stocky.merging.schemas import MovedEntry
from stocky.quantity import from_milli
from stocky.shopping import repository
from stocky.shopping.schemas import ActionType
from stocky.stock.units import ratio

# One entry of a list's log.
_LogEntry = tuple[ActionType, dict[str, Any]]


async def lock_lists(tx: Connection, item_id: int) -> None:
    """Locks the lists of an item. Every change of lists locks them before it locks items."""
    await tx.all("lock_lists_of_item", dict[str, int], item_id=item_id)


async def move_list_entries(
    tx: Connection, source: Item, target: Item, by: Principal, moment: datetime
) -> list[MovedEntry]:
    """Moves the source's entries to the target on every shopping list. Returns them."""
    # The item may have been added to another list during the wait for the lock.
    await lock_lists(tx, source.id)
    moved = await tx.all("list_list_entries_of_item", MovedEntry, source_id=source.id, target_id=target.id)
    if moved:
        _check_units(source, target, "shopping lists")
        await tx.execute("fold_list_entries", source_id=source.id, target_id=target.id, moment=moment)
        await tx.execute("remove_folded_list_entries", source_id=source.id, target_id=target.id)
        await tx.execute("move_list_entries", source_id=source.id, target_id=target.id, moment=moment)
    for each in moved:
        before = each.into_milli or 0
        removed = _changed(source, each.quantity_milli, 0, {"merged_into": _named(target)})
        added = _changed(target, before, before + each.quantity_milli, {"merged": _named(source)})
        await _log(tx, each.parent_id, by, [removed, added], moment)
    return moved


async def move_project_entries(tx: Connection, source: Item, target: Item, moment: datetime) -> list[MovedEntry]:
    """Moves the source's entries to the target in every project. Returns them."""
    moved = await tx.all("list_project_entries_of_item", MovedEntry, source_id=source.id, target_id=target.id)
    if moved:
        _check_units(source, target, "projects")
        await tx.execute("fold_project_entries", source_id=source.id, target_id=target.id, moment=moment)
        await tx.execute("remove_folded_project_entries", source_id=source.id, target_id=target.id)
        await tx.execute("move_project_entries", source_id=source.id, target_id=target.id, moment=moment)
    return moved


async def return_list_entries(
    tx: Connection,
    moved: list[MovedEntry],
    source: Item,
    target: Item,
    by: Principal,
    *,
    merged_at: datetime,
    moment: datetime,
) -> None:
    """Moves entries back, unless they were bought or removed since; quantities added by others stay."""
    for each in moved:
        # An entry added after the merge is not one that moved.
        merged_entry = {"parent_id": each.parent_id, "target_id": target.id, "merged_at": merged_at, "moment": moment}
        given = each.quantity_milli
        left = await tx.value("unfold_list_entry", milli=given, **merged_entry)
        if left is not None:
            await tx.execute("put_back_list_entry", **_restored(each, source, moment))
        else:
            left = 0
            given = await tx.value("return_list_entry", source_id=source.id, created_at=each.created_at, **merged_entry)
            if given is None:
                continue
        removed = _changed(target, left + given, left, {"unmerged": _named(source)})
        added = _changed(source, 0, given, {"unmerged_from": _named(target)})
        await _log(tx, each.parent_id, by, [removed, added], moment)


async def return_project_entries(
    tx: Connection, moved: list[MovedEntry], source: Item, target: Item, *, merged_at: datetime, moment: datetime
) -> None:
    """Moves entries back, unless they were removed since; quantities added by others stay."""
    for each in moved:
        # An entry added after the merge is not one that moved.
        merged_entry = {"parent_id": each.parent_id, "target_id": target.id, "merged_at": merged_at, "moment": moment}
        if await tx.execute("unfold_project_entry", milli=each.quantity_milli, **merged_entry):
            await tx.execute("put_back_project_entry", **_restored(each, source, moment))
        else:
            await tx.execute("return_project_entry", source_id=source.id, created_at=each.created_at, **merged_entry)


async def move_documents(tx: Connection, source: Item, target: Item, moment: datetime) -> list[int]:
    """Moves all documents to the target, and the picture if it has none. Returns the ids of the documents."""
    rows = await tx.all("move_documents", dict[str, Any], source_id=source.id, target_id=target.id, moment=moment)
    ids = sorted(row["id"] for row in rows)
    if source.image_document_id is not None:
        await tx.execute("drop_image", item_id=source.id, ids=[source.image_document_id])
        await tx.execute("move_image", target_id=target.id, document_id=source.image_document_id)
    return ids


async def return_documents(
    tx: Connection, ids: list[int], image_id: int | None, source_id: int, target_id: int, moment: datetime
) -> None:
    """Moves documents that still exist back to the source."""
    if not ids:
        return
    await tx.execute("drop_image", item_id=target_id, ids=ids)
    await tx.execute("return_documents", source_id=source_id, target_id=target_id, ids=ids, moment=moment)
    if image_id is not None:
        await tx.execute("return_image", source_id=source_id, document_id=image_id)


def _check_units(source: Item, target: Item, where: str) -> None:
    """Raises Conflict when a quantity of one item would be read in the unit of the other."""
    units = (source.unit, target.unit)
    if None not in units and ratio(source.unit or "", target.unit or "") != 1:
        raise Conflict(
            f"{source.name} is on {where} in {source.unit}, but {target.name} is counted in {target.unit}; remove"
            f" {source.name} from them first, and add {target.name} in its own unit"
        )


def _restored(moved: MovedEntry, source: Item, moment: datetime) -> dict[str, Any]:
    """The parameters of the restored entry of the source."""
    return {
        "parent_id": moved.parent_id,
        "source_id": source.id,
        "quantity_milli": moved.quantity_milli,
        "created_at": moved.created_at or moment,
        "moment": moment,
    }


async def _log(tx: Connection, list_id: int, by: Principal, entries: list[_LogEntry], moment: datetime) -> None:
    for action, details in entries:
        await repository.write_log(tx, list_id, action, by, [details], moment)
    await tx.execute("touch_shopping_list", id=list_id, updated_at=moment)


def _changed(item: Item, before_milli: int, after_milli: int, because: dict[str, Any]) -> _LogEntry:
    """The log entry for an item that was added, removed or changed in quantity."""
    before, after = from_milli(before_milli), from_milli(after_milli)
    if not before_milli:
        return ActionType.ITEM_ADDED, _named(item) | {"quantity": after} | because
    if not after_milli:
        return ActionType.ITEM_REMOVED, _named(item) | {"quantity": before} | because
    return ActionType.ITEM_UPDATED, _named(item) | {"quantity": {"from": before, "to": after}} | because


def _named(item: Item) -> dict[str, Any]:
    return {"item_id": item.id, "name": item.name}
