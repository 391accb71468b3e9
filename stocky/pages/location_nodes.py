"""Locations as nodes of a tree, with the counts of what is at them and inside.

The places of boxes are left out, apart from those with other locations in them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from msgspec import Struct

from stocky.catalogue import location_repository
from stocky.catalogue.schemas import Location, LocationCounts
from stocky.db import Connection
from stocky.pages.languages import Text, _
from stocky.schema import LocationKind

# With more locations inside those of a page, only these are shown, each with the number inside.
MOST_INSIDE = 400


class Node(Struct, kw_only=True):
    """A location or a group of locations, with the nodes in it; `around` is the path of what it is in.

    `kind` is the storage type, or `person`.
    """

    kind: str
    name: str | Text = ""
    path: str = ""
    around: str = ""
    description: str = ""
    counts: LocationCounts | None = None
    children: list[Node] = []


async def make_trees(read: Connection, roots: Sequence[Location]) -> list[Node]:
    """The locations as nodes, with all that are in them."""
    children = await _list_inside(read, {each.id for each in roots})
    await location_repository.add_counts(read, roots)
    return [_node(each, children) for each in roots]


async def make_branches(read: Connection, location_ids: set[int]) -> dict[int, list[Node]]:
    """The nodes of all that are in each of these locations."""
    children = await _list_inside(read, location_ids)
    return {id: [_node(each, children) for each in children.get(id, [])] for id in location_ids}


async def make_nodes(read: Connection, locations: Sequence[Location]) -> list[Node]:
    """The locations as nodes, without what is in them."""
    await location_repository.add_counts(read, locations)
    return [_node(each, {}) for each in locations]


def page_of(location: Location) -> str:
    """The path of a location's page: that of a box has its places."""
    is_box = location.box_no is not None and location.loc_no is None
    return f"/locations/boxes/{location.box_no}" if is_box else f"/locations/{location.id}"


def links_to(around: Sequence[Location]) -> list[tuple[str, str]]:
    """The names of locations and the paths of their pages, for the way up."""
    return [(each.name, page_of(each)) for each in around]


async def _list_inside(read: Connection, location_ids: set[int]) -> dict[int, list[Location]]:
    """All that are in these locations, with their counts, by the id of what each is in; none if they are too many."""
    inside = await location_repository.list_locations_inside(read, location_ids, limit=MOST_INSIDE + 1)
    if len(inside) > MOST_INSIDE:
        inside = []
    await location_repository.add_counts(read, inside)
    children: dict[int, list[Location]] = defaultdict(list)
    for each in inside:
        if each.parent_id is not None:
            children[each.parent_id].append(each)
    return children


def _node(location: Location, children: Mapping[int, Sequence[Location]]) -> Node:
    return Node(
        kind="person" if location.kind is LocationKind.PERSON else location.storage_type.value,
        name=location.name if location.loc_no is None else _("Slot %(number)s", number=location.loc_no),
        path=page_of(location),
        around=location.path.removesuffix(location.name).removesuffix(" / ") if location.parent_id else "",
        description=location.description,
        counts=location.counts,
        children=[_node(each, children) for each in children.get(location.id, [])],
    )
