"""The answers of pickers, for scripts only: items and locations that contain the typed text."""

from __future__ import annotations

from typing import Any

from litestar import Request, get

from stocky.auth.guards import readers
from stocky.db import Connection
from stocky.pages import pickers
from stocky.pages.languages import _
from stocky.pages.parameters import Typed
from stocky.pages.problems import FOR_SCRIPTS
from stocky.pages.rendering import Html, page


@get("/pick/items", opt=readers | {FOR_SCRIPTS: True})
async def pick_items(request: Request[Any, Any, Any], read: Connection, q: Typed = "") -> Html:
    """Items, best first."""
    return page(
        request, "options.html", items=await read.run(pickers.find_items, q.strip()), locations=[], nothing=None
    )


@get("/pick/locations", opt=readers | {FOR_SCRIPTS: True})
async def pick_locations(request: Request[Any, Any, Any], read: Connection, q: Typed = "") -> Html:
    """Locations with the text in their path, best first."""
    found = await pickers.find_locations(read, q.strip())
    nothing = _("No location found") if q.strip() and not found else None
    return page(request, "options.html", items=[], locations=found, nothing=nothing)


@get("/pick/persons", opt=readers | {FOR_SCRIPTS: True})
async def pick_persons(request: Request[Any, Any, Any], read: Connection, q: Typed = "") -> Html:
    """Persons to whom things are lent, best first."""
    found = await pickers.find_persons(read, q.strip())
    nothing = _("No person found") if q.strip() and not found else None
    return page(request, "options.html", items=[], locations=found, nothing=nothing)


routes = [pick_items, pick_locations, pick_persons]
