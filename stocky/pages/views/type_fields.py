"""The custom fields of a type: adding, changing, placing and deleting them.

A value is lost only where the page said how many are, or where the box for it is ticked; a change that another user
made meanwhile is not overwritten.
"""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get, post
from msgspec import Meta, Struct

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.catalogue import field_repository
from stocky.catalogue.fields import FieldKind, ItemFieldChange, NewItemField, Position
from stocky.catalogue.part_repository import get_item_type
from stocky.db import Connection, Database
from stocky.http.parameters import PathId
from stocky.pages.choices import FIELD_KINDS
from stocky.pages.done import done_with_item
from stocky.pages.forms import Form, Values, filled, parse_form, read_form, read_values
from stocky.pages.refusals import checked
from stocky.pages.rendering import Html, page, see_other

# The end of a rejection of the API; the page has a box for it.
_FORCE = "; send force=true to remove it"
_PATH = "/vocabulary/fields/{type_id:int}"


class ChangedField(ItemFieldChange, kw_only=True):
    """A changed field; `version` is the one that the page showed."""

    version: Annotated[int, Meta(ge=0)]


class FieldPlace(Struct, kw_only=True):
    """The place of a field among those of its type."""

    position: Position


class FieldDeletion(Struct, kw_only=True):
    """The number of items that the page showed as losing their value."""

    count: Annotated[int, Meta(ge=0)] = 0


@get(_PATH, opt=members)
async def show_fields(request: Request[Any, Any, Any], read: Connection, type_id: PathId) -> Html:
    """The fields of a type, with a form for another one."""
    return await _list_page(request, read, type_id, Form())


@post(_PATH, opt=members)
async def add_field(request: Request[Any, Any, Any], database: Database, user: Principal, type_id: PathId) -> Html:
    """Adds a field."""
    form = parse_form(_with_choices(await read_values(request)), NewItemField, without=["position"])
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                await field_repository.add_field(tx, type_id, form.data, user)
    if not form.errors:
        return see_other(request, f"/vocabulary/fields/{type_id}", done="new-field")
    async with database.read() as read:
        return await _list_page(request, read, type_id, form)


@get(f"{_PATH}/{{field_id:int}}", opt=members)
async def show_field(request: Request[Any, Any, Any], read: Connection, type_id: PathId, field_id: PathId) -> Html:
    """One field."""
    field = await field_repository.get_field(read, type_id, field_id)
    form = filled(field)
    form.values["version"] = [str(field.version)]
    return await _field_page(request, read, type_id, field_id, form)


@post(f"{_PATH}/{{field_id:int}}", opt=members)
async def change_field(
    request: Request[Any, Any, Any], database: Database, user: Principal, type_id: PathId, field_id: PathId
) -> Html:
    """Changes a field; values that do not fit are removed only where the box for it is ticked."""
    form = parse_form(_with_choices(await read_values(request)), ChangedField, without=["position"])
    form.require("name")
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                fields = {name: getattr(form.data, name) for name in ItemFieldChange.__struct_fields__}
                change, versions = ItemFieldChange(**fields), [form.data.version]
                await field_repository.change_field(
                    tx, type_id, field_id, change, user, force=form.checked("force"), if_versions=versions
                )
    if not form.errors:
        return see_other(request, f"/vocabulary/fields/{type_id}", done="field")
    may_force = any(text.endswith(_FORCE) for text in form.errors.values())
    form.errors = {name: text.removesuffix(_FORCE) for name, text in form.errors.items()}
    async with database.read() as read:
        return await _field_page(request, read, type_id, field_id, form, may_force=may_force)


@post(f"{_PATH}/{{field_id:int}}/place", opt=members)
async def place_field(
    request: Request[Any, Any, Any], tx: Connection, user: Principal, type_id: PathId, field_id: PathId
) -> Html:
    """Moves a field to another place."""
    place = checked(await read_form(request, FieldPlace)).position
    await field_repository.change_field(tx, type_id, field_id, ItemFieldChange(position=place), user)
    return see_other(request, f"/vocabulary/fields/{type_id}")


@post(f"{_PATH}/{{field_id:int}}/delete", opt=members)
async def delete_field(
    request: Request[Any, Any, Any], tx: Connection, user: Principal, type_id: PathId, field_id: PathId
) -> Html:
    """Deletes a field with as many values as the page showed; with more of them, it is rejected."""
    count = checked(await read_form(request, FieldDeletion)).count
    is_known = await field_repository.count_values(tx, field_id) <= count
    await field_repository.remove_field(tx, type_id, field_id, user, force=is_known)
    return see_other(request, f"/vocabulary/fields/{type_id}", done="no-field")


def _with_choices(values: Values) -> dict[str, list[str]]:
    """The fields with the choices as a list: one is typed into each line. Only one of several has choices."""
    typed = "\n".join(values.get("choices", [])) if values.get("kind") == [FieldKind.CHOICE.value] else ""
    choices = list(dict.fromkeys(" ".join(each.split()) for each in typed.splitlines() if each.strip()))
    units = values.get("unit", []) if values.get("kind") == [FieldKind.NUMBER.value] else [""]
    return {**values, "choices": choices, "unit": units}


async def _list_page(request: Request[Any, Any, Any], read: Connection, type_id: int, form: Form[Any]) -> Html:
    return page(
        request,
        "type-fields.html",
        form.status,
        type=await get_item_type(read, type_id),
        fields=await field_repository.list_fields(read, type_id),
        kinds=FIELD_KINDS,
        form=form,
        done=done_with_item(request),
    )


async def _field_page(
    request: Request[Any, Any, Any],
    read: Connection,
    type_id: int,
    field_id: int,
    form: Form[Any],
    *,
    may_force: bool = False,
) -> Html:
    return page(
        request,
        "type-field.html",
        form.status,
        type=await get_item_type(read, type_id),
        field=await field_repository.get_field(read, type_id, field_id),
        count=await field_repository.count_values(read, field_id),
        kinds=FIELD_KINDS,
        form=form,
        may_force=may_force,
        is_stale=form.status == 412,
    )


routes = [show_fields, add_field, show_field, change_field, place_field, delete_field]
