"""Quantities: whole thousandths inside, JSON numbers with at most three decimals outside; nothing is rounded.

The rule holds for every input (JSON, tables, GS1 codes): a number that is not exact in thousandths is rejected.
"""

from decimal import Decimal
from typing import Annotated

from msgspec import Meta

MAX_QUANTITY = 1_000_000_000
# Every decimal number of up to this many characters survives conversion to a double and back.
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
        description="A change of a quantity, with at most three decimals; negative removes",
        examples=[-1, 2.5],
        extra_json_schema={"multipleOf": 0.001},
    ),
]


def read_number(text: str) -> float:
    """Parses a JSON number; raises ValueError if a double cannot represent it as written.

    `1.0000000000000001` would become 1 and `1e-400` would become 0 before their decimals could be checked.
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
        raise ValueError(f"The number {shown} has too many digits; a quantity has at most three decimals")
    return number


def to_milli(quantity: float, field: str = "quantity") -> int:
    """The exact thousandths of a quantity; raises ValueError naming `field` for more than three decimals."""
    milli = round(quantity * 1000)
    # Only the double nearest to a three-decimal number survives the round trip.
    if milli / 1000 != quantity:
        raise ValueError(f"{field}: must have at most three decimals, got {quantity!r}")
    return milli


def from_milli(milli: int) -> float:
    """The quantity of a number of thousandths; prints with at most three decimals."""
    return milli / 1000
