"""Shopping lists, their entries and their log in the database; a change and its log entry are one transaction.

Only its creator and admins see a private list. Callers lock the list while they change its entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from stocky import clock
from stocky.auth.repository import get_shown_users
from stocky.auth.schemas import Principal, Role, ShownUser
from stocky.catalogue.repository import get_items, get_usable_item, lock_items
from stocky.catalogue.schemas import Item
from stocky.db import Connection, Listing
from stocky.errors import Conflict, Forbidden, NotFound
from stocky.quantity import from_milli, to_milli
from stocky.schema import OversellPolicy, StorageType, is_empty, or_current
from stocky.shopping.schemas import (
    ActionType,
    Duplication,
    Entry,
    ListChange,
    ListedItem,
    ListLogEntry,
    ListPage,
    ListSummary,
    LogPage,
    NewEntry,
    NewList,
    ShoppingList,
)

MAX_NAME = 200
MAX_ENTRIES = 1000
# The latest removals, among which purchases can be undone.
LATEST = 100

# What an entry is about: an item, or a text.
EntryKey = tuple[int | None, str | None]


class ListRow(Struct):
    """A stored list."""

    id: int
    name: str
    is_public: bool
    creator_id: int
    created_at: datetime
    updated_at: datetime
    item_count: int


class _LogRow(Struct):
    id: int
    action_type: ActionType
    user_id: int
    details: dict[str, Any]
    recorded_at: datetime


async def list_lists(
    read: Connection, by: Principal, *, skip: int, limit: int, listing: Listing | None = None
) -> ListPage:
    """The lists visible to `by`, in the order they were created or that of `listing`."""
    listing = listing or Listing()
    rows = await read.page(
        "list_shopping_lists", ListRow, listing, user_id=by.id, sees_all=_sees_all(by), skip=skip, limit=limit
    )
    creators = await get_shown_users(read, {row.creator_id for row in rows}, by)
    summaries = [
        ListSummary(
            id=row.id,
            name=row.name,
            is_public=row.is_public,
            creator=creators[row.creator_id],
            item_count=row.item_count,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in rows
    ]
    return ListPage(summaries, listing.total or 0, skip, limit)


async def get_list(read: Connection, list_id: int, by: Principal) -> ShoppingList:
    """A list with its entries. Raises NotFound, also for a list that `by` may not see."""
    row = await _find_visible(read, list_id, by)
    creators = await get_shown_users(read, {row.creator_id}, by)
    return ShoppingList(
        id=row.id,
        name=row.name,
        is_public=row.is_public,
        creator=creators[row.creator_id],
        items=await list_entries(read, list_id),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


async def _find_visible(read: Connection, list_id: int, by: Principal) -> ListRow:
    """A list visible to `by`. Raises NotFound."""
    row = await read.one("get_shopping_list", ListRow, id=list_id, user_id=by.id, sees_all=_sees_all(by))
    if row is None:
        raise NotFound(f"There is no shopping list with id {list_id}")
    return row


async def open_list(tx: Connection, list_id: int, by: Principal) -> ListRow:
    """A list, locked until the transaction ends. Raises NotFound.

    Members may change every list they see: public ones and their own.
    """
    await tx.value("lock_shopping_list", id=list_id)
    return await _find_visible(tx, list_id, by)


async def add_list(tx: Connection, new: NewList, by: Principal) -> ShoppingList:
    """Adds an empty list."""
    list_id = await _add_list(tx, new.name, new.is_public, by)
    details = {"name": new.name, "is_public": new.is_public}
    await write_log(tx, list_id, ActionType.CREATED, by, [details], clock.now())
    return await get_list(tx, list_id, by)


async def change_list(tx: Connection, list_id: int, change: ListChange, by: Principal) -> ShoppingList:
    """Applies the fields set in `change`. Raises NotFound, Forbidden for making another user's public list private."""
    row = await open_list(tx, list_id, by)
    if is_empty(change):
        return await get_list(tx, list_id, by)
    name, is_public = or_current(change.name, row.name), or_current(change.is_public, row.is_public)
    if row.is_public and not is_public and by.id != row.creator_id and not _sees_all(by):
        raise Forbidden("Access denied. Only its creator or an admin can make a public list private")
    moment = clock.now()
    await tx.execute("change_shopping_list", id=list_id, name=name, is_public=is_public, updated_at=moment)
    changes = {"name": (row.name, name), "is_public": (row.is_public, is_public)}
    details = {field: {"from": before, "to": after} for field, (before, after) in changes.items() if before != after}
    if details:
        await write_log(tx, list_id, ActionType.UPDATED, by, [details], moment)
    return await get_list(tx, list_id, by)


