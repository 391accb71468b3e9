"""Everything that can be refused: raised anywhere as StockyError, turned into problem details (RFC 9457) here only."""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, SerializationException, ValidationException

from stocky.config import MAX_BODY_BYTES

PROBLEM_JSON = "application/problem+json"
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_MISSING_PARAMETER = re.compile(r"Missing required \w+ parameter '([\w-]+)'")
_NO_BODY = "'data'"
_log = logging.getLogger(__name__)


# What each unique index guards, by the name it has on both dialects.
CONFLICTS = {
    "item__code": "An item with this code exists already",
    "barcode__code": "This barcode belongs to an item already",
    "location__name": "An active location with this name exists already",
    "location__box_no__loc_no": "This place in the box exists already",
    "sku__item_id__location_id": "This item has a stock record at this location already",
    "sku__item_id__location_id__expiry_date": "This lot of the item has a stock record at this location already",
    "user_account__username": "A user with this username exists already",
    "user_account__email": "A user with this email exists already",
    "stock_event__event_id": "This event_id has been used already",
    "stock_event__reverses_id": "This event has been undone already",
}


class FieldError(msgspec.Struct):
    """One field of a request that cannot be accepted, and why."""

    field: str
    message: str


class Problem(msgspec.Struct, omit_defaults=True):
    """The one shape of every error answer."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    errors: list[FieldError] | None = None
    request_id: str | None = None
    results: Any = None


class StockyError(Exception):
    """A refusal with a reason. `detail` is for people: what is wrong and what to do next."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(
        self,
        detail: str,
        *,
        field: str | None = None,
        headers: dict[str, str] | None = None,
        results: Any = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.headers = headers or {}
        self.results = results


class BadRequest(StockyError):
    """The request makes no sense as it stands."""

    status = HTTPStatus.BAD_REQUEST


class Unauthorized(StockyError):
    """Nobody, or nobody any more, is behind this request."""

    status = HTTPStatus.UNAUTHORIZED

    def __init__(self, detail: str = "Authentication required", **more: Any) -> None:
        super().__init__(detail, **more)
        self.headers.setdefault("WWW-Authenticate", "Bearer")


class Forbidden(StockyError):
    """Known, but not allowed."""

    status = HTTPStatus.FORBIDDEN


class NotFound(StockyError):
    """No such thing."""

    status = HTTPStatus.NOT_FOUND


class Conflict(StockyError):
    """The state of things does not allow it."""

    status = HTTPStatus.CONFLICT

    def __init__(self, detail: str, *, constraint: str = "", **more: Any) -> None:
        super().__init__(detail, **more)
        self.constraint = constraint

    @classmethod
    def of(cls, constraint: str) -> Conflict:
        """What a unique index refuses, in words."""
        return cls(CONFLICTS.get(constraint, f"It exists already ({constraint})"), constraint=constraint)


class Stale(StockyError):
    """It was changed by someone else since it was read (If-Match)."""

    status = HTTPStatus.PRECONDITION_FAILED


class Invalid(StockyError):
    """A value that cannot be accepted."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY

    @classmethod
    def of(cls, constraint: str) -> Invalid:
        """What a CHECK refuses, in words."""
        if constraint.endswith("__no_nul"):
            return cls("Text may not contain NUL characters")
        return cls(f"A value is outside of what is allowed ({constraint})")


class Throttled(StockyError):
    """Too many attempts; `retry_after` in seconds."""

    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class Unavailable(StockyError):
    """Not now; trying again in `retry_after` seconds is right."""

    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, detail: str, *, retry_after: int = 1) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class Contention(Unavailable):
    """Two transactions were in each other's way and one had to go; the same work again is right."""


class OutOfSpace(StockyError):
    """The disk is full; nothing was changed."""

    status = HTTPStatus.INSUFFICIENT_STORAGE

    def __init__(self, detail: str = "Not enough disk space; nothing was changed. Free some and try again") -> None:
        super().__init__(detail)


def to_problem(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """The answer for any exception that leaves a handler. A 500 says a request id and nothing of the inside."""
    request_id = request.scope.get("state", {}).get("request_id")
    headers: dict[str, str] = {}
    problem: Problem
    if isinstance(error, StockyError):
        headers = error.headers
        problem = _problem(error.status, error.detail)
        problem.results = error.results
        if error.field is not None:
            problem.errors = [FieldError(error.field, error.detail)]
    elif isinstance(error, ValidationException):
        fields = _field_errors(error)
        told = "; ".join(f"{each.field}: {each.message}" if each.field else each.message for each in fields)
        problem = _problem(HTTPStatus.UNPROCESSABLE_ENTITY, told or _plain(error, request))
        problem.errors = fields
    elif isinstance(error, HTTPException) and error.status_code < 500:
        headers = dict(error.headers or {})
        problem = _problem(HTTPStatus(error.status_code), _plain(error, request))
    else:
        _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        problem = _problem(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            f"Something went wrong inside Stocky. The log has it under request id {request_id}",
        )
    if problem.status >= 500:
        problem.request_id = request_id
    if problem.status in (503, 507) and isinstance(error, StockyError):
        _log.warning("%s %s: %s", request.method, request.url.path, error.detail)
    return Response(problem, status_code=problem.status, headers=headers, media_type=PROBLEM_JSON)


def _problem(status: HTTPStatus, detail: str) -> Problem:
    return Problem(title=status.phrase, status=int(status), detail=detail)


def _plain(error: HTTPException, request: Request[Any, Any, Any]) -> str:
    """Litestar's and msgspec's wording, without their internals."""
    detail = error.detail
    if detail == HTTPStatus.NOT_FOUND.phrase:
        return f"There is nothing at {request.scope['path']}; /docs lists every address"
    if detail == HTTPStatus.METHOD_NOT_ALLOWED.phrase:
        return f"{request.method} cannot be done with {request.scope['path']}; /docs lists what can"
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return f"The body is larger than the {MAX_BODY_BYTES // 2**20} MiB that are taken; send less at a time"
    if isinstance(error.__cause__, SerializationException):
        return "The body is not valid JSON: " + detail.removeprefix("JSON is malformed: ")
    return detail


def _field_errors(error: ValidationException) -> list[FieldError]:
    """What was wrong where; Litestar tells it in three ways."""
    if missing := _MISSING_PARAMETER.match(error.detail):
        return [FieldError(missing[1], "is required")]
    found = [extra for extra in error.extra or [] if isinstance(extra, dict)]
    if [extra.get("message") for extra in found] == [_NO_BODY]:
        return [FieldError("body", "is missing; this takes a JSON document")]
    return [_field_error(extra) for extra in found]


def _field_error(extra: dict[str, Any]) -> FieldError:
    """A field and a message from what msgspec says; `quantity: why` in the message names a field of its own."""
    message = str(extra.get("message", "is not valid"))
    # `data` is Litestar's name for the whole body, which clients never see.
    field = "" if extra.get("key") == "data" else str(extra.get("key", ""))
    head, colon, rest = message.partition(": ")
    if colon and head.isidentifier():
        field, message = f"{field}.{head}", rest
    elif missing := _MISSING.match(message):
        field = f"{field}.{missing[1]}"
    return FieldError(field.lstrip("."), message)
