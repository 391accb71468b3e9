"""Readers of live streams, inside the test process and from a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
from litestar import Litestar

from stocky.live.repository import EventFilter
from stocky.live.stream import follow_ledger
from tests.serving import Server

SECONDS = 60


class Message(msgspec.Struct):
    """One server-sent event."""

    id: int
    kind: str
    data: Any


def parse(text: str) -> Message | None:
    """A message; None for a comment."""
    fields = dict(line.split(": ", 1) for line in text.splitlines() if line[:1] not in ("", ":"))
    if "data" not in fields:
        return None
    return Message(int(fields["id"]), fields["event"], json.loads(fields["data"]))


async def parsed(pieces: AsyncIterator[str]) -> AsyncIterator[Message]:
    """The messages of a stream received in chunks."""
    text = ""
    async for piece in pieces:
        text += piece
        *whole, text = text.split("\n\n")
        for each in whole:
            if message := parse(each):
                yield message


class Reader:
    """Reads a stream; each read is limited to SECONDS."""

    def __init__(self, messages: AsyncIterator[Message]) -> None:
        self._messages = messages

    async def next(self, kind: str = "stock") -> Message:
        """The next message, which must be of this kind."""
        message = await asyncio.wait_for(anext(self._messages), SECONDS)
        assert message.kind == kind, message
        return message

    async def ids(self, count: int) -> list[int]:
        """The ids of the next events."""
        return [(await self.next()).id for _ in range(count)]

    async def ended(self) -> bool:
        """Whether the stream ends without another message."""
        return await asyncio.wait_for(anext(self._messages, None), SECONDS) is None


async def _everyone() -> None:
    return None


@asynccontextmanager
async def following(
    app: Litestar, after: int | None = None, admit: Callable[[], Awaitable[None]] = _everyone, **wanted: Any
) -> AsyncIterator[Reader]:
    """A reader of the application's `/events/stream`, without a server."""
    stream = follow_ledger(app.state.tail, app.state.streams, EventFilter(**wanted), after, admit)

    async def pieces() -> AsyncIterator[str]:
        async for piece in stream:
            yield piece.decode()

    messages = parsed(pieces())
    try:
        yield Reader(messages)
    finally:
        # The pending read is cancelled before the stream is closed.
        await messages.aclose()  # type: ignore[attr-defined]
        await stream.aclose()  # type: ignore[attr-defined]


@asynccontextmanager
async def reading(server: Server, key: str, **query: Any) -> AsyncIterator[Reader]:
    """A reader of a real server's stream; the connection is closed after the block."""
    headers = {"X-API-Key": key}
    async with (
        httpx.AsyncClient(headers=headers, timeout=SECONDS) as client,
        client.stream("GET", f"{server.api}/events/stream", params=query) as answer,
    ):
        assert answer.status_code == 200
        yield Reader(parsed(answer.aiter_text()))
