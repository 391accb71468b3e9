"""Where stock may be put. The planner proposes nothing else, and a plan that would do otherwise is not applied."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from msgspec import Struct

from stocky.schema import StorageType

_COLD = {StorageType.FREEZER: 2, StorageType.REFRIGERATOR: 1}


class Spot(Struct, frozen=True, gc=False):
    """A location in use; with `box_no` and `loc_no` one of a box's."""

    id: int
    name: str
    box_no: int | None
    loc_no: int | None
    storage_type: StorageType


class Thing(Struct, frozen=True, gc=False):
    """An item, with where it wants to be kept and what it is like (`kind`: "type Screws")."""

    id: int
    name: str
    storage_type: StorageType
    kind: str | None = None


class Lot(Struct, frozen=True, gc=False):
    """Stock of one item at one place with one expiry date, in thousandths. It may be none, or less."""

    item_id: int
    location_id: int
    expiry_date: date | None
    quantity_milli: int
    unit: str


def is_cold_enough(thing: Thing, spot: Spot) -> bool:
    """Whether a thing may be put down there: what needs cold never is where it is warmer."""
    return _COLD.get(spot.storage_type, 0) >= _COLD.get(thing.storage_type, 0)


def why_not(thing: Thing, here: Spot, there: Spot, lying_there: Collection[int]) -> str | None:
    """What forbids to move a thing from here to there, where the items `lying_there` are; None when it may be.

    Nothing changes its kind of storage. A place of a box holds one item, unless the item is there already.
    """
    if there.storage_type is not here.storage_type:
        return f"{here.name} is for {here.storage_type.value} storage and {there.name} for {there.storage_type.value}"
    if not is_cold_enough(thing, there):
        return (
            f"{thing.name} needs {thing.storage_type.value} storage, and {there.name} is for {there.storage_type.value}"
        )
    if there.box_no is not None and lying_there and thing.id not in lying_there:
        return f"something else lies in {there.name}"
    return None
