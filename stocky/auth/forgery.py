"""Proof that a page of Stocky made a request that the browser authenticated automatically, with the session cookie.

The proof is a token that only our pages hold, besides an Origin that is ours. Keys and bearer tokens need none: no
other site can make a browser send them.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from litestar import Request
from litestar.types import HTTPReceiveMessage
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from stocky.errors import BadRequest, Forbidden
from stocky.http.client_address import comes_from_elsewhere
from stocky.http.uploads import TOKEN_FIELD, boundary_of

HEADER = "x-csrf-token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_BYTES = hashlib.sha256().digest_size
# A form has the token before its file, so nothing of the file is read here.
_LONGEST_START = 64 * 2**10
_MISSING = "Access denied. The request has no valid token of this session; load the page again and repeat it"
_ELSEWHERE = "Access denied. The request was made by a page of another site"


def make_token(key: str, sign_in_id: str) -> str:
    """The token of a session, masked: it differs each time, so a compressed page does not give it away bit by bit."""
    mask = secrets.token_bytes(_BYTES)
    return urlsafe_b64encode(mask + _xor(mask, _digest(key, sign_in_id))).decode().rstrip("=")


def is_token(key: str, sign_in_id: str, token: str) -> bool:
    """Whether `make_token` made the token for this session."""
    try:
        given = urlsafe_b64decode(f"{token}==")
    except ValueError:
        return False
    if len(given) != 2 * _BYTES:
        return False
    return hmac.compare_digest(_xor(given[:_BYTES], given[_BYTES:]), _digest(key, sign_in_id))


async def check_forgery(request: Request[Any, Any, Any], key: str, sign_in_id: str) -> None:
    """Raises Forbidden for an unsafe request by cookie that no page of ours made."""
    if request.method in _SAFE:
        return
    if comes_from_elsewhere(request):
        raise Forbidden(_ELSEWHERE)
    token = request.headers.get(HEADER) or await _token_in_form(request)
    if token is None or not is_token(key, sign_in_id, token):
        raise Forbidden(_MISSING)


async def _token_in_form(request: Request[Any, Any, Any]) -> str | None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        token = (await request.form()).get(TOKEN_FIELD)
        return token if isinstance(token, str) else None
    if kind == "multipart/form-data":
        return await _token_before_file(request)
    return None


async def _token_before_file(request: Request[Any, Any, Any]) -> str | None:
    """The token in the first field of a multipart form; what was read of the body is received again by the handler."""
    boundary = boundary_of(request)
    if boundary is None:
        return None
    received: list[HTTPReceiveMessage] = []
    receive = request.receive

    async def receive_again() -> Any:
        return received.pop(0) if received else await receive()

    # Not closed, which would ask for the rest of the form.
    parser = PushMultipartParser(boundary)
    value: bytearray | None = None
    size = 0
    try:
        while size <= _LONGEST_START:
            message: Any = await receive()
            received.append(message)
            if message["type"] != "http.request":
                return None
            size += len(message["body"])
            for part in parser.parse(message["body"]) if message["body"] else ():
                if isinstance(part, MultipartSegment):
                    if part.name != TOKEN_FIELD or part.filename:
                        return None
                    value = bytearray()
                elif part is None:
                    return None if value is None else value.decode("utf-8", "replace")
                elif value is not None:
                    value += part
            if not message.get("more_body"):
                return None
        return None
    except MultipartError as error:
        raise BadRequest("The form is damaged or was cut off; send it again") from error
    finally:
        request.receive = receive_again


def _digest(key: str, sign_in_id: str) -> bytes:
    return hmac.digest(key.encode(), f"csrf:{sign_in_id}".encode(), "sha256")


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
