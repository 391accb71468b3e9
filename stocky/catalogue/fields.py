"""Custom fields: the fields that a type of items has, and the exact values that an item has in them.

A value is stored as one text. Its key is equal for values that count as one, and keys sort as their values do: those of
numbers and dates are digits of one length, which every database and collation sorts alike.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from stocky.clock import LONG_AGO
from stocky.names import name_key
from stocky.schema import MAX_ID, TRIMMED, UNIT_OR_NONE, AnyCase

# The fields of a type, and the choices of a field.
MOST_FIELDS = 50
MOST_CHOICES = 200
LONGEST_VALUE = 500
# A JSON number, a double, keeps any decimal number of so many digits.
MOST_DIGITS = 15
# The decimal exponent of the largest and of the smallest number.
_LARGEST_EXPONENT = 30
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_COMPLEMENT = str.maketrans("0123456789", "9876543210")
# Before and after the keys of all numbers and dates.
_FIRST, _LAST = "0", "99999999"
_BETWEEN = ".."

FieldName = Annotated[str, Meta(min_length=1, max_length=100, pattern=TRIMMED, examples=["Voltage"])]
FieldUnit = Annotated[str, Meta(max_length=50, pattern=UNIT_OR_NONE, examples=["V"])]
Choice = Annotated[str, Meta(min_length=1, max_length=100, pattern=TRIMMED, examples=["TO-92"])]
Choices = Annotated[list[Choice], Meta(max_length=MOST_CHOICES)]
Position = Annotated[int, Meta(ge=1, le=MAX_ID, examples=[1])]
# The value of a field: a number for a field of numbers, else a text.
Value = str | int | float


class FieldKind(AnyCase):
    """What the values of a field are."""

    TEXT = "text"
    NUMBER = "number"
    CHOICE = "choice"
    DATE = "date"


class ItemField(Struct, kw_only=True):
    """A field of a type; `position` is its place among them, from 1."""

    id: int
    type_id: int
    name: str
    kind: FieldKind
    unit: str
    choices: list[str]
    position: int
    created_at: datetime
    updated_at: datetime

    @property
    def version(self) -> int:
        """The moment of the last change, in microseconds: what `If-Match` compares."""
        return (self.updated_at - LONG_AGO) // timedelta(microseconds=1)


class NewItemField(Struct, kw_only=True):
    """A field to add to a type: at the end, or at `position`. Only numbers have a unit, only a choice has choices."""

    name: FieldName
    kind: FieldKind = FieldKind.TEXT
    unit: FieldUnit | None = None
    choices: Choices = []
    position: Position | None = None


class ItemFieldChange(Struct, kw_only=True):
    """Changes to a field; what is not sent stays. `choices`, if sent, replace all of them."""

    name: FieldName | UnsetType = UNSET
    kind: FieldKind | UnsetType = UNSET
    unit: FieldUnit | None | UnsetType = UNSET
    choices: Choices | UnsetType = UNSET
    position: Position | UnsetType = UNSET


def read_value(field: ItemField, value: Value | None) -> str | None:
    """The text of a value as it is stored; None for none or an empty text. Raises ValueError for another kind."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return _read(field.kind, field.choices, value)


def is_stored_value(kind: FieldKind, choices: Sequence[str], text: str, key: str) -> bool:
    """Whether a text and a key are stored as those of a value."""
    try:
        return _read(kind, choices, text) == text and value_key(kind, text) == key
    except ValueError:
        return False


def value_key(kind: FieldKind, text: str) -> str:
    """The key of a stored value."""
    match kind:
        case FieldKind.NUMBER:
            return _number_key(Decimal(text))
        case FieldKind.DATE:
            return text.replace("-", "")
    # Folding may make a text longer.
    return name_key(text)[:LONGEST_VALUE]


def keys_between(field: ItemField, text: str) -> tuple[str, str]:
    """The first and the last key of what a filter names: a value, or for numbers and dates `1..5`, `1..` or `..5`.

    Raises ValueError for a text that is no value of the field.
    """
    first, between, last = text.partition(_BETWEEN)
    if not between or field.kind not in (FieldKind.NUMBER, FieldKind.DATE):
        last = first = text
    ends = [read_value(field, each) for each in (first, last)]
    if ends == [None, None]:
        raise ValueError("must not be empty")
    keys = [None if each is None else value_key(field.kind, each) for each in ends]
    return keys[0] or _FIRST, keys[1] or _LAST


def plain_text(value: Value) -> str:
    """The text of a value as it is answered: of a number without an exponent."""
    return value if isinstance(value, str) else _plain(Decimal(repr(value)))


def _read(kind: FieldKind, choices: Sequence[str], value: Value) -> str:
    match kind:
        case FieldKind.NUMBER:
            return _read_number(value)
        case FieldKind.DATE:
            return _read_date(value)
        case FieldKind.CHOICE:
            return _read_choice(value, choices)
    if not isinstance(value, str):
        raise ValueError("must be a text")
    text = value.strip()
    if len(text) > LONGEST_VALUE:
        raise ValueError(f"must have at most {LONGEST_VALUE} characters")
    return text


def _read_number(value: Value) -> str:
    text = value.strip() if isinstance(value, str) else repr(value)
    if len(text) > 2 * LONGEST_VALUE or not _NUMBER.fullmatch(text):
        raise ValueError("must be a number such as 4.7 or 0.0000047")
    number = Decimal(text)
    if len(_digits(number)) > MOST_DIGITS:
        raise ValueError(f"must have at most {MOST_DIGITS} digits")
    if number and abs(number.adjusted()) > _LARGEST_EXPONENT:
        raise ValueError(f"must be between 1e-{_LARGEST_EXPONENT} and 1e{_LARGEST_EXPONENT}")
    return _plain(number)


def _read_date(value: Value) -> str:
    try:
        text = value.strip() if isinstance(value, str) else ""
        return date.fromisoformat(text if _DATE.fullmatch(text) else "").isoformat()
    except ValueError:
        raise ValueError("must be a date like 2026-01-31") from None


def _read_choice(value: Value, choices: Sequence[str]) -> str:
    key = name_key(plain_text(value))
    for choice in choices:
        if name_key(choice) == key:
            return choice
    raise ValueError(f"must be one of {', '.join(choices)}")


def _plain(number: Decimal) -> str:
    """The number without an exponent and without zeros that mean nothing."""
    if not number:
        return "0"
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _digits(number: Decimal) -> str:
    """The digits of a number from the first to the last that is not zero."""
    return "".join(map(str, number.as_tuple().digits)).strip("0")


def _number_key(number: Decimal) -> str:
    """Its sign, its exponent and its digits; those of a negative number are complemented, so that it sorts before."""
    if not number:
        return "1".ljust(MOST_DIGITS + 3, "0")
    size = f"{number.adjusted() + _LARGEST_EXPONENT:02}{_digits(number).ljust(MOST_DIGITS, '0')}"
    return f"2{size}" if number > 0 else f"0{size.translate(_COMPLEMENT)}"
