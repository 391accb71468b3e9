"""The request as handlers see it; text with a NUL character never gets past it."""

from __future__ import annotations

from typing import Any

from litestar import Request

from stocky.auth.schemas import Principal
from stocky.errors import Invalid


class StockyRequest(Request[Principal, Any, Any]):
    """Litestar's request, with bodies, queries and paths that hold NUL refused (422) before they are decoded."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        if b"%00" in self.scope["query_string"] or "\0" in self.scope["path"]:
            raise Invalid("Text may not contain NUL characters")

    async def body(self) -> bytes:
        body = await super().body()
        # A NUL can only be written as an escape in JSON, and as %00 in a form.
        if b"\\u0000" in body or b"\0" in body or b"%00" in body and self._is_form():
            raise Invalid("Text may not contain NUL characters")
        return body

    def _is_form(self) -> bool:
        return self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
