"""Values of custom fields: stored exactly, and their keys sort as they do on every database."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocky.catalogue.fields import (
    MOST_DIGITS,
    FieldKind,
    ItemField,
    Value,
    is_stored_value,
    keys_between,
    plain_text,
    read_value,
    value_key,
)
from stocky.clock import LONG_AGO

NUMBERS = st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent),
    st.integers(-(10**MOST_DIGITS) + 1, 10**MOST_DIGITS - 1),
    st.integers(-30, 15),
)


def field(kind: FieldKind, *choices: str) -> ItemField:
    return ItemField(
        id=1,
        type_id=1,
        name="Field",
        kind=kind,
        unit="",
        choices=list(choices),
        position=1,
        created_at=LONG_AGO,
        updated_at=LONG_AGO,
    )


NUMBER, TEXT, DATE = field(FieldKind.NUMBER), field(FieldKind.TEXT), field(FieldKind.DATE)
PACKAGE = field(FieldKind.CHOICE, "TO-92", "Größe S")


@given(NUMBERS, NUMBERS)
def test_keys_of_numbers_sort_like_the_numbers(one: Decimal, other: Decimal) -> None:
    keys = []
    for number in (one, other):
        text = read_value(NUMBER, str(number))
        assert text is not None
        assert Decimal(text) == number
        keys.append(value_key(FieldKind.NUMBER, text))
        assert keys[-1].isdecimal()
        assert len(keys[-1]) == MOST_DIGITS + 3
    assert (keys[0] < keys[1]) == (one < other)
    assert (keys[0] == keys[1]) == (one == other)


@given(NUMBERS)
def test_json_number_is_the_number(number: Decimal) -> None:
    text = read_value(NUMBER, float(number))
    assert text == read_value(NUMBER, str(number))
    assert text is not None
    assert plain_text(float(text)) == text


@given(st.dates(), st.dates())
def test_keys_of_dates_sort_like_the_dates(one: date, other: date) -> None:
    keys = [value_key(FieldKind.DATE, each.isoformat()) for each in (one, other)]
    assert (keys[0] < keys[1]) == (one < other)


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        (5, "5"),
        (5.0, "5"),
        ("5.00", "5"),
        (0.0000047, "0.0000047"),
        ("4.7e-6", "0.0000047"),
        (-0.0, "0"),
        ("+.5", "0.5"),
        ("1e30", "1" + "0" * 30),
        (" ", None),
        (None, None),
    ],
)
def test_numbers_are_stored_exactly(sent: Value | None, stored: str | None) -> None:
    assert read_value(NUMBER, sent) == stored
    if stored is not None:
        assert is_stored_value(FieldKind.NUMBER, [], stored, value_key(FieldKind.NUMBER, stored))


@pytest.mark.parametrize(
    ("wanted", "wrong", "words"),
    [
        (NUMBER, "1,5", "a number"),
        (NUMBER, "5 V", "a number"),
        (NUMBER, "nan", "a number"),
        (NUMBER, "١", "a number"),
        (NUMBER, 1234567890123456, "15 digits"),
        (NUMBER, 10**40, "between"),
        (NUMBER, "1e-31", "between"),
        (DATE, "2026-02-30", "a date"),
        (DATE, "20260131", "a date"),
        (DATE, 20260131, "a date"),
        (PACKAGE, "SMD", "one of TO-92, Größe S"),
        (TEXT, "x" * 501, "500"),
        (TEXT, 5, "a text"),
    ],
)
def test_other_values_do_not_fit(wanted: ItemField, wrong: Value, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_value(wanted, wrong)


def test_choice_is_stored_as_its_field_spells_it() -> None:
    assert read_value(PACKAGE, "GRÖSSE  s") == "Größe S"
    assert not is_stored_value(FieldKind.CHOICE, PACKAGE.choices, "GRÖSSE S", "grösse s")


def test_filters_name_a_value_or_a_range() -> None:
    one, five = (value_key(FieldKind.NUMBER, text) for text in ("1", "5"))
    assert keys_between(NUMBER, "5.0") == (five, five)
    assert keys_between(NUMBER, "1..5") == (one, five)
    for text, (first, last) in {"1..": (one, None), "..5": (None, five)}.items():
        found = keys_between(NUMBER, text)
        assert found[0] == first or found[0] < value_key(FieldKind.NUMBER, "-1e30")
        assert found[1] == last or found[1] > value_key(FieldKind.NUMBER, "1e30")
    assert keys_between(DATE, "2026-01-31..") == ("20260131", "99999999")
    assert keys_between(TEXT, "A..b") == ("a..b", "a..b")
    for empty in ("..", " "):
        with pytest.raises(ValueError, match="empty"):
            keys_between(NUMBER, empty)
