"""The answers of pickers, for scripts only: items and locations that contain what was typed."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get
from litestar.params import Parameter

from stocky.auth.guards import readers
from stocky.db import Connection
from stocky.pages import pickers
from stocky.pages.problems import FOR_SCRIPTS
from stocky.pages.rendering import Html, page

Typed = Annotated[str, Parameter(query="q", max_length=200, required=False)]


@get("/pick/items", opt=readers | {FOR_SCRIPTS: True})
async def pick_items(request: Request[Any, Any, Any], read: Connection, q: Typed = "") -> Html:
    """Items, best first."""
    return page(request, "options.html", items=await read.run(pickers.find_items, q.strip()), locations=[])


@get("/pick/locations", opt=readers | {FOR_SCRIPTS: True})
async def pick_locations(request: Request[Any, Any, Any], read: Connection, q: Typed = "") -> Html:
    """Locations by name."""
    return page(request, "options.html", items=[], locations=await pickers.find_locations(read, q.strip()))


routes = [pick_items, pick_locations]
