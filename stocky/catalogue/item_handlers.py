"""`/items`: items and their barcodes."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, Router, delete, get, post, route
from litestar.datastructures import State
from litestar.params import Parameter

from stocky.auth.guards import members, readers, scanners
from stocky.auth.schemas import Principal
from stocky.barcodes.codes import LONGEST, LONGEST_TEXT
from stocky.catalogue import repository
from stocky.catalogue.qr import qr_response
from stocky.catalogue.schemas import Barcode, Item, ItemChange, NewItem
from stocky.db import Connection, Lane
from stocky.http.parameters import IfMatch, Paging, PathId, Search, SearchText, version_of
from stocky.http.request import StockyRequest, long_read
from stocky.http.response_cache import ResponseCache
from stocky.schema import MAX_ID, StorageType

BarcodePath = Annotated[str, Parameter(min_length=1, max_length=LONGEST, description="A barcode")]
TypeId = Annotated[
    int | None, Parameter(ge=1, le=MAX_ID, description="Only items of the type with this id", required=False)
]
TagText = Annotated[
    str | None, Parameter(max_length=50, description="Only items with this tag, in any case", required=False)
]


@get("/", opt=readers | long_read("search", "storage_type", "needs_review", "type_id", "tag"))
async def list_items(
    state: State,
    lane: Lane,
    paging: Paging,
    search: Search = None,
    storage_type: StorageType | None = None,
    is_active: bool = True,
    needs_review: bool | None = None,
    type_id: TypeId = None,
    tag: TagText = None,
) -> list[Item]:
    """Items in the order they were added."""
    cache: ResponseCache = state.response_cache
    return await cache.get_or_read(  # type: ignore[return-value]  # the same, encoded already
        lane,
        repository.list_items,
        skip=paging.skip,
        limit=paging.limit,
        search=search,
        storage_type=storage_type,
        is_active=is_active,
        needs_review=needs_review,
        type_id=type_id,
        tag=tag,
    )


@post("/", opt=members)
async def create_item(data: NewItem, tx: Connection, user: Principal) -> Item:
    """Add an item; the server assigns its four-letter code."""
    return await repository.add_item(tx, data, user)


@get("/search", opt=readers | long_read())
async def search_items(state: State, lane: Lane, q: SearchText, paging: Paging) -> list[Item]:
    """Items whose name, description, code or barcode contains `q`."""
    cache: ResponseCache = state.response_cache
    return await cache.get_or_read(  # type: ignore[return-value]  # the same, encoded already
        lane, repository.list_items, skip=paging.skip, limit=paging.limit, search=q
    )


@get("/upc/{upc:str}", opt=readers)
async def get_item_by_barcode(
    read: Connection,
    upc: Annotated[str, Parameter(min_length=1, max_length=LONGEST_TEXT, description="A barcode, or a whole GS1 code")],
) -> Item:
    """The item with a barcode."""
    return await repository.get_item_by_barcode(read, upc)


@get("/code/{code:str}", opt=readers)
async def get_item_by_code(
    read: Connection, code: Annotated[str, Parameter(max_length=20, description="A four-letter code, in any case")]
) -> Item:
    """The item with this code."""
    return await repository.get_item_by_code(read, code)


@get("/{item_id:int}", opt=readers)
async def get_item(read: Connection, item_id: PathId) -> Item:
    """One item."""
    return await repository.get_item(read, item_id)


@route("/{item_id:int}", http_method=["PUT", "PATCH"], opt=members)
async def change_item(
    data: ItemChange, tx: Connection, user: Principal, item_id: PathId, if_match: IfMatch = None
) -> Item:
    """Change an item; fields not sent keep their values."""
    return await repository.change_item(tx, item_id, data, user, if_version=version_of(if_match))


@delete("/{item_id:int}", opt=members)
async def delete_item(tx: Connection, user: Principal, item_id: PathId) -> None:
    """Hide an item; its history stays. Rejected while it holds stock."""
    await repository.remove_item(tx, item_id, user)


@post("/{item_id:int}/barcodes", opt=members)
async def add_barcode(data: Barcode, tx: Connection, user: Principal, item_id: PathId) -> Item:
    """Add a barcode to an item, with the number of pieces that one scan of it counts."""
    return await repository.add_item_barcode(tx, item_id, data, user)


@delete("/{item_id:int}/barcodes/{barcode:str}", opt=members)
async def delete_barcode(tx: Connection, user: Principal, item_id: PathId, barcode: BarcodePath) -> None:
    """Remove a barcode from an item."""
    await repository.remove_item_barcode(tx, item_id, barcode, user)


@get("/{item_id:int}/qr", opt=scanners, media_type="image/svg+xml")
async def get_item_qr(request: StockyRequest, read: Connection, item_id: PathId) -> Response[bytes]:
    """The item's code as a QR code to print; a scan of it is a scan of the item. SVG, or PNG by Accept."""
    item = await repository.get_item(read, item_id)
    return await qr_response(request, item.code)


item_routes = Router(
    "/items",
    route_handlers=[
        list_items,
        create_item,
        search_items,
        get_item_by_barcode,
        get_item_by_code,
        get_item,
        change_item,
        delete_item,
        add_barcode,
        delete_barcode,
        get_item_qr,
    ],
    tags=["Items"],
)
