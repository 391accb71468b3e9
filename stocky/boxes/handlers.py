"""`/boxes`: numbered sets of places, by their numbers."""

from __future__ import annotations

import asyncio
from typing import Annotated

from litestar import Response, Router, delete, get, post, route
from litestar.params import Parameter

from stocky.auth.guards import members, readers, scanners
from stocky.auth.schemas import Principal
from stocky.boxes import repository
from stocky.boxes.labels import PER_SHEET, draw_labels
from stocky.boxes.schemas import MAX_CAPACITY, Box, BoxChange, BoxPlace, NewBox
from stocky.db import Connection
from stocky.errors import NotFound
from stocky.http.parameters import Paging, PathId, Search
from stocky.schema import StorageType

Sheet = Annotated[int, Parameter(ge=1, le=MAX_CAPACITY, description=f"Which sheet, of {PER_SHEET} labels each")]


@get("/", opt=readers)
async def list_boxes(
    read: Connection,
    paging: Paging,
    search: Search = None,
    storage_type: StorageType | None = None,
    is_active: bool = True,
) -> list[Box]:
    """Boxes by number, each with how much of it is used."""
    return await repository.list_boxes(
        read,
        skip=paging.skip,
        limit=paging.limit,
        search=search,
        storage_type=storage_type,
        is_active=is_active,
    )


@post("/", opt=members)
async def create_box(data: NewBox, tx: Connection, user: Principal) -> Box:
    """Add a box; its number and its places (`Box 3 / 1`, `Box 3 / 2`, …) are made here."""
    return await repository.add_box(tx, data, user)


@get("/{box_no:int}", opt=readers)
async def get_box(read: Connection, box_no: PathId) -> Box:
    """One box."""
    return await repository.get_box(read, box_no)


@route("/{box_no:int}", http_method=["PUT", "PATCH"], opt=members)
async def change_box(data: BoxChange, tx: Connection, user: Principal, box_no: PathId) -> Box:
    """Change a box; what is not sent stays. A smaller capacity is refused while a place that would go holds stock."""
    return await repository.change_box(tx, box_no, data, user)


@delete("/{box_no:int}", opt=members)
async def delete_box(tx: Connection, user: Principal, box_no: PathId) -> None:
    """Hide a box with its places; its number is not given again. Refused while it holds stock."""
    await repository.remove_box(tx, box_no, user)


@get("/{box_no:int}/places", opt=readers)
async def list_box_places(read: Connection, box_no: PathId, paging: Paging) -> list[BoxPlace]:
    """The places of a box by number, each with what lies there."""
    return await repository.list_box_places(read, box_no, skip=paging.skip, limit=paging.limit)


@get("/{box_no:int}/labels", opt=scanners, media_type="image/svg+xml")
async def get_box_labels(read: Connection, box_no: PathId, sheet: Sheet = 1) -> Response[bytes]:
    """An A4 sheet of labels to print, one for each place; scanning one sets the scanner's location."""
    places = await repository.list_box_places(read, box_no, skip=(sheet - 1) * PER_SHEET, limit=PER_SHEET)
    if not places:
        raise NotFound(f"There is no sheet {sheet} of labels for box {box_no}; it has too few places")
    return Response(await asyncio.to_thread(draw_labels, places), media_type="image/svg+xml")


box_routes = Router(
    "/boxes",
    route_handlers=[list_boxes, create_box, get_box, change_box, delete_box, list_box_places, get_box_labels],
    tags=["Boxes"],
)
