"""The OpenAPI document: Litestar's, completed so that every operation lists every status it can return.

Errors that follow from a route's guards, body, path parameters and database use are derived here; a handler lists with
`problem` only those specific to it.
"""

from __future__ import annotations

import asyncio
import functools
import re
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Litestar, Request, get
from litestar.enums import MediaType
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import Components, License, SecurityScheme, Tag
from litestar.response import Response, Stream
from litestar.routes import HTTPRoute
from litestar.types import Empty

from stocky import __version__
from stocky.http.examples import body_example, example_of
from stocky.http.problems import PROBLEM_JSON, Problem

# The route option with the roles that may call it; a route without it is public.
ROLES_OPTION = "roles"
_DESCRIPTION = """\
Tracks stock by location: scanners post events, and every event is counted exactly once.

Every response has `X-Request-ID`. Errors are problem details (RFC 9457) with a `detail` for people. Enumerations are
lower case in responses and accepted in any case; times are UTC. Lists take `skip` and `limit`, or `page` and `size`.
`HEAD` works wherever `GET` does.
"""
_TAGS = {
    "Auth": "Sign-in, tokens and the user's own password",
    "API keys": "Keys for scanners and scripts",
    "Users": "Accounts and their roles",
    "Items": "The catalogue of items",
    "Types": "Item types",
    "Tags": "Tags of items",
    "Search": "Search across items, locations and more",
    "Locations": "Locations where stock lies",
    "Boxes": "Numbered boxes of locations",
    "Reorganisation": "Plans that put similar items together and empty boxes",
    "SKUs": "Quantities of an item at a location, by lot",
    "Scanner": "Scans, and the scanners that send them",
    "Events": "The ledger: every change of stock, immutable",
    "Documents": "PDFs, pictures and links of items",
    "Alerts": "Conditions that need attention",
    "Shopping lists": "Entries to buy, and who added them",
    "Projects": "Required items, missing quantities, and withdrawals from stock",
    "Imports": "Items and stock from CSV files",
    "Exports": "Items, stock and the ledger as CSV",
    "Logs": "Stocky's own log",
    "Audit": "Who changed what",
    "Backup": "Database dumps: create, download, import",
    "System": "Stored backups and archives: create, verify, restore",
    "Jobs": "Work that takes longer than a request",
    "Settings": "Settings that administrators change at run time",
    "Webhooks": "Notifications to other programs",
    "Monitoring": "Health and metrics; public",
}
_SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"api_key": []}]
_DERIVED = {
    400: "The request is malformed, or not possible in this form",
    401: "No valid credentials were sent (missing, invalid or expired). Send an API key in `X-API-Key`, or a token as"
    " `Authorization: Bearer`",
    404: "Something the request names does not exist; see `detail`",
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

Document = dict[str, Any]


def openapi_config() -> OpenAPIConfig:
    """Litestar's configuration, without its own pages, which load scripts from elsewhere."""
    return OpenAPIConfig(
        title="Stocky",
        version=__version__,
        description=_DESCRIPTION,
        license=License(name="MIT", identifier="MIT"),
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(
                    type="http",
                    scheme="bearer",
                    bearer_format="JWT",
                    description="The `access_token` of `POST /api/v1/auth/login`",
                ),
                "api_key": SecurityScheme(
                    type="apiKey",
                    security_scheme_in="header",
                    name="X-API-Key",
                    description="A key of `stocky create-key` or `/api/v1/api-keys`",
                ),
            }
        ),
        tags=[Tag(name, description) for name, description in _TAGS.items()],
        use_handler_docstrings=True,
        render_plugins=[_WholeDocument(path="/openapi.json", media_type=MediaType.JSON)],
    )


class _WholeDocument(OpenAPIRenderPlugin):
    """Makes Litestar's `/schema` return the completed document too."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return encode_document(request.app, request.app.state.config.base_path)


def problem(description: str) -> ResponseSpec:
    """For a handler's `responses`: an error specific to this route, as in `{429: problem("Too many attempts")}`."""
    return ResponseSpec(Problem, generate_examples=False, description=description, media_type=PROBLEM_JSON)


@get(["/openapi.json", "/api/v1/openapi.json"], include_in_schema=False, media_type=MediaType.JSON)
async def show_document(request: Request[Any, Any, Any]) -> bytes:
    """The document, for tools and for the page at `/docs`."""
    return await asyncio.to_thread(encode_document, request.app, request.app.state.config.base_path)


@functools.lru_cache(maxsize=1)
def encode_document(app: Litestar, base_path: str) -> bytes:
    """The whole document as JSON."""
    return msgspec.json.encode(complete_document(app, base_path))


def complete_document(app: Litestar, base_path: str = "") -> Document:
    """The whole document of an application at `base_path`. It takes some tenths of a second."""
    document: Document = msgspec.json.decode(msgspec.json.encode(app.openapi_schema.to_schema()))
    if base_path:
        document["servers"] = [{"url": base_path}]
    operations = list(_operations(app, document))
    components: dict[str, Any] = document["components"].setdefault("schemas", {})
    # msgspec describes its Structs better than Litestar does: docstrings, defaults, a minimum of 0.
    types = [Problem, *{kind for handler, *_ in operations for kind in (_body(handler), _answer(handler)) if kind}]
    schemas, structs = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    components.update(structs)
    schema_of = dict(zip(types, schemas, strict=True))
    document["components"]["responses"] = {
        HTTPStatus(status).name.title(): _problem_response(status, text) for status, text in _DERIVED.items()
    }
    for handler, method, path, operation in operations:
        _describe(handler, operation)
        _complete_parameters(handler, operation, components)
        _complete_contents(handler, operation, schema_of, components)
        _complete_errors(handler, method, path, operation)
    return document


