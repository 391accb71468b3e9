"""Requests and responses for boxes; a box is identified by its number, never by a row's id."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from stocky.catalogue.schemas import Description, Name, ParentId
from stocky.schema import StorageType

MAX_CAPACITY = 1000

Capacity = Annotated[int, Meta(ge=1, le=MAX_CAPACITY, description="The number of its locations", examples=[24])]


class Box(Struct, kw_only=True):
    """A numbered set of places, itself a location. `occupied` places hold stock; `stock_rows` lots are in it."""

    box_no: int
    location_id: Annotated[int, Meta(description="The location that the box itself is; its places are in it")]
    parent_id: Annotated[int | None, Meta(description="The location that the box is in")]
    path: Annotated[str, Meta(description="The names from the top down", examples=["Garage / Box 3"])]
    name: str
    description: str
    storage_type: StorageType
    is_active: bool
    capacity: int
    occupied: int
    free: int
    stock_rows: int
    created_at: datetime
    updated_at: datetime


class NewBox(Struct, kw_only=True):
    """A box to add; its default name comes from its number."""

    capacity: Capacity
    name: Name | None = None
    description: Description | None = None
    storage_type: StorageType = StorageType.OTHER
    parent_id: ParentId | None = None


class BoxChange(Struct, kw_only=True):
    """Changes to a box; fields not sent keep their values. With another `parent_id` its places move along."""

    capacity: Capacity | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    description: Description | None | UnsetType = UNSET
    storage_type: StorageType | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    parent_id: ParentId | None | UnsetType = UNSET


class PlacedStock(Struct, kw_only=True, gc=False):
    """A lot of an item at a location."""

    sku_id: int
    location_id: int
    item_id: int
    code: str
    name: str
    quantity: float
    unit: str
    expiry_date: date | None
    lot: str
    serial: str
    opened_on: date | None


class BoxPlace(Struct, kw_only=True):
    """One location of a box, with its stock."""

    location_id: int
    box_no: int
    loc_no: int
    name: str
    path: Annotated[str, Meta(description="The names from the top down", examples=["Garage / Box 3 / 7"])]
    description: str
    stock: list[PlacedStock]


class Slot(Struct, gc=False):
    """One location of a box, with the number of items that have stock there."""

    box_no: int
    loc_no: int
    location_id: int
    name: str
    item_count: int
