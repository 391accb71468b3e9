"""Shopping lists in the database; only its creator and admins see a private list."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from stocky import clock
from stocky.auth.repository import get_shown_users
from stocky.auth.schemas import Principal, Role
from stocky.catalogue.repository import lock_items
from stocky.db import Connection
from stocky.errors import Forbidden, NotFound
from stocky.schema import or_current
from stocky.shopping import change_log
from stocky.shopping.entries import list_entries
from stocky.shopping.schemas import (
    ActionType,
    Duplication,
    ListChange,
    ListPage,
    ListSummary,
    LogEntry,
    NewList,
    ShoppingList,
)

MAX_NAME = 200


class ListRow(Struct):
    """A stored list."""

    id: int
    name: str
    is_public: bool
    creator_id: int
    created_at: datetime
    updated_at: datetime
    item_count: int


async def list_lists(read: Connection, by: Principal, *, skip: int, limit: int) -> ListPage:
    """The lists visible to `by`, in the order they were created."""
    rows = await read.all("list_shopping_lists", ListRow, user_id=by.id, sees_all=_sees_all(by), skip=skip, limit=limit)
    total = await read.value("count_shopping_lists", user_id=by.id, sees_all=_sees_all(by))
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
    return ListPage(summaries, total, skip, limit)


async def get_list(read: Connection, list_id: int, by: Principal) -> ShoppingList:
    """A list with its entries. Raises NotFound, also for a list that `by` may not see."""
    row = await find_visible(read, list_id, by)
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


async def find_visible(read: Connection, list_id: int, by: Principal) -> ListRow:
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
    return await find_visible(tx, list_id, by)


async def add_list(tx: Connection, new: NewList, by: Principal) -> ShoppingList:
    """Adds an empty list."""
    list_id = await _add(tx, new.name, new.is_public, by)
    details = {"name": new.name, "is_public": new.is_public}
    await change_log.write(tx, list_id, ActionType.CREATED, by, [details], clock.now())
    return await get_list(tx, list_id, by)


async def change_list(tx: Connection, list_id: int, change: ListChange, by: Principal) -> ShoppingList:
    """Applies the fields set in `change`. Raises NotFound, Forbidden for making another user's public list private."""
    row = await open_list(tx, list_id, by)
    name, is_public = or_current(change.name, row.name), or_current(change.is_public, row.is_public)
    if row.is_public and not is_public and by.id != row.creator_id and not _sees_all(by):
        raise Forbidden("Access denied. Only its creator or an admin can make a public list private")
    moment = clock.now()
    await tx.execute("change_shopping_list", id=list_id, name=name, is_public=is_public, updated_at=moment)
    changes = {"name": (row.name, name), "is_public": (row.is_public, is_public)}
    details = {field: {"from": before, "to": after} for field, (before, after) in changes.items() if before != after}
    if details:
        await change_log.write(tx, list_id, ActionType.UPDATED, by, [details], moment)
    return await get_list(tx, list_id, by)


async def remove_list(tx: Connection, list_id: int, by: Principal) -> None:
    """Hides a list; its log stays. Raises NotFound."""
    row = await open_list(tx, list_id, by)
    moment = clock.now()
    await tx.execute("hide_shopping_list", id=list_id, updated_at=moment)
    await change_log.write(tx, list_id, ActionType.DELETED, by, [{"name": row.name}], moment)


async def duplicate_list(tx: Connection, list_id: int, wanted: Duplication, by: Principal) -> ShoppingList:
    """Copies a list with its entries for `by`. Raises NotFound."""
    row = await open_list(tx, list_id, by)
    name = wanted.name or f"{row.name[: MAX_NAME - 7]} (copy)"
    is_public = row.is_public if wanted.is_public is None else wanted.is_public
    moment = clock.now()
    # Locked so that no item is merged between the reading of an entry and the writing of its copy.
    entries = await list_entries(tx, list_id)
    await lock_items(tx, {entry.item.id for entry in entries if entry.item is not None})
    copy_id = await _add(tx, name, is_public, by)
    await tx.execute("copy_shopping_list_entries", list_id=copy_id, source_id=list_id, created_at=moment)
    details = {"from_list_id": list_id, "from_name": row.name, "name": name, "is_public": is_public}
    await change_log.write(tx, copy_id, ActionType.DUPLICATED, by, [details], moment)
    await change_log.write(tx, list_id, ActionType.DUPLICATED, by, [{"to_list_id": copy_id}], moment)
    return await get_list(tx, copy_id, by)


async def list_log(
    read: Connection, list_id: int, by: Principal, *, action_type: ActionType | None, skip: int, limit: int
) -> list[LogEntry]:
    """The log of a list, newest first. Raises NotFound."""
    await find_visible(read, list_id, by)
    return await change_log.list_log(read, list_id, by, action_type=action_type, skip=skip, limit=limit)


async def _add(tx: Connection, name: str, is_public: bool, by: Principal) -> int:
    list_id: int = await tx.value(
        "add_shopping_list", name=name, is_public=is_public, creator_id=by.id, created_at=clock.now()
    )
    return list_id


def _sees_all(by: Principal) -> bool:
    return by.role is Role.ADMIN
