"""Fills shopping lists and buys from them: a purchase books its stock event, entry and log in one transaction.

A rejected purchase is stored under its event_id, like any other rejected event.
"""

from __future__ import annotations

from msgspec import Struct, UnsetType

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.catalogue.repository import lock_items
from stocky.db import Connection, Database
from stocky.errors import NotFound
from stocky.quantity import MAX_QUANTITY, from_milli, to_milli
from stocky.shopping.repository import (
    MAX_ENTRIES,
    Addition,
    EntryRow,
    add_entry,
    change_entry,
    find_entry,
    get_entry,
    list_entries,
    list_purchases,
    not_listed,
    open_list,
    raise_entries,
    remove_entry,
    to_entry,
)
from stocky.shopping.schemas import (
    Bought,
    Entry,
    Filled,
    Filling,
    ItemEntryChange,
    NewEntry,
    PlaceholderChange,
    Purchase,
)
from stocky.stock.operations import ItemKey, Operation, Outcome
from stocky.stock.recorder import Recorder
from stocky.stock.schemas import named_lot
from stocky.stock.service import error_of, location_key, lot_fields, named, paid_price, raise_if_rejected

# An item exactly at its minimum lacks nothing, but is still low and should be bought.
MIN_PURCHASE_MILLI = 1000


async def buy_item(
    database: Database,
    recorder: Recorder,
    list_id: int,
    item_id: int,
    purchase: Purchase,
    by: Principal,
    *,
    until_now: bool = False,
) -> Bought:
    """Books a purchase, and reduces or removes its entry.

    The same event_id sent again returns the first event or rejection, and changes nothing. With `until_now`, a purchase
    that occurred in the future is booked as of now, not rejected. Raises NotFound for an item that is not (or no
    longer) on the list, Conflict, and Invalid when no location is given and the item is not at exactly one location.
    """
    async with database.transaction() as tx:
        bought = await _buy_item(tx, recorder, list_id, item_id, purchase, by, until_now=until_now)
    # After the commit, which stores the rejection.
    if isinstance(bought, Outcome):
        raise error_of(bought)
    return bought


async def buy_placeholder(tx: Connection, list_id: int, entry_id: int, by: Principal) -> None:
    """Removes a placeholder from the list as bought; it has no stock. Raises NotFound."""
    await open_list(tx, list_id, by)
    entry = await get_entry(tx, list_id, entry_id=entry_id)
    await remove_entry(tx, entry, by, {"bought": from_milli(entry.quantity_milli)})


class _LowItem(Struct):
    id: int
    name: str
    min_quantity_milli: int
    reorder_quantity_milli: int | None
    stock_milli: float
    is_listed: bool


async def fill_from_low_stock(
    tx: Connection, list_id: int, wanted: Filling, by: Principal, batch_id: str | None = None
) -> Filled:
    """Adds items at or below their minimum with the quantity to buy, and raises entries that have less.

    That is what is missing to the minimum or the target, at least 1, or as many times the item's reorder quantity as
    bring it above its minimum. By `batch_id`, `undo_changes` finds all of it. Raises NotFound.
    """
    shopping_list = await open_list(tx, list_id, by)
    free = MAX_ENTRIES - shopping_list.item_count
    found = [row[0] for row in await tx.rows("list_low_items", list_id=list_id, limit=free + 1)]
    listed = [row[0] for row in await tx.rows("list_listed_low_items", list_id=list_id)]
    # Locked so that none of them is merged before it is on the list.
    ids = {*found, *listed}
    await lock_items(tx, ids)
    low = await tx.all("list_low_items_among", _LowItem, list_id=list_id, ids=ids)
    low = [each for each in low if each.is_listed] + [each for each in low if not each.is_listed][:free]
    target_milli = to_milli(wanted.target or 0, "target")
    additions = [Addition(item.id, None, _missing_milli(item, target_milli), item.name) for item in low]
    because = {"because": "low_stock"} | ({} if batch_id is None else {"batch_id": batch_id})
    added, raised = await raise_entries(tx, list_id, additions, by, because)
    entries = await list_entries(tx, list_id)
    return Filled(
        [entry for entry in entries if entry.id in added],
        [entry for entry in entries if entry.id in raised],
        is_complete=len(found) <= free,
    )


async def add_to_list(tx: Connection, list_id: int, new: NewEntry, by: Principal) -> Entry:
    """Raises NotFound for an unknown list or item, Conflict for a duplicate entry or a full list."""
    shopping_list = await open_list(tx, list_id, by)
    return await add_entry(tx, list_id, shopping_list.item_count, new, by)


async def change_item(
    tx: Connection, list_id: int, item_id: int, change: ItemEntryChange, by: Principal, *, or_entry: bool = False
) -> Entry:
    """Changes the entry of an item, or with `or_entry` else that of this id. Raises NotFound."""
    await open_list(tx, list_id, by)
    entry = await get_entry(tx, list_id, item_id=item_id, or_entry=or_entry)
    if not isinstance(change.quantity, UnsetType):
        entry = await change_entry(tx, entry, by, quantity_milli=to_milli(change.quantity))
    return await to_entry(tx, entry)


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
    return await to_entry(tx, entry)


