"""`/search`: search for items."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.datastructures import State
from litestar.params import Parameter

from stocky.auth.guards import readers
from stocky.db import Lane
from stocky.http.parameters import SearchText
from stocky.http.request import StockyRequest
from stocky.http.response_cache import ResponseCache
from stocky.http.routing import Router
from stocky.search import repository
from stocky.search.schemas import FoundItem

FoundLimit = Annotated[int, Parameter(ge=1, le=100, description="The maximum number of results")]


@get("/", opt=readers)
async def search(
    request: StockyRequest, state: State, lane: Lane, q: SearchText, limit: FoundLimit = 20
) -> list[FoundItem]:
    """Search active items by code, name, manufacturer's code, tags, type, seller, barcodes, texts and documents.

    Texts are descriptions and custom fields. Best first: code and barcode, names that start with the text, words that
    start with it, text that contains it; without any of these, similar spellings. Each result has its stock per
    location and why it matches.
    """
    cache: ResponseCache = state.response_cache
    found = await cache.get_or_read(lane, repository.search, q, limit)
    request.scope["state"]["etag"] = found.etag
    return found.json  # type: ignore[return-value]  # Raw is sent as it is; the annotation is what OpenAPI documents


search_routes = Router("/search", route_handlers=[search], tags=["Search"])
