"""Parameters of the addresses of pages; their names in an address never change, since people keep addresses."""

from __future__ import annotations

from typing import Annotated

from litestar.params import QueryParameter

from stocky.schema import MAX_ID

PageNumber = Annotated[int, QueryParameter(name="page", ge=1, le=10**6)]
ParentId = Annotated[int | None, QueryParameter(ge=1, le=MAX_ID, required=False)]
# What was typed into a search field; may be missing.
Typed = Annotated[str, QueryParameter(name="q", max_length=200, required=False)]
