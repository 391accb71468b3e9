"""Scans by the fast path and by the handler: the same bytes give the same answer, and nothing is recorded twice.

The fast path takes a body of one piece only, so the same request with its body in two pieces is one for the handler.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from httpx import ASGITransport, AsyncClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from litestar import Litestar

from stocky import clock
from stocky.app import attach, make_routes
from stocky.auth.schemas import Principal
from stocky.config import load
from stocky.errors import Conflict
from stocky.scanner import fast_path
from stocky.scanner.schemas import Scan, ScanAnswer
from stocky.services import Services
from stocky.stock.recorder import Recorder
from tests.conftest import TestDatabases, started
from tests.conftest import settings as environment
from tests.inventory import get, new_item, new_location, total
from tests.stock.stockroom import objects_of

MOMENT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
PATH = "/api/v1/scanner/scan"
# Given by chance: the codes of new items, and the ids of batches.
BY_CHANCE = re.compile(rb'("code":|"batch_id":)"\w+"')
JSON = (b"content-type", b"application/json")

Header = tuple[bytes, bytes]


class Sent(NamedTuple):
    """A request. The key is named by its user, since two databases have different ones."""

    body: bytes
    headers: tuple[Header, ...] = (JSON,)
    user: str = "scanner"
    query: bytes = b""


class Answer(NamedTuple):
    status: int
    headers: list[Header]
    body: bytes


async def send(
    app: Litestar, sent: Sent, key: str | None, *, pieces: int, on_receive: Callable[[Any], object] = bool
) -> Answer:
    """Sends a request to the application as a server would; the body comes in so many pieces.

    `on_receive` is called with the scope when the application asks for the body.
    """
    middle = len(sent.body) // 2
    parts = [sent.body] if pieces == 1 else [sent.body[:middle], sent.body[middle:]]
    messages = [
        {"type": "http.request", "body": part, "more_body": index + 1 < pieces} for index, part in enumerate(parts)
    ]
    answers: list[Any] = []

    async def receive() -> Any:
        on_receive(scope)
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def take(message: Any) -> None:
        answers.append(message)

    headers = list(sent.headers)
    if not any(name == b"host" for name, _ in headers):
        headers.insert(0, (b"host", b"stocky.test"))
    if not any(name == b"content-length" for name, _ in headers):
        headers.append((b"content-length", b"%d" % len(sent.body)))
    if key is not None:
        headers.append((b"x-api-key", key.encode()))
    scope: Any = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": PATH, "raw_path": PATH.encode(), "query_string": sent.query, "root_path": "", "headers": headers,
        "client": ("127.0.0.1", 1234), "server": ("127.0.0.1", 8000), "state": {}, "extensions": {},
    }  # fmt: skip
    await app(scope, receive, take)
    start, *rest = answers
    return Answer(start["status"], start["headers"], b"".join(each["body"] for each in rest))


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[Scan]:
    """The scans that the fast path answered."""
    scans: list[Scan] = []
    answer = fast_path.scan_barcode

    async def counted(recorder: Recorder, scan: Scan, by: Principal) -> ScanAnswer:
        scans.append(scan)
        return await answer(recorder, scan, by)

    monkeypatch.setattr(fast_path, "scan_barcode", counted)
    return scans


# ---- the same answers ------------------------------------------------------------------------------------------------

_codes = st.sampled_from(
    [
        "4006381333931", "04006381333931", "B-1", "unknown", " ", "", "0112345", "(01)0400638133393", "4006381333931\r",
        "]E04006381333931", "0104006381333931~10X", "01040063813339310912", '{"stockitem": 2}', "{", '{"command"',
        "x" * 501, '{"command": "undo"}', ']Q1{"command":"set_mode","payload":{"mode":"remove"}}', "\ufeff",
        "4006381333932", "[)>\x1e06\x1d1PBC547B\x1dP4006381333931\x1dQ7\x1e\x04", "{pbn:PICK1,pc:C1,pm:BC547B,qty:2}",
    ]
)  # fmt: skip
_ids = st.sampled_from(["e1", "e2", "e3", "e4", "", "x" * 200, "é", "\x00"])
_numbers = st.sampled_from([0, 1, 2.5, 0.001, 0.0001, -1, 1e400, 10**18, 12345678901234567, True, "2"])
_fields = {
    "scanner_id": st.sampled_from(["s1", "s2", "s 3", " s4", "", None, 7]),
    "location_hint": st.sampled_from(["Shelf", "Nowhere", "1", 1, 0, "", None, [], "x" * 201]),
    "quantity": st.one_of(_numbers, st.none(), st.floats(allow_nan=False, allow_infinity=False)),
    "event_id": st.one_of(_ids, st.none()),
    "scanned_at": st.sampled_from(
        ["2026-05-04T01:00:00Z", "2026-05-04T01:00:00+02:00", "2026-05-04", "2999-01-01T00:00:00Z", 5]
    ),
    "unit": st.sampled_from(["piece", "kg", "", "no unit", None]),
    "another": st.just(1),
}
_objects = st.fixed_dictionaries({"upc": _codes}, optional=_fields)


def _encoded(value: object, *, spaced: bool, escaped: bool) -> bytes:
    return json.dumps(value, indent=1 if spaced else None, ensure_ascii=escaped).encode()


_bodies = st.one_of(
    st.builds(_encoded, _objects, spaced=st.booleans(), escaped=st.booleans()),
    st.sampled_from(
        [
            b"", b"null", b"[]", b'"text"', b"{", b'{"upc":"a","upc":"4006381333931"}', b'{"upc":"a\\u0000b"}',
            b'{"upc":"a\\\\u0000b"}', b'{"upc":"\xff"}', b'{"upc":"4006381333931","quantity":1.0000000000000001}',
            b'{"upc":"4006381333931","quantity":1e-400}', b'{"upc":"\\ud83d"}', b"\xef\xbb\xbf{}", b"[" * 3000,
            b'{"upc":"{\\"command\\":\\"set_mode\\",\\"payload\\":{\\"mode\\":\\"remove\\"}}","scanner_id":"s1"}',
            b'{"upc":"' + b"4" * 9_000 + b'"}', b'{"upc":"4006381333931"}' + b" " * 9_000,
        ]
    ),
)  # fmt: skip
_kinds = st.sampled_from(
    [
        (JSON,), (JSON, JSON), (), ((b"content-type", b"application/json; charset=utf-8"),),
        ((b"content-type", b"Application/JSON"),), ((b"content-type", b"text/plain"),),
        ((b"content-type", b"application/x-www-form-urlencoded"),), ((b"content-type", b""),),
    ]
)  # fmt: skip
_others = st.lists(
    st.sampled_from(
        [
            (b"origin", b"https://elsewhere.test"), (b"accept", b"text/html"), (b"accept-encoding", b"gzip"),
            (b"content-encoding", b"gzip"), (b"x-request-id", b"from-a-proxy"), (b"x-request-id", b"\xff"),
            (b"expect", b"100-continue"), (b"authorization", b"Bearer nothing"), (b"cookie", b"a=b"),
            (b"content-length", b"5"), (b"content-length", b"many"), (b"x-api-key", b"stocky_wrong"),
            (b"if-match", b"1"), (b"transfer-encoding", b"chunked"), (b"range", b"bytes=0-1"),
            (b"host", b"a/b"), (b"host", b"[::1]:8000"),
        ]
    ),
    max_size=2,
)  # fmt: skip
_scans = st.fixed_dictionaries(
    {"upc": st.sampled_from(["4006381333931", "04006381333931", "B-1"]), "scanner_id": st.sampled_from(["s1", "s2"])},
    optional={"quantity": st.integers(0, 9), "event_id": st.integers(0, 30).map(str)},
)
_common = st.builds(lambda scan, spaced: Sent(_encoded(scan, spaced=spaced, escaped=True)), _scans, st.booleans())
_odd = st.builds(
    lambda body, kind, others, user, query: Sent(body, (*kind, *others), user, query),
    _bodies,
    _kinds,
    _others,
    st.sampled_from(["scanner", "admin", "member", "reader", "nobody", "wrong"]),
    st.sampled_from([b"", b"a=b", b"a=%00"]),
)
_GOOD = Sent(b'{"upc":"4006381333931","scanner_id":"s1","quantity":2,"event_id":"e1"}')


class _Stocky:
    """One application with an item, two locations and two scanners, and its users' keys."""

    def __init__(self, app: Litestar, keys: dict[str, str], *, pieces: int) -> None:
        self._app = app
        self._keys = {**keys, "wrong": f"stocky_{'a' * 40}"}
        self._pieces = pieces

    async def answer(self, sent: Sent) -> Answer:
        status, headers, body = await send(self._app, sent, self._keys.get(sent.user), pieces=self._pieces)
        shown = [(name, b"" if name == b"x-request-id" and value.isalnum() else value) for name, value in headers]
        body = re.sub(rb'"request_id":"[0-9a-f]{16}"', b"", body)
        return Answer(status, shown, BY_CHANCE.sub(rb"\1", body))


