"""HTTP connections; bounds the bytes, time and connections a client can use before it is authenticated."""

from __future__ import annotations

import asyncio
import logging
import resource
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stocky.http.middleware import WHOLE_RESPONSE
from stocky.http.sse import CUT_OFF

# The request line and headers of one request; also trailers and chunk extensions.
MAX_HEAD_BYTES = 64 * 2**10
# Pipelined requests of one connection that wait for the response to the previous one.
MAX_PIPELINED = 64
# From the first byte of a request, or from connecting, to the end of the headers.
HEAD_SECONDS = 20
# Without a byte of the body received, and for the whole body of an unauthenticated client. An authenticated upload
# has no limit while it makes progress.
BODY_SECONDS = 60
# Without the client reading a byte of the response. Live streams are stricter.
UNREAD_SECONDS = 120
# Input after a refused request is read and dropped, so that the client can read the response.
DROP_SECONDS = 2
DROP_BYTES = 2**20
# Each may buffer MAX_HEAD_BYTES before it is authenticated.
MAX_CONNECTIONS = 4096
# File descriptors reserved for the database, uploads, backups and webhooks.
SPARE_FILES = 64
# The soft limit is raised to the hard limit, but not above this: on some systems that is a billion.
MAX_FILES = 2**20
WARN_EVERY_SECONDS = 60

_REFUSALS = {
    400: ("Bad Request", "This is not a valid HTTP/1.1 request"),
    431: (
        "Request Header Fields Too Large",
        f"The request line and headers are larger than {MAX_HEAD_BYTES // 2**10} KiB; send less",
    ),
}

_log = logging.getLogger("stocky.serve")


