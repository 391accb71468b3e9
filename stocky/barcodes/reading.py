"""What a scanned text can say: for most of them, which barcode it is; for GS1 codes more. Nothing is read here yet."""

from __future__ import annotations

import re
from datetime import date

from msgspec import Struct

from stocky.barcodes.keys import normalize_barcode

# The longest barcode that is kept, and the longest text that is read: a Digital Link may be an address of some length.
LONGEST = 128
LONGEST_TEXT = 1000
# An AIM identifier, an application identifier in parentheses, an address, a GTIN that is announced, or an FNC1.
_MAY_BE_GS1 = re.compile(r"\s*(?:\][A-Za-z]|\(\d\d|[hH][tT][tT][pP]|0[12]\d{14})|.*(?:[\x1d\u241d]|<GS>)", re.DOTALL)


class ScannedCode(Struct, frozen=True, gc=False):
    """A barcode: the `text` as it was scanned, the `key` it is found by, and the `code` it would be kept as.

    The rest is what a GS1 code says beside its number: `expiry` is its lot of stock, `note` its lot and serial number
    in words, `milligrams` its net weight and `count` the pieces in it. A weight that `is_rounded` is of a label in
    pounds or ounces, and its note says how many. `problem` says why it cannot be used at all.
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
    """A text that is a barcode and nothing else."""
    return ScannedCode(text, normalize_barcode(text), text)


def may_be_gs1(text: str) -> bool:
    """Whether a closer look is needed. False for every barcode of a shop."""
    return not (len(text) < 16 and text.isalnum()) and _MAY_BE_GS1.match(text) is not None


def is_too_long(text: str) -> bool:
    """Whether it is neither a barcode nor a GS1 code because of its length."""
    return len(text) > LONGEST and not may_be_gs1(text)
