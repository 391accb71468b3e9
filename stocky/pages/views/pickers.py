"""The answers of pickers, for scripts only: items and locations that contain the typed text."""

from __future__ import annotations

from typing import Any

from litestar import Request, get

from stocky.auth.guards import readers
from stocky.auth.schemas import Principal, Role
from stocky.catalogue.schemas import Location
from stocky.db import Connection
from stocky.names import name_key
from stocky.pages import pickers
from stocky.pages.languages import Text, _
from stocky.pages.parameters import Typed
from stocky.pages.problems import FOR_SCRIPTS
from stocky.pages.rendering import Html, page


@get("/pick/items", opt=readers | {FOR_SCRIPTS: True})
async def pick_items(request: Request[Any, Any, Any], read: Connection, q: Typed = "") -> Html:
    """Items, best first."""
    return page(
        request, "options.html", items=await read.run(pickers.find_items, q.strip()), locations=[], nothing=None, new=""
    )


@get("/pick/locations", opt=readers | {FOR_SCRIPTS: True})
async def pick_locations(
    request: Request[Any, Any, Any], read: Connection, user: Principal, q: Typed = "", may_add: bool = False
) -> Html:
    """Locations with the text in their path, best first.

    With `may_add`, and an answer that adds one of this name, for those who may.
    """
    found = await pickers.find_locations(read, q.strip())
    can_add = user.user.role in (Role.ADMIN, Role.MEMBER)
    name = _new_name(found, q) if may_add and can_add else ""
    add = _("Add “%(name)s” as a new location", name=name)
    nothing = (
        _("No location found; members and admins can add one") if may_add and not can_add else _("No location found")
    )
    return _answers(request, found, nothing if q.strip() else None, name, add)


@get("/pick/persons", opt=readers | {FOR_SCRIPTS: True})
async def pick_persons(request: Request[Any, Any, Any], read: Connection, q: Typed = "", may_add: bool = False) -> Html:
    """Persons to whom things are lent, best first; with `may_add`, and an answer that adds one of this name."""
    found = await pickers.find_persons(read, q.strip())
    name = _new_name(found, q) if may_add else ""
    add = _("Add “%(name)s” as a new person", name=name)
    return _answers(request, found, _("No person found") if q.strip() else None, name, add)


def _new_name(found: list[Location], typed: str) -> str:
    """The typed name or path, if none of the found locations has it."""
    name = " ".join(typed.split())
    is_known = any(name_key(name) in (name_key(each.name), name_key(each.path)) for each in found)
    return "" if is_known else name


def _answers(request: Request[Any, Any, Any], found: list[Location], nothing: Text | None, new: str, add: Text) -> Html:
    """The locations, and the answer that adds the one with the name `new`; `nothing` says that there is none."""
    if found or new:
        nothing = None
    return page(request, "options.html", items=[], locations=found, nothing=nothing, new=new, add=add)


routes = [pick_items, pick_locations, pick_persons]
