"""Boxes in the database. A box is a location with the places 1 to its capacity in it; what holds stock stays active."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

import msgspec
from msgspec import UNSET

from stocky import clock
from stocky.alerts.evaluate import evaluate_locations
from stocky.auth.schemas import Principal
from stocky.boxes.schemas import Box, BoxChange, BoxPlace, NewBox, PlacedStock, Slot
from stocky.catalogue.location_repository import get_location
from stocky.catalogue.location_tree import (
    check_parent,
    check_paths,
    list_inside,
    lock_tree,
    named,
    place,
    set_paths,
)
from stocky.catalogue.repository import like_pattern
from stocky.catalogue.schemas import Location
from stocky.db import Connection, Listing
from stocky.errors import Conflict, NotFound, Unavailable
from stocky.logs import audit
from stocky.names import name_key
from stocky.schema import LocationKind, StorageType, is_empty, or_current

# Attempts to get a free number while other processes take the same one.
NUMBER_ATTEMPTS = 100


async def get_box(read: Connection, box_no: int) -> Box:
    """Raises NotFound."""
    box = await read.one("get_box", Box, box_no=box_no)
    if box is None:
        raise NotFound(f"There is no box {box_no}")
    return box


async def list_boxes(
    read: Connection,
    *,
    skip: int,
    limit: int,
    search: str | None = None,
    storage_type: StorageType | None = None,
    is_active: bool = True,
    listing: Listing | None = None,
) -> list[Box]:
    """Boxes by number, or in the order of `listing`."""
    return await read.page(
        "list_boxes",
        Box,
        listing,
        skip=skip,
        limit=limit,
        pattern=like_pattern(search),
        storage_type=storage_type,
        is_active=is_active,
    )


async def list_box_locations(
    read: Connection, box_no: int, *, skip: int, limit: int, listing: Listing | None = None
) -> list[BoxPlace]:
    """The active locations by number, each with its stock. Raises NotFound."""
    await get_box(read, box_no)
    locations = await read.page("list_box_locations", Location, listing, box_no=box_no, skip=skip, limit=limit)
    ids = [location.id for location in locations]
    stock: dict[int, list[PlacedStock]] = defaultdict(list)
    for row in await read.all("list_stock_at", PlacedStock, ids=ids):
        stock[row.location_id].append(row)
    return [
        BoxPlace(
            location_id=location.id,
            box_no=box_no,
            loc_no=location.loc_no or 0,
            name=location.name,
            path=location.path,
            description=location.description,
            stock=stock[location.id],
        )
        for location in locations
    ]


async def list_slots(read: Connection, box_nos: Collection[int]) -> dict[int, list[Slot]]:
    """The active locations of boxes by number, each with the number of its items, in one query."""
    slots: dict[int, list[Slot]] = defaultdict(list)
    for slot in await read.all("list_slots", Slot, box_nos=box_nos) if box_nos else []:
        slots[slot.box_no].append(slot)
    return slots


async def add_box(tx: Connection, new: NewBox, by: Principal) -> Box:
    """Adds a box with its number and its places.

    Raises Conflict if a location has the name of the box or of one of its places, NotFound for a missing parent.
    """
    await lock_tree(tx)
    parent = None if new.parent_id is None else await check_parent(tx, new.parent_id)
    box_no = await _add_box_row(tx, new.capacity)
    name = new.name or f"Box {box_no}"
    path = name if parent is None else f"{parent.path} / {name}"
    check_paths([f"{path} / {new.capacity}"])
    try:
        location_id: int = await tx.value(
            "add_box_location",
            name=name,
            name_key=name_key(name),
            description=new.description or "",
            storage_type=new.storage_type,
            box_no=box_no,
            parent_id=new.parent_id,
            created_at=clock.now(),
        )
        await set_paths(tx, location_id)
    except Conflict as conflict:
        raise Conflict(
            f"A location has the path {path} already; give the box another name", kind=conflict.kind
        ) from conflict
    await _open_locations(tx, box_no, location_id, 1, new.capacity, new.storage_type)
    details = {"capacity": new.capacity} if parent is None else {"capacity": new.capacity, "parent_id": parent.id}
    await audit.record(tx, by, "created", "box", box_no, details)
    return await get_box(tx, box_no)


async def change_box(tx: Connection, box_no: int, change: BoxChange, by: Principal) -> Box:
    """Applies `change` to a box and its places.

    Raises NotFound, and Conflict while a place to be removed holds stock or has locations in it, for a name that is
    taken, and for a parent that is in the box.
    """
    if is_empty(change):
        return await get_box(tx, box_no)
    await lock_tree(tx)
    await tx.value("lock_box", box_no=box_no)
    box = await get_box(tx, box_no)
    own = await get_location(tx, box.location_id)
    inside = await list_inside(tx, own.id)
    await tx.all("lock_locations", dict[str, int], ids=[each.id for each in inside])
    capacity = or_current(change.capacity, box.capacity)
    storage_type = or_current(change.storage_type, box.storage_type)
    is_active = or_current(change.is_active, box.is_active)
    name, parent_id = or_current(change.name, box.name), or_current(change.parent_id, box.parent_id)
    old, new = (box.capacity if box.is_active else 0), (capacity if is_active else 0)
    if new < old:
        await _close_locations(tx, box, after=new)
    if is_active and parent_id is not None:
        await check_parent(tx, parent_id)
    if (name, parent_id) != (box.name, box.parent_id):
        await place(tx, own, inside, name, parent_id)
    await tx.execute(
        "change_location",
        id=own.id,
        description=or_current(change.description, box.description) or "",
        storage_type=storage_type,
        kind=LocationKind.PLACE,
        is_active=is_active,
        updated_at=clock.now(),
    )
    await tx.execute("change_box", box_no=box_no, capacity=capacity)
    if new > old:
        await _open_locations(tx, box_no, own.id, old + 1, new, storage_type)
    if storage_type != box.storage_type:
        await tx.execute("change_box_locations", box_no=box_no, storage_type=storage_type, updated_at=clock.now())
    await tx.execute("free_duplicates")
    if (storage_type, parent_id) != (box.storage_type, box.parent_id):
        await evaluate_locations(tx, [each.id for each in inside])
    details = {name: value for name, value in msgspec.to_builtins(change).items() if value is not UNSET}
    await audit.record(tx, by, "changed", "box", box_no, details)
    return await get_box(tx, box_no)


async def remove_box(tx: Connection, box_no: int, by: Principal) -> None:
    """Hides a box with its locations. Raises NotFound, Conflict while it holds stock."""
    box = await get_box(tx, box_no)
    if box.is_active:
        await change_box(tx, box_no, BoxChange(is_active=False), by)


async def _add_box_row(tx: Connection, capacity: int) -> int:
    for _ in range(NUMBER_ATTEMPTS):
        box_no: int | None = await tx.value("add_box", capacity=capacity)
        if box_no is not None:
            return box_no
    raise Unavailable("No free box number was found; try again")


async def _open_locations(
    tx: Connection, box_no: int, location_id: int, first: int, last: int, storage_type: StorageType
) -> None:
    try:
        await tx.execute(
            "open_box_locations",
            box_no=box_no,
            parent_id=location_id,
            first=first,
            last=last,
            storage_type=storage_type,
            moment=clock.now(),
        )
        await set_paths(tx, location_id)
    except Conflict as conflict:
        raise Conflict(
            f"A location has one of the names Box {box_no} / {first} to Box {box_no} / {last} already;"
            " give it another name first"
        ) from conflict


async def _close_locations(tx: Connection, box: Box, *, after: int) -> None:
    stocked = await tx.all("list_stocked_box_locations", Location, box_no=box.box_no, after=after)
    if stocked:
        names = named(location.name for location in stocked)
        raise Conflict(
            f"Locations to be removed hold stock: {names}. Move the stock somewhere else first", kind="in-use"
        )
    others = await tx.all("list_locations_in_places", Location, box_no=box.box_no, after=after)
    if others:
        paths = named(location.path for location in others)
        raise Conflict(f"Other locations are in what is to be removed: {paths}. Move or hide them first", kind="in-use")
    if after == 0 and await tx.value("location_holds_stock", location_id=box.location_id) is not None:
        raise Conflict(f"{box.path} still holds stock; move it somewhere else first", kind="in-use")
    await tx.execute("close_box_locations", box_no=box.box_no, after=after, updated_at=clock.now())
