"""Parses GS1 codes: element strings as scanners send or people type them, and Digital Link addresses.

A text without a GTIN is a plain barcode; a code with one is used in full or rejected with a reason, never misread. Only
of a text without FNC1, what cannot be read with certainty goes into the note, and the scanner needs other settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
from biip import ParseConfig, ParseError
from biip.checksums import gs1_standard_check_digit
from biip.gs1_element_strings import GS1ElementString
from msgspec import Struct

from stocky.barcodes.codes import (
    AIM,
    AROUND,
    FNC1,
    LONGEST,
    ScannedCode,
    clean,
    has_check_digit,
    normalize_barcode,
    printed,
    read_plain,
    rejected,
)

# The AIM identifiers of symbols that hold element strings; the others identify the symbology of a plain barcode.
_ELEMENT_SYMBOLS = frozenset(("C1", "e0", "e1", "e2", "d2", "Q3", "J1"))
_AROUND = AROUND.replace("\x1d", "").replace("\u241d", "")
# ISO/IEC 15434's header of GS1 elements.
_HEADER = re.compile(r"\[\)>(?:\\x1e|\D{0,6}?)05")
# What is an FNC1 anywhere; other texts stand for one only in a text that begins as an element string.
_SEPARATOR = re.compile(r"\x1d|\u241d|<GS>")
_ANY_SEPARATOR = re.compile(FNC1, re.IGNORECASE)
_GTIN_FIRST = re.compile(rf"(?:{FNC1})*0[12]([0-9]{{14}})", re.IGNORECASE)
# The address on an item's label.
_LABEL = re.compile(r"https?://\S+/i/([A-Za-z]{4})/?")
# What begins like another element within a value that nothing ends: in a count a frequent identifier with the beginning
# of its value, and in text a date.
_NEXT_IN_COUNT = re.compile(r".(?:1[01357]|2[1-4]|9\d|20.).")
_NEXT_IN_TEXT = re.compile(r".(?:1[1357])\d\d(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])")
_COUNT_IN_TEXT = re.compile(r".37\d")
NO_FNC1 = (
    "Part of the label could not be read with certainty, because the scanner sends no FNC1; switch on FNC1"
    " (GS, ASCII 29) in the scanner's settings"
)
_IN_PARENTHESES = re.compile(r"\((\d{2,4})\)")
# The identifiers that are used, and so have to be readable; the rest may be anything.
_USED = re.compile(r"01|02|10|15|17|21|30|37|7003|3[12]0\d|357\d")
_EXPIRY = ("17", "7003", "15")
_COUNTS = ("30", "37")
_NAMES = {"10": "lot", "21": "serial"}
_POUNDS = {"320": "lb", "357": "oz"}
_MILLIGRAMS = {"310": Decimal(10**6), "320": Decimal("453592.37"), "357": Decimal("28349.523125")}
# Dates are checked here: a date of zeros means no date.
_CONFIG = ParseConfig(gs1_element_strings_verify_date=False)


class _Element(Struct, frozen=True):
    """An application identifier with its text; `element` is None if it cannot be parsed."""

    ai: str
    value: str
    element: GS1ElementString | None


def read_gs1(text: str) -> ScannedCode:
    """Parses a text that may be a GS1 code."""
    content = text.strip(_AROUND)
    symbol = AIM.match(content)
    if symbol is not None:
        content = content[symbol.end() :].lstrip(_AROUND)
    has_fnc1 = (symbol is not None and symbol[1] in _ELEMENT_SYMBOLS) or "\x1d" in content
    if header := _HEADER.match(content):
        content, has_fnc1 = content[header.end() :], True
    is_marked = True
    if content[:4].lower() == "http":
        elements = list(_of_link(content))
    elif content.startswith("("):
        elements = list(_of_parentheses("".join(content.split())))
    else:
        first = _GTIN_FIRST.match(content)
        if not has_fnc1 and first is not None and has_check_digit(first[1]):
            return _read_unmarked(text, [part.strip(AROUND) for part in _ANY_SEPARATOR.split(content)])
        parts = (_ANY_SEPARATOR if has_fnc1 else _SEPARATOR).split(content)
        is_marked = has_fnc1 or len(parts) > 1
        elements = [each for part in parts for each in _of_string(part)]
    gtins = [each for each in elements if each.element and each.value.isascii()]
    gtin = next((each for ai in ("01", "02") for each in gtins if each.ai == ai), None)
    if gtin is None or (not is_marked and not _is_whole(elements, gtin)):
        return _plain(text)
    return _scanned_code(text, gtin, elements)


def _read_unmarked(text: str, parts: list[str]) -> ScannedCode:
    """Parses a text that begins with 01 or 02 and a valid GTIN, and has no FNC1, or other signs for it.

    An element of variable length ends where its part does. One that does not is not read, nor is what follows it. In a
    text of one part, what begins like another element within the last one may be one.
    """
    read: list[_Element] = []
    unread: list[str] = []
    is_certain = True
    for part in parts:
        elements = list(_of_string(part))
        for index, each in enumerate(elements):
            is_last = index == len(elements) - 1
            if not each.element or (each.element.ai.separator_required and not is_last) or _is_invalid(each):
                unread.append("".join(f"{other.ai}{other.value}" for other in elements[index:]))
                break
            if is_last and len(parts) == 1 and _may_go_on(elements):
                is_certain = False
                if each.ai in _COUNTS:
                    unread.append(f"{each.ai}{each.value}")
                    break
            read.append(each)
    code = _scanned_code(text, read[0], read)
    if code.problem is not None or (not unread and is_certain):
        return code
    rest = f"unread {' '.join(unread)}" if unread else None
    note = ", ".join(filter(None, (code.note, rest))) or None
    # Only the note has a lot that may contain the next element.
    uncertain = {name: None for ai, name in _NAMES.items() if read[-1].ai == ai and not is_certain}
    return msgspec.structs.replace(code, note=note, warning=NO_FNC1, **uncertain)


def _is_invalid(element: _Element) -> bool:
    return element.ai in _EXPIRY and element.value.strip("0") != "" and _date(element) is None


def _may_go_on(elements: list[_Element]) -> bool:
    """Whether the last value may contain the next element, which nothing separates from it."""
    last = elements[-1]
    assert last.element is not None
    if not last.element.ai.separator_required:
        return False
    if last.ai in _COUNTS:
        return _NEXT_IN_COUNT.search(last.value) is not None
    if _NEXT_IN_TEXT.search(last.value):
        return True
    # A label with 02 has a count as well.
    lacks_count = elements[0].ai == "02" and all(each.ai != "37" for each in elements)
    return lacks_count and _COUNT_IN_TEXT.search(last.value) is not None


def _plain(text: str) -> ScannedCode:
    code = clean(text)
    if label := _LABEL.fullmatch(code):
        code = label[1].upper()
        return ScannedCode(text, code, code)
    if len(code) > LONGEST:
        return rejected(text, f"This is not a GS1 code with a GTIN, and a barcode has at most {LONGEST} characters")
    return read_plain(text)


def _is_whole(elements: list[_Element], gtin: _Element) -> bool:
    """Whether an unmarked text is an element string: all of it parses, and its check digit or a date confirms it."""
    return all(each.element for each in elements) and (
        _check_digit(gtin) == gtin.value[-1] or any(each.element and each.element.date for each in elements)
    )


def _scanned_code(text: str, gtin: _Element, elements: list[_Element]) -> ScannedCode:
    if (expected := _check_digit(gtin)) != gtin.value[-1]:
        return rejected(
            text,
            f"The check digit of ({gtin.ai}) {gtin.value} is wrong: it is {gtin.value[-1]} and should be {expected}."
            " Scan it again, or type the printed number",
        )
    if unread := next((each for each in elements if not each.element and _USED.match(each.ai)), None):
        return rejected(text, f"({unread.ai}) {unread.value} cannot be read; scan it again, or type the number alone")
    values = {each.ai: each for each in reversed(elements) if each.element}
    expiry = None
    for ai in _EXPIRY:
        if ai in values and values[ai].value.strip("0"):
            expiry = _date(values[ai])
            if expiry is None:
                return rejected(text, f"({ai}) {values[ai].value} is not a date; book it by the number alone")
            break
    notes = [f"{name} {values[ai].value}" for ai, name in _NAMES.items() if ai in values]
    counts = [(ai, int(values[ai].value or 0)) for ai in _COUNTS if ai in values]
    weights = _weights(elements)
    for amounts, name in ((counts, "count"), (weights, "weight")):
        if amounts and not any(amount for _, amount in amounts):
            ai = amounts[0][0]
            return rejected(
                text, f"({ai}) {values[ai].value} is a {name} of 0; book it by the number alone, with a quantity"
            )
    weight_ai = next((ai for ai, weight in weights if weight), "")
    if pounds := _POUNDS.get(weight_ai[:3]):
        # The weight is rounded to milligrams, so the note has the label's own figure.
        element = values[weight_ai].element
        assert element is not None
        assert element.decimal is not None
        notes.append(f"{element.decimal.normalize():f} {pounds}")
    return ScannedCode(
        text,
        gtin.value,
        printed(gtin.value),
        expiry=expiry,
        lot=_text(values, "10"),
        serial=_text(values, "21"),
        note=", ".join(notes) or None,
        milligrams=next((weight for _, weight in weights if weight), None),
        is_rounded=pounds is not None,
        count=next((count for _, count in counts if count), None),
    )


def _text(values: dict[str, _Element], ai: str) -> str | None:
    return (values[ai].value.strip() or None) if ai in values else None


def _check_digit(gtin: _Element) -> str:
    return str(gs1_standard_check_digit(gtin.value[:-1]))


def _date(element: _Element) -> date | None:
    """The element's date; day 00 is the last of the month."""
    return element.element.date if element.element else None


def _weights(elements: list[_Element]) -> list[tuple[str, int]]:
    """The net weight in milligrams, by identifier; the same weight in several units is sorted by precision."""
    return [
        (each.ai, int((each.element.decimal * milligrams).to_integral_value(ROUND_HALF_UP)))
        for prefix, milligrams in _MILLIGRAMS.items()
        for each in elements
        if each.ai.startswith(prefix) and each.element and each.element.decimal is not None
    ]


def _of_string(part: str) -> Iterator[_Element]:
    """The elements up to a separator. From the first unreadable one on, the rest of the part is one element."""
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
    """The GTIN in the path, the elements after it, and those in the query."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return
    path = [unquote(part) for part in parts.path.split("/")]
    for index, ai in enumerate(path[:-1]):
        gtin = path[index + 1]
        # A shorter number needs a valid check digit, since other addresses contain numbers as well.
        if ai == "01" and ((len(gtin) == 14 and gtin.isdecimal()) or normalize_barcode(gtin) != gtin):
            yield _element(ai, gtin.zfill(14))
            following = path[index + 2 :]
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
    # biip parses (010) as (01).
    return _Element(ai, value, element if element.ai.ai == ai else None)
