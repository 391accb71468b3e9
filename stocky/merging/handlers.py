"""`/items/review` and `/items/{id}/merge`: unnamed scanned items, and merging them into known ones."""

from __future__ import annotations

from litestar import get, post

from stocky.auth.guards import members, readers
from stocky.auth.schemas import Principal
from stocky.catalogue.schemas import Item
from stocky.db import Connection
from stocky.http.parameters import Paging, PathId
from stocky.http.routing import Router
from stocky.merging import repository
from stocky.merging.schemas import Merge, MergeRequest, SameBarcode, Stub
from stocky.merging.service import Merging


@get("/review", opt=readers)
async def list_review(read: Connection, paging: Paging) -> list[Stub]:
    """List items that a scan created and that are neither named nor merged yet, the last scanned first."""
    return await repository.list_stubs(read, skip=paging.skip, limit=paging.limit, listing=paging)


@get("/review/barcodes", opt=readers)
async def list_same_barcodes(read: Connection, paging: Paging) -> list[SameBarcode]:
    """List barcodes that turned out to be the same. Merge their items, or remove one of the two barcodes."""
    return await repository.list_same_barcodes(read, skip=paging.skip, limit=paging.limit, listing=paging)


@post("/{item_id:int}/merge", opt=members, status_code=200)
async def merge_item(data: MergeRequest, merging: Merging, user: Principal, item_id: PathId) -> Item:
    """Merge this item into another: its barcodes, stock and history move. Can be undone for a day."""
    return await merging.merge_items(item_id, data.into, user)


@post("/{item_id:int}/unmerge", opt=members, status_code=200)
async def unmerge_item(merging: Merging, user: Principal, item_id: PathId) -> Item:
    """Undo a merge: the item gets back what moved."""
    return await merging.undo_merge(item_id, user)


@get("/{item_id:int}/merges", opt=readers)
async def list_merges(read: Connection, item_id: PathId, paging: Paging) -> list[Merge]:
    """List the merges of an item: into another, and of others into it."""
    return await repository.list_merges(read, item_id, skip=paging.skip, limit=paging.limit, listing=paging)


merging_routes = Router(
    "/items",
    route_handlers=[list_review, list_same_barcodes, merge_item, unmerge_item, list_merges],
    tags=["Items"],
)
