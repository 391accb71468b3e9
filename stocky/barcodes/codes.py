"""A scanned text as a barcode, and the key it is found by; parses only plain barcodes.

UPC-A, UPC-E, EAN-13, EAN-8, GTIN-14 and ISBN-10 of one product have the same key: its 14 digits. The key of anything
else is its own text, without what scanners put around it; migrations give old rows the same keys.
"""

from __future__ import annotations

import re
from datetime import date

from msgspec import Struct

# The longest barcode that is stored, and the longest text that is read: a Digital Link may be a long address.
LONGEST = 500
LONGEST_TEXT = 1000
# What scanners, keyboards and terminals put around a code: controls, blanks, and characters that show nothing. The
# last ones are the pictures of controls. The migration barcode-folding has the same characters.
AROUND = "".join(
    chr(codepoint)
    for first, last in (
        (0x01, 0x20), (0x7F, 0xA0), (0xAD, 0xAD), (0x1680, 0x1680), (0x180E, 0x180E), (0x2000, 0x200F),
        (0x2028, 0x202F), (0x205F, 0x206F), (0x2402, 0x2404), (0x2409, 0x240A), (0x240D, 0x240D), (0x241D, 0x241E),
        (0x3000, 0x3000), (0xFEFF, 0xFEFF),
    )
    for codepoint in range(first, last + 1)
)  # fmt: skip
# What a scanner sends for the FNC1 that ends an element, and what keyboards, terminals and people make of it. None of
# these characters is one of GS1's.
FNC1 = r"\x1d|\u241d|[<{\[(](?:GS|FNC1)[>}\])]|\\x1d|\\u001d|\\F|~d029|\^\]|[~^|#\xe8]"
# An AIM identifier, an application identifier in parentheses, an address, a GTIN after 01 or 02, the header of a
# distributor's bag or the fields of one, JSON, or an FNC1.
_COMPOUND_START = re.compile(
    rf"\][A-Za-z]|\(\d\d|http|(?:{FNC1}){{0,3}}0[12]\d{{14}}|>?\[\)>|\{{|(?:QTY|PN):", re.IGNORECASE
)
_SEPARATOR = re.compile(r"[\x1d\u241d]|<GS>", re.IGNORECASE)
AIM = re.compile(r"\]([A-Za-z][0-9A-Za-z])")

_LENGTHS = frozenset((8, 12, 13, 14))
# Of other forms of a GTIN without signs: UPC-E, ISBN-10, and numbers with an add-on.
_OTHER_LENGTHS = frozenset((8, 10, 15, 17, 18))
# In ASCII each of the 14 digits is 48 more than its value: (3 + 1) * 7 * 48 in the sum.
_ASCII_SUM = 1344
# Prefixes of magazines and books, which have most of the add-ons.
_WITH_ADD_ON = ("977", "978", "979")


class Bag(Struct, frozen=True, gc=False):
    """What a distributor's bag says of its item: the part numbers of maker and seller, and who sells it."""

    maker_part: str | None
    seller_part: str | None
    seller: str

    @property
    def name(self) -> str:
        return self.maker_part or self.seller_part or ""


class ScannedCode(Struct, frozen=True, gc=False):
    """A barcode: the scanned `text`, the `key` it is found by, and the `code` to store.

    The other fields are the contents of a GS1 code or of a bag: `expiry`, `lot` and `serial` name its stock, `note` is
    what else it says as text, and lot and serial number again, `milligrams` its net weight and `count` its pieces. A
    weight that `is_rounded` is from a label in pounds or ounces, and its note states them. `problem` is the reason why
    the code cannot be used; `warning` is what its scanner lacks. `others` are further keys, of a bag. A
    variable-measure barcode has the key of its item number, and its own as `piece_key`; `price` is its measure where
    that is one, and the note states it, too.
    """

    text: str
    key: str
    code: str
    expiry: date | None = None
    lot: str | None = None
    serial: str | None = None
    note: str | None = None
    milligrams: int | None = None
    is_rounded: bool = False
    count: int | None = None
    problem: str | None = None
    warning: str | None = None
    bag: Bag | None = None
    others: tuple[str, ...] = ()
    piece_key: str | None = None
    price: str | None = None

    def lookup_keys(self) -> tuple[str, ...]:
        """The keys that a barcode of its item may have, the best first.

        An exact match of the text has priority: a whole GS1 code, or an old barcode that shares its key with another.
        """
        if self.piece_key is not None:
            return (self.text, self.piece_key, self.key)
        if self.text.isalnum():
            return (self.text, self.key)
        return (self.text, normalize_barcode(self.text), self.key, *self.others)


def read_plain(text: str) -> ScannedCode:
    """Reads a text as a plain barcode."""
    key = normalize_barcode(text)
    if len(text) < 15 and text.isalnum():
        return ScannedCode(text, key, text)
    code = clean(text) or text
    if len(code) > LONGEST:
        return rejected(text, f"A barcode has at most {LONGEST} characters")
    # Of a number with an add-on, such as a price, the number is stored.
    is_longer = sum(map(str.isdigit, code)) > 14 and len(key) == 14 and key.isdigit()
    return ScannedCode(text, key, printed(key) if is_longer else code)


def rejected(text: str, problem: str) -> ScannedCode:
    """The reading of a text that cannot be used as a barcode."""
    return ScannedCode(text, text, text, problem=problem)


def may_be_compound(text: str) -> bool:
    """Whether the text has to be parsed. False for every barcode of a shop."""
    if len(text) < 16 and text.isalnum():
        return False
    # Two searches, each of which reads the text once: many separators in front would be read again for each.
    return _COMPOUND_START.match(text.lstrip(AROUND)) is not None or _SEPARATOR.search(text) is not None