@asynccontextmanager
async def _started(url: str, directory: Path, keys: dict[str, str], pieces: int) -> AsyncIterator[_Stocky]:
    config = load(environment(url, directory))
    async with started(attach(make_routes(), Services(config))) as app:
        await _furnish(app, keys["admin"])
        yield _Stocky(app, keys, pieces=pieces)


async def _furnish(app: Litestar, key: str) -> None:
    transport, headers = ASGITransport(app=app), {"X-API-Key": key}
    async with AsyncClient(transport=transport, base_url="http://stocky.test/api/v1", headers=headers) as admin:
        shelf = await new_location(admin, "Shelf")
        await new_location(admin, "Box")
        await new_item(admin, "Pencil", upc="4006381333931")
        await new_item(admin, "Bolt", barcodes=[{"barcode": "B-1"}])
        for scanner, mode in (("s1", "add"), ("s2", "remove")):
            await admin.put(f"/scanner/{scanner}/state", json={"mode": mode, "location_id": shelf["id"]})


@pytest.fixture
def both(
    dialect: str, databases: TestDatabases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[asyncio.Runner, _Stocky, _Stocky]]:
    """Two applications with equal databases: the first gets bodies of one piece, the second of two."""
    monkeypatch.setattr(clock, "now", lambda: MOMENT)
    with ExitStack() as stack:
        places = []
        for pieces in (1, 2):
            directory = tmp_path / str(pieces)
            directory.mkdir()
            places.append((stack.enter_context(databases.copy(dialect, directory)), directory, pieces))
        runner = stack.enter_context(asyncio.Runner())
        stockies = []
        for url, directory, pieces in places:
            manager = _started(url, directory, databases.keys[dialect], pieces)
            stockies.append(runner.run(manager.__aenter__()))
            stack.callback(lambda manager=manager: runner.run(manager.__aexit__(None, None, None)))
        yield runner, stockies[0], stockies[1]


