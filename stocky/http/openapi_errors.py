"""The errors in the OpenAPI document: those that follow from a route's roles, body and path, and those it declares."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, NamedTuple

from litestar.handlers import HTTPRouteHandler

from stocky.http.openapi import ALWAYS_FOUND_OPTION, NOT_FOUND, READ_ONLY_OPTION, ROLES_OPTION
from stocky.http.problem_types import OF_STATUS, problem_type
from stocky.http.problems import PROBLEM_JSON

Document = dict[str, Any]
_SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"api_key": []}]
_DERIVED = {
    400: "The request is malformed, or not possible in this form",
    401: "No valid credentials were sent (missing, invalid or expired). Send an API key in `X-API-Key`, or a token as"
    " `Authorization: Bearer`",
    404: NOT_FOUND,
    409: "The current state does not allow it; see `detail`",
    412: "It was changed since it was read; `If-Match` names another version",
    413: "The body is larger than allowed",
    415: "The Content-Type of the body is not supported here",
    422: "A value is not valid; `errors` names the fields",
    500: "A defect in Stocky; the log has the details under `request_id`",
    503: "Temporarily unavailable; send the same request again after `Retry-After` seconds",
    507: "The disk is full; nothing was changed",
}
# The `detail` in the example, where the description does not fit.
_EXAMPLE_DETAILS = {
    401: "Authentication required",
    404: "There is no item with id 1",
    409: "A location with this name exists already",
    422: "quantity: must be at least 0",
    500: "Something went wrong inside Stocky. The log has it under request id 5b0e7d0c2f5d4c4f9a3f6f1d2b7c8e90",
}
_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds after which to try again", "schema": {"type": "integer", "minimum": 1}}
}
_AUTHENTICATE = {"WWW-Authenticate": {"description": "The scheme to use", "schema": {"type": "string"}}}
_HEADERS = {401: _AUTHENTICATE, 429: _RETRY_AFTER, 503: _RETRY_AFTER}


class Operation(NamedTuple):
    """A route in the document: its handler, method and path, and its part of the document, `spec`."""

    handler: HTTPRouteHandler
    method: str
    path: str
    spec: Document


def shared_responses() -> Document:
    """The responses that many operations refer to, by name."""
    return {HTTPStatus(status).name.title(): _problem_response(status, text) for status, text in _DERIVED.items()}


def complete_errors(operation: Operation) -> None:
    """Adds all errors that the operation can return, and what it takes as proof of a user."""
    handler, spec = operation.handler, operation.spec
    roles = _roles(handler)
    has_body = "requestBody" in spec
    described = {422: _DERIVED[422], 500: _DERIVED[500]}
    if "{" in operation.path and ALWAYS_FOUND_OPTION not in handler.opt:
        described[404] = _DERIVED[404]
    if roles:
        spec["security"] = _SECURITY
        described |= {status: _DERIVED[status] for status in (401, 503)}
        described[403] = f"Access denied: this requires the role {' or '.join(roles)}"
    if "read" in handler.parsed_fn_signature.parameters:
        described[503] = _DERIVED[503]
    if operation.method != "GET" and READ_ONLY_OPTION not in handler.opt:
        # A sign-in is in conflict with nothing.
        described |= {status: _DERIVED[status] for status in ((409, 503, 507) if roles else (503, 507))}
    if has_body:
        described |= {status: _DERIVED[status] for status in (400, 413, 415)}
    if any(parameter["name"] == "If-Match" for parameter in spec.get("parameters", [])):
        described |= {status: _DERIVED[status] for status in (400, 412)}
    for status, declared in (handler.responses or {}).items():
        if status >= HTTPStatus.BAD_REQUEST:
            described[status] = declared.description
    succeeded = {
        status: response for status, response in spec["responses"].items() if int(status) < HTTPStatus.BAD_REQUEST
    }
    spec["responses"] = succeeded | {
        str(status): {"$ref": f"#/components/responses/{HTTPStatus(status).name.title()}"}
        if described[status] == _DERIVED.get(status)
        else _problem_response(status, described[status])
        for status in sorted(described)
    }


def _problem_response(status: int, description: str) -> Document:
    title = HTTPStatus(status).phrase
    detail = _EXAMPLE_DETAILS.get(status, description.partition(";")[0])
    kind = OF_STATUS.get(HTTPStatus(status))
    example: Document = {"title": title, "status": status, "detail": detail, "type": problem_type(kind, "")}
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        example["errors"] = [{"field": "quantity", "message": "must be at least 0"}]
    response: Document = {
        "description": description,
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}},
    }
    if status in _HEADERS:
        response["headers"] = _HEADERS[status]
    return response


def _roles(handler: HTTPRouteHandler) -> list[str]:
    """The roles that may call the route; empty for a public one."""
    return sorted(role.value for role in handler.opt.get(ROLES_OPTION, ()))