async def remove_from_list(
    tx: Connection,
    list_id: int,
    by: Principal,
    *,
    item_id: int | None = None,
    entry_id: int | None = None,
    or_entry: bool = False,
    batch_id: str | None = None,
) -> None:
    """Removes the entry of an item, or with `or_entry` else that of this id, or a placeholder.

    By `batch_id`, `undo_changes` finds it. Raises NotFound.
    """
    await open_list(tx, list_id, by)
    entry = await get_entry(tx, list_id, item_id=item_id, entry_id=entry_id, or_entry=or_entry)
    await remove_entry(tx, entry, by, None if batch_id is None else {"batch_id": batch_id})


async def undo_purchase(tx: Connection, recorder: Recorder, list_id: int, log_id: int, by: Principal) -> Entry:
    """Puts a purchase of the log back on the list, and undoes its stock event.

    Of a merged item that is the item it was merged into. Raises NotFound for no such purchase among the latest changes
    or when it is on the list again, Conflict when its stock was removed since.
    """
    shopping_list = await open_list(tx, list_id, by)
    bought = next((each for each in await list_purchases(tx, list_id, by) if each.log_id == log_id), None)
    if bought is None:
        raise NotFound(f"There is no purchase {log_id} to undo on the shopping list {list_id}")
    if bought.item_id is not None:
        await lock_items(tx, {bought.item_id})
    if bought.event_id is not None:
        operation = Operation(kind="undo", undo_event=bought.event_id, note="taken back", user_id=by.id)
        raise_if_rejected(await recorder.record_within(tx, operation))
    new = NewEntry(item_id=bought.item_id, text=bought.text, quantity=bought.quantity)
    return await add_entry(tx, list_id, shopping_list.item_count, new, by)


async def _buy_item(
    tx: Connection,
    recorder: Recorder,
    list_id: int,
    item_id: int,
    purchase: Purchase,
    by: Principal,
    *,
    until_now: bool,
) -> Bought | Outcome:
    """Books the purchase; a rejected outcome is returned, and then only the rejection is stored."""
    await open_list(tx, list_id, by)
    # Locked before its entry is read: a merge of the item would change both.
    await lock_items(tx, {item_id})
    entry = await find_entry(tx, list_id, item_id=item_id)
    operation = _operation(entry, list_id, item_id, purchase, by)
    if until_now and operation.occurred_at is not None:
        # Not in the purchase: its fingerprint would differ when it is sent again.
        operation.occurred_at = min(operation.occurred_at, clock.now())
    outcome = await recorder.record_within(tx, operation)
    if outcome.status == "rejected":
        return outcome
    if outcome.status == "looked_up":
        raise not_listed(list_id, item_id)
    if outcome.status == "applied" and entry is not None:
        entry = await _reduce_entry(tx, entry, outcome, operation.quantity_milli, by)
    event = outcome.events[0]
    return Bought(
        bought=event.delta,
        entry=None if entry is None else await to_entry(tx, entry),
        event=event,
        duplicate=outcome.status == "duplicate",
    )


def _operation(entry: EntryRow | None, list_id: int, item_id: int, purchase: Purchase, by: Principal) -> Operation:
    if entry is None:
        # This very event may have removed the entry: then its event_id is known, and the result is the same as before.
        quantity_milli = 0
    elif purchase.quantity is None:
        quantity_milli = entry.quantity_milli
    else:
        quantity_milli = to_milli(purchase.quantity)
    return Operation(
        kind=None if entry is None else "add",
        item=ItemKey(id=item_id),
        location=None if entry is None else location_key(purchase.location),
        quantity_milli=quantity_milli,
        occurred_at=purchase.occurred_at,
        note=purchase.note,
        user_id=by.id,
        in_main_unit=True,
        with_details=True,
        price=paid_price(purchase.unit_price, purchase.seller),
        **lot_fields(named_lot(purchase.lot, purchase.expiry_date, purchase.serial)),
        **named(purchase.event_id, ("bought", list_id, item_id, purchase)),
    )


async def _reduce_entry(
    tx: Connection, entry: EntryRow, outcome: Outcome, bought_milli: int, by: Principal
) -> EntryRow | None:
    event = outcome.events[0]
    left_milli = entry.quantity_milli - bought_milli
    because = {"bought": event.delta, "stock_event_id": event.id, "location_id": event.location_id}
    if left_milli > 0:
        return await change_entry(tx, entry, by, quantity_milli=left_milli, because=because)
    await remove_entry(tx, entry, by, because)
    return None


def _missing_milli(item: _LowItem, target_milli: int) -> int:
    missing = int(max(item.min_quantity_milli, target_milli) - item.stock_milli)
    if item.reorder_quantity_milli is None:
        missing = max(missing, MIN_PURCHASE_MILLI)
    else:
        # At its minimum it would still be low.
        missing = max(missing, int(item.min_quantity_milli - item.stock_milli) + 1)
        missing = -(-missing // item.reorder_quantity_milli) * item.reorder_quantity_milli
    return min(missing, MAX_QUANTITY * 1000)
