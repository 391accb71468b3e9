"""Server-sent events: what all live streams share. A stream says something now and then, and ends when Stocky does.

Nothing is kept for a reader that does not read: its stream waits, and is cut off when it has waited long enough.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, Protocol

from litestar.response import Stream
from litestar.response.base import ASGIResponse
from litestar.response.sse import ServerSentEventMessage
from litestar.types import Message, Receive, Scope, Send

from stocky.errors import Throttled, Unavailable

# A proxy that hears nothing closes the connection; a reader that went away is only noticed by writing to it.
HEARTBEAT_SECONDS = 15
# How long a reader may leave what was sent to it unread before it is cut off.
UNREAD_SECONDS = 30
# Streams of one process. Each costs a connection and a task.
MAX_STREAMS = 250
# Of these, one user's, by whatever key or sign-in: nobody shuts the others out.
MAX_STREAMS_OF_USER = 25
# In the extensions of a request: what cuts its connection off without waiting for the reader.
CUT_OFF = "stocky.cut_off"

TOO_MANY_STREAMS = f"You have {MAX_STREAMS_OF_USER} live streams open already"
_log = logging.getLogger(__name__)
EVENT_STREAM = "text/event-stream"


class Streams:
    """The live streams of this process, so that they can be ended together before the server waits for them."""

    def __init__(self) -> None:
        self.ending = False
        self._bells: set[asyncio.Event] = set()
        self._of_user: Counter[int] = Counter()

    @property
    def count(self) -> int:
        """Streams that are open."""
        return len(self._bells)

    def admit(self, user_id: int) -> None:
        """Called by the task that answers with a stream; until that ends, it is one of the user's.

        Raises Throttled when the user has enough, Unavailable when all have, or Stocky is stopping.
        """
        if self.ending:
            raise Unavailable("Stocky is stopping; come back", retry_after=5)
        if len(self._bells) >= MAX_STREAMS:
            raise Unavailable(f"There are {MAX_STREAMS} live streams already; close one, or come back", retry_after=30)
        if self._of_user[user_id] >= MAX_STREAMS_OF_USER:
            raise Throttled(f"{TOO_MANY_STREAMS}; close one, and try again", retry_after=30)
        task = asyncio.current_task()
        assert task is not None
        self._of_user[user_id] += 1
        task.add_done_callback(lambda _: self._leave(user_id))

    @contextmanager
    def open(self) -> Iterator[asyncio.Event]:
        """A stream's bell for the length of the block: set when there is news, or when `ending` has become true."""
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


def event(id: int, data: bytes, kind: str | None = None) -> bytes:
    """One message; `id` is what the reader sends as `Last-Event-ID` when it comes back."""
    return ServerSentEventMessage(data=data, id=id, event=kind, sep="\n").encode()


def comment(text: str, id: int | None = None) -> bytes:
    """A line that readers ignore; with an `id` they come back with that one."""
    return ServerSentEventMessage(data=None, id=id, comment=text, sep="\n").encode()


def event_stream(messages: AsyncGenerator[bytes]) -> Stream:
    """The answer that sends these messages as they come."""
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return _LiveStream(messages, media_type=EVENT_STREAM, headers=headers)


class ClosingStream(Stream):
    """A streamed answer that closes what it iterates over when it ends, however it ends."""

    def to_asgi_response(self, app: Any, request: Any, **more: Any) -> ASGIResponse:
        answer = super().to_asgi_response(app, request, **more)
        # Litestar's types name its own class; what it asks of an answer is that it can be called as ASGI.
        return _Closing(answer, self.iterator)  # type: ignore[return-value, arg-type]


class _Closable(Protocol):
    def aclose(self) -> Awaitable[None]: ...


class _Closing:
    def __init__(self, answer: ASGIResponse, parts: _Closable) -> None:
        self._answer = answer
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # One that is left in the middle would otherwise stay open until it is found as garbage.
        async with aclosing(self._parts):
            await self._answer(scope, receive, send)


class _LiveStream(Stream):
    def to_asgi_response(self, app: Any, request: Any, **more: Any) -> ASGIResponse:
        answer = super().to_asgi_response(app, request, **more)
        # Litestar's types name its own class; what it asks of an answer is that it can be called as ASGI.
        return _Impatient(answer, self.iterator)  # type: ignore[return-value, arg-type]


class _Impatient:
    """A streaming answer that waits no longer than UNREAD_SECONDS for its reader."""

    def __init__(self, answer: ASGIResponse, messages: AsyncGenerator[bytes]) -> None:
        self._answer = answer
        self._messages = messages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(UNREAD_SECONDS):
                    await send(message)
            except TimeoutError:
                _log.info("%s: the reader does not read and is cut off", scope["path"])
                _cut_off(scope)
                raise _Unread from None

        try:
            await self._answer(scope, receive, send_in_time)
        except* _Unread:
            pass
        finally:
            # One that waits to be asked for its next message would otherwise stay open until it is found as garbage.
            await self._messages.aclose()


class _Unread(Exception):
    """What was sent to a reader is still unread."""


def _cut_off(scope: Scope) -> None:
    """Ends the connection of a request, and forgets what was not read from it, where the server can do that."""
    if end := (scope.get("extensions") or {}).get(CUT_OFF):
        end["now"]()  # type: ignore[operator]  # what our own server puts there can be called
