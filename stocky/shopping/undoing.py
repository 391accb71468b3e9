"""Undo of the changes that one request made to a shopping list, read from its log; never of entries changed since."""

from __future__ import annotations

from msgspec import Struct

from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.errors import Conflict, NotFound
from stocky.quantity import to_milli
from stocky.shopping.repository import (
    MAX_ENTRIES,
    EntryKey,
    EntryRow,
    add_entry,
    change_entry,
    find_entry_keys,
    list_log,
    open_list,
    remove_entries,
)
from stocky.shopping.schemas import ActionType, ListLogEntry, NewEntry

# The latest log entries, among which a request is found: one request changes each entry once.
LATEST = 2 * MAX_ENTRIES


class UndoneChanges(Struct):
    """The number of entries that are as before, and of those that were changed since and stay."""

    undone: int
    changed_since: int


async def undo_changes(tx: Connection, list_id: int, batch_id: str, by: Principal) -> UndoneChanges:
    """Undoes the changes that were logged with `batch_id`.

    Raises NotFound when they are not among the latest, Conflict when they are undone already or, for a removed entry,
    when its item cannot be on the list.
    """
    shopping_list = await open_list(tx, list_id, by)
    log = await list_log(tx, list_id, by, action_type=None, skip=0, limit=LATEST)
    if any(each.details.get("undoes") == batch_id for each in log):
        raise Conflict("This change of the list is undone already")
    changes = [each for each in log if each.details.get("batch_id") == batch_id]
    if not changes:
        raise NotFound("This change is not among the latest of the shopping list; change its entries by hand")
    because = {"undoes": batch_id}
    rows = await tx.all("list_shopping_list_entries", EntryRow, list_id=list_id)
    listed = {(row.item_id, row.text): row for row in rows}
    keys = await find_entry_keys(tx, changes)
    added: list[EntryRow] = []
    put_back: set[EntryKey] = set()
    undone = 0
    for change in changes:
        key = keys[change.id]
        row = listed.get(key)
        if change.action_type is ActionType.ITEM_REMOVED:
            if row is None and key not in put_back:
                new = NewEntry(item_id=key[0], text=key[1], quantity=change.details["quantity"])
                await add_entry(tx, list_id, shopping_list.item_count, new, by, because)
                put_back.add(key)
                undone += 1
        elif row is None or row.quantity_milli != _quantity_after(change):
            continue
        elif change.action_type is ActionType.ITEM_ADDED:
            added.append(row)
        else:
            before = to_milli(change.details["quantity"]["from"])
            await change_entry(tx, row, by, quantity_milli=before, because=because)
            undone += 1
    await remove_entries(tx, list_id, added, by, because)
    undone += len(added)
    return UndoneChanges(undone, len(changes) - undone)


def _quantity_after(change: ListLogEntry) -> int:
    quantity = change.details["quantity"]
    return to_milli(quantity["to"] if isinstance(quantity, dict) else quantity)
