"""Item types and tags in the database; names that differ only in case are one type or tag.

A type with items is not deleted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import UNSET

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.catalogue.field_repository import remove_fields_of
from stocky.catalogue.schemas import ItemType, ItemTypeChange, NewItemType, NewTag, SellerCount, Tag
from stocky.catalogue.version_bumps import bump_item_versions, bump_items_of
from stocky.db import Connection, Listing
from stocky.errors import Conflict, NotFound
from stocky.logs import audit
from stocky.names import name_key
from stocky.schema import MAX_ID, is_empty, or_current


async def get_item_type(read: Connection, type_id: int) -> ItemType:
    """Raises NotFound."""
    item_type = await read.one("get_item_type", ItemType, id=type_id)
    if item_type is None:
        raise NotFound(f"There is no item type with id {type_id}")
    return item_type


async def get_item_type_names(read: Connection, type_ids: set[int]) -> dict[int, str]:
    """The names of types by their ids; missing ones are left out."""
    rows = await read.all("list_item_type_names", dict[str, Any], ids=type_ids) if type_ids else []
    return {row["id"]: row["name"] for row in rows}


async def find_item_type(read: Connection, name: str) -> int | None:
    """The id of the type of a name; None if there is none."""
    found: int | None = await read.value("find_item_type", name_key=name_key(name))
    return found


async def list_item_types(
    read: Connection, *, skip: int, limit: int, pattern: str | None, listing: Listing | None = None
) -> list[ItemType]:
    """Types by name, or in the order of `listing`."""
    return await read.page("list_item_types", ItemType, listing, skip=skip, limit=limit, pattern=pattern)


async def add_item_type(tx: Connection, new: NewItemType, by: Principal) -> ItemType:
    """Adds a type. Raises Conflict if one has the name."""
    type_id = await tx.value(
        "add_item_type",
        name=new.name,
        name_key=name_key(new.name),
        description=new.description or "",
        created_at=clock.now(),
    )
    await audit.record(tx, by, "created", "item_type", type_id, {"name": new.name})
    return await get_item_type(tx, type_id)


async def change_item_type(tx: Connection, type_id: int, change: ItemTypeChange, by: Principal) -> ItemType:
    """Applies `change`. Raises NotFound, Conflict if another type has the name."""
    item_type = await get_item_type(tx, type_id)
    if is_empty(change):
        return item_type
    name = or_current(change.name, item_type.name)
    bumped = await bump_items_of(tx, "type", type_id)
    await tx.execute(
        "change_item_type",
        id=type_id,
        name=name,
        name_key=name_key(name),
        description=or_current(change.description, item_type.description) or "",
        updated_at=clock.now(),
    )
    await bump_items_of(tx, "type", type_id, bumped)
    details = {field: value for field, value in msgspec.to_builtins(change).items() if value is not UNSET}
    await audit.record(tx, by, "changed", "item_type", type_id, details)
    return await get_item_type(tx, type_id)


async def remove_item_type(tx: Connection, type_id: int, by: Principal, *, force: bool = False) -> None:
    """Deletes a type with its fields; `force` also removes the values in them of items that had the type before.

    Raises NotFound, Conflict while items have it, or such values.
    """
    item_type = await get_item_type(tx, type_id)
    if await tx.value("list_items_of_type", type_id=type_id, after=0, limit=1) is not None:
        raise Conflict(f"Items still have the type {item_type.name}; give them another type first", kind="in-use")
    await remove_fields_of(tx, item_type, by, force=force)
    await tx.execute("remove_item_type", id=type_id)
    await audit.record(tx, by, "deleted", "item_type", type_id, {"name": item_type.name})


class _Key(msgspec.Struct):
    name_key: str


async def get_tag(read: Connection, tag_id: int) -> Tag:
    """Raises NotFound."""
    tag = await read.one("get_tag", Tag, id=tag_id)
    if tag is None:
        raise NotFound(f"There is no tag with id {tag_id}")
    return tag


async def find_tag(read: Connection, name: str) -> int | None:
    """The id of the tag of a name; None if there is none."""
    found: int | None = await read.value("find_tag", name_key=name_key(name))
    return found


async def list_tags(
    read: Connection, *, skip: int, limit: int, pattern: str | None, listing: Listing | None = None
) -> list[Tag]:
    """Tags by name, or in the order of `listing`."""
    return await read.page("list_tags", Tag, listing, skip=skip, limit=limit, pattern=pattern)


async def add_tag(tx: Connection, new: NewTag, by: Principal) -> Tag:
    """Adds a tag. Raises Conflict if it exists."""
    tag_id = await tx.value("add_tag", name=new.name, name_key=name_key(new.name), created_at=clock.now())
    if tag_id is None:
        raise Conflict(f"The tag {new.name} already exists", field="name", kind="already-exists")
    await audit.record(tx, by, "created", "tag", tag_id, {"name": new.name})
    return await get_tag(tx, tag_id)


async def rename_tag(tx: Connection, tag_id: int, change: NewTag, by: Principal) -> Tag:
    """Renames a tag on every item that has it. Raises NotFound, Conflict if another tag has the name."""
    tag = await get_tag(tx, tag_id)
    bumped = await bump_items_of(tx, "tag", tag_id)
    await tx.execute("rename_tag", id=tag_id, name=change.name, name_key=name_key(change.name), updated_at=clock.now())
    await bump_items_of(tx, "tag", tag_id, bumped)
    await audit.record(tx, by, "changed", "tag", tag_id, {"name": change.name, "was": tag.name})
    return await get_tag(tx, tag_id)


async def remove_tag(tx: Connection, tag_id: int, by: Principal) -> None:
    """Deletes a tag and removes it from every item. Raises NotFound."""
    tag = await get_tag(tx, tag_id)
    items = [row[0] for row in await tx.rows("list_items_with_tag", tag_id=tag_id, after=0, limit=MAX_ID)]
    await bump_item_versions(tx, items)
    await tx.execute("remove_tag_from_items", tag_id=tag_id)
    await tx.execute("remove_tag", id=tag_id)
    await audit.record(tx, by, "deleted", "tag", tag_id, {"name": tag.name, "items": items})


async def set_item_tags(tx: Connection, item_id: int, names: Iterable[str]) -> None:
    """Adds tags to an item by name; new tags are created."""
    wanted = {name_key(name): name for name in names}
    if not wanted:
        return
    keys = sorted(wanted)
    known = {row.name_key for row in await tx.all("find_tags", _Key, name_keys=keys)}
    # Always in the same order, so that two processes that create the same tags do not deadlock.
    for key in sorted(wanted.keys() - known):
        await tx.execute("add_tag", name=wanted[key], name_key=key, created_at=clock.now())
    await tx.execute("add_item_tags", item_id=item_id, name_keys=keys)


async def list_sellers(
    read: Connection, *, skip: int, limit: int, pattern: str | None, listing: Listing | None = None
) -> list[SellerCount]:
    """Sellers by name, or in the order of `listing`."""
    return await read.page("list_sellers", SellerCount, listing, skip=skip, limit=limit, pattern=pattern)
