"""Items as the rows of lists: with where they are and what is remarkable, from a list of items or from the search."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from msgspec import Struct

from stocky import clock
from stocky.catalogue.schemas import Item
from stocky.schema import StorageType
from stocky.search.schemas import FoundItem
from stocky.stock.item_stock import StockedItem


class Place(Struct, frozen=True):
    """What an item has at a location, of all its lots in one unit."""

    location_id: int
    name: str
    storage_type: StorageType
    quantity: float
    unit: str


class ItemRow(Struct, frozen=True):
    """A row; `places` are those that hold something, `remark` is the most urgent one."""

    item: Item
    places: list[Place]
    remark: str
    expires: date | None


def of_stocked(found: Iterable[StockedItem], soon_days: int) -> list[ItemRow]:
    """The rows of a list of items."""
    return [_row(each.item, _places(each), each.nearest_expiry, soon_days) for each in found]


def of_found(found: Iterable[FoundItem], soon_days: int) -> list[ItemRow]:
    """The rows of what a search found."""
    rows = []
    for each in found:
        places = [
            Place(stock.location.id, stock.location.name, stock.location.storage_type, stock.quantity, stock.unit)
            for stock in each.locations
            if stock.quantity
        ]
        dates = [stock.expiry_date for stock in each.locations if stock.expiry_date and stock.quantity > 0]
        rows.append(_row(each, places, min(dates, default=None), soon_days))
    return rows


def is_misplaced(storage: StorageType, at: StorageType) -> bool:
    """Whether stock is outside its cold storage, as alerts have it."""
    if storage is StorageType.FREEZER:
        return at is not StorageType.FREEZER
    return storage is StorageType.REFRIGERATOR and at not in (StorageType.REFRIGERATOR, StorageType.FREEZER)


def expiry_remark(expires: date | None, soon_days: int) -> str:
    """`expired`, `soon` or nothing."""
    if expires is None or expires > clock.today() + timedelta(days=soon_days):
        return ""
    return "expired" if expires < clock.today() else "soon"


def _row(item: Item, places: list[Place], expires: date | None, soon_days: int) -> ItemRow:
    return ItemRow(item, places, _remark(item, places, expires, soon_days), expires)


def _remark(item: Item, places: list[Place], expires: date | None, soon_days: int) -> str:
    if not item.is_active:
        return "inactive"
    if item.needs_review:
        return "unnamed"
    if any(place.quantity < 0 for place in places):
        return "below_zero"
    by_date = expiry_remark(expires, soon_days)
    if by_date == "expired":
        return by_date
    if any(is_misplaced(item.default_storage_type, place.storage_type) for place in places if place.quantity > 0):
        return "wrong_location"
    if item.min_quantity is not None and item.total_quantity <= item.min_quantity:
        return "low"
    return by_date


def _places(stocked: StockedItem) -> list[Place]:
    held: dict[tuple[int, str], Place] = {}
    for sku in stocked.stock:
        before = held.get((sku.location_id, sku.unit))
        quantity = sku.quantity if before is None else round(before.quantity + sku.quantity, 3)
        held[sku.location_id, sku.unit] = Place(
            sku.location_id, sku.location_name, sku.storage_type, quantity, sku.unit
        )
    return [place for place in held.values() if place.quantity]
