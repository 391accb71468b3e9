"""The home page, and the rest of the navigation on phones."""

from __future__ import annotations

from typing import Any

from litestar import Request, get

from stocky.auth.guards import readers
from stocky.pages.rendering import Html, page


@get("/", opt=readers)
async def show_home(request: Request[Any, Any, Any]) -> Html:
    """The first page after signing in."""
    return page(request, "home.html")


@get("/more", opt=readers)
async def show_more(request: Request[Any, Any, Any]) -> Html:
    """All links of the navigation, for phones."""
    return page(request, "more.html")


routes = [show_home, show_more]