def is_too_long(text: str) -> bool:
    """Whether the text is too long for a barcode and cannot be a code with contents."""
    return len(text) > LONGEST and not may_be_compound(text)


def is_blank(text: str) -> bool:
    """Whether nothing is left of a text without what scanners put around it."""
    return not text.isalnum() and not text.strip(AROUND)


def clean(text: str) -> str:
    """The text without what scanners put around it, and without its AIM identifier.

    A UPC-E that its AIM identifier marks as one becomes its UPC-A: its eight digits may also be an EAN-8.
    """
    if text.isalnum():
        return text
    bare = text.strip(AROUND)
    if bare[:1] == "]" and (symbol := AIM.match(bare)) is not None:
        rest = bare[symbol.end() :].lstrip(AROUND)
        # A second identifier is no identifier, so that cleaning twice changes nothing.
        if rest and AIM.match(rest) is None:
            upc_a = _upc_a(rest) if symbol[1] == "E0" and len(rest) == 8 and _is_number(rest) else None
            return upc_a or rest
    return bare


def normalize_barcode(code: str) -> str:
    """The key of a barcode. A GTIN-14 with an indicator is another pack and has another key."""
    if len(code) in _LENGTHS and code.isascii() and code.isdigit():
        padded = code.zfill(14)
        if has_check_digit(padded):
            return padded
    if code.isalnum():
        return (_number(code) or code) if len(code) in _OTHER_LENGTHS else code
    bare = clean(code)
    return _number(bare) or bare or code


def has_check_digit(padded: str) -> bool:
    """Whether the last of 14 digits is the check digit of the first 13."""
    digits = padded.encode()
    return (3 * sum(digits[0::2]) + sum(digits[1::2]) - _ASCII_SUM) % 10 == 0


def describe_misread(scanned: ScannedCode) -> str | None:
    """What is wrong with a number of the length of a GTIN whose check digit is wrong; None for any other barcode."""
    code = scanned.code
    if scanned.key != code or len(code) not in _LENGTHS or scanned.bag is not None or not _is_number(code):
        return None
    right = _check_digit(code[:-1])
    if right == code[-1]:
        return None
    return f"{code} was probably misread: its check digit is {code[-1]} and should be {right}. Scan it again"


def with_check_digit(payload: str) -> str:
    """The number of GS1 that begins with these digits."""
    return payload + _check_digit(payload)


def printed(key: str) -> str:
    """The shortest printed barcode with the key of a GTIN: EAN-8, UPC-A, EAN-13, or all 14 digits."""
    for zeros, length in (("000000", 8), ("00", 12), ("0", 13)):
        if key.startswith(zeros):
            return key[-length:]
    return key


def _number(bare: str) -> str | None:
    """The 14 digits of the GTIN that a clean text is a form of, perhaps with hyphens and blanks; None if it is none."""
    digits = bare.replace("-", "").replace(" ", "")
    length = len(digits)
    if length == 10 and _is_number(digits[:9]):
        return _of_isbn(digits)
    if not 8 <= length <= 18 or not _is_number(digits):
        return None
    if length in _LENGTHS and has_check_digit(padded := digits.zfill(14)):
        return padded
    if length == 8:
        upc_a = _upc_a(digits)
        return None if upc_a is None else upc_a.zfill(14)
    return _before_add_on(bare, digits)


def _upc_a(digits: str) -> str | None:
    """The UPC-A of eight digits that are a UPC-E; None if their check digit is another."""
    system, first, last, check = digits[0], digits[1:6], digits[6], digits[7]
    if system not in "01" or not _is_canonical(first, last):
        return None
    if last in "012":
        expanded = f"{first[:2]}{last}0000{first[2:]}"
    elif last in "34":
        before = int(last)
        expanded = f"{first[:before]}00000{first[before:]}"
    else:
        expanded = f"{first}0000{last}"
    upc_a = f"{system}{expanded}{check}"
    # A key of an EAN-8 begins like that.
    if upc_a.startswith("0000"):
        return None
    return upc_a if has_check_digit(upc_a.zfill(14)) else None


def _is_canonical(first: str, last: str) -> bool:
    """Whether these are the digits that a UPC-A is shortened to; others would expand to the UPC-A of another UPC-E.

    Each UPC-A has one UPC-E, by the first of four rules that applies (GS1 General Specifications, zero suppression).
    """
    if last == "3":
        return first[2] not in "012"
    if last == "4":
        return first[3] != "0"
    return last in "012" or first[4] != "0"


def _of_isbn(digits: str) -> str | None:
    """The GTIN of an ISBN-10."""
    if digits[9] in "Xx":
        last = 10
    elif _is_number(digits[9]):
        last = int(digits[9])
    else:
        return None
    if (sum(weight * int(digit) for weight, digit in zip(range(10, 1, -1), digits, strict=False)) + last) % 11:
        return None
    return with_check_digit(f"0978{digits[:9]}")


def _before_add_on(bare: str, digits: str) -> str | None:
    """The GTIN before an add-on of two or five digits.

    Only magazines and books have one without a sign between the two; other such numbers are numbers of their own.
    """
    length = len(digits)
    add_on = 2 if length in (14, 15) else 5
    number = digits[:-add_on]
    if len(number) not in (12, 13) or not has_check_digit(padded := number.zfill(14)):
        return None
    if bare[-add_on - 1] in "- " and _is_number(bare[-add_on:]):
        return padded
    return padded if length in (15, 18) and digits.startswith(_WITH_ADD_ON) else None


def _check_digit(payload: str) -> str:
    """The check digit of a number of GS1."""
    total = 3 * sum(map(int, payload[-1::-2])) + sum(map(int, payload[-2::-2]))
    return str(-total % 10)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
