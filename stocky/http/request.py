"""The request as handlers see it: no text with a NUL character, no number that was rounded in reading it.

A %2F is a slash within a name.
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
# NUL as JSON writes it. After an even number of backslashes it is an escape; else one of them is escaped itself.
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_LONG_READ = "long_read"
# Rows; a page of more is a long read.
LARGE_PAGE = 250
# Half of a pair of surrogates: no decoding of what a client sends gives it.
_KEPT_SLASH = "\udc2f"


def _number(literal: str) -> float:
    try:
        return read_number(literal)
    except ValueError as error:
        raise Invalid(str(error), field="body") from None


_decoder = msgspec.json.Decoder(float_hook=_number)


class StockyRequest(Request[Any, Any, Any]):
    """Litestar's request. Bodies that hold NUL, or no text at all, are refused (422) before a handler sees them.

    A body that its client cuts off is a BadRequest.
    """

    async def body(self) -> bytes:
        try:
            body = await super().body()
        except InternalServerException:
            raise _cut_off() from None
        # A NUL can only be written as an escape in JSON, and as %00 in a form.
        has_nul = b"\0" in body or (not self._is_form() and holds_escaped_nul(body))
        if has_nul or (b"%00" in body and self._is_form()):
            raise Invalid("Text may not contain NUL characters", field="body")
        return body

    async def form(self) -> FormMultiDict:
        try:
            return await super().form()
        except InternalServerException:
            raise _cut_off() from None

    async def json(self) -> Any:
        body = await self.body()
        try:
            return _decoder.decode(body or b"null")
        except msgspec.DecodeError as error:
            raise SerializationException(str(error)) from error
        except UnicodeDecodeError:
            raise Invalid("The body is not text in UTF-8", field="body") from None
        except RecursionError:
            raise Invalid("The body is nested too deeply", field="body") from None

    def _is_form(self) -> bool:
        return self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def holds_escaped_nul(text: bytes) -> bool:
    """Whether JSON holds a NUL, which can only be written as an escape in it."""
    return b"\\u0000" in text and _ESCAPED_NUL.search(text) is not None


def _cut_off() -> BadRequest:
    """Litestar's InternalServerException for a client that went away: no fault of ours, and seen by nobody."""
    return BadRequest("The body was cut off; send it again")


def keep_slashes(scope: Scope) -> None:
    """Keeps a slash that was sent as %2F apart from those between the parts of the path, until the route is found."""
    raw_path = scope.get("raw_path") or b""
    if b"%2F" in raw_path or b"%2f" in raw_path:
        parts = raw_path.decode("ascii", "replace").split("/")
        scope["path"] = "/".join(unquote(part).replace("/", _KEPT_SLASH) for part in parts)


def restore_slashes(scope: Scope) -> None:
    """Lets everyone after the routing see the path, and what was taken from it, as it was sent."""
    if _KEPT_SLASH in scope["path"]:
        scope["path"] = scope["path"].replace(_KEPT_SLASH, "/")
        # A new one: the router gives the same to every request with this path.
        scope["path_params"] = {
            name: value.replace(_KEPT_SLASH, "/") if isinstance(value, str) else value
            for name, value in scope.get("path_params", {}).items()
        }


def refuse_odd_numbers(request: Request[Any, Any, Any]) -> None:
    """Raises NotFoundException for a number in the path that is not of ASCII digits, as `1_0`, `+1` and `١`."""
    numbers = {f"{{{name}}}" for name, value in request.scope["path_params"].items() if isinstance(value, int)}
    if not numbers:
        return
    parts = request.scope["path"].split("/")
    for place, part in zip(request.scope["path_template"].split("/"), parts, strict=False):
        if place in numbers and not (part.isascii() and part.isdigit()):
            raise NotFoundException


def require_json(request: Request[Any, Any, Any]) -> None:
    """Raises Unsupported for a body that says it is something else than JSON, where a route takes JSON."""
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not said or said == _JSON or (said.startswith("application/") and said.endswith("+json")):
        return
    headers = request.headers
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    body = request.scope["route_handler"].parsed_fn_signature.parameters.get("data")
    if has_body and body is not None and getattr(body.kwarg_definition, "media_type", _JSON) == _JSON:
        raise Unsupported(f"This takes JSON; send it with Content-Type: {_JSON}, not {said[:100]}")


def drop_empty(request: Request[Any, Any, Any]) -> None:
    """Drops from the query what forms send where nothing is chosen, as `type=`; a route says of which words it may."""
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
    """The options of a route that may read at length: with one of these query parameters, or always without any."""
    return {_LONG_READ: frozenset(filters)}


def lane_of(request: Request[Any, Any, Any]) -> Lane:
    """LONG where the route's options or the size of the page say so, else SHORT."""
    filters: frozenset[str] | None = request.scope["route_handler"].opt.get(_LONG_READ)
    if filters is not None and not filters:
        return Lane.LONG
    if not request.scope["query_string"]:
        return Lane.SHORT
    query = request.query_params
    if filters and not filters.isdisjoint(query):
        return Lane.LONG
    # Litestar refuses what is no number before a handler sees it.
    sizes = [query.get(name, "") for name in ("limit", "size")]
    return Lane.LONG if any(size.isdecimal() and int(size) > LARGE_PAGE for size in sizes) else Lane.SHORT
