"""The OpenAPI document: Litestar's, completed so that every operation names every status it can answer.

What follows from how a route is built (guards, body, path parameters, database) is derived here, so no handler
repeats it; a handler lists with `problem` only what is special to it.
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

# The option of a route that names the roles which may call it; a route without it is open to everyone.
ROLES_OPTION = "roles"
_DESCRIPTION = """\
Counts what is on your shelves: scanners post, and the counts are right.

Every answer carries `X-Request-ID`. Errors are problem details (RFC 9457) with a `detail` for people. Enumerations are
lower case in answers and accepted in any case; times are UTC. Lists take `skip` and `limit`, or `page` and `size`.
`HEAD` is answered wherever `GET` is.
"""
_TAGS = {
    "Auth": "Signing in, tokens and one's own password",
    "API keys": "Keys for scanners and scripts",
    "Users": "Accounts and their roles",
    "Items": "What things are",
    "Types": "What kinds of things there are",
    "Tags": "Words that items are found by",
    "Search": "One box to find everything by",
    "Locations": "Where things are kept",
    "Boxes": "Numbered sets of places",
    "Reorganisation": "Plans that put like with like and empty boxes",
    "SKUs": "How much of an item is at a location, by lot",
    "Scanner": "Scans, and the scanners they come from",
    "Events": "The ledger: every change of stock, never altered",
    "Documents": "PDFs, pictures and links on items",
    "Alerts": "What asks for attention",
    "Shopping lists": "What is to be bought, and who put it there",
    "Projects": "What something takes, what is missing, and its withdrawal from stock",
    "Imports": "Items and stock from CSV files",
    "Exports": "Items, stock and the ledger as CSV",
    "Logs": "What Stocky says about itself",
    "Audit": "Who changed what",
    "Backup": "Dumps of the database: made, fetched, imported",
    "System": "Stored backups and archives: kept, verified, restored",
    "Jobs": "What takes longer than a request",
    "Settings": "What administrators change while Stocky runs",
    "Webhooks": "Other programs that are told what happens",
    "Monitoring": "Whether Stocky is well; open to everyone",
}
_SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"api_key": []}]
_DERIVED = {
    400: "The request makes no sense as it stands: broken JSON, or something that cannot be done this way",
    401: "Nobody is behind the request: no credentials, or such as are invalid or expired. Send an API key in"
    " `X-API-Key`, or a token as `Authorization: Bearer`",
    404: "Something the request names does not exist; `detail` says what",
    409: "The state of things does not allow it; `detail` says why",
    412: "It was changed since it was read; `If-Match` names another version",
    413: "The body has more bytes than are taken",
    415: "The body says in its Content-Type that it is something else than this takes",
    422: "A value cannot be accepted; `errors` names the fields",
    500: "A defect of Stocky's; the log has it under `request_id`",
    503: "Not now; the same request is right after `Retry-After` seconds",
    507: "The disk is full; nothing was changed",
}
# What `detail` says in the example, where the description does not fit.
_SAID = {
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
    """What Litestar is told. Its own pages load from elsewhere; `/docs` does not."""
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
    """Litestar shows the document at `/schema` too; this makes it the same one."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return encode_document(request.app, request.app.state.config.base_path)


def problem(description: str) -> ResponseSpec:
    """For a handler's `responses`: an error that only this route gives, as in `{429: problem("Too many attempts")}`."""
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
    """The whole document of an application that is at `base_path`. It takes some tenths of a second."""
    document: Document = msgspec.json.decode(msgspec.json.encode(app.openapi_schema.to_schema()))
    if base_path:
        document["servers"] = [{"url": base_path}]
    operations = list(_operations(app, document))
    components: dict[str, Any] = document["components"].setdefault("schemas", {})
    # msgspec knows its Structs better than Litestar does: docstrings, defaults, a minimum of 0.
    types = [Problem, *{kind for handler, *_ in operations for kind in (_body(handler), _answer(handler)) if kind}]
    schemas, structs = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    components.update(structs)
    schema_of = dict(zip(types, schemas, strict=True))
    document["components"]["responses"] = {
        HTTPStatus(status).name.title(): _problem_response(status, told) for status, told in _DERIVED.items()
    }
    for handler, method, path, operation in operations:
        _describe(handler, operation)
        _complete_parameters(handler, operation, components)
        _complete_contents(handler, operation, schema_of, components)
        _complete_errors(handler, method, path, operation)
    return document


def _operations(app: Litestar, document: Document) -> Any:
    """(handler, method, path, operation) of everything in the document."""
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        path = route.path_format or "/"
        for method, (handler, _) in route.route_handler_map.items():
            operation = document["paths"].get(path, {}).get(method.lower())
            if operation is not None:
                yield handler, method, path, operation


def _describe(handler: HTTPRouteHandler, operation: Document) -> None:
    """The first sentence of the docstring heads the operation, the rest explains it."""
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
        # Litestar leaves a minimum of 0 out.
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
    """Body and answer by the schemas of their Structs, with an example of each."""
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
    """A form with a file, by what each field means; a route says so in its options, since Litestar never sees it."""
    properties = {name: {"type": "string", "description": meaning} for name, meaning in fields.items()}
    properties["file"]["format"] = "binary"
    schema = {"type": "object", "required": ["file"], "properties": properties}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema, "example": {"file": "…"}}}}


def _complete_errors(handler: HTTPRouteHandler, method: str, path: str, operation: Document) -> None:
    roles = _roles(handler)
    told = {422: _DERIVED[422], 500: _DERIVED[500]}
    if "{" in path:
        told[404] = _DERIVED[404]
    if roles:
        operation["security"] = _SECURITY
        told |= {status: _DERIVED[status] for status in (401, 503)}
        told[403] = f"Access denied: this takes the role {' or '.join(roles)}"
    if "read" in handler.parsed_fn_signature.parameters:
        told[503] = _DERIVED[503]
    if method != "GET":
        told |= {status: _DERIVED[status] for status in (400, 404, 409, 503, 507)}
    if "requestBody" in operation:
        told |= {status: _DERIVED[status] for status in (413, 415)}
    if any(parameter["name"] == "If-Match" for parameter in operation.get("parameters", [])):
        told |= {status: _DERIVED[status] for status in (400, 412)}
    for status, spec in (handler.responses or {}).items():
        if status >= HTTPStatus.BAD_REQUEST:
            told[status] = spec.description
    succeeded = {
        status: response for status, response in operation["responses"].items() if int(status) < HTTPStatus.BAD_REQUEST
    }
    operation["responses"] = succeeded | {
        str(status): {"$ref": f"#/components/responses/{HTTPStatus(status).name.title()}"}
        if told[status] == _DERIVED.get(status)
        else _problem_response(status, told[status])
        for status in sorted(told)
    }


def _problem_response(status: int, description: str) -> Document:
    title = HTTPStatus(status).phrase
    detail = _SAID.get(status, description.partition(";")[0])
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
    """The roles that may call the route; none for a route that is open."""
    return sorted(role.value for role in handler.opt.get(ROLES_OPTION, ()))


def _body(handler: HTTPRouteHandler) -> Any:
    field = handler.parsed_data_field
    return None if field is None else field.annotation


def _answer(handler: HTTPRouteHandler) -> Any:
    """The type of the answer where it is JSON, else None."""
    field = handler.parsed_return_field
    if field.is_subclass_of((Stream,)):
        return None
    if field.is_subclass_of((Response,)):
        field = field.inner_types[0] if field.inner_types else field
    kind = field.annotation
    return None if kind in (None, type(None), bytes, str, Any, Empty, Response) else kind
