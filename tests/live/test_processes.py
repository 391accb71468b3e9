"""Live streams of real processes: two on one Postgres, killed clients, and clients that do not read."""

from __future__ import annotations

import asyncio
import random
import re
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from httpx import AsyncClient

from tests.backup.dumps import take
from tests.inventory import Json, get, made, new_item, new_location
from tests.live.reading import reading
from tests.serving import Server

Serve = Callable[..., AbstractContextManager[Server]]
WRITERS = 8
SCANS = 60
# It does not poll the ledger.
ONLY_WOKEN = (
    sys.executable,
    "-c",
    "import sys, stocky.live.tail; stocky.live.tail.LOOK_SECONDS = 3600; from stocky.cli import main; sys.exit(main())",
)
# Its clients have one second to read instead of thirty.
IMPATIENT = (
    sys.executable,
    "-c",
    "import sys, stocky.http.sse; stocky.http.sse.UNREAD_SECONDS = 1; from stocky.cli import main; sys.exit(main())",
)


pytestmark = pytest.mark.one_server


@pytest.fixture
async def first(serve: Serve) -> AsyncIterator[Server]:
    with serve() as server:
        yield server


@pytest.fixture
async def second(serve: Serve, first: Server, dialect: str) -> AsyncIterator[Server]:
    """Another process on the same database; on SQLite it is the same process."""
    if dialect == "sqlite":
        yield first
        return
    with serve() as server:
        yield server


@asynccontextmanager
async def client_of(server: Server, key: str) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(base_url=server.api, headers={"X-API-Key": key}, timeout=60) as client:
        yield client


async def _post(client: AsyncClient, item: Json, shelf: Json, count: int = 1, note: str | None = None) -> list[int]:
    """Ledger ids of new events."""
    event = {"type": "add", "item": {"id": item["id"]}, "location": {"id": shelf["id"]}, "quantity": 1, "note": note}
    answer = made(await client.post("/events", json={"events": [event] * count}))
    return [result["id"] for result in answer["results"]]


async def test_event_posted_to_one_process_wakes_the_stream_of_the_other(
    serve: Serve, dialect: str, keys: dict[str, str]
) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(serve(command=ONLY_WOKEN))
        second = first if dialect == "sqlite" else stack.enter_context(serve(command=ONLY_WOKEN))
        async with client_of(first, keys["member"]) as member, reading(second, keys["reader"]) as reader:
            item, shelf = await new_item(member), await new_location(member)
            await reader.next("ready")
            for _ in range(10):
                assert await _post(member, item, shelf) == await reader.ids(1)


