"""Applications have routes of their own, which take little memory."""

from __future__ import annotations

import pytest
from litestar import Litestar, get
from litestar.di import Provide
from litestar.routes import HTTPRoute

from stocky.http.routing import Application, Router, register
from tests.api.routes import routes

pytestmark = pytest.mark.one_database


def test_paths_share_handlers_of_options(app: Litestar) -> None:
    """Litestar's own handler for each path, with the model of its parameters, cost three MiB."""
    found = [route.route_handler_map["OPTIONS"] for route in app.routes if isinstance(route, HTTPRoute)]
    for part in zip(*found, strict=True):
        assert len({id(each) for each in part}) < len(found) / 5


def test_handlers_share_what_litestar_knows_of_their_parameters(app: Litestar) -> None:
    """Half a KiB for each, which is 1.3 MiB."""
    handlers = set(routes(app).values())
    fields = [each for handler in handlers for each in handler.parsed_fn_signature.parameters.values()]
    assert len({id(each) for each in fields}) < len(fields) / 2


def test_applications_have_handlers_of_their_own() -> None:
    @get("/{thing_id:int}", sync_to_thread=False)
    def show(thing_id: int, word: str) -> str:
        return f"{thing_id} {word}"

    things = Router(
        "/things", route_handlers=[show], dependencies={"word": Provide(lambda: "one", sync_to_thread=False)}
    )
    first, second = (Application([], openapi_config=None, logging_config=None) for _ in range(2))
    register(first, things, "/api")
    register(second, things)
    for app, path in ((first, "/api/things/{thing_id}"), (second, "/things/{thing_id}")):
        (route,) = app.routes
        assert isinstance(route, HTTPRoute)
        assert route.path_format == path
        assert all(handler.app is app for handler in route.route_handlers)
