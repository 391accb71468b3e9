"""The fast path of a scan: ASGI middleware that answers the common request, with the same bytes as the handler would.

It saves Litestar's request, signature and response. It takes a request of exactly `application/json`, without a query,
whose body arrives in one small piece and is a valid scan of a barcode by a caller who may scan. Anything else goes on
to the handler, before anything is recorded. Errors are raised, and become problem details like all others.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec
from litestar.types import (
    ASGIApp,
    HTTPReceiveMessage,
    HTTPResponseBodyEvent,
    HTTPResponseStartEvent,
    Receive,
    Scope,
    Send,
)

from stocky.auth.guards import roles_of
from stocky.auth.schemas import Principal
from stocky.barcodes.command_codes import is_command
from stocky.errors import StockyError
from stocky.http.request import decode_json, holds_nul
from stocky.scanner.scanning import scan_barcode
from stocky.scanner.schemas import Scan

# Bytes; a scan has about two hundred.
_LARGEST_BODY = 8_192
_encoder = msgspec.json.Encoder()


class ScanFastPath:
    """Middleware around the scan handler `app`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = _length_of_json(scope)
        if length is None:
            await self._app(scope, receive, send)
            return
        state = scope["litestar_app"].state
        principal: Principal = await state.identities.identify(scope)
        # A browser's request by cookie is checked for forgery on the way to the handler.
        if principal.by_cookie or principal.user.role not in roles_of(scope["route_handler"].opt):
            await self._app(scope, receive, send)
            return
        # Before the body is read, for which an authenticated caller has more time.
        scope["user"] = principal
        message = cast(HTTPReceiveMessage, await receive())
        scan = _read_scan(message, length)
        if scan is None:
            await self._app(scope, _received_again(message, receive), send)
            return
        body = _encoder.encode(await scan_barcode(state.recorder, scan, principal))
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        start: HTTPResponseStartEvent = {"type": "http.response.start", "status": 200, "headers": headers}
        await send(start)
        content: HTTPResponseBodyEvent = {"type": "http.response.body", "body": body, "more_body": False}
        await send(content)


def _length_of_json(scope: Scope) -> int | None:
    """The length of a small body of exactly `application/json`; None for any other request."""
    if scope["query_string"]:
        return None
    kinds = lengths = 0
    length = b""
    for name, value in scope["headers"]:
        if name == b"content-type":
            if value != b"application/json":
                return None
            kinds += 1
        elif name == b"content-length":
            length = value
            lengths += 1
        elif name == b"transfer-encoding" or name == b"content-encoding" or name == b"origin":
            return None
    if kinds != 1 or lengths != 1 or len(length) > 4 or not length.isdigit():
        return None
    size = int(length)
    return size if 0 < size <= _LARGEST_BODY else None


def _read_scan(message: HTTPReceiveMessage, length: int) -> Scan | None:
    """The scan of a barcode in a body of one piece; None for anything else, which Litestar refuses or handles."""
    if message["type"] != "http.request" or message.get("more_body"):
        return None
    body = message["body"]
    if len(body) != length or holds_nul(body):
        return None
    try:
        # Decoded and converted like Litestar does it, so that both accept the same.
        scan = msgspec.convert(decode_json(body), Scan, strict=False, str_keys=True)
    except (StockyError, ValueError, RecursionError):
        return None
    return None if is_command(scan.upc) else scan


def _received_again(message: HTTPReceiveMessage, receive: Receive) -> Receive:
    """A `receive` that gives the message again before those that follow it."""
    again = [message]

    async def receive_again() -> Any:
        return again.pop() if again else await receive()

    return cast(Receive, receive_again)
