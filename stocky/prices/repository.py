"""Reads, adds, corrects and removes prices; those of events are added by the recorder, with the events."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from fractions import Fraction
from typing import Any

import msgspec
from msgspec import Struct, UnsetType

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.catalogue.repository import get_usable_item
from stocky.db import Connection, Listing
from stocky.errors import Invalid, NotFound, Stale
from stocky.logs import audit
from stocky.money import from_micro, nearest, to_micro
from stocky.prices.schemas import LastPrice, NewPrice, Price, PriceChange
from stocky.schema import is_empty, or_current
from stocky.settings.repository import get_currency
from stocky.stock.batch import CLOCK_TOLERANCE
from stocky.stock.repository import get_sku
from stocky.stock.units import PIECE


class _Row(Struct):
    id: int
    item_id: int
    sku_id: int | None
    event_id: int | None
    price_micro: int
    per_milli: int
    unit: str
    seller: str
    paid_at: datetime
    user_id: int | None
    created_at: datetime
    updated_at: datetime
    version: int
    expiry_date: date | None
    lot: str
    serial: str
    is_undone: bool

    @property
    def unit_price(self) -> float:
        return from_micro(unit_micro(self.price_micro, self.per_milli))

    def to_price(self) -> Price:
        names = Price.__struct_fields__
        return Price(**{name: getattr(self, name) for name in names})


def unit_micro(price_micro: int, per_milli: int) -> int:
    """The price of one of the unit in millionths, rounded to the nearest."""
    return nearest(Fraction(price_micro * 1000, per_milli))


async def list_prices(
    read: Connection, item_id: int, *, skip: int, limit: int, listing: Listing | None = None
) -> list[Price]:
    """The prices of an item and of those merged into it, newest first, also those that do not count."""
    rows = await read.page("list_prices_of_item", _Row, listing, item_id=item_id, skip=skip, limit=limit)
    return [row.to_price() for row in rows]


async def find_last_price(read: Connection, item_id: int) -> LastPrice | None:
    """The price that was paid last for an item; None for none."""
    row = await read.one("find_last_price", _Row, item_id=item_id)
    if row is None:
        return None
    return LastPrice(
        unit_price=row.unit_price,
        unit=row.unit,
        currency=await get_currency(read),
        seller=row.seller,
        paid_at=row.paid_at,
        price_id=row.id,
    )


async def get_price(read: Connection, price_id: int) -> Price:
    """Raises NotFound."""
    return (await _get_row(read, price_id)).to_price()


async def add_price(tx: Connection, item_id: int, new: NewPrice, by: Principal) -> Price:
    """Records a price without an event. Raises NotFound, Conflict for a hidden item, Invalid for a SKU of another."""
    _check_time(new.paid_at)
    item = await get_usable_item(tx, item_id)
    unit = new.unit or item.unit or PIECE
    if new.sku_id is not None:
        sku = await get_sku(tx, new.sku_id)
        if sku.item_id != item_id:
            raise Invalid(f"SKU {sku.id} is of another item", field="sku_id")
        unit = new.unit or sku.unit
    seller = None if new.seller is None else new.seller.strip() or None
    price_id = await insert_price(
        tx, item_id, new.sku_id, to_micro(new.unit_price), unit, by, seller=seller, paid_at=new.paid_at
    )
    details = {"item_id": item_id, "name": item.name, "unit_price": new.unit_price, "unit": unit}
    await audit.record(tx, by, "created", "price", price_id, details)
    return await get_price(tx, price_id)


def _check_time(paid_at: datetime | None) -> None:
    if paid_at is not None and not clock.LONG_AGO <= paid_at <= clock.now() + CLOCK_TOLERANCE:
        raise Invalid("must be between 1970 and now", field="paid_at")


async def insert_price(
    tx: Connection,
    item_id: int,
    sku_id: int | None,
    price_micro: int,
    unit: str,
    by: Principal,
    *,
    seller: str | None = None,
    paid_at: datetime | None = None,
) -> int:
    """Stores a price without an event, and returns its id. The caller checks it, and records it in the audit trail."""
    moment = clock.now()
    price_id: int = await tx.value(
        "add_price",
        item_id=item_id,
        sku_id=sku_id,
        price_micro=price_micro,
        unit=unit,
        seller=seller,
        paid_at=paid_at or moment,
        user_id=by.id,
        created_at=moment,
    )
    return price_id


async def change_price(
    tx: Connection, price_id: int, change: PriceChange, by: Principal, if_versions: Collection[int] | None
) -> Price:
    """Corrects a price. Raises NotFound, Stale."""
    row = await _lock(tx, price_id, if_versions)
    if not isinstance(change.paid_at, UnsetType):
        _check_time(change.paid_at)
    if is_empty(change):
        return row.to_price()
    price_micro, per_milli = row.price_micro, row.per_milli
    if isinstance(change.unit_price, (int, float)):
        price_micro, per_milli = to_micro(change.unit_price), 1000
    await tx.execute(
        "change_price",
        id=price_id,
        price_micro=price_micro,
        per_milli=per_milli,
        unit=or_current(change.unit, row.unit),
        seller=or_current(change.seller, row.seller).strip(),
        paid_at=or_current(change.paid_at, row.paid_at),
        updated_at=clock.now(),
    )
    fields = [name for name in change.__struct_fields__ if not isinstance(getattr(change, name), UnsetType)]
    details = {
        "item_id": row.item_id,
        "before": {name: msgspec.to_builtins(getattr(row, name)) for name in fields},
        "after": {name: msgspec.to_builtins(getattr(change, name)) for name in fields},
    }
    await audit.record(tx, by, "changed", "price", price_id, details)
    return await get_price(tx, price_id)


async def remove_price(
    tx: Connection, price_id: int, by: Principal, if_versions: Collection[int] | None = None
) -> None:
    """Removes a price; the event that it belongs to stays. Raises NotFound, Stale."""
    row = await _lock(tx, price_id, if_versions)
    await tx.execute("remove_price", id=price_id)
    details: dict[str, Any] = {"item_id": row.item_id, "unit_price": row.unit_price, "unit": row.unit}
    await audit.record(tx, by, "deleted", "price", price_id, details)


async def _lock(tx: Connection, price_id: int, if_versions: Collection[int] | None) -> _Row:
    """The price, with its item locked until the transaction ends. Raises NotFound, Stale."""
    row = await _get_row(tx, price_id)
    await tx.all("lock_items", dict[str, Any], ids=[row.item_id])
    row = await _get_row(tx, price_id)
    if if_versions is not None and row.version not in if_versions:
        raise Stale(f"The price was changed since you read it (version {row.version} now); read it again and repeat")
    return row


async def _get_row(read: Connection, price_id: int) -> _Row:
    row = await read.one("get_price", _Row, id=price_id)
    if row is None:
        raise NotFound(f"There is no price with id {price_id}")
    return row
