"""Invalid requests to every route: a helpful error without internals, and no change of the data."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from httpx import AsyncClient, Response
from litestar import Litestar

from stocky.config import Config
from tests.api.routes import API, BODIES, Route, address, api_routes
from tests.architecture import schema
from tests.inventory import PROBLEM

JSON = {"Content-Type": "application/json"}
LARGE_ID = 9_999_999_999_999_999_999
INSIDES = ("traceback", "msgspec", "litestar", "sqlite", "asyncpg", "struct", "object at 0x", "exception")

# Documents that no route accepts.
NO_DOCUMENTS = {
    "broken": b'{"name": ',
    "bare words": b"hello",
    "an array": b"[]",
    "a string": b'"text"',
    "a number": b"7",
    "true": b"true",
    "no UTF-8": b'{"name": "\xff\xfe"}',
    "two documents": b"{}{}",
    "a comma too many": b'{"name": "x",}',
    "NaN": b'{"quantity": NaN}',
    "deep arrays": b"[" * 100_000,
    "deep objects": b'{"a":' * 50_000,
    "deep and whole": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    "NUL itself": b'{"name": "a\x00b"}',
    "XML": b"<name>x</name>",
}
# Invalid as text and as number, as JSON.
NO_TEXT = [r'"a\u0000b"', r'"\ud800"', r'"\udc00x"', '"' + "x" * 5000 + '"', '{"a": 1}', "[1]", "7", "true"]
NO_NUMBER = ["-1", "1e400", "-1e400", "1e15", str(LARGE_ID), "1" * 40, '"many"', "{}", "[1]", "NaN", "Infinity"]
# Read in one place for all lists.
PAGING = frozenset({"limit", "skip", "page", "size"})
# Of a command to print any payload is taken; `delta` may be negative.
FREE = {("payload", "mode"), ("delta",)}

pytestmark = pytest.mark.usefixtures("one_of_each")


@pytest.fixture(autouse=True)
async def nothing_changes(one_of_each: None, config: Config) -> AsyncIterator[None]:
    """Checks that the test changes no table."""
    before = contents(config)
    yield
    assert contents(config) == before


def contents(config: Config) -> dict[str, Any]:
    # Using a key changes its time of last use, and a refused job is recorded.
    return {table: rows for table, rows in schema.contents(config).items() if table not in ("api_key", "job")}


def writing(app: Litestar) -> list[tuple[Route, Any]]:
    """Routes with a JSON body, each with a valid one."""
    known = {str(route): route for route in api_routes(app)}
    return [(known[name], body) for name, body in BODIES.items()]


def writing_one(app: Litestar) -> list[tuple[Route, Any]]:
    """Those that refuse the whole body for one leaf; `POST /events` refuses the event (test_events)."""
    return [(route, body) for route, body in writing(app) if str(route) != "POST /events"]


def check_refusal(answer: Response, what: object, *statuses: int) -> None:
    """Checks for problem details with a message for people and no internals."""
    assert 400 <= answer.status_code < 500, (what, answer.status_code, answer.text)
    assert not statuses or answer.status_code in statuses, (what, answer.status_code, answer.text)
    assert answer.headers["content-type"] == PROBLEM, what
    assert answer.headers["x-request-id"], what
    problem = answer.json()
    assert problem["status"] == answer.status_code, what
    assert len(problem["detail"]) > 10, (what, problem)
    assert not any(inside in answer.text.lower() for inside in INSIDES), (what, problem)
    if answer.status_code == 422:
        assert problem["errors"], (what, problem)
        for error in problem["errors"]:
            assert set(error) == {"field", "message"}, (what, problem)
            assert error["message"], (what, problem)


def leaves(body: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every text and number of a body, with its path."""
    if isinstance(body, dict | list):
        for key, value in body.items() if isinstance(body, dict) else enumerate(body):
            yield from leaves(value, (*at, key))
    else:
        yield at, body