async def remove_list(tx: Connection, list_id: int, by: Principal) -> None:
    """Hides a list; its log stays. Raises NotFound."""
    row = await open_list(tx, list_id, by)
    moment = clock.now()
    await tx.execute("hide_shopping_list", id=list_id, updated_at=moment)
    await write_log(tx, list_id, ActionType.DELETED, by, [{"name": row.name}], moment)


async def undo_removal(tx: Connection, list_id: int, by: Principal) -> None:
    """Shows a deleted list again, with its entries. Raises NotFound."""
    await tx.value("lock_shopping_list", id=list_id)
    moment = clock.now()
    shown = await tx.rows("show_shopping_list", id=list_id, user_id=by.id, sees_all=_sees_all(by), updated_at=moment)
    if not shown:
        raise NotFound(f"There is no deleted shopping list with id {list_id}")
    details = {"is_deleted": {"from": True, "to": False}}
    await write_log(tx, list_id, ActionType.UPDATED, by, [details], moment)


async def duplicate_list(tx: Connection, list_id: int, wanted: Duplication, by: Principal) -> ShoppingList:
    """Copies a list with its entries for `by`. Raises NotFound."""
    row = await open_list(tx, list_id, by)
    name = wanted.name or f"{row.name[: MAX_NAME - 7]} (copy)"
    is_public = row.is_public if wanted.is_public is None else wanted.is_public
    moment = clock.now()
    # Locked so that no item is merged between the reading of an entry and the writing of its copy.
    entries = await list_entries(tx, list_id)
    await lock_items(tx, {entry.item.id for entry in entries if entry.item.id is not None})
    copy_id = await _add_list(tx, name, is_public, by)
    await tx.execute("copy_shopping_list_entries", list_id=copy_id, source_id=list_id, created_at=moment)
    await tx.execute("copy_listed_projects", list_id=copy_id, source_id=list_id)
    # Who sees a public copy may not see a private original.
    source = {"from_name": row.name} if row.is_public or not is_public else {}
    details = {"from_list_id": list_id, **source, "name": name, "is_public": is_public}
    await write_log(tx, copy_id, ActionType.DUPLICATED, by, [details], moment)
    # Who sees the log of the original may not see the copy.
    visible = {"to_name": name} if is_public else {}
    await write_log(tx, list_id, ActionType.DUPLICATED, by, [{"to_list_id": copy_id, **visible}], moment)
    return await get_list(tx, copy_id, by)


async def page_log(
    read: Connection,
    list_id: int,
    by: Principal,
    *,
    action_type: ActionType | None,
    skip: int,
    limit: int,
    listing: Listing | None = None,
) -> LogPage:
    """A page of the log of the list, newest first or in the order of `listing`. Raises NotFound."""
    listing = listing or Listing()
    log = await list_log(read, list_id, by, action_type=action_type, skip=skip, limit=limit, listing=listing)
    return LogPage(log, listing.total or 0, skip, limit)


async def list_log(
    read: Connection,
    list_id: int,
    by: Principal,
    *,
    action_type: ActionType | None,
    skip: int,
    limit: int,
    listing: Listing | None = None,
) -> list[ListLogEntry]:
    """The log of the list, newest first or in the order of `listing`. Raises NotFound."""
    shopping_list = await _find_visible(read, list_id, by)
    rows = await read.page(
        "list_shopping_list_logs", _LogRow, listing, list_id=list_id, action_type=action_type, skip=skip, limit=limit
    )
    users = await get_shown_users(read, {row.user_id for row in rows}, by)
    return [
        ListLogEntry(
            id=row.id,
            action_type=row.action_type,
            user=users[row.user_id],
            details=_with_names(row, shopping_list),
            timestamp=row.recorded_at,
        )
        for row in rows
    ]


def _with_names(row: _LogRow, shopping_list: ListRow) -> dict[str, Any]:
    """The details of a log entry with the names by which other clients know them; a changed name is the new one."""
    details = row.details
    if row.action_type is ActionType.DUPLICATED:
        if "to_list_id" in details:
            source = {"source_list_id": shopping_list.id, "source_list_name": shopping_list.name}
            copy_name = details.get("to_name")
        else:
            source = {"source_list_id": details.get("from_list_id")}
            if "from_name" in details:
                source["source_list_name"] = details["from_name"]
            copy_name = details.get("name")
        return details | source | ({} if copy_name is None else {"new_list_name": copy_name})
    name = _new_of(details.get("name", details.get("text")))
    if row.action_type in (ActionType.CREATED, ActionType.UPDATED, ActionType.DELETED):
        return details | {"list_name": name or shopping_list.name}
    return details | {"item_name": name, "list_name": shopping_list.name}


