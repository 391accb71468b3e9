"""The keys by which two barcodes are equal."""

from __future__ import annotations

import time

import pytest
from biip.checksums import gs1_standard_check_digit
from hypothesis import example, given
from hypothesis import strategies as st

from stocky.barcodes.codes import clean, has_check_digit, may_be_compound, normalize_barcode, printed


def gtin(payload: str) -> str:
    """A payload with its check digit."""
    return f"{payload}{gs1_standard_check_digit(payload)}"


@pytest.mark.parametrize(
    ("codes", "key"),
    [
        (("614141123452", "0614141123452", "00614141123452"), "00614141123452"),
        (("4006381333931", "04006381333931"), "04006381333931"),
        (("96385074", "000096385074", "0000096385074", "00000096385074"), "00000096385074"),
        # Its carton is another pack.
        (("14006381333938",), "14006381333938"),
    ],
)
def test_forms_of_one_number_have_one_key(codes: tuple[str, ...], key: str) -> None:
    assert {normalize_barcode(code) for code in codes} == {key}
    assert printed(key) == codes[0]


@pytest.mark.parametrize(
    "code",
    [
        "4006381333932",
        "614141123453",
        "96385075",
        "04006381333932",
        "400638133393",
        "123456789",
        "40063813339310",
        "４００６３８１３３３９３１",
        "400638133393١",
        "A006381333931",
        "QXZB",
        "",
    ],
)
def test_other_text_is_its_own_key(code: str) -> None:
    assert normalize_barcode(code) == code


@given(st.sampled_from([7, 11, 12, 13]).flatmap(lambda n: st.text("0123456789", min_size=n, max_size=n)))
@example("1763483")
def test_every_form_of_a_gtin_has_a_fourteen_digit_key(payload: str) -> None:
    code = gtin(payload)
    key = normalize_barcode(code)
    assert key == code.zfill(14)
    assert normalize_barcode(printed(key)) == normalize_barcode(key) == key
    wrong = payload + str((int(code[-1]) + 1) % 10)
    found = normalize_barcode(wrong)
    # Eight digits that are no EAN-8 may be a UPC-E, whose key is that of its UPC-A.
    is_upc_e = len(wrong) == 8 and wrong[0] in "01" and len(found) == 14 and has_check_digit(found)
    assert found == wrong or is_upc_e


@given(st.text(max_size=20))
def test_key_is_of_a_gtin_or_the_clean_text(code: str) -> None:
    key = normalize_barcode(code)
    is_gtin = len(key) == 14 and key.isascii() and key.isdigit() and has_check_digit(key)
    assert is_gtin or key == (clean(code) or code)


def test_numbers_of_eight_digits_have_keys_of_their_own() -> None:
    numbers = [f"{number:08}" for first in (0, 10_000_000) for number in range(first, first + 300_000)]
    assert len({normalize_barcode(number) for number in numbers}) == len(numbers)


@pytest.mark.parametrize("digits", [15, 17, 18])
def test_longer_numbers_have_keys_of_their_own(digits: int) -> None:
    first = 10 ** (digits - 1) + 16 * 10**2
    numbers = [str(number) for number in range(first, first + 5_000)]
    assert [normalize_barcode(number) for number in numbers] == numbers


@pytest.mark.parametrize("sign", ["\u241d", "\x1d", " ", "^]", "{GS}", "]C1"])
def test_repeated_signs_are_read_at_once(sign: str) -> None:
    text = (sign * 1_000)[:998] + "x"
    started = time.process_time()
    for _ in range(200):
        may_be_compound(text)
    # A hundredth of a second; 4.4 seconds when the text is read again from each sign on.
    assert time.process_time() - started < 1
