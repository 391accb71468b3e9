"""The OpenAPI document: Litestar's, completed so that tools can generate clients and people can try every route.

`openapi` has what handlers declare, `openapi_schemas` the schemas, and `openapi_errors` the errors.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import re
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Litestar, Request, get
from litestar._openapi.plugin import OpenAPIPlugin
from litestar.enums import MediaType
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import Components, License, SecurityScheme, Tag
from litestar.response import Response, Stream
from litestar.routes import HTTPRoute
from litestar.types import Empty

from stocky import __version__
from stocky.http.examples import body_example, example_of, parameter_example
from stocky.http.openapi import FORM_OPTION, PRODUCES_OPTION
from stocky.http.openapi_errors import Document, Operation, complete_errors, shared_responses
from stocky.http.openapi_schemas import REFERENCE, Schemas, with_default
from stocky.http.problems import Problem

_DESCRIPTION = """\
Tracks stock by location: scanners post events, and every event is counted exactly once.

Every response has `X-Request-ID`. Errors are problem details (RFC 9457) with a `detail` for people and a `type` for
programs: the address of the kind of problem, as `/problems/oversell`; `/problems` lists them. Enumerations are
lower case in responses and accepted in any case; times are UTC. Lists take `skip` and `limit`, or `page` and `size`,
and `sort`; their responses say `X-Total-Count` and `Link`. `HEAD` works wherever `GET` does. JSON responses to a `GET`
have an `ETag`: sent as `If-None-Match`, it gives 304 where nothing has changed.
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
    "Labels": "Sheets of labels to print",
    "Boxes": "Numbered boxes of locations",
    "Reorganisation": "Plans that put similar items together and empty boxes",
    "Stock": "Quantities of an item at a location, by lot",
    "Prices": "What was paid for stock, and what the stock is worth",
    "Lending": "What is lent to whom, and until when",
    "Scanner": "Scans, and the scanners that send them",
    "Events": "The ledger: every change of stock, immutable",
    "Documents": "PDFs, pictures and links of items",
    "Assistance": "Suggestions of a language model about items, which people accept or reject",
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
    "Notices": "Messages to people about failures and about the stock",
    "Monitoring": "Health and metrics; public",
}
_ETAG = {"ETag": {"description": "For `If-None-Match`, and for `If-Match` where there is a version"}}
_OF_LISTS = {
    "X-Total-Count": {
        "description": "The number of entries of the whole list",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Link": {"description": "The first, previous, next and last part (RFC 8288)"},
}
_ACCEPT_RANGES = {"Accept-Ranges": {"description": "`bytes`: `Range` asks for a part"}}
_CONTENT_RANGE = {"Content-Range": {"description": "Which bytes these are, and of how many"}}


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


@get(["/openapi.json", "/api/v1/openapi.json"], include_in_schema=False, media_type=MediaType.JSON)
async def show_document(request: Request[Any, Any, Any]) -> bytes:
    """The document, for tools and for the page at `/docs`."""
    return await asyncio.to_thread(encode_document, request.app, request.app.state.config.base_path)


@functools.lru_cache(maxsize=1)
def encode_document(app: Litestar, base_path: str) -> bytes:
    """The whole document as JSON."""
    encoded = msgspec.json.encode(complete_document(app, base_path))
    # Litestar keeps its objects of all routes, 6 MiB, though nothing needs them again.
    app.plugins.get(OpenAPIPlugin)._openapi = None
    # They were many small pieces, which glibc keeps for later requests on this thread unless it is asked.
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
    return encoded


def complete_document(app: Litestar, base_path: str = "") -> Document:
    """The whole document of an application at `base_path`. It takes some tenths of a second."""
    document: Document = msgspec.json.decode(msgspec.json.encode(app.openapi_schema.to_schema()))
    if base_path:
        document["servers"] = [{"url": base_path}]
    operations = list(_operations(app, document))
    bodies = [body for each in operations if (body := _body(each.handler))]
    answers = [answer for each in operations if (answer := _answer(each.handler))]
    # Of the enumerations, Litestar knows which are of parameters; its name of one may have the module.
    known = {_class_name(name) for name in document["components"]["schemas"]}
    enums = [kind for each in operations for kind in _enums(each.handler) if kind.__name__ in known]
    schemas = Schemas(bodies, [Problem, *answers, *enums])
    document["components"]["schemas"] = schemas.components
    document["components"]["responses"] = shared_responses()
    names = _operation_ids(operations)
    for each in operations:
        each.spec["operationId"] = names[each.method, each.path]
        _describe(each)
        _complete_parameters(each, schemas)
        _complete_body(each, schemas)
        _complete_responses(each, schemas)
        complete_errors(each)
        _complete_headers(each)
    # Litestar collects routes in sets: without an order, the document's ETag would differ between processes.
    document["paths"] = dict(sorted(document["paths"].items()))
    document["components"]["schemas"] = dict(sorted(schemas.components.items()))
    return document


def _operations(app: Litestar, document: Document) -> Iterator[Operation]:
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        path = route.path_format or "/"
        for method, (handler, _) in route.route_handler_map.items():
            spec = document["paths"].get(path, {}).get(method.lower())
            if spec is not None:
                yield Operation(handler, method, path, spec)


def _operation_ids(operations: list[Operation]) -> dict[tuple[str, str], str]:
    """By method and path, the name of the handler.

    A handler with several routes gives it to the main one: that with PATCH, or with the longer path. The id of another
    one ends with its method, or with the first part of its path.
    """
    main: dict[str, Operation] = {}
    ids = {}
    for each in sorted(operations, key=lambda each: (each.method != "PATCH", -len(each.path))):
        name = each.handler.handler_name
        first = main.setdefault(name, each)
        if first is not each:
            name += f"_{each.method.lower() if each.path == first.path else each.path.split('/')[3]}"
        ids[each.method, each.path] = name
    return ids


def _describe(operation: Operation) -> None:
    """Makes the first sentence of the docstring the summary, and the rest the description."""
    spec = operation.spec
    heading, *rest = re.split(r"\.(?:\s+|$)", spec.pop("description", ""), maxsplit=1)
    spec["summary"] = " ".join(heading.split())
    if rest and rest[0]:
        spec["description"] = rest[0]
    if spec.get("deprecated") is False:
        del spec["deprecated"]


def _complete_parameters(operation: Operation, schemas: Schemas) -> None:
    """Examples are only on what must be sent: the page at `/docs` fills in all others, too."""
    definitions = _definitions(operation.handler)
    for parameter in operation.spec.get("parameters", []):
        name = parameter["name"]
        schema = _without_null(parameter["schema"])
        # Litestar omits a minimum of 0.
        if getattr(definitions.get(name), "ge", None) == 0:
            schema["minimum"] = 0
        for bound in ("minimum", "maximum"):
            if schema.get("type") == "integer" and bound in schema:
                schema[bound] = int(schema[bound])
        for unused in ("description", "examples"):
            schema.pop(unused, None)
        text = parameter.get("description") or schemas.texts["parameters"].get(name, "")
        default = schema.pop("default", None)
        required = parameter["in"] == "path" or parameter["required"]
        text = text if default is None else with_default(text, default)
        example = {"example": parameter_example(operation.spec["operationId"], name)} if required else {}
        place = parameter["in"]
        parameter.clear()
        parameter |= {"name": name, "in": place, "required": required, "description": text, "schema": schema, **example}


def _without_null(schema: Document) -> Document:
    """The schema of a parameter's value: a missing one has none. References are to the schemas of this document."""
    given = [each for each in schema.get("oneOf", []) if each != {"type": "null"}]
    if len(given) == 1:
        schema = given[0] | {name: value for name, value in schema.items() if name != "oneOf"}
    if "$ref" in schema:
        schema = {**schema, "$ref": REFERENCE.format(name=_class_name(schema["$ref"]))}
    return schema


def _class_name(litestar_name: str) -> str:
    """The last part of a reference, of which Litestar's may have the module before the class."""
    return re.split(r"[/.]", litestar_name)[-1]


def _complete_body(operation: Operation, schemas: Schemas) -> None:
    handler, spec = operation.handler, operation.spec
    if (body := _body(handler)) is not None:
        schema = schemas.of(body)
        example = body_example(schema, schemas.with_defaults)
        field = handler.parsed_data_field
        spec["requestBody"] = {
            "required": field is not None and not field.is_optional,
            "content": {kind: {"schema": schema, "example": example} for kind in spec["requestBody"]["content"]},
        }
    elif form := handler.opt.get(FORM_OPTION):
        spec["requestBody"] = _form(form)


def _form(fields: dict[str, str]) -> Document:
    """A form with a file, from field descriptions in the route's options, since Litestar does not know them."""
    properties = {name: {"type": "string", "description": meaning} for name, meaning in fields.items()}
    properties["file"]["format"] = "binary"
    schema = {"type": "object", "required": ["file"], "properties": properties}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema, "example": {"file": "…"}}}}


