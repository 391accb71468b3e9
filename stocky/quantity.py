"""Quantities are whole thousandths inside and JSON numbers with at most three decimals outside; nothing is rounded.

The same rule holds wherever a number is read (JSON, tables, GS1 codes): what is not exact in thousandths is refused.
"""

from decimal import Decimal
from typing import Annotated

from msgspec import Meta

MAX_QUANTITY = 1_000_000_000
# Every decimal number of so many characters survives the way through a double.
_SHORT = 15

Quantity = Annotated[
    float,
    Meta(
        ge=0,
        le=MAX_QUANTITY,
        description="A quantity of at least 0 with at most three decimals",
        examples=[1, 2.5, 0.125],
        extra_json_schema={"multipleOf": 0.001},
    ),
]
Delta = Annotated[
    float,
    Meta(
        ge=-MAX_QUANTITY,
        le=MAX_QUANTITY,
        description="A change of a quantity, with at most three decimals; negative takes away",
        examples=[-1, 2.5],
        extra_json_schema={"multipleOf": 0.001},
    ),
]


def read_number(text: str) -> float:
    """The number that a JSON literal stands for; ValueError for one that a double does not keep as it is written.

    `1.0000000000000001` would become 1 and `1e-400` would become 0 before anyone could look at their decimals.
    """
    number = float(text)
    if len(text) <= _SHORT and "e" not in text and "E" not in text:
        return number
    try:
        is_exact = Decimal(repr(number)) == Decimal(text)
    except ArithmeticError:
        is_exact = False
    if not is_exact:
        shown = text if len(text) <= 40 else f"{text[:40]}…"
        raise ValueError(f"The number {shown} has more digits than are kept; a quantity has at most three decimals")
    return number


def to_milli(quantity: float, field: str = "quantity") -> int:
    """Thousandths of a quantity, exactly; ValueError naming `field` when it has more than three decimals."""
    milli = round(quantity * 1000)
    # The nearest double to a three-decimal number is the only one that survives the way back.
    if milli / 1000 != quantity:
        raise ValueError(f"{field}: at most three decimals are kept, and {quantity!r} has more")
    return milli


def from_milli(milli: int) -> float:
    """The quantity that so many thousandths are; prints with at most three decimals."""
    return milli / 1000
