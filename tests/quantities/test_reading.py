"""A parsed number equals its literal, or is a thousandth within a millionth of it, or is rejected."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocky.quantity import MAX_QUANTITY, from_milli, read_number, rounded, to_milli

LITERALS = st.decimals(allow_nan=False, allow_infinity=False).map(lambda number: f"{number:E}") | st.from_regex(
    r"\A-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,22})?([eE][-+]?[0-9]{1,4})?\Z"
)


@given(LITERALS)
def test_parsed_number_equals_its_literal_or_is_rounded(literal: str) -> None:
    try:
        number = read_number(literal)
    except ValueError:
        # No double prints like this literal.
        assert Decimal(repr(float(literal))) != Decimal(literal)
    else:
        if Decimal(repr(number)) != Decimal(literal):
            assert abs(to_milli(number) / Decimal(1000) - Decimal(literal)) < Decimal("1.2e-6")


@given(st.integers(-MAX_QUANTITY * 1000, MAX_QUANTITY * 1000))
def test_every_thousandth_round_trips(milli: int) -> None:
    assert to_milli(read_number(f"{Decimal(milli) / 1000:f}")) == milli
    assert to_milli(from_milli(milli)) == milli


@given(st.integers(-MAX_QUANTITY * 1000, MAX_QUANTITY * 1000), st.floats(-0.9e-6, 0.9e-6))
def test_what_is_within_a_millionth_of_a_thousandth_is_rounded(milli: int, off: float) -> None:
    assert to_milli(milli / 1000 + off) == milli
    assert rounded(milli / 1000 + off) == milli / 1000


@pytest.mark.parametrize("quantity", [0.0001, 1.00001, 0.000002, -0.5004])
def test_fourth_decimal_is_rejected(quantity: float) -> None:
    with pytest.raises(ValueError, match="size: must have at most three decimals"):
        to_milli(quantity, "size")


@pytest.mark.parametrize(
    ("literal", "number"), [("1.0000000000000001", 1), ("1e-400", 0), ("0.30000000000000004", 0.3)]
)
def test_rounded_literal(literal: str, number: float) -> None:
    assert rounded(read_number(literal)) == number


@pytest.mark.parametrize("literal", ["1e400", "1.00012345678901234567", "1e99999999999999"])
def test_number_that_a_double_would_round_is_rejected(literal: str) -> None:
    with pytest.raises(ValueError, match="three decimals"):
        read_number(literal)
