"""Conversion between units: exact fractions or none, with the same list in the database."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocky.config import Config
from stocky.stock import units
from tests.architecture import schema

# Sizes by hand, in the smallest unit of each kind.
EXACT = {
    "mg": ("mass", Fraction(1, 1000)),
    "g": ("mass", Fraction(1)),
    "kg": ("mass", Fraction(1000)),
    "oz": ("mass", Fraction("28.349523125")),
    "lb": ("mass", Fraction("453.59237")),
    "ml": ("volume", Fraction(1)),
    "cl": ("volume", Fraction(10)),
    "dl": ("volume", Fraction(100)),
    "l": ("volume", Fraction(1000)),
    "mm": ("length", Fraction(1)),
    "cm": ("length", Fraction(10)),
    "m": ("length", Fraction(1000)),
    "piece": ("count", Fraction(1)),
    "bag": ("bag", Fraction(1)),
}
NAMES = st.sampled_from(sorted(EXACT))
MILLIS = st.integers(-(10**15), 10**15)


@given(MILLIS, NAMES, NAMES)
def test_conversion_is_exact_or_rejected(milli: int, unit: str, into: str) -> None:
    (kind, size), (into_kind, into_size) = EXACT[unit], EXACT[into]
    if kind != into_kind:
        with pytest.raises(units.OtherKind):
            units.convert(milli, unit, into)
        return
    exact = milli * size / into_size
    if exact.denominator == 1:
        assert units.convert(milli, unit, into) == exact
        assert units.convert(units.convert(milli, unit, into), into, unit) == milli
    else:
        with pytest.raises(units.Inexact) as refusal:
            units.convert(milli, unit, into)
        assert refusal.value.exact == exact


@given(MILLIS, st.integers(1, 10**6).filter(lambda pack: pack != 1000))
def test_pack_is_converted_by_its_pack_size(milli: int, pack_milli: int) -> None:
    assert units.convert(milli * 1000, "packs", "piece", pack_milli) == milli * pack_milli
    assert units.convert(milli * pack_milli, "pieces", "pack", pack_milli) == milli * 1000
    assert units.convert(milli, "pack", "Packs ") == milli
    for unit, into in (("pack", "piece"), ("pc", "pack")):
        with pytest.raises(units.OtherKind):
            units.convert(milli, unit, into)


def test_differing_pack_quantities_have_no_pack_size() -> None:
    assert units.pack_size([1000, 6000, 6000]) == 6000
    assert units.pack_size([1000, 6000, 24_000]) is None
    assert units.pack_size([]) is None


@given(st.fractions(min_value=-(10**12), max_value=10**12))
def test_displayed_quantity_is_the_nearest_thousandth(milli: Fraction) -> None:
    shown = units.nearest(milli)
    assert abs(shown - milli) <= Fraction(1, 2)
    assert units.nearest(-milli) == -shown


@pytest.mark.usefixtures("app")
@given(st.integers(-(10**15), 10**15), st.integers(0, 9))
def test_quantity_is_described_with_all_its_decimals(number: int, places: int) -> None:
    exact = Fraction(number * 1000, 10**places)
    described = units.describe(exact)
    assert Fraction(described) * 1000 == exact
    assert "e" not in described
    assert not described.endswith(".")
    assert "." not in described or not described.endswith("0")
    assert units.describe(number) == units.describe(Fraction(number))


def test_quantity_of_endless_decimals_is_described_as_about() -> None:
    assert units.describe(1_234_567_000) == "1234567"
    assert units.describe(Fraction(1000, 3), "kg") == "about 0.333333 kg"


def test_the_database_has_the_same_units(config: Config) -> None:
    rows = schema.run(config, "SELECT name, kind, size FROM counting_unit")
    assert {name: units.Measure(kind, size) for name, kind, size in rows} == units.MEASURES
