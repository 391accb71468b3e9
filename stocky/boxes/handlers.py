"""`/boxes`: numbered sets of locations, by box number."""

from __future__ import annotations

import asyncio
from typing import Annotated

from litestar import Response, delete, get, post, route
from litestar.params import Parameter

from stocky.auth.guards import members, readers, scanners
from stocky.auth.schemas import Principal
from stocky.boxes import repository
from stocky.boxes.labels import PER_SHEET, draw_labels
from stocky.boxes.schemas import MAX_CAPACITY, Box, BoxChange, BoxPlace, NewBox
from stocky.catalogue.qr import CommandForm
from stocky.db import Connection
from stocky.errors import NotFound
from stocky.http.openapi import may_be_missing
from stocky.http.parameters import Paging, PathId, Search
from stocky.http.routing import Router
from stocky.schema import StorageType

Sheet = Annotated[int, Parameter(ge=1, le=MAX_CAPACITY, description=f"Number of the sheet of {PER_SHEET} labels")]


@get("/", opt=readers)
async def list_boxes(
    read: Connection,
    paging: Paging,
    search: Search = None,
    storage_type: StorageType | None = None,
    is_active: bool = True,
) -> list[Box]:
    """Boxes by number, each with the number of its locations in use."""
    return await repository.list_boxes(
        read,
        skip=paging.skip,
        limit=paging.limit,
        listing=paging,
        search=search,
        storage_type=storage_type,
        is_active=is_active,
    )


@post("/", opt=members, responses=may_be_missing)
async def create_box(data: NewBox, tx: Connection, user: Principal) -> Box:
    """Add a box; the server assigns its number and creates its locations (`Box 3 / 1`, `Box 3 / 2`, …)."""
    return await repository.add_box(tx, data, user)


@get("/{box_no:int}", opt=readers)
async def get_box(read: Connection, box_no: PathId) -> Box:
    """One box."""
    return await repository.get_box(read, box_no)


@route("/{box_no:int}", http_method=["PUT", "PATCH"], opt=members)
async def change_box(data: BoxChange, tx: Connection, user: Principal, box_no: PathId) -> Box:
    """Change a box; fields not sent keep their values. It cannot shrink while a location to be removed has stock."""
    return await repository.change_box(tx, box_no, data, user)


@delete("/{box_no:int}", opt=members)
async def delete_box(tx: Connection, user: Principal, box_no: PathId) -> None:
    """Hide a box with its locations; its number is not assigned again. Rejected while it holds stock."""
    await repository.remove_box(tx, box_no, user)


@get("/{box_no:int}/places", opt=readers)
async def list_box_places(read: Connection, box_no: PathId, paging: Paging) -> list[BoxPlace]:
    """The locations of a box by number, each with its stock."""
    return await repository.list_box_locations(read, box_no, skip=paging.skip, limit=paging.limit, listing=paging)


@get("/{box_no:int}/labels", opt=scanners, media_type="image/svg+xml")
async def get_box_labels(
    read: Connection, box_no: PathId, sheet: Sheet = 1, code: CommandForm = "json"
) -> Response[bytes]:
    """An A4 sheet of labels to print, one per location; a scan of one sets the scanner's location."""
    locations = await repository.list_box_locations(read, box_no, skip=(sheet - 1) * PER_SHEET, limit=PER_SHEET)
    if not locations:
        raise NotFound(f"Box {box_no} has no label sheet {sheet}; it has too few locations")
    return Response(await asyncio.to_thread(draw_labels, locations, code), media_type="image/svg+xml")


box_routes = Router(
    "/boxes",
    route_handlers=[list_boxes, create_box, get_box, change_box, delete_box, list_box_places, get_box_labels],
    tags=["Boxes"],
)
