"""Turns every exception that leaves a handler into problem details (RFC 9457), here only."""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, SerializationException, ValidationException

from stocky.config import MAX_BODY_BYTES
from stocky.errors import StockyError
from stocky.http.request import restore_slashes
from stocky.http.validation_messages import in_words

PROBLEM_JSON = "application/problem+json"
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_MISSING_PARAMETER = re.compile(r"Missing required \w+ parameter '([\w-]+)'")
_NO_BODY = "'data'"
_JSON_FAULTS = {
    "Input data was truncated": "it ends too early, or holds half of a character, as \\ud83d without what follows it",
}
_log = logging.getLogger(__name__)


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


def to_problem(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """The answer for any exception that leaves a handler. A 500 says a request id and nothing of the inside."""
    restore_slashes(request.scope)
    error = _first_of(error)
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
        fields = _field_errors(error, request)
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


def _first_of(error: Exception) -> Exception:
    """What went wrong first: Litestar groups what its dependencies raise at their end, and hides the cause in that."""
    while isinstance(error, ExceptionGroup):
        error = error.__cause__ if isinstance(error.__cause__, Exception) else error.exceptions[0]
    return error


def _problem(status: HTTPStatus, detail: str) -> Problem:
    return Problem(title=status.phrase, status=int(status), detail=detail)


def _plain(error: HTTPException, request: Request[Any, Any, Any]) -> str:
    """Litestar's and msgspec's wording, without their internals."""
    detail = error.detail
    if detail == HTTPStatus.NOT_FOUND.phrase:
        return f"There is nothing at {request.scope['path']}; {_docs(request)} lists every address"
    if detail == HTTPStatus.METHOD_NOT_ALLOWED.phrase:
        return f"{request.method} cannot be done with {request.scope['path']}; {_docs(request)} lists what can"
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        # A route with a bound of its own says in its options what to do instead.
        if told := request.scope["route_handler"].opt.get("too_large"):
            return str(told)
        return f"The body is larger than the {MAX_BODY_BYTES // 2**20} MiB that are taken; send less at a time"
    if isinstance(error.__cause__, SerializationException):
        return "The body is not valid JSON: " + _JSON_FAULTS.get(detail, detail.removeprefix("JSON is malformed: "))
    return detail


def _docs(request: Request[Any, Any, Any]) -> str:
    return f"{request.app.state.config.base_path}/docs"


def _field_errors(error: ValidationException, request: Request[Any, Any, Any]) -> list[FieldError]:
    """What was wrong where; Litestar tells it in three ways."""
    if missing := _MISSING_PARAMETER.match(error.detail):
        return [FieldError(missing[1], "is required")]
    found = [extra for extra in error.extra or [] if isinstance(extra, dict)]
    if [extra.get("message") for extra in found] == [_NO_BODY]:
        return [FieldError("body", "is missing; this takes a JSON document")]
    return [_field_error(extra, request) for extra in found]


def _field_error(extra: dict[str, Any], request: Request[Any, Any, Any]) -> FieldError:
    """A field and a message from what msgspec says; `quantity: why` in the message names a field of its own."""
    message = str(extra.get("message", "is not valid"))
    field, annotation, path = _place(extra, request)
    head, colon, rest = message.partition(": ")
    if colon and head.isidentifier():
        field, message = f"{field}.{head}", rest
    elif missing := _MISSING.match(message):
        field, message = f"{field}.{missing[1]}", "is required"
    else:
        message = in_words(message, annotation, path)
    return FieldError(field.lstrip("."), message)


def _place(extra: dict[str, Any], request: Request[Any, Any, Any]) -> tuple[str, Any, str]:
    """The field as clients call it; the type of the body and where in it that is, or of a parameter and no place."""
    key = str(extra.get("key", ""))
    # `data` is Litestar's name for the whole body, which clients never see.
    field = "" if key == "data" else key
    handler: Any = request.scope["route_handler"]
    signatures = [handler, *handler.resolve_dependencies().values()]
    parameters = {name: each for one in signatures for name, each in one.parsed_fn_signature.parameters.items()}
    if extra.get("source") == "body":
        return field, parameters["data"].annotation if "data" in parameters else Any, field
    if key not in parameters:
        return field, Any, ""
    # A header has another name than the argument that it is given to.
    return getattr(parameters[key].kwarg_definition, "name", None) or field, parameters[key].annotation, ""
