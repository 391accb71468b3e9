"""`/search`: the one search box."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Router, get
from litestar.datastructures import State
from litestar.params import Parameter

from stocky.auth.guards import readers
from stocky.catalogue.parameters import SearchText
from stocky.db import Connection
from stocky.search.answers import Answers
from stocky.search.schemas import FoundItem

FoundLimit = Annotated[int, Parameter(ge=1, le=100, description="How many to answer at most")]


@get("/", opt=readers)
async def search(state: State, read: Connection, q: SearchText, limit: FoundLimit = 20) -> list[FoundItem]:
    """Active items by code, name, manufacturer's code, tags, type, seller, barcodes, description and documents.

    Best first: code and barcode, then names that begin so, then words that do, then what contains it; where
    nothing does, what is spelt similarly. With the stock at each place, and why each was found.
    """
    answers: Answers = state.search_answers
    # Encoded already; what it is of is what the annotation says.
    return msgspec.Raw(await answers.answer(read, q, limit))  # type: ignore[return-value]


search_routes = Router("/search", route_handlers=[search], tags=["Search"])
