"""`/items`, `/types`, `/tags`, `/sellers` and `/locations`: items, how they are classified, and where stock can be."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from litestar import Response, delete, get, post, route
from litestar.datastructures import State
from litestar.params import Parameter
from msgspec import UNSET

from stocky.auth.guards import members, readers, scanners
from stocky.auth.schemas import Principal
from stocky.barcodes.codes import LONGEST, LONGEST_TEXT
from stocky.catalogue import field_repository, location_repository, part_repository, repository
from stocky.catalogue.fields import ItemField, ItemFieldChange, NewItemField
from stocky.catalogue.item_pages import ItemPages
from stocky.catalogue.qr import CommandForm, qr_response, set_location_command
from stocky.catalogue.repository import like_pattern
from stocky.catalogue.schemas import (
    LONGEST_PATH,
    Barcode,
    DuplicateLocation,
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
from stocky.http.openapi import produces
from stocky.http.parameters import (
    After,
    IfMatch,
    Paging,
    PathId,
    Search,
    SearchText,
    Within,
    field_filters,
    versions_of,
)
from stocky.http.request import StockyRequest, long_read
from stocky.http.response_cache import ResponseCache
from stocky.http.routing import Router
from stocky.names import name_key
from stocky.prices.repository import find_last_price
from stocky.prices.schemas import PricedItem
from stocky.schema import MAX_ID, LocationKind, Message, StorageType

Versioned = TypeVar("Versioned", Item, ItemField)

BarcodePath = Annotated[str, Parameter(min_length=1, max_length=LONGEST, description="A barcode")]
TypeId = Annotated[
    int | None, Parameter(ge=1, le=MAX_ID, description="Only items of the type with this id", required=False)
]
TagText = Annotated[
    str | None, Parameter(max_length=50, description="Only items with this tag, in any case", required=False)
]

LocationId = Annotated[
    int | None,
    Parameter(ge=1, le=MAX_ID, description="Only items with stock at the location with this id", required=False),
]
BoxNo = Annotated[int | None, Parameter(ge=1, le=MAX_ID, description="Only the places of this box")]
ParentFilter = Annotated[
    int | None,
    Parameter(ge=0, le=MAX_ID, description="Only locations directly in this one; 0 for those in none", required=False),
]
LocationsWithin = Annotated[
    int | None, Parameter(ge=1, le=MAX_ID, description="Only locations in this one, at any depth", required=False)
]
ItemExpand = Annotated[
    Literal["price"] | None, Parameter(description="`price`: with what was paid last", required=False)
]
KindFilter = Annotated[
    LocationKind | None,
    Parameter(description="`place`: without persons; `person`: those to whom things are lent", required=False),
]
Force = Annotated[bool, Parameter(description="Also remove the values that items would lose", required=False)]
WithCounts = Annotated[
    bool, Parameter(description="With `counts` of the items there, and with what is inside", required=False)
]


@get(
    "/",
    opt=readers
    | long_read("search", "storage_type", "needs_review", "type_id", "tag", "location_id", "within", "sort", "field"),
)
async def list_items(
    request: StockyRequest,
    state: State,
    lane: Lane,
    paging: Paging,
    search: Search = None,
    storage_type: StorageType | None = None,
    is_active: bool = True,
    needs_review: bool | None = None,
    type_id: TypeId = None,
    tag: TagText = None,
    location_id: LocationId = None,
    within: Within = None,
    after: After = 0,
) -> list[Item]:
    """Items in the order they were added, or in that of `sort`.

    `field.Voltage=5` filters by the custom field of that name, for numbers and dates also `field.Voltage=3.3..12`.
    """
    wanted = repository.ItemFilter(
        search,
        storage_type,
        is_active,
        needs_review,
        type_id,
        tag,
        after,
        location_id=location_id,
        within=within,
        fields=field_filters(request),
    )
    return await _page(request, state, lane, wanted, paging)


@post("/", opt=members)
async def create_item(data: NewItem, tx: Connection, user: Principal) -> Item:
    """Add an item; the server assigns its four-letter code."""
    if data.upc is not None:
        repository.check_upc(data.upc)
    return await repository.add_item(tx, data, user)


@get("/search", opt=readers | long_read())
async def search_items(request: StockyRequest, state: State, lane: Lane, q: SearchText, paging: Paging) -> list[Item]:
    """Items whose name, description, code or barcode contains `q`."""
    return await _page(request, state, lane, repository.ItemFilter(search=q), paging)


async def _page(
    request: StockyRequest, state: State, lane: Lane, wanted: repository.ItemFilter, paging: Paging
) -> list[Item]:
    cache: ResponseCache = state.response_cache
    pages: ItemPages = state.item_pages
    if wanted.after:
        paging.refuse_order("a list with a cursor is in its own order; use skip instead of cursor")
    page = await cache.get_or_read(lane, pages.encode_page, wanted, paging.skip, paging.limit, paging.order)
    is_counted = paging.is_counted_by(page.shown, skip=paging.skip, limit=paging.limit, after=wanted.after)
    # Counting all that contain a text takes seconds in a large stockroom, while a page of them is found at once.
    if not is_counted and not wanted.after and like_pattern(wanted.search) is None:

        async def count() -> int:
            async with state.database.read(lane, may_use_replica=True) as read:
                return await repository.count_items(read, wanted)

        await paging.count(("items", wanted), count)
    request.scope["state"]["etag"] = page.etag
    return page.json  # type: ignore[return-value]  # Raw is sent as it is; the annotation is what OpenAPI documents


@get("/upc/{upc:str}", opt=readers)
async def get_item_by_barcode(
    request: StockyRequest,
    read: Connection,
    upc: Annotated[
        str,
        Parameter(min_length=1, max_length=LONGEST_TEXT, description="A barcode, a GS1 code, a bag or an item's code"),
    ],
    expand: ItemExpand = None,
) -> PricedItem:
    """The item with a barcode."""
    return await _detailed(request, read, await repository.get_item_by_barcode(read, upc), expand)


@get("/code/{code:str}", opt=readers)
async def get_item_by_code(
    request: StockyRequest,
    read: Connection,
    code: Annotated[str, Parameter(max_length=20, description="A four-letter code, in any case")],
    expand: ItemExpand = None,
) -> PricedItem:
    """The item with this code."""
    return await _detailed(request, read, await repository.get_item_by_code(read, code), expand)


@get("/{item_id:int}", opt=readers)
async def get_item(request: StockyRequest, read: Connection, item_id: PathId, expand: ItemExpand = None) -> PricedItem:
    """One item."""
    return await _detailed(request, read, await repository.get_item(read, item_id), expand)


def _with_version(request: StockyRequest, read: Versioned) -> Versioned:
    """The item or field, after its version was put into the ETag of the response."""
    request.scope["state"]["version"] = read.version
    return read


async def _detailed(request: StockyRequest, read: Connection, item: Item, expand: str | None) -> PricedItem:
    """The item with what was asked for, after its version was put into the ETag of the response."""
    _with_version(request, item)
    last = UNSET if expand is None else await find_last_price(read, item.id)
    return PricedItem(**{name: getattr(item, name) for name in Item.__struct_fields__}, last_price=last)


@route("/{item_id:int}", http_method=["PUT", "PATCH"], opt=members)
async def change_item(
    data: ItemChange, tx: Connection, user: Principal, item_id: PathId, if_match: IfMatch = None
) -> Item:
    """Change an item; fields not sent keep their values."""
    return await repository.change_item(tx, item_id, data, user, if_versions=versions_of(if_match))


@delete("/{item_id:int}", opt=members, status_code=200)
async def delete_item(tx: Connection, user: Principal, item_id: PathId) -> Message:
    """Hide an item; its history stays. Rejected while it holds stock."""
    await repository.remove_item(tx, item_id, user)
    return Message(f"Item {item_id} deleted")


@post("/{item_id:int}/barcodes", opt=members)
async def add_barcode(data: Barcode, tx: Connection, user: Principal, item_id: PathId) -> Item:
    """Add a barcode to an item, with the number of pieces that one scan of it counts."""
    return await repository.add_item_barcode(tx, item_id, data, user)


@delete("/{item_id:int}/barcodes/{barcode:str}", opt=members)
async def delete_barcode(tx: Connection, user: Principal, item_id: PathId, barcode: BarcodePath) -> None:
    """Remove a barcode from an item."""
    await repository.remove_item_barcode(tx, item_id, barcode, user)


@get("/{item_id:int}/qr", opt=scanners | produces("image/svg+xml", "image/png"), media_type="image/svg+xml")
async def get_item_qr(request: StockyRequest, read: Connection, item_id: PathId) -> Response[bytes]:
    """The item's code as a QR code to print; a scan of it is a scan of the item. SVG, or PNG by Accept."""
    item = await repository.get_item(read, item_id)
    return await qr_response(request, item.code)


