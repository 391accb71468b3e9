"""What the rules of stock work on: items, levels and rows of the ledger as they are in memory for one batch."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

import msgspec

from stocky.quantity import from_milli
from stocky.stock.operations import Operation, RefusalKind
from stocky.stock.schemas import Sku

OversellPolicy = Literal["reject", "clamp", "allow"]


class OperationRejected(Exception):
    """An operation that the rules do not allow; nothing of it was applied."""

    def __init__(self, reason: str, kind: RefusalKind = "policy") -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind


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
    # Thousandths of a piece in a pack: read only for an item that is counted in both.
    pack_milli: int | None = None


class SkuState(msgspec.Struct, gc=False):
    """A SKU with its quantity in thousandths; `id` is 0 until it is written."""

    id: int
    item_id: int
    location_id: int
    expiry_date: date | None
    quantity_milli: int
    unit: str
    notes: str
    is_active: bool
    version: int
    created_at: datetime
    updated_at: datetime

    def to_sku(self) -> Sku:
        return Sku(
            self.id,
            from_milli(self.quantity_milli),
            self.unit,
            self.expiry_date,
            self.notes,
            self.is_active,
            self.item_id,
            self.location_id,
            self.created_at,
            self.updated_at,
            self.version,
        )


class Entry(msgspec.Struct):
    """A row of the ledger to be written. `first` is the row a transfer is named after.

    `unit_scale` is what a thousandth of it weighs in a move between two units: delta times scale sums to 0 over both
    sides. `is_short` says that less was there than was asked for.
    """

    kind: str
    level: SkuState
    delta_milli: int
    quantity_after_milli: int
    operation: Operation
    reverses_id: int | None = None
    first: Entry | None = None
    batch_id: str | None = None
    id: int = 0
    unit_scale: int | None = None
    is_short: bool = False


class EventToUndo(msgspec.Struct, gc=False):
    """A row of the ledger as far as undoing it needs."""

    id: int
    kind: str
    item_id: int
    sku_id: int
    delta_milli: int
    reversed_by: int | None
    batch_id: str | None = None
    # Its delta is in the unit that the SKU had until then.
    is_unit_changed: bool = False


class MergedStock(msgspec.Struct, gc=False):
    """Where a merged item's stock went: to which item, in which batch, and into which SKU that of a SKU of it.

    Without SKUs for an item that held nothing. `is_unit_changed` says that the unit of the latter was changed since.
    """

    item_id: int
    into_id: int
    batch_id: str
    sku_id: int | None
    into_sku_id: int | None
    is_unit_changed: bool
