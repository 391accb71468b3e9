"""`/skus`: how much of an item is at a location."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from litestar import Response, delete, get, post, put, route
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter

from stocky.auth.guards import members, readers
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.errors import Invalid
from stocky.http.openapi import may_be_missing
from stocky.http.parameters import (
    After,
    IfMatch,
    LotFilter,
    Paging,
    PathId,
    Search,
    SearchText,
    SerialFilter,
    Within,
    versions_of,
)
from stocky.http.request import StockyRequest, long_read
from stocky.http.routing import Router
from stocky.schema import MAX_ID, Message
from stocky.stock import repository, service
from stocky.stock.recorder import Recorder
from stocky.stock.schemas import Adjustment, NewSku, Opening, QuantityChange, Sku, SkuChange

Expand = Annotated[
    str | None,
    Parameter(
        description="`item`, `location`, `price`, or several separated by commas: nest them in each SKU",
        required=False,
    ),
]
Emptied = Annotated[
    bool, Parameter(description="Also SKUs that have been empty for longer than `emptied_days`", required=False)
]
_ADDED = may_be_missing | {200: ResponseSpec(Sku, generate_examples=False)}
EXPANDABLE = frozenset({"item", "location", "price"})
ItemId = Annotated[int | None, Parameter(ge=1, le=MAX_ID, description="Only SKUs of this item", required=False)]
LocationId = Annotated[int | None, Parameter(ge=1, le=MAX_ID, description="Only SKUs at this location", required=False)]


@get("/", opt=readers | long_read("as_of", "search", "within", "low_stock", "expiring_soon", "sort"))
async def list_skus(
    read: Connection,
    paging: Paging,
    item_id: ItemId = None,
    location_id: LocationId = None,
    within: Within = None,
    low_stock: bool = False,
    expiring_soon: bool = False,
    search: Search = None,
    emptied: Emptied = False,
    lot: LotFilter = None,
    serial: SerialFilter = None,
    as_of: Annotated[
        datetime | None, Parameter(description="The stock at this time instead of the current stock", required=False)
    ] = None,
    expand: Expand = None,
    after: After = 0,
) -> list[Sku]:
    """SKUs in the order they were created, or the stock as of a moment.

    Those that have been empty for longer than `emptied_days` of the settings are left out.
    """
    if after:
        paging.refuse_order("a list with a cursor is in its own order; use skip instead of cursor")
    if as_of is not None:
        paging.refuse_order("the stock of a moment is in the order of ids")
        skus = await repository.list_skus_as_of(
            read,
            as_of,
            skip=paging.skip,
            limit=paging.limit,
            item_id=item_id,
            location_id=location_id,
            within=within,
            lot=lot,
            serial=serial,
            after=after,
        )
        paging.is_counted_by(len(skus), skip=paging.skip, limit=paging.limit, after=after)
    else:
        skus = await repository.list_skus(
            read,
            skip=paging.skip,
            limit=paging.limit,
            listing=paging,
            item_id=item_id,
            location_id=location_id,
            within=within,
            low_stock=low_stock,
            expiring_soon=expiring_soon,
            search=search,
            emptied=emptied,
            lot=lot,
            serial=serial,
            after=after,
        )
    await repository.expand_skus(read, skus, _expanded(expand), as_of=as_of)
    return skus


@get("/search", opt=readers | long_read())
async def search_skus(
    read: Connection, q: SearchText, paging: Paging, expand: Expand = None, emptied: Emptied = False
) -> list[Sku]:
    """SKUs whose item, barcode, location, notes, lot or serial number contain `q`."""
    skus = await repository.list_skus(
        read, skip=paging.skip, limit=paging.limit, listing=paging, search=q, emptied=emptied
    )
    await repository.expand_skus(read, skus, _expanded(expand))
    return skus


@get("/low-stock", opt=readers | long_read())
async def list_low_stock(read: Connection, paging: Paging, expand: Expand = None) -> list[Sku]:
    """SKUs of items at or below their minimum quantity."""
    skus = await repository.list_skus(read, skip=paging.skip, limit=paging.limit, listing=paging, low_stock=True)
    await repository.expand_skus(read, skus, _expanded(expand))
    return skus


@post("/", opt=members, responses=_ADDED)
async def create_sku(data: NewSku, recorder: Recorder, user: Principal) -> Response[Sku]:
    """Add stock: 201 with a new SKU, or 200 with the existing one after adding to it."""
    sku, is_new = await service.add_stock(recorder, data, user)
    return Response(sku, status_code=201 if is_new else 200)


@get("/{sku_id:int}", opt=readers)
async def get_sku(request: StockyRequest, read: Connection, sku_id: PathId, expand: Expand = None) -> Sku:
    """One SKU."""
    sku = await repository.get_sku(read, sku_id)
    request.scope["state"]["version"] = sku.version
    await repository.expand_skus(read, [sku], _expanded(expand))
    return sku


@route("/{sku_id:int}", http_method=["PUT", "PATCH"], opt=members)
async def change_sku(
    data: SkuChange, tx: Connection, recorder: Recorder, user: Principal, sku_id: PathId, if_match: IfMatch = None
) -> Sku:
    """Change a SKU; fields not sent keep their values, and a changed quantity is booked in the ledger.

    Another `location_id` moves the whole quantity there, as an event: the SKU that has it now is returned, and the one
    that held it is hidden.
    """
    return await service.change_sku(tx, recorder, sku_id, data, user, versions_of(if_match))


@delete("/{sku_id:int}", opt=members, status_code=200)
async def delete_sku(recorder: Recorder, user: Principal, sku_id: PathId) -> Message:
    """Write off a SKU's stock and hide it."""
    await service.write_off(recorder, sku_id, user)
    return Message(f"SKU {sku_id} deleted")


@put("/{sku_id:int}/quantity", opt=members)
async def set_quantity(
    data: QuantityChange, recorder: Recorder, user: Principal, sku_id: PathId, if_match: IfMatch = None
) -> Sku:
    """Set the counted quantity; the difference is booked in the ledger."""
    return await service.count_stock(recorder, sku_id, data, user, versions_of(if_match))


@post("/{sku_id:int}/adjust", opt=members, status_code=200)
async def adjust_quantity(data: Adjustment, recorder: Recorder, user: Principal, sku_id: PathId) -> Sku:
    """Add to a SKU or remove from it."""
    return await service.adjust_stock(recorder, sku_id, data, user)


@post("/{sku_id:int}/open", opt=members, status_code=200)
async def open_sku(data: Opening, recorder: Recorder, user: Principal, sku_id: PathId) -> Sku:
    """Open a part of a closed SKU: the SKU of what is opened, which keeps as long as the item's `opened_days` say."""
    return await service.open_stock(recorder, sku_id, data, user)


def _expanded(expand: str | None) -> set[str]:
    words = {word.strip() for word in (expand or "").lower().split(",")} - {""}
    if unknown := words - EXPANDABLE:
        raise Invalid(
            f"expand: must be item, location, price or several of them, got {', '.join(sorted(unknown))!r}",
            field="expand",
        )
    return words


sku_routes = Router(
    "/skus",
    route_handlers=[
        list_skus,
        search_skus,
        list_low_stock,
        create_sku,
        get_sku,
        change_sku,
        delete_sku,
        set_quantity,
        adjust_quantity,
        open_sku,
    ],
    tags=["Stock"],
)
