"""Cells: exported text is imported unchanged, and ambiguous text is refused."""

from __future__ import annotations

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocky.exports.csv_cells import csv_text, list_cell, pack_entry, quantity_cell, split_list, split_pack, unguarded
from stocky.imports.cell_values import Unreadable, has_decimal_comma, milli_of, total_in
from stocky.imports.fields import FIELDS, guess

TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=30)
FORMULAS = st.tuples(st.text("'=+-@\t\r\n", min_size=1, max_size=3), TEXT).map("".join)


@given(st.lists(st.one_of(TEXT, FORMULAS), min_size=1, max_size=5))
def test_text_survives_a_round_trip(texts: list[str]) -> None:
    (read,) = csv.reader(StringIO(csv_text([[*texts, "end"]]), newline=""), strict=True)
    assert [unguarded(each) for each in read[:-1]] == texts
    assert not [each for each in read if each[:1] in tuple("=+-@\t\r\n")]


@given(st.lists(st.one_of(TEXT, st.text("\\; x", max_size=6)).filter(bool), max_size=6))
def test_list_cell_survives_a_round_trip(entries: list[str]) -> None:
    plain = [entry for entry in entries if len(entry.strip()) == len(entry) or len(entry) == 1]
    assert split_list(list_cell(plain)) == plain


@given(st.text("*6x;", min_size=1, max_size=6), st.integers(1, 10**9))
def test_pack_barcode_survives_a_round_trip(barcode: str, pack: int) -> None:
    code, pack_text = split_pack(pack_entry(barcode, pack))
    assert code == barcode
    assert (1000 if pack_text is None else milli_of(pack_text, None)) == pack


@given(st.integers(-(10**12), 10**12), st.sampled_from([None, "."]))
def test_quantity_survives_a_round_trip(milli: int, decimal: str | None) -> None:
    assert milli_of(quantity_cell(milli), decimal) == milli
    assert milli_of(quantity_cell(milli).replace(".", ","), ",") == milli


NUMBERS = {
    "1": 1000,
    "1.5": 1500,
    "1,5": 1500,
    "0,125": 125,
    "0.125": 125,
    "1.234": 1234,
    "12345,678": 12345678,
    "1.234,5": 1234500,
    "1,234.5": 1234500,
    "1,234,567": 1234567000,
    "1.234.567": 1234567000,
    "1 234,5": 1234500,
    "1\u202f234,5": 1234500,
    "1'234.5": 1234500,
    "1 234 567": 1234567000,
    "2 3": None,
    "5'6": None,
    "1 2,5": None,
    "1 234 5": None,
    "1.50000": 1500,
    f"{'0' * 30}1.5{'0' * 30}": 1500,
    "-2": -2000,
    "+2": 2000,
    "1.": None,
    "1,234": None,
    "12,34,5": None,
    "1.2.3": None,
    "1,23.4": None,
    "1.2345": None,
    "1e3": None,
    "٣": None,
    "": None,
    "-": None,
    "NaN": None,
    "1000000001": None,
    "9" * 400: None,
}


@pytest.mark.parametrize("text", NUMBERS)
def test_number_is_parsed_or_refused(text: str) -> None:
    expected = NUMBERS[text]
    if expected is None:
        with pytest.raises(Unreadable):
            milli_of(text, None)
    else:
        assert milli_of(text, None) == expected


def test_decimal_option_resolves_ambiguity() -> None:
    assert milli_of("1,234", ",") == 1234
    assert milli_of("1,234", ".") == 1234000
    assert milli_of("1.234", ",") == 1234000


def test_point_is_ambiguous_without_comma_delimiter() -> None:
    with pytest.raises(Unreadable, match=r"1\.234 may be 1234 \(decimal=comma\) or 1\.234 \(decimal=point\)"):
        milli_of("1.234", None, point_may_group=True)
    with pytest.raises(Unreadable, match=r"1,234 may be 1234 \(decimal=point\) or 1\.234 \(decimal=comma\)"):
        milli_of("1,234", None, point_may_group=True)
    for text, milli in {"0.125": 125, "1.5": 1500, "12": 12000, "1.234,5": 1234500}.items():
        assert milli_of(text, None, point_may_group=True) == milli
    assert milli_of("1.234", ".", point_may_group=True) == 1234


def test_comma_that_separates_no_thousands_is_decimal() -> None:
    assert [text for text in ("2,5", "1.234,50", "1,234", "1,234.5", "1,", ",5", "2.5") if has_decimal_comma(text)] == [
        "2,5",
        "1.234,50",
    ]


def test_long_cells_are_no_totals_and_take_no_time() -> None:
    assert total_in(["Total", f"1{',' * 130_000}_"]) is None
    assert total_in([f"Total:{' ' * 130_000}_"]) is None


def test_each_header_matches_one_field() -> None:
    assert guess("Part Number") == "manufacturer_code"
    assert guess("BEST-BEFORE") == "expiry_date"
    assert guess("colour") is None
    for field in FIELDS:
        for header in (field.name, *field.headers):
            assert guess(header) == field.name
