"""Makes two tags, or two types, one: the items of the one get the other, and the one goes; all in one transaction."""

from __future__ import annotations

from stocky.auth.schemas import Principal
from stocky.catalogue.field_repository import combine_fields
from stocky.catalogue.part_repository import get_item_type, get_tag, remove_item_type, remove_tag
from stocky.catalogue.repository import ItemFilter, change_item, list_items, lock_items
from stocky.catalogue.schemas import Item, ItemChange
from stocky.db import Connection
from stocky.errors import Conflict, Invalid
from stocky.names import name_key

# More would make every scan wait for the transaction.
MOST_ITEMS = 1_000


async def combine_tags(tx: Connection, tag_id: int, into_id: int, by: Principal) -> None:
    """Raises NotFound, Invalid for a tag and itself, Conflict for too many items."""
    tag, into = await get_tag(tx, tag_id), await get_tag(tx, into_id)
    _check_different(tag_id, into_id)
    for item in await _items(tx, tag.name, None):
        others = [each for each in item.tags if name_key(each) not in (name_key(tag.name), name_key(into.name))]
        await change_item(tx, item.id, ItemChange(tags=[*others, into.name]), by)
    await remove_tag(tx, tag_id, by)


async def combine_types(tx: Connection, type_id: int, into_id: int, by: Principal) -> None:
    """Their fields become those of the other type, too.

    Raises NotFound, Invalid for a type and itself, Conflict for too many items, or for fields that cannot be one.
    """
    await get_item_type(tx, type_id)
    into = await get_item_type(tx, into_id)
    _check_different(type_id, into_id)
    items = await _items(tx, None, type_id)
    await combine_fields(tx, type_id, into, {each.id for each in items}, by)
    for item in items:
        await change_item(tx, item.id, ItemChange(type_id=into_id), by)
    await remove_item_type(tx, type_id, by)


def _check_different(one: int, other: int) -> None:
    if one == other:
        raise Invalid("Choose another one to combine it with", field="into")


async def _items(tx: Connection, tag: str | None, type_id: int | None) -> list[Item]:
    """The items, hidden ones included, except for merged ones, which cannot be changed; locked."""
    found = []
    for is_active in (True, False):
        wanted = ItemFilter(is_active=is_active, tag=tag, type_id=type_id)
        found += await list_items(tx, wanted, skip=0, limit=MOST_ITEMS + 1)
    if len(found) > MOST_ITEMS:
        raise Conflict(f"More than {MOST_ITEMS:,} items have it; give them the other one in parts first")
    found = [each for each in found if each.merged_into_id is None]
    await lock_items(tx, {each.id for each in found})
    return found
