"""A box: its slots as a numbered grid with what is in each, its size, and hiding it."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.datastructures import State

from stocky.auth.guards import members, readers
from stocky.auth.schemas import Principal
from stocky.boxes import repository
from stocky.boxes.labels import PER_SHEET
from stocky.boxes.schemas import BoxChange
from stocky.catalogue.location_repository import add_counts, get_location, list_ancestors
from stocky.db import Connection, Database
from stocky.http.parameters import PathId
from stocky.pages.forms import Form
from stocky.pages.languages import Text, _
from stocky.pages.location_nodes import links_to, make_branches
from stocky.pages.parameters import PageNumber
from stocky.pages.rendering import Html, page, see_other
from stocky.pages.typed import read_placed
from stocky.pages.views.location_edit import edit_page

PAGE = 100

_DONE: dict[str, Text] = {
    "added": _("The box is created. Print its labels and put the first things in."),
    "changed": _("The box is changed."),
    "hidden": _("The box is hidden with its slots."),
    "shown": _("The box is shown again."),
}


@get("/locations/boxes/{box_no:int}", opt=readers)
async def show_box(
    request: Request[Any, Any, Any], read: Connection, box_no: PathId, page_number: PageNumber = 1
) -> Html:
    """The slots of a box."""
    box = await repository.get_box(read, box_no)
    slots = await repository.list_box_locations(read, box_no, skip=(page_number - 1) * PAGE, limit=PAGE)
    own = await get_location(read, box.location_id)
    await add_counts(read, [own])
    return page(
        request,
        "box.html",
        box=box,
        own=own,
        nodes=(await make_branches(read, {own.id}))[own.id],
        up=links_to(await list_ancestors(read, own)),
        slots=slots,
        page_number=page_number,
        has_more=box.is_active and page_number * PAGE < box.capacity,
        sheets=-(-box.capacity // PER_SHEET),
        done=_DONE.get(request.query_params.get("done", "")),
    )


@get("/locations/boxes/{box_no:int}/edit", opt=members)
async def show_box_form(request: Request[Any, Any, Any], state: State, box_no: PathId) -> Html:
    """The form of a box."""
    return await _form_page(request, state, box_no)


@post("/locations/boxes/{box_no:int}/edit", opt=members)
async def change_box(
    request: Request[Any, Any, Any], state: State, database: Database, user: Principal, box_no: PathId
) -> Html:
    """Changes a box; it grows or shrinks by its number of slots."""
    form = await read_placed(request, database, BoxChange, without=("is_active",))
    form.require("name", "capacity")
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                await repository.change_box(tx, box_no, form.data, user)
    if form.errors:
        return await _form_page(request, state, box_no, form)
    return see_other(request, f"/locations/boxes/{box_no}", done="changed")


@post("/locations/boxes/{box_no:int}/hide", opt=members)
async def hide_box(request: Request[Any, Any, Any], tx: Connection, user: Principal, box_no: PathId) -> Html:
    """Hides a box with its slots."""
    await repository.remove_box(tx, box_no, user)
    return see_other(request, f"/locations/boxes/{box_no}", done="hidden")


@post("/locations/boxes/{box_no:int}/show", opt=members)
async def unhide_box(request: Request[Any, Any, Any], tx: Connection, user: Principal, box_no: PathId) -> Html:
    """Shows a hidden box again."""
    await repository.change_box(tx, box_no, BoxChange(is_active=True), user)
    return see_other(request, f"/locations/boxes/{box_no}", done="shown")


async def _form_page(request: Request[Any, Any, Any], state: State, box_no: int, form: Form[Any] | None = None) -> Html:
    async with state.database.read() as read:
        box = await repository.get_box(read, box_no)
        around = await list_ancestors(read, await get_location(read, box.location_id))
    fields = {
        "name": box.name,
        "description": box.description,
        "capacity": box.capacity,
        "storage_type": box.storage_type.value,
    }
    return edit_page(request, "box-edit.html", fields, around, form, box=box)


routes = [show_box, show_box_form, change_box, hide_box, unhide_box]
