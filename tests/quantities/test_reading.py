"""A parsed number equals its literal, or it is rejected."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocky.quantity import MAX_QUANTITY, from_milli, read_number, to_milli

LITERALS = st.decimals(allow_nan=False, allow_infinity=False).map(lambda number: f"{number:E}") | st.from_regex(
    r"\A-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,22})?([eE][-+]?[0-9]{1,4})?\Z"
)


@given(LITERALS)
def test_parsed_number_equals_its_literal(literal: str) -> None:
    try:
        number = read_number(literal)
    except ValueError:
        # No double prints like this literal.
        assert Decimal(repr(float(literal))) != Decimal(literal)
    else:
        assert Decimal(repr(number)) == Decimal(literal)


@given(st.integers(-MAX_QUANTITY * 1000, MAX_QUANTITY * 1000))
def test_every_thousandth_round_trips(milli: int) -> None:
    assert to_milli(read_number(f"{Decimal(milli) / 1000:f}")) == milli
    assert to_milli(from_milli(milli)) == milli


@pytest.mark.parametrize(
    "literal", ["1e-400", "1e400", "1.0000000000000001", "0." + "0" * 400 + "1", "1e99999999999999"]
)
def test_number_that_a_double_would_round_is_rejected(literal: str) -> None:
    with pytest.raises(ValueError, match="three decimals"):
        read_number(literal)
