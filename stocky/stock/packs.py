"""How much one scan counts: the pack quantity of its barcode, the pieces a GS1 code says are in it, or its weight."""

from __future__ import annotations

from fractions import Fraction

import msgspec

from stocky.barcodes.reading import Reading
from stocky.stock import units
from stocky.stock.models import Refused
from stocky.stock.operations import Operation

# What is weighed first is kept in it.
_FIRST_UNIT = "kg"


def unpacked(operation: Operation, pack_milli: int, unit: str | None, content: str | None) -> Operation:
    """The operation with its quantity, which counts packs, in the unit of what is in them.

    `unit` is what the stock there is counted in (None: the item was never anywhere), and `content` what a pack quantity
    counts (None: whatever the stock there is counted in). A weight counts where stock is kept by weight; a thing that
    is kept by the piece is one piece, however heavy. Raises Refused for a quantity that has more than three decimals.
    """
    scanned = operation.item.scanned if operation.item else None
    if scanned is not None and scanned.milligrams is not None:
        known = unit or _FIRST_UNIT
        if units.is_weight(known):
            return _times(operation, _weight_milli(scanned, scanned.milligrams, known), known)
    if scanned is not None and scanned.count is not None:
        pack_milli *= scanned.count
    if pack_milli == 1000 and content is None:
        return operation
    return _times(operation, pack_milli, content)


def _weight_milli(scanned: Reading, milligrams: int, unit: str) -> int:
    """The weight of a label in thousandths of a unit; rounded only from pounds and ounces, which its note tells."""
    assert units.MILLIGRAM.size is not None
    exact = Fraction(milligrams * 1000 * units.MILLIGRAM.size, units.measure_of(unit).size or 1)
    if exact < Fraction(1, 2) or (exact < 1 and not scanned.is_rounded):
        raise Refused(f"The label's weight is less than 0.001 {unit}", "invalid")
    if exact.denominator != 1 and not scanned.is_rounded:
        raise Refused(
            f"The label's weight is {units.told(exact, unit)}, which has more than three decimals; nothing is rounded."
            f" Count the stock there in a smaller unit than {unit}",
            "invalid",
        )
    return units.nearest(exact)


def _times(operation: Operation, pack_milli: int, unit: str | None) -> Operation:
    product = operation.quantity_milli * pack_milli
    if product % 1000:
        raise Refused("The quantity times the pack quantity has more than three decimals", "invalid")
    return msgspec.structs.replace(operation, quantity_milli=product // 1000, unit=unit)
