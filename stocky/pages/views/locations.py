"""All locations: boxes with their slots and other locations by kind, as nodes of a tree; new locations and boxes."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.params import Parameter
from msgspec import Struct

from stocky.auth.guards import members, readers
from stocky.auth.schemas import Principal
from stocky.boxes import repository as boxes
from stocky.boxes.schemas import Box, NewBox, Slot
from stocky.catalogue import location_repository
from stocky.catalogue.schemas import NewLocation
from stocky.db import Connection, Database
from stocky.pages.forms import Form, read_form
from stocky.pages.rendering import Html, page, see_other
from stocky.schema import StorageType
from stocky.stock.location_stock import count_items_at

PAGE = 50
# A box with more slots shows how full it is, and its slots on its own page only.
MOST_SLOTS = 60
KINDS = [each.value for each in StorageType]

PageNumber = Annotated[int, Parameter(query="page", ge=1, le=10**6)]
Typed = Annotated[str, Parameter(query="q", max_length=200, required=False)]


class Node(Struct, kw_only=True):
    """A location or a group of locations, with the nodes in it."""

    kind: str
    name: str = ""
    path: str = ""
    description: str = ""
    item_count: int = 0
    children: list[Node] = []


class BoxNode(Struct, kw_only=True):
    """A box, and its slots unless there are too many."""

    box: Box
    slots: list[Slot]


@get("/locations", opt=readers | {"may_be_empty": ("kind",)})
async def show_locations(
    request: Request[Any, Any, Any],
    read: Connection,
    q: Typed = "",
    kind: StorageType | None = None,
    hidden: bool = False,
    page_number: PageNumber = 1,
) -> Html:
    """Boxes and other locations, or those that are hidden."""
    skip = (page_number - 1) * PAGE
    wanted: dict[str, Any] = {"skip": skip, "limit": PAGE + 1, "search": q.strip() or None, "storage_type": kind}
    found_boxes = await boxes.list_boxes(read, **wanted, is_active=not hidden)
    found = await location_repository.list_locations_by_kind(read, **wanted, is_active=not hidden)
    has_more = len(found) > PAGE or len(found_boxes) > PAGE
    found, found_boxes = found[:PAGE], found_boxes[:PAGE]
    small = [each.box_no for each in found_boxes if each.capacity <= MOST_SLOTS]
    slots = await boxes.list_slots(read, small)
    counts = await count_items_at(read, [each.id for each in found])
    groups = [
        Node(
            kind=storage_type.value,
            children=[
                Node(
                    kind=storage_type.value,
                    name=each.name,
                    path=f"/locations/{each.id}",
                    description=each.description,
                    item_count=counts.get(each.id, 0),
                )
                for each in group
            ],
        )
        for storage_type, group in groupby(found, key=lambda each: each.storage_type)
    ]
    query = {"q": q.strip(), "kind": kind.value if kind else None, "hidden": "true" if hidden else None}
    return page(
        request,
        "locations.html",
        boxes=[BoxNode(box=each, slots=slots.get(each.box_no, [])) for each in found_boxes],
        groups=groups,
        typed=q.strip(),
        kind=kind.value if kind else "",
        kinds=KINDS,
        is_hidden=hidden,
        query=query,
        page_number=page_number,
        has_more=has_more,
    )


@get("/locations/new", opt=members)
async def show_new_location(request: Request[Any, Any, Any]) -> Html:
    """The form of a new location."""
    return _form_page(request, Form())


@post("/locations/new", opt=members)
async def add_location(request: Request[Any, Any, Any], database: Database, user: Principal) -> Html:
    """Adds a location; `next` adds another one after it."""
    form = await read_form(request, NewLocation)
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                location = await location_repository.add_location(tx, form.data, user)
    if form.errors:
        return _form_page(request, form)
    if form.text("next"):
        return see_other(request, "/locations/new", added=location.id, kind=location.storage_type.value)
    return see_other(request, f"/locations/{location.id}", done="added")


@get("/locations/boxes/new", opt=members)
async def show_new_box(request: Request[Any, Any, Any]) -> Html:
    """The form of a new box."""
    return page(request, "box-new.html", form=Form({"capacity": ["12"]}), kinds=KINDS)


@post("/locations/boxes/new", opt=members)
async def add_box(request: Request[Any, Any, Any], database: Database, user: Principal) -> Html:
    """Adds a box with its slots; its number is the next one."""
    form = await read_form(request, NewBox)
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                box = await boxes.add_box(tx, form.data, user)
    if form.errors:
        return page(request, "box-new.html", form.status, form=form, kinds=KINDS)
    return see_other(request, f"/locations/boxes/{box.box_no}", done="added")


def _form_page(request: Request[Any, Any, Any], form: Form[Any]) -> Html:
    return page(
        request,
        "location-new.html",
        form.status,
        form=form,
        kinds=KINDS,
        chosen_kind=form.text("storage_type", request.query_params.get("kind", "pantry")),
        is_added="added" in request.query_params,
    )


routes = [show_locations, show_new_location, add_location, show_new_box, add_box]
