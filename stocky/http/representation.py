"""How JSON is sent to a client that reads: with an ETag, not at all where the client has it already, or compressed.

Only responses to GET that are read at once: scans, files and streams pass unchanged.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The response cache is used without the framework.
    from litestar.types import HTTPResponseStartEvent, HTTPScope, Message, Send

# Below this many bytes, compressing saves no packet.
SMALLEST_COMPRESSED = 1_024
# A larger response takes milliseconds to compress, so it is compressed in a thread.
LARGE = 256 * 1_024
_LEVEL = 1
_JSON = re.compile(rb"application/([a-z.-]+\+)?json\b")
_OPENAPI = "/openapi.json"

Headers = list[tuple[bytes, bytes]]


def is_read(scope: HTTPScope) -> bool:
    """Whether the responses to the request are represented here."""
    path = scope["path"]
    return scope["method"] == "GET" and (path.startswith("/api/") or path.endswith(_OPENAPI))


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether the client accepts a compressed body, by its Accept-Encoding."""
    for each in accept_encoding.lower().split(","):
        coding, _, weight = each.partition(";")
        if coding.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def holds_etag(if_none_match: str, etag: str) -> bool:
    """Whether the client has the content with this ETag (without quotes) already, by its If-None-Match."""
    etags = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    return "*" in etags or f'"{etag}"' in etags


def etag_of(body: bytes | memoryview) -> str:
    """The ETag of a body, without quotes."""
    return hashlib.sha256(body).hexdigest()[:16]


class Representation:
    """Sends one response, whose start waits for its body."""

    def __init__(self, scope: HTTPScope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._start: HTTPResponseStartEvent | None = None

    async def send(self, message: Message) -> None:
        """Takes a message of the application."""
        if message["type"] == "http.response.start":
            if message["status"] == 200 and _is_represented(message["headers"]):
                self._start = message
                return
        elif self._start is not None and message["type"] == "http.response.body":
            start, self._start = self._start, None
            if not message.get("more_body"):
                await self._represent(start, message.get("body", b""))
                return
            await self._send(start)
        await self._send(message)

    async def _represent(self, start: HTTPResponseStartEvent, body: bytes) -> None:
        headers: Headers = [each for each in start["headers"] if each[0].lower() != b"content-length"]
        state = self._scope["state"]
        # A cached response has been hashed before.
        etag: str = state.get("etag") or etag_of(body)
        version = state.get("version")
        if version is not None:
            # If-Match takes it, too: it compares the version alone.
            etag = f"{version}-{etag}"
        is_compressed = len(body) >= SMALLEST_COMPRESSED and accepts_gzip(self._header(b"accept-encoding"))
        # The compressed body has other bytes, so by RFC 9110 its ETag may only be weak.
        headers.append((b"etag", f'{"W/" if is_compressed else ""}"{etag}"'.encode()))
        if not any(name.lower() == b"cache-control" for name, _ in headers):
            headers.append((b"cache-control", b"private, no-cache"))
        headers = _vary(headers)
        if holds_etag(self._header(b"if-none-match"), etag):
            headers = [each for each in headers if each[0].lower() != b"content-type"]
            start["status"], start["headers"] = 304, headers
            await self._send(start)
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        if is_compressed:
            body = await asyncio.to_thread(_compress, body) if len(body) > LARGE else _compress(body)
            headers.append((b"content-encoding", b"gzip"))
        headers.append((b"content-length", str(len(body)).encode()))
        start["headers"] = headers
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    def _header(self, wanted: bytes) -> str:
        return ",".join(value.decode("latin-1") for name, value in self._scope["headers"] if name == wanted)


def _is_represented(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    found = {name.lower(): value for name, value in headers}
    return (
        _JSON.match(found.get(b"content-type", b"")) is not None
        and b"etag" not in found
        and b"content-encoding" not in found
    )


def _vary(headers: Headers) -> Headers:
    """The headers with Accept-Encoding in Vary."""
    named = [value for name, value in headers if name.lower() == b"vary"]
    others = [each for each in headers if each[0].lower() != b"vary"]
    return [*others, (b"vary", b", ".join([*named, b"Accept-Encoding"]))]


def _compress(body: bytes) -> bytes:
    from isal import igzip

    compressed: bytes = igzip.compress(body, _LEVEL, mtime=0)
    return compressed
