"""`/shopping-lists`: the lists and their logs."""

from __future__ import annotations

from typing import Annotated

from litestar import Router, delete, get, post, put
from litestar.params import Parameter

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.http.parameters import Paging, PathId
from stocky.shopping import repository
from stocky.shopping.schemas import (
    ActionType,
    Duplication,
    ListChange,
    ListPage,
    LogEntry,
    NewList,
    ShoppingList,
)

Action = Annotated[ActionType | None, Parameter(description="Only log entries of this action", required=False)]


@get("/", opt=members)
async def list_shopping_lists(read: Connection, user: Principal, paging: Paging) -> ListPage:
    """List shopping lists: public ones and your own, all as an admin, in the order they were created."""
    return await repository.list_lists(read, user, skip=paging.skip, limit=paging.limit)


@post("/", opt=members)
async def create_shopping_list(data: NewList, tx: Connection, user: Principal) -> ShoppingList:
    """Create a shopping list."""
    return await repository.add_list(tx, data, user)


@get("/{list_id:int}", opt=members)
async def get_shopping_list(read: Connection, user: Principal, list_id: PathId) -> ShoppingList:
    """Get one shopping list with its entries."""
    return await repository.get_list(read, list_id, user)


@put("/{list_id:int}", opt=members)
async def change_shopping_list(data: ListChange, tx: Connection, user: Principal, list_id: PathId) -> ShoppingList:
    """Rename a shopping list, or make it public or private; fields that are not sent stay unchanged.

    Only its creator or an admin can make a public list private.
    """
    return await repository.change_list(tx, list_id, data, user)


@delete("/{list_id:int}", opt=members)
async def delete_shopping_list(tx: Connection, user: Principal, list_id: PathId) -> None:
    """Delete a shopping list."""
    await repository.remove_list(tx, list_id, user)


@post("/{list_id:int}/duplicate", opt=members)
async def duplicate_shopping_list(
    tx: Connection, user: Principal, list_id: PathId, data: Duplication | None = None
) -> ShoppingList:
    """Copy a list with its entries; the copy is yours."""
    return await repository.duplicate_list(tx, list_id, data or Duplication(), user)


@get("/{list_id:int}/logs", opt=members)
async def list_shopping_list_log(
    read: Connection, user: Principal, list_id: PathId, paging: Paging, action_type: Action = None
) -> list[LogEntry]:
    """List the changes of a list, newest first."""
    return await repository.list_log(read, list_id, user, action_type=action_type, skip=paging.skip, limit=paging.limit)


shopping_list_routes = Router(
    "/shopping-lists",
    route_handlers=[
        list_shopping_lists,
        create_shopping_list,
        get_shopping_list,
        change_shopping_list,
        delete_shopping_list,
        duplicate_shopping_list,
        list_shopping_list_log,
    ],
    tags=["Shopping lists"],
)