class HttpConnection(HttpToolsProtocol):
    """One connection. It is closed when its head is too large or it makes no progress (`is_overdue`).

    The application may abort it (CUT_OFF): closing would wait for a client that does not read.
    """

    def __init__(self, limits: Limits, **more: Any) -> None:
        super().__init__(**more)
        self._limits = limits
        # When the awaited request began to arrive; None between requests and while one is being answered.
        self._head_since: float | None = None
        self._received_at = self._requested_at = 0.0
        # Bytes of the current head.
        self._head_bytes = 0
        self._refusal = 400
        self._unread = 0
        self._unread_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # asyncio's types say any transport; TCP's can abort
        super().connection_made(transport)
        self._extensions: dict[str, dict[object, object]] = {
            CUT_OFF: {"now": transport.abort},
            WHOLE_RESPONSE: {"send": self._send_whole},
        }
        self._head_since = self._received_at = self.loop.time()
        if len(self.connections) > self._limits.connections:
            self._limits.make_room(self, self.connections)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # A method of this object: only the garbage collector would free both.
        self._extensions.pop(WHOLE_RESPONSE, None)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._received_at = self.loop.time()
        if self._head_since is None and (self.cycle is None or self.cycle.response_complete):
            self._head_since = self._received_at
        self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Upgrades are ignored: the request is answered like any other.
            pass
        except httptools.HttpParserError:
            self._refuse(self._refusal)
            return
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(431)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = self._extensions

    def on_headers_complete(self) -> None:
        # The received bytes may also contain a body, or more requests.
        if self._head_bytes > MAX_HEAD_BYTES and self._size_of_head() > MAX_HEAD_BYTES:
            self._stop_parsing(431)
        if len(self.pipeline) >= MAX_PIPELINED:
            self._stop_parsing(400)
        super().on_headers_complete()
        self._head_since = None
        self._head_bytes = 0
        self._requested_at = self._received_at

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        super().on_body(body)

    def _send_whole(self, headers: bytes, body: bytes) -> bool:
        """Sends a response of status 200 at once; False for one that has to be sent message by message.

        `headers` are lines, which are not checked.
        """
        cycle = self.cycle
        # Of pipelined requests the cycle is the last one, not the one that is answered.
        if self.pipeline or not cycle.keep_alive or cycle.disconnected or self.flow.write_paused:
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        own = b"".join([b"%b: %b\r\n" % header for header in self.server_state.default_headers])
        self.transport.write(b"HTTP/1.1 200 OK\r\n%b%b\r\n%b" % (own, headers, body))
        cycle.on_response()
        return True

    def resume_writing(self) -> None:
        # The client has read something, although the next chunk may leave as much unread as before.
        self._unread = 0
        super().resume_writing()

    def waits(self) -> tuple[bool, float] | None:
        """Whether the connection is idle between requests, and since when the client is expected to act.

        None while the client has nothing to do, or is authenticated and in the middle of a request.
        """
        if self._is_between_requests:
            return (True, self._received_at) if self._head_since is None else (False, self._head_since)
        if not self._is_known and (self._awaits_body or self.flow.write_paused):
            return False, self._requested_at
        return None

    def is_overdue(self, now: float) -> bool:
        """Whether the client has exceeded the time for its next action. Called about once a second."""
        if self._is_between_requests:
            # uvicorn watches the time between two requests.
            return self._head_since is not None and now - self._head_since > HEAD_SECONDS
        if self.flow.write_paused:
            unread = self.transport.get_write_buffer_size()
            if unread != self._unread:
                self._unread, self._unread_since = unread, now
            return now - self._unread_since > UNREAD_SECONDS
        self._unread = 0
        return self._awaits_body and now - (self._received_at if self._is_known else self._requested_at) > BODY_SECONDS

    def end(self) -> None:
        """Aborts the connection; its handler sees a disconnected client."""
        # Immediately, since the next connection counts them again.
        self.connections.discard(self)
        self.transport.abort()

    @property
    def _is_between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    @property
    def _awaits_body(self) -> bool:
        return self.cycle.more_body and not self.flow.read_paused and not self.cycle.waiting_for_100_continue

    @property
    def _is_known(self) -> bool:
        """Whether the current request is authenticated; `auth.guards` records the user before the body is read."""
        return "user" in self.cycle.scope

    def _size_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _stop_parsing(self, status: int) -> None:
        """Ends `feed_data` with an HttpParserError, as the parser wraps exceptions of a callback."""
        self._refusal = status
        raise ValueError

    def _refuse(self, status: int) -> None:
        """Answers an invalid request and reads no more."""
        if not self._is_between_requests:
            # The response to the previous request is being sent, and a refusal would corrupt it.
            self.end()
            return
        title, detail = _REFUSALS[status]
        problem = msgspec.json.encode({"type": "about:blank", "title": title, "status": status, "detail": detail})
        head = (
            f"HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\n"
            f"content-length: {len(problem)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + problem)
        self.transport.set_protocol(_Dropping(self))


class _Dropping(asyncio.Protocol):
    """Reads and drops input after a refusal: closing at once would reset the connection and lose the response."""

    def __init__(self, refused: HttpConnection) -> None:
        self._refused = refused
        self._transport = refused.transport
        self._left = DROP_BYTES
        self._timer = refused.loop.call_later(DROP_SECONDS, self._transport.abort)
        with suppress(NotImplementedError, RuntimeError):
            self._transport.write_eof()

    def data_received(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._refused.connection_lost(exc)


class Limits:
    """Bounds the number of connections; at the bound, those that have waited longest are closed."""

    def __init__(self, files: int) -> None:
        """`files` is this process's limit of open files."""
        self._files = files
        self.connections = MAX_CONNECTIONS
        self._warned_at: float | None = None
        self.measure()

    def measure(self) -> None:
        """Called after startup: connections may use the remaining descriptors, except SPARE_FILES."""
        self.connections = max(min(self._files - _open_files() - SPARE_FILES, MAX_CONNECTIONS), 16)

    def make_room(self, newest: HttpConnection, connections: Iterable[asyncio.Protocol]) -> None:
        """Closes the connections that have waited longest for their client, first those without a whole request.

        Real clients send theirs at once. When all others are busy, the newest is closed.
        """
        found = (each for each in connections if isinstance(each, HttpConnection) and each is not newest)
        waiting = sorted((wait, id(each), each) for each in found if (wait := each.waits()) is not None)
        # Several at once, so that a flood does not cause a sort for each connection.
        for _, _, each in waiting[: max(len(waiting) // 16, 1)]:
            each.end()
        if not waiting:
            newest.end()
        now = newest.loop.time()
        if self._warned_at is None or now - self._warned_at >= WARN_EVERY_SECONDS:
            self._warned_at = now
            _log.warning(
                "All %d connections are in use (the limit of open files is %d): those waiting longest without a"
                " request are closed for new ones. Raise the limit (ulimit -n) or look for clients that hold"
                " connections open",
                self.connections,
                self._files,
            )


def raise_file_limit() -> int:
    """Raises the soft limit of open files to the hard limit; returns the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # macOS refuses more than an undocumented kernel limit.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
    return MAX_FILES if soft == resource.RLIM_INFINITY else soft


def _open_files() -> int:
    with suppress(OSError):
        return len(list(Path("/proc/self/fd").iterdir()))
    return SPARE_FILES
