"""HEAD works wherever GET does: with the same status and headers, and without a body."""

from __future__ import annotations

import pytest
from httpx import AsyncClient
from litestar import Litestar, get
from litestar.di import Provide
from litestar.routes import HTTPRoute

from stocky.http.routing import Router, register
from tests.api.routes import API, Route, address, routes

pytestmark = pytest.mark.usefixtures("one_of_each")

# Different in every response.
OWN = {"x-request-id", "date", "transfer-encoding", "content-length", "etag"}


def _got(app: Litestar) -> list[Route]:
    return [route for route in routes(app) if route.method == "GET" and not route.path.endswith("/stream")]


async def test_every_get_route_supports_head(app: Litestar, admin: AsyncClient, root: AsyncClient) -> None:
    for route in _got(app):
        client = admin if route.path.startswith(API) else root
        got, head = await client.get(address(route)), await client.head(address(route))
        assert head.status_code == got.status_code, route
        assert head.content == b"", route
        assert set(head.headers) - OWN == set(got.headers) - OWN, route
        assert head.headers.get("content-type") == got.headers.get("content-type"), route


async def test_routes_without_get_have_no_head_in_allow(admin: AsyncClient) -> None:
    answer = await admin.head("/scanner/scan")
    assert answer.status_code == 405
    assert "HEAD" not in answer.headers["allow"]
    answer = await admin.delete("/items")
    assert {"GET", "HEAD", "POST"} <= set(answer.headers["allow"].split(", "))
    answer = await admin.request("OPTIONS", "/items/1")
    assert {"GET", "HEAD"} <= set(answer.headers["allow"].split(", "))


async def test_options_shows_the_methods_of_each_path(app: Litestar, root: AsyncClient) -> None:
    declared: dict[str, set[str]] = {}
    for route in routes(app):
        methods = declared.setdefault(route.path, {"OPTIONS"})
        methods.update({"GET", "HEAD"} if route.method == "GET" else {route.method})
    for path, methods in declared.items():
        prefix = API if path.startswith(API) else ""
        answer = await root.request("OPTIONS", prefix + address(Route("OPTIONS", path)))
        assert (answer.status_code, answer.content) == (204, b""), path
        assert answer.headers["allow"] == ", ".join(sorted(methods)), path


def test_paths_share_handlers_of_options(app: Litestar) -> None:
    """Litestar's own handler for each path, with the model of its parameters, cost three MiB."""
    found = [route.route_handler_map["OPTIONS"] for route in app.routes if isinstance(route, HTTPRoute)]
    for part in zip(*found, strict=True):
        assert len({id(each) for each in part}) < len(found) / 5


def test_applications_have_handlers_of_their_own() -> None:
    @get("/{thing_id:int}", sync_to_thread=False)
    def show(thing_id: int, word: str) -> str:
        return f"{thing_id} {word}"

    things = Router(
        "/things", route_handlers=[show], dependencies={"word": Provide(lambda: "one", sync_to_thread=False)}
    )
    first, second = (Litestar([], openapi_config=None) for _ in range(2))
    register(first, things, "/api")
    register(second, things)
    for app, path in ((first, "/api/things/{thing_id}"), (second, "/things/{thing_id}")):
        (route,) = app.routes
        assert isinstance(route, HTTPRoute)
        assert route.path_format == path
        assert all(handler.app is app for handler in route.route_handlers)