def _new_of(value: Any) -> Any:
    return value["to"] if isinstance(value, dict) else value


class EntryRow(Struct):
    """A stored entry: of an item, or with a text."""

    id: int
    list_id: int
    item_id: int | None
    text: str | None
    quantity_milli: int
    created_at: datetime
    updated_at: datetime


class BoughtEntry(Struct):
    """An entry that was bought, by its row in the log; `event_id` is the stock event of an item.

    `quantity` was on the list, and is again when the purchase is undone; `bought` is what was bought in its place.
    """

    log_id: int
    item_id: int | None
    text: str | None
    name: str
    quantity: float
    bought: float
    event_id: int | None
    user: ShownUser
    bought_at: datetime


async def find_entry_keys(read: Connection, log: list[ListLogEntry]) -> dict[int, EntryKey]:
    """The items or texts that log entries are about, by the ids of these; of a merged item the one it is now."""
    item_ids = {each.details["item_id"] for each in log if each.details.get("item_id") is not None}
    current = {row[0]: row[1] for row in await read.rows("find_merge_targets", ids=item_ids)}
    found: dict[int, EntryKey] = {}
    for each in log:
        item_id = each.details.get("item_id")
        found[each.id] = current.get(item_id, item_id), each.details.get("text")
    return found


async def list_purchases(read: Connection, list_id: int, by: Principal) -> list[BoughtEntry]:
    """What was bought lately and is not on the list again, newest first. Raises NotFound."""
    log = await list_log(read, list_id, by, action_type=ActionType.ITEM_REMOVED, skip=0, limit=LATEST)
    listed = await read.all("list_shopping_list_entries", EntryRow, list_id=list_id)
    seen: set[EntryKey] = {(row.item_id, row.text) for row in listed}
    keys = await find_entry_keys(read, log)
    found = []
    for each in log:
        item_id, text = keys[each.id]
        if (item_id, text) in seen:
            continue
        seen.add((item_id, text))
        if "bought" in each.details:
            found.append(
                BoughtEntry(
                    log_id=each.id,
                    item_id=item_id,
                    text=text,
                    name=text or each.details.get("name", ""),
                    quantity=each.details["quantity"],
                    bought=each.details["bought"],
                    event_id=each.details.get("stock_event_id"),
                    user=each.user,
                    bought_at=each.timestamp,
                )
            )
    return found


class Addition(Struct):
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
    read: Connection, list_id: int, *, item_id: int | None = None, entry_id: int | None = None, or_entry: bool = False
) -> EntryRow:
    """The entry of an item, or the placeholder with the id `entry_id`. Raises NotFound.

    With `or_entry`, `item_id` may also be the id of an entry, if no entry is of that item, and none was: a request sent
    again must not take another entry.
    """
    row = await find_entry(read, list_id, item_id=item_id, entry_id=entry_id)
    if row is None and or_entry and not await _was_on_list(read, list_id, item_id):
        row = await read.one("get_shopping_list_entry", EntryRow, list_id=list_id, id=item_id)
    if row is None:
        raise not_listed(list_id, item_id, entry_id)
    return row


async def _was_on_list(read: Connection, list_id: int, item_id: int | None) -> bool:
    within, last = f'%"item_id":{item_id},%', f'%"item_id":{item_id}}}%'
    return await read.value("was_on_shopping_list", list_id=list_id, within=within, last=last) is not None


def not_listed(list_id: int, item_id: int | None, entry_id: int | None = None) -> NotFound:
    """The error for a missing entry, which may have been bought."""
    what = f"placeholder {entry_id}" if item_id is None else f"item with id {item_id}"
    return NotFound(f"There is no {what} on the shopping list {list_id}; its log shows if it was bought or removed")


async def to_entry(read: Connection, row: EntryRow) -> Entry:
    """The entry as an API response."""
    return (await _to_entries(read, [row]))[0]


async def add_entry(
    tx: Connection,
    list_id: int,
    item_count: int,
    new: NewEntry,
    by: Principal,
    because: dict[str, Any] | None = None,
) -> Entry:
    """Adds an entry. Raises NotFound for an unknown item, Conflict for a duplicate or a full list."""
    if item_count >= MAX_ENTRIES:
        raise Conflict(f"The list is full: it has {MAX_ENTRIES} entries. Start another list")
    what = new.text or ""
    if new.item_id is not None:
        what = (await get_usable_item(tx, new.item_id)).name
    addition = Addition(new.item_id, new.text, to_milli(new.quantity), what)
    (entry_id,) = await add_entries(tx, list_id, [addition], by, because or {})
    return next(entry for entry in await list_entries(tx, list_id) if entry.id == entry_id)


