"""Serves styles, scripts and pictures from memory; an address has the hash of all of them, so it is cached forever.

There is one hash for all files, because modules import each other by relative names and must come from one directory.
A page that was loaded before an upgrade asks for another hash: it gets the current file, uncached, and keeps working.
"""

from __future__ import annotations

import asyncio
import functools
import gzip
import hashlib
import re
from pathlib import Path
from typing import Any

from litestar import Request, Response, get
from litestar.datastructures import State
from msgspec import Struct

from stocky.errors import NotFound
from stocky.http.representation import accepts_gzip
from stocky.http.routing import Router

DIRECTORY = Path(__file__).resolve().parent / "static"
_TYPES = {
    ".css": "text/css",
    ".ico": "image/vnd.microsoft.icon",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
_COMPRESSED_ALREADY = frozenset({".ico", ".png", ".woff2"})
# What is removed before serving: indentation; of style sheets comments and line breaks; of scripts comments on lines of
# their own, so that line numbers in error messages stay right. A test checks that nothing else is changed by it.
_FOR_READERS = {
    ".css": re.compile(rb"/\*.*?\*/|^[ \t]+|\n", re.MULTILINE | re.DOTALL),
    ".js": re.compile(rb"^[ \t]*//.*|^[ \t]+", re.MULTILINE),
}
_IMPORT = re.compile(rb'^import .* from "\./([\w.-]+)";', re.MULTILINE)
_FOREVER = "public, max-age=31536000, immutable"
# What a page may load, and the service worker, which has the policy of its own file.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self';"
    " manifest-src 'self'; worker-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)


class Asset(Struct, frozen=True):
    """A file with its content type, and compressed where that makes it smaller."""

    content: bytes
    compressed: bytes | None
    media_type: str


class Assets(Struct, frozen=True):
    """All files by name, and the hash of all of them."""

    files: dict[str, Asset]
    version: str


@functools.cache
def assets() -> Assets:
    """Read once; the first call takes some milliseconds."""
    files: dict[str, Asset] = {}
    digest = hashlib.sha256()
    for file in sorted(DIRECTORY.iterdir()):
        if file.suffix not in _TYPES:
            continue
        content = file.read_bytes()
        if file.suffix in _FOR_READERS:
            content = _FOR_READERS[file.suffix].sub(b"", content)
        digest.update(f"{file.name}:{len(content)}:".encode() + content)
        files[file.name] = _make_asset(content, file.suffix)
    return Assets(files, digest.hexdigest()[:12])


def _make_asset(content: bytes, suffix: str) -> Asset:
    compressed = None
    if suffix not in _COMPRESSED_ALREADY:
        smaller = gzip.compress(content, 9, mtime=0)
        compressed = smaller if len(smaller) < len(content) else None
    return Asset(content, compressed, _TYPES[suffix])


def asset_path(name: str) -> str:
    """The path of a file below the base path. Raises KeyError for a file that does not exist."""
    found = assets()
    if name not in found.files:
        raise KeyError(f"There is no {name} in {DIRECTORY.name}")
    return f"/static/{found.version}/{name}"


@functools.cache
def imported(name: str) -> list[str]:
    """The modules that a module needs before it runs: those it imports, and those that they import."""
    files = assets().files
    found: list[str] = []
    waiting = [name]
    while waiting:
        for each in _IMPORT.findall(files[waiting.pop()].content):
            module = each.decode()
            if module not in found:
                found.append(module)
                waiting.append(module)
    return found


def takes_gzip(request: Request[Any, Any, Any]) -> bool:
    """Whether the client accepts a compressed body."""
    return accepts_gzip(request.headers.get("accept-encoding", ""))


@get("/static/{version:str}/{name:str}")
async def show_asset(request: Request[Any, Any, Any], version: str, name: str) -> Response[bytes]:
    """One file."""
    found = await asyncio.to_thread(assets)
    return _answer(request, _named(found, name), _FOREVER if version == found.version else "no-cache")


@get("/sw.js")
async def show_service_worker(request: Request[Any, Any, Any], state: State) -> Response[bytes]:
    """The service worker, at the root, since it may serve only what is below its own address."""
    return await _show_at_root(request, "sw.js", state.config.base_path)


@get("/manifest.webmanifest")
async def show_manifest(request: Request[Any, Any, Any], state: State) -> Response[bytes]:
    """What a phone needs to put Stocky on its home screen."""
    return await _show_at_root(request, "manifest.webmanifest", state.config.base_path)


async def _show_at_root(request: Request[Any, Any, Any], name: str, base_path: str) -> Response[bytes]:
    """A file in which `__BASE__` and `__STATIC__` stand for the base path and the directory of the other files."""
    found = await asyncio.to_thread(assets)
    content = _named(found, name).content.replace(b"__BASE__", base_path.encode())
    content = content.replace(b"__STATIC__", f"{base_path}/static/{found.version}".encode())
    return _answer(request, _make_asset(content, Path(name).suffix), "no-cache")


def _named(found: Assets, name: str) -> Asset:
    if name not in found.files:
        raise NotFound(f"There is no file {name[:100]!r}")
    return found.files[name]


def _answer(request: Request[Any, Any, Any], asset: Asset, cache_control: str) -> Response[bytes]:
    headers = {"Cache-Control": cache_control, "Content-Security-Policy": PAGE_POLICY, "Vary": "Accept-Encoding"}
    content = asset.content
    if asset.compressed is not None and takes_gzip(request):
        content = asset.compressed
        headers["Content-Encoding"] = "gzip"
    return Response(content, media_type=asset.media_type, headers=headers)


asset_routes = Router("/", route_handlers=[show_asset, show_service_worker, show_manifest], include_in_schema=False)