@get("/", opt=readers)
async def list_types(read: Connection, paging: Paging, search: Search = None) -> list[ItemType]:
    """Item types by name."""
    return await part_repository.list_item_types(
        read, skip=paging.skip, limit=paging.limit, listing=paging, pattern=_key_pattern(search)
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
async def delete_type(tx: Connection, user: Principal, type_id: PathId, force: Force = False) -> None:
    """Delete an item type with its fields. Rejected while items have it, or values from when they had it."""
    await part_repository.remove_item_type(tx, type_id, user, force=force)


@get("/{type_id:int}/fields", opt=readers)
async def list_fields(read: Connection, type_id: PathId) -> list[ItemField]:
    """The custom fields of a type, in their order."""
    return await field_repository.list_fields(read, type_id)


@post("/{type_id:int}/fields", opt=members)
async def create_field(data: NewItemField, tx: Connection, user: Principal, type_id: PathId) -> ItemField:
    """Add a custom field to a type."""
    return await field_repository.add_field(tx, type_id, data, user)


@get("/{type_id:int}/fields/{field_id:int}", opt=readers)
async def get_field(request: StockyRequest, read: Connection, type_id: PathId, field_id: PathId) -> ItemField:
    """One custom field of a type."""
    return _with_version(request, await field_repository.get_field(read, type_id, field_id))


@route("/{type_id:int}/fields/{field_id:int}", http_method=["PUT", "PATCH"], opt=members)
async def change_field(
    data: ItemFieldChange,
    tx: Connection,
    user: Principal,
    type_id: PathId,
    field_id: PathId,
    force: Force = False,
    if_match: IfMatch = None,
) -> ItemField:
    """Change a custom field, or its place with `position`. Rejected if values of items would not fit, unless forced.

    `If-Match` takes the `ETag` of the field.
    """
    versions = versions_of(if_match)
    return await field_repository.change_field(tx, type_id, field_id, data, user, force=force, if_versions=versions)


@delete("/{type_id:int}/fields/{field_id:int}", opt=members)
async def delete_field(
    tx: Connection, user: Principal, type_id: PathId, field_id: PathId, force: Force = False
) -> None:
    """Delete a custom field. Rejected while items have a value in it, unless forced; the audit log lists the values."""
    await field_repository.remove_field(tx, type_id, field_id, user, force=force)


@get("/", opt=readers)
async def list_tags(read: Connection, paging: Paging, search: Search = None) -> list[Tag]:
    """Tags by name."""
    return await part_repository.list_tags(
        read, skip=paging.skip, limit=paging.limit, listing=paging, pattern=_key_pattern(search)
    )


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
    return await part_repository.list_sellers(
        read, skip=paging.skip, limit=paging.limit, listing=paging, pattern=like_pattern(search)
    )


@get("/", opt=readers)
async def list_locations(
    read: Connection,
    paging: Paging,
    search: Search = None,
    storage_type: StorageType | None = None,
    is_active: bool = True,
    box_no: BoxNo = None,
    parent_id: ParentFilter = None,
    within: LocationsWithin = None,
    kind: KindFilter = None,
    counts: WithCounts = False,
) -> list[Location]:
    """Locations by name; with `sort=path` each is followed by those in it."""
    found = await location_repository.list_locations(
        read,
        skip=paging.skip,
        limit=paging.limit,
        listing=paging,
        search=search,
        storage_type=storage_type,
        is_active=is_active,
        box_no=box_no,
        parent_id=parent_id,
        within=within,
        kind=kind,
    )
    if counts:
        await location_repository.add_counts(read, found)
    return found


@post("/", opt=members)
async def create_location(data: NewLocation, tx: Connection, user: Principal) -> Location:
    """Add a location, in another one with `parent_id`. Names in one place differ by more than case and outer blanks."""
    return await location_repository.add_location(tx, data, user)


@get("/duplicates", opt=readers)
async def list_duplicate_locations(read: Connection) -> list[DuplicateLocation]:
    """Locations from before names in any case counted as one, each with the one that has the same path; rename one."""
    return await location_repository.list_duplicates(read)


@get("/search", opt=readers)
async def search_locations(read: Connection, q: SearchText, paging: Paging) -> list[Location]:
    """Locations whose name or description contains `q`; a `q` with a slash is also looked for in the path."""
    return await location_repository.list_locations(
        read, skip=paging.skip, limit=paging.limit, listing=paging, search=q
    )


@get("/name/{name:str}", opt=readers)
async def get_location_by_name(
    read: Connection, name: Annotated[str, Parameter(max_length=LONGEST_PATH, description="A path or a name")]
) -> Location:
    """The active location with this path, or else the only one with this name."""
    return await location_repository.get_location_by_name(read, name)


@get("/{location_id:int}", opt=readers)
async def get_location(read: Connection, location_id: PathId, counts: WithCounts = False) -> Location:
    """One location."""
    location = await location_repository.get_location(read, location_id)
    if counts:
        await location_repository.add_counts(read, [location])
    return location


@route("/{location_id:int}", http_method=["PUT", "PATCH"], opt=members)
async def change_location(data: LocationChange, tx: Connection, user: Principal, location_id: PathId) -> Location:
    """Change a location; fields not sent keep their values. With another `parent_id` all that is in it moves along."""
    return await location_repository.change_location(tx, location_id, data, user)


@delete("/{location_id:int}", opt=members, status_code=200)
async def delete_location(tx: Connection, user: Principal, location_id: PathId) -> Message:
    """Hide a location. Rejected while it holds stock or has others in it."""
    await location_repository.remove_location(tx, location_id, user)
    return Message(f"Location {location_id} deleted")


@get("/{location_id:int}/qr", opt=scanners | produces("image/svg+xml", "image/png"), media_type="image/svg+xml")
async def get_location_qr(
    request: StockyRequest, read: Connection, location_id: PathId, code: CommandForm = "json"
) -> Response[bytes]:
    """A QR code to print; a scan of it sets the scanner's location. SVG, or PNG by Accept."""
    location = await location_repository.get_location(read, location_id)
    return await qr_response(request, set_location_command(location.id, code))


def _key_pattern(search: str | None) -> str | None:
    return like_pattern(None if search is None else name_key(search))


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
    Router(
        "/types",
        route_handlers=[
            list_types,
            create_type,
            get_type,
            change_type,
            delete_type,
            list_fields,
            create_field,
            get_field,
            change_field,
            delete_field,
        ],
        tags=["Types"],
    ),
    Router("/tags", route_handlers=[list_tags, create_tag, get_tag, rename_tag, delete_tag], tags=["Tags"]),
    Router("/sellers", route_handlers=[list_sellers], tags=["Items"]),
]

location_routes = Router(
    "/locations",
    route_handlers=[
        list_locations,
        create_location,
        list_duplicate_locations,
        search_locations,
        get_location_by_name,
        get_location,
        change_location,
        delete_location,
        get_location_qr,
    ],
    tags=["Locations"],
)
