"""Query and header parameters that several routes share."""

from __future__ import annotations

from typing import Annotated

from litestar.params import Parameter
from msgspec import Struct

from stocky.errors import BadRequest
from stocky.schema import MAX_ID

Search = Annotated[str | None, Parameter(max_length=200, description="Text to search for, anywhere and in any case")]
SearchText = Annotated[str, Parameter(query="q", min_length=1, max_length=200, description="Text to search for")]
IfMatch = Annotated[
    str | None,
    Parameter(
        header="If-Match", description="Change it only if this is still its version (otherwise 412)", required=False
    ),
]


PathId = Annotated[int, Parameter(ge=1, le=MAX_ID, description="An id")]
Skip = Annotated[int, Parameter(ge=0, le=MAX_ID, description="How many entries to skip")]
Limit = Annotated[int, Parameter(ge=1, le=1000, description="The maximum number of entries")]
Page = Annotated[int | None, Parameter(ge=1, le=10**9, description="Instead of skip: the page number, from 1")]
Size = Annotated[int | None, Parameter(ge=1, le=1000, description="Instead of limit: the number of entries per page")]
After = Annotated[
    int,
    Parameter(
        query="cursor",
        ge=0,
        le=MAX_ID,
        description="The id of the last entry of the previous page: the list goes on after it. Far into a list it is"
        " faster than skip",
    ),
]


class Paging(Struct, frozen=True):
    """The requested part of a list."""

    skip: int
    limit: int


def paging(skip: Skip = 0, limit: Limit = 100, page: Page = None, size: Size = None) -> Paging:
    """From either way of paging; `page` and `size` take precedence."""
    limit = size or limit
    return Paging((page - 1) * limit if page else skip, limit)


def version_of(if_match: str | None) -> int | None:
    """The version in an If-Match header, None for no header or `*`. Raises BadRequest for anything else."""
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().removeprefix("W/").strip('"')
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise BadRequest('If-Match takes the version of what you read, as in If-Match: "3"', field="If-Match")
    return int(text)