def with_leaf(body: Any, at: tuple[Any, ...], token: str) -> bytes:
    """The body as JSON with one leaf replaced by a raw token."""
    changed = copy.deepcopy(body)
    inner = changed
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = "@@"
    return json.dumps(changed).replace('"@@"', token).encode()


def test_every_route_with_a_body_is_covered(app: Litestar) -> None:
    taking = {
        str(route) for route, handler in api_routes(app).items() if "data" in handler.parsed_fn_signature.parameters
    }
    # Forms are not JSON: signing in by form has separate tests.
    assert taking - {"POST /auth/login"} == set(BODIES)


async def test_body_of_wrong_type_is_rejected(app: Litestar, admin: AsyncClient) -> None:
    for route, body in writing(app):
        wrong = dict(NO_DOCUMENTS)
        if body is not None:
            wrong |= {"nothing": b"", "null": b"null", "an empty object": b"{}"}
        if route.method in ("PUT", "PATCH"):
            # An empty change is valid.
            wrong.pop("an empty object", None)
            wrong.pop("deep and whole")
        elif body is None:
            wrong.pop("deep and whole")
        for name, content in wrong.items():
            if name == "NaN" and body is None:
                continue
            answer = await admin.request(route.method, address(route), content=content, headers=JSON)
            check_refusal(answer, (str(route), name))


async def test_invalid_text_or_number_is_rejected(app: Litestar, admin: AsyncClient) -> None:
    for route, body in writing_one(app):
        for at, value in leaves(body or {}):
            tokens = NO_TEXT if isinstance(value, str) else NO_NUMBER
            if str(at[-1]).endswith(("id", "into")) and not isinstance(value, str):
                # Large, but valid.
                tokens = [token for token in tokens if token != "1e15"]
            if str(route) == "POST /scanner/associate":
                # A text is a username there.
                tokens = [token for token in tokens if token != '"many"']
            if at in FREE:
                tokens = NO_TEXT[:3] if isinstance(value, str) else NO_NUMBER[1:]
            for token in tokens:
                content = with_leaf(body, at, token)
                answer = await admin.request(route.method, address(route), content=content, headers=JSON)
                check_refusal(answer, (str(route), at, token[:40]), 400, 422)


async def test_fourth_decimal_is_rejected(app: Litestar, admin: AsyncClient) -> None:
    tried = 0
    for route, body in writing_one(app):
        for at, _ in leaves(body or {}):
            if at[-1] in ("quantity", "delta"):
                tried += 1
                content = with_leaf(body, at, "1.0001")
                answer = await admin.request(route.method, address(route), content=content, headers=JSON)
                check_refusal(answer, (str(route), at), 422)
                assert "decimals" in answer.json()["detail"]
    assert tried >= 6


async def test_number_with_more_digits_than_a_double_is_rejected(app: Litestar, admin: AsyncClient) -> None:
    tried = 0
    for route, body in writing_one(app):
        for at, value in leaves(body or {}):
            if isinstance(value, str) or at[-1] not in ("quantity", "delta", "pack_quantity", "min_quantity"):
                continue
            for literal in ("1.00012345678901234567", "2.00050000000000000001", "1e400", "1e99999999999999999999"):
                tried += 1
                content = with_leaf(body, at, literal)
                answer = await admin.request(route.method, address(route), content=content, headers=JSON)
                check_refusal(answer, (str(route), at, literal), 422)
                assert literal[:4] in answer.json()["detail"]
                assert "three decimals" in answer.json()["detail"]
    assert tried >= 20


async def test_nul_is_rejected_at_any_depth(app: Litestar, admin: AsyncClient) -> None:
    hiding = {"unknown": [{"deep": {"er": ["a\0b"]}}], "a\0b": 1}
    for route, body in writing(app):
        answer = await admin.request(route.method, address(route), json={**(body or {}), **hiding})
        check_refusal(answer, str(route), 422)
        assert "NUL" in answer.json()["detail"]
    command = json.dumps({"command": "show_view", "payload": {"view": "a\0b"}})
    answer = await admin.post("/scanner/scan", json={"upc": command, "scanner_id": "s1"})
    check_refusal(answer, "a NUL in a command in a scan", 422)


