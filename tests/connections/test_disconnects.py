"""Clients that disconnect during a request or a response cause no 5xx and no logged error."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from tests.connections.conftest import Listening, until

JSON = b"Content-Type: application/json\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
MULTIPART = b"Content-Type: multipart/form-data; boundary=b\r\n"
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nname;quantity\r\n' + b"x" * 5000


@pytest.fixture
async def faultless(listening: Listening, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Listening]:
    """A server that must have no error after the test."""
    yield listening
    assert 'status="5' not in await listening.metrics()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert "Traceback" not in caplog.text


async def vanish(listening: Listening, head: bytes, body: bytes, *, reads: int = 0) -> None:
    """Sends a request, reads `reads` bytes of the response and disconnects; returns when the server has noticed."""
    reader, writer = await listening.connect()
    writer.write(head + b"\r\n" + body)
    await writer.drain()
    if reads:
        await asyncio.wait_for(reader.readexactly(reads), 60)
    else:
        # The handler has started, and waits for the rest of the body.
        await until(lambda: bool(listening.server.server_state.tasks))
    writer.transport.abort()
    await quiet(listening)


async def quiet(listening: Listening) -> None:
    """Waits until no connection is open and no request is being answered."""
    state = listening.server.server_state
    await until(lambda: not state.connections and not state.tasks)


@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [
        ("/locations", JSON, b'{"name": "Pantry", "stor'),
        ("/scanner/scan", JSON, b'{"upc": "5901234123457", "scanner_id": "hand-1"'),
        ("/events", JSON, b'{"events": ['),
        ("/auth/login", FORM, b"username=admin&passw"),
        ("/auth/login", MULTIPART, b'--b\r\nContent-Disposition: form-data; name="username"\r\n\r\nad'),
        ("/auth/login-json", JSON, b'{"username": '),
        ("/imports", MULTIPART, FILE),
        ("/documents", MULTIPART, FILE),
        ("/backup/upload/import/full", MULTIPART, FILE),
        ("/system/restore", MULTIPART, FILE),
        ("/backup/import/full", JSON, b'{"backup_data": "aaaa'),
    ],
)
@pytest.mark.parametrize("coding", ["length", "chunked"])
@pytest.mark.one_database
async def test_truncated_body_is_no_server_error(
    faultless: Listening, keys: dict[str, str], path: str, kind: bytes, body: bytes, coding: str
) -> None:
    head = b"POST /api/v1%s HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\n" % (path.encode(), keys["admin"].encode()) + kind
    if coding == "length":
        # Less than the limit of a sign-in, which would be refused at once.
        await vanish(faultless, head + b"Content-Length: 60000\r\n", body)
    else:
        await vanish(faultless, head + b"Transfer-Encoding: chunked\r\n", b"%x\r\n%s\r\n" % (len(body), body))


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/events/stream",
        "/api/v1/logs/stream",
        "/api/v1/exports/stock.csv",
        "/api/v1/exports/items.csv",
        "/docs/assets/swagger-ui-bundle.js",
        "/api/v1/items",
    ],
)
async def test_aborted_response_is_no_server_error(faultless: Listening, keys: dict[str, str], path: str) -> None:
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {keys['admin']}\r\n".encode()
    await vanish(faultless, head, b"", reads=60)


async def test_aborted_backup_is_no_server_error(faultless: Listening, keys: dict[str, str]) -> None:
    path = "/api/v1/backup/create/full/download"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {keys['admin']}\r\nContent-Length: 0\r\n".encode()
    await vanish(faultless, head, b"", reads=300)
    await vanish(faultless, head, b"")


async def test_many_disconnected_clients_are_no_server_error(faultless: Listening, keys: dict[str, str]) -> None:
    head = f"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nX-API-Key: {keys['admin']}\r\nContent-Length: 999\r\n\r\n"

    async def one(number: int) -> None:
        with suppress(ConnectionError):
            _, writer = await faultless.connect()
            writer.write(head.encode() + b"{" * (number % 10))
            await asyncio.sleep(0.01 * (number % 7))
            writer.transport.abort()

    await asyncio.gather(*(one(number) for number in range(200)))
    await quiet(faultless)
