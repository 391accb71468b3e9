"""The key a barcode is found by: UPC-A, EAN-13, EAN-8 and GTIN-14 of one product have the same key.

The key of a GTIN is its 14 digits, the key of anything else its own text; migrations give old rows the same keys.
"""

from __future__ import annotations

_LENGTHS = frozenset((8, 12, 13, 14))
# In ASCII each of the 14 digits is 48 more than its value: (3 + 1) * 7 * 48 in the sum.
_ASCII_SUM = 1344


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
