"""Variable-measure barcodes: EAN-13 of a shop's scales, with a weight, price or count beside the number of the item.

Rules say which digits are which. All pieces of an item have one key: that of its item number, whose measure is zeros.
Without a rule for its prefix such a number is a barcode like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from stocky.barcodes.codes import ScannedCode, has_check_digit, normalize_barcode, printed, with_check_digit

MAX_RULES = 50
# Of an EAN-13 without its check digit.
_DIGITS = 12
_MILLIGRAMS_PER_KG = 1_000_000


class MeasureRule(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How the digits of a variable-measure barcode are read: the prefix, the item's digits, and those of the measure.

    With the position of a price check digit, where there is one, they are the first 12; the last is the check digit.
    """

    prefix: Annotated[
        str,
        Meta(
            pattern=r"^(02|2)[0-9]{0,4}$(?!\n)",
            description="The digits at the beginning; 02 is that of a UPC-A that begins with 2. The longest one wins",
            examples=["28"],
        ),
    ]
    item_digits: Annotated[
        int, Meta(ge=1, le=10, description="How many digits after the prefix are the item's", examples=[5])
    ]
    measure: Annotated[
        Literal["weight", "price", "count"],
        Meta(description="What the other digits are: a `weight`, a `price` or a `count`"),
    ]
    measure_digits: Annotated[int, Meta(ge=1, le=8, description="How many digits the measure has", examples=[5])]
    divisor: Annotated[
        Literal[1, 10, 100, 1_000],
        Meta(
            description="The measure is divided by `1`, `10`, `100` or `1000`: for a weight in grams, to be read in kg"
        ),
    ] = 1
    check_position: Annotated[
        int | None,
        Meta(
            description="The position of the price check digit among the 13 digits, which is skipped; null without one",
            examples=[7],
        ),
    ] = None

    def __post_init__(self) -> None:
        digits = len(self.prefix) + self.item_digits + self.measure_digits + (self.check_position is not None)
        if digits != _DIGITS:
            raise ValueError(
                f"measure_digits: prefix, item digits, measure digits and price check digit are {digits} digits;"
                f" together they must be {_DIGITS}, since the 13th is the check digit"
            )
        if self.check_position is not None and not len(self.prefix) < self.check_position <= _DIGITS:
            raise ValueError(
                f"check_position: must be behind the prefix, from {len(self.prefix) + 1} to {_DIGITS}; the first digit"
                " is 1"
            )
        if self.measure == "count" and self.divisor != 1:
            raise ValueError("divisor: a count is whole; set it to 1")

    @property
    def positions(self) -> list[int]:
        """The indexes of the measure's digits."""
        indexes = [index for index in range(len(self.prefix), _DIGITS) if index + 1 != self.check_position]
        return indexes[self.item_digits :]


def may_have_measure(key: str) -> bool:
    """Whether this is the key of an EAN-13 with the prefix 02 or 20 to 29."""
    return len(key) == 14 and key.startswith(("02", "002")) and key.isascii() and key.isdigit() and has_check_digit(key)


def find_rule(key: str, rules: Sequence[MeasureRule]) -> MeasureRule | None:
    """The rule with the longest prefix of the number with this key."""
    matching = [rule for rule in rules if key.startswith(rule.prefix, 1)]
    return max(matching, key=lambda rule: len(rule.prefix), default=None)


def read_measure(code: ScannedCode, rules: Sequence[MeasureRule]) -> ScannedCode:
    """Reads a plain barcode by the rules; returns any other code unchanged.

    A measure of 0 is none: that is the item number itself.
    """
    key = code.key
    if not may_have_measure(key) or (rule := find_rule(key, rules)) is None or normalize_barcode(code.text) != key:
        return code
    digits = list(key[1:13])
    value = int("".join(digits[index] for index in rule.positions))
    for index in (*rule.positions, *(() if rule.check_position is None else (rule.check_position - 1,))):
        digits[index] = "0"
    item_key = with_check_digit(f"0{''.join(digits)}")
    read = code
    if item_key != key:
        read = msgspec.structs.replace(code, key=item_key, code=printed(item_key), piece_key=key)
    if value == 0:
        return read
    if rule.measure == "weight":
        return msgspec.structs.replace(read, milligrams=value * _MILLIGRAMS_PER_KG // rule.divisor)
    if rule.measure == "count":
        return msgspec.structs.replace(read, count=value)
    price = _decimal(value, rule.divisor)
    return msgspec.structs.replace(read, price=price, note=f"price {price}")


def item_number(barcode: str, rules: Sequence[MeasureRule]) -> str | None:
    """The item number of a barcode with a measure; None for any other barcode, and for an item number."""
    key = normalize_barcode(barcode)
    if not rules or not may_have_measure(key):
        return None
    read = read_measure(ScannedCode(barcode, key, barcode), rules)
    return None if read.key == key else read.code


def check_rules(rules: Sequence[MeasureRule]) -> None:
    """Raises ValueError if two rules have the same prefix."""
    prefixes = [rule.prefix for rule in rules]
    twice = next((prefix for prefix in prefixes if prefixes.count(prefix) > 1), None)
    if twice is not None:
        raise ValueError(f"measure_rules: there are two rules for the prefix {twice}; keep one of them")


def _decimal(value: int, divisor: int) -> str:
    """The quotient, with as many decimals as the divisor has zeros."""
    decimals = len(str(divisor)) - 1
    whole, rest = divmod(value, divisor)
    return f"{whole}.{rest:0{decimals}}" if decimals else str(whole)
