"""`/offline`: what the service worker shows for pages that it does not keep, while Stocky cannot be reached."""

from __future__ import annotations

from typing import Any

from litestar import Request, get

from stocky.auth.guards import readers
from stocky.pages.rendering import Html, page


@get("/offline", opt=readers)
async def show_offline(request: Request[Any, Any, Any]) -> Html:
    """The page; it is kept on the device beforehand."""
    return page(request, "offline.html")


routes = [show_offline]
