"""Units of quantities: the kind of each unit, and exact conversion between units of a kind. Nothing is rounded.

A unit is free text. The units listed here have a kind and a size within it; pieces and packs are of one kind if an item
has a pack size. Any other text is a kind of its own. The view `counting_unit` holds the same list.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from stocky.quantity import decimal_text

PIECE = "piece"


class Measure(NamedTuple):
    """The kind of a unit, and its size as a multiple of the smallest of its kind; None for a pack (see `pack_size`)."""

    kind: str
    size: int | None


# A size is exact: a pound is 453.59237 g, and an ounce is a sixteenth of it.
_OUNCE = 45_359_237
_NAMES: dict[str, dict[int | None, str]] = {
    "mass": {
        1_600: "mg milligram milligrams milligramme milligrammes",
        1_600_000: "g gram grams gramme grammes",
        1_600_000_000: "kg kgs kilo kilos kilogram kilograms kilogramme kilogrammes",
        _OUNCE: "oz ounce ounces",
        16 * _OUNCE: "lb lbs pound pounds",
    },
    "volume": {
        1: "ml milliliter milliliters millilitre millilitres",
        10: "cl centiliter centiliters centilitre centilitres",
        100: "dl deciliter deciliters decilitre decilitres",
        1_000: "l liter liters litre litres",
    },
    "length": {
        1: "mm millimeter millimeters millimetre millimetres",
        10: "cm centimeter centimeters centimetre centimetres",
        1_000: "m meter meters metre metres",
    },
    "count": {
        1_000: "piece pieces pc pcs",
        None: "pack packs package packages",
    },
}
MEASURES: dict[str, Measure] = {
    name: Measure(kind, size)
    for kind, sizes in _NAMES.items()
    for size, names in sizes.items()
    for name in names.split()
}
_PLURALS = ("", "s", "es", "n", "en", "e", "er")
_MAX_DECIMALS = 12
# The unit of weights on labels.
MILLIGRAM = MEASURES["mg"]


class OtherKind(Exception):
    """The two units cannot be converted into each other."""


class Inexact(Exception):
    """The quantity is not a whole number of thousandths in the other unit; `exact` is the exact number."""

    def __init__(self, exact: Fraction) -> None:
        super().__init__(exact)
        self.exact = exact


def name_of(unit: str) -> str:
    """A unit normalised for comparison: case and surrounding blanks do not matter."""
    return unit.strip().lower()


def measure_of(unit: str) -> Measure:
    """The measure of a unit; an unlisted unit is the only one of its kind."""
    name = name_of(unit)
    return MEASURES.get(name) or Measure(f"={name}", 1)


def is_listed(unit: str) -> bool:
    """Whether the unit has a measure; any other text is a unit of its own."""
    return name_of(unit) in MEASURES


def is_pack(unit: str) -> bool:
    """Whether the size of this unit depends on the item."""
    return measure_of(unit).size is None


def is_weight(unit: str) -> bool:
    """Whether a label's weight can be counted in this unit."""
    return measure_of(unit).kind == MILLIGRAM.kind


def counts_pieces(unit: str) -> bool:
    """Whether one of this unit is one thing, which may have a serial number: neither a measure nor a pack."""
    measure = measure_of(unit)
    return measure.size is not None and (measure.kind == MEASURES[PIECE].kind or measure.kind not in _NAMES)


def is_plural(unit: str, other: str) -> bool:
    """Whether two unlisted units are one word, with the ending of a plural in one of them: `can` and `cans`."""
    short, long = sorted((name_of(unit), name_of(other)), key=len)
    any_is_listed = short in MEASURES or long in MEASURES
    return not any_is_listed and len(short) > 2 and long.startswith(short) and long[len(short) :] in _PLURALS


def ratio(unit: str, into: str, pack_milli: int | None = None) -> Fraction | None:
    """How many of `into` are in one `unit`; None if they are of two kinds, or the pack size is needed and unknown.

    `pack_milli` is the number of thousandths of a piece in a pack.
    """
    if unit == into:
        return Fraction(1)
    own, other = measure_of(unit), measure_of(into)
    if own.kind != other.kind:
        return None
    if own == other:
        return Fraction(1)
    size, into_size = own.size or pack_milli, other.size or pack_milli
    if size is None or into_size is None:
        return None
    return Fraction(size, into_size)


def convert(milli: int | Fraction, unit: str, into: str, pack_milli: int | None = None) -> int:
    """Converts thousandths of `unit` into thousandths of `into`. Raises OtherKind, and Inexact instead of rounding."""
    factor = ratio(unit, into, pack_milli)
    if factor is None:
        raise OtherKind
    exact = milli * factor
    if exact.denominator != 1:
        raise Inexact(Fraction(exact))
    return int(exact)


def pack_size(pack_millis: list[int]) -> int | None:
    """The thousandths of a piece in a pack, by the pack quantities of an item's barcodes; None unless they agree."""
    sizes = {each for each in pack_millis if each != 1000}
    return sizes.pop() if len(sizes) == 1 else None


def nearest(milli: Fraction) -> int:
    """The nearest whole number of thousandths, half away from zero; for display and comparison, never for booking."""
    whole = int(abs(milli) + Fraction(1, 2))
    return whole if milli >= 0 else -whole


def describe(milli: int | Fraction, unit: str | None = None) -> str:
    """A quantity as text with all its decimals, if they are at most twelve, and with its unit if one is given."""
    decimals = range(_MAX_DECIMALS - 3 + 1)
    more = next((each for each in decimals if (milli * 10**each).denominator == 1), None)
    number = f"about {float(milli / 1000):.6g}" if more is None else decimal_text(int(milli * 10**more), 3 + more)
    return number if unit is None else f"{number} {unit}"
