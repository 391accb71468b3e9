"""Coordinates processes on one Postgres: each serving process holds a shared lock, and gives it up for a restore.

A process answers requests only while it holds the shared lock. A process that needs exclusive access asks all others
to pause (NOTIFY) and takes the exclusive lock: when it is granted, every process has closed and drained its gate.
The locks belong to connections, so a killed process blocks nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from stocky.db.maintenance_gate import DRAIN_SECONDS, Gate
from stocky.db.postgres_connect import CONNECT_SECONDS, session
from stocky.db.sqlstates import AWAY
from stocky.db.unreachable import Unreachable
from stocky.errors import Conflict, Unavailable
from stocky.supervisor import Supervisor, wait_for

# The keys of the advisory locks: any numbers, but they must never change. `connection.SoleLock` has more.
SERVING = 7_786_260
_RESTORING = 7_786_261
_PAUSE = "stocky_pause"
# The channel that the query reserve_event_ids notifies.
_LEDGER = "stocky_ledger"
RETRY_SECONDS = 0.5
REQUEST_EVERY_SECONDS = 0.25
# Whether another process waits for exclusive access. A key of 64 bits is in two columns.
_IS_AWAITED = """
    SELECT EXISTS (SELECT 1 FROM pg_locks
                    WHERE locktype = 'advisory' AND classid = 0 AND objid = $1 AND objsubid = 1
                      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                      AND mode = 'ExclusiveLock' AND NOT granted)"""
# A little longer than a process may take to drain its gate.
PAUSE_SECONDS = DRAIN_SECONDS + 5
# Between heartbeats on the connection that holds the lock; a lost one is noticed then at the latest.
HEARTBEAT_SECONDS = 5

_log = logging.getLogger(__name__)


class ServingLease:
    """Holds this process's share of the lock, and keeps its gate closed whenever it has none."""

    def __init__(self, session_url: str, gate: Gate, on_commit: Callable[..., None], supervisor: Supervisor) -> None:
        self._session_url = session_url
        self._gate = gate
        # Called when any process has written to the ledger: this connection is always listening.
        self._on_commit = on_commit
        self._pause_requested = asyncio.Event()
        self._task = supervisor.task(
            "presence", self._keep, lambda: asyncio.sleep(0), retry_seconds=RETRY_SECONDS, is_endless=True
        )
        self._held_before = False

    async def start(self) -> None:
        """Raises Unavailable when there is no share within PAUSE_SECONDS."""
        self._gate.close(AWAY)
        self._task.start()
        try:
            async with asyncio.timeout(PAUSE_SECONDS):
                await self._gate.opened()
        except TimeoutError:
            await self.close()
            raise Unavailable(
                "Another Stocky is restoring a backup, or the database cannot be reached; try again"
            ) from None

    async def close(self) -> None:
        await self._task.close()

    async def _keep(self) -> None:
        """One round: holds the lock until its connection is lost. Raises Unavailable."""
        try:
            async with session(self._session_url) as connection:
                await self._hold_until_lost(connection)
        except Unreachable as error:
            raise Unavailable(f"{AWAY} ({type(error.__cause__).__name__})") from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise Unavailable(f"{AWAY} ({type(error).__name__})") from error

    async def _hold_until_lost(self, connection: Any) -> None:
        try:
            await connection.add_listener(_PAUSE, self._request_pause)
            await connection.add_listener(_LEDGER, self._on_commit)
            # Noticed at once, not at the next heartbeat: another process may get exclusive access from now on.
            connection.add_termination_listener(self._request_pause)
            while True:
                await self._hold(connection)
        except Exception:
            # Without the lock this process must not serve, and closing a connection can take a while.
            self._gate.close(AWAY)
            raise

    async def _hold(self, connection: Any) -> None:
        """Takes a share, opens the gate, and gives the share back when a pause is requested."""
        await connection.execute("SELECT pg_advisory_lock_shared($1::bigint)", SERVING)
        if self._held_before:
            # While it had no share, the data may have been replaced.
            self._gate.data_replaced()
        self._held_before = True
        self._task.worked()
        self._pause_requested.clear()
        while True:
            self._open_gate(connection)
            await self._wait_for_pause_request(connection)
            if connection.is_closed():
                # Not a request to pause: the share is lost with the connection.
                raise ConnectionError("the server closed it")
            if not await connection.fetchval(_IS_AWAITED, SERVING, timeout=CONNECT_SECONDS):
                # The request is repeated until it is granted. This one arrived after that, and a pause now would answer
                # requests with 503 for nothing; or it arrived before the other process waits, and comes again.
                continue
            # Raises below if the connection is lost meanwhile; the gate is closed by then.
            self._gate.pause()
            try:
                await self._gate.emptied()
            except Unavailable:
                _log.warning("Requests did not end in time, so this process did not pause for another's restore")
                # The other may have ended the connection by now, and taken the lock, without this process noticing.
                await connection.execute("SELECT 1", timeout=CONNECT_SECONDS)
                continue
            await connection.execute("SELECT pg_advisory_unlock_shared($1::bigint)", SERVING)
            # The gate stays closed until there is a share again.
            return

    def _open_gate(self, connection: Any) -> None:
        """Raises ConnectionError when the connection, and with it the share, was lost meanwhile."""
        if connection.is_closed():
            raise ConnectionError("the server closed it")
        self._gate.open()

    async def _wait_for_pause_request(self, connection: Any) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await self._pause_requested.wait()
                self._pause_requested.clear()
                return
            await connection.execute("SELECT 1", timeout=CONNECT_SECONDS)

    def _request_pause(self, *_: object) -> None:
        self._pause_requested.set()


