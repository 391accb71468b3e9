"""`/locations`: where stock can be."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, Router, delete, get, post, route
from litestar.params import Parameter

from stocky.auth.guards import members, readers, scanners
from stocky.auth.schemas import Principal
from stocky.catalogue import location_repository as repository
from stocky.catalogue.qr import qr_response, set_location_command
from stocky.catalogue.schemas import Location, LocationChange, NewLocation
from stocky.db import Connection
from stocky.http.parameters import Paging, PathId, Search, SearchText
from stocky.http.request import StockyRequest
from stocky.schema import MAX_ID, StorageType

BoxNo = Annotated[int | None, Parameter(ge=1, le=MAX_ID, description="Only the locations of this box")]


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
    return await repository.list_locations(
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
    return await repository.add_location(tx, data, user)


@get("/search", opt=readers)
async def search_locations(read: Connection, q: SearchText, paging: Paging) -> list[Location]:
    """Locations whose name or description contains `q`."""
    return await repository.list_locations(read, skip=paging.skip, limit=paging.limit, search=q)


@get("/name/{name:str}", opt=readers)
async def get_location_by_name(
    read: Connection, name: Annotated[str, Parameter(max_length=200, description="The exact name")]
) -> Location:
    """The active location with this name."""
    return await repository.get_location_by_name(read, name)


@get("/{location_id:int}", opt=readers)
async def get_location(read: Connection, location_id: PathId) -> Location:
    """One location."""
    return await repository.get_location(read, location_id)


@route("/{location_id:int}", http_method=["PUT", "PATCH"], opt=members)
async def change_location(data: LocationChange, tx: Connection, user: Principal, location_id: PathId) -> Location:
    """Change a location; fields not sent keep their values."""
    return await repository.change_location(tx, location_id, data, user)


@delete("/{location_id:int}", opt=members)
async def delete_location(tx: Connection, user: Principal, location_id: PathId) -> None:
    """Hide a location. Rejected while it holds stock."""
    await repository.remove_location(tx, location_id, user)


@get("/{location_id:int}/qr", opt=scanners, media_type="image/svg+xml")
async def get_location_qr(
    request: StockyRequest,
    read: Connection,
    location_id: PathId,
) -> Response[bytes]:
    """A QR code to print; a scan of it sets the scanner's location. SVG, or PNG by Accept."""
    location = await repository.get_location(read, location_id)
    return await qr_response(request, set_location_command(location.id))


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