async def add_entries(
    tx: Connection, list_id: int, additions: list[Addition], by: Principal, because: dict[str, Any]
) -> list[int]:
    """Adds entries to a locked list and returns their ids. `because` is logged with each of them."""
    moment = clock.now()
    before = {row.id for row in await tx.all("list_shopping_list_entries", EntryRow, list_id=list_id)}
    await tx.execute_many(
        "add_shopping_list_entry",
        [(list_id, each.item_id, each.text, each.quantity_milli, moment) for each in additions],
    )
    # Nobody else adds entries: the list is locked.
    after = await tx.all("list_shopping_list_entries", EntryRow, list_id=list_id)
    ids = [row.id for row in after if row.id not in before]
    if additions:
        details = [
            _named(each.item_id, each.what) | {"quantity": from_milli(each.quantity_milli)} | because
            for each in additions
        ]
        await write_log(tx, list_id, ActionType.ITEM_ADDED, by, details, moment)
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
    details = await _describe_entry(tx, row)
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
    await write_log(tx, row.list_id, ActionType.ITEM_UPDATED, by, [details | (because or {})], moment)
    await tx.execute("touch_shopping_list", id=row.list_id, updated_at=moment)
    return changed


async def remove_entry(tx: Connection, row: EntryRow, by: Principal, because: dict[str, Any] | None = None) -> None:
    """Removes an entry from its list."""
    await remove_entries(tx, row.list_id, [row], by, because or {})


async def remove_entries(
    tx: Connection, list_id: int, rows: Sequence[EntryRow], by: Principal, because: dict[str, Any]
) -> None:
    """Removes entries from a locked list. `because` is logged with each of them."""
    if not rows:
        return
    moment = clock.now()
    items = await get_items(tx, {row.item_id for row in rows if row.item_id is not None})
    details = [
        _named(row.item_id, (row.text or "") if row.item_id is None else items[row.item_id].name)
        | {"quantity": from_milli(row.quantity_milli)}
        | because
        for row in rows
    ]
    await tx.execute_many("remove_shopping_list_entry", [(row.id,) for row in rows])
    await write_log(tx, list_id, ActionType.ITEM_REMOVED, by, details, moment)
    await tx.execute("touch_shopping_list", id=list_id, updated_at=moment)


async def write_log(
    tx: Connection, list_id: int, action: ActionType, by: Principal, entries: Sequence[dict[str, Any]], moment: datetime
) -> None:
    """Logs `action` by `by` on the list, once for each of `entries`."""
    await tx.execute_many(
        "add_shopping_list_log",
        [(list_id, action.value, by.id, msgspec.json.encode(details).decode(), moment) for details in entries],
    )


async def _add_list(tx: Connection, name: str, is_public: bool, by: Principal) -> int:
    list_id: int = await tx.value(
        "add_shopping_list", name=name, is_public=is_public, creator_id=by.id, created_at=clock.now()
    )
    return list_id


def _sees_all(by: Principal) -> bool:
    return by.role is Role.ADMIN


async def _describe_entry(read: Connection, row: EntryRow) -> dict[str, Any]:
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
            item=_to_placeholder(row) if row.item_id is None else _to_listed(items[row.item_id]),
            text=row.text,
            quantity=from_milli(row.quantity_milli),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in rows
    ]


def _to_listed(item: Item) -> ListedItem:
    return ListedItem(**msgspec.structs.asdict(item), is_placeholder=False)


def _to_placeholder(row: EntryRow) -> ListedItem:
    """What clients that read `item.name` of every entry get for a text."""
    return ListedItem(
        id=None,
        is_placeholder=True,
        code="",
        name=row.text or "",
        description="",
        upc=None,
        default_storage_type=StorageType.OTHER,
        is_active=True,
        uda_fetched=False,
        uda_fetch_attempted=False,
        upc_data=None,
        min_quantity=None,
        reorder_quantity=None,
        shelf_life_days=None,
        opened_days=None,
        oversell_policy=OversellPolicy.REJECT,
        needs_review=False,
        barcodes=[],
        manufacturer_code="",
        type_id=None,
        type_name=None,
        tags=[],
        fields={},
        seller="",
        seller_link="",
        image_document_id=None,
        merged_into_id=None,
        total_quantity=0.0,
        version=1,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