def test_same_bytes_give_the_same_answer_by_both_ways(
    both: tuple[asyncio.Runner, _Stocky, _Stocky], taken: list[Scan]
) -> None:
    runner, fast, slow = both

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.one_of(_common, _odd))
    @example(_GOOD)
    @example(_GOOD._replace(headers=(JSON, (b"host", b"a/b"))))
    @example(_GOOD._replace(body=_GOOD.body.replace(b"2", b"3", 1)))
    def compare(sent: Sent) -> None:
        assert runner.run(fast.answer(sent)) == runner.run(slow.answer(sent))

    compare()
    assert len(taken) > 20
    by_fast_path = len(taken)
    runner.run(fast.answer(_GOOD))
    assert len(taken) == by_fast_path + 1
    runner.run(slow.answer(_GOOD))
    assert len(taken) == by_fast_path + 1


# ---- what it takes ---------------------------------------------------------------------------------------------------


@pytest.fixture
async def item(admin: AsyncClient) -> Any:
    shelf = await new_location(admin)
    await admin.put("/scanner/s1/state", json={"mode": "add", "location_id": shelf["id"]})
    return await new_item(admin, "Pencil", upc="4006381333931")


@pytest.mark.parametrize(
    ("sent", "is_taken"),
    [
        (_GOOD, True),
        (_GOOD._replace(user="admin"), True),
        (_GOOD._replace(query=b"a=b"), False),
        (_GOOD._replace(headers=(JSON, (b"host", b"127.0.0.1:8000"))), True),
        (_GOOD._replace(headers=(JSON, (b"host", b"[::1]:8000"))), False),
        (_GOOD._replace(headers=(JSON, (b"origin", b"http://stocky.test"))), False),
        (_GOOD._replace(headers=((b"content-type", b"application/json; charset=utf-8"),)), False),
        (_GOOD._replace(body=_GOOD.body + b" " * 9_000), False),
    ],
)
async def test_what_the_fast_path_takes(
    app: Litestar, admin: AsyncClient, keys: dict[str, str], item: Any, taken: list[Scan], sent: Sent, is_taken: bool
) -> None:
    answer = await send(app, sent, keys[sent.user], pieces=1)
    assert answer.status == 200
    assert len(taken) == is_taken
    assert await total(admin, item) == 2


