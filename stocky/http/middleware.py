"""The outermost layer: every request gets an id, which its response, log records and errors include."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable
from random import getrandbits
from typing import Any, cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPResponseStartEvent, HTTPScope, Message, Receive, Scope, Send

from stocky.db import Database
from stocky.db.maintenance_gate import request_epoch
from stocky.db.read_position import HEADER, parse_position, read_position
from stocky.errors import StockyError
from stocky.http.base_path import strip_base_path
from stocky.http.client_address import Proxies
from stocky.http.parameters import page_headers
from stocky.http.representation import Representation, is_read
from stocky.http.request import keep_slashes
from stocky.http.sse import CUT_OFF
from stocky.metrics import Metrics
from stocky.request_context import request_id, user_id

# The headers, method, route, status, seconds and id of a request that has ended.
Observe = Callable[[Iterable[tuple[bytes, bytes]], str, str, int, float, str], None]

# The entry of the state of a request with the JSON that answers it, which is sent here: as a whole if the server can.
JSON_ANSWER = "json_answer"
# In the extensions of a request: sends the headers and the body of a successful response, or returns False.
WHOLE_RESPONSE = "stocky.whole_response"
_ACCEPTABLE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


_log = logging.getLogger(__name__)


class RequestContextMiddleware:
    """Wraps the application: proxies, HEAD, ETags, request ids, headers of lists and of security, request metrics."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        database: Database,
        proxies: Proxies | None = None,
        base_path: str = "",
        observe: Observe | None = None,
    ) -> None:
        """`base_path` is the path prefix at the proxy, which may strip it or not.

        `observe` is called at the end of each request.
        """
        self.within = app
        self._proxies = proxies
        self._base_path = base_path
        self._metrics = metrics
        self._observe = observe
        self._database = database
        self._gate = database.gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self.within(scope, receive, send)
            return
        method = scope["method"]
        if method == "HEAD":
            # In a copy, so that the server still sees HEAD and sends no body.
            scope = {**scope, "method": "GET"}
            send = _head_only(send)
        if self._base_path:
            strip_base_path(scope, self._base_path)
        if self._proxies is not None and (self._proxies.are_any or scope.get("client") is None):
            self._proxies.look_through(scope)
        keep_slashes(scope)
        started = time.perf_counter()
        id = _given_id(scope) or f"{getrandbits(64):016x}"
        request_id.set(id)
        user_id.set(None)
        began = request_epoch.set(self._gate.epoch)
        scope.setdefault("state", {})["request_id"] = id
        added = [*_SECURITY_HEADERS, (b"x-request-id", id.encode())]
        if scope["scheme"] == "https":
            added.append(_STRICT_TRANSPORT)
        wants_position = self._database.replica is not None and _takes_position(scope)
        status = 500
        has_begun = False

        async def send_with_id(message: Message) -> None:
            nonlocal status, has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                status = message["status"]
                message["headers"] = [*message["headers"], *added]
                # Not for strangers: each would take a connection.
                if wants_position and scope["method"] != "GET" and scope.get("user") is not None:
                    message["headers"] = [*message["headers"], *await self._position()]
                paging = scope["state"].get("paging")
                if paging is not None and status in (200, 304):
                    added_to_lists = page_headers(paging, self._base_path + scope["path"], scope["query_string"])
                    message["headers"] = [*message["headers"], *added_to_lists]
                if status == 405 or method == "OPTIONS":
                    message["headers"] = [_with_head(*header) for header in message["headers"]]
            await send(message)

        answer: Send = Representation(scope, send_with_id).send if is_read(scope) else send_with_id
        try:
            await self.within(scope, receive, answer)
            content = scope["state"].get(JSON_ANSWER)
            if content is not None:
                if not wants_position and _send_whole(scope, id, content):
                    status = 200
                else:
                    await send_with_id(_json_start(content))
                    await send_with_id({"type": "http.response.body", "body": content, "more_body": False})
        except Exception as error:
            reason = _refusal_in(error) if has_begun else None
            if reason is None or not await _cut_off(scope, receive):
                raise
            _log.warning("%s %s: response aborted: %s", scope["method"], scope["path"], reason)
        finally:
            request_epoch.reset(began)
            route: Any = scope.get("path_template") or "none"
            seconds = time.perf_counter() - started
            self._metrics.request(method, route, status, seconds)
            if self._observe is not None:
                self._observe(scope["headers"], method, route, status, seconds, id)

    async def _position(self) -> list[tuple[bytes, bytes]]:
        """The header with what this answer may depend on; none where it is unknown, so that later reads are current."""
        try:
            position = await self._database.position()
        except StockyError:
            return []
        return [] if position is None else [(_POSITION, str(position).encode())]


_POSITION = HEADER.lower().encode()
_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
)
# Only over TLS, or a trusted proxy that reports it: after it, browsers refuse plain HTTP.
_STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")


# The headers of a JSON answer. They are well-formed: a server that checks and joins them takes 10 us longer for a scan.
_JSON_HEADERS = b"content-type: application/json\r\ncontent-length: %d\r\n%bx-request-id: %b\r\n"
_SECURITY_LINES = b"".join(b"%b: %b\r\n" % header for header in _SECURITY_HEADERS)
_SECURITY_LINES_OF_TLS = _SECURITY_LINES + b"%b: %b\r\n" % _STRICT_TRANSPORT


def _send_whole(scope: HTTPScope, id: str, content: bytes) -> bool:
    """Sends a JSON answer as a whole; False if it has to be sent message by message."""
    whole = (scope.get("extensions") or {}).get(WHOLE_RESPONSE)
    if whole is None:
        return False
    security = _SECURITY_LINES_OF_TLS if scope["scheme"] == "https" else _SECURITY_LINES
    headers = _JSON_HEADERS % (len(content), security, id.encode())
    # HttpConnection stores it there, in a dict of objects.
    return cast(Callable[[bytes, bytes], bool], whole["send"])(headers, content)


def _json_start(content: bytes) -> HTTPResponseStartEvent:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
    return {"type": "http.response.start", "status": 200, "headers": headers}


def _head_only(send: Send) -> Send:
    """Ends the response before its body. A stream sees a disconnected client, and ends too."""

    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return send_head


def _with_head(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Adds HEAD to an Allow header with GET, since the routes do not know it."""
    if name.lower() == b"allow" and b"GET" in value and b"HEAD" not in value:
        return name, value.replace(b"GET", b"GET, HEAD")
    return name, value


def _refusal_in(error: BaseException | None) -> str | None:
    """The message of the domain error that ended a started response, such as a restore; None for a defect."""
    while error is not None and not isinstance(error, StockyError):
        error = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__
    return None if error is None else error.detail


async def _cut_off(scope: Scope, receive: Receive) -> bool:
    """Aborts the connection, so the client sees that the response is incomplete; False where not supported."""
    end = (scope.get("extensions") or {}).get(CUT_OFF)
    if end is None:
        return False
    end["now"]()  # type: ignore[operator]  # HttpConnection stores a callable there
    while (await receive())["type"] != "http.disconnect":
        pass
    return True


def _takes_position(scope: Scope) -> bool:
    """Whether the client sent a position, which then holds for the reads of the request."""
    sent = next((value for name, value in scope["headers"] if name == _POSITION), None)
    read_position.set(None if sent is None else parse_position(sent))
    return sent is not None


def _given_id(scope: Scope) -> str | None:
    """A request id set by a proxy, when it is well-formed."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return value.decode("ascii") if _ACCEPTABLE_ID.fullmatch(value) else None
    return None
