"""The request as handlers see it; text with a NUL character never gets past it."""

from __future__ import annotations

from typing import Any

from litestar import Request

from stocky.auth.schemas import Principal
from stocky.errors import Invalid


class StockyRequest(Request[Principal, Any, Any]):
    """Litestar's request, with bodies that hold NUL refused (422) before they are decoded."""

    async def body(self) -> bytes:
        body = await super().body()
        # A NUL can only be written as an escape in JSON, and as %00 in a form.
        if b"\\u0000" in body or b"\0" in body or b"%00" in body and self._is_form():
            raise Invalid("Text may not contain NUL characters")
        return body

    def refuse_nul(self) -> None:
        """Raises Invalid for a NUL in the path or the query."""
        if b"%00" in self.scope["query_string"] or "\0" in self.scope["path"]:
            raise Invalid("Text may not contain NUL characters")

    def _is_form(self) -> bool:
        return self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