async def test_scan_is_counted_once_by_whichever_way_it_is_sent_again(
    app: Litestar, admin: AsyncClient, keys: dict[str, str], item: Any, taken: list[Scan]
) -> None:
    answers = [await send(app, _GOOD, keys["scanner"], pieces=pieces) for pieces in (1, 2, 1, 2)]
    assert [json.loads(answer.body)["duplicate"] for answer in answers] == [False, True, True, True]
    assert len(taken) == 2
    assert await total(admin, item) == 2


async def test_scans_at_once_by_both_ways_are_counted_once(
    app: Litestar, admin: AsyncClient, keys: dict[str, str], item: Any
) -> None:
    answers = await asyncio.gather(*(send(app, _GOOD, keys["scanner"], pieces=1 + n % 2) for n in range(20)))
    assert sorted(json.loads(answer.body)["duplicate"] for answer in answers) == [False] + [True] * 19
    assert len(await get(admin, "/events", item_id=item["id"])) > 0
    assert await total(admin, item) == 2


async def test_caller_is_known_before_the_body_is_read(app: Litestar, keys: dict[str, str], item: Any) -> None:
    """`http.connections` gives an authenticated caller more time for the body."""
    known: list[bool] = []
    await send(app, _GOOD, keys["scanner"], pieces=1, on_receive=lambda scope: known.append("user" in scope))
    assert known
    assert all(known)


async def test_errors_of_the_fast_path_are_problem_details(
    app: Litestar, keys: dict[str, str], item: Any, taken: list[Scan]
) -> None:
    await send(app, _GOOD, keys["scanner"], pieces=1)
    other = _GOOD._replace(body=_GOOD.body.replace(b'"quantity":2', b'"quantity":3'))
    before = objects_of(Conflict)
    answer = await send(app, other, keys["scanner"], pieces=1)
    problem = json.loads(answer.body)
    assert len(taken) == 2
    assert objects_of(Conflict) <= before
    assert (answer.status, problem["status"]) == (409, 409)
    assert (b"content-type", b"application/problem+json") in answer.headers
    assert "already used with other content" in problem["detail"]


async def test_requests_by_the_fast_path_are_counted_and_have_an_id(
    app: Litestar, root: AsyncClient, keys: dict[str, str], item: Any
) -> None:
    answer = await send(app, _GOOD, keys["scanner"], pieces=1)
    assert any(name == b"x-request-id" for name, _ in answer.headers)
    page = (await root.get("/metrics", headers={"X-API-Key": keys["admin"]})).text
    assert f'stocky_http_requests_total{{method="POST",route="{PATH}",status="200"}} 1.0' in page
    assert f'stocky_http_request_seconds_count{{method="POST",route="{PATH}"}} 1.0' in page
