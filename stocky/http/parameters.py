"""Query and header parameters that several routes share."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import parse_qsl, quote, urlencode

from litestar.params import HeaderParameter, Parameter, QueryParameter

from stocky.db import Database, Listing
from stocky.db.listing import parse_order
from stocky.db.read_position import read_position
from stocky.db.totals import SMALL
from stocky.errors import BadRequest, Invalid
from stocky.http.request import StockyRequest
from stocky.schema import FIELD_PREFIX, MAX_ID

Search = Annotated[str | None, Parameter(max_length=200, description="Text to search for, anywhere and in any case")]
SearchText = Annotated[str, QueryParameter(name="q", min_length=1, max_length=200, description="Text to search for")]
IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match", description="Change it only if this is still its version (otherwise 412)", required=False
    ),
]


PathId = Annotated[int, Parameter(ge=1, le=MAX_ID)]
Skip = Annotated[int, Parameter(ge=0, le=MAX_ID, description="How many entries to skip")]
Limit = Annotated[int, Parameter(ge=1, le=1000, description="The maximum number of entries")]
Page = Annotated[int | None, Parameter(ge=1, le=10**9, description="Instead of skip: the page number, from 1")]
Size = Annotated[int | None, Parameter(ge=1, le=1000, description="Instead of limit: the number of entries per page")]
Sort = Annotated[
    str | None,
    Parameter(
        max_length=200,
        description="The fields to sort by, separated by commas; `-` before one reverses it, as in `name,-created_at`."
        " A list without this field gives 422, which names those it has",
        required=False,
    ),
]
Within = Annotated[
    int | None,
    Parameter(ge=1, le=MAX_ID, description="Only what is at the location with this id or inside it", required=False),
]
LotFilter = Annotated[
    str | None, Parameter(max_length=100, description="Only the lot with this number", required=False)
]
SerialFilter = Annotated[
    str | None, Parameter(max_length=100, description="Only the piece with this serial number", required=False)
]
After = Annotated[
    int,
    QueryParameter(
        name="cursor",
        ge=0,
        le=MAX_ID,
        description="The id of the last entry of the previous page: the list continues after it. Far into a list it is"
        " faster than skip",
    ),
]


MOST_FIELD_FILTERS = 10
LONGEST_FIELD_FILTER = 500
# Of the address in a link; all headers of a response stay below 3,000 bytes then.
LINKED_BYTES = 500
_VERSION = re.compile(r"([0-9]{1,16})(?:-[0-9a-f]{16})?")


class Paging(Listing, kw_only=True):
    """The requested part of a list, and its order. Once the list was read, the response says how long it is."""

    skip: int
    limit: int

    def refuse_order(self, reason: str) -> None:
        """Raises Invalid when an order is requested that this list cannot have."""
        if self.order:
            raise Invalid(f"sort: {reason}", field="sort")


def paging(
    request: StockyRequest,
    skip: Skip = 0,
    limit: Limit = 100,
    page: Page = None,
    size: Size = None,
    sort: Sort = None,
) -> Paging:
    """From either way of paging; `page` and `size` take precedence. Raises Invalid for a sort that is sent twice."""
    if sort is not None and len(request.query_params.getall("sort")) > 1:
        raise Invalid("sort: send it once, with all fields separated by commas, as in name,-id", field="sort")
    limit = size or limit
    database: Database = request.app.state.database
    wanted = Paging(
        skip=(page - 1) * limit if page else skip,
        limit=limit,
        order=parse_order(sort),
        # What a replica behind the primary counts is for clients with a position only.
        totals=database.totals if read_position.get() is None else None,
        revision=database.revision(),
    )
    # For the headers of the response.
    request.scope["state"]["paging"] = wanted
    return wanted


def page_headers(paging: Paging, path: str, query: bytes) -> list[tuple[bytes, bytes]]:
    """X-Total-Count and Link (RFC 8288), with the request's own parameters except those of paging.

    A longer address than LINKED_BYTES has no Link, which repeats it four times: proxies limit the size of headers.
    """
    headers = [] if paging.total is None else [(b"x-total-count", str(paging.total).encode())]
    sent = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    names = [name for name, _ in sent]
    by_page = "page" in names and "skip" not in names
    others = urlencode([each for each in sent if each[0] not in ("skip", "limit", "page", "size")])
    address = f"{quote(path, errors='replace')}?{others}"
    # As it is sent back: encoded, a sign may be three times as long as it was.
    if len(address) > LINKED_BYTES:
        return headers

    def link(rel: str, skip: int) -> str:
        part = (
            {"page": skip // paging.limit + 1, "size": paging.limit}
            if by_page
            else {"skip": skip, "limit": paging.limit}
        )
        return f'<{address}{"&" if others else ""}{urlencode(part)}>; rel="{rel}"'

    # After a cursor, the total is not the number of entries that skip counts.
    total = None if "cursor" in names else paging.total
    links = [link("first", 0)]
    if paging.skip:
        links.append(link("prev", max(paging.skip - paging.limit, 0)))
    is_full = paging.shown == paging.limit
    # A large total may have been cached, and be older than the page.
    if is_full if total is None or total > SMALL else paging.skip + paging.limit < total:
        links.append(link("next", paging.skip + paging.limit))
    if total is not None:
        links.append(link("last", max(total - 1, 0) // paging.limit * paging.limit))
    return [*headers, (b"link", ", ".join(links).encode())]


def field_filters(request: StockyRequest) -> tuple[tuple[str, str], ...]:
    """The filters by custom fields, such as `field.Voltage=5`: the names and the texts; an empty text is no filter.

    Raises Invalid for too many of them, or a text that is too long.
    """
    sent = [
        (name.removeprefix(FIELD_PREFIX), text)
        for name, text in request.query_params.multi_items()
        if name.startswith(FIELD_PREFIX) and text.strip()
    ]
    if len(sent) > MOST_FIELD_FILTERS:
        raise Invalid(f"A list is filtered by at most {MOST_FIELD_FILTERS} fields", field="query")
    for name, text in sent:
        if len(text) > LONGEST_FIELD_FILTER:
            raise Invalid(f"{FIELD_PREFIX}{name}: must have at most {LONGEST_FIELD_FILTER} characters", field="query")
    return tuple(sent)


def versions_of(if_match: str | None) -> set[int] | None:
    """The versions in an If-Match header, each alone or as an ETag has it; None for no header or `*`.

    Raises BadRequest for anything else.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    found = [_VERSION.fullmatch(each.strip().removeprefix("W/").strip('"')) for each in if_match.split(",")]
    versions = {int(each[1]) for each in found if each is not None}
    if None in found:
        raise BadRequest('If-Match takes the version of what you read, as in If-Match: "3"', field="If-Match")
    return versions
