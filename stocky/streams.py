"""Server-sent events: what all live streams share. A stream says something now and then, and ends when Stocky does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from litestar.response import Stream
from litestar.response.sse import ServerSentEventMessage

# A proxy that hears nothing closes the connection; a reader that went away is only noticed by writing to it.
HEARTBEAT_SECONDS = 15
EVENT_STREAM = "text/event-stream"


class Streams:
    """The live streams of this process, so that they can be ended together before the server waits for them."""

    def __init__(self) -> None:
        self.ending = False
        self._bells: set[asyncio.Event] = set()

    @contextmanager
    def open(self) -> Iterator[asyncio.Event]:
        """A stream's bell for the length of the block: set when there is news, or when `ending` has become true."""
        bell = asyncio.Event()
        self._bells.add(bell)
        try:
            yield bell
        finally:
            self._bells.discard(bell)

    def end(self) -> None:
        """Every stream ends after what it is just sending."""
        self.ending = True
        for bell in self._bells:
            bell.set()


async def rings(bell: asyncio.Event) -> bool:
    """Waits for the bell, a heartbeat's time at most; whether it rang."""
    try:
        async with asyncio.timeout(HEARTBEAT_SECONDS):
            await bell.wait()
    except TimeoutError:
        return False
    return True


def event(id: int, data: bytes) -> bytes:
    """One message; `id` is what the reader sends as `Last-Event-ID` when it comes back."""
    return ServerSentEventMessage(data=data, id=id, sep="\n").encode()


def comment(text: str) -> bytes:
    """A line that readers ignore."""
    return ServerSentEventMessage(data=None, comment=text, sep="\n").encode()


def event_stream(messages: AsyncIterator[bytes]) -> Stream:
    """The answer that sends these messages as they come."""
    return Stream(messages, media_type=EVENT_STREAM, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
