"""Messages for invalid values are in plain language: the allowed values, the expected format, and no pattern."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.http.examples import example_of
from stocky.http.openapi_document import complete_document
from stocky.http.validation_messages import PATTERNS
from tests.inventory import Json, made, refused

pytestmark = [pytest.mark.one_database, pytest.mark.usefixtures("one_of_each")]

JSON = "application/json"
# In no enumeration, matching no pattern, and of a valid length for all of them.
WRONG = " \n " * 3


@pytest.fixture
def document(app: Litestar) -> Json:
    return complete_document(app)


def fields(schema: Json, components: Json, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Json]]:
    """Every text of a body with an enumeration or a pattern, with its path."""
    while "$ref" in schema:
        schema = components[schema["$ref"].rpartition("/")[2]]
    if at and ("enum" in schema or "pattern" in schema) and schema["type"] == "string":
        yield at, schema
    for name, each in schema.get("properties", {}).items():
        yield from fields(each, components, (*at, name))
    if "items" in schema:
        yield from fields(schema["items"], components, (*at, 0))
    for each in (*schema.get("anyOf", []), *schema.get("oneOf", [])):
        yield from fields(each, components, at)


def with_wrong(body: Any, at: tuple[Any, ...]) -> Any:
    """The body with `WRONG` at the path."""
    body = copy.deepcopy(body)
    inner = body
    for step, following in pairwise((*at, None)):
        part = WRONG if following is None else [] if isinstance(following, int) else {}
        if isinstance(step, int):
            inner[:] = [inner[0] if inner and following is not None else part]
        elif following is None or not inner.get(step):
            inner[step] = part
        inner = inner[step]
    return body


def message_of(problem: Json) -> str:
    """The message for the one field, checked to contain no Python types and no pattern."""
    (error,) = problem["errors"]
    for inside in ("regex", "\\", "`", "enum", "Expected", "^"):
        assert inside not in problem["detail"], problem
    assert problem["detail"] == f"{error['field']}: {error['message']}"
    message: str = error["message"]
    return message


def choices(message: str) -> set[str]:
    """The values listed in a message."""
    assert message.startswith("must be one of ")
    return set(message.removeprefix("must be one of ").split(", "))


def test_every_pattern_has_a_message(document: Json) -> None:
    patterns = set(_patterns(document))
    # A new `upc` is checked without what its scanner puts around it, so the document has another pattern for it.
    assert patterns | {r"^[\x21-\x7e]+$(?!\n)"} == set(PATTERNS)


async def test_message_lists_allowed_values_of_each_body_field(document: Json, admin: AsyncClient) -> None:
    components = document["components"]["schemas"]
    tried = 0
    for path, method, operation in _operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get(JSON)
        if content is None:
            continue
        for at, schema in fields(content["schema"], components):
            body = with_wrong(example_of(content["schema"], components), at)
            answer = await admin.request(method, _address(path), json=body)
            name = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in at).lstrip(".")
            if name.startswith("events[0]."):
                # The event is refused, not the request.
                field, _, message = answer.json()["results"][0]["reason"].partition(": ")
                assert f"events[0].{field}" == name, answer.text
            else:
                problem = refused(answer, 422)
                assert [error["field"] for error in problem["errors"]] == [name], (method, path)
                message = message_of(problem)
            if "enum" in schema:
                assert choices(message) == set(schema["enum"])
            else:
                assert message == PATTERNS[schema["pattern"]]
            tried += 1
    assert tried > 30


async def test_message_lists_allowed_values_of_a_filter(document: Json, admin: AsyncClient) -> None:
    components = document["components"]["schemas"]
    tried = set()
    for path, method, operation in _operations(document):
        for parameter in operation.get("parameters", []):
            found = [schema for _, schema in fields({"items": parameter["schema"]}, components) if "enum" in schema]
            if method != "GET" or parameter["in"] != "query" or not found:
                continue
            problem = refused(await admin.get(_address(path), params={parameter["name"]: "nothing"}), 422)
            assert choices(message_of(problem)) == set(found[0]["enum"])
            tried.add((path.removeprefix("/api/v1"), parameter["name"]))
    assert tried >= {("/jobs", "status"), ("/logs", "severity"), ("/documents", "kind")}
    assert tried >= {(path, "type") for path in ("/events", "/exports/events.csv")}
    assert tried >= {(path, "storage_type") for path in ("/items", "/locations", "/boxes", "/exports/items.csv")}
    assert "must be item, location, price" in refused(await admin.get("/skus?expand=item,places"), 422)["detail"]
    # In any case; unknown parameters are ignored.
    for path in (
        "/events?type=ADD",
        "/items?storage_type=Pantry",
        "/jobs?status=DONE",
        "/skus?expand=Item,",
        "/items?x=y",
    ):
        assert (await admin.get(path)).status_code == 200, path


ONE_LINE = "must be one line that is not blank, of visible characters"
WORDS = {
    ("POST", "/items", '{"name": 3}'): "name: must be text, got a whole number",
    ("POST", "/items", '{"name": ""}'): "name: must not be empty",
    ("POST", "/items", '{"name": "x", "upc": "1234567"}'): (
        "upc: must have at least 8 characters; barcodes accepts any length"
    ),
    ("PATCH", "/items/1", '{"upc": "1234567"}'): ("upc: must have at least 8 characters; barcodes accepts any length"),
    ("POST", "/items", "{}"): "name: is required",
    ("POST", "/auth/login-json", '{"username": "ada"}'): "password: is required",
    ("PATCH", "/skus/1", '{"unit": " "}'): f"unit: {ONE_LINE}",
    ("PATCH", "/skus/1", '{"unit": "kg\\n"}'): f"unit: {ONE_LINE}",
    ("POST", "/skus", '{"item_id": 1, "location_id": 1, "unit": "k\\u001bg"}'): f"unit: {ONE_LINE}",
    ("POST", "/skus/1/adjust", '{"delta": 1, "unit": "k\\u2028g"}'): f"unit: {ONE_LINE}",
    ("POST", "/skus/1/adjust", '{"delta": 1, "event_id": " "}'): "event_id: must not be blank",
    ("POST", "/shopping-lists/1/items", '{"text": " "}'): "text: must not be blank",
    ("POST", "/projects", '{"name": "x", "items": [{"text": " "}]}'): "items[0].text: must not be blank",
    ("POST", "/api-keys", '{"name": " "}'): "name: must not be blank",
    ("POST", "/items", '{"name": "x", "min_quantity": "many"}'): "min_quantity: must be a number, got text",
    ("POST", "/items", '{"name": "x", "tags": "hot"}'): "tags: must be a list, got text",
    ("PATCH", "/items/1", '{"name": null}'): "name: must be text, got null",
    ("PATCH", "/items/1", "[]"): "must be an object, got a list",
    ("POST", "/scanner/scan", '{"upc": "x", "quantity": -1}'): "quantity: must be at least 0",
    ("POST", "/scanner/scan", '{"upc": "x", "quantity": 2e9}'): "quantity: must be at most 1000000000",
    ("POST", "/scanner/scan", '{"upc": "x", "scanned_at": "now"}'): (
        "scanned_at: must be a time like 2026-01-31T12:00:00Z"
    ),
    ("POST", "/scanner/scan", '{"upc": "x", "scanned_at": "2026-01-31T12:00:00"}'): (
        "scanned_at: must have a time zone, as in 2026-01-31T12:00:00Z"
    ),
    ("POST", "/skus", '{"item_id": 1, "location_id": 1, "expiry_date": "soon"}'): (
        "expiry_date: must be a date like 2026-01-31"
    ),
    ("POST", "/events", '{"events": []}'): "events: must not be empty",
    ("POST", "/backup/import/full", '{"backup_data": "eA==", "forse": true}'): ("has an unknown field, forse"),
    ("GET", "/events?since=99999999999999999999999", ""): (
        "since: must be a time like 2026-01-31T12:00:00Z, from year 1 to 9999"
    ),
    ("POST", "/scanner/scan", r'{"upc": "{\"command\": \"explode\"}"}'): (
        "upc: this is not a command Stocky knows; command: must be one of"
        " set_mode, set_location, set_next_quantity, associate_ui, show_view, undo"
    ),
    ("POST", "/scanner/scan", r'{"upc": "{\"command\": \"set_mode\", \"payload\": {\"mode\": \"fly\"}}"}'): (
        "payload.mode: must be one of add, remove, move, lookup, count"
    ),
    ("GET", "/items?limit=1001", ""): "limit: must be at most 1000",
    ("GET", "/items?is_active=perhaps", ""): "is_active: must be true or false, got text",
}


@pytest.mark.parametrize("call", WORDS, ids=" ".join)
async def test_invalid_value_has_a_plain_message(call: tuple[str, str, str], admin: AsyncClient) -> None:
    method, path, body = call
    answer = await admin.request(method, path, content=body or None, headers={"Content-Type": JSON})
    assert refused(answer, 422)["detail"] == WORDS[call]


async def test_header_is_named_in_message(admin: AsyncClient) -> None:
    problem = refused(await admin.get("/events/stream", headers={"Last-Event-ID": "abc"}), 422)
    assert problem["errors"] == [{"field": "Last-Event-ID", "message": "must be a whole number, got text"}]


@pytest.mark.parametrize("body", [r'{"name": "\ud83d"}', '{"name": "a'])
async def test_truncated_json_has_a_plain_message(body: str, admin: AsyncClient) -> None:
    answer = await admin.post("/items", content=body, headers={"Content-Type": JSON})
    refused(answer, 400, "not valid JSON: it ends too early, or holds half of a character")


async def test_unit_may_contain_any_word(admin: AsyncClient) -> None:
    for unit in ("kg", " fl. oz ", "m²", "個"):
        assert (await admin.patch("/skus/1", json={"unit": unit})).status_code == 200


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def _address(path: str) -> str:
    return re.sub(r"\{\w+\}", "1", path.removeprefix("/api/v1"))


def _patterns(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield node["pattern"]
        node = list(node.values())
    for each in node if isinstance(node, list) else ():
        yield from _patterns(each)


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        ("/items/", "tags", ["transistor"]),
        ("/items/", "seller_link", "https://example.org/bc547"),
        ("/types/", "name", "Semiconductors"),
        ("/users/", "email", "ada@example.org"),
    ],
)
async def test_final_line_break_is_rejected(path: str, field: str, value: Any, admin: AsyncClient) -> None:
    whole = {"name": "x", "username": "ada", "password": "correct horse", "email": "ada@example.org", "role": "member"}
    broken = [f"{each}\n" for each in value] if isinstance(value, list) else f"{value}\n"
    refused(await admin.post(path, json=whole | {field: broken}), 422, field)
    made(await admin.post(path, json=whole | {field: value}))
