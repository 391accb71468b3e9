"""The outermost layer: every request gets an id that its answer, its log records and its errors carry."""

from __future__ import annotations

import re
import time
from contextvars import ContextVar
from random import getrandbits
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from stocky.db.gate import Gate, begun_in
from stocky.monitoring.metrics import Metrics
from stocky.request import keep_slashes

_ACCEPTABLE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
user_id: ContextVar[int | None] = ContextVar("user_id", default=None)


class Edge:
    """Wraps the application: request ids, security headers and request metrics."""

    def __init__(self, app: ASGIApp, metrics: Metrics, gate: Gate) -> None:
        self.within = app
        self._metrics = metrics
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self.within(scope, receive, send)
            return
        keep_slashes(scope)
        started = time.perf_counter()
        id = _given_id(scope) or f"{getrandbits(64):016x}"
        request_id.set(id)
        user_id.set(None)
        began = begun_in.set(self._gate.epoch)
        scope.setdefault("state", {})["request_id"] = id
        added = [*_SECURITY_HEADERS, (b"x-request-id", id.encode())]
        if scope["scheme"] == "https":
            added.append(_STRICT_TRANSPORT)
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        try:
            await self.within(scope, receive, send_with_id)
        finally:
            begun_in.reset(began)
            route: Any = scope.get("path_template") or "none"
            self._metrics.request(scope["method"], route, status, time.perf_counter() - started)


_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
)
# Only over TLS (or a trusted proxy that says so): a browser that once came by https never comes by http again.
_STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")


def _given_id(scope: Scope) -> str | None:
    """A request id from a proxy before us, when it is harmless."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return value.decode("ascii") if _ACCEPTABLE_ID.fullmatch(value) else None
    return None
