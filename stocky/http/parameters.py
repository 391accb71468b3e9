"""Query and header parameters that several routes share."""

from __future__ import annotations

from typing import Annotated

from litestar.params import Parameter
from msgspec import Struct

from stocky.errors import BadRequest
from stocky.schema import MAX_ID

Search = Annotated[str | None, Parameter(max_length=200, description="Text to look for, anywhere and in any case")]
SearchText = Annotated[str, Parameter(query="q", min_length=1, max_length=200, description="Text to look for")]
IfMatch = Annotated[
    str | None,
    Parameter(header="If-Match", description="Change it only if this is still its version", required=False),
]


PathId = Annotated[int, Parameter(ge=1, le=MAX_ID, description="An id")]
Skip = Annotated[int, Parameter(ge=0, le=MAX_ID, description="How many to leave out from the beginning")]
Limit = Annotated[int, Parameter(ge=1, le=1000, description="How many to answer at most")]
Page = Annotated[int | None, Parameter(ge=1, le=10**9, description="Instead of skip: the page, counted from 1")]
Size = Annotated[int | None, Parameter(ge=1, le=1000, description="Instead of limit: how many make a page")]


class Paging(Struct, frozen=True):
    """Which part of a list is asked for."""

    skip: int
    limit: int


def paging(skip: Skip = 0, limit: Limit = 100, page: Page = None, size: Size = None) -> Paging:
    """From either way of paging; `page` and `size` win where they are given."""
    limit = size or limit
    return Paging((page - 1) * limit if page else skip, limit)


def version_of(if_match: str | None) -> int | None:
    """The version that an If-Match header names, None for none or `*`. Raises BadRequest for anything else."""
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().removeprefix("W/").strip('"')
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise BadRequest('If-Match takes the version of what you read, as in If-Match: "3"', field="If-Match")
    return int(text)
