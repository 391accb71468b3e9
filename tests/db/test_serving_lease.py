"""The gate is open only while the process holds its share of the lock, whatever happens to its connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import asyncpg
import pytest

from stocky.config import Config
from stocky.db.maintenance_gate import Gate
from stocky.db.postgres_coordination import ServingLease, exclusive_access
from stocky.errors import Unavailable
from stocky.supervisor import Supervisor
from tests.postgres import LOCKS_HERE

SERVING = 7_786_260


@pytest.fixture
def committed() -> asyncio.Event:
    """Set when the serving process has been notified of a commit, and so of all that was notified before it."""
    return asyncio.Event()


@pytest.fixture
async def gate(dialect: str, config: Config, committed: asyncio.Event) -> AsyncIterator[Gate]:
    """The gate of a serving process."""
    if dialect == "sqlite":
        pytest.skip("one process serves one SQLite file")
    gate = Gate()
    lease = ServingLease(config.database_url, gate, lambda *_: committed.set(), Supervisor())
    await lease.start()
    yield gate
    await lease.close()


@asynccontextmanager
async def restoring(config: Config) -> AsyncIterator[Any]:
    """Another process that requests the lock, asks all to pause, and ends the connection of one that does not."""
    waiting, caller = [await asyncpg.connect(config.database_url) for _ in range(2)]
    locked = asyncio.create_task(waiting.execute(f"SELECT pg_advisory_lock({SERVING})"))

    async def end_the_keeper() -> None:
        await caller.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks"
            f" WHERE {LOCKS_HERE} AND locktype = 'advisory' AND objid = $1 AND granted",
            SERVING,
        )
        await locked

    try:
        waiting_now = f"SELECT count(*) FROM pg_locks WHERE {LOCKS_HERE} AND objid = $1 AND NOT granted"
        while not await caller.fetchval(waiting_now, SERVING):  # noqa: ASYNC110 - Postgres notifies nobody of it
            await asyncio.sleep(0.01)
        await caller.execute("NOTIFY stocky_pause")
        yield end_the_keeper
    finally:
        await locked
        await waiting.close()
        await caller.close()


async def until_closed(gate: Gate) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                gate.check_open()
            except Unavailable:
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("leaves_in_time", [True, False])
async def test_gate_stays_closed_when_lease_connection_is_lost_while_draining(
    config: Config, gate: Gate, leaves_in_time: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_lost = asyncio.Event()

    async def time_out() -> None:
        # The time to drain ends after the connection, however long it takes to end that.
        await is_lost.wait()
        raise Unavailable("Requests did not end")

    if not leaves_in_time:
        monkeypatch.setattr(gate, "emptied", time_out)
    # Entered first: the other process closes the gate as soon as it asks.
    inside = ExitStack()
    inside.enter_context(gate.enter())
    async with restoring(config) as end_the_keeper:
        with inside:
            await until_closed(gate)
            opened = asyncio.create_task(gate.opened())
            await end_the_keeper()
            is_lost.set()
            await asyncio.sleep(0.5)
            assert not opened.done()
            with pytest.raises(Unavailable):
                gate.check_open()
        await asyncio.sleep(0.2)
        # The other process has exclusive access.
        assert not opened.done()
    async with asyncio.timeout(60):
        await opened


async def test_request_to_pause_without_a_waiting_process_stops_nothing(
    config: Config, gate: Gate, committed: asyncio.Event
) -> None:
    epoch = gate.epoch
    async with exclusive_access(config.database_url, gate):
        pass
    assert gate.epoch == epoch + 1
    other = await asyncpg.connect(config.database_url)
    # As the last of several requests, which arrives when its restore has ended.
    await other.execute("NOTIFY stocky_pause")
    await other.execute("NOTIFY stocky_ledger")
    await other.close()
    await asyncio.wait_for(committed.wait(), 60)
    await asyncio.sleep(0.2)
    gate.check_open()
    assert gate.epoch == epoch + 1
    async with exclusive_access(config.database_url, gate):
        pass
    assert gate.epoch == epoch + 2
