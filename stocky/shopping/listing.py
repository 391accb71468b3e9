"""Puts things on shopping lists, changes and takes them off again; each in the log under whoever did it."""

from __future__ import annotations

from msgspec import UnsetType

from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.quantity import to_milli
from stocky.shopping.entries import add_entry, answer_entry, change_entry, get_entry, remove_entry
from stocky.shopping.repository import open_list
from stocky.shopping.schemas import Entry, ItemEntryChange, NewEntry, PlaceholderChange


async def put_on_list(tx: Connection, list_id: int, new: NewEntry, by: Principal) -> Entry:
    """Raises NotFound for an unknown list or item, Conflict for what is on the list already or a list that is full."""
    opened = await open_list(tx, list_id, by)
    return await add_entry(tx, list_id, opened.item_count, new, by)


async def change_item(tx: Connection, list_id: int, item_id: int, change: ItemEntryChange, by: Principal) -> Entry:
    """Raises NotFound."""
    await open_list(tx, list_id, by)
    entry = await get_entry(tx, list_id, item_id=item_id)
    if not isinstance(change.quantity, UnsetType):
        entry = await change_entry(tx, entry, by, quantity_milli=to_milli(change.quantity))
    return await answer_entry(tx, entry)


async def change_placeholder(
    tx: Connection, list_id: int, entry_id: int, change: PlaceholderChange, by: Principal
) -> Entry:
    """Raises NotFound, Conflict for a text that is on the list already."""
    await open_list(tx, list_id, by)
    entry = await get_entry(tx, list_id, entry_id=entry_id)
    quantity = None if isinstance(change.quantity, UnsetType) else to_milli(change.quantity)
    text = None if isinstance(change.text, UnsetType) else change.text
    if quantity is not None or text is not None:
        entry = await change_entry(tx, entry, by, quantity_milli=quantity, text=text)
    return await answer_entry(tx, entry)


async def take_from_list(
    tx: Connection, list_id: int, by: Principal, *, item_id: int | None = None, entry_id: int | None = None
) -> None:
    """Raises NotFound."""
    await open_list(tx, list_id, by)
    await remove_entry(tx, await get_entry(tx, list_id, item_id=item_id, entry_id=entry_id), by)
