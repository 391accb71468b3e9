"""Rows of item lists: an item with its locations and its most urgent remark, from a list of items or a search."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from msgspec import Struct

from stocky import clock
from stocky.catalogue.schemas import Item
from stocky.schema import LocationKind, StorageType
from stocky.search.schemas import FoundItem
from stocky.stock.item_stock import StockedItem


class LocationStock(Struct, frozen=True):
    """The stock of an item at one location: all lots in one unit together."""

    location_id: int
    name: str
    storage_type: StorageType
    quantity: float
    unit: str
    is_lent: bool = False


class ItemRow(Struct, frozen=True):
    """A row; `locations` are those with stock, `remark` the most urgent one, or by expiry that date."""

    item: Item
    locations: list[LocationStock]
    remark: str
    expires: date | None


def of_stocked(found: Iterable[StockedItem], soon_days: int) -> list[ItemRow]:
    """The rows of a list of items."""
    return [
        _row(each.item, _locations(each), each.nearest_expiry, soon_days)
        if each.expiring is None
        else _row_by_expiry(each.item, _locations(each), each.expiring.expiry_date, soon_days)
        for each in found
    ]


def of_found(found: Iterable[FoundItem], soon_days: int) -> list[ItemRow]:
    """The rows of a search's results."""
    rows = []
    for each in found:
        locations = [
            LocationStock(
                stock.location.id,
                stock.location.path,
                stock.location.storage_type,
                stock.quantity,
                stock.unit,
                is_lent=stock.location.kind is LocationKind.PERSON,
            )
            for stock in each.locations
            if stock.quantity
        ]
        dates = [stock.expiry_date for stock in each.locations if stock.expiry_date and stock.quantity > 0]
        rows.append(_row(each, locations, min(dates, default=None), soon_days))
    return rows


def is_misplaced(storage: StorageType, at: StorageType) -> bool:
    """Whether stock is outside its cold storage, by the rule of the alerts."""
    if storage is StorageType.FREEZER:
        return at is not StorageType.FREEZER
    return storage is StorageType.REFRIGERATOR and at not in (StorageType.REFRIGERATOR, StorageType.FREEZER)


def expiry_remark(expires: date | None, soon_days: int) -> str:
    """`expired`, `soon` or nothing."""
    if expires is None or expires > clock.local_today() + timedelta(days=soon_days):
        return ""
    return "expired" if expires < clock.local_today() else "soon"


def _row(item: Item, locations: list[LocationStock], expires: date | None, soon_days: int) -> ItemRow:
    return ItemRow(item, locations, _remark(item, locations, expires, soon_days), expires)


def _row_by_expiry(item: Item, locations: list[LocationStock], expires: date, soon_days: int) -> ItemRow:
    return ItemRow(item, locations, expiry_remark(expires, soon_days), expires)


def _remark(item: Item, locations: list[LocationStock], expires: date | None, soon_days: int) -> str:
    if not item.is_active:
        return "inactive"
    if item.needs_review:
        return "unnamed"
    if any(each.quantity < 0 for each in locations):
        return "below_zero"
    by_date = expiry_remark(expires, soon_days)
    if by_date == "expired":
        return by_date
    if any(
        is_misplaced(item.default_storage_type, location.storage_type)
        for location in locations
        if location.quantity > 0 and not location.is_lent
    ):
        return "wrong_location"
    if item.min_quantity is not None and item.total_quantity <= item.min_quantity:
        return "low"
    return by_date


def _locations(stocked: StockedItem) -> list[LocationStock]:
    held: dict[tuple[int, str], LocationStock] = {}
    for sku in stocked.stock:
        before = held.get((sku.location_id, sku.unit))
        quantity = sku.quantity if before is None else round(before.quantity + sku.quantity, 3)
        held[sku.location_id, sku.unit] = LocationStock(
            sku.location_id, sku.location_path, sku.storage_type, quantity, sku.unit, is_lent=sku.is_lent
        )
    return [each for each in held.values() if each.quantity]
