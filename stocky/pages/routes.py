"""The router of all pages: every module of `views` adds its `routes`, and none is in the OpenAPI document."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from litestar import Request

from stocky.auth.guards import admit
from stocky.http.routing import Router
from stocky.pages import views
from stocky.pages.languages import language_of
from stocky.pages.problems import to_response
from stocky.pages.rendering import prepare

_VIEWS = [
    import_module(f"{views.__name__}.{name}") for name in sorted(each.name for each in iter_modules(views.__path__))
]


async def _admit(request: Request[Any, Any, Any]) -> None:
    """The checks on every request; the first page in a language waits here until its templates are loaded."""
    await admit(request)
    await prepare(request, language_of(request))


page_routes = Router(
    "/",
    route_handlers=[handler for view in _VIEWS for handler in view.routes],
    before_request=_admit,
    exception_handlers={Exception: to_response},
    include_in_schema=False,
)
