"""The ledger as server-sent events: what a reader is sent begins behind its position and misses nothing settled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress

import msgspec

from stocky.db.maintenance_gate import request_epoch
from stocky.errors import StockyError, Unavailable
from stocky.http.sse import HEARTBEAT_SECONDS, Streams, comment, event
from stocky.live.repository import EventFilter
from stocky.live.tail import LedgerTail

# Events in one piece of the answer.
BATCH = 100
# How often one looks whether the reader still may; it is told nothing that came later than this after it may not.
ADMIT_SECONDS = 1.0


class Position(msgspec.Struct):
    """Where in the ledger a stream stands: the reader has been told everything up to this id, or read it before."""

    position: int


async def follow_ledger(
    tail: LedgerTail,
    streams: Streams,
    wanted: EventFilter,
    after: int | None,
    admit: Callable[[], Awaitable[None]],
) -> AsyncGenerator[bytes]:
    """A `ready` event with the position it begins at, then the wanted events behind it as `stock` events.

    It begins after the id `after`, or from now on. When the ledger may be another one, after a restore, a `reset`
    event says where it goes on. It ends with Stocky, and when `admit` raises Unauthorized or Forbidden.
    """
    # It outlives a restore, and tells of it.
    request_epoch.set(None)
    with streams.open() as bell, tail.ringing(bell):
        follower = _Follower(tail, wanted, after)
        admitted = spoke = time.monotonic()
        while not streams.ending:
            bell.clear()
            try:
                if time.monotonic() - admitted >= ADMIT_SECONDS:
                    await admit()
                    admitted = time.monotonic()
                told = await follower.next()
            except Unavailable:
                told = b""
            except StockyError:
                return
            if not told and time.monotonic() - spoke >= HEARTBEAT_SECONDS:
                # Of a stream with filters, too, the reader comes back with the newest position.
                told = comment("still here", follower.position)
            if told:
                yield told
                spoke = time.monotonic()
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(ADMIT_SECONDS):
                        await bell.wait()


class _Follower:
    """One reader's place in the ledger. `position` is None until it has been told where it begins."""

    def __init__(self, tail: LedgerTail, wanted: EventFilter, after: int | None) -> None:
        self.position: int | None = None
        self._tail = tail
        self._wanted = wanted
        self._after = after
        self._epoch: int | None = None

    async def next(self) -> bytes:
        """The next messages, nothing while there is no news. Raises Unavailable."""
        settled, epoch = self._tail.settled, self._tail.epoch
        if settled is None:
            return b""
        if self.position is None or self._epoch != epoch:
            return await self._begin(settled, epoch)
        messages, position = await self._tail.events_after(self.position, self._wanted, BATCH)
        if self._tail.epoch != epoch:
            # Read from other data than its position is in.
            return b""
        self.position = position
        return b"".join(messages)

    async def _begin(self, settled: int, epoch: int) -> bytes:
        kind, position = "ready", settled
        if self.position is not None:
            kind = "reset"
        elif self._after is not None:
            # A ledger that is shorter than what its reader has seen was restored meanwhile.
            kind, position = ("ready", self._after) if await self._tail.has(self._after) else ("reset", settled)
        if self._tail.epoch != epoch:
            return b""
        self.position, self._epoch = position, epoch
        return event(position, msgspec.json.encode(Position(position)), kind)
