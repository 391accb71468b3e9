"""Reads GS1 codes: element strings as scanners send or people type them, and Digital Link addresses.

What has no GTIN in it is a plain barcode; what has one is used in full or refused in words, never taken for another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from urllib.parse import parse_qsl, unquote, urlsplit

from biip import ParseConfig, ParseError
from biip.checksums import gs1_standard_check_digit
from biip.gs1_element_strings import GS1ElementString
from msgspec import Struct

from stocky.barcodes.keys import normalize_barcode, printed
from stocky.barcodes.reading import LONGEST, ScannedCode, read_plain

# The AIM identifiers of symbols that hold element strings; others tell only how a plain barcode was printed.
_ELEMENT_SYMBOLS = frozenset(("C1", "e0", "e1", "e2", "d2", "Q3", "J1"))
_AIM = re.compile(r"\]([A-Za-z][0-9A-Za-z])")
# How keyboards, terminals and people write the FNC1 that ends an element of variable length.
_SEPARATOR = re.compile(r"\x1d|\u241d|<GS>")
_IN_PARENTHESES = re.compile(r"\((\d{2,4})\)")
# What is used of a code, and so has to be readable; the rest may be anything.
_USED = re.compile(r"01|02|10|15|17|21|30|37|7003|3[12]0\d|357\d")
_EXPIRY = ("17", "7003", "15")
_POUNDS = {"320": "lb", "357": "oz"}
_MILLIGRAMS = {"310": Decimal(10**6), "320": Decimal("453592.37"), "357": Decimal("28349.523125")}
# Dates are judged here: one of zeros says that there is none.
_CONFIG = ParseConfig(gs1_element_strings_verify_date=False)


class _Element(Struct, frozen=True):
    """An application identifier with its text; `element` None is one that cannot be read."""

    ai: str
    value: str
    element: GS1ElementString | None


def read_gs1(text: str) -> ScannedCode:
    """What a text says that may be a GS1 code."""
    stripped = text.strip(" \t\r\n")
    symbol = _AIM.match(stripped)
    content = stripped[symbol.end() :] if symbol else stripped
    is_marked = True
    if content[:4].lower() == "http":
        elements = list(_of_link(content))
    elif content.startswith("("):
        elements = list(_of_parentheses("".join(content.split())))
    else:
        parts = _SEPARATOR.split(content)
        is_marked = len(parts) > 1 or (symbol is not None and symbol[1] in _ELEMENT_SYMBOLS)
        elements = [each for part in parts for each in _of_string(part)]
    gtins = [each for each in elements if each.element and each.value.isascii()]
    gtin = next((each for ai in ("01", "02") for each in gtins if each.ai == ai), None)
    if gtin is None or (not is_marked and not _is_whole(elements, gtin)):
        return _plain(text, content if symbol else text)
    return _reading(text, gtin, elements)


def _plain(text: str, code: str) -> ScannedCode:
    if len(code) > LONGEST:
        return _refused(text, f"This is no GS1 code with a GTIN, and a barcode has at most {LONGEST} characters")
    return ScannedCode(text, normalize_barcode(code), code) if code else read_plain(text)


def _is_whole(elements: list[_Element], gtin: _Element) -> bool:
    """Whether what nothing marks as an element string is one: all of it is, and its GTIN or a date bears it out."""
    return all(each.element for each in elements) and (
        _check_digit(gtin) == gtin.value[-1] or any(each.element and each.element.date for each in elements)
    )


def _reading(text: str, gtin: _Element, elements: list[_Element]) -> ScannedCode:
    if (expected := _check_digit(gtin)) != gtin.value[-1]:
        return _refused(
            text,
            f"The check digit of ({gtin.ai}) {gtin.value} is wrong: it ends in {gtin.value[-1]}, and would have to end"
            f" in {expected}. Scan it again, or type the number as it is printed",
        )
    if unread := next((each for each in elements if not each.element and _USED.match(each.ai)), None):
        return _refused(text, f"({unread.ai}) {unread.value} cannot be read; scan it again, or type the number alone")
    values = {each.ai: each for each in reversed(elements) if each.element}
    expiry = None
    for ai in _EXPIRY:
        if ai in values and values[ai].value.strip("0"):
            expiry = _date(values[ai])
            if expiry is None:
                return _refused(text, f"({ai}) {values[ai].value} is no date; book it by the number alone")
            break
    notes = [f"{name} {values[ai].value}" for ai, name in (("10", "lot"), ("21", "serial")) if ai in values]
    counts = [(ai, int(values[ai].value or 0)) for ai in ("30", "37") if ai in values]
    weights = _weights(elements)
    for said, meaning in ((counts, "there is nothing in it"), (weights, "it weighs nothing")):
        if said and not any(amount for _, amount in said):
            ai = said[0][0]
            return _refused(
                text, f"({ai}) {values[ai].value} says that {meaning}; book it by the number alone, with a quantity"
            )
    weight_ai = next((ai for ai, weight in weights if weight), "")
    if pounds := _POUNDS.get(weight_ai[:3]):
        # It is rounded to milligrams, so the label's own figure is kept beside it.
        element = values[weight_ai].element
        assert element is not None
        assert element.decimal is not None
        notes.append(f"{element.decimal.normalize():f} {pounds}")
    return ScannedCode(
        text,
        gtin.value,
        printed(gtin.value),
        expiry=expiry,
        note=", ".join(notes) or None,
        milligrams=next((weight for _, weight in weights if weight), None),
        is_rounded=pounds is not None,
        count=next((count for _, count in counts if count), None),
    )


def _refused(text: str, problem: str) -> ScannedCode:
    return ScannedCode(text, text, text, problem=problem)


def _check_digit(gtin: _Element) -> str:
    return str(gs1_standard_check_digit(gtin.value[:-1]))


def _date(element: _Element) -> date | None:
    """Day 00 is the last of the month."""
    return element.element.date if element.element else None


def _weights(elements: list[_Element]) -> list[tuple[str, int]]:
    """The net weight in milligrams, by identifier; of several units, which say the same, the most exact is first."""
    return [
        (each.ai, int((each.element.decimal * milligrams).to_integral_value(ROUND_HALF_UP)))
        for prefix, milligrams in _MILLIGRAMS.items()
        for each in elements
        if each.ai.startswith(prefix) and each.element and each.element.decimal is not None
    ]


def _of_string(part: str) -> Iterator[_Element]:
    """The elements up to a separator. From one that cannot be read on, the rest of the part is one."""
    while part:
        try:
            element = GS1ElementString.extract(part, config=_CONFIG)
        except ParseError:
            used = _USED.match(part)
            end = used.end() if used else 2
            yield _Element(part[:end], part[end:], None)
            return
        yield _Element(element.ai.ai, element.value, element)
        part = part[len(element) :]


def _of_parentheses(text: str) -> Iterator[_Element]:
    before, *rest = _IN_PARENTHESES.split(text)
    if not before:
        for ai, value in zip(rest[0::2], rest[1::2], strict=True):
            yield _element(ai, value)


def _of_link(address: str) -> Iterator[_Element]:
    """The GTIN in the path, what follows it there, and what is asked for after it."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return
    path = [unquote(part) for part in parts.path.split("/")]
    for place, ai in enumerate(path[:-1]):
        gtin = path[place + 1]
        # A shorter number has to prove that it is one, since other addresses have numbers in them as well.
        if ai == "01" and ((len(gtin) == 14 and gtin.isdecimal()) or normalize_barcode(gtin) != gtin):
            yield _element(ai, gtin.zfill(14))
            following = path[place + 2 :]
            pairs = [*zip(following[0::2], following[1::2], strict=False), *parse_qsl(parts.query)]
            for name, value in pairs:
                if name.isdecimal() and len(name) <= 4:
                    yield _element(name, value)
            return


def _element(ai: str, value: str) -> _Element:
    try:
        element = GS1ElementString.parse(f"{ai}{value}", config=_CONFIG)
    except ParseError:
        return _Element(ai, value, None)
    # Where (010) was written, it is read as (01).
    return _Element(ai, value, element if element.ai.ai == ai else None)
