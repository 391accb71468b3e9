"""Live streams are limited per user, across all kinds; other users are not affected."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from stocky.http import sse
from tests.connections.conftest import Listening

pytestmark = pytest.mark.one_database


async def _open(listening: Listening, path: str, key: str) -> tuple[int, bytes, Any]:
    """The status and head of the response, and the connection with the open stream."""
    reader, writer = await listening.connect()
    writer.write(f"GET /api/v1{path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n\r\n".encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
    return int(head.split()[1]), head, (reader, writer)


@pytest.mark.parametrize("path", ["/events/stream", "/logs/stream"])
async def test_streams_per_user_are_limited(listening: Listening, keys: dict[str, str], path: str) -> None:
    opened = [await _open(listening, "/events/stream", keys["admin"]) for _ in range(sse.MAX_STREAMS_OF_USER)]
    assert {status for status, *_ in opened} == {200}
    status, head, (reader, refused) = await _open(listening, path, keys["admin"])
    assert status == 429
    assert b"retry-after: 30" in head.lower()
    assert msgspec.json.decode(await reader.readuntil(b"}"))["detail"] == (
        "You have 25 live streams open already; close one, and try again"
    )
    refused.close()
    status, _, other = await _open(listening, "/events/stream", keys["reader"])
    assert status == 200
    opened.pop()[2][1].close()
    while (again := await _open(listening, path, keys["admin"]))[0] == 429:
        again[2][1].close()
        await asyncio.sleep(0.05)
    assert again[0] == 200
    for _, writer in [other, again[2], *(each[2] for each in opened)]:
        writer.close()


async def test_concurrent_streams_are_counted_before_they_start(listening: Listening, keys: dict[str, str]) -> None:
    opened = await asyncio.gather(*(_open(listening, "/events/stream", keys["reader"]) for _ in range(60)))
    assert sorted(status for status, *_ in opened) == [200] * sse.MAX_STREAMS_OF_USER + [429] * 35
    for _, _, (_, writer) in opened:
        writer.close()
