"""Repairs barcodes that a spreadsheet changed, where the check digit confirms it: no other text is altered.

A number of 11 or 7 digits may lack its leading zero, or be somebody's own number: the other numbers of the file tell.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from stocky.barcodes.codes import has_check_digit, normalize_barcode
from stocky.imports.cell_values import Unreadable

# The lengths of UPC-A, EAN-8 and UPC-E without their leading zero, with the whole length.
_SHORTENED = {11: 12, 7: 8}
_DECIMAL = re.compile(r"(\d{6,14})[.,]0+", re.ASCII)
_EXPONENT = re.compile(r"(\d)(?:[.,](\d+))?E\+?(\d{1,3})", re.IGNORECASE | re.ASCII)
_FORMULA = re.compile(r'="([^"]*)"')


class Repaired(NamedTuple):
    """A barcode as it was before a spreadsheet changed it, and what was changed."""

    barcode: str
    fault: str


def repair(text: str, *, adds_zeros: bool) -> Repaired | None:
    """The barcode that a spreadsheet changed to this text; None for any other text.

    Raises Unreadable for a text from which the barcode cannot be known.
    """
    if formula := _FORMULA.fullmatch(text):
        inner = repair(formula[1], adds_zeros=adds_zeros)
        return inner or Repaired(formula[1], "written as a formula")
    if exponent := _EXPONENT.fullmatch(text):
        digits = exponent[1] + (exponent[2] or "")
        number = digits.ljust(int(exponent[3]) + 1, "0")
        # Zeros may stand for digits that were cut off.
        if len(digits) == len(number) and (whole := _whole(digits)):
            return Repaired(whole, "written as a power of ten")
        raise Unreadable(f"{text} is a barcode that a spreadsheet shortened; format its column as text")
    if decimal := _DECIMAL.fullmatch(text):
        if whole := _whole(decimal[1]):
            return Repaired(whole, "written with decimals")
        raise Unreadable(
            f"{text} is a barcode that a spreadsheet wrote as a number, and the check digit of {decimal[1]} is wrong;"
            " format its column as text"
        )
    if adds_zeros and (whole := add_zero(text)):
        return Repaired(whole, "without its leading zero")
    return None


def may_lack_zero(text: str) -> bool:
    """Whether a text has the length of a number without its leading zero."""
    return len(text) in _SHORTENED and text.isascii() and text.isdigit()


def add_zero(text: str) -> str | None:
    """The number with its leading zero; None if the check digit does not confirm it."""
    if not may_lack_zero(text):
        return None
    whole = text.zfill(_SHORTENED[len(text)])
    key = normalize_barcode(whole)
    return whole if len(key) == 14 and key.isdigit() else None


def _whole(digits: str) -> str | None:
    """A number of which nothing but leading zeros is missing, with them; None if its check digit is wrong."""
    if len(digits) in (8, 12, 13, 14) and has_check_digit(digits.zfill(14)):
        return digits
    return add_zero(digits)
