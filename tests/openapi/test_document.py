"""The OpenAPI document: complete, consistent with the routes, and shown without the internet."""

from __future__ import annotations

import gc
import re
import weakref
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from httpx import ASGITransport, AsyncClient
from litestar import Litestar
from litestar.routes import HTTPRoute

from stocky.http.openapi_document import encode_document
from stocky.http.problems import Problem
from stocky.stock.schemas import NewEvents
from tests.openapi.conftest import Document, Operation


@pytest.fixture
async def page_client(described: Litestar) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(transport=ASGITransport(app=described), base_url="http://stocky.test") as client:
        yield client


def test_order_is_the_same_in_each_process(described: Litestar) -> None:
    document = msgspec.json.decode(encode_document(described, ""))
    for part in (document["paths"], document["components"]["schemas"]):
        assert list(part) == sorted(part)


def _nodes(node: Any) -> Iterator[Document]:
    if isinstance(node, dict):
        yield node
        for each in node.values():
            yield from _nodes(each)
    elif isinstance(node, list):
        for each in node:
            yield from _nodes(each)


def _resolve(document: Document, node: Document) -> Document:
    while "$ref" in node:
        for part in node["$ref"].removeprefix("#/").split("/"):
            document = document[part]
        node = document
    return node


def test_every_api_route_is_in_the_document(described: Litestar, operations: list[Operation]) -> None:
    in_document = {(method, path) for method, path, _ in operations}
    routes = {
        (method, route.path_format)
        for route in described.routes
        if isinstance(route, HTTPRoute)
        for method in route.route_handler_map
        if method != "OPTIONS" and route.path_format.startswith(("/api", "/health", "/metrics", "/openapi.json"))
    }
    assert routes - in_document == {("GET", "/openapi.json"), ("GET", "/api/v1/openapi.json")}
    assert len(in_document) > 60


def test_document_is_complete_openapi_3_1(document: Document, operations: list[Operation]) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "Stocky"
    assert set(document["components"]["securitySchemes"]) == {"bearer", "api_key"}
    for node in _nodes(document):
        if isinstance(node.get("$ref"), str):
            assert _resolve(document, node)
    tags = {tag["name"] for tag in document["tags"]}
    for method, path, operation in operations:
        assert operation["summary"], (method, path)
        assert set(operation["tags"]) <= tags, (method, path)
        named = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path)), (method, path)


def test_every_error_is_a_problem_and_503_has_retry_after(document: Document, operations: list[Operation]) -> None:
    for method, path, operation in operations:
        for status, response in operation["responses"].items():
            if int(status) < 400:
                continue
            response = _resolve(document, response)
            content = response["content"]["application/problem+json"]
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}, (method, path, status)
            assert msgspec.convert(content["example"], Problem).status == int(status)
            assert ("Retry-After" in response.get("headers", {})) == (status in ("429", "503")), (method, path, status)


def test_every_operation_lists_its_derived_statuses(operations: list[Operation]) -> None:
    for method, path, operation in operations:
        expected = {"422", "500"}
        if "security" in operation:
            expected |= {"401", "403", "503"}
        if method != "GET" and operation["operationId"] not in ("lookup", "print_command"):
            expected |= {"503", "507"} | ({"409"} if "security" in operation else set())
        if "requestBody" in operation:
            expected |= {"400", "413", "415"}
        assert expected - operation["responses"].keys() == set(), (method, path)
        assert any(status.startswith("2") for status in operation["responses"]), (method, path)


def test_reads_describe_the_headers_of_their_responses(document: Document) -> None:
    def headers(path: str) -> set[str]:
        return set(document["paths"][f"/api/v1{path}"]["get"]["responses"]["200"].get("headers", {}))

    assert headers("/items") == headers("/shopping-lists") == {"ETag", "Link", "X-Total-Count"}
    assert headers("/items/{item_id}") == headers("/events") == {"ETag"}
    assert headers("/items/{item_id}/qr") == set()


