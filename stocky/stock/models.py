"""What the rules of stock work on: the items, SKUs and ledger entries of one batch, in memory."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal, NamedTuple

import msgspec

from stocky.quantity import from_milli
from stocky.stock.operations import Operation, PaidPrice, RejectionKind
from stocky.stock.schemas import Sku

OversellPolicy = Literal["reject", "clamp", "allow"]


class OperationRejected(Exception):
    """An operation that the rules do not allow; no part of it is applied."""

    def __init__(self, reason: str, kind: RejectionKind = "policy") -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind


class LotKey(NamedTuple):
    """What tells apart the SKUs of an item at a location; a lot or serial number that is not known is empty."""

    expiry_date: date | None = None
    lot: str = ""
    serial: str = ""
    opened_on: date | None = None

    def describe(self) -> str:
        """As text after the item's name: ` (lot L1, serial number 42, expiring 2026-12-31)`; empty for none of them."""
        named = [
            f"lot {self.lot}" if self.lot else "",
            f"serial number {self.serial}" if self.serial else "",
            f"opened on {self.opened_on}" if self.opened_on else "",
            f"expiring {self.expiry_date}" if self.expiry_date else "",
        ]
        text = ", ".join(filter(None, named))
        return f" ({text})" if text else ""


class StockItem(msgspec.Struct, gc=False):
    """An item as the rules see it."""

    id: int
    name: str
    oversell_policy: OversellPolicy
    is_active: bool
    version: int
    merged_into_id: int | None = None
    min_quantity_milli: int | None = None
    default_storage_type: str = "other"
    needs_review: bool = False
    # How many days it keeps, closed and once it is opened.
    shelf_life_days: int | None = None
    opened_days: int | None = None
    # Thousandths of a piece in a pack; read only for an item that is counted in both.
    pack_milli: int | None = None


class SkuState(msgspec.Struct, array_like=True, gc=False):
    """A SKU with its quantity in thousandths; `id` is 0 until it is written. Every scan reads some, by position."""

    id: int
    item_id: int
    location_id: int
    expiry_date: date | None
    lot: str
    serial: str
    opened_on: date | None
    quantity_milli: int
    unit: str
    notes: str
    is_active: bool
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def key(self) -> LotKey:
        return LotKey(self.expiry_date, self.lot, self.serial, self.opened_on)

    def to_sku(self) -> Sku:
        return Sku(
            self.id,
            from_milli(self.quantity_milli),
            self.unit,
            self.expiry_date,
            self.lot,
            self.serial,
            self.opened_on,
            self.notes,
            self.is_active,
            self.item_id,
            self.location_id,
            self.created_at,
            self.updated_at,
            self.version,
        )


class EntryPrice(msgspec.Struct, frozen=True, gc=False):
    """The price of an entry: what `per_milli` thousandths of `unit` cost."""

    paid: PaidPrice
    per_milli: int
    unit: str


class Entry(msgspec.Struct):
    """A row of the ledger to be written. `first` is the row whose id is the transfer's.

    `unit_scale` is the weight of a thousandth in a move between two units: delta times scale sums to 0 over both
    sides. `is_short`: the stock was less than the request.
    """

    kind: str
    sku: SkuState
    delta_milli: int
    quantity_after_milli: int
    operation: Operation
    reverses_id: int | None = None
    first: Entry | None = None
    batch_id: str | None = None
    id: int = 0
    unit_scale: int | None = None
    is_short: bool = False
    price: EntryPrice | None = None


class EventToUndo(msgspec.Struct, gc=False):
    """The columns of a ledger row that undoing it needs."""

    id: int
    kind: str
    item_id: int
    sku_id: int
    delta_milli: int
    reversed_by: int | None
    batch_id: str | None = None
    # The SKU's unit was changed since; the delta is in the old one.
    is_unit_changed: bool = False


class MergedStock(msgspec.Struct, gc=False):
    """Where a merged item's stock went: the item, the batch, and the target SKU for each of its SKUs.

    The SKUs are None for an item that held no stock. `is_unit_changed`: the target SKU's unit was changed since.
    """

    item_id: int
    into_id: int
    batch_id: str
    sku_id: int | None
    into_sku_id: int | None
    is_unit_changed: bool
