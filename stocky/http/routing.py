"""The router of all routes, whose paths share one handler of OPTIONS requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import litestar
from litestar import Response
from litestar.enums import HttpMethod, MediaType
from litestar.handlers import HTTPRouteHandler

from stocky.http.request import StockyRequest


class Router(litestar.Router):
    """Litestar's router; without a shared handler Litestar makes one for each path, a third of the memory of routes."""

    def __init__(
        self, path: str, *, route_handlers: Sequence[HTTPRouteHandler | litestar.Router], **options: Any
    ) -> None:
        """`options` are those of Litestar's router."""
        paths = {path for each in route_handlers if isinstance(each, HTTPRouteHandler) for path in each.paths}
        # First, since Litestar looks for it when it adds a path.
        shared = [_answer_options(sorted(paths))] if paths else []
        super().__init__(path, route_handlers=[*shared, *route_handlers], **options)


def _answer_options(paths: list[str]) -> HTTPRouteHandler:
    return HTTPRouteHandler(paths, http_method=HttpMethod.OPTIONS, include_in_schema=False)(_show_methods)


async def _show_methods(request: StockyRequest) -> Response[None]:
    """The methods of the path."""
    template = request.scope["path_template"]
    methods = next(route.methods for route in request.app.routes if route.path_format == template)
    return Response(None, status_code=204, headers={"Allow": ", ".join(sorted(methods))}, media_type=MediaType.TEXT)
