"""The request as handlers see it; text with a NUL character never gets past it."""

from __future__ import annotations

from typing import Any

from litestar import Request

from stocky.auth.schemas import Principal
from stocky.errors import Invalid


class StockyRequest(Request[Principal, Any, Any]):
    """Litestar's request, with bodies that hold NUL, or no text at all, refused (422) before a handler sees them."""

    async def body(self) -> bytes:
        body = await super().body()
        # A NUL can only be written as an escape in JSON, and as %00 in a form.
        if b"\\u0000" in body or b"\0" in body or (b"%00" in body and self._is_form()):
            raise Invalid("Text may not contain NUL characters", field="body")
        return body

    async def json(self) -> Any:
        try:
            return await super().json()
        except UnicodeDecodeError:
            raise Invalid("The body is not text in UTF-8", field="body") from None
        except RecursionError:
            raise Invalid("The body is nested too deeply", field="body") from None

    def _is_form(self) -> bool:
        return self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def refuse_nul(request: Request[Any, Any, Any]) -> None:
    """Raises Invalid for a NUL in the path or the query."""
    if b"%00" in request.scope["query_string"]:
        raise Invalid("Text may not contain NUL characters", field="query")
    if "\0" in request.scope["path"]:
        raise Invalid("Text may not contain NUL characters", field="path")
