"""The maintenance gate: closed while a restore replaces the data, so no request sees old and new data together.

A request records the epoch it began in. A replacement starts a new epoch, and requests that began before it are
refused with 503, so that nothing read from the old data is applied to the new.
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

# The epoch in which the current request began; None outside of requests, where it is not checked.
request_epoch: ContextVar[int | None] = ContextVar("request_epoch", default=None)


class Gate:
    """Counts the users of the data in one process, and admits none while it is closed."""

    def __init__(self) -> None:
        self.epoch = 0
        self._inside = 0
        # The error raised on entry while it is closed.
        self._refusal: type[Unavailable] = Unavailable
        self._reason: str | None = None
        self._empty = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        self._replaced_callbacks: list[Callable[[], None]] = []

    def on_data_replaced(self, callback: Callable[[], None]) -> None:
        """Registers a callback for each replacement of the data, called before the gate opens again."""
        self._replaced_callbacks.append(callback)

    def check_open(self) -> None:
        """Raises Unavailable when it is closed (Paused, for a restore), or when the request began with other data."""
        if self._reason is not None:
            raise self._refusal(self._reason, retry_after=2)
        if request_epoch.get() not in (None, self.epoch):
            raise Unavailable("The data has just been restored from a backup; send it again")

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Counts the block as a user of the data. Raises what `check_open` raises."""
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
        """Closes the gate for the block, after every user has left.

        Raises Conflict when it is closed already, Unavailable when a user does not leave in time.
        """
        if self._reason is not None:
            raise Conflict("Another restore is running; wait until it ends")
        self.pause()
        try:
            await self.emptied()
            yield
        finally:
            self.open()

    def close(self, reason: str) -> None:
        """Admits no new users; those inside continue."""
        self._close(Unavailable, reason)

    def pause(self) -> None:
        """Closes the gate for a restore, until its data is in place."""
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
        """Starts a new epoch and calls the callbacks, which drop what this process has cached of the old data."""
        self.epoch += 1
        for callback in self._replaced_callbacks:
            callback()

    async def opened(self) -> None:
        """Waits until it is open."""
        await self._open.wait()

    async def emptied(self) -> None:
        """Waits until every user has left. Raises Unavailable after DRAIN_SECONDS."""
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
