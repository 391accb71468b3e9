"""Owns the cookies that keep a choice on the user's device, such as the theme; no cookie here gives any access."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.datastructures import Cookie

THEME = "stocky_theme"
# Without one of these the colours are those of the device.
THEMES = ("light", "dark")
_YEAR = 365 * 24 * 3600


def device_cookie(request: Request[Any, Any, Any], name: str, value: str) -> Cookie:
    """Keeps a value for a year; an empty one deletes the cookie."""
    return Cookie(
        key=name,
        value=value,
        max_age=_YEAR if value else 0,
        path=request.app.state.config.base_path or "/",
        secure=request.scope["scheme"] == "https",
        httponly=True,
        samesite="lax",
    )


def theme_of(request: Request[Any, Any, Any]) -> str:
    """The theme that was chosen on this device; empty for that of the device."""
    theme = request.cookies.get(THEME, "")
    return theme if theme in THEMES else ""
