"""The rules for where stock may be put, kept by the planner and checked again when a plan is applied."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from msgspec import Struct

from stocky.schema import StorageType

_COLD = {StorageType.FREEZER: 2, StorageType.REFRIGERATOR: 1}


class Spot(Struct, frozen=True, gc=False):
    """An active location; in a box it has `box_no` and `loc_no`."""

    id: int
    name: str
    box_no: int | None
    loc_no: int | None
    storage_type: StorageType


class Thing(Struct, frozen=True, gc=False):
    """An item with its storage type and its kind, such as "type Screws"."""

    id: int
    name: str
    storage_type: StorageType
    kind: str | None = None


class Lot(Struct, frozen=True, gc=False):
    """Stock of one item at one location with one expiry date, in thousandths; may be zero or negative."""

    item_id: int
    location_id: int
    expiry_date: date | None
    quantity_milli: int
    unit: str


def is_cold_enough(thing: Thing, spot: Spot) -> bool:
    """Whether the location is cold enough for the item."""
    return _COLD.get(spot.storage_type, 0) >= _COLD.get(thing.storage_type, 0)


def reason_against(thing: Thing, here: Spot, there: Spot, occupants: Collection[int]) -> str | None:
    """The rule against moving an item from `here` to `there`, which has `occupants`; None when it is allowed.

    Items stay in their kind of storage. A location in a box holds one item, unless the item is there already.
    """
    if there.storage_type is not here.storage_type:
        return f"{here.name} is for {here.storage_type.value} storage and {there.name} for {there.storage_type.value}"
    if not is_cold_enough(thing, there):
        return (
            f"{thing.name} needs {thing.storage_type.value} storage, and {there.name} is for {there.storage_type.value}"
        )
    if there.box_no is not None and occupants and thing.id not in occupants:
        return f"another item is in {there.name}"
    return None
