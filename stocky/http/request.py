"""The request that handlers receive: no text with a NUL character, no number rounded while parsing.

A %2F in the path is a slash within a name.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import msgspec
from litestar import Request
from litestar.datastructures import FormMultiDict
from litestar.exceptions import InternalServerException, NotFoundException, SerializationException
from litestar.types import Scope

from stocky.db import Lane
from stocky.errors import BadRequest, Invalid, Unsupported
from stocky.quantity import read_number

_JSON = "application/json"
# An escaped NUL in JSON. After an even number of backslashes it is an escape; after an odd one it is not.
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_LONG_READ = "long_read"
# Rows; a larger page is a long read.
LARGE_PAGE = 250
_LONGEST_SIZE = 9
# A lone surrogate, which decoding a client's input never produces.
_ENCODED_SLASH = "\udc2f"


def _number(literal: str) -> float:
    try:
        return read_number(literal)
    except ValueError as error:
        raise Invalid(str(error), field="body") from None


_decoder = msgspec.json.Decoder(float_hook=_number)


class StockyRequest(Request[Any, Any, Any]):
    """Litestar's request. JSON and forms with NUL, or that are not text, are refused (422) before the handler.

    A body cut off by its client raises BadRequest.
    """

    async def body(self) -> bytes:
        try:
            return await super().body()
        except InternalServerException:
            raise _cut_off() from None

    async def form(self) -> FormMultiDict:
        if self._is_form():
            body = await self.body()
            if b"\0" in body or b"%00" in body:
                raise Invalid("Text may not contain NUL characters", field="body")
        try:
            return await super().form()
        except InternalServerException:
            raise _cut_off() from None

    async def json(self) -> Any:
        try:
            return read_json(await self.body())
        except msgspec.DecodeError as error:
            raise SerializationException(str(error)) from error

    def _is_form(self) -> bool:
        return self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def read_json(body: bytes) -> Any:
    """The JSON of a body, null for an empty one. Raises Invalid, and msgspec.DecodeError for what is not JSON."""
    # A NUL appears as an escape in JSON.
    if holds_nul(body):
        raise Invalid("Text may not contain NUL characters", field="body")
    try:
        return decode_json(body or b"null")
    except UnicodeDecodeError:
        raise Invalid("The body is not text in UTF-8", field="body") from None
    except RecursionError:
        raise Invalid("The body is nested too deeply", field="body") from None


def decode_json(body: bytes) -> Any:
    """Decodes JSON; raises Invalid for a number that no double represents as written, ValueError and RecursionError."""
    return _decoder.decode(body)


def holds_nul(text: bytes) -> bool:
    """Whether JSON text contains a NUL, as a byte or as an escape."""
    return b"\0" in text or holds_escaped_nul(text)


def holds_escaped_nul(text: bytes) -> bool:
    """Whether JSON text contains an escaped NUL, the only way to write one."""
    # Most bodies have no backslash; finding a single byte is far faster than finding six.
    return b"\\" in text and b"\\u0000" in text and _ESCAPED_NUL.search(text) is not None


def _cut_off() -> BadRequest:
    """Replaces the InternalServerException that Litestar raises for a disconnected client."""
    return BadRequest("The body was cut off; send it again")


def keep_slashes(scope: Scope) -> None:
    """Marks slashes sent as %2F, so that routing does not split the path at them."""
    raw_path = scope.get("raw_path") or b""
    if b"%2F" in raw_path or b"%2f" in raw_path:
        parts = raw_path.decode("ascii", "replace").split("/")
        scope["path"] = "/".join(unquote(part).replace("/", _ENCODED_SLASH) for part in parts)


def restore_slashes(scope: Scope) -> None:
    """Restores marked slashes in the path and its parameters, after routing."""
    if _ENCODED_SLASH in scope["path"]:
        scope["path"] = scope["path"].replace(_ENCODED_SLASH, "/")
        # A new dict: the router shares one among all requests with this path.
        scope["path_params"] = {
            name: value.replace(_ENCODED_SLASH, "/") if isinstance(value, str) else value
            for name, value in scope.get("path_params", {}).items()
        }


def refuse_odd_numbers(request: Request[Any, Any, Any]) -> None:
    """Raises NotFoundException for a number in the path that is not ASCII digits, such as `1_0`, `+1` or `١`."""
    numbers = {f"{{{name}}}" for name, value in request.scope["path_params"].items() if isinstance(value, int)}
    if not numbers:
        return
    parts = request.scope["path"].split("/")
    for name, part in zip(request.scope["path_template"].split("/"), parts, strict=False):
        if name in numbers and not (part.isascii() and part.isdigit()):
            raise NotFoundException


def require_json(request: Request[Any, Any, Any]) -> None:
    """Raises Unsupported for a body with another Content-Type than JSON, where a route takes JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not kind or kind == _JSON or (kind.startswith("application/") and kind.endswith("+json")):
        return
    headers = request.headers
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    body = request.scope["route_handler"].parsed_fn_signature.parameters.get("data")
    if has_body and body is not None and getattr(body.kwarg_definition, "media_type", _JSON) == _JSON:
        raise Unsupported(f"This takes JSON; send it with Content-Type: {_JSON}, not {kind[:100]}")


def drop_empty(request: Request[Any, Any, Any]) -> None:
    """Drops empty query parameters such as `type=`, which forms send; a route option names those that may be empty."""
    if words := request.scope["route_handler"].opt.get("may_be_empty"):
        empty = {f"{word}=".encode() for word in words}
        parts = request.scope["query_string"].split(b"&")
        request.scope["query_string"] = b"&".join(part for part in parts if part not in empty)


def refuse_nul(request: Request[Any, Any, Any]) -> None:
    """Raises Invalid for a NUL in the path or the query."""
    if b"%00" in request.scope["query_string"]:
        raise Invalid("Text may not contain NUL characters", field="query")
    if "\0" in request.scope["path"]:
        raise Invalid("Text may not contain NUL characters", field="path")


def long_read(*filters: str) -> dict[str, frozenset[str]]:
    """Route options for long reads: with one of these query parameters, or always if none is given.

    A name also stands for all parameters that begin with it and a point.
    """
    return {_LONG_READ: frozenset(filters)}


def lane_of(request: Request[Any, Any, Any]) -> Lane:
    """LONG by the route's options or the size of the page, else SHORT."""
    filters: frozenset[str] | None = request.scope["route_handler"].opt.get(_LONG_READ)
    if filters is not None and not filters:
        return Lane.LONG
    if not request.scope["query_string"]:
        return Lane.SHORT
    query = request.query_params
    # A filter by a custom field has the name of the field after the point.
    if filters and not filters.isdisjoint(name.partition(".")[0] for name in query):
        return Lane.LONG
    # Litestar refuses values that are not numbers before the handler; int() rejects text of thousands of digits.
    sizes = [query.get(name, "") for name in ("limit", "size")]
    is_large = any(size.isdecimal() and (len(size) > _LONGEST_SIZE or int(size) > LARGE_PAGE) for size in sizes)
    return Lane.LONG if is_large else Lane.SHORT
