"""A scanned text as a barcode, and the key it is found by; parses only plain barcodes.

UPC-A, EAN-13, EAN-8 and GTIN-14 of one product have the same key: its 14 digits. The key of anything else is its own
text; migrations give old rows the same keys.
"""

from __future__ import annotations

import re
from datetime import date

from msgspec import Struct

# The longest barcode that is stored, and the longest text that is read: a Digital Link may be a long address.
LONGEST = 128
LONGEST_TEXT = 1000
# An AIM identifier, an application identifier in parentheses, an address, a GTIN after 01 or 02, or an FNC1.
_MAY_BE_GS1 = re.compile(r"\s*(?:\][A-Za-z]|\(\d\d|[hH][tT][tT][pP]|0[12]\d{14})|.*(?:[\x1d\u241d]|<GS>)", re.DOTALL)

_LENGTHS = frozenset((8, 12, 13, 14))
# In ASCII each of the 14 digits is 48 more than its value: (3 + 1) * 7 * 48 in the sum.
_ASCII_SUM = 1344


class ScannedCode(Struct, frozen=True, gc=False):
    """A barcode: the scanned `text`, the `key` it is found by, and the `code` to store.

    The other fields are the contents of a GS1 code: `expiry` is its lot of stock, `note` its lot and serial number
    as text, `milligrams` its net weight and `count` its pieces. A weight that `is_rounded` is from a label in
    pounds or ounces, and its note states them. `problem` is the reason why the code cannot be used.
    """

    text: str
    key: str
    code: str
    expiry: date | None = None
    note: str | None = None
    milligrams: int | None = None
    is_rounded: bool = False
    count: int | None = None
    problem: str | None = None


def read_plain(text: str) -> ScannedCode:
    """Reads a text as a plain barcode."""
    return ScannedCode(text, normalize_barcode(text), text)


def may_be_gs1(text: str) -> bool:
    """Whether the text has to be parsed. False for every barcode of a shop."""
    return not (len(text) < 16 and text.isalnum()) and _MAY_BE_GS1.match(text) is not None


def is_too_long(text: str) -> bool:
    """Whether the text is too long for a barcode and cannot be a GS1 code."""
    return len(text) > LONGEST and not may_be_gs1(text)


def normalize_barcode(code: str) -> str:
    """The key of a barcode. A GTIN-14 with an indicator is another pack and has another key."""
    if len(code) in _LENGTHS and code.isascii() and code.isdigit():
        padded = code.zfill(14)
        if has_check_digit(padded):
            return padded
    return code


def has_check_digit(padded: str) -> bool:
    """Whether the last of 14 digits is the check digit of the first 13."""
    digits = padded.encode()
    return (3 * sum(digits[0::2]) + sum(digits[1::2]) - _ASCII_SUM) % 10 == 0


def printed(key: str) -> str:
    """The shortest printed barcode with the key of a GTIN: EAN-8, UPC-A, EAN-13, or all 14 digits."""
    for zeros, length in (("000000", 8), ("00", 12), ("0", 13)):
        if key.startswith(zeros):
            return key[-length:]
    return key
