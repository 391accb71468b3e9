"""Another program's session on the test's Postgres database, to hold locks, end connections and change settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg

from stocky.config import Config

_BLOCKED = """
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()
"""

# How long an ended connection may take to end, in milliseconds.
ENDED_MS = 10_000


class Session:
    """One psycopg connection in autocommit."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection
        self.pid = connection.info.backend_pid

    async def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        cursor = await self._connection.execute(statement)  # type: ignore[call-overload]  # psycopg wants a literal
        return await cursor.fetchall() if cursor.description else []

    async def blocked(self) -> list[int]:
        """Waits until a backend waits for a lock, and returns all of them."""
        for _ in range(1000):
            if found := await self.execute(_BLOCKED):
                return [pid for (pid,) in found]
            await asyncio.sleep(0.01)
        raise AssertionError("nothing waits for a lock")

    async def terminate(self, *pids: int) -> None:
        """Ends backends, like an administrator or a failover."""
        for pid in pids:
            await self.execute(f"SELECT pg_terminate_backend({pid})")

    async def terminate_others(self) -> None:
        """Ends every other connection to this database, and waits until they have ended."""
        await self.execute(
            f"SELECT pg_terminate_backend(pid, {ENDED_MS}) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    async def configure(self, setting: str) -> None:
        """`ALTER DATABASE … setting`, and ends all connections, so that it takes effect."""
        ((name,),) = await self.execute("SELECT current_database()")
        await self.execute(f"ALTER DATABASE {name} {setting}")
        await self.terminate_others()


@asynccontextmanager
async def session(config: Config) -> AsyncIterator[Session]:
    """A separate session for the block, with its own defaults."""
    connection = await psycopg.AsyncConnection.connect(
        config.database_url, autocommit=True, options="-c default_transaction_read_only=off -c statement_timeout=0"
    )
    async with connection:
        yield Session(connection)
