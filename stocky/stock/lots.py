"""Which stock an operation means: the SKU that it names, those it may take from, and the one place of a piece.

Pure rules, without a database. A serial number names one piece, which is in stock at one place at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from fractions import Fraction

from stocky.quantity import quantity_text
from stocky.schema import MAX_ID
from stocky.stock import units
from stocky.stock.models import Entry, LotKey, OperationRejected, SkuState, StockItem
from stocky.stock.operations import AnyLot, Operation

_PIECE = 1000
_NO_LOT = LotKey()


def lot_of(operation: Operation, skus: list[SkuState]) -> LotKey:
    """The lot that an operation names; what it leaves out of one of these SKUs is as it is recorded there."""
    if not operation.names_lot:
        return _NO_LOT
    expiry_date, lot, serial = operation.expiry_date, operation.lot, operation.serial
    if not isinstance(serial, AnyLot) and serial:
        # The date of what is closed: that of what was opened may be earlier.
        piece = max((sku for sku in skus if sku.serial == serial), key=_closed_and_new, default=None)
        if piece is not None:
            expiry_date = piece.expiry_date if isinstance(expiry_date, AnyLot) else expiry_date
            lot = piece.lot if isinstance(lot, AnyLot) else lot
    if isinstance(expiry_date, AnyLot) and not isinstance(lot, AnyLot) and lot:
        dates = {sku.expiry_date for sku in skus if sku.lot == lot and sku.opened_on is None}
        expiry_date = dates.pop() if len(dates) == 1 else None
    return LotKey(
        None if isinstance(expiry_date, AnyLot) else expiry_date,
        "" if isinstance(lot, AnyLot) else lot,
        "" if isinstance(serial, AnyLot) else serial,
        None if isinstance(operation.opened_on, AnyLot) else operation.opened_on,
    )


def is_named(operation: Operation, sku: SkuState) -> bool:
    """Whether an operation without `sku_id` may mean this SKU of its item."""
    expiry_date, lot, serial = operation.expiry_date, operation.lot, operation.serial
    if not isinstance(expiry_date, AnyLot) and sku.expiry_date != expiry_date:
        # A label names what was opened of its lot, too, which may expire earlier.
        if not operation.of_label or sku.opened_on is None or sku.expiry_date is None or expiry_date is None:
            return False
        if sku.expiry_date > expiry_date:
            return False
    if not isinstance(operation.opened_on, AnyLot) and sku.opened_on != operation.opened_on:
        return False
    if operation.of_label:
        # Not recorded is what was booked without its label, or before Stocky recorded lots.
        return (isinstance(lot, AnyLot) or sku.lot in ("", lot)) and (
            isinstance(serial, AnyLot) or sku.serial in ("", serial)
        )
    return (isinstance(lot, AnyLot) or sku.lot == lot) and (isinstance(serial, AnyLot) or sku.serial == serial)


def preference(operation: Operation, sku: SkuState) -> tuple[bool, bool, date, bool, bool, int]:
    """Sort key of the SKUs to take from: the named piece and lot, the earliest expiry, opened, without a number."""
    lot, serial = operation.lot, operation.serial
    return (
        not isinstance(serial, AnyLot) and sku.serial != serial,
        not isinstance(lot, AnyLot) and sku.lot != lot,
        sku.expiry_date or date.max,
        sku.opened_on is None,
        sku.serial != "",
        sku.id,
    )


def describe_named(item: StockItem, operation: Operation) -> str:
    """The item's name, with the lot and the serial number that an operation names."""
    if operation.of_label:
        return item.name
    lot = "" if isinstance(operation.lot, AnyLot) else operation.lot
    serial = "" if isinstance(operation.serial, AnyLot) else operation.serial
    return f"{item.name}{LotKey(None, lot, serial).describe()}"


def quantity_elsewhere(
    operation: Operation, item: StockItem, skus: Iterable[SkuState], location_id: int, unit: str
) -> int:
    """Thousandths of the unit that are at other locations of what an operation names, also at persons."""
    found = Fraction()
    for sku in skus:
        if sku.location_id != location_id and sku.is_active and is_named(operation, sku):
            found += sku.quantity_milli * (units.ratio(sku.unit, unit, item.pack_milli) or Fraction())
    return units.nearest(found)


def check_serials(
    entries: Iterable[Entry], items: Mapping[int, StockItem], skus_of: Callable[[int], list[SkuState]]
) -> None:
    """Raises OperationRejected if these entries of an operation leave other than one piece of a serial number."""
    for entry in entries:
        sku = entry.sku
        if not sku.serial:
            continue
        name = f"{items[sku.item_id].name}, serial number {sku.serial},"
        if sku.quantity_milli and any(
            other.quantity_milli for other in skus_of(sku.item_id) if other.serial == sku.serial and other is not sku
        ):
            raise OperationRejected(f"{name} is in stock at another place already; move it from there instead")
        if sku.quantity_milli == 2 * _PIECE and entry.delta_milli == _PIECE:
            raise OperationRejected(f"{name} is in stock already")
        if sku.quantity_milli not in (0, _PIECE):
            left = quantity_text(sku.quantity_milli)
            raise OperationRejected(f"{name} is one piece, and would be {left}; book it alone, with the quantity 1")


def _closed_and_new(sku: SkuState) -> tuple[bool, int]:
    return sku.opened_on is None, sku.id or MAX_ID
