"""Parameters of the addresses of pages; their names in an address never change, since people keep addresses."""

from __future__ import annotations

from typing import Annotated

from litestar.params import QueryParameter

from stocky.schema import MAX_ID

PageNumber = Annotated[int, QueryParameter(name="page", ge=1, le=10**6)]
ParentId = Annotated[int | None, QueryParameter(ge=1, le=MAX_ID, required=False)]
# What was typed into a search field; may be missing.
Typed = Annotated[str, QueryParameter(name="q", max_length=200, required=False)]


def at_most_last(page_number: int, total: int, size: int) -> int:
    """The number of the page, or of the last one if the list has become shorter; an empty list has one page."""
    return min(page_number, max(-(-total // size), 1))
