"""The fast path of a scan: ASGI middleware before routing that answers the common request, with the same bytes.

It saves Litestar's routing, request, signature and response; `RequestContextMiddleware` sends the answer as a whole. It
takes a POST of exactly `application/json` to the scan route, without a query, whose body arrives in one small piece and
is a valid scan of a barcode by a caller who may scan. Anything else goes on to the routes, before anything is recorded.
So does the request of an error, which `RaisedInRoute` raises there: it becomes problem details like all others.
"""

from __future__ import annotations

import re
from typing import Any, cast

import msgspec
from litestar.types import ASGIApp, HTTPReceiveMessage, Receive, Scope, Send

from stocky.auth.guards import roles_of, scanners
from stocky.auth.identity import Identities
from stocky.barcodes.command_codes import is_command
from stocky.errors import StockyError
from stocky.http.middleware import JSON_ANSWER
from stocky.http.request import decode_json, holds_nul
from stocky.scanner.scanning import scan_barcode
from stocky.scanner.schemas import Scan
from stocky.stock.recorder import Recorder

# The path of the scan route, and its template in the metrics.
_PATH = "/api/v1/scanner/scan"
# Litestar refuses a Host with other characters than those of URLs; these are in almost all of them.
_HOST = re.compile(rb"[0-9A-Za-z.:_-]*")
# Bytes; a scan has about two hundred.
_LARGEST_BODY = 8_192
# The entry of a scope's state with the error to raise in the route.
_ERROR = "scan_error"
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Scan, strict=False)


class ScanFastPath:
    """Middleware around the routes `within`."""

    def __init__(self, within: ASGIApp, identities: Identities, recorder: Recorder) -> None:
        self.within = within
        self._identities = identities
        self._recorder = recorder
        self._roles = roles_of(scanners)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = _length_of_json(scope) if scope["path"] == _PATH else None
        if length is None:
            await self.within(scope, receive, send)
            return
        try:
            answer = await self._answer(scope, receive, length)
        except Exception as error:  # noqa: BLE001 - RaisedInRoute raises it, where errors become problem details
            scope["state"][_ERROR] = error
            answer = receive
        if not isinstance(answer, bytes):
            await self.within(scope, answer, send)
            return
        scope["path_template"] = _PATH
        scope["state"][JSON_ANSWER] = answer

    async def _answer(self, scope: Scope, receive: Receive, length: int) -> bytes | Receive:
        """The answer's JSON; for a request that is left to the routes, the `receive` that they read its body with."""
        principal = await self._identities.identify(scope)
        # A browser's request by cookie is checked for forgery on the way to the handler.
        if principal.by_cookie or principal.user.role not in self._roles:
            return receive
        # Before the body is read, for which an authenticated caller has more time.
        scope["user"] = principal
        message = cast(HTTPReceiveMessage, await receive())
        scan = _read_scan(message, length)
        if scan is None:
            return _received_again(message, receive)
        return _encoder.encode(await scan_barcode(self._recorder, scan, principal))


class RaisedInRoute:
    """Middleware around the scan handler: raises the error of a request that the fast path began to answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        error: Exception | None = scope["state"].pop(_ERROR, None)
        if error is not None:
            try:
                raise error
            finally:
                # Its traceback has this frame: only the garbage collector would free them and the scope.
                del error
        await self._app(scope, receive, send)


def _length_of_json(scope: Scope) -> int | None:
    """The length of a small body of exactly `application/json`; None for any other request."""
    if scope.get("method") != "POST" or scope["query_string"]:
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
        elif name == b"host":
            if not _HOST.fullmatch(value):
                return None
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
        # For its checks, as of numbers: converting what it returns, as Litestar does, takes longer than decoding again.
        decode_json(body)
        scan = _decoder.decode(body)
    except (StockyError, ValueError, RecursionError):
        return None
    return None if is_command(scan.upc) else scan


def _received_again(message: HTTPReceiveMessage, receive: Receive) -> Receive:
    """A `receive` that gives the message again before those that follow it."""
    again = [message]

    async def receive_again() -> Any:
        return again.pop() if again else await receive()

    return cast(Receive, receive_again)
