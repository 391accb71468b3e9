"""What people typed into the fields that find one of many: the id that a script chose, else the text."""

from __future__ import annotations

from typing import Any

from stocky.auth.schemas import Principal
from stocky.catalogue import location_repository, part_repository
from stocky.catalogue import repository as catalogue
from stocky.catalogue.repository import like_pattern
from stocky.catalogue.schemas import Item, ItemType, Location, NewItemType, is_item_code
from stocky.db import Connection
from stocky.errors import Invalid, NotFound
from stocky.pages.forms import Form
from stocky.schema import MAX_ID
from stocky.search.repository import search

_CHOICES = 2


async def find_item(read: Connection, form: Form[Any], name: str) -> Item:
    """The item of a picker: by its id, code, barcode, or words that only it has. Raises Invalid."""
    chosen, text = _given(form, name)
    if chosen is not None:
        return await catalogue.get_item(read, chosen)
    if is_item_code(text):
        try:
            return await catalogue.get_item_by_code(read, text)
        except NotFound:
            pass
    found = await search(read, text, _CHOICES)
    if found and (len(found) == 1 or found[0].match.kind in ("exact", "whole")):
        return await catalogue.get_item(read, found[0].id)
    raise Invalid("choose one of the items" if found else "there is no such item", field=name)


async def find_location(read: Connection, form: Form[Any], name: str) -> Location:
    """The active location of a picker: by its id, name, or a part of the name that only it has. Raises Invalid."""
    chosen, text = _given(form, name)
    if chosen is not None:
        return await location_repository.get_location(read, chosen)
    found = await location_repository.list_locations(read, skip=0, limit=50, search=text)
    exact = [each for each in found if each.name.casefold() == text.casefold()]
    if len(exact) == 1 or len(found) == 1:
        return (exact or found)[0]
    raise Invalid("choose one of the locations" if found else "there is no such location", field=name)


async def find_type(tx: Connection, form: Form[Any], name: str, by: Principal) -> ItemType | None:
    """The type of a picker; a new name adds a type, as with tags. None for an empty field. Raises Invalid."""
    chosen, text = _ids(form, name)
    if chosen is not None:
        return await part_repository.get_item_type(tx, chosen)
    if not text:
        return None
    key = part_repository.name_key(text)
    for each in await part_repository.list_item_types(tx, skip=0, limit=50, pattern=like_pattern(key)):
        if part_repository.name_key(each.name) == key:
            return each
    if len(text) > 100:
        raise Invalid("must have at most 100 characters", field=name)
    return await part_repository.add_item_type(tx, NewItemType(name=text), by)


def _given(form: Form[Any], name: str) -> tuple[int | None, str]:
    chosen, text = _ids(form, name)
    if chosen is None and not text:
        raise Invalid("is required", field=name)
    return chosen, text


def _ids(form: Form[Any], name: str) -> tuple[int | None, str]:
    """The chosen id, and what was typed."""
    chosen = str(form.value(name)).strip()
    text = " ".join(str(form.value(f"{name}_text")).split())
    if chosen.isascii() and chosen.isdigit() and 1 <= int(chosen[:17]) <= MAX_ID:
        return int(chosen[:17]), text
    return None, text
