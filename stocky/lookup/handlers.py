"""`/items/{id}/refresh-upc` and `/items/refresh-upc-missing`: what a look-up service knows about items."""

from __future__ import annotations

from litestar import Router, post
from litestar.datastructures import State

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.catalogue.schemas import Item
from stocky.http.parameters import PathId
from stocky.jobs.schemas import Job
from stocky.lookup.lookups import Lookups


@post("/{item_id:int}/refresh-upc", opt=members, status_code=200)
async def refresh_item(state: State, user: Principal, item_id: PathId) -> Item:
    """Ask the look-up service about an item. What a person wrote stays; `upc_data` is what was found."""
    lookups: Lookups = state.lookups
    return await lookups.refresh_item(item_id, user)


@post("/refresh-upc-missing", opt=members, status_code=202)
async def refresh_missing(state: State, user: Principal) -> Job:
    """Begin to ask about every item of which nothing was found yet; the answer is the job."""
    lookups: Lookups = state.lookups
    return await lookups.refresh_missing(user)


lookup_routes = Router("/items", route_handlers=[refresh_item, refresh_missing], tags=["Items"])