def _operations(app: Litestar, document: Document) -> Any:
    """(handler, method, path, operation) for every operation in the document."""
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        path = route.path_format or "/"
        for method, (handler, _) in route.route_handler_map.items():
            operation = document["paths"].get(path, {}).get(method.lower())
            if operation is not None:
                yield handler, method, path, operation


def _describe(handler: HTTPRouteHandler, operation: Document) -> None:
    """Makes the first sentence of the docstring the summary, and the rest the description."""
    heading, *rest = re.split(r"\.(?:\s+|$)", operation.pop("description", ""), maxsplit=1)
    operation["summary"] = " ".join(heading.split())
    if rest and rest[0]:
        operation["description"] = rest[0]


def _complete_parameters(handler: HTTPRouteHandler, operation: Document, components: Document) -> None:
    fields = {}
    for name, field in handler.parsed_fn_signature.parameters.items():
        kwarg = field.kwarg_definition
        names = (getattr(kwarg, attribute, None) for attribute in ("name", "header", "query"))
        fields[next((given for given in names if given), name)] = kwarg
    for parameter in operation.get("parameters", []):
        schema = parameter["schema"]
        # Litestar omits a minimum of 0.
        if getattr(fields.get(parameter["name"]), "ge", None) == 0:
            schema["minimum"] = 0
        for empty in ("allowEmptyValue", "allowReserved", "deprecated"):
            if parameter.get(empty) is False:
                del parameter[empty]
        schema.pop("description", None)
        if "examples" not in parameter:
            parameter["example"] = example_of(schema, components, parameter["name"])
    if operation.get("deprecated") is False:
        del operation["deprecated"]


def _complete_contents(handler: HTTPRouteHandler, operation: Document, schema_of: Any, components: Document) -> None:
    """Sets the schemas of body and response from their Structs, with an example of each."""
    if body := _body(handler):
        for content in operation["requestBody"]["content"].values():
            content["schema"] = schema_of[body]
            content["example"] = body_example(content["schema"], components)
    if form := handler.opt.get("form"):
        operation["requestBody"] = _form(form)
    for status, response in operation["responses"].items():
        if int(status) >= HTTPStatus.BAD_REQUEST:
            continue
        response["description"] = HTTPStatus(int(status)).phrase
        if not response.get("headers"):
            response.pop("headers", None)
        for content in (response.get("content") or {}).values():
            if answer := _answer(handler):
                content["schema"] = schema_of[answer]
                content["example"] = example_of(content["schema"], components)
            elif content.get("schema") == {}:
                content["schema"] = {"type": "string"}


def _form(fields: dict[str, str]) -> Document:
    """A form with a file, from field descriptions in the route's options, since Litestar does not know them."""
    properties = {name: {"type": "string", "description": meaning} for name, meaning in fields.items()}
    properties["file"]["format"] = "binary"
    schema = {"type": "object", "required": ["file"], "properties": properties}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema, "example": {"file": "…"}}}}


def _complete_errors(handler: HTTPRouteHandler, method: str, path: str, operation: Document) -> None:
    roles = _roles(handler)
    described = {422: _DERIVED[422], 500: _DERIVED[500]}
    if "{" in path:
        described[404] = _DERIVED[404]
    if roles:
        operation["security"] = _SECURITY
        described |= {status: _DERIVED[status] for status in (401, 503)}
        described[403] = f"Access denied: this requires the role {' or '.join(roles)}"
    if "read" in handler.parsed_fn_signature.parameters:
        described[503] = _DERIVED[503]
    if method != "GET":
        described |= {status: _DERIVED[status] for status in (400, 404, 409, 503, 507)}
    if "requestBody" in operation:
        described |= {status: _DERIVED[status] for status in (413, 415)}
    if any(parameter["name"] == "If-Match" for parameter in operation.get("parameters", [])):
        described |= {status: _DERIVED[status] for status in (400, 412)}
    for status, spec in (handler.responses or {}).items():
        if status >= HTTPStatus.BAD_REQUEST:
            described[status] = spec.description
    succeeded = {
        status: response for status, response in operation["responses"].items() if int(status) < HTTPStatus.BAD_REQUEST
    }
    operation["responses"] = succeeded | {
        str(status): {"$ref": f"#/components/responses/{HTTPStatus(status).name.title()}"}
        if described[status] == _DERIVED.get(status)
        else _problem_response(status, described[status])
        for status in sorted(described)
    }


def _problem_response(status: int, description: str) -> Document:
    title = HTTPStatus(status).phrase
    detail = _EXAMPLE_DETAILS.get(status, description.partition(";")[0])
    example: Document = {"title": title, "status": status, "detail": detail, "type": "about:blank"}
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


def _body(handler: HTTPRouteHandler) -> Any:
    field = handler.parsed_data_field
    return None if field is None else field.annotation


def _answer(handler: HTTPRouteHandler) -> Any:
    """The type of a JSON response, else None."""
    field = handler.parsed_return_field
    if field.is_subclass_of((Stream,)):
        return None
    if field.is_subclass_of((Response,)):
        field = field.inner_types[0] if field.inner_types else field
    kind = field.annotation
    return None if kind in (None, type(None), bytes, str, Any, Empty, Response) else kind
