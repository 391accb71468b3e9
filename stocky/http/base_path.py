"""The path under which a proxy has Stocky (STOCKY_BASE_PATH); a request may come with it or, stripped, without."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Every command and child process reads the settings; none of them needs the framework.
    from litestar.types import Scope

_BASE_PATH = re.compile(r"[A-Za-z0-9._~-]+(?:/[A-Za-z0-9._~-]+)*")
# Where Stocky's own paths begin. Under one of these a path could be meant with the base path and without.
_TAKEN = ("api", "docs", "health", "metrics", "openapi.json", "schema")


def read_base_path(text: str) -> str:
    """The base path as `/stocky`, empty for the root. Raises ValueError."""
    path = text.strip("/")
    if not path:
        return ""
    if not _BASE_PATH.fullmatch(path) or path.partition("/")[0] in _TAKEN:
        raise ValueError(
            f"{text!r} is not a path like /stocky; it takes letters, digits and . _ ~ - between slashes, and may not"
            f" begin with {', '.join(_TAKEN)}"
        )
    return f"/{path}"


def strip_base_path(scope: Scope, base_path: str) -> None:
    """Takes the base path off the path of a request, where the proxy left it on."""
    path = scope["path"]
    if path == base_path or path.startswith(f"{base_path}/"):
        scope["path"] = path[len(base_path) :] or "/"
        scope["raw_path"] = scope["raw_path"][len(base_path) :] or b"/"
