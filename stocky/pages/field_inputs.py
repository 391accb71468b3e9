"""Inputs for custom fields: `field-7` has the value of an item in field 7, `field.Voltage` a filter of a list by it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from msgspec import Struct

from stocky.catalogue.field_repository import fields_of_types
from stocky.catalogue.fields import FieldKind, ItemField, Value, plain_text
from stocky.catalogue.schemas import Item
from stocky.db import Connection
from stocky.errors import NotFound
from stocky.names import name_key
from stocky.pages.forms import Form
from stocky.pages.typed import known_type
from stocky.schema import FIELD_PREFIX

_ERROR = "fields."


class ShownValue(Struct, frozen=True):
    """The value of a field on the page of an item: a day, or a text, which for a number has a unit."""

    field: ItemField
    text: str
    day: date | None


class FilterInput(Struct, frozen=True):
    """The filter of a list by a field: what is typed, and the options of a choice."""

    field: ItemField
    name: str
    text: str

    @property
    def options(self) -> list[tuple[str, str]]:
        return [(each, each) for each in self.field.choices]


async def list_filters(
    read: Connection, type_id: int | None, sent: Sequence[tuple[str, str]]
) -> tuple[list[FilterInput], tuple[tuple[str, str], ...]]:
    """The inputs for the fields of a type, and the filters as the API takes them.

    With a type, filters by fields that it lacks are left out: they were typed while another type was chosen.
    """
    if type_id is None:
        return [], tuple(sent)
    texts = {name_key(name): text for name, text in sent}
    inputs, filters = [], []
    for field in await _fields(read, type_id):
        text = texts.get(name_key(field.name), "")
        inputs.append(FilterInput(field, f"{FIELD_PREFIX}{field.name}", text))
        if text:
            is_number = field.kind is FieldKind.NUMBER
            filters.append((field.name, "..".join(map(_with_point, text.split(".."))) if is_number else text))
    return inputs, tuple(filters)


async def list_inputs(read: Connection, form: Form[Any]) -> list[ItemField]:
    """The fields of the type that the form names; none for a new type, and for one that is gone."""
    try:
        item_type = await known_type(read, form, "type_id")
    except NotFound:
        return []
    return [] if item_type is None else await _fields(read, item_type.id)


async def show_values(read: Connection, item: Item) -> list[ShownValue]:
    """The values of an item in the order of its fields."""
    if item.type_id is None or not item.fields:
        return []
    texts = _texts(item)
    return [
        ShownValue(field, texts[key], _day(texts[key]) if field.kind is FieldKind.DATE else None)
        for field in await _fields(read, item.type_id)
        if (key := name_key(field.name)) in texts
    ]


def fill_inputs(form: Form[Any], fields: Sequence[ItemField], item: Item) -> None:
    """Adds the values of an item to a form."""
    texts = _texts(item)
    for field in fields:
        form.values.setdefault(_input(field), [texts.get(name_key(field.name), "")])


async def read_inputs(
    tx: Connection, form: Form[Any], type_id: int | None, item: Item | None
) -> dict[str, Value | None]:
    """The values typed for the fields of a type, by their names, that differ from those of the item."""
    if type_id is None:
        return {}
    # Fields of another type of the same names take over the values.
    texts = {} if item is None else _texts(item)
    values: dict[str, Value | None] = {}
    for field in await _fields(tx, type_id):
        if _input(field) in form.values:
            typed = str(form.text(_input(field))).strip()
            if field.kind is FieldKind.NUMBER:
                typed = _with_point(typed)
            # Of a value with CR LF, browsers send back what `read_values` makes LF.
            if typed != texts.get(name_key(field.name), "").replace("\r\n", "\n"):
                values[field.name] = typed or None
    return values


def place_errors(form: Form[Any], fields: Sequence[ItemField]) -> None:
    """Moves errors of values to their inputs."""
    for field in fields:
        if (error := form.errors.pop(f"{_ERROR}{field.name}", None)) is not None:
            form.errors[_input(field)] = error.removeprefix(f"{_ERROR}{field.name}: ")


async def _fields(read: Connection, type_id: int) -> list[ItemField]:
    return list((await fields_of_types(read, [type_id])).get(type_id, {}).values())


def _texts(item: Item) -> dict[str, str]:
    return {name_key(name): plain_text(value) for name, value in item.fields.items()}


def _input(field: ItemField) -> str:
    return f"field-{field.id}"


def _with_point(typed: str) -> str:
    """A number as the API takes it; people may type a decimal comma."""
    plain = typed.replace("\N{MINUS SIGN}", "-")
    return plain.replace(",", ".") if "." not in plain and plain.count(",") == 1 else plain


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
