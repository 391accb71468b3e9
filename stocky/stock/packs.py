"""How much one scan counts: the pack quantity of its barcode, the pieces a GS1 code says are in it, or its weight."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import msgspec

from stocky.stock.levels import Refused
from stocky.stock.operations import Operation

# By the unit a thing is kept in: its milligrams. What is weighed first is kept in the first of them.
_MILLIGRAMS = {
    "kg": Decimal(10**6),
    "g": Decimal(10**3),
    "lb": Decimal("453592.37"),
    "oz": Decimal("28349.523125"),
}
_FIRST_UNIT = "kg"


def unpacked(operation: Operation, pack_milli: int, unit: str | None) -> Operation:
    """The operation with its quantity, which counts packs, in the item's unit (None: it has none yet).

    A weight counts where the item is kept by weight; a thing that is kept by the piece is one piece, however heavy.
    Raises Refused for a quantity that has more than three decimals, and for a weight that would count as none.
    """
    scanned = operation.item.scanned if operation.item else None
    if scanned is not None and scanned.milligrams is not None:
        known = _FIRST_UNIT if unit is None else unit.strip().lower()
        if known in _MILLIGRAMS:
            milli = int((scanned.milligrams * 1000 / _MILLIGRAMS[known]).to_integral_value(ROUND_HALF_UP))
            if not milli:
                raise Refused(f"The label's weight is less than 0.001 {unit or known}", "invalid")
            return _times(operation, milli, unit or known)
    if scanned is not None and scanned.count is not None:
        pack_milli *= scanned.count
    return operation if pack_milli == 1000 else _times(operation, pack_milli, operation.unit)


def _times(operation: Operation, pack_milli: int, unit: str | None) -> Operation:
    product = operation.quantity_milli * pack_milli
    if product % 1000:
        raise Refused("The quantity times the pack quantity has more than three decimals", "invalid")
    return msgspec.structs.replace(operation, quantity_milli=product // 1000, unit=unit)