def test_guarded_route_names_its_roles(document: Document) -> None:
    refusals = {
        path: document["paths"][path][method]["responses"]["403"]["description"]
        for path, method in (("/api/v1/logs", "get"), ("/api/v1/items", "post"), ("/api/v1/items", "get"))
    }
    assert refusals["/api/v1/logs"] == "Access denied: this requires the role admin"
    assert "security" not in document["paths"]["/health/ready"]["get"]


def test_password_routes_document_throttling(document: Document) -> None:
    for name in ("login", "login-json", "change-password"):
        described = document["paths"][f"/api/v1/auth/{name}"]["post"]["responses"]["429"]["description"]
        assert "within 5 minutes: 10 for the username, or 50 from the address" in described


def test_examples_match_their_schemas(document: Document, operations: list[Operation]) -> None:
    bodies = [
        (path, content)
        for _, path, operation in operations
        if "requestBody" in operation
        for content in operation["requestBody"]["content"].values()
    ]
    assert all(content["example"] for _, content in bodies)
    events = document["paths"]["/api/v1/events"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert msgspec.convert(events, NewEvents).events[0].item.upc
    item = document["components"]["schemas"]["NewItem"]
    assert item["description"]
    assert item["properties"]["min_quantity"]["anyOf"][0]["minimum"] == 0


BODIES = {"broken": b"{", "another type": b"[1]", "empty": b"", "too large": b" " * (5 * 1024 * 1024)}


@pytest.mark.one_database
@pytest.mark.parametrize("body", BODIES)
async def test_responses_to_invalid_requests_are_documented(
    body: str, operations: list[Operation], root: AsyncClient, admin: AsyncClient, reader: AsyncClient
) -> None:
    undescribed = set()
    for method, path, operation in operations:
        if path.endswith("/stream"):
            continue
        url = "http://stocky.test" + re.sub(r"{\w+}", "987654", path)
        for client in (root, reader, admin):
            answer = await client.request(
                method, url, content=BODIES[body], headers={"Content-Type": "application/json", "If-Match": "x"}
            )
            if str(answer.status_code) not in operation["responses"]:
                undescribed.add((method, path, answer.status_code, answer.text[:200]))
            assert answer.status_code < 500, (method, path, answer.text)
    assert undescribed == set()


class _Loaded(HTMLParser):
    """What a page loads, and whether it has inline scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.inline_scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "script" and not given.get("src"):
            self.inline_scripts += 1
        if url := given.get("src") or (tag == "link" and given.get("href")):
            self.urls.append(str(url))


async def test_docs_page_loads_everything_from_stocky(page_client: AsyncClient) -> None:
    page = await page_client.get("/docs")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    loaded = _Loaded()
    loaded.feed(page.text)
    assert loaded.inline_scripts == 0
    assert len(loaded.urls) == 4
    for url in loaded.urls:
        assert url.startswith("/docs/assets/")
        asset = await page_client.get(url)
        assert asset.status_code == 200
        assert len(asset.content) > 50
    script = (await page_client.get("/docs/assets/swagger-ui-bundle.js")).text
    assert "SwaggerUIBundle" in script
    assert (await page_client.get("/docs/assets/..%2f..%2fconfig.py")).status_code == 404


async def test_document_is_served_at_usual_addresses(page_client: AsyncClient) -> None:
    paths = ("/openapi.json", "/api/v1/openapi.json", "/schema/openapi.json")
    texts = [(await page_client.get(path)).json() for path in paths]
    assert texts[0] == texts[1] == texts[2]
    assert texts[0]["components"]["responses"]


def test_document_leaves_none_of_its_parts_in_memory(described: Litestar) -> None:
    """Of Litestar's 6 MiB, which nothing needs again."""
    part = weakref.ref(next(iter((described.openapi_schema.paths or {}).values())))
    encode_document(described, "/base")
    gc.collect()
    assert part() is None
