"""`/offline`: the page that the service worker shows in place of one it has not stored, while Stocky is unreachable."""

from __future__ import annotations

from typing import Any

from litestar import Request, get

from stocky.auth.guards import readers
from stocky.pages.rendering import Html, page


@get("/offline", opt=readers)
async def show_offline(request: Request[Any, Any, Any]) -> Html:
    """The page; the service worker stores it in advance."""
    return page(request, "offline.html")


routes = [show_offline]
