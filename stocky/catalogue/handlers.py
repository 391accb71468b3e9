"""`/items`, `/types`, `/tags`, `/sellers` and `/locations`: items, how they are classified, and where stock can be."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, Router, delete, get, post, route
from litestar.datastructures import State
from litestar.params import Parameter

from stocky.auth.guards import members, readers, scanners
from stocky.auth.schemas import Principal
from stocky.barcodes.codes import LONGEST, LONGEST_TEXT
from stocky.catalogue import location_repository, part_repository, repository
from stocky.catalogue.item_pages import ItemPages
from stocky.catalogue.qr import qr_response, set_location_command
from stocky.catalogue.repository import like_pattern
from stocky.catalogue.schemas import (
    Barcode,
    Item,
    ItemChange,
    ItemType,
    ItemTypeChange,
    Location,
    LocationChange,
    NewItem,
    NewItemType,
    NewLocation,
    NewTag,
    SellerCount,
    Tag,
)
from stocky.db import Connection, Lane
from stocky.http.parameters import After, IfMatch, Paging, PathId, Search, SearchText, version_of
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

BoxNo = Annotated[int | None, Parameter(ge=1, le=MAX_ID, description="Only the locations of this box")]


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
    after: After = 0,
) -> list[Item]:
    """Items in the order they were added."""
    wanted = repository.ItemFilter(search, storage_type, is_active, needs_review, type_id, tag, after)
    return await _page(state, lane, wanted, paging)


@post("/", opt=members)
async def create_item(data: NewItem, tx: Connection, user: Principal) -> Item:
    """Add an item; the server assigns its four-letter code."""
    return await repository.add_item(tx, data, user)


@get("/search", opt=readers | long_read())
async def search_items(state: State, lane: Lane, q: SearchText, paging: Paging) -> list[Item]:
    """Items whose name, description, code or barcode contains `q`."""
    return await _page(state, lane, repository.ItemFilter(search=q), paging)


async def _page(state: State, lane: Lane, wanted: repository.ItemFilter, paging: Paging) -> list[Item]:
    cache: ResponseCache = state.response_cache
    pages: ItemPages = state.item_pages
    return await cache.get_or_read(  # type: ignore[return-value]  # it is the JSON of that list
        lane, pages.encode_page, wanted, paging.skip, paging.limit
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


@get("/", opt=readers)
async def list_types(read: Connection, paging: Paging, search: Search = None) -> list[ItemType]:
    """Item types by name."""
    return await part_repository.list_item_types(
        read, skip=paging.skip, limit=paging.limit, pattern=_key_pattern(search)
    )


@post("/", opt=members)
async def create_type(data: NewItemType, tx: Connection, user: Principal) -> ItemType:
    """Add an item type."""
    return await part_repository.add_item_type(tx, data, user)


@get("/{type_id:int}", opt=readers)
async def get_type(read: Connection, type_id: PathId) -> ItemType:
    """One item type."""
    return await part_repository.get_item_type(read, type_id)


@route("/{type_id:int}", http_method=["PUT", "PATCH"], opt=members)
async def change_type(data: ItemTypeChange, tx: Connection, user: Principal, type_id: PathId) -> ItemType:
    """Change an item type; fields not sent keep their values."""
    return await part_repository.change_item_type(tx, type_id, data, user)


@delete("/{type_id:int}", opt=members)
async def delete_type(tx: Connection, user: Principal, type_id: PathId) -> None:
    """Delete an item type. Rejected while items have it."""
    await part_repository.remove_item_type(tx, type_id, user)


@get("/", opt=readers)
async def list_tags(read: Connection, paging: Paging, search: Search = None) -> list[Tag]:
    """Tags by name."""
    return await part_repository.list_tags(read, skip=paging.skip, limit=paging.limit, pattern=_key_pattern(search))


@post("/", opt=members)
async def create_tag(data: NewTag, tx: Connection, user: Principal) -> Tag:
    """Add a tag. Naming a new tag on an item adds it, too."""
    return await part_repository.add_tag(tx, data, user)


@get("/{tag_id:int}", opt=readers)
async def get_tag(read: Connection, tag_id: PathId) -> Tag:
    """One tag."""
    return await part_repository.get_tag(read, tag_id)


@route("/{tag_id:int}", http_method=["PUT", "PATCH"], opt=members)
async def rename_tag(data: NewTag, tx: Connection, user: Principal, tag_id: PathId) -> Tag:
    """Rename a tag, on every item that has it."""
    return await part_repository.rename_tag(tx, tag_id, data, user)


@delete("/{tag_id:int}", opt=members)
async def delete_tag(tx: Connection, user: Principal, tag_id: PathId) -> None:
    """Delete a tag and remove it from its items; the audit log lists them."""
    await part_repository.remove_tag(tx, tag_id, user)


@get("/", opt=readers)
async def list_sellers(read: Connection, paging: Paging, search: Search = None) -> list[SellerCount]:
    """Sellers of items, by name."""
    return await part_repository.list_sellers(read, skip=paging.skip, limit=paging.limit, pattern=like_pattern(search))


@get("/", opt=readers)
async def list_locations(
    read: Connection,
    paging: Paging,
    search: Search = None,
    storage_type: StorageType | None = None,
    is_active: bool = True,
    box_no: BoxNo = None,
) -> list[Location]:
    """Locations by name."""
    return await location_repository.list_locations(
        read,
        skip=paging.skip,
        limit=paging.limit,
        search=search,
        storage_type=storage_type,
        is_active=is_active,
        box_no=box_no,
    )


@post("/", opt=members)
async def create_location(data: NewLocation, tx: Connection, user: Principal) -> Location:
    """Add a location."""
    return await location_repository.add_location(tx, data, user)


@get("/search", opt=readers)
async def search_locations(read: Connection, q: SearchText, paging: Paging) -> list[Location]:
    """Locations whose name or description contains `q`."""
    return await location_repository.list_locations(read, skip=paging.skip, limit=paging.limit, search=q)


@get("/name/{name:str}", opt=readers)
async def get_location_by_name(
    read: Connection, name: Annotated[str, Parameter(max_length=200, description="The exact name")]
) -> Location:
    """The active location with this name."""
    return await location_repository.get_location_by_name(read, name)


@get("/{location_id:int}", opt=readers)
async def get_location(read: Connection, location_id: PathId) -> Location:
    """One location."""
    return await location_repository.get_location(read, location_id)


@route("/{location_id:int}", http_method=["PUT", "PATCH"], opt=members)
async def change_location(data: LocationChange, tx: Connection, user: Principal, location_id: PathId) -> Location:
    """Change a location; fields not sent keep their values."""
    return await location_repository.change_location(tx, location_id, data, user)


@delete("/{location_id:int}", opt=members)
async def delete_location(tx: Connection, user: Principal, location_id: PathId) -> None:
    """Hide a location. Rejected while it holds stock."""
    await location_repository.remove_location(tx, location_id, user)


@get("/{location_id:int}/qr", opt=scanners, media_type="image/svg+xml")
async def get_location_qr(
    request: StockyRequest,
    read: Connection,
    location_id: PathId,
) -> Response[bytes]:
    """A QR code to print; a scan of it sets the scanner's location. SVG, or PNG by Accept."""
    location = await location_repository.get_location(read, location_id)
    return await qr_response(request, set_location_command(location.id))


def _key_pattern(search: str | None) -> str | None:
    return like_pattern(None if search is None else part_repository.name_key(search))


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

part_routes = [
    Router("/types", route_handlers=[list_types, create_type, get_type, change_type, delete_type], tags=["Types"]),
    Router("/tags", route_handlers=[list_tags, create_tag, get_tag, rename_tag, delete_tag], tags=["Tags"]),
    Router("/sellers", route_handlers=[list_sellers], tags=["Items"]),
]

location_routes = Router(
    "/locations",
    route_handlers=[
        list_locations,
        create_location,
        search_locations,
        get_location_by_name,
        get_location,
        change_location,
        delete_location,
        get_location_qr,
    ],
    tags=["Locations"],
)
