"""Parses the text of cells: exact quantities, dates, enumerations. Ambiguous text is refused."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from enum import Enum
from functools import cache
from typing import TypeVar

from stocky.catalogue.schemas import MAX_DAYS
from stocky.money import MAX_PRICE, MICRO, list_currencies
from stocky.quantity import MAX_QUANTITY
from stocky.schema import LocationKind, OversellPolicy, StorageType

E = TypeVar("E", bound=Enum)

MAX_MILLI = MAX_QUANTITY * 1000
# Separators that spreadsheets put between thousands, besides the other decimal mark.
_SEPARATORS = " \u00a0\u2009\u202f'"
_GAPS = str.maketrans("", "", _SEPARATORS)
_SPACED = re.compile(rf"[+-]?\d{{1,3}}(?:[{_SEPARATORS}]\d{{3}})+(?:[.,]\d+)?", re.ASCII)
_PLAIN = re.compile(r"(?P<sign>[+-]?)(?P<whole>\d+)(?:[.](?P<decimals>\d+))?", re.ASCII)
_GROUPED = {mark: re.compile(rf"[+-]?\d{{1,3}}(?:[{mark}]\d{{3}})+", re.ASCII) for mark in ".,"}
_TOTAL = re.compile(
    r"(?:grand|sub|net|gross)?[ -]?(?:total|totals|sum)|(?:gesamt|zwischen|end)?[ -]?summe"
    r"|(?:ins)?gesamt(?:menge|bestand|wert|betrag)?|total (?:quantity|units|items|price|amount|value|cost)"
    r"|sous-total|totale|totaal|suma",
    re.IGNORECASE,
)
_TOTAL_PARTS = ("total", "sum", "gesamt", "totaal")
_DECIMAL_COMMA = re.compile(rf"[+-]?[\d.{_SEPARATORS}]{{0,30}}\d,(\d{{1,30}})", re.ASCII)
# The total and its number in one cell.
_TOTAL_WITH_NUMBER = re.compile(rf"(?P<word>{_TOTAL.pattern})[ :=]{{1,3}}[\d.,' ]{{1,20}}", re.IGNORECASE)
# A number with a currency or a unit. Longer texts are none, and would take long to match.
_LONGEST_AMOUNT = 40
_LONGEST_PRICE = 80
_AMOUNT = re.compile(r"[^\W\d_]{0,4}[^\w]*\d[\d.,' \u00a0\u202f]*[^\w]*[^\W\d_]{0,6}")
# A price: a number with a currency before or after it, and the unit that costs it.
_PRICE = re.compile(
    rf"(?P<before>[^\d+-]*)(?P<number>[+-]?\d(?:[\d.,{_SEPARATORS}]*\d)?)(?P<after>\D*?)"
    r"(?:(?:/|(?<!\w)(?:per|pro|je)\s)\s*(?P<unit>[^\W\d_][^\d/]*))?",
    re.IGNORECASE,
)
# What people write for a currency besides its sign and its code.
_CURRENCY_NAMES = frozenset(
    (
        "bs",
        "din",
        "eur",
        "euro",
        "euros",
        "fr",
        "ft",
        "kn",
        "kr",
        "kč",
        "lei",
        "lv",
        "rm",
        "rp",
        "rs",
        "sfr",
        "zl",
        "zł",
    )
)


class Unreadable(Exception):
    """Text that is not a valid value; the message names the valid form."""


def milli_of(text: str, decimal: str | None, *, point_may_group: bool = False) -> int:
    """Thousandths of a quantity. Raises Unreadable as `decimal_of` does, and for more than three decimals."""
    match = _PLAIN.fullmatch(decimal_of(text, decimal, point_may_group=point_may_group))
    if match is None:
        raise Unreadable(f"{text!r} is not a number")
    significant = (match["decimals"] or "").rstrip("0")
    if len(significant) > 3:
        raise Unreadable(f"{_short(text)} has more than three decimals")
    digits = match["whole"].lstrip("0")
    # int() rejects text of thousands of digits.
    milli = int(digits[:18] or 0) * 1000 + int(significant.ljust(3, "0") or 0)
    if milli > MAX_MILLI:
        raise Unreadable(f"{_short(text)} is too large; a quantity is at most {MAX_QUANTITY:,}")
    return -milli if match["sign"] == "-" else milli


def price_of(text: str, decimal: str | None, *, point_may_group: bool = False) -> tuple[int, str | None]:
    """Millionths of a price, which may be written with its currency, and the unit after `/` or `per`, if any.

    A price that is no number with the decimal mark of the quantities may have the other one. Raises Unreadable as
    `milli_of` does, and for other words beside the number.
    """
    match = _PRICE.fullmatch(text) if len(text) <= _LONGEST_PRICE else None
    if match is None or not all(_is_currency(match[side].strip()) for side in ("before", "after")):
        raise Unreadable(f"{_short(text)!r} is not a price: a number, with its currency and with /kg or per kg, if any")
    micro = _micro_of(match["number"], decimal, point_may_group=point_may_group)
    return micro, match["unit"] and match["unit"].strip()


def _is_currency(text: str) -> bool:
    """Whether this beside a price is nothing, a sign such as € and US$, a code, or a usual name of a currency."""
    signs = [each for each in text if unicodedata.category(each) == "Sc"]
    if not signs:
        return not text or text in _currencies() or text.removesuffix(".").lower() in _CURRENCY_NAMES
    letters = text.replace(signs[0], "", 1)
    return not letters or (len(letters) <= 3 and letters.isascii() and letters.isupper())


@cache
def _currencies() -> frozenset[str]:
    return frozenset(list_currencies())


def _micro_of(text: str, decimal: str | None, *, point_may_group: bool) -> int:
    try:
        match = _PLAIN.fullmatch(decimal_of(text, decimal, point_may_group=point_may_group))
    except Unreadable:
        if decimal is None:
            raise
        match = None
    if match is None and decimal is not None:
        match = _PLAIN.fullmatch(decimal_of(text, None, point_may_group=point_may_group))
    if match is None:
        raise Unreadable(f"{_short(text)!r} is not a price")
    significant = (match["decimals"] or "").rstrip("0")
    if len(significant) > 6:
        raise Unreadable(f"{_short(text)} has more than six decimals")
    micro = int(match["whole"].lstrip("0")[:18] or 0) * MICRO + int(significant.ljust(6, "0") or 0)
    if micro > MAX_PRICE * MICRO:
        raise Unreadable(f"{_short(text)} is too large; a price is at most {MAX_PRICE:,}")
    if match["sign"] == "-" and micro:
        raise Unreadable("A price is at least 0")
    return micro


def decimal_of(text: str, decimal: str | None, *, point_may_group: bool = False) -> str:
    """The number with a point and without separators of thousands; `decimal` is its mark, None infers it from the text.

    Raises Unreadable, also for `1,234`, which is ambiguous (1.234 or 1234), and for `1.234` where the point may
    separate thousands.
    """
    compact = text.translate(_GAPS)
    if len(compact) < len(text) and not _SPACED.fullmatch(text):
        raise Unreadable(f"{_short(text)!r} is not a number")
    mark = decimal or _decimal_mark(compact, text, point_may_group)
    other = "," if mark == "." else "."
    whole, separator, decimals = compact.partition(mark)
    if other in whole:
        if not _GROUPED[other].fullmatch(whole):
            raise Unreadable(f"{text!r} is not a number")
        whole = whole.replace(other, "")
    return f"{whole}.{decimals}" if separator else whole


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"


def _decimal_mark(compact: str, text: str, point_may_group: bool) -> str:
    point, comma = compact.rfind("."), compact.rfind(",")
    if point >= 0 and comma >= 0:
        return "." if point > comma else ","
    if compact.count(",") > 1:
        return "."
    if compact.count(".") > 1:
        return ","
    if comma < 0 and not (point >= 0 and point_may_group):
        return "."
    mark, other = (",", "point") if comma >= 0 else (".", "comma")
    if _GROUPED[mark].fullmatch(compact) and compact.lstrip("+-")[0] != "0":
        thousands, parts = compact.replace(mark, ""), compact.replace(mark, ".")
        named = "comma" if mark == "," else "point"
        raise Unreadable(f"{text} may be {thousands} (decimal={other}) or {parts} (decimal={named}); set decimal")
    return mark


def has_decimal_comma(text: str) -> bool:
    """Whether a quantity has a comma that cannot separate thousands."""
    match = _DECIMAL_COMMA.fullmatch(text.strip())
    return match is not None and len(match[1]) != 3


def total_in(cells: Sequence[str]) -> str | None:
    """The word that makes a row a total: it has numbers besides, and nothing else. None for other rows."""
    # Every row is asked, and hardly one has such a word.
    text = "\n".join(cells).lower()
    if not any(part in text for part in _TOTAL_PARTS):
        return None
    filled = [cell.strip() for cell in cells if cell.strip()]
    if len(filled) == 1 and len(filled[0]) <= _LONGEST_AMOUNT and (match := _TOTAL_WITH_NUMBER.fullmatch(filled[0])):
        return match["word"]
    words = [cell for cell in filled if _TOTAL.fullmatch(cell.rstrip(": "))]
    if len(words) != 1:
        return None
    others = [cell for cell in filled if cell is not words[0]]
    return words[0] if others and all(map(_is_amount, others)) else None


def _is_amount(text: str) -> bool:
    return len(text) <= _LONGEST_AMOUNT and _AMOUNT.fullmatch(text) is not None


def number_of(text: str) -> int:
    """A whole number from 1. Raises Unreadable."""
    if text.isascii() and text.isdigit() and int(text[:18]) > 0 and len(text) < 16:
        return int(text)
    raise Unreadable(f"{text!r} is not a whole number from 1")


def days_of(text: str) -> int:
    """A whole number from 1 to the days of a hundred years. Raises Unreadable."""
    days = number_of(text)
    if days > MAX_DAYS:
        raise Unreadable(f"{days} days are more than {MAX_DAYS}")
    return days


def storage_type_of(text: str) -> StorageType:
    """Raises Unreadable, which lists the choices."""
    return _choice(StorageType, text)


def location_kind_of(text: str) -> LocationKind:
    """Raises Unreadable, which lists the choices."""
    return _choice(LocationKind, text)


def oversell_policy_of(text: str) -> OversellPolicy:
    """Raises Unreadable, which lists the choices."""
    return _choice(OversellPolicy, text)


def _choice(choices: type[E], text: str) -> E:
    try:
        return choices(text)
    except ValueError:
        raise Unreadable(f"{text!r} is not one of {', '.join(each.value for each in choices)}") from None
