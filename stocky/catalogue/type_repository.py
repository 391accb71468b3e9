"""Item types in the database; names are unique in any case, and a type with items is not deleted."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.catalogue.repository import or_current
from stocky.catalogue.schemas import ItemType, ItemTypeChange, NewItemType
from stocky.catalogue.tag_repository import bump_item_versions, name_key
from stocky.db import Connection
from stocky.errors import Conflict, NotFound
from stocky.logs import audit


async def get_item_type(read: Connection, type_id: int) -> ItemType:
    """Raises NotFound."""
    item_type = await read.one("get_item_type", ItemType, id=type_id)
    if item_type is None:
        raise NotFound(f"There is no item type with id {type_id}")
    return item_type


async def list_item_types(read: Connection, *, skip: int, limit: int, pattern: str | None) -> list[ItemType]:
    """Types by name."""
    return await read.all("list_item_types", ItemType, skip=skip, limit=limit, pattern=pattern)


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
    name = or_current(change.name, item_type.name)
    await bump_item_versions(tx, await tx.all("list_items_of_type", dict[str, int], type_id=type_id))
    await tx.execute(
        "change_item_type",
        id=type_id,
        name=name,
        name_key=name_key(name),
        description=or_current(change.description, item_type.description) or "",
        updated_at=clock.now(),
    )
    details = {field: value for field, value in msgspec.to_builtins(change).items() if value is not UNSET}
    await audit.record(tx, by, "changed", "item_type", type_id, details)
    return await get_item_type(tx, type_id)


async def remove_item_type(tx: Connection, type_id: int, by: Principal) -> None:
    """Deletes a type. Raises NotFound, Conflict while items have it."""
    item_type = await get_item_type(tx, type_id)
    if await tx.value("list_items_of_type", type_id=type_id) is not None:
        raise Conflict(f"Items still have the type {item_type.name}; give them another type first")
    await tx.execute("remove_item_type", id=type_id)
    await audit.record(tx, by, "deleted", "item_type", type_id, {"name": item_type.name})
