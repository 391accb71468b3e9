"""Which locations are in which: none is in itself, and what an active one is in is active."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from stocky import clock
from stocky.catalogue.schemas import LONGEST_PATH, Location
from stocky.db import Connection
from stocky.errors import Conflict, Invalid, NotFound
from stocky.names import name_key
from stocky.schema import LocationKind

# The locations that an error message names.
NAMED = 10


class Inside(Struct):
    """A location as far as it matters to what it is in."""

    id: int
    path: str
    is_active: bool


async def lock_tree(tx: Connection) -> None:
    """Lets no other transaction change the tree until this one ends; before any location is locked or read."""
    await tx.value("lock_location_tree")


async def list_inside(read: Connection, location_id: int) -> list[Inside]:
    """The location and all that are in it, however deep, hidden ones too."""
    return await read.all("list_locations_inside", Inside, id=location_id)


async def check_parent(tx: Connection, parent_id: int) -> Location:
    """The location to put an active one in. Raises NotFound, Conflict for a hidden one or a person."""
    parent = await tx.one("get_location", Location, id=parent_id)
    if parent is None:
        raise NotFound(f"There is no location with id {parent_id} to put it in")
    if not parent.is_active:
        raise Conflict(
            f"{parent.path} is hidden; show it first, or choose another location to put it in", field="parent_id"
        )
    if parent.kind is LocationKind.PERSON:
        raise Conflict(f"{parent.path} is a person; choose a place to put it in", field="parent_id")
    return parent


async def place(tx: Connection, location: Location, inside: list[Inside], name: str, parent_id: int | None) -> None:
    """Gives a location a name and a parent; what is `inside` it moves along. The tree and all these must be locked.

    Raises NotFound for a missing parent, Conflict for one that is in the location or for a path that is taken, Invalid
    for a path that is too long.
    """
    above = ""
    if parent_id is not None:
        if parent_id == location.id:
            raise Conflict(f"{location.path} cannot be put in itself; choose another location", field="parent_id")
        if any(each.id == parent_id for each in inside):
            raise Conflict(
                f"{location.path} cannot be put in a location that is in it; move that one out first", field="parent_id"
            )
        parent = await tx.one("get_location", Location, id=parent_id)
        if parent is None:
            raise NotFound(f"There is no location with id {parent_id} to put it in")
        above = f"{parent.path} / "
    check_paths(f"{above}{name}{each.path[len(location.path) :]}" for each in inside)
    await tx.execute("clear_location_paths", ids=[each.id for each in inside])
    await tx.execute(
        "place_location",
        id=location.id,
        name=name,
        name_key=name_key(name),
        parent_id=parent_id,
        updated_at=clock.now(),
    )
    await set_paths(tx, location.id)


async def set_paths(tx: Connection, location_id: int) -> None:
    """Sets the paths of a location and of all in it, after one of them was added, named or moved. Raises Conflict."""
    await tx.execute("set_paths_inside", id=location_id)
    await tx.execute("free_duplicates")


def check_paths(paths: Iterable[str]) -> None:
    """Raises Invalid for a path that is too long, as it is or without case."""
    longest = max(max(len(path), len(name_key(path))) for path in paths)
    if longest > LONGEST_PATH:
        raise Invalid(
            f"A path has at most {LONGEST_PATH} characters, and one would have {longest}; use shorter names, or fewer"
            " levels",
            field="name",
        )


def named(locations: Iterable[str]) -> str:
    """The first of the paths, and how many more there are."""
    paths = list(locations)
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return f"{', '.join(paths[:NAMED])}{more}"
