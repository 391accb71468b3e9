"""Server-sent events: what all live streams share. A stream sends heartbeats, and ends when Stocky stops.

Nothing is buffered for a client that does not read: its stream waits, and is aborted after UNREAD_SECONDS.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, Protocol

from litestar.response import Stream
from litestar.response.base import ASGIResponse
from litestar.response.sse import ServerSentEventMessage
from litestar.types import Message, Receive, Scope, Send

from stocky.errors import StockyError, Throttled, Unavailable

# Proxies close idle connections, and a disconnected client is only noticed by writing to it.
HEARTBEAT_SECONDS = 15
# How often a client's permission is checked; for at most this long it receives data after losing it.
ADMIT_SECONDS = 1.0
# How long a client may leave sent data unread before its connection is aborted.
UNREAD_SECONDS = 30
# Streams of one process. Each costs a connection and a task.
MAX_STREAMS = 250
# Streams of one user, across all keys and sessions, so that no user blocks the others.
MAX_STREAMS_OF_USER = 25
# In a request's extensions: aborts its connection without waiting for the client.
CUT_OFF = "stocky.cut_off"

TOO_MANY_STREAMS = f"You have {MAX_STREAMS_OF_USER} live streams open already"
_log = logging.getLogger(__name__)
EVENT_STREAM = "text/event-stream"


class Streams:
    """The live streams of this process, which are ended together before the server waits for requests."""

    def __init__(self) -> None:
        self.ending = False
        self._bells: set[asyncio.Event] = set()
        self._of_user: Counter[int] = Counter()

    @property
    def count(self) -> int:
        """The number of open streams."""
        return len(self._bells)

    def admit(self, user_id: int) -> None:
        """Counts a stream for the user until the current task ends.

        Raises Throttled at the user's limit, Unavailable at the process's limit or when Stocky is stopping.
        """
        if self.ending:
            raise Unavailable("Stocky is stopping; try again", retry_after=5)
        if len(self._bells) >= MAX_STREAMS:
            raise Unavailable(
                f"There are {MAX_STREAMS} live streams already; close one, or try again later", retry_after=30
            )
        if self._of_user[user_id] >= MAX_STREAMS_OF_USER:
            raise Throttled(f"{TOO_MANY_STREAMS}; close one, and try again", retry_after=30)
        task = asyncio.current_task()
        assert task is not None
        self._of_user[user_id] += 1
        task.add_done_callback(lambda _: self._leave(user_id))

    @contextmanager
    def open(self) -> Iterator[asyncio.Event]:
        """A stream's bell for the block: set when there is data, or when `ending` has become true."""
        bell = asyncio.Event()
        self._bells.add(bell)
        try:
            yield bell
        finally:
            self._bells.discard(bell)

    def _leave(self, user_id: int) -> None:
        self._of_user[user_id] -= 1
        if not self._of_user[user_id]:
            del self._of_user[user_id]

    def end(self) -> None:
        """Ends every stream after its current message."""
        self.ending = True
        for bell in self._bells:
            bell.set()


class Permission:
    """A client's permission to follow a stream. `admit` raises Unauthorized or Forbidden once it is lost."""

    def __init__(self, admit: Callable[[], Awaitable[None]]) -> None:
        self._admit = admit
        self._checked = time.monotonic()

    async def lasts(self) -> bool:
        """Checks it, at most every ADMIT_SECONDS. While that is not possible, it lasts."""
        if time.monotonic() - self._checked < ADMIT_SECONDS:
            return True
        self._checked = time.monotonic()
        try:
            await self._admit()
        except Unavailable:
            return True
        except StockyError:
            return False
        return True


def event(id: int, data: bytes, kind: str | None = None) -> bytes:
    """One message; the client sends `id` as `Last-Event-ID` when it reconnects."""
    return ServerSentEventMessage(data=data, id=id, event=kind, sep="\n").encode()


def comment(text: str, id: int | None = None) -> bytes:
    """A line that clients ignore; with an `id`, they reconnect with that one."""
    return ServerSentEventMessage(data=None, id=id, comment=text, sep="\n").encode()


def event_stream(messages: AsyncGenerator[bytes]) -> Stream:
    """A response that sends these messages as they are produced."""
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return _LiveStream(messages, media_type=EVENT_STREAM, headers=headers)


class ClosingStream(Stream):
    """A streamed response that always closes its iterator at the end."""

    def to_asgi_response(self, app: Any, request: Any, **more: Any) -> ASGIResponse:
        answer = super().to_asgi_response(app, request, **more)
        # Litestar's types name its own class, but any ASGI callable works.
        return _Closing(answer, self.iterator)  # type: ignore[return-value, arg-type]


class _Closable(Protocol):
    def aclose(self) -> Awaitable[None]: ...


class _Closing:
    def __init__(self, answer: ASGIResponse, parts: _Closable) -> None:
        self._answer = answer
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # An abandoned iterator would otherwise stay open until it is garbage-collected.
        async with aclosing(self._parts):
            await self._answer(scope, receive, send)


class _LiveStream(Stream):
    def to_asgi_response(self, app: Any, request: Any, **more: Any) -> ASGIResponse:
        answer = super().to_asgi_response(app, request, **more)
        # Litestar's types name its own class, but any ASGI callable works.
        return _Impatient(answer, self.iterator)  # type: ignore[return-value, arg-type]


class _Impatient:
    """A streaming response that waits at most UNREAD_SECONDS for its client."""

    def __init__(self, answer: ASGIResponse, messages: AsyncGenerator[bytes]) -> None:
        self._answer = answer
        self._messages = messages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(UNREAD_SECONDS):
                    await send(message)
            except TimeoutError:
                _log.info("%s: the client does not read and is disconnected", scope["path"])
                _cut_off(scope)
                raise _Unread from None

        try:
            await self._answer(scope, receive, send_in_time)
        except* _Unread:
            pass
        finally:
            # A suspended generator would otherwise stay open until it is garbage-collected.
            await self._messages.aclose()


class _Unread(Exception):
    """The client has not read what was sent."""


def _cut_off(scope: Scope) -> None:
    """Aborts the connection of a request and drops unsent data, where the server supports it."""
    if end := (scope.get("extensions") or {}).get(CUT_OFF):
        end["now"]()  # type: ignore[operator]  # HttpConnection stores a callable there
