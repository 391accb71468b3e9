"""`/items/{id}/refresh-upc` and `/items/refresh-upc-missing`: fetch product data from a look-up service."""

from __future__ import annotations

from litestar import post
from litestar.datastructures import State

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.catalogue.schemas import Item
from stocky.http.parameters import PathId
from stocky.http.routing import Router
from stocky.jobs.schemas import Job
from stocky.lookup.service import Lookups


@post("/{item_id:int}/refresh-upc", opt=members, status_code=200)
async def refresh_item(state: State, user: Principal, item_id: PathId) -> Item:
    """Look an item up with the look-up service. Fields that a person wrote stay; `upc_data` has the result."""
    lookups: Lookups = state.lookups
    return await lookups.refresh_item(item_id, user)


@post("/refresh-upc-missing", opt=members, status_code=202)
async def refresh_missing(state: State, user: Principal) -> Job:
    """Start a job that looks up every item without data; the answer is the job."""
    lookups: Lookups = state.lookups
    return await lookups.refresh_missing(user)


lookup_routes = Router("/items", route_handlers=[refresh_item, refresh_missing], tags=["Items"])
