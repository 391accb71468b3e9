"""HEAD works wherever GET does: with the same status and headers, and without a body."""

from __future__ import annotations

import pytest
from httpx import AsyncClient
from litestar import Litestar

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
