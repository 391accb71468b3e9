"""The gate before the data: it closes for the moments in which a restore replaces it, and nobody sees half of both.

A request notes the epoch it began in. After a replacement the epoch is another, and what began before is told to
come again, so that nothing read from the old data is ever acted on in the new.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

from stocky.errors import Conflict, Paused, Unavailable

DRAIN_SECONDS = 15
_PAUSED = "A restore is putting its data in place; send it again"

_log = logging.getLogger(__name__)

# The epoch in which the request began that is being answered; None outside of requests, where nothing is remembered.
request_epoch: ContextVar[int | None] = ContextVar("begun_in", default=None)


class Gate:
    """Counts who works with the data of one process, and lets nobody in while it is closed."""

    def __init__(self) -> None:
        self.epoch = 0
        self._inside = 0
        # What those who come are told while it is closed.
        self._refusal: type[Unavailable] = Unavailable
        self._reason: str | None = None
        self._empty = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        self._renewals: list[Callable[[], None]] = []

    def on_data_replaced(self, forget: Callable[[], None]) -> None:
        """`forget` is called whenever the data has been replaced, before anyone is let in again."""
        self._renewals.append(forget)

    def check_open(self) -> None:
        """Raises Unavailable when it is closed (Paused, for a restore), or when the request began with other data."""
        if self._reason is not None:
            raise self._refusal(self._reason, retry_after=2)
        if request_epoch.get() not in (None, self.epoch):
            raise Unavailable("The data has just been restored from a backup; send it again")

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Work with the data for the length of the block. Raises what `check_open` raises."""
        self.check_open()
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    @asynccontextmanager
    async def drained(self) -> AsyncIterator[None]:
        """Nobody is inside for the length of the block.

        Raises Conflict when it is closed already, Unavailable when someone does not come out in time.
        """
        if self._reason is not None:
            raise Conflict("Another restore is running; wait for its end")
        self.pause()
        try:
            await self.emptied()
            yield
        finally:
            self.open()

    def close(self, reason: str) -> None:
        """Lets nobody in any more; those who are inside go on."""
        self._close(Unavailable, reason)

    def pause(self) -> None:
        """The same for a restore, until its data is in place."""
        _log.info(
            "A restore is putting its data in place: background tasks pause and requests are answered 503 until it ends"
        )
        self._close(Paused, _PAUSED)

    def _close(self, refusal: type[Unavailable], reason: str) -> None:
        self._refusal, self._reason = refusal, reason
        self._open.clear()

    def open(self) -> None:
        self._reason = None
        self._open.set()

    def data_replaced(self) -> None:
        """Says that the data is another: what is remembered of the old is forgotten, in this process."""
        self.epoch += 1
        for forget in self._renewals:
            forget()

    async def opened(self) -> None:
        """Waits until it is open."""
        await self._open.wait()

    async def emptied(self) -> None:
        """Waits until nobody is inside. Raises Unavailable when that takes too long."""
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while self._inside:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            raise Unavailable(
                f"{self._inside} requests did not end within {DRAIN_SECONDS} seconds, so nothing was changed;"
                " try again when it is quieter",
                retry_after=30,
            ) from None
