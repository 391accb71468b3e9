"""`/types`, `/tags` and `/sellers`: how items are classified."""

from __future__ import annotations

from litestar import Router, delete, get, post, route

from stocky.auth.guards import members, readers
from stocky.auth.schemas import Principal
from stocky.catalogue import tag_repository, type_repository
from stocky.catalogue.repository import like_pattern
from stocky.catalogue.schemas import ItemType, ItemTypeChange, NewItemType, NewTag, SellerCount, Tag
from stocky.db import Connection
from stocky.http.parameters import Paging, PathId, Search


@get("/", opt=readers)
async def list_types(read: Connection, paging: Paging, search: Search = None) -> list[ItemType]:
    """Item types by name."""
    return await type_repository.list_item_types(
        read, skip=paging.skip, limit=paging.limit, pattern=_key_pattern(search)
    )


@post("/", opt=members)
async def create_type(data: NewItemType, tx: Connection, user: Principal) -> ItemType:
    """Add an item type."""
    return await type_repository.add_item_type(tx, data, user)


@get("/{type_id:int}", opt=readers)
async def get_type(read: Connection, type_id: PathId) -> ItemType:
    """One item type."""
    return await type_repository.get_item_type(read, type_id)


@route("/{type_id:int}", http_method=["PUT", "PATCH"], opt=members)
async def change_type(data: ItemTypeChange, tx: Connection, user: Principal, type_id: PathId) -> ItemType:
    """Change an item type; fields not sent keep their values."""
    return await type_repository.change_item_type(tx, type_id, data, user)


@delete("/{type_id:int}", opt=members)
async def delete_type(tx: Connection, user: Principal, type_id: PathId) -> None:
    """Delete an item type. Rejected while items have it."""
    await type_repository.remove_item_type(tx, type_id, user)


@get("/", opt=readers)
async def list_tags(read: Connection, paging: Paging, search: Search = None) -> list[Tag]:
    """Tags by name."""
    return await tag_repository.list_tags(read, skip=paging.skip, limit=paging.limit, pattern=_key_pattern(search))


@post("/", opt=members)
async def create_tag(data: NewTag, tx: Connection, user: Principal) -> Tag:
    """Add a tag. Naming a new tag on an item adds it, too."""
    return await tag_repository.add_tag(tx, data, user)


@get("/{tag_id:int}", opt=readers)
async def get_tag(read: Connection, tag_id: PathId) -> Tag:
    """One tag."""
    return await tag_repository.get_tag(read, tag_id)


@route("/{tag_id:int}", http_method=["PUT", "PATCH"], opt=members)
async def rename_tag(data: NewTag, tx: Connection, user: Principal, tag_id: PathId) -> Tag:
    """Rename a tag, on every item that has it."""
    return await tag_repository.rename_tag(tx, tag_id, data, user)


@delete("/{tag_id:int}", opt=members)
async def delete_tag(tx: Connection, user: Principal, tag_id: PathId) -> None:
    """Delete a tag and remove it from its items; the audit log lists them."""
    await tag_repository.remove_tag(tx, tag_id, user)


@get("/", opt=readers)
async def list_sellers(read: Connection, paging: Paging, search: Search = None) -> list[SellerCount]:
    """Sellers of items, by name."""
    return await tag_repository.list_sellers(read, skip=paging.skip, limit=paging.limit, pattern=like_pattern(search))


def _key_pattern(search: str | None) -> str | None:
    return like_pattern(None if search is None else tag_repository.name_key(search))


part_routes = [
    Router("/types", route_handlers=[list_types, create_type, get_type, change_type, delete_type], tags=["Types"]),
    Router("/tags", route_handlers=[list_tags, create_tag, get_tag, rename_tag, delete_tag], tags=["Tags"]),
    Router("/sellers", route_handlers=[list_sellers], tags=["Items"]),
]
