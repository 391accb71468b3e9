"""The routes of a feature, and how an application gets them: as its own, without the copies that Litestar makes."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from inspect import Signature
from typing import Any

import litestar
from litestar import Litestar, Response
from litestar.enums import HttpMethod, MediaType
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import Empty
from litestar.types.internal_types import RouteHandlerMapItem
from litestar.typing import FieldDefinition
from litestar.utils import join_paths
from litestar.utils.signature import ParsedSignature

from stocky.http.request import StockyRequest


class Router:
    """Routes below a path, with the options that they share: those of Litestar's router."""

    def __init__(self, path: str, *, route_handlers: Sequence[HTTPRouteHandler], **options: Any) -> None:
        self.path = path
        self.route_handlers = route_handlers
        self.options = options


def register(app: Application, routes: Router | HTTPRouteHandler, prefix: str = "/") -> None:
    """Adds routes to an application, below `prefix`. Others can have the same routes."""
    if isinstance(routes, HTTPRouteHandler):
        routes = Router("/", route_handlers=[routes])
    # Litestar makes a handler the child of the router it is given to.
    handlers = [copy(handler) for handler in routes.route_handlers]
    # First, since Litestar looks for it when it adds a path.
    shared = _SharedOptionsHandler(sorted({path for handler in handlers for path in handler.paths}))
    router = _OwnRouter(join_paths([prefix, routes.path]), route_handlers=[shared, *handlers], **routes.options)
    router.owner = app
    for route in router.routes:
        assert isinstance(route, HTTPRoute)
        for handler in route.route_handlers:
            handler._parsed_fn_signature = _share_fields(handler.parsed_fn_signature)
    app.add(router)
    # The application has its own, of the same handlers.
    router.routes.clear()


def _share_fields(signature: ParsedSignature) -> ParsedSignature:
    """With one object for all parameters of one name and type: of 3,500, each half a KiB, 400 are different."""
    return ParsedSignature(
        parameters={name: _share(field) for name, field in signature.parameters.items()},
        return_type=_share(signature.return_type),
        # Litestar reads it only for WebSockets.
        original_signature=Signature(),
    )


def _share(field: FieldDefinition) -> FieldDefinition:
    if field.kwarg_definition is not None or field.default is not Empty:
        return field
    # By identity, since types that are equal may differ in the order of their parts. The first field keeps its type.
    return _shared_fields.setdefault((field.name, id(field.raw)), field)


_shared_fields: dict[tuple[str, int], FieldDefinition] = {}


class Application(Litestar):
    """Litestar's, which lists its handlers once for each router that is added, instead of for each path: 60 ms."""

    _handlers: dict[str, RouteHandlerMapItem] | None = None

    @property
    def route_handler_method_map(self) -> dict[str, RouteHandlerMapItem]:
        """The handlers of each path by method; while a router is added, those from before."""
        return super().route_handler_method_map if self._handlers is None else self._handlers

    def add(self, router: litestar.Router) -> None:
        """Adds a router."""
        self._handlers = super().route_handler_method_map
        try:
            self.register(router)
        finally:
            self._handlers = None


class _OwnRouter(litestar.Router):
    """A router of one application. Litestar registers deep copies, which took 2 MiB and a third of the time for all."""

    def __deepcopy__(self, memo: object) -> _OwnRouter:
        return self


class _SharedOptionsHandler(HTTPRouteHandler):
    """Answers OPTIONS for all paths of a router. Litestar would make a handler, or its model, for each: 3 MiB."""

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__(paths, http_method=HttpMethod.OPTIONS, include_in_schema=False)
        self(_show_methods)
        self._kwargs_model: Any = None

    def create_kwargs_model(self, path_parameters: dict[str, Any]) -> Any:
        # The function takes no parameter of a path.
        if self._kwargs_model is None:
            self._kwargs_model = super().create_kwargs_model({})
        return self._kwargs_model


async def _show_methods(request: StockyRequest) -> Response[None]:
    """The methods of the path."""
    template = request.scope["path_template"]
    methods = next(route.methods for route in request.app.routes if route.path_format == template)
    return Response(None, status_code=204, headers={"Allow": ", ".join(sorted(methods))}, media_type=MediaType.TEXT)
