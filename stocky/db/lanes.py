"""Connection lanes: slow reads wait only for each other, so authentication and short reads are never blocked by them.

Within a lane, connections are handed out first come, first served.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import Enum

from stocky.errors import Unavailable

# How long to wait for a connection, except for long reads.
WAIT_SECONDS = 10.0
# How many long reads may wait for a connection at a time, and for how long.
MAX_WAITING = 16
LONG_WAIT_SECONDS = 30.0
_TOO_LONG = "Too many exports, histories and large lists are being read at once; try again"


class Lane(Enum):
    """What a connection is used for; it waits only for others in the same lane.

    IDENTITY: authentication and readiness. SHORT: a few rows, found by an index. LONG: reads of a tenth of a second or
    more, refused while MAX_WAITING wait. BACKGROUND: the same without a bound, for jobs and for responses that have
    started. WRITE: a transaction, on Postgres; SQLite has one writer.
    """

    IDENTITY = "identity"
    SHORT = "short"
    LONG = "long"
    BACKGROUND = "background"
    WRITE = "write"


class Lanes:
    """Counts the connections that each lane has in use."""

    def __init__(self, sizes: Mapping[Lane, int]) -> None:
        """`sizes`: the number of connections of each lane; BACKGROUND shares those of LONG."""
        # asyncio's semaphore is fair; a queue gives an item to the next caller of get().
        self._free = {lane: asyncio.Semaphore(size) for lane, size in sizes.items()}
        self._free[Lane.BACKGROUND] = self._free[Lane.LONG]
        self.waiting = 0

    @asynccontextmanager
    async def enter(self, lane: Lane) -> AsyncIterator[None]:
        """Reserves one of the lane's connections for the block. Raises Unavailable."""
        free = self._free[lane]
        if not free.locked():
            await free.acquire()
        elif lane is Lane.LONG:
            await self._wait_for_long(free)
        elif lane is Lane.BACKGROUND:
            await free.acquire()
        else:
            await _wait(free)
        try:
            yield
        finally:
            free.release()

    async def _wait_for_long(self, free: asyncio.Semaphore) -> None:
        if self.waiting >= MAX_WAITING:
            raise Unavailable(_TOO_LONG, retry_after=5)
        self.waiting += 1
        try:
            async with asyncio.timeout(LONG_WAIT_SECONDS):
                await free.acquire()
        except TimeoutError:
            raise Unavailable(_TOO_LONG, retry_after=5) from None
        finally:
            self.waiting -= 1


async def _wait(free: asyncio.Semaphore) -> None:
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await free.acquire()
    except TimeoutError:
        raise Unavailable("Too many requests are using the database at once; try again", retry_after=2) from None
