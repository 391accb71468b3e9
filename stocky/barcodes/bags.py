"""Parses the labels on distributors' bags: ISO/IEC 15434 with ANSI MH10.8.2 identifiers, and LCSC's and TME's text.

A text is a bag only if it names a part; the part number is its barcode, so that all bags of a part are one item.
"""

from __future__ import annotations

import re

from stocky.barcodes.codes import FNC1, Bag, ScannedCode, clean, normalize_barcode, rejected

# The header, and whatever the scanner sends for RS and GS before and after the number of the format. Mouser's begins
# with another sign.
_HEADER = re.compile(rf"(>?)\[\)>(?:\\x1e|\D{{0,6}}?)06({FNC1}|[\x1e\u241e])", re.IGNORECASE)
_SEPARATORS = re.compile(r"[\x1d\x1e\u241d\u241e]")
_END = re.compile(r"(?:[<{\[](?:RS|EOT|GS)[>}\]])+$", re.IGNORECASE)
_ELEMENT = re.compile(r"(\d{0,3}[A-Z])(.+)", re.DOTALL)
# `{pbn:PICK…,pc:C312270,…}`: a value may contain commas.
_LCSC = re.compile(r"\{\s*(?=\w{1,8}:)(.+?)\}?", re.DOTALL)
_LCSC_FIELD = re.compile(r"(?:^|,)\s*(\w{1,8}):")
_TME_FIELD = re.compile(r"(?:^|\s)(QTY|PN|MPN|MFR|PO|CPO):(\S+)")
# Up to 99,999,999, perhaps with commas between the thousands.
_QUANTITY = re.compile(r"0*(\d{1,8}|[1-9]\d?(?:,\d{3}){1,2}|[1-9]\d\d,\d{3})(?:\.0*)?\s*(?:EA|PCS?)?", re.IGNORECASE)
# The most that the fields of an item take.
_LONGEST_PART = 200

# The name of each kind of identifier in the note, in this order.
_NOTES = (
    ("order", ("1K", "on", "PO")),
    ("purchase order", ("K", "CPO")),
    ("lot", ("1T",)),
    ("date code", ("9D", "10D", "D")),
    ("serial", ("S",)),
    ("maker", ("1V", "MFR")),
)
_MAKER_PARTS = ("1P", "pm", "MPN")
# DigiKey's own identifier, LCSC's, TME's, and that for a customer's or a seller's number.
_SELLER_PARTS = ("30P", "pc", "PN", "P")
_QUANTITIES = ("Q", "qty", "QTY")


def read_bag(text: str) -> ScannedCode | None:
    """Parses a text that may be a bag; None for any other text."""
    content = clean(text)
    seller, fields = _mh10(content) or _lcsc(content) or _tme(content) or ("", {})
    maker_part, *_ = [*_values(fields, _MAKER_PARTS), None]
    parts = _values(fields, _SELLER_PARTS)
    code = maker_part or next(iter(parts), None)
    if code is None:
        return None
    notes = [f"{name} {value}" for name, identifiers in _NOTES for value in _values(fields, identifiers)[:1]]
    quantity = next(filter(None, (clean(fields.get(each, "")) for each in _QUANTITIES)), None)
    count = None
    if quantity is not None:
        match = _QUANTITY.fullmatch(quantity)
        count = None if match is None else int(match[1].replace(",", ""))
        if not count:
            fault = "has a quantity of 0" if match else f"has the quantity {quantity[:20]}, which cannot be read"
            return rejected(text, f"The bag of {code} {fault}; book it by its part number, with a quantity")
    bag = Bag(maker_part, next(iter(parts), None), seller)
    others = tuple(dict.fromkeys(normalize_barcode(part) for part in parts))
    return ScannedCode(
        text,
        normalize_barcode(code),
        code,
        note=", ".join(notes) or None,
        count=count,
        bag=bag,
        others=others,
    )


def is_without_separators(code: ScannedCode) -> bool:
    """Whether this is the label of a bag whose fields the scanner ran together."""
    return code.bag is None and code.problem is None and re.match(r">?\[\)>\D{0,6}06", code.code) is not None


def _values(fields: dict[str, str], identifiers: tuple[str, ...]) -> list[str]:
    """The values of those identifiers that a bag has, without blank and overlong ones."""
    values = (clean(fields.get(each, "")) for each in identifiers)
    return [value for value in values if 0 < len(value) <= _LONGEST_PART]


def _mh10(content: str) -> tuple[str, dict[str, str]] | None:
    header = _HEADER.match(content)
    if header is None:
        return None
    rest = _END.sub("", content[header.end() :])
    separator = header[2]
    # A scanner that replaces the separator replaces every one alike.
    parts = _SEPARATORS.split(rest) if _SEPARATORS.fullmatch(separator) else rest.split(separator)
    fields: dict[str, str] = {}
    for part in parts:
        if element := _ELEMENT.fullmatch(part):
            fields.setdefault(element[1], element[2])
    is_digikey = "30P" in fields or "20Z" in fields or fields.get("P", "").endswith("-ND")
    return "DigiKey" if is_digikey else "Mouser" if header[1] else "", fields


def _lcsc(content: str) -> tuple[str, dict[str, str]] | None:
    if (braces := _LCSC.fullmatch(content)) is None:
        return None
    _, *found = _LCSC_FIELD.split(braces[1])
    fields = dict(zip(found[0::2], found[1::2], strict=True))
    return ("LCSC", fields) if "pc" in fields or "pm" in fields else None


def _tme(content: str) -> tuple[str, dict[str, str]] | None:
    fields = dict(_TME_FIELD.findall(content))
    return ("TME", fields) if "PN" in fields and "QTY" in fields else None
