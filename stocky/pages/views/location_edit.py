"""Changing a location: its name, its description, its kind and what it is in, and hiding it."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.datastructures import State

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.catalogue import location_repository
from stocky.catalogue.schemas import Location, LocationChange
from stocky.db import Connection, Database
from stocky.http.parameters import PathId
from stocky.pages.forms import Form, filled, shown_fields
from stocky.pages.location_nodes import links_to
from stocky.pages.rendering import Html, page, see_other
from stocky.pages.typed import read_placed
from stocky.pages.views.locations import KINDS


@get("/locations/{location_id:int}/edit", opt=members)
async def show_location_form(request: Request[Any, Any, Any], state: State, location_id: PathId) -> Html:
    """The form of a location."""
    return await _form_page(request, state, location_id)


@post("/locations/{location_id:int}/edit", opt=members)
async def change_location(
    request: Request[Any, Any, Any], state: State, database: Database, user: Principal, location_id: PathId
) -> Html:
    """Changes the name, the description, the kind, or what it is in: all that is in it moves along."""
    form = await read_placed(request, database, LocationChange, without=("is_active",))
    form.require("name")
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                await location_repository.change_location(tx, location_id, form.data, user)
    if form.errors:
        return await _form_page(request, state, location_id, form)
    return see_other(request, f"/locations/{location_id}", done="changed")


@post("/locations/{location_id:int}/hide", opt=members)
async def hide_location(request: Request[Any, Any, Any], tx: Connection, user: Principal, location_id: PathId) -> Html:
    """Hides a location; its history stays."""
    await location_repository.remove_location(tx, location_id, user)
    return see_other(request, f"/locations/{location_id}", done="hidden")


@post("/locations/{location_id:int}/show", opt=members)
async def unhide_location(
    request: Request[Any, Any, Any], tx: Connection, user: Principal, location_id: PathId
) -> Html:
    """Shows a hidden location again."""
    await location_repository.change_location(tx, location_id, LocationChange(is_active=True), user)
    return see_other(request, f"/locations/{location_id}", done="shown")


async def _form_page(
    request: Request[Any, Any, Any], state: State, location_id: int, form: Form[Any] | None = None
) -> Html:
    async with state.database.read() as read:
        location = await location_repository.get_location(read, location_id)
        around = await location_repository.list_ancestors(read, location)
    fields = {
        "name": location.name,
        "description": location.description,
        "storage_type": location.storage_type.value,
        "kind": location.kind.value,
    }
    return edit_page(request, "location-edit.html", fields, around, form, location=location)


def edit_page(
    request: Request[Any, Any, Any],
    template: str,
    fields: dict[str, Any],
    around: list[Location],
    form: Form[Any] | None,
    **more: Any,
) -> Html:
    """The form of a location or box with these `fields`, or as it was sent; `around` are the locations it is in."""
    shown = {**fields, "parent_id_text": around[-1].path if around else ""}
    form = form or filled(shown)
    hidden = shown_fields(form, {**shown, "parent_id": ""})
    return page(request, template, form.status, form=form, shown=hidden, up=links_to(around), kinds=KINDS, **more)


routes = [show_location_form, change_location, hide_location, unhide_location]
