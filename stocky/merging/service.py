"""Merges of one process, one after the other: while an import is being written, they keep no connection from scans."""

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
# Scans lock the same items in another order, and Postgres ends one of two that wait for each other.
ATTEMPTS = 3


class Merging:
    """Merges, and what gives them back, each in a transaction of its own."""

    def __init__(self, database: Database, recorder: Recorder) -> None:
        self._database = database
        self._recorder = recorder
        self._turn = asyncio.Lock()

    async def merge_items(self, source_id: int, target_id: int, by: Principal) -> Item:
        """Raises what `repository.merge_items` raises, and Unavailable while an import is being written."""
        return await self._do(lambda tx: repository.merge_items(tx, self._recorder, source_id, target_id, by))

    async def undo_merge(self, source_id: int, by: Principal) -> Item:
        """Raises what `repository.undo_merge` raises, and Unavailable while an import is being written."""
        return await self._do(lambda tx: repository.undo_merge(tx, self._recorder, source_id, by))

    async def _do(self, work: Callable[[Connection], Awaitable[Item]]) -> Item:
        """What `work` returns, done again after a deadlock. Raises Contention after the last of ATTEMPTS."""
        for _ in range(ATTEMPTS - 1):
            with suppress(Contention):
                async with self._alone() as tx:
                    return await work(tx)
        async with self._alone() as tx:
            return await work(tx)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[Connection]:
        """A transaction beside which nothing else is merged or imported."""
        # Those who have waited for their turn as long as that ask once, so that they are all told at the same time.
        end = time.monotonic() + WAIT_SECONDS
        async with self._turn, self._database.transaction() as tx:
            while not await repository.try_to_lock_merges(tx):
                if time.monotonic() > end:
                    raise Unavailable(
                        "An import, or a merge in another process, is being written; send it again when that is done",
                        retry_after=5,
                    )
                await asyncio.sleep(PAUSE_SECONDS)
            yield tx
