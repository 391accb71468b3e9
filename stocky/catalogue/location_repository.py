"""Locations in the database; active ones have unique names, and one that holds stock stays active."""

from __future__ import annotations

from msgspec import UNSET, to_builtins

from stocky import clock
from stocky.alerts.evaluate import evaluate_locations
from stocky.auth.schemas import Principal
from stocky.catalogue.repository import like_pattern
from stocky.catalogue.schemas import Location, LocationChange, NewLocation
from stocky.db import Connection
from stocky.errors import Conflict, NotFound
from stocky.logs import audit
from stocky.schema import StorageType, or_current


async def get_location(read: Connection, location_id: int) -> Location:
    """Raises NotFound."""
    location = await read.one("get_location", Location, id=location_id)
    if location is None:
        raise NotFound(f"There is no location with id {location_id}")
    return location


async def get_locations(read: Connection, location_ids: set[int]) -> dict[int, Location]:
    """Locations by their ids; missing ones are left out."""
    found = await read.all("list_locations_by_id", Location, ids=location_ids) if location_ids else []
    return {location.id: location for location in found}


async def get_location_by_name(read: Connection, name: str) -> Location:
    """The active location with this name. Raises NotFound."""
    location = await read.one("find_location_by_name", Location, name=name)
    if location is None:
        raise NotFound(f"There is no location named {name!r}")
    return location


async def list_locations(
    read: Connection,
    *,
    skip: int,
    limit: int,
    search: str | None = None,
    storage_type: StorageType | None = None,
    is_active: bool = True,
    box_no: int | None = None,
) -> list[Location]:
    """Locations by name."""
    return await read.all(
        "list_locations",
        Location,
        skip=skip,
        limit=limit,
        pattern=like_pattern(search),
        storage_type=storage_type,
        is_active=is_active,
        box_no=box_no,
    )


async def list_locations_by_kind(
    read: Connection,
    *,
    skip: int,
    limit: int,
    search: str | None = None,
    storage_type: StorageType | None = None,
    is_active: bool = True,
) -> list[Location]:
    """Locations that are in no box, by storage type and name."""
    return await read.all(
        "list_locations_by_kind",
        Location,
        skip=skip,
        limit=limit,
        pattern=like_pattern(search),
        storage_type=storage_type,
        is_active=is_active,
    )


async def add_location(tx: Connection, new: NewLocation, by: Principal) -> Location:
    """Adds a location. Raises Conflict if an active location has the name."""
    location_id = await tx.value(
        "add_location",
        name=new.name,
        description=new.description or "",
        storage_type=new.storage_type,
        created_at=clock.now(),
    )
    await audit.record(tx, by, "created", "location", location_id, {"name": new.name})
    return await get_location(tx, location_id)


async def change_location(tx: Connection, location_id: int, change: LocationChange, by: Principal) -> Location:
    """Applies `change`.

    Raises NotFound, and Conflict for a name that is taken, a location with stock, or a field that its box decides.
    """
    await tx.value("lock_location", id=location_id)
    location = await get_location(tx, location_id)
    is_active = or_current(change.is_active, location.is_active)
    holds_stock = await tx.value("location_holds_stock", location_id=location_id) is not None
    if location.is_active and not is_active and holds_stock:
        raise Conflict(f"{location.name} still holds stock; move it somewhere else first")
    storage_type = or_current(change.storage_type, location.storage_type)
    if location.box_no is not None and (is_active, storage_type) != (location.is_active, location.storage_type):
        raise Conflict(f"{location.name} is a location of box {location.box_no}; change the box instead")
    await tx.execute(
        "change_location",
        id=location_id,
        name=or_current(change.name, location.name),
        description=or_current(change.description, location.description) or "",
        storage_type=storage_type,
        is_active=is_active,
        updated_at=clock.now(),
    )
    if or_current(change.storage_type, location.storage_type) != location.storage_type:
        await evaluate_locations(tx, [location_id])
    details = {name: value for name, value in to_builtins(change).items() if value is not UNSET}
    await audit.record(tx, by, "changed", "location", location_id, details)
    return await get_location(tx, location_id)


async def remove_location(tx: Connection, location_id: int, by: Principal) -> None:
    """Hides a location. Raises NotFound, Conflict while it holds stock."""
    location = await get_location(tx, location_id)
    if location.is_active:
        await change_location(tx, location_id, LocationChange(is_active=False), by)
