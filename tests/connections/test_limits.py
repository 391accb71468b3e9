"""Limits for unauthenticated clients: the size and time of a head, and the number of connections."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from httpx import AsyncClient

from stocky.http import connections
from tests.connections.conftest import Listening, until
from tests.serving import serve

pytestmark = pytest.mark.one_database

CLOSE = b"Connection: close\r\n\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the server closes the connection without a response."""
    with suppress(ConnectionError):
        return await asyncio.wait_for(reader.read(), 60) == b""
    return True


async def lines(reader: asyncio.StreamReader) -> bytes:
    """The head of the next response; its body is read and dropped."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
    size = next(line for line in head.lower().splitlines() if line.startswith(b"content-length:"))
    await reader.readexactly(int(size.partition(b":")[2]))
    return head


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n",
        LIVE + b"X-One: " + b"x" * 300_000 + b"\r\n",
        LIVE + b"X-Many: 1234567890\r\n" * 5_000,
        LIVE + b"X-" + b"x" * 70_000 + b": 1\r\n",
        b"G" * 70_000,
    ],
    ids=["line", "one header", "many headers", "name", "nonsense"],
)
async def test_head_over_64_kib_is_rejected(listening: Listening, request_head: bytes) -> None:
    answer = await listening.ask(request_head + CLOSE)
    head, _, body = answer.partition(b"\r\n\r\n")
    expected = 400 if request_head.startswith(b"GG") else 431
    assert head.startswith(b"HTTP/1.1 %d " % expected), answer[:200]
    assert b"application/problem+json" in head
    problem = msgspec.json.decode(body)
    assert problem["status"] == expected
    assert (await listening.ask(LIVE + CLOSE)).startswith(b"HTTP/1.1 200")


async def test_head_just_below_64_kib_is_accepted(listening: Listening) -> None:
    headers = b"X-Long: " + b"x" * 64_000 + b"\r\n"
    body = b"x" * 200_000
    assert (await listening.ask(LIVE + headers + CLOSE)).startswith(b"HTTP/1.1 200")
    reader, writer = await listening.connect()
    writer.write(b"POST /api/v1/items HTTP/1.1\r\nHost: x\r\n" + headers + b"Content-Length: %d\r\n\r\n" % len(body))
    writer.write(body + LIVE + b"\r\n")
    assert (await lines(reader)).startswith(b"HTTP/1.1 401")
    assert (await lines(reader)).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_endless_head_is_not_read_further(listening: Listening) -> None:
    reader, writer = await listening.connect()
    writer.write(LIVE + b"X-Endless: ")
    sent = 0
    with suppress(ConnectionError):
        while sent < 200 * 2**20:
            writer.write(b"x" * 2**16)
            await writer.drain()
            sent += 2**16
    # The socket buffers of both ends.
    assert sent < 50 * 2**20
    writer.close()
    with suppress(ConnectionError):
        await reader.read()


async def test_data_after_body_is_bounded(listening: Listening, keys: dict[str, str]) -> None:
    head = b"POST /api/v1/locations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-API-Key: "
    head += keys["admin"].encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    reader, writer = await listening.connect()
    with suppress(ConnectionError):
        writer.write(head)
        for _ in range(2000):
            writer.write(b"X-Trailer: " + b"x" * 1000 + b"\r\n")
            await writer.drain()
    assert await ended(reader)
    assert 'status="5' not in await listening.metrics()
    writer.close()


async def test_pipelined_requests_are_bounded(listening: Listening) -> None:
    reader, writer = await listening.connect()
    with suppress(ConnectionError):
        writer.write((LIVE + b"\r\n") * 10_000)
        await writer.drain()
    answers = b""
    with suppress(ConnectionError):
        answers = await asyncio.wait_for(reader.read(), 60)
    assert answers.count(b"HTTP/1.1") <= connections.MAX_PIPELINED + 1
    writer.close()
    few = await listening.ask((LIVE + b"\r\n") * 20 + LIVE + CLOSE)
    assert few.count(b"HTTP/1.1 200") == 21


async def test_client_without_complete_head_is_disconnected(
    listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
    silent, half = await listening.connect(), await listening.connect()
    half[1].write(LIVE)
    assert await ended(silent[0])
    assert await ended(half[0])
    dripping = await listening.connect()
    dripping[1].write(LIVE)

    async def drip() -> None:
        while True:
            dripping[1].write(b"X-A: b\r\n")
            await asyncio.sleep(0.1)

    dripped = asyncio.create_task(drip())
    assert await ended(dripping[0])
    dripped.cancel()
    for _, writer in (silent, half, dripping):
        writer.close()


async def test_time_limit_applies_to_second_head(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = await listening.connect()
    writer.write(LIVE + b"\r\n")
    assert (await lines(reader)).startswith(b"HTTP/1.1 200")
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    # Between two requests the client may wait longer.
    await asyncio.sleep(2.5)
    writer.write(LIVE + b"\r\n")
    assert (await lines(reader)).startswith(b"HTTP/1.1 200")
    writer.write(b"GET /health")
    assert await ended(reader)
    writer.close()


async def test_slow_upload_with_progress_succeeds(
    listening: Listening, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
    monkeypatch.setattr(connections, "BODY_SECONDS", 1.5)
    body = b'{"name": "Pantry", "storage_type": "pantry"}'
    reader, writer = await listening.connect()
    writer.write(b"POST /api/v1/locations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-API-Key: ")
    writer.write(keys["admin"].encode() + b"\r\nContent-Length: %d\r\n\r\n" % len(body))
    for byte in range(0, len(body), 4):
        writer.write(body[byte : byte + 4])
        await asyncio.sleep(0.4)
    assert (await lines(reader)).startswith(b"HTTP/1.1 201")
    writer.close()


async def test_stalled_body_is_closed_without_server_error(
    listening: Listening, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.5)
    reader, writer = await listening.connect()
    writer.write(b"POST /api/v1/locations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-API-Key: ")
    writer.write(keys["admin"].encode() + b'\r\nContent-Length: 400\r\n\r\n{"name"')
    assert await ended(reader)
    assert 'status="5' not in await listening.metrics()
    assert "Traceback" not in caplog.text
    writer.close()


async def test_unauthenticated_body_has_a_time_limit(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BODY_SECONDS", 1.0)
    reader, writer = await listening.connect()
    writer.write(b"POST /api/v1/auth/login-json HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")

    async def drip() -> None:
        while True:
            writer.write(b" ")
            await asyncio.sleep(0.1)

    dripped = asyncio.create_task(drip())
    assert await ended(reader)
    dripped.cancel()
    writer.close()


async def test_unread_response_is_aborted(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "UNREAD_SECONDS", 1.0)
    reader, writer = await listening.connect()
    writer.write(b"GET /docs/assets/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n" * 30)
    await until(lambda: not listening.server.server_state.connections)
    writer.close()
    reader.feed_eof()


async def test_slowly_read_response_is_not_aborted(listening: Listening) -> None:
    reader, writer = await listening.connect()
    writer.write(b"GET /docs/assets/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n" * 30)
    state = listening.server.server_state
    await until(lambda: any(each.flow.write_paused for each in state.connections))
    (connection,) = state.connections
    assert isinstance(connection, connections.HttpConnection)
    now = asyncio.get_running_loop().time()
    assert not connection.is_overdue(now)
    assert not connection.is_overdue(now + connections.UNREAD_SECONDS - 1)
    # As the transport calls it when its buffer is nearly empty; then it is full again.
    connection.resume_writing()
    connection.pause_writing()
    assert not connection.is_overdue(now + connections.UNREAD_SECONDS + 1)
    assert connection.is_overdue(now + 3 * connections.UNREAD_SECONDS)
    writer.close()
    reader.feed_eof()


@pytest.fixture
def only_20(listening: Listening) -> connections.Limits:
    listening.server.limits.connections = 20
    return listening.server.limits


async def test_flood_of_half_open_connections_blocks_no_client(
    listening: Listening, only_20: connections.Limits, caplog: pytest.LogCaptureFixture
) -> None:
    scanner = await listening.connect()
    scanner[1].write(LIVE + b"\r\n")
    await lines(scanner[0])
    held: list[Any] = []
    for number in range(100):
        held.append(await listening.connect())
        held[-1][1].write(LIVE)
        if number % 10 == 0:
            assert (await listening.ask(LIVE + CLOSE)).startswith(b"HTTP/1.1 200")
    assert len(listening.server.server_state.connections) <= 20
    # A connection that has sent a request stays open while others have not.
    scanner[1].write(LIVE + CLOSE)
    assert (await lines(scanner[0])).startswith(b"HTTP/1.1 200")
    warnings = [record for record in caplog.records if "connections are in use" in record.getMessage()]
    assert len(warnings) == 1
    for _, writer in [scanner, *held]:
        writer.close()


async def test_flood_of_incomplete_sign_ins_blocks_no_client(
    listening: Listening, only_20: connections.Limits, admin: AsyncClient
) -> None:
    held = []
    for _ in range(60):
        held.append(await listening.connect())
        held[-1][1].write(b"POST /api/v1/auth/login-json HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        # So that each is being answered when the next one connects.
        await asyncio.sleep(0.01)
    assert (await listening.ask(LIVE + CLOSE)).startswith(b"HTTP/1.1 200")
    for _, writer in held:
        writer.close()


async def test_idle_connections_are_closed_for_new_ones(listening: Listening, only_20: connections.Limits) -> None:
    held = []
    for _ in range(40):
        held.append(await listening.connect())
        held[-1][1].write(LIVE + b"\r\n")
        assert (await lines(held[-1][0])).startswith(b"HTTP/1.1 200")
    assert await ended(held[0][0])
    for _, writer in held:
        writer.close()


def test_open_files_limit_is_raised_to_hard_limit() -> None:
    code = "from stocky.http.connections import raise_file_limit; import resource; print(raise_file_limit());"
    code += "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"

    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 1000))

    ran = subprocess.run([sys.executable, "-c", code], preexec_fn=lower, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["1000", "1000"]


def test_server_raises_its_limit_of_open_files(environ: dict[str, str], tmp_path: Path) -> None:
    lowered = ("bash", "-c", 'ulimit -Sn 200; exec "$0" "$@"', sys.executable, "-m", "stocky")
    with serve(environ, tmp_path, command=lowered) as server:
        limits = Path(f"/proc/{server.process.pid}/limits").read_text()
    soft = next(line.split()[3] for line in limits.splitlines() if line.startswith("Max open files"))
    assert int(soft) > 200


def test_connections_fit_into_the_limit_of_open_files() -> None:
    files = len(list(Path("/proc/self/fd").iterdir())) + connections.SPARE_FILES + 100
    assert 80 <= connections.Limits(files).connections <= 100
    assert connections.Limits(10**6).connections == connections.MAX_CONNECTIONS


async def test_connection_without_requests_is_closed_after_a_while(listening: Listening) -> None:
    assert listening.server.config.timeout_keep_alive <= 120
    listening.server.config.timeout_keep_alive = 1
    reader, writer = await listening.connect()
    writer.write(LIVE + b"\r\n")
    assert (await lines(reader)).startswith(b"HTTP/1.1 200")
    assert await ended(reader)
    writer.close()


async def test_sign_in_body_is_limited_to_64_kib(listening: Listening) -> None:
    head = b"POST /api/v1/auth/login-json HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    reader, writer = await listening.connect()
    writer.write(head + b"Content-Length: 70000\r\n\r\n" + b'{"username": "' + b"x" * 69_000)
    answer = await asyncio.wait_for(reader.readuntil(b"}"), 60)
    assert b"HTTP/1.1 413" in answer
    assert b"64 KiB" in answer
    writer.close()
