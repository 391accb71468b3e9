"""Requests and responses about what is lent."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from stocky.quantity import Quantity, rounded
from stocky.schema import Id
from stocky.stock.schemas import EventId, ExpiryDate, Lot, Notes, Serial, Unit, normalized_lot


class Loan(Struct, kw_only=True):
    """What one event brought to a person, and how much of it is still there.

    What was there first counts as returned first, unless a return names the loan.
    """

    id: int
    item_id: int
    item_name: str
    item_code: str
    person_id: int
    person_path: str
    from_location_id: int | None
    from_path: str | None
    sku_id: int
    expiry_date: date | None
    lot: str
    serial: str
    quantity: float
    outstanding: float
    unit: str
    due_on: date | None
    is_overdue: bool
    note: str
    lent_at: datetime
    stock_event_id: int
    updated_at: datetime


class NewLoan(Struct, kw_only=True, omit_defaults=True):
    """Stock to lend: of an item, or one SKU; it moves to the person's location."""

    person_id: Id
    quantity: Quantity
    item_id: Id | None = None
    sku_id: Id | None = None
    location_id: Id | None = None
    unit: Unit | None = None
    expiry_date: ExpiryDate | None | UnsetType = UNSET
    lot: Lot | None = None
    serial: Serial | None = None
    due_on: date | None = None
    note: Notes | None = None
    event_id: EventId | None = None
    occurred_at: Annotated[datetime, Meta(tz=True)] | None = None

    def __post_init__(self) -> None:
        self.quantity = rounded(self.quantity)
        if self.quantity == 0:
            raise ValueError("quantity: must be more than 0")
        self.lot, self.expiry_date, self.serial = normalized_lot(self.lot, self.expiry_date, self.serial)
        if (self.item_id is None) == (self.sku_id is None):
            raise ValueError("item_id: name either the item or the SKU to lend")
        names_lot = bool(self.lot or self.serial) or not isinstance(self.expiry_date, UnsetType)
        if self.sku_id is not None and (names_lot or self.location_id is not None):
            raise ValueError("sku_id: names the location and the lot already; leave these out")


class Lent(Struct, kw_only=True):
    """What was lent: a loan for each lot that was moved."""

    loans: list[Loan]
    batch_id: str | None
    duplicate: bool = False


class LoanChange(Struct, kw_only=True):
    """Changes to a loan; fields not sent keep their values."""

    due_on: date | None | UnsetType = UNSET
    note: Notes | None | UnsetType = UNSET


class LoanReturn(Struct, kw_only=True, omit_defaults=True):
    """A return of a loan: of all that is outstanding, and to where it came from, unless it names others."""

    quantity: Quantity | None = None
    location_id: Id | None = None
    note: Notes | None = None
    event_id: EventId | None = None
    occurred_at: Annotated[datetime, Meta(tz=True)] | None = None

    def __post_init__(self) -> None:
        if self.quantity is not None:
            self.quantity = rounded(self.quantity)
            if self.quantity == 0:
                raise ValueError("quantity: must be more than 0")
