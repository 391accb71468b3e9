"""`/shopping-lists`: the lists, their entries and logs; entries are added, filled from low stock and bought.

An item is addressed by its id from `/items`, or else by the id of its entry; a placeholder by the id of its entry.
"""

from __future__ import annotations

from typing import Annotated

from litestar import delete, get, post, put
from litestar.params import Parameter

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.db import Connection, Database
from stocky.http.parameters import Paging, PathId
from stocky.http.routing import Router
from stocky.schema import MAX_ID
from stocky.shopping import repository, service
from stocky.shopping.schemas import (
    ActionType,
    Bought,
    Duplication,
    Entry,
    Filled,
    Filling,
    ItemEntryChange,
    ListChange,
    ListPage,
    LogPage,
    NewEntry,
    NewList,
    PlaceholderChange,
    Purchase,
    ShoppingList,
)
from stocky.stock.recorder import Recorder

ItemOrEntry = Annotated[
    int, Parameter(ge=1, le=MAX_ID, description="The id of the item; if that is not on the list, the id of an entry")
]
Action = Annotated[ActionType | None, Parameter(description="Only log entries of this action", required=False)]


@get("/", opt=members)
async def list_shopping_lists(read: Connection, user: Principal, paging: Paging) -> ListPage:
    """List shopping lists: public ones and your own, all as an admin, in the order they were created."""
    return await repository.list_lists(read, user, skip=paging.skip, limit=paging.limit, listing=paging)


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
) -> LogPage:
    """List the changes of a list, newest first."""
    return await repository.page_log(
        read, list_id, user, action_type=action_type, skip=paging.skip, limit=paging.limit, listing=paging
    )


@post("/{list_id:int}/items", opt=members)
async def add_shopping_list_item(data: NewEntry, tx: Connection, user: Principal, list_id: PathId) -> Entry:
    """Add an item to a list, or with `text` a placeholder."""
    return await service.add_to_list(tx, list_id, data, user)


@put("/{list_id:int}/items/{item_id:int}", opt=members)
async def change_shopping_list_item(
    data: ItemEntryChange, tx: Connection, user: Principal, list_id: PathId, item_id: ItemOrEntry
) -> Entry:
    """Change the quantity of an item to buy."""
    return await service.change_item(tx, list_id, item_id, data, user, or_entry=True)


@delete("/{list_id:int}/items/{item_id:int}", opt=members)
async def delete_shopping_list_item(tx: Connection, user: Principal, list_id: PathId, item_id: ItemOrEntry) -> None:
    """Remove an item from a list without buying it."""
    await service.remove_from_list(tx, list_id, user, item_id=item_id, or_entry=True)


@post("/{list_id:int}/items/{item_id:int}/bought", opt=members, status_code=200)
async def buy_shopping_list_item(
    database: Database,
    recorder: Recorder,
    user: Principal,
    list_id: PathId,
    item_id: PathId,
    data: Purchase | None = None,
) -> Bought:
    """Mark an item as bought: adds it to stock and reduces its entry, or removes it when all of it was bought."""
    return await service.buy_item(database, recorder, list_id, item_id, data or Purchase(), user)


@put("/{list_id:int}/placeholders/{entry_id:int}", opt=members)
async def change_shopping_list_placeholder(
    data: PlaceholderChange, tx: Connection, user: Principal, list_id: PathId, entry_id: PathId
) -> Entry:
    """Change the text or the quantity of a placeholder."""
    return await service.change_placeholder(tx, list_id, entry_id, data, user)


@delete("/{list_id:int}/placeholders/{entry_id:int}", opt=members)
async def delete_shopping_list_placeholder(tx: Connection, user: Principal, list_id: PathId, entry_id: PathId) -> None:
    """Remove a placeholder from a list without buying it."""
    await service.remove_from_list(tx, list_id, user, entry_id=entry_id)


@post("/{list_id:int}/placeholders/{entry_id:int}/bought", opt=members, status_code=204)
async def buy_shopping_list_placeholder(tx: Connection, user: Principal, list_id: PathId, entry_id: PathId) -> None:
    """Mark a placeholder as bought: removes it from the list; stock does not change."""
    await service.buy_placeholder(tx, list_id, entry_id, user)


@post("/{list_id:int}/fill-low-stock", opt=members, status_code=200)
async def fill_shopping_list(tx: Connection, user: Principal, list_id: PathId, data: Filling | None = None) -> Filled:
    """Add items at or below their minimum with the quantity to buy; entries that have less are raised to it."""
    return await service.fill_from_low_stock(tx, list_id, data or Filling(), user)


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

shopping_entry_routes = Router(
    "/shopping-lists",
    route_handlers=[
        add_shopping_list_item,
        change_shopping_list_item,
        delete_shopping_list_item,
        buy_shopping_list_item,
        change_shopping_list_placeholder,
        delete_shopping_list_placeholder,
        buy_shopping_list_placeholder,
        fill_shopping_list,
    ],
    tags=["Shopping lists"],
)
