"""CSV cells: an exported cell is imported as the same text, and no spreadsheet evaluates it as a formula."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from io import StringIO
from typing import Any

from stocky.quantity import decimal_text, quantity_text

# Spreadsheets evaluate text that starts like this. Such text gets a quote, also when quotes precede it already.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_CHARACTER = re.compile(r"\\(.)|(.)", re.DOTALL)


class Number(str):
    """A cell that is a number and is written unguarded: a negative quantity is not a formula."""

    __slots__ = ()


def guarded(text: str) -> str:
    """The cell for a text."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    """The text of a cell."""
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell


def list_cell(entries: Iterable[str]) -> str:
    """Several texts in one cell, separated by `;`; a backslash escapes `;`, backslashes and surrounding blanks."""
    return "; ".join(re.sub(r"([\\;]|^\s|\s\Z)", r"\\\1", entry) for entry in entries)


def split_list(text: str) -> list[str]:
    """The texts of such a cell, without surrounding blanks."""
    entries, entry, length = [], "", 0
    for match in _CHARACTER.finditer(text):
        escaped, plain = match.groups()
        if plain == ";":
            entries.append(entry[:length])
            entry, length = "", 0
        elif escaped or not plain.isspace():
            entry += escaped or plain
            length = len(entry)
        elif entry:
            entry += plain
    return [each for each in [*entries, entry[:length]] if each]


def pack_entry(barcode: str, pack_milli: int) -> str:
    """A barcode with its pack quantity, as in `4006381333931*6`."""
    plain = barcode.replace("*", "**")
    return plain if pack_milli == 1000 else f"{plain}*{quantity_cell(pack_milli)}"


def split_pack(entry: str) -> tuple[str, str | None]:
    """The barcode and the text of its pack quantity, None without one."""
    stars = re.fullmatch(r"((?:[^*]|\*\*)*)\*([^*]*)", entry, re.DOTALL)
    if stars is None:
        return entry.replace("**", "*"), None
    return stars[1].replace("**", "*"), stars[2]


def quantity_cell(milli: int) -> Number:
    """A quantity with a decimal point and without trailing zeros."""
    return Number(quantity_text(milli))


def price_cell(micro: int) -> Number:
    """A price or a value in the same way."""
    return Number(decimal_text(micro, 6))


def cell(value: Any) -> str:
    """The cell for a value; None is an empty cell."""
    if value is None:
        return ""
    if isinstance(value, Number):
        return value
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return guarded(str(value))


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as CSV (RFC 4180): commas, quotes where needed, CRLF."""
    written = StringIO()
    writer = csv.writer(written)
    writer.writerows([cell(value) for value in row] for row in rows)
    return written.getvalue()
