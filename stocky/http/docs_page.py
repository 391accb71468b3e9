"""`/docs`: Swagger UI with all scripts and styles served by Stocky; nothing is loaded from elsewhere."""

from __future__ import annotations

import asyncio
import functools
from importlib.util import find_spec
from pathlib import Path

from litestar import Response, get
from litestar.datastructures import ResponseHeader, State
from litestar.enums import MediaType

from stocky.errors import NotFound
from stocky.http.routing import Router

_HERE = Path(__file__).resolve().parent
# An allow list, so that no request can name another file.
_OURS = {"docs_page.js": "text/javascript"}
_SWAGGER = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
# Swagger UI's style sheet has icons in data: URLs.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


@get("/", media_type=MediaType.HTML)
async def show_page(state: State) -> str:
    """The documentation page."""
    return _content(_HERE / "docs_page.html").decode().replace("{base}", state.config.base_path)


@get("/assets/{name:str}")
async def show_asset(name: str) -> Response[bytes]:
    """A script, style or picture of the page."""
    directory = _HERE if name in _OURS else _swagger_files()
    kind = _OURS.get(name) or _SWAGGER.get(name)
    if kind is None:
        raise NotFound(f"The page has no {name}")
    content = await asyncio.to_thread(_content, directory / name)
    return Response(content, media_type=kind, headers={"Cache-Control": "public, max-age=3600"})


@functools.cache
def _content(file: Path) -> bytes:
    """Cached, so that responses to many slow clients share the same bytes."""
    return file.read_bytes()


@functools.cache
def _swagger_files() -> Path:
    """The directory of Swagger UI in swagger-ui-py, found without importing the package and its web frameworks."""
    spec = find_spec("swagger_ui")
    if spec is None or not spec.submodule_search_locations:
        raise NotFound("The page is not installed; install Stocky again")
    return Path(spec.submodule_search_locations[0]) / "static"


docs_routes = Router(
    "/docs",
    route_handlers=[show_page, show_asset],
    include_in_schema=False,
    response_headers=[ResponseHeader(name="Content-Security-Policy", value=_POLICY)],
)
