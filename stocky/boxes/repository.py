"""Boxes in the database. A box has the locations 1 to its capacity; a location that holds stock stays active."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

import msgspec
from msgspec import UNSET

from stocky import clock
from stocky.alerts.evaluate import evaluate_locations
from stocky.auth.schemas import Principal
from stocky.boxes.schemas import Box, BoxChange, BoxPlace, NewBox, PlacedStock, Slot
from stocky.catalogue.repository import like_pattern
from stocky.catalogue.schemas import Location
from stocky.db import Connection
from stocky.errors import Conflict, NotFound, Unavailable
from stocky.logs import audit
from stocky.schema import StorageType, or_current

# Attempts to get a free number while other processes take the same one.
NUMBER_ATTEMPTS = 100
# The locations that an error message lists.
NAMED = 10


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
) -> list[Box]:
    """Boxes by number."""
    return await read.all(
        "list_boxes",
        Box,
        skip=skip,
        limit=limit,
        pattern=like_pattern(search),
        storage_type=storage_type,
        is_active=is_active,
    )


async def list_box_locations(read: Connection, box_no: int, *, skip: int, limit: int) -> list[BoxPlace]:
    """The active locations by number, each with its stock. Raises NotFound."""
    await get_box(read, box_no)
    locations = await read.all("list_box_places", Location, box_no=box_no, skip=skip, limit=limit)
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
    """Adds a box with its number and its locations. Raises Conflict if a location has the name of one of them."""
    box_no = await _add_box_row(tx, new)
    await _open_locations(tx, box_no, 1, new.capacity, new.storage_type)
    await audit.record(tx, by, "created", "box", box_no, {"capacity": new.capacity})
    return await get_box(tx, box_no)


async def change_box(tx: Connection, box_no: int, change: BoxChange, by: Principal) -> Box:
    """Applies `change` to a box and its locations.

    Raises NotFound, and Conflict while a location to be removed holds stock.
    """
    await tx.value("lock_box", box_no=box_no)
    box = await get_box(tx, box_no)
    capacity = or_current(change.capacity, box.capacity)
    storage_type = or_current(change.storage_type, box.storage_type)
    is_active = or_current(change.is_active, box.is_active)
    old, new = (box.capacity if box.is_active else 0), (capacity if is_active else 0)
    if new < old:
        await _close_locations(tx, box, after=new)
    if new > old:
        await _open_locations(tx, box_no, old + 1, new, storage_type)
    if storage_type != box.storage_type:
        changed = await tx.all(
            "change_box_places", dict[str, int], box_no=box_no, storage_type=storage_type, updated_at=clock.now()
        )
        await evaluate_locations(tx, [row["id"] for row in changed])
    await tx.execute(
        "change_box",
        box_no=box_no,
        name=or_current(change.name, box.name),
        description=or_current(change.description, box.description) or "",
        storage_type=storage_type,
        capacity=capacity,
        is_active=is_active,
        updated_at=clock.now(),
    )
    details = {name: value for name, value in msgspec.to_builtins(change).items() if value is not UNSET}
    await audit.record(tx, by, "changed", "box", box_no, details)
    return await get_box(tx, box_no)


async def remove_box(tx: Connection, box_no: int, by: Principal) -> None:
    """Hides a box with its locations. Raises NotFound, Conflict while it holds stock."""
    box = await get_box(tx, box_no)
    if box.is_active:
        await change_box(tx, box_no, BoxChange(is_active=False), by)


async def _add_box_row(tx: Connection, new: NewBox) -> int:
    for _ in range(NUMBER_ATTEMPTS):
        box_no: int | None = await tx.value(
            "add_box",
            name=new.name,
            description=new.description or "",
            storage_type=new.storage_type,
            capacity=new.capacity,
            created_at=clock.now(),
        )
        if box_no is not None:
            return box_no
    raise Unavailable("No free box number was found; try again")


async def _open_locations(tx: Connection, box_no: int, first: int, last: int, storage_type: StorageType) -> None:
    try:
        await tx.execute(
            "open_box_places",
            box_no=box_no,
            first=first,
            last=last,
            storage_type=storage_type,
            moment=clock.now(),
        )
    except Conflict as conflict:
        raise Conflict(
            f"A location has one of the names Box {box_no} / {first} to Box {box_no} / {last} already;"
            " give it another name first"
        ) from conflict


async def _close_locations(tx: Connection, box: Box, *, after: int) -> None:
    await tx.all("lock_box_places", dict[str, Any], box_no=box.box_no, after=after)
    stocked = await tx.all("list_stocked_box_places", Location, box_no=box.box_no, after=after)
    if stocked:
        names = ", ".join(location.name for location in stocked[:NAMED])
        more = f" and {len(stocked) - NAMED} more" if len(stocked) > NAMED else ""
        raise Conflict(f"Locations to be removed hold stock: {names}{more}. Move the stock somewhere else first")
    await tx.execute("close_box_places", box_no=box.box_no, after=after, updated_at=clock.now())
