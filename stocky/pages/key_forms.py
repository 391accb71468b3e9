"""The form of an API key: a day stands for its end."""

from __future__ import annotations

from datetime import date
from typing import Any

from litestar import Request

from stocky.auth.schemas import NewApiKey
from stocky.pages.forms import Form, parse_form, read_values


async def read_key_form(request: Request[Any, Any, Any]) -> Form[NewApiKey]:
    """The form with the name of a key, and the last day on which it is valid (UTC), or none."""
    values = await read_values(request)
    form = parse_form({**values, "expires_at": [_end_of(each) for each in values.get("expires_at", [])]}, NewApiKey)
    # As typed, for the form that is shown again.
    form.values = dict(values)
    return form


def _end_of(typed: str) -> str:
    try:
        return f"{date.fromisoformat(typed.strip())}T23:59:59Z"
    except ValueError:
        return typed
