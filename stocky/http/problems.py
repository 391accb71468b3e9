"""The only place that turns exceptions into responses: problem details (RFC 9457)."""

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
from stocky.http.problem_types import OF_STATUS, problem_type
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
    """A field of a request that is not valid, and why."""

    field: str
    message: str


class Problem(msgspec.Struct, omit_defaults=True):
    """The body of every error response. `type` is the address of the kind of problem; `/problems` lists them."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    errors: list[FieldError] | None = None
    request_id: str | None = None
    results: Any = None


def to_problem(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """The response for any exception of a handler. A 500 has a request id and no internals."""
    restore_slashes(request.scope)
    error = _first_of(error)
    request_id = request.scope.get("state", {}).get("request_id")
    headers: dict[str, str] = {}
    kind: str | None = None
    problem: Problem
    if isinstance(error, StockyError):
        headers, kind = error.headers, error.kind
        problem = _of_stocky(error)
    elif isinstance(error, ValidationException):
        problem = _of_fields(_field_errors(error, request), otherwise=_plain(error, request))
    elif isinstance(error, HTTPException) and error.status_code < 500:
        headers = dict(error.headers or {})
        problem = _problem(HTTPStatus(error.status_code), _plain(error, request))
    else:
        _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        problem = _problem(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            f"Something went wrong inside Stocky. The log has it under request id {request_id}",
        )
    problem.type = problem_type(kind or OF_STATUS.get(HTTPStatus(problem.status)), request.app.state.config.base_path)
    if problem.status >= 500:
        problem.request_id = request_id
    if problem.status in (503, 507) and isinstance(error, StockyError):
        _log.warning("%s %s: %s", request.method, request.url.path, error.detail)
    return Response(problem, status_code=problem.status, headers=headers, media_type=PROBLEM_JSON)


def to_message_problem(error: Exception, annotation: Any, base_path: str) -> Problem:
    """The problem for an error of a JSON message that came without a request, and is of type `annotation`.

    Any error but those of StockyError and of decoding is a defect, which the caller logs.
    """
    kind: str | None = None
    if isinstance(error, StockyError):
        kind, problem = error.kind, _of_stocky(error)
    elif isinstance(error, msgspec.ValidationError):
        message, _, path = str(error).partition(" - at `$")
        path = path.strip(".`")
        problem = _of_fields([_describe_field(path, message, annotation, path)], otherwise=message)
    elif isinstance(error, msgspec.DecodeError):
        problem = _problem(HTTPStatus.BAD_REQUEST, _describe_json(str(error)))
    else:
        problem = _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong inside Stocky; see its log")
    problem.type = problem_type(kind or OF_STATUS.get(HTTPStatus(problem.status)), base_path)
    return problem


def _of_stocky(error: StockyError) -> Problem:
    problem = _problem(error.status, error.detail)
    problem.results = error.results
    if error.field is not None:
        problem.errors = [FieldError(error.field, error.detail)]
    return problem


def _of_fields(fields: list[FieldError], *, otherwise: str) -> Problem:
    """The problem of fields that are not valid; `otherwise` is its detail without any."""
    details = "; ".join(f"{each.field}: {each.message}" if each.field else each.message for each in fields)
    problem = _problem(HTTPStatus.UNPROCESSABLE_ENTITY, details or otherwise)
    problem.errors = fields
    return problem


def _first_of(error: Exception) -> Exception:
    """The first error: Litestar groups exceptions from the ends of dependencies, and hides the cause in the group."""
    while isinstance(error, ExceptionGroup):
        error = error.__cause__ if isinstance(error.__cause__, Exception) else error.exceptions[0]
    return error


def _problem(status: HTTPStatus, detail: str) -> Problem:
    return Problem(title=status.phrase, status=int(status), detail=detail)


def _plain(error: HTTPException, request: Request[Any, Any, Any]) -> str:
    """A message from Litestar's or msgspec's, without their internals."""
    detail = error.detail
    if detail == HTTPStatus.NOT_FOUND.phrase:
        return f"There is nothing at {request.scope['path']}; see {_docs(request)}"
    if detail == HTTPStatus.METHOD_NOT_ALLOWED.phrase:
        return f"{request.method} is not supported on {request.scope['path']}; see {_docs(request)}"
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        # A route with its own limit has its own message in its options.
        if message := request.scope["route_handler"].opt.get("too_large"):
            return str(message)
        return f"The body is larger than the limit of {MAX_BODY_BYTES // 2**20} MiB; send less at a time"
    if isinstance(error.__cause__, SerializationException):
        return _describe_json(detail)
    return detail


def _describe_json(detail: str) -> str:
    return "The body is not valid JSON: " + _JSON_FAULTS.get(detail, detail.removeprefix("JSON is malformed: "))


def _docs(request: Request[Any, Any, Any]) -> str:
    return f"{request.app.state.config.base_path}/docs"


def _field_errors(error: ValidationException, request: Request[Any, Any, Any]) -> list[FieldError]:
    """The fields that are not valid; Litestar reports them in three forms."""
    if missing := _MISSING_PARAMETER.match(error.detail):
        return [FieldError(missing[1], "is required")]
    found = [extra for extra in error.extra or [] if isinstance(extra, dict)]
    if [extra.get("message") for extra in found] == [_NO_BODY]:
        return [FieldError("body", "is missing; send a JSON document")]
    return [_field_error(extra, request) for extra in found]


def _field_error(extra: dict[str, Any], request: Request[Any, Any, Any]) -> FieldError:
    message = str(extra.get("message", "is not valid"))
    field, annotation, path = _field(extra, request)
    return _describe_field(field, message, annotation, path)


def _describe_field(field: str, message: str, annotation: Any, path: str) -> FieldError:
    """A field error from msgspec's message; one of the form `quantity: reason` names an inner field."""
    head, colon, rest = message.partition(": ")
    if colon and head.isidentifier():
        field, message = f"{field}.{head}", rest
    elif missing := _MISSING.match(message):
        field, message = f"{field}.{missing[1]}", "is required"
    else:
        message = in_words(message, annotation, path)
    return FieldError(field.lstrip("."), message)


def _field(extra: dict[str, Any], request: Request[Any, Any, Any]) -> tuple[str, Any, str]:
    """The field's name for clients; the type of the body and the path within it, or a parameter's type and no path."""
    key = str(extra.get("key", ""))
    # `data` is Litestar's internal name for the whole body.
    field = "" if key == "data" else key
    handler: Any = request.scope["route_handler"]
    signatures = [handler, *handler.resolve_dependencies().values()]
    parameters = {name: each for one in signatures for name, each in one.parsed_fn_signature.parameters.items()}
    if extra.get("source") == "body":
        return field, parameters["data"].annotation if "data" in parameters else Any, field
    if key not in parameters:
        return field, Any, ""
    # A header's name differs from its argument's.
    return getattr(parameters[key].kwarg_definition, "name", None) or field, parameters[key].annotation, ""
