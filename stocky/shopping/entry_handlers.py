"""`/shopping-lists/{id}/items` and `/placeholders`: what is on a list, filled from low stock and ticked off.

An item is named by its own id, the one of `/items`; a placeholder, which is no item, by the id of its entry.
"""

from __future__ import annotations

from litestar import Router, delete, post, put

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.db import Connection, Database
from stocky.http.parameters import PathId
from stocky.shopping import service
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
from stocky.stock.recorder import Recorder


@post("/{list_id:int}/items", opt=members)
async def add_shopping_list_item(data: NewEntry, tx: Connection, user: Principal, list_id: PathId) -> Entry:
    """Put an item on a list, or by `text` a placeholder for what is no item."""
    return await service.add_to_list(tx, list_id, data, user)


@put("/{list_id:int}/items/{item_id:int}", opt=members)
async def change_shopping_list_item(
    data: ItemEntryChange, tx: Connection, user: Principal, list_id: PathId, item_id: PathId
) -> Entry:
    """Change how much of an item is to be bought."""
    return await service.change_item(tx, list_id, item_id, data, user)


@delete("/{list_id:int}/items/{item_id:int}", opt=members)
async def delete_shopping_list_item(tx: Connection, user: Principal, list_id: PathId, item_id: PathId) -> None:
    """Take an item from a list without buying it."""
    await service.remove_from_list(tx, list_id, user, item_id=item_id)


@post("/{list_id:int}/items/{item_id:int}/bought", opt=members, status_code=200)
async def buy_shopping_list_item(
    database: Database,
    recorder: Recorder,
    user: Principal,
    list_id: PathId,
    item_id: PathId,
    data: Purchase | None = None,
) -> Bought:
    """Tick an item off as bought: it comes into stock, and off the list as far as all of it was bought."""
    return await service.buy_item(database, recorder, list_id, item_id, data or Purchase(), user)


@put("/{list_id:int}/placeholders/{entry_id:int}", opt=members)
async def change_shopping_list_placeholder(
    data: PlaceholderChange, tx: Connection, user: Principal, list_id: PathId, entry_id: PathId
) -> Entry:
    """Change the text or the quantity of a placeholder."""
    return await service.change_placeholder(tx, list_id, entry_id, data, user)


@delete("/{list_id:int}/placeholders/{entry_id:int}", opt=members)
async def delete_shopping_list_placeholder(tx: Connection, user: Principal, list_id: PathId, entry_id: PathId) -> None:
    """Take a placeholder from a list without buying it."""
    await service.remove_from_list(tx, list_id, user, entry_id=entry_id)


@post("/{list_id:int}/placeholders/{entry_id:int}/bought", opt=members, status_code=204)
async def buy_shopping_list_placeholder(tx: Connection, user: Principal, list_id: PathId, entry_id: PathId) -> None:
    """Tick a placeholder off as bought; what is no item does not come into stock."""
    await service.buy_placeholder(tx, list_id, entry_id, user)


@post("/{list_id:int}/fill-low-stock", opt=members, status_code=200)
async def fill_shopping_list(tx: Connection, user: Principal, list_id: PathId, data: Filling | None = None) -> Filled:
    """Put on a list what is at or below its minimum, with what is missing; what is on it already stays as it is."""
    return await service.fill_from_low_stock(tx, list_id, data or Filling(), user)


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
