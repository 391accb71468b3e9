"""Routes for the script of the scan page: look-ups, locations by labels, names for new items, translated messages."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get, post
from litestar.datastructures import State
from litestar.params import QueryParameter
from msgspec import Meta, Struct

from stocky.auth.guards import members, scanners
from stocky.auth.schemas import Principal
from stocky.catalogue import location_repository as locations
from stocky.catalogue import repository as catalogue
from stocky.catalogue.schemas import LONGEST_PATH, ItemChange, Name
from stocky.db import Connection
from stocky.errors import Conflict, Invalid
from stocky.http.parameters import PathId
from stocky.pages import typed
from stocky.pages.forms import Form, filled, read_form
from stocky.pages.languages import language_context
from stocky.pages.messages import message
from stocky.pages.problems import FOR_SCRIPTS
from stocky.pages.rendering import Html, page
from stocky.pages.scanning import Shown, find_elsewhere, look_up
from stocky.pages.typed import NEW
from stocky.quantity import Quantity
from stocky.stock.recorder import Recorder
from stocky.stock.schemas import MAX_EVENTS, LocationReference

# A message may quote names and codes of the scan.
MESSAGE_LENGTH = 4_000
LocationId = Annotated[int | None, QueryParameter(name="id", ge=1, le=2**53 - 1)]


class Code(Struct):
    """A code to look up."""

    upc: str


class Shortage(Struct):
    """A removal that was refused: its code, the location that it was for, and how much of it."""

    upc: str
    location: LocationReference | None = None
    quantity: Quantity = 1


class NewLocationName(Struct):
    """The name or path of a location to add."""

    name: Annotated[str, Meta(max_length=LONGEST_PATH)]


class NewName(Struct):
    """The name of an item that a scan created."""

    name: Name


class Messages(Struct):
    """Messages of the API about scans."""

    messages: Annotated[list[Annotated[str, Meta(max_length=MESSAGE_LENGTH)]], Meta(max_length=2 * MAX_EVENTS)]


class Named(Struct):
    """A location or an item."""

    id: int
    name: str


@post("/scan/look-up", opt={**scanners, FOR_SCRIPTS: True}, status_code=200)
async def look_up_code(state: State, recorder: Recorder, user: Principal, data: Code) -> Shown:
    """The item of a code with its stock by location; nothing is booked."""
    return await look_up(state.database, recorder, data.upc, user)


@post("/scan/elsewhere", opt={**scanners, FOR_SCRIPTS: True}, status_code=200)
async def show_elsewhere(
    request: Request[Any, Any, Any], state: State, recorder: Recorder, user: Principal, data: Shortage
) -> Html:
    """Where else the item of a refused removal is, with buttons that take it from there."""
    stock = await find_elsewhere(state.database, recorder, data.upc, data.location, user)
    return page(request, "scan-elsewhere.html", stock=stock, amount=data.quantity)


@post("/scan/items/{item_id:int}/name", opt={**members, FOR_SCRIPTS: True}, status_code=200)
async def name_item(request: Request[Any, Any, Any], state: State, user: Principal, item_id: PathId) -> Named:
    """Names an item that a scan created; its review is done. One that has another name by now keeps it."""
    form = await read_form(request, NewName)
    if form.errors:
        field, text = next(iter(form.errors.items()))
        raise Invalid(f"{field}: {text}", field=field)
    async with state.database.transaction() as tx:
        await catalogue.lock_items(tx, {item_id})
        item = await catalogue.get_item(tx, item_id)
        is_waiting = item.needs_review and item.is_active
        if not is_waiting and item.name != form.data.name and item.merged_into_id is None:
            raise Conflict(f"{item.name} was named, merged or hidden in the meantime; nothing was changed")
        item = await catalogue.change_item(tx, item_id, ItemChange(name=form.data.name), user)
    return Named(item.id, item.name)


@get("/scan/location", opt={**scanners, FOR_SCRIPTS: True})
async def find_location(read: Connection, location_id: LocationId = None, name: str = "") -> Named:
    """The location on a scanned label, by its id or its name."""
    if location_id is not None:
        location = await locations.get_active_location(read, location_id)
    else:
        location = await locations.get_location_by_name(read, name)
    return Named(location.id, location.path)


@post("/scan/location", opt={**members, FOR_SCRIPTS: True}, status_code=200)
async def add_location(state: State, user: Principal, data: NewLocationName) -> Named:
    """Adds a location, with those around it; one of this name or path is kept."""
    form: Form[Any] = filled({"location_id": NEW, "location_id_text": data.name})
    location = await typed.find_location(state.database, form, "location_id", user)
    return Named(location.id, location.path)


@post("/scan/messages", opt={**scanners, FOR_SCRIPTS: True}, status_code=200)
async def translate_messages(request: Request[Any, Any, Any], data: Messages) -> Messages:
    """The messages in the language of the page; one that is not in the catalogue stays English."""
    with language_context(request):
        return Messages([message(each) for each in data.messages])


routes = [look_up_code, show_elsewhere, name_item, find_location, add_location, translate_messages]
