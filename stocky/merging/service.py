"""Runs the merges of one process one at a time, so that waiting for an import takes at most one connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from stocky.auth.schemas import Principal
from stocky.catalogue.schemas import Item
from stocky.db import Connection, Database
from stocky.errors import Contention, Unavailable
from stocky.merging import repository
from stocky.stock.recorder import Recorder

WAIT_SECONDS = 2
PAUSE_SECONDS = 0.05
# Scans lock the same items in another order, and Postgres aborts one of two deadlocked transactions.
ATTEMPTS = 3


class Merging:
    """Merges items and undoes merges, each in its own transaction."""

    def __init__(self, database: Database, recorder: Recorder) -> None:
        self._database = database
        self._recorder = recorder
        self._lock = asyncio.Lock()

    async def merge_items(self, source_id: int, target_id: int, by: Principal) -> Item:
        """Raises what `repository.merge_items` raises, and Unavailable while an import is being written."""
        return await self._retry(lambda tx: repository.merge_items(tx, self._recorder, source_id, target_id, by))

    async def undo_merge(self, source_id: int, by: Principal) -> Item:
        """Raises what `repository.undo_merge` raises, and Unavailable while an import is being written."""
        return await self._retry(lambda tx: repository.undo_merge(tx, self._recorder, source_id, by))

    async def _retry(self, work: Callable[[Connection], Awaitable[Item]]) -> Item:
        """The result of `work`, repeated after a deadlock. Raises Contention after ATTEMPTS."""
        for _ in range(ATTEMPTS - 1):
            with suppress(Contention):
                async with self._exclusive() as tx:
                    return await work(tx)
        async with self._exclusive() as tx:
            return await work(tx)

    @asynccontextmanager
    async def _exclusive(self) -> AsyncIterator[Connection]:
        """A transaction that excludes other merges and imports."""
        # Callers that have waited this long for the lock try once, so that all of them fail at about the same time.
        end = time.monotonic() + WAIT_SECONDS
        async with self._lock, self._database.transaction() as tx:
            while not await repository.try_to_lock_merges(tx):
                if time.monotonic() > end:
                    raise Unavailable(
                        "An import, or a merge in another process, is in progress; send it again when it has finished",
                        retry_after=5,
                    )
                await asyncio.sleep(PAUSE_SECONDS)
            yield tx
