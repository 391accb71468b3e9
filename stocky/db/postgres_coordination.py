"""What processes on one Postgres know of each other: who serves holds a lock, and makes way when another restores.

A process answers requests only while it holds the shared lock. Whoever wants the database alone asks all to pause
(NOTIFY), and has it when the exclusive lock is granted: then every process has closed its gate and nobody is inside.
The locks belong to connections, so a killed process holds nothing up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from stocky.db.maintenance_gate import DRAIN_SECONDS, Gate
from stocky.db.postgres_connect import CONNECT_SECONDS, session
from stocky.db.sqlstates import AWAY
from stocky.db.unreachable import Unreachable
from stocky.errors import Conflict, Unavailable
from stocky.supervisor import Supervisor

# Any numbers will do for the advisory locks, as long as nobody changes them.
SERVING = 7_786_260
_RESTORING = 7_786_261
_PAUSE = "stocky_pause"
# What the query reserve_event_ids notifies.
_LEDGER = "stocky_ledger"
RETRY_SECONDS = 0.5
ASK_EVERY_SECONDS = 0.25
# A little longer than a process may take to empty itself.
PAUSE_SECONDS = DRAIN_SECONDS + 5
# Between heartbeats on the connection that holds the lock; a lost one is noticed at the latest then.
HEARTBEAT_SECONDS = 5

_log = logging.getLogger(__name__)


class ServingLease:
    """Keeps this process's share of the lock, and its gate closed whenever it has none."""

    def __init__(self, session_url: str, gate: Gate, hear_news: Callable[..., None], supervisor: Supervisor) -> None:
        self._session_url = session_url
        self._gate = gate
        # Called with every word that a process has written to the ledger: this connection is always listening.
        self._hear_news = hear_news
        self._asked = asyncio.Event()
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
            raise Unavailable("Another Stocky is restoring a backup, or the database is away; try again") from None

    async def close(self) -> None:
        await self._task.close()

    async def _keep(self) -> None:
        """One round: ends when the connection that other processes know this one by is lost. Raises Unavailable."""
        try:
            async with session(self._session_url) as connection:
                await self._hold_until_lost(connection)
        except Unreachable as error:
            raise Unavailable(f"{AWAY} ({type(error.__cause__).__name__})") from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise Unavailable(f"{AWAY} ({type(error).__name__})") from error

    async def _hold_until_lost(self, connection: Any) -> None:
        try:
            await connection.add_listener(_PAUSE, self._heard)
            await connection.add_listener(_LEDGER, self._hear_news)
            # Noticed at once, not at the next heartbeat: another may have the database to itself from now on.
            connection.add_termination_listener(self._heard)
            while True:
                await self._hold(connection)
        except Exception:
            # Who is not known to the others must not serve; and letting go of a connection can take a while.
            self._gate.close(AWAY)
            raise

    async def _hold(self, connection: Any) -> None:
        """Takes a share, lets requests in, and gives it back when it is asked to."""
        await connection.execute("SELECT pg_advisory_lock_shared($1::bigint)", SERVING)
        if self._held_before:
            # While it had no share, anything may have happened to the data.
            self._gate.data_replaced()
        self._held_before = True
        self._task.worked()
        self._asked.clear()
        while True:
            self._open_gate(connection)
            await self._wait_until_asked(connection)
            # Where the connection is lost, and the share with it, this raises, and nobody was let in meanwhile.
            self._gate.pause()
            try:
                await self._gate.emptied()
            except Unavailable:
                _log.warning("Requests did not end in time, so this process did not pause for another one's restore")
                continue
            await connection.execute("SELECT pg_advisory_unlock_shared($1::bigint)", SERVING)
            # Closed until there is a share again.
            return

    def _open_gate(self, connection: Any) -> None:
        """Raises ConnectionError when the connection, and with it the share, was lost in the meantime."""
        if connection.is_closed():
            raise ConnectionError("the server closed it")
        self._gate.open()

    async def _wait_until_asked(self, connection: Any) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await self._asked.wait()
                self._asked.clear()
                return
            await connection.execute("SELECT 1", timeout=CONNECT_SECONDS)

    def _heard(self, *_: object) -> None:
        self._asked.set()


@asynccontextmanager
async def try_restore_lock(session_url: str) -> AsyncIterator[Any]:
    """No other process restores for the length of the block; what is given is a connection. Raises Conflict."""
    async with session(session_url) as connection:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1::bigint)", _RESTORING):
            raise Conflict("Another restore is running; wait for its end")
        yield connection


@asynccontextmanager
async def exclusive_access(session_url: str, gate: Gate) -> AsyncIterator[Any]:
    """Nobody else works with the database for the length of the block; what is given is a connection.

    Raises Unavailable when a process does not make way; nothing has happened then.
    """
    async with session(session_url) as holder, session(session_url) as caller:
        locked = asyncio.create_task(holder.execute("SELECT pg_advisory_lock($1::bigint)", SERVING))
        try:
            await _ask_until(locked, caller)
            yield caller
        finally:
            locked.cancel()
            with suppress(asyncio.CancelledError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await locked
    # This process, where it serves, has to get its share back before it can go on.
    await gate.opened()


async def _ask_until(locked: asyncio.Task[Any], caller: Any) -> None:
    try:
        async with asyncio.timeout(PAUSE_SECONDS):
            while not locked.done():
                # Who asks stands in the queue already: a share given back is not taken again before.
                await caller.execute(f"NOTIFY {_PAUSE}")
                await asyncio.wait([locked], timeout=ASK_EVERY_SECONDS)
            await locked
    except TimeoutError:
        raise Unavailable(
            f"A Stocky on this database did not pause within {PAUSE_SECONDS} seconds, so nothing was changed;"
            " try again when it is quieter",
            retry_after=30,
        ) from None
