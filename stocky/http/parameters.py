"""Query and header parameters that several lists share."""

from __future__ import annotations

from typing import Annotated

from litestar.params import Parameter

from stocky.errors import BadRequest

Search = Annotated[str | None, Parameter(max_length=200, description="Text to look for, anywhere and in any case")]
SearchText = Annotated[str, Parameter(query="q", min_length=1, max_length=200, description="Text to look for")]
IfMatch = Annotated[
    str | None,
    Parameter(header="If-Match", description="Change it only if this is still its version", required=False),
]


def version_of(if_match: str | None) -> int | None:
    """The version that an If-Match header names, None for none or `*`. Raises BadRequest for anything else."""
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().removeprefix("W/").strip('"')
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise BadRequest('If-Match takes the version of what you read, as in If-Match: "3"', field="If-Match")
    return int(text)