async def test_body_of_ten_megabytes_is_rejected(app: Litestar, admin: AsyncClient) -> None:
    large = json.dumps({"name": "x" * 10_000_000}).encode()

    async def in_pieces() -> AsyncIterator[bytes]:
        for begin in range(0, len(large), 1_000_000):
            yield large[begin : begin + 1_000_000]

    for route, _ in writing(app):
        if "/backup/import/" in route.path:
            # Dumps may be larger, and have a separate test.
            continue
        check_refusal(await admin.request(route.method, address(route), content=large, headers=JSON), str(route), 413)
        answer = await admin.request(route.method, address(route), content=in_pieces(), headers=JSON)
        check_refusal(answer, (str(route), "in pieces"), 413)
    assert "4 MiB" in answer.json()["detail"]


async def test_truncated_json_is_reported(scanner: AsyncClient) -> None:
    answer = await scanner.post("/scanner/scan", content=b'{"upc":', headers=JSON)
    assert answer.json()["detail"].startswith("The body is not valid JSON")


async def test_more_than_a_thousand_events_are_rejected(admin: AsyncClient) -> None:
    event = {"type": "add", "item": {"id": 1}, "location": {"id": 1}, "quantity": 1}
    answer = await admin.post("/events", json={"events": [event] * 1001})
    check_refusal(answer, "1,001 events", 422)
    assert "1000" in answer.json()["detail"]


async def test_unknown_ids_are_404_and_invalid_ids_422(app: Litestar, admin: AsyncClient) -> None:
    # Lists filtered by an unknown id return 404, not an empty list.
    for route in api_routes(app):
        if ":int}" not in route.path:
            continue
        body = BODIES.get(str(route))
        for id in (999, LARGE_ID, "1" * 5000, -1, 0, "1.5", "1e3", "one", "%00", "1%00", "%F0%9F%8D%95", "%ff"):
            answer = await admin.request(route.method, address(route, id), json=body)
            check_refusal(answer, (str(route), id), 404, 405, 422)
            if id == 999:
                assert answer.status_code == 404, (str(route), answer.text)
                assert "999" in answer.json()["detail"], (str(route), answer.text)


async def test_unknown_ids_in_bodies_are_not_found(admin: AsyncClient) -> None:
    for path, body in (
        ("/skus/", {"item_id": 999, "location_id": 1, "quantity": 1}),
        ("/skus/", {"item_id": 1, "location_id": 999, "quantity": 1}),
        ("/alerts/", {"alert_type": "other", "message": "x", "sku_id": 999}),
        ("/scanner/associate", {"scanner_id": "s1", "user_id": 999}),
    ):
        answer = await admin.post(path, json=body)
        check_refusal(answer, (path, body), 404)
        assert "999" in answer.json()["detail"]
    check_refusal(await admin.put("/scanner/s1/state", json={"location_id": 999}), "state", 404)


async def test_path_text_may_be_anything_but_nul(app: Litestar, admin: AsyncClient) -> None:
    for route in api_routes(app):
        if not route.path.startswith(API) or ":str}" not in route.path:
            continue
        if route.method == "GET":
            for text in ("%F0%9F%8D%95", "%ff%fe", "%25", "..", "a" * 128, "'; DROP TABLE item; --", "%ED%A0%80"):
                answer = await admin.request(route.method, address(route, text=text), json=BODIES.get(str(route)))
                assert answer.status_code < 500, (str(route), text, answer.text)
        for text in ("%00", "a%00b", "x" * 5000):
            answer = await admin.request(route.method, address(route, text=text), json=BODIES.get(str(route)))
            check_refusal(answer, (str(route), text[:40]), 404, 422)


