"""Locations in the database; one that holds stock, or has an active location in it, stays active."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET, Struct, to_builtins

from stocky import clock
from stocky.alerts.evaluate import evaluate_locations
from stocky.auth.schemas import Principal
from stocky.catalogue.location_names import AmbiguousName, LocationNames
from stocky.catalogue.location_tree import (
    Inside,
    check_parent,
    check_paths,
    list_inside,
    lock_tree,
    named,
    place,
    set_paths,
)
from stocky.catalogue.repository import like_pattern
from stocky.catalogue.schemas import DuplicateLocation, Location, LocationChange, LocationCounts, NewLocation
from stocky.db import Connection, Listing
from stocky.errors import Conflict, NotFound
from stocky.logs import audit
from stocky.names import name_key
from stocky.schema import LocationKind, StorageType, is_empty, or_current


class _Counts(Struct):
    id: int
    items: int
    items_with_inside: int
    locations_inside: int


async def get_location(read: Connection, location_id: int) -> Location:
    """Raises NotFound."""
    location = await read.one("get_location", Location, id=location_id)
    if location is None:
        raise NotFound(f"There is no location with id {location_id}")
    return location


async def get_active_location(read: Connection, location_id: int) -> Location:
    """Raises NotFound for a missing or hidden one."""
    location = await get_location(read, location_id)
    if not location.is_active:
        raise NotFound(f"{location.path} is no longer in use; choose another location")
    return location


async def get_locations(read: Connection, location_ids: set[int]) -> dict[int, Location]:
    """Locations by their ids; missing ones are left out."""
    found = await read.all("list_locations_by_id", Location, ids=location_ids) if location_ids else []
    return {location.id: location for location in found}


async def list_locations_named(read: Connection, name: str) -> list[Location]:
    """The active locations with this path or name, in any case."""
    return await read.all("find_locations_named", Location, key=name_key(name))


async def get_location_by_name(read: Connection, name: str) -> Location:
    """The active location with this path, or with this name. Raises NotFound, Conflict when several have the name."""
    try:
        location = LocationNames(await list_locations_named(read, name)).find(name)
    except AmbiguousName as ambiguous:
        raise Conflict(str(ambiguous), kind="ambiguous-name") from None
    if location is None:
        raise NotFound(f"There is no location named {name!r}")
    return location


async def list_ancestors(read: Connection, location: Location) -> list[Location]:
    """The locations that it is in, from the top down."""
    return await read.all("list_ancestors", Location, id=location.id)


async def add_counts(read: Connection, locations: Sequence[Location]) -> None:
    """Sets the counts of the locations."""
    ids = {location.id for location in locations}
    rows = await read.all("count_stock_within", _Counts, ids=ids) if ids else []
    counts = {row.id: row for row in rows}
    for location in locations:
        row = counts[location.id]
        location.counts = LocationCounts(
            items=row.items, items_with_inside=row.items_with_inside, locations_inside=row.locations_inside
        )


async def list_locations(
    read: Connection,
    *,
    skip: int,
    limit: int,
    search: str | None = None,
    storage_type: StorageType | None = None,
    is_active: bool = True,
    box_no: int | None = None,
    parent_id: int | None = None,
    within: int | None = None,
    kind: LocationKind | None = None,
    listing: Listing | None = None,
) -> list[Location]:
    """Locations by name, or in the order of `listing`.

    With `parent_id` those directly in that location, for 0 those in none; with `within` all in it, however deep.
    """
    return await read.page(
        "list_locations",
        Location,
        listing,
        skip=skip,
        limit=limit,
        pattern=like_pattern(search),
        storage_type=storage_type,
        is_active=is_active,
        box_no=box_no,
        parent_id=parent_id,
        within=within,
        kind=kind,
    )


async def suggest_locations(
    read: Connection, text: str | None, *, limit: int, kind: LocationKind | None = None
) -> list[Location]:
    """The active locations with the text in path or description, best first; places of boxes after all others."""
    return await read.all("suggest_locations", Location, pattern=like_pattern(text), kind=kind, limit=limit)


async def list_locations_by_kind(
    read: Connection,
    *,
    skip: int,
    limit: int,
    search: str | None = None,
    storage_type: StorageType | None = None,
    kind: LocationKind | None = None,
    is_active: bool = True,
    top_only: bool = False,
) -> list[Location]:
    """Locations other than boxes and their places, by storage type and name, persons last.

    `top_only`: those in no other one.
    """
    return await read.all(
        "list_locations_by_kind",
        Location,
        top_only=top_only,
        kind=kind,
        skip=skip,
        limit=limit,
        pattern=like_pattern(search),
        storage_type=storage_type,
        is_active=is_active,
    )


async def list_locations_directly_in(read: Connection, location_id: int, *, limit: int) -> list[Location]:
    """The active locations directly in this one by name, without the places of a box; at most `limit`."""
    return await read.all("list_children", Location, id=location_id, limit=limit)


async def list_locations_inside(read: Connection, location_ids: set[int], *, limit: int) -> list[Location]:
    """The active locations in these, however deep, by name; at most `limit`.

    Of the places of boxes only those with others in them.
    """
    if not location_ids:
        return []
    return await read.all("list_nodes", Location, ids=location_ids, limit=limit)


async def list_duplicates(read: Connection) -> list[DuplicateLocation]:
    """The active locations that have the path of another one, from before names in any case counted as one."""
    return await read.all("list_duplicate_locations", DuplicateLocation)


async def add_location(tx: Connection, new: NewLocation, by: Principal) -> Location:
    """Adds a location.

    Raises Conflict if one in the same place has the name, NotFound for a missing or hidden parent, Invalid for a path
    that is too long.
    """
    await lock_tree(tx)
    path = new.name
    if new.parent_id is not None:
        path = f"{(await check_parent(tx, new.parent_id)).path} / {new.name}"
    check_paths([path])
    location_id = await tx.value(
        "add_location",
        name=new.name,
        name_key=name_key(new.name),
        description=new.description or "",
        storage_type=new.storage_type,
        kind=new.kind,
        parent_id=new.parent_id,
        created_at=clock.now(),
    )
    await set_paths(tx, location_id)
    details = {"name": new.name} if new.parent_id is None else {"name": new.name, "parent_id": new.parent_id}
    await audit.record(tx, by, "created", "location", location_id, details)
    return await get_location(tx, location_id)


async def change_location(tx: Connection, location_id: int, change: LocationChange, by: Principal) -> Location:
    """Applies `change`.

    Raises NotFound, Invalid for a path that is too long, and Conflict for a name that is taken, a location with stock
    or others in it, a parent that is in it or a person, or a field that its box decides.
    """
    if is_empty(change):
        return await get_location(tx, location_id)
    await lock_tree(tx)
    location = await get_location(tx, location_id)
    is_active = or_current(change.is_active, location.is_active)
    storage_type = or_current(change.storage_type, location.storage_type)
    name, parent_id = or_current(change.name, location.name), or_current(change.parent_id, location.parent_id)
    kind = or_current(change.kind, location.kind)
    _check_box(location, is_active=is_active, storage_type=storage_type, parent_id=parent_id)
    inside = await list_inside(tx, location_id)
    ids = [each.id for each in inside]
    await tx.all("lock_locations", dict[str, int], ids=ids)
    if location.is_active and not is_active:
        await _check_empty(tx, location, inside)
    if kind is not location.kind:
        await _check_kind(tx, location, inside)
        await tx.execute("end_loans_at", location_id=location_id)
    if is_active and parent_id is not None:
        await check_parent(tx, parent_id)
    if (name, parent_id) != (location.name, location.parent_id):
        await place(tx, location, inside, name, parent_id)
    await tx.execute(
        "change_location",
        id=location_id,
        description=or_current(change.description, location.description) or "",
        storage_type=storage_type,
        kind=kind,
        is_active=is_active,
        updated_at=clock.now(),
    )
    await tx.execute("free_duplicates")
    if (storage_type, parent_id) != (location.storage_type, location.parent_id):
        await evaluate_locations(tx, ids)
    details = {name: value for name, value in to_builtins(change).items() if value is not UNSET}
    await audit.record(tx, by, "changed", "location", location_id, details)
    return await get_location(tx, location_id)


async def remove_location(tx: Connection, location_id: int, by: Principal) -> None:
    """Hides a location. Raises NotFound, Conflict while it holds stock or has active locations in it."""
    location = await get_location(tx, location_id)
    if location.is_active:
        await change_location(tx, location_id, LocationChange(is_active=False), by)


async def _check_kind(tx: Connection, location: Location, inside: list[Inside]) -> None:
    """Raises Conflict for a box or its places, and while stock or other locations are in it.

    What arrives at a person is a loan, so what was there before would be none.
    """
    if location.box_no is not None:
        raise Conflict(f"{location.name} belongs to box {location.box_no}, so it cannot be a person", field="kind")
    if await tx.value("location_holds_stock", location_id=location.id) is not None:
        raise Conflict(
            f"{location.name} holds stock; move it somewhere else, then change the kind", kind="in-use", field="kind"
        )
    others = [each.path for each in inside if each.id != location.id]
    if others:
        raise Conflict(
            f"Other locations are in {location.path}: {named(others)}. Move them out, then change the kind",
            kind="in-use",
            field="kind",
        )


def _check_box(location: Location, *, is_active: bool, storage_type: StorageType, parent_id: int | None) -> None:
    """Raises Conflict for what a box decides: of its places also which box they are in."""
    if location.box_no is None:
        return
    if (is_active, storage_type) != (location.is_active, location.storage_type):
        raise Conflict(f"{location.name} is a location of box {location.box_no}; change the box instead")
    if location.loc_no is not None and parent_id != location.parent_id:
        raise Conflict(f"{location.name} is a place of box {location.box_no} and stays in it; move the box instead")


async def _check_empty(tx: Connection, location: Location, inside: list[Inside]) -> None:
    if await tx.value("location_holds_stock", location_id=location.id) is not None:
        raise Conflict(f"{location.name} still holds stock; move it somewhere else first", kind="in-use")
    others = [each.path for each in inside if each.is_active and each.id != location.id]
    if others:
        raise Conflict(
            f"Other locations are in {location.path}: {named(others)}. Move or hide them first", kind="in-use"
        )
