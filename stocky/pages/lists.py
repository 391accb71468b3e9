"""Puts items on a shopping list, creating it if necessary; an item already on the list gets the larger amount."""

from __future__ import annotations

from collections.abc import Sequence

from stocky.auth.schemas import Principal
from stocky.catalogue.repository import get_usable_items
from stocky.db import Connection
from stocky.errors import Invalid
from stocky.quantity import to_milli
from stocky.shopping.repository import Addition, add_list, open_list, raise_entries
from stocky.shopping.schemas import NewList


async def add_items_to_list(
    tx: Connection,
    item_ids: Sequence[int],
    by: Principal,
    *,
    list_id: int | None,
    name: str | None,
    quantity: float = 1,
) -> int:
    """Returns the id of the list. Raises Invalid without a list, NotFound, Conflict."""
    # A typed name has precedence: in the form one of the existing lists is always chosen.
    if name:
        list_id = (await add_list(tx, NewList(name=name, is_public=True), by)).id
    elif list_id is None:
        raise Invalid("choose a list, or name a new one", field="list_id")
    await open_list(tx, list_id, by)
    items = await get_usable_items(tx, set(item_ids))
    wanted = [Addition(each, None, to_milli(quantity), items[each].name) for each in item_ids]
    await raise_entries(tx, list_id, wanted, by, {})
    return list_id
