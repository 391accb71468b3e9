"""All locations: boxes with their slots, and other locations by kind as a tree; new locations and boxes."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from litestar import Request, get, post
from msgspec import Struct

from stocky.auth.guards import members, readers
from stocky.auth.schemas import Principal
from stocky.boxes import repository as boxes
from stocky.boxes.schemas import Box, NewBox, Slot
from stocky.catalogue import location_repository
from stocky.catalogue.schemas import Location, NewLocation
from stocky.db import Connection, Database
from stocky.errors import Invalid
from stocky.pages.forms import Form, filled
from stocky.pages.location_nodes import Node, make_branches, make_nodes, make_trees
from stocky.pages.parameters import PageNumber, ParentId, Typed
from stocky.pages.rendering import Html, page, see_other
from stocky.pages.typed import as_id, read_placed
from stocky.schema import LocationKind, StorageType

PAGE = 50
# A box with more slots shows how full it is, and its slots on its own page only.
MOST_SLOTS = 60
# Between the names of a path.
_STEP = " / "
KINDS = [each.value for each in StorageType]


class BoxNode(Struct, kw_only=True):
    """A box, its slots unless there are too many, and the other locations in it and them."""

    box: Box
    slots: list[Slot]
    children: list[Node]


@get("/locations", opt=readers | {"may_be_empty": ("kind",)})
async def show_locations(
    request: Request[Any, Any, Any],
    read: Connection,
    q: Typed = "",
    kind: StorageType | None = None,
    person: bool = False,
    hidden: bool = False,
    page_number: PageNumber = 1,
) -> Html:
    """Boxes and other locations, persons, or those that are hidden. What is found is listed, all of them are a tree."""
    skip = (page_number - 1) * PAGE
    wanted: dict[str, Any] = {"skip": skip, "limit": PAGE + 1, "search": q.strip() or None, "storage_type": kind}
    found_boxes = [] if person else await boxes.list_boxes(read, **wanted, is_active=not hidden)
    is_tree = not (wanted["search"] or kind or person or hidden)
    wanted["kind"] = LocationKind.PERSON if person else LocationKind.PLACE if kind else None
    found = await location_repository.list_locations_by_kind(read, **wanted, is_active=not hidden, top_only=is_tree)
    has_more = len(found) > PAGE or len(found_boxes) > PAGE
    found, found_boxes = found[:PAGE], found_boxes[:PAGE]
    small = [each.box_no for each in found_boxes if each.capacity <= MOST_SLOTS]
    slots = await boxes.list_slots(read, small)
    branches = await make_branches(read, {each.location_id for each in found_boxes} if is_tree else set())
    nodes = await (make_trees(read, found) if is_tree else make_nodes(read, found))
    groups = [
        Node(kind=storage_type, children=list(group))
        for storage_type, group in groupby(nodes, key=lambda node: node.kind)
    ]
    query = {
        "q": q.strip(),
        "kind": kind.value if kind else None,
        "person": "true" if person else None,
        "hidden": "true" if hidden else None,
    }
    return page(
        request,
        "locations.html",
        boxes=[
            BoxNode(box=each, slots=slots.get(each.box_no, []), children=branches.get(each.location_id, []))
            for each in found_boxes
        ],
        groups=groups,
        is_tree=is_tree,
        duplicates=await location_repository.list_duplicates(read) if is_tree else [],
        typed=q.strip(),
        kind=kind.value if kind else "",
        kinds=KINDS,
        is_person=person,
        is_hidden=hidden,
        query=query,
        page_number=page_number,
        has_more=has_more,
    )


@get("/locations/new", opt=members)
async def show_new_location(request: Request[Any, Any, Any], read: Connection, parent_id: ParentId = None) -> Html:
    """The form of a new location, in the one with this id."""
    parent = await _find_parent(read, parent_id)
    kind = parent.storage_type.value if parent is not None else ""
    return _form_page(request, filled({"parent_id_text": parent.path} if parent else {}), kind)


@post("/locations/new", opt=members)
async def add_location(request: Request[Any, Any, Any], database: Database, user: Principal) -> Html:
    """Adds a location; `next` adds another one after it, and `lend` is the item to lend to a new person."""
    form = await read_placed(request, database, NewLocation)
    if _STEP in form.text("name"):
        form.refuse(Invalid("must not contain a slash between blanks; choose what it is in instead", field="name"))
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                location = await location_repository.add_location(tx, form.data, user)
    if form.errors:
        return _form_page(request, form)
    if form.text("next"):
        return see_other(
            request,
            "/locations/new",
            added=location.id,
            kind=location.storage_type.value,
            person="true" if location.kind is LocationKind.PERSON else None,
            parent_id=location.parent_id,
        )
    if (item_id := as_id(str(form.text("lend")))) is not None:
        return see_other(request, f"/items/{item_id}/lend", person_id=location.id)
    return see_other(request, f"/locations/{location.id}", done="added")


@get("/locations/boxes/new", opt=members)
async def show_new_box(request: Request[Any, Any, Any], read: Connection, parent_id: ParentId = None) -> Html:
    """The form of a new box, in the location with this id."""
    parent = await _find_parent(read, parent_id)
    within = {"parent_id_text": parent.path, "storage_type": parent.storage_type.value} if parent else {}
    return page(request, "box-new.html", form=filled({"capacity": "12", **within}), kinds=KINDS)


@post("/locations/boxes/new", opt=members)
async def add_box(request: Request[Any, Any, Any], database: Database, user: Principal) -> Html:
    """Adds a box with its slots; its number is the next one."""
    form = await read_placed(request, database, NewBox)
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                box = await boxes.add_box(tx, form.data, user)
    if form.errors:
        return page(request, "box-new.html", form.status, form=form, kinds=KINDS)
    return see_other(request, f"/locations/boxes/{box.box_no}", done="added")


async def _find_parent(read: Connection, parent_id: int | None) -> Location | None:
    return None if parent_id is None else await location_repository.get_location(read, parent_id)


def _form_page(request: Request[Any, Any, Any], form: Form[Any], kind: str = "") -> Html:
    return page(
        request,
        "location-new.html",
        form.status,
        form=form,
        kinds=KINDS,
        chosen_kind=form.text("storage_type", request.query_params.get("kind", kind or "pantry")),
        is_person="person" in request.query_params or form.text("kind") == LocationKind.PERSON.value,
        lend=as_id(str(form.text("lend", request.query_params.get("lend", "")))),
        is_added="added" in request.query_params,
    )


routes = [show_locations, show_new_location, add_location, show_new_box, add_box]
