"""Quantities: whole thousandths inside, JSON numbers with at most three decimals outside.

The rule holds for every input (JSON, tables, GS1 codes): a number that is not exact in thousandths is rejected. Only
what floating-point arithmetic leaves, as in 0.1 + 0.2, is rounded: up to a millionth.
"""

from decimal import Decimal
from typing import Annotated

from msgspec import Meta

MAX_QUANTITY = 1_000_000_000
# Every decimal number of up to this many characters survives conversion to a double and back.
_SHORT = 15
# The largest distance to a thousandth that is rounded: more than a sum of doubles is off, less than anyone counts.
_ROUNDED = 1e-6

Quantity = Annotated[
    float,
    Meta(
        ge=0,
        le=MAX_QUANTITY,
        description="A quantity of at least 0 with at most three decimals",
        examples=[1, 2.5, 0.125],
    ),
]
Delta = Annotated[
    float,
    Meta(
        ge=-MAX_QUANTITY,
        le=MAX_QUANTITY,
        description="A change of a quantity, with at most three decimals; negative removes",
        examples=[-1, 2.5],
    ),
]


def read_number(text: str) -> float:
    """Parses a JSON number; raises ValueError if a double represents it neither as written nor as a rounded thousandth.

    `1.00012345678901234567` would lose digits before its decimals could be checked; `1.0000000000000001` is 1.
    """
    number = float(text)
    if len(text) <= _SHORT and "e" not in text and "E" not in text:
        return number
    try:
        is_exact = Decimal(repr(number)) == Decimal(text)
    except ArithmeticError:
        is_exact = False
    if not is_exact and not (abs(number) <= MAX_QUANTITY and _is_near(number)):
        shown = text if len(text) <= 40 else f"{text[:40]}…"
        raise ValueError(f"The number {shown} has too many digits; a quantity has at most three decimals")
    return number


def to_milli(quantity: float, field: str = "quantity") -> int:
    """The thousandths of a quantity; raises ValueError naming `field` if it is not within a millionth of one."""
    milli = round(quantity * 1000)
    # Only the double nearest to a three-decimal number survives the round trip.
    if milli / 1000 != quantity and not _is_near(quantity):
        raise ValueError(f"{field}: must have at most three decimals, got {quantity!r}")
    return milli


def rounded(quantity: float, field: str = "quantity") -> float:
    """The quantity as sent where it is exact in thousandths, else rounded; raises ValueError like `to_milli`.

    Contents are fingerprinted with the rounded quantity, so 0.30000000000000004 sent again as 0.3 counts once.
    """
    exact = to_milli(quantity, field) / 1000
    return quantity if exact == quantity else exact


def _is_near(number: float) -> bool:
    return abs(round(number * 1000) / 1000 - number) <= _ROUNDED


def from_milli(milli: int) -> float:
    """The quantity of a number of thousandths; prints with at most three decimals."""
    return milli / 1000


def quantity_text(milli: int) -> str:
    """A number of thousandths as text: all its digits, a decimal point, and no trailing zeros."""
    return decimal_text(milli, 3)


def decimal_text(number: int, places: int) -> str:
    """`number` units of the last of `places` decimals as text, in the same way."""
    sign, (whole, rest) = "-" * (number < 0), divmod(abs(number), 10**places)
    return f"{sign}{whole}" + (f".{rest:0{places}}".rstrip("0") if rest else "")
