"""The path prefix of Stocky behind a proxy (STOCKY_BASE_PATH); requests may include it or have it stripped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Every command and child process reads the settings; none of them needs the framework.
    from litestar.types import Scope

_BASE_PATH = re.compile(r"[A-Za-z0-9._~-]+(?:/[A-Za-z0-9._~-]+)*")
# The first segments of Stocky's own paths; a base path beginning with one would be ambiguous.
_TAKEN = ("api", "docs", "health", "metrics", "openapi.json", "problems", "schema")


def read_base_path(text: str) -> str:
    """The base path as `/stocky`, empty for the root. Raises ValueError."""
    path = text.strip("/")
    if not path:
        return ""
    if not _BASE_PATH.fullmatch(path) or path.partition("/")[0] in _TAKEN:
        raise ValueError(
            f"{text!r} is not a path like /stocky; use letters, digits and . _ ~ - between slashes, and do not begin"
            f" with {', '.join(_TAKEN)}"
        )
    return f"/{path}"


def strip_base_path(scope: Scope, base_path: str) -> None:
    """Removes the base path from a request's path, where the proxy did not."""
    path = scope["path"]
    if path == base_path or path.startswith(f"{base_path}/"):
        scope["path"] = path[len(base_path) :] or "/"
        scope["raw_path"] = scope["raw_path"][len(base_path) :] or b"/"