async def test_killed_client_reconnects_without_gaps_or_duplicates(
    first: Server, second: Server, keys: dict[str, str]
) -> None:
    chance = random.Random(11)
    async with client_of(first, keys["member"]) as one, client_of(second, keys["member"]) as other:
        items = [await new_item(one, f"Item {number}") for number in range(WRITERS)]
        shelf = await new_location(one)

        async def scan(number: int) -> None:
            for _ in range(SCANS):
                # Several per item, so that transactions wait for each other and end in any order.
                await _post((one, other)[number % 2], items[number // 2], shelf, chance.choice((1, 1, 5)))

        writing = asyncio.gather(*(scan(number) for number in range(WRITERS)))
        seen: list[int] = []
        position = 0
        while not writing.done():
            async with reading((first, second)[len(seen) % 2], keys["reader"], last_event_id=position) as reader:
                assert (await reader.next("ready")).id == position
                for _ in range(chance.randrange(1, 60)):
                    try:
                        async with asyncio.timeout(1):
                            position = (await reader.next()).id
                    except TimeoutError:
                        break
                    seen.append(position)
        await writing
        async with reading(second, keys["reader"], last_event_id=position) as reader:
            await reader.next("ready")
            last = (await get(one, "/events", limit=1))["events"][0]["id"]
            while position < last:
                position = (await reader.next()).id
                seen.append(position)
        assert seen == await _ledger(one)


async def _ledger(client: AsyncClient) -> list[int]:
    """All ids of the ledger, ascending."""
    ids: list[int] = []
    cursor: int | None = None
    while True:
        page = await get(client, "/events", limit=1000, **({"cursor": cursor} if cursor else {}))
        ids += [event["id"] for event in page["events"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return ids[::-1]


async def test_restore_sends_reset_to_every_client(first: Server, second: Server, keys: dict[str, str]) -> None:
    async with client_of(first, keys["admin"]) as admin:
        item, shelf = await new_item(admin), await new_location(admin)
        restored = await _post(admin, item, shelf, 3)
        dump = await take(admin)
        async with reading(second, keys["reader"]) as reader:
            await reader.next("ready")
            assert await _post(admin, item, shelf, 4) == await reader.ids(4)
            files = {"file": ("a.sql.gz", dump)}
            made(await admin.post("/backup/upload/import/full?force=true", files=files))
            # The other process may lose its connection before the data is replaced, which is a reset too.
            while (await reader.next("reset")).data != {"position": restored[-1]}:
                pass
            assert await _post(admin, item, shelf) == await reader.ids(1)


async def test_stream_ends_when_key_or_user_is_removed(first: Server, second: Server, keys: dict[str, str]) -> None:
    async with client_of(first, keys["admin"]) as admin:
        key = made(await admin.post("/api-keys", json={"name": "of a screen"}))
        async with reading(second, key["api_key"]) as reader, reading(second, keys["reader"]) as other:
            await reader.next("ready")
            await other.next("ready")
            assert (await admin.delete(f"/api-keys/{key['id']}")).status_code == 204
            assert await reader.ended()
            me = await get(admin, "/auth/me")
            [user] = [each for each in await get(admin, "/users/") if each["username"] == "reader"]
            assert user["id"] != me["id"]
            assert (await admin.delete(f"/users/{user['id']}")).status_code < 300
            assert await other.ended()


async def test_streams_do_not_delay_shutdown(first: Server, keys: dict[str, str]) -> None:
    async with reading(first, keys["reader"]) as reader:
        await reader.next("ready")
        assert await asyncio.to_thread(first.stop, 4) == 0
        assert await reader.ended()


@pytest.mark.one_database
async def test_client_that_does_not_read_is_disconnected_and_uses_no_memory(serve: Serve, keys: dict[str, str]) -> None:
    with serve(command=IMPATIENT) as server:
        async with client_of(server, keys["member"]) as member:
            item, shelf = await new_item(member), await new_location(member)
            # More than the socket buffers hold.
            for _ in range(10):
                await _post(member, item, shelf, 1000, "x" * 1000)
        memory = []
        for times in range(1, 4):
            with ExitStack() as stack:
                for _ in range(4):
                    stack.enter_context(_unread_connection(server, keys["reader"]))
                await _wait_until(lambda: server.log.count("is disconnected") == times * 4)  # noqa: B023 - called at once
                await _wait_until(lambda: _streams(server) == 0)
            memory.append(_memory(server))
        assert max(memory) - memory[0] < 8 * 1024, memory
        assert "rror" not in server.log, server.log
        assert server.stop() == 0


def _unread_connection(server: Server, key: str) -> socket.socket:
    """A connection that requests the whole ledger and reads nothing."""
    at = urlsplit(server.api)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((at.hostname, at.port))
    head = f"GET {at.path}/events/stream?last_event_id=0 HTTP/1.1\r\nHost: {at.netloc}\r\nX-API-Key: {key}\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def _streams(server: Server) -> float:
    found = re.search(r"^stocky_live_streams ([0-9.]+)$", httpx.get(f"{server.url}/metrics").text, re.MULTILINE)
    assert found
    return float(found[1])


def _memory(server: Server) -> int:
    """The memory of the process, in KiB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


async def _wait_until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(is_so):  # noqa: ASYNC110 - another process tells no event
            await asyncio.sleep(0.05)
