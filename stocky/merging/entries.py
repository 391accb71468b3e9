"""What shopping lists and projects say of an item, when it is merged: no list ever names one item twice.

Both do the same in tables of their own, which no parameter of a query can name; lists also keep a log of it.
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
from stocky.shopping import change_log
from stocky.shopping.schemas import ActionType
from stocky.stock.units import ratio

# What the log tells of one item on a list.
_Told = tuple[ActionType, dict[str, Any]]


async def lock_lists(tx: Connection, item_id: int) -> None:
    """Nobody else changes the lists an item stands on. Before any item is locked, as all do who change lists."""
    await tx.all("lock_lists_of_item", dict[str, int], item_id=item_id)


async def move_list_entries(
    tx: Connection, source: Item, target: Item, by: Principal, moment: datetime
) -> list[MovedEntry]:
    """On every shopping list the target stands for both; what moved."""
    # The item may have come to stand on one more while it was waited for.
    await lock_lists(tx, source.id)
    moved = await tx.all("list_list_entries_of_item", MovedEntry, source_id=source.id, target_id=target.id)
    if moved:
        _check_units(source, target, "shopping lists")
        await tx.execute("fold_list_entries", source_id=source.id, target_id=target.id, moment=moment)
        await tx.execute("remove_folded_list_entries", source_id=source.id, target_id=target.id)
        await tx.execute("move_list_entries", source_id=source.id, target_id=target.id, moment=moment)
    for each in moved:
        there = each.into_milli or 0
        gone = _changed(source, each.quantity_milli, 0, {"merged_into": _named(target)})
        come = _changed(target, there, there + each.quantity_milli, {"merged": _named(source)})
        await _tell(tx, each.parent_id, by, [gone, come], moment)
    return moved


async def move_project_entries(tx: Connection, source: Item, target: Item, moment: datetime) -> list[MovedEntry]:
    """In every project the target stands for both; what moved."""
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
    """What moved goes back, as far as it was not bought or taken off since; what others brought stays."""
    for each in moved:
        # What was put there since is not what moved.
        standing = {"parent_id": each.parent_id, "target_id": target.id, "merged_at": merged_at, "moment": moment}
        given = each.quantity_milli
        left = await tx.value("unfold_list_entry", milli=given, **standing)
        if left is not None:
            await tx.execute("put_back_list_entry", **_own(each, source, moment))
        else:
            left = 0
            given = await tx.value("return_list_entry", source_id=source.id, created_at=each.created_at, **standing)
            if given is None:
                continue
        gone = _changed(target, left + given, left, {"unmerged": _named(source)})
        come = _changed(source, 0, given, {"unmerged_from": _named(target)})
        await _tell(tx, each.parent_id, by, [gone, come], moment)


async def return_project_entries(
    tx: Connection, moved: list[MovedEntry], source: Item, target: Item, *, merged_at: datetime, moment: datetime
) -> None:
    """What moved goes back, as far as it was not taken out since; what others brought stays."""
    for each in moved:
        # What was put there since is not what moved.
        standing = {"parent_id": each.parent_id, "target_id": target.id, "merged_at": merged_at, "moment": moment}
        if await tx.execute("unfold_project_entry", milli=each.quantity_milli, **standing):
            await tx.execute("put_back_project_entry", **_own(each, source, moment))
        else:
            await tx.execute("return_project_entry", source_id=source.id, created_at=each.created_at, **standing)


def _check_units(source: Item, target: Item, where: str) -> None:
    """Raises Conflict where a quantity of the one item would be read as one of the other in another unit."""
    units = (source.unit, target.unit)
    if None not in units and ratio(source.unit or "", target.unit or "") != 1:
        raise Conflict(
            f"{source.name} stands on {where} in {source.unit}, and {target.name} is counted in {target.unit}; take"
            f" {source.name} off them first, and put {target.name} there in its own unit"
        )


def _own(moved: MovedEntry, source: Item, moment: datetime) -> dict[str, Any]:
    """The entry that the source has again."""
    return {
        "parent_id": moved.parent_id,
        "source_id": source.id,
        "quantity_milli": moved.quantity_milli,
        "created_at": moved.created_at or moment,
        "moment": moment,
    }


async def _tell(tx: Connection, list_id: int, by: Principal, told: list[_Told], moment: datetime) -> None:
    for action, details in told:
        await change_log.write(tx, list_id, action, by, [details], moment)
    await tx.execute("touch_shopping_list", id=list_id, updated_at=moment)


def _changed(item: Item, before_milli: int, after_milli: int, because: dict[str, Any]) -> _Told:
    """How an item came to a list, left it, or stands there with another quantity."""
    before, after = from_milli(before_milli), from_milli(after_milli)
    if not before_milli:
        return ActionType.ITEM_ADDED, _named(item) | {"quantity": after} | because
    if not after_milli:
        return ActionType.ITEM_REMOVED, _named(item) | {"quantity": before} | because
    return ActionType.ITEM_UPDATED, _named(item) | {"quantity": {"from": before, "to": after}} | because


def _named(item: Item) -> dict[str, Any]:
    return {"item_id": item.id, "name": item.name}
