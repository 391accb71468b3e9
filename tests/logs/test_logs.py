"""The log in memory: bounded, filtered, followed live, for admins."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.http.sse import Streams
from stocky.logs.memory import MemoryLog, follow_log
from stocky.logs.schemas import LogFilter, LogLevel
from tests.serving import Server

LOGGER = logging.getLogger("tests.logs.somewhere")


@pytest.fixture
def attached() -> Iterator[Callable[[MemoryLog], MemoryLog]]:
    """Attaches a memory log to the logger of these tests."""
    logs: list[MemoryLog] = []
    level = LOGGER.level

    def attach(log: MemoryLog) -> MemoryLog:
        LOGGER.addHandler(log)
        LOGGER.setLevel(logging.DEBUG)
        logs.append(log)
        return log

    yield attach
    LOGGER.setLevel(level)
    for log in logs:
        LOGGER.removeHandler(log)


def _messages(log: MemoryLog, **wanted: Any) -> list[str]:
    return [entry.message for entry in log.list_entries(LogFilter(**wanted), 0, 1000)]


def test_oldest_records_are_dropped(attached: Callable[[MemoryLog], MemoryLog]) -> None:
    log = attached(MemoryLog(3))
    for number in range(10):
        LOGGER.info("record %d", number)
    assert _messages(log) == ["record 9", "record 8", "record 7"]


def test_ids_are_in_order_across_threads(attached: Callable[[MemoryLog], MemoryLog]) -> None:
    log = attached(MemoryLog(10_000))
    threads = [threading.Thread(target=lambda: [LOGGER.info("x") for _ in range(500)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [entry.id for entry in log.list_entries(LogFilter(), 0, 10_000)]
    assert len(ids) == 4000
    assert ids == list(range(ids[0], ids[0] - 4000, -1))


def test_level_is_exact_and_severity_is_a_minimum(attached: Callable[[MemoryLog], MemoryLog]) -> None:
    log = attached(MemoryLog(10))
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(LOGGER, level)(level)
    assert _messages(log, level=LogLevel.WARNING) == ["warning"]
    assert _messages(log, severity=LogLevel.WARNING) == ["critical", "error", "warning"]


def test_module_and_search_are_parts_in_any_case(attached: Callable[[MemoryLog], MemoryLog]) -> None:
    log = attached(MemoryLog(10))
    LOGGER.info("The Pantry is full")
    assert _messages(log, module="tests.logs") == ["The Pantry is full"]
    assert _messages(log, module="LOGS.some") == ["The Pantry is full"]
    assert _messages(log, module="stocky") == []
    assert _messages(log, search="pANTRY") == ["The Pantry is full"]
    assert _messages(log, search="freezer") == []
    assert _messages(log, since=datetime.now(UTC) + timedelta(minutes=1)) == []


async def test_log_records_have_request_and_user(
    app: Litestar, admin: AsyncClient, attached: Callable[[MemoryLog], MemoryLog]
) -> None:
    log = app.state.memory_log
    root, stocky = logging.getLogger(), logging.getLogger("stocky")
    root.addHandler(log)
    level = stocky.level
    stocky.setLevel(logging.INFO)
    try:
        refused = await admin.post(
            "/auth/login-json", json={"username": "nobody", "password": "wrong"}, headers={"X-Request-ID": "abc-1"}
        )
    finally:
        root.removeHandler(log)
        stocky.setLevel(level)
    assert refused.status_code == 401
    for path in ("/logs/", "/logs", "/log"):
        found = await admin.get(path, params={"level": "WARNING", "module": "auth"})
        assert found.status_code == 200
        entry = found.json()[0]
        assert set(entry) == {
            "id", "level", "message", "module", "function", "user_id", "request_id", "extra_data", "created_at"
        }  # fmt: skip
        assert entry["level"] == "warning"
        assert entry["request_id"] == "abc-1"
        assert entry["created_at"].endswith("Z")


async def test_the_log_is_paged_newest_first(
    app: Litestar, admin: AsyncClient, attached: Callable[[MemoryLog], MemoryLog]
) -> None:
    attached(app.state.memory_log)
    for number in range(5):
        LOGGER.info("page %d", number)
    asked = {"search": "page ", "limit": 2}
    assert [e["message"] for e in (await admin.get("/logs", params=asked | {"skip": 1})).json()] == ["page 3", "page 2"]
    paged = await admin.get("/logs", params={"search": "page ", "page": 2, "size": 2})
    assert [e["message"] for e in paged.json()] == ["page 2", "page 1"]


@pytest.mark.parametrize(
    ("query", "field"), [("level=loud", "level"), ("limit=1001", "limit"), ("skip=-1", "skip"), ("since=x", "since")]
)
async def test_invalid_filter_is_named(query: str, field: str, admin: AsyncClient) -> None:
    answer = await admin.get(f"/logs?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


async def test_only_admins_read_the_log(
    client: AsyncClient, member: AsyncClient, scanner: AsyncClient, reader: AsyncClient
) -> None:
    for path in ("/logs", "/log", "/logs/stream", "/audit"):
        assert (await client.get(path)).status_code == 401
        for other in (member, scanner, reader):
            answer = await other.get(path)
            assert answer.status_code == 403
            assert answer.json()["detail"].startswith("Access denied")


async def _next_record(stream: AsyncIterator[bytes]) -> dict[str, Any]:
    while True:
        message = (await asyncio.wait_for(anext(stream), 5)).decode()
        if "data: " in message:
            record: dict[str, Any] = json.loads(message.partition("data: ")[2])
            assert f"id: {record['id']}\n" in message
            return record


async def _yes() -> None:
    """The client may follow."""


async def test_tail_resumes_after_last_id(attached: Callable[[MemoryLog], MemoryLog]) -> None:
    log, streams = attached(MemoryLog(100)), Streams()
    LOGGER.info("one")
    LOGGER.info("two")
    after_one = log.list_entries(LogFilter(search="one"), 0, 1)[0].id
    tail = follow_log(log, streams, LogFilter(), after_one, _yes)
    assert (await _next_record(tail))["message"] == "two"
    await asyncio.to_thread(LOGGER.info, "three")
    assert (await _next_record(tail))["message"] == "three"
    await tail.aclose()


async def test_tail_starts_with_new_records_and_applies_filters(attached: Callable[[MemoryLog], MemoryLog]) -> None:
    log, streams = attached(MemoryLog(100)), Streams()
    LOGGER.error("before")
    tail = follow_log(log, streams, LogFilter(severity=LogLevel.ERROR), None, _yes)
    await anext(tail)
    LOGGER.info("not this")
    LOGGER.error("this")
    assert (await _next_record(tail))["message"] == "this"
    await tail.aclose()


async def test_slow_client_is_dropped(attached: Callable[[MemoryLog], MemoryLog]) -> None:
    log, streams = attached(MemoryLog(10)), Streams()
    tail = follow_log(log, streams, LogFilter(), None, _yes)
    await anext(tail)
    LOGGER.info("seen")
    assert (await _next_record(tail))["message"] == "seen"
    for number in range(50):
        LOGGER.info("flood %d", number)
    left = [message async for message in tail]
    assert b"too slow" in left[-1]
    again = follow_log(log, streams, LogFilter(), 1, _yes)
    assert (await _next_record(again))["message"] == "flood 40"
    await again.aclose()


async def test_tail_ends_when_stocky_stops(attached: Callable[[MemoryLog], MemoryLog]) -> None:
    log, streams = attached(MemoryLog(10)), Streams()
    tail = follow_log(log, streams, LogFilter(), None, _yes)
    await anext(tail)
    asyncio.get_running_loop().call_later(0.05, streams.end)
    assert [message async for message in tail] == []


def test_tail_does_not_delay_shutdown(
    serve: Callable[..., AbstractContextManager[Server]], keys: dict[str, str]
) -> None:
    with serve() as server:
        headers = {"X-API-Key": keys["admin"], "Last-Event-ID": "0"}
        with httpx.stream("GET", f"{server.api}/logs/stream", headers=headers, timeout=10) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = answer.iter_lines()
            assert any(line.startswith("data: ") and "Stocky is ready" in line for line in lines)
            assert server.stop(4) == 0
