"""The answer to a scan is sent as a whole where that is possible, with the bytes that it has message by message."""

from __future__ import annotations

import asyncio
import gc
import re
import weakref

import pytest

from stocky.http.connections import HttpConnection
from tests.connections.conftest import Listening, until

pytestmark = pytest.mark.one_database

CLOSE = b"Connection: close\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture
def wholes(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each answer to a scan was sent as a whole."""
    sent: list[bool] = []
    send_whole = HttpConnection._send_whole

    def noted(connection: HttpConnection, headers: bytes, body: bytes) -> bool:
        sent.append(send_whole(connection, headers, body))
        return sent[-1]

    monkeypatch.setattr(HttpConnection, "_send_whole", noted)
    return sent


def _scan(key: str, upc: str, *more: bytes) -> bytes:
    body = b'{"upc":"%s"}' % upc.encode()
    return (
        b"POST /api/v1/scanner/scan HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-API-Key: %s\r\n"
        b"X-Request-ID: scan-1\r\nContent-Length: %d\r\n%s\r\n%s" % (key.encode(), len(body), b"".join(more), body)
    )


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    assert length is not None
    return head + await reader.readexactly(int(length[1]))


def _without_times(answer: bytes) -> bytes:
    return re.sub(rb"date: [^\r]+|\d\d:\d\d:\d\d\.\d+", b"", answer)


async def test_same_bytes_as_a_whole(listening: Listening, keys: dict[str, str], wholes: list[bool]) -> None:
    await listening.ask(_scan(keys["scanner"], "A-1", CLOSE))
    by_messages = await listening.ask(_scan(keys["scanner"], "A-1", CLOSE))
    reader, writer = await listening.connect()
    writer.write(_scan(keys["scanner"], "A-1"))
    whole = await _answer(reader)
    writer.close()
    assert wholes == [False, False, True]
    assert _without_times(whole) == _without_times(by_messages).replace(b"connection: close\r\n", b"")
    assert b"\r\nx-request-id: scan-1\r\n" in whole
    assert (
        'stocky_http_requests_total{method="POST",route="/api/v1/scanner/scan",status="200"} 3'
        in await listening.metrics()
    )


async def test_pipelined_scans_are_answered_in_order(
    listening: Listening, keys: dict[str, str], wholes: list[bool]
) -> None:
    codes = ["A-1", "A-2", "A-3", "A-4"]
    answers = await listening.ask(b"".join(_scan(keys["scanner"], code) for code in codes) + LIVE)
    *scans, live = answers.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert [code for answer, code in zip(scans, codes, strict=True) if f'"upc":"{code}"'.encode() in answer] == codes
    assert live.endswith(b"}")
    assert len(wholes) == 4


async def test_connection_is_freed_without_the_collector(
    listening: Listening, keys: dict[str, str], wholes: list[bool]
) -> None:
    reader, writer = await listening.connect()
    writer.write(_scan(keys["scanner"], "A-1"))
    await _answer(reader)
    (connection,) = listening.server.server_state.connections
    freed = weakref.ref(connection)
    del connection
    gc.disable()
    try:
        writer.close()
        await until(lambda: freed() is None)
    finally:
        gc.enable()
    assert wholes == [True]