async def test_no_query_string_causes_500(app: Litestar, admin: AsyncClient) -> None:
    paths: dict[str, Any] = app.openapi_schema.to_schema()["paths"]
    once = set(PAGING)
    for route in api_routes(app):
        if route.method != "GET" or not route.path.startswith(API) or "stream" in route.path:
            continue
        path = address(route)
        documented = paths.get(re.sub(r":\w+}", "}", route.path), {}).get("get", {}).get("parameters", [])
        names = {each["name"] for each in documented if each["in"] == "query"}
        for name in (names - PAGING) | (names & once):
            for value in ("%00", "a%00b"):
                check_refusal(await admin.get(f"{path}?{name}={value}"), (path, name, value), 422)
            for value in (
                LARGE_ID,
                "1" * 40,
                "1e400",
                "-1",
                "",
                "NaN",
                "%ff",
                "%ED%A0%80",
                "x" * 5000,
                "9" * 5000,
                "%",
                "[]",
                "9999-99-99",
            ):
                answer = await admin.get(f"{path}?q=coffee&{name}={value}")
                if answer.status_code != 200:
                    check_refusal(answer, (path, name, value))
            # The ends of the calendar, where a time zone or two days more leave it.
            for value in ("0001-01-01", "9999-12-31", "0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"):
                answer = await admin.get(f"{path}?{name}={value}")
                assert answer.status_code < 500, (path, name, value, answer.text)
        once -= names
        for query in ("q=%00", "q=x&q=y", "limit=1&limit=2", "=", "q"):
            answer = await admin.get(f"{path}?{query}")
            if answer.status_code != 200:
                check_refusal(answer, (path, query))
    assert not once


@pytest.mark.parametrize("path", ["/items/", "/search?q=tea", "/exports/items.csv", "/health"])
async def test_long_query_string_causes_no_500(admin: AsyncClient, path: str) -> None:
    for query in ("&" * 1000, "a=1&" * 10_000):
        answer = await admin.get(f"{path}{'&' if '?' in path else '?'}{query}")
        if answer.status_code != 200:
            check_refusal(answer, (path, query[:40]))


async def test_unsupported_content_type_is_rejected(app: Litestar, admin: AsyncClient) -> None:
    for route, body in writing(app):
        if body is None:
            continue
        for kind in ("text/plain", "application/xml", "multipart/form-data; boundary=x", "application/msgpack"):
            headers = {"Content-Type": kind}
            for content in (b"name=x", json.dumps(body).encode()):
                answer = await admin.request(route.method, address(route), content=content, headers=headers)
                check_refusal(answer, (str(route), kind), 415)
                assert "application/json" in answer.json()["detail"]


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/hal+json", None])
async def test_every_json_content_type_is_accepted(kind: str | None, admin: AsyncClient) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    answer = await admin.post("/scanner/scan", content=b'{"upc": " "}', headers=headers)
    check_refusal(answer, kind, 422)
    answer = await admin.post("/auth/logout", headers={"Content-Type": "text/plain"})
    assert answer.status_code != 415, "where nothing is sent, nothing is of the wrong kind"


async def test_last_value_of_duplicate_field_counts(app: Litestar, admin: AsyncClient) -> None:
    for route, body in writing(app):
        for name in body or {}:
            content = f'{json.dumps(body)[:-1]}, "{name}": {{"not": "this"}}}}'.encode()
            answer = await admin.request(route.method, address(route), content=content, headers=JSON)
            if (str(route), name) != ("POST /scanner/qr/command", "payload"):
                check_refusal(answer, (str(route), name), 422)


async def test_unknown_route_returns_problem_details(admin: AsyncClient, root: AsyncClient) -> None:
    check_refusal(await admin.get("/nothing"), "unknown", 404)
    check_refusal(await root.get("/nothing/here"), "unknown", 404)
    check_refusal(await root.get("/a%00b"), "NUL", 404, 422)
    check_refusal(await admin.delete("/items"), "method", 405)
    check_refusal(await admin.post("/items/1"), "method", 405)