@asynccontextmanager
async def sole_lock(session_url: str, key: int) -> AsyncIterator[Callable[[], Coroutine[Any, Any, None]] | None]:
    """Holds the lock `key` for the block, and yields a function that runs until it is lost; None where another has it.

    Raises Unavailable where there is no connection, as that function does.
    """
    async with session(session_url) as connection:
        lost = asyncio.Event()
        connection.add_termination_listener(lambda *_: lost.set())

        async def ask(query: str, *arguments: Any) -> Any:
            try:
                return await connection.fetchval(query, *arguments, timeout=CONNECT_SECONDS)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                raise Unavailable(f"{AWAY} ({type(error).__name__})") from error

        async def watch() -> None:
            while True:
                await wait_for(lost, HEARTBEAT_SECONDS)
                await ask("SELECT 1")

        yield watch if await ask("SELECT pg_try_advisory_lock($1::bigint)", key) else None


@asynccontextmanager
async def try_restore_lock(session_url: str) -> AsyncIterator[Any]:
    """Holds the restore lock for the block; yields a connection. Raises Conflict when another process has it."""
    async with session(session_url) as connection:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1::bigint)", _RESTORING):
            raise Conflict("Another restore is running; wait until it ends")
        yield connection


@asynccontextmanager
async def exclusive_access(session_url: str, gate: Gate) -> AsyncIterator[Any]:
    """Exclusive access to the database for the block; yields a connection.

    Raises Unavailable, with nothing changed, when a process does not pause.
    """
    async with session(session_url) as holder, session(session_url) as caller:
        locked = asyncio.create_task(holder.execute("SELECT pg_advisory_lock($1::bigint)", SERVING))
        try:
            await _request_pauses(locked, caller)
            yield caller
        finally:
            locked.cancel()
            with suppress(asyncio.CancelledError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await locked
    # If this process serves, it must get its share back before it continues.
    await gate.opened()


async def _request_pauses(locked: asyncio.Task[Any], caller: Any) -> None:
    try:
        async with asyncio.timeout(PAUSE_SECONDS):
            while not locked.done():
                # The exclusive request is queued already, so a share given back is not granted again before it.
                await caller.execute(f"NOTIFY {_PAUSE}")
                await asyncio.wait([locked], timeout=REQUEST_EVERY_SECONDS)
            await locked
    except TimeoutError:
        raise Unavailable(
            f"A Stocky on this database did not pause within {PAUSE_SECONDS} seconds, so nothing was changed;"
            " try again when it is quieter",
            retry_after=30,
        ) from None
