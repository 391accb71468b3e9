"""Prices: whole millionths of the currency inside, JSON numbers with at most six decimals outside.

The rule is that of quantities (`quantity.py`): what is not exact in millionths is rejected, and nothing is rounded but
what floating-point arithmetic leaves: a few units in the last place of the number. Products of prices and quantities
may have more than 64 bits, so they are computed in Python, never by a database.
"""

from __future__ import annotations

from fractions import Fraction
from math import ulp
from typing import Annotated

from msgspec import Meta

MAX_PRICE = 1_000_000_000
MICRO = 1_000_000
# The largest distance to a millionth that is rounded: in units in the last place, and for the largest prices.
_ROUNDED_ULPS = 4
_ROUNDED = 2.5e-7

UnitPrice = Annotated[
    float,
    Meta(
        ge=0,
        le=MAX_PRICE,
        description="What one of the unit costs, in the currency of the settings: at least 0, at most six decimals",
        examples=[2.49, 0.0042],
    ),
]
Currency = Annotated[
    str,
    Meta(
        pattern=r"^[A-Z]{3}$(?!\n)",
        description="The currency of all prices, by its ISO 4217 code. A change converts no price",
        examples=["EUR"],
    ),
]


def to_micro(price: float, field: str = "unit_price") -> int:
    """The millionths of a price; raises ValueError naming `field` if it has more decimals."""
    micro = round(price * MICRO)
    if abs(micro / MICRO - price) > min(_ROUNDED_ULPS * ulp(price), _ROUNDED):
        raise ValueError(f"{field}: must have at most six decimals, got {price!r}")
    return micro


def rounded_price(price: float, field: str = "unit_price") -> float:
    """The price as sent where it is exact in millionths, else rounded; raises ValueError like `to_micro`."""
    exact = to_micro(price, field) / MICRO
    return price if exact == price else exact


def from_micro(micro: int) -> float:
    """The amount of a number of millionths; prints with at most six decimals."""
    return micro / MICRO


def nearest(micro: int | Fraction) -> int:
    """The nearest whole number of millionths, half away from zero."""
    if isinstance(micro, int):
        return micro
    whole = int(abs(micro) + Fraction(1, 2))
    return whole if micro >= 0 else -whole


def list_currencies() -> list[str]:
    """The codes of all currencies, those of the past, too."""
    # Only a change of the setting needs it, and Babel's data takes time to load.
    from babel.core import get_global

    return sorted(get_global("all_currencies"))


def check_currency(code: str) -> None:
    """Raises ValueError for a code that names no currency."""
    if code not in list_currencies():
        raise ValueError(f"currency: {code} is not a currency; send its ISO 4217 code, such as EUR or CHF")