def _complete_responses(operation: Operation, schemas: Schemas) -> None:
    """Sets the content of all responses but errors, with an example of JSON."""
    handler, spec = operation.handler, operation.spec
    answer = _answer(handler)
    for status, response in spec["responses"].items():
        if int(status) >= HTTPStatus.BAD_REQUEST:
            continue
        response["description"] = HTTPStatus(int(status)).phrase
        if not response.get("headers"):
            response.pop("headers", None)
        if "content" in response:
            kinds = handler.opt.get(PRODUCES_OPTION, response["content"])
            response["content"] = {kind: _content(kind, answer, schemas) for kind in kinds}


def _content(kind: str, answer: Any, schemas: Schemas) -> Document:
    if kind == MediaType.JSON and answer is not None:
        schema = schemas.of(answer)
        return {"schema": schema, "example": example_of(schema, schemas.with_defaults)}
    is_text = kind.startswith("text/") or kind.endswith("+xml")
    return {"schema": {"type": "string"} if is_text else {"type": "string", "format": "binary"}}


def _complete_headers(operation: Operation) -> None:
    """The headers that `representation`, `files` and `parameters` add to reads, and the responses that follow."""
    handler, spec = operation.handler, operation.spec
    answer = spec["responses"].get("200", {})
    if operation.method != "GET" or not operation.path.startswith("/api/"):
        return
    has_ranges = "416" in spec["responses"]
    if not has_ranges and MediaType.JSON not in answer["content"]:
        return
    is_list = "paging" in handler.parsed_fn_signature.parameters
    added: Document = _ETAG | (_ACCEPT_RANGES if has_ranges else _OF_LISTS if is_list else {})
    answer["headers"] = answer.get("headers", {}) | _headers(added)
    responses: Document = {"304": {"description": "Not modified since the response whose ETag is in `If-None-Match`"}}
    if has_ranges:
        partial = {"description": "The part that `Range` names", "content": answer["content"]}
        responses["206"] = {**partial, "headers": answer["headers"] | _headers(_CONTENT_RANGE)}
    spec["responses"] = dict(sorted((spec["responses"] | responses).items()))


def _headers(headers: Document) -> Document:
    return {name: {"schema": {"type": "string"}, **header} for name, header in headers.items()}


def _body(handler: HTTPRouteHandler) -> Any:
    """The type of a body in JSON or as a form, else None."""
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


def _definitions(handler: HTTPRouteHandler) -> dict[str, Any]:
    """What is known of each parameter of a handler, by the name that clients send."""
    found = {}
    for name, field in handler.parsed_fn_signature.parameters.items():
        kwarg = field.kwarg_definition
        names = (getattr(kwarg, attribute, None) for attribute in ("name", "header", "query"))
        found[next((given for given in names if given), name)] = kwarg
    return found


def _enums(handler: HTTPRouteHandler) -> Iterator[type[Enum]]:
    """The enumerations among the parameters of a handler and of what it depends on."""
    signatures = [handler.parsed_fn_signature]
    signatures += [each.parsed_fn_signature for each in handler.resolve_dependencies().values()]
    for signature in signatures:
        for field in signature.parameters.values():
            for kind in (field.annotation, *(inner.annotation for inner in field.inner_types)):
                if isinstance(kind, type) and issubclass(kind, Enum):
                    yield kind
