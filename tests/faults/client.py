"""A small HTTP/1.1 client on one persistent connection, fast enough not to be the bottleneck."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec


class Answer(NamedTuple):
    """A response; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: Any


class Client:
    """Posts JSON, one request at a time. A failure closes the connection; the next request opens another."""

    def __init__(self, port: int, key: str, *, timeout: float = 20) -> None:
        self.port = port
        self._key = key
        self._timeout = timeout
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: Any) -> Answer:
        """Raises OSError without a complete response in time; the request may or may not have been processed."""
        content = msgspec.json.encode(body)
        head = (
            f"POST /api/v1{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {self._key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        try:
            async with asyncio.timeout(self._timeout):
                if self._streams is None:
                    self._streams = await asyncio.open_connection("127.0.0.1", self.port)
                reader, writer = self._streams
                writer.write(head.encode() + content)
                return await _answer(reader)
        except (OSError, EOFError, TimeoutError) as error:
            await self.close()
            raise ConnectionError(f"no answer: {error!r}") from error

    async def close(self) -> None:
        if self._streams is not None:
            (_, writer), self._streams = self._streams, None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader) -> Answer:
    status_line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    content = await reader.readexactly(int(headers["content-length"]))
    return Answer(int(status_line.split()[1]), headers, msgspec.json.decode(content) if content else None)
