"""The entries of shopping lists; callers lock the list while they change it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.catalogue.repository import get_items, get_usable_item
from stocky.db import Connection
from stocky.errors import Conflict, NotFound
from stocky.quantity import from_milli, to_milli
from stocky.shopping import change_log
from stocky.shopping.schemas import ActionType, Entry, NewEntry

MAX_ENTRIES = 1000


class EntryRow(msgspec.Struct):
    """A stored entry: of an item, or with a text."""

    id: int
    list_id: int
    item_id: int | None
    text: str | None
    quantity_milli: int
    created_at: datetime
    updated_at: datetime


class Addition(msgspec.Struct):
    """An entry to add; `what` is its name in the log."""

    item_id: int | None
    text: str | None
    quantity_milli: int
    what: str


async def list_entries(read: Connection, list_id: int) -> list[Entry]:
    """The entries of a list, in the order they were added."""
    return await _to_entries(read, await read.all("list_shopping_list_entries", EntryRow, list_id=list_id))


async def find_entry(
    read: Connection, list_id: int, *, item_id: int | None = None, entry_id: int | None = None
) -> EntryRow | None:
    """The entry of an item, or the placeholder with the id `entry_id`; None when there is none."""
    return await read.one("find_shopping_list_entry", EntryRow, list_id=list_id, item_id=item_id, entry_id=entry_id)


async def get_entry(
    read: Connection, list_id: int, *, item_id: int | None = None, entry_id: int | None = None
) -> EntryRow:
    """The entry of an item, or the placeholder with the id `entry_id`. Raises NotFound."""
    row = await find_entry(read, list_id, item_id=item_id, entry_id=entry_id)
    if row is None:
        raise not_listed(list_id, item_id, entry_id)
    return row


def not_listed(list_id: int, item_id: int | None, entry_id: int | None = None) -> NotFound:
    """The error for a missing entry, which may have been bought."""
    what = f"placeholder {entry_id}" if item_id is None else f"item with id {item_id}"
    return NotFound(f"There is no {what} on the shopping list {list_id}; its log shows if it was bought or removed")


async def to_entry(read: Connection, row: EntryRow) -> Entry:
    """The entry as an API response."""
    return (await _to_entries(read, [row]))[0]


async def add_entry(tx: Connection, list_id: int, item_count: int, new: NewEntry, by: Principal) -> Entry:
    """Adds an entry. Raises NotFound for an unknown item, Conflict for a duplicate or a full list."""
    if item_count >= MAX_ENTRIES:
        raise Conflict(f"The list is full: it has {MAX_ENTRIES} entries. Start another list")
    what = new.text or ""
    if new.item_id is not None:
        what = (await get_usable_item(tx, new.item_id)).name
    addition = Addition(new.item_id, new.text, to_milli(new.quantity), what)
    (entry_id,) = await add_entries(tx, list_id, [addition], by, {})
    return next(entry for entry in await list_entries(tx, list_id) if entry.id == entry_id)


async def add_entries(
    tx: Connection, list_id: int, additions: list[Addition], by: Principal, because: dict[str, Any]
) -> list[int]:
    """Adds entries and returns their ids. `because` is logged with each of them."""
    moment = clock.now()
    ids = []
    for each in additions:
        rows = await tx.rows(
            "add_shopping_list_entry",
            list_id=list_id,
            item_id=each.item_id,
            text=each.text,
            quantity_milli=each.quantity_milli,
            created_at=moment,
        )
        ids.append(rows[0][0])
    if additions:
        details = [
            _named(each.item_id, each.what) | {"quantity": from_milli(each.quantity_milli)} | because
            for each in additions
        ]
        await change_log.write(tx, list_id, ActionType.ITEM_ADDED, by, details, moment)
        await tx.execute("touch_shopping_list", id=list_id, updated_at=moment)
    return ids


async def raise_entries(
    tx: Connection, list_id: int, wanted: list[Addition], by: Principal, because: dict[str, Any]
) -> tuple[set[int], set[int]]:
    """Adds missing entries and raises those with a lower quantity; returns the ids of both.

    Raises Conflict when the list would be too full.
    """
    rows = await tx.all("list_shopping_list_entries", EntryRow, list_id=list_id)
    existing = {(row.item_id, row.text): row for row in rows}
    new = [each for each in wanted if (each.item_id, each.text) not in existing]
    if len(rows) + len(new) > MAX_ENTRIES:
        raise Conflict(
            f"The list has no room for {len(new)} more entries; its limit is {MAX_ENTRIES}. Start another list"
        )
    added = set(await add_entries(tx, list_id, new, by, because))
    raised = set()
    for each in wanted:
        row = existing.get((each.item_id, each.text))
        if row is not None and row.quantity_milli < each.quantity_milli:
            await change_entry(tx, row, by, quantity_milli=each.quantity_milli, because=because)
            raised.add(row.id)
    return added, raised


async def change_entry(
    tx: Connection,
    row: EntryRow,
    by: Principal,
    *,
    quantity_milli: int | None = None,
    text: str | None = None,
    because: dict[str, Any] | None = None,
) -> EntryRow:
    """Changes quantity or text. Raises Conflict for a text that is on the list already."""
    moment = clock.now()
    changed = msgspec.structs.replace(
        row,
        quantity_milli=quantity_milli or row.quantity_milli,
        text=text or row.text,
        updated_at=moment,
    )
    details = await _describe(tx, row)
    if changed.quantity_milli != row.quantity_milli:
        details["quantity"] = {"from": from_milli(row.quantity_milli), "to": from_milli(changed.quantity_milli)}
    if changed.text != row.text:
        details["text"] = {"from": row.text, "to": changed.text}
    await tx.execute(
        "change_shopping_list_entry",
        id=row.id,
        text=changed.text,
        quantity_milli=changed.quantity_milli,
        updated_at=moment,
    )
    await _log(tx, row.list_id, ActionType.ITEM_UPDATED, by, details | (because or {}), moment)
    return changed


async def remove_entry(tx: Connection, row: EntryRow, by: Principal, because: dict[str, Any] | None = None) -> None:
    """Removes an entry from its list."""
    details = await _describe(tx, row) | {"quantity": from_milli(row.quantity_milli)} | (because or {})
    await tx.execute("remove_shopping_list_entry", id=row.id)
    await _log(tx, row.list_id, ActionType.ITEM_REMOVED, by, details, clock.now())


async def _log(
    tx: Connection, list_id: int, action: ActionType, by: Principal, details: dict[str, Any], moment: datetime
) -> None:
    await change_log.write(tx, list_id, action, by, [details], moment)
    await tx.execute("touch_shopping_list", id=list_id, updated_at=moment)


async def _describe(read: Connection, row: EntryRow) -> dict[str, Any]:
    """The item or text of an entry for the log."""
    if row.item_id is None:
        return _named(None, row.text or "")
    return _named(row.item_id, (await get_items(read, {row.item_id}))[row.item_id].name)


def _named(item_id: int | None, what: str) -> dict[str, Any]:
    return {"text": what} if item_id is None else {"item_id": item_id, "name": what}


async def _to_entries(read: Connection, rows: list[EntryRow]) -> list[Entry]:
    items = await get_items(read, {row.item_id for row in rows if row.item_id is not None})
    return [
        Entry(
            id=row.id,
            item=None if row.item_id is None else items[row.item_id],
            text=row.text,
            quantity=from_milli(row.quantity_milli),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in rows
    ]
