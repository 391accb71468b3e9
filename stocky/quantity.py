"""Quantities are whole thousandths inside and JSON numbers with at most three decimals outside; nothing is rounded."""

from typing import Annotated

from msgspec import Meta

MAX_QUANTITY = 1_000_000_000

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
