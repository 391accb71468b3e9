"""The ledger as server-sent events; a stream starts after its client's position and skips no settled event."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress

import msgspec

from stocky.db.maintenance_gate import request_epoch
from stocky.errors import StockyError, Unavailable
from stocky.http.sse import ADMIT_SECONDS, HEARTBEAT_SECONDS, Streams, comment, event
from stocky.live.repository import EventFilter
from stocky.live.tail import LedgerTail

# Events in one chunk of the response.
BATCH = 100


class Position(msgspec.Struct):
    """A stream's position in the ledger: the client has every event up to this id."""

    position: int


async def follow_ledger(
    tail: LedgerTail,
    streams: Streams,
    wanted: EventFilter,
    after: int | None,
    admit: Callable[[], Awaitable[None]],
) -> AsyncGenerator[bytes]:
    """A `ready` message with the starting position, then the matching events after it as `stock` messages.

    It starts after the id `after`, or at the end of the ledger. After a restore, a `reset` message has the new
    position. It ends when Stocky stops, and when `admit` raises Unauthorized or Forbidden.
    """
    # The stream survives a restore and reports it, so the gate must not refuse it as begun before.
    request_epoch.set(None)
    with streams.open() as bell, tail.ringing(bell):
        follower = _Follower(tail, wanted, after)
        admitted = sent = time.monotonic()
        while not streams.ending:
            bell.clear()
            try:
                if time.monotonic() - admitted >= ADMIT_SECONDS:
                    await admit()
                    admitted = time.monotonic()
                chunk = await follower.next()
            except Unavailable:
                chunk = b""
            except StockyError:
                return
            if not chunk and time.monotonic() - sent >= HEARTBEAT_SECONDS:
                # With the newest position, so that a client of a filtered stream reconnects from there.
                chunk = comment("still here", follower.position)
            if chunk:
                yield chunk
                sent = time.monotonic()
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(ADMIT_SECONDS):
                        await bell.wait()


class _Follower:
    """One client's position in the ledger; None before its first message."""

    def __init__(self, tail: LedgerTail, wanted: EventFilter, after: int | None) -> None:
        self.position: int | None = None
        self._tail = tail
        self._wanted = wanted
        self._after = after
        self._epoch: int | None = None

    async def next(self) -> bytes:
        """The next messages, empty while there are none. Raises Unavailable."""
        settled, epoch = self._tail.settled, self._tail.epoch
        if settled is None:
            return b""
        if self.position is None or self._epoch != epoch:
            return await self._begin(settled, epoch)
        messages, position = await self._tail.events_after(self.position, self._wanted, BATCH)
        if self._tail.epoch != epoch:
            # Read from other data than the position refers to.
            return b""
        self.position = position
        return b"".join(messages)

    async def _begin(self, settled: int, epoch: int) -> bytes:
        kind, position = "ready", settled
        if self.position is not None:
            kind = "reset"
        elif self._after is not None:
            # A ledger shorter than the client's position was restored meanwhile.
            kind, position = ("ready", self._after) if await self._tail.has(self._after) else ("reset", settled)
        if self._tail.epoch != epoch:
            return b""
        self.position, self._epoch = position, epoch
        return event(position, msgspec.json.encode(Position(position)), kind)
