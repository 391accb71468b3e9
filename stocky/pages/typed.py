"""The item, location or type of a picker: by the id that a script chose, else by the text that was typed.

A form may offer to add the location that was typed; then the script chose `NEW`.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
from litestar import Request
from msgspec import Struct

from stocky.auth.schemas import Principal
from stocky.catalogue import location_repository, part_repository
from stocky.catalogue import repository as catalogue
from stocky.catalogue.schemas import Item, ItemType, Location, Name, NewItemType, NewLocation
from stocky.db import Connection, Database
from stocky.errors import Conflict, Invalid, NotFound
from stocky.http.validation_messages import describe_error
from stocky.pages.forms import Form, changed_values, parse_form, read_values
from stocky.pages.pickers import pick_item, pick_location
from stocky.schema import MAX_ID, LocationKind

T = TypeVar("T", bound=Struct)

# The id of the answer that adds what was typed.
NEW = "new"
_MOST_DIGITS = len(str(MAX_ID))


async def find_item(read: Connection, form: Form[Any], name: str) -> Item:
    """The item of a picker. Raises Invalid for an empty field, or a text that is not of one item; NotFound."""
    await pick_item(read, form.values, name)
    return await catalogue.get_item(read, _chosen(form, name))


async def find_location(
    database: Database, form: Form[Any], name: str, by: Principal, kind: LocationKind = LocationKind.PLACE
) -> Location:
    """The location of a picker; one that its user wants to add is added, as a person for this `kind`.

    Raises Invalid for an empty field, or a text that is not of one location; NotFound.
    """
    if form.text(name) == NEW:
        async with database.transaction() as tx:
            added = await _add_location(tx, form, name, by, kind)
        form.values[name] = [str(added.id)]
        return added
    async with database.read() as read:
        await pick_location(read, form.values, name, kind if kind is LocationKind.PERSON else None, may_add=True)
        return await location_repository.get_location(read, _chosen(form, name))


async def read_placed(
    request: Request[Any, Any, Any], database: Database, kind: type[T], *, without: Collection[str] = ()
) -> Form[T]:
    """The form of a location or a box with a picker `parent_id`: what that is in, or nothing for an empty field.

    What differs from the values that it showed, for a form with `shown_fields`.
    """
    values = await read_values(request)
    changed = changed_values(values)
    form: Form[T] = Form(values)
    with form.catching():
        async with database.read() as read:
            await pick_location(read, changed, "parent_id")
        form = parse_form(changed, kind, without=without)
        form.values = values | changed
    return form


async def find_type(tx: Connection, form: Form[Any], name: str, by: Principal) -> ItemType | None:
    """The type of a picker; a new name adds a type, as with tags. None for an empty field. Raises Invalid."""
    text = _ids(form, name)[1]
    if (found := await known_type(tx, form, name)) is not None or not text:
        return found
    if len(text) > 100:
        raise Invalid("must have at most 100 characters", field=name)
    return await part_repository.add_item_type(tx, NewItemType(name=text), by)


async def known_type(read: Connection, form: Form[Any], name: str) -> ItemType | None:
    """The type of a picker; None for an empty field or a new name."""
    chosen, text = _ids(form, name)
    if chosen is None:
        chosen = await part_repository.find_item_type(read, text)
    return None if chosen is None else await part_repository.get_item_type(read, chosen)


def as_id(text: str) -> int | None:
    """The id that a text is; None for anything else, such as more digits than int() reads."""
    if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS:
        return None
    return int(text) if 1 <= int(text) <= MAX_ID else None


async def _add_location(tx: Connection, form: Form[Any], name: str, by: Principal, kind: LocationKind) -> Location:
    """Adds the location with the typed name or path, and those around it, where they are missing. Raises Invalid."""
    steps = [step.strip() for step in f" {_ids(form, name)[1]} ".split(" / ")]
    around: Location | None = None
    try:
        for step in steps[:-1]:
            around = await _find_or_add(tx, step, around, LocationKind.PLACE, by)
        return await _find_or_add(tx, steps[-1], around, kind, by)
    except (Conflict, Invalid, NotFound) as error:
        raise Invalid(error.detail, field=name) from None
    except msgspec.ValidationError as error:
        raise Invalid(describe_error(error, Name), field=name) from None


async def _find_or_add(
    tx: Connection, step: str, around: Location | None, kind: LocationKind, by: Principal
) -> Location:
    """The location of this kind with a name, or within another one at a path; added if there is none."""
    path = step if around is None else f"{around.path} / {step}"
    with suppress(NotFound):
        found = await location_repository.get_location_by_name(tx, path)
        if found.kind is kind:
            return found
    new = NewLocation(name=msgspec.convert(step, Name), parent_id=None if around is None else around.id, kind=kind)
    return await location_repository.add_location(tx, new, by)


def _chosen(form: Form[Any], name: str) -> int:
    chosen = _ids(form, name)[0]
    if chosen is None:
        raise Invalid("is required", field=name)
    return chosen


def _ids(form: Form[Any], name: str) -> tuple[int | None, str]:
    """The chosen id, and what was typed."""
    chosen = str(form.text(name)).strip()
    text = " ".join(str(form.text(f"{name}_text")).split())
    if chosen.isascii() and chosen.isdigit() and 1 <= int(chosen[:17]) <= MAX_ID:
        return int(chosen[:17]), text
    return None, text
