"""Cells of a table: what goes out is read in again as the same text, and no spreadsheet takes it for a formula."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from io import StringIO
from typing import Any

# Spreadsheets calculate what begins like this. Text that does, or that would after taking quotes off, gets a quote.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_CHARACTER = re.compile(r"\\(.)|(.)", re.DOTALL)


class Number(str):
    """A cell that is a number or a time and goes out as it is: a quantity below nothing is no formula."""

    __slots__ = ()


def guarded(text: str) -> str:
    """Text as it goes out."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    """The text that a cell stands for."""
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell


def list_cell(entries: Iterable[str]) -> str:
    """Several texts in one cell, with `;` between them; a backslash before what would be taken for something else."""
    return "; ".join(re.sub(r"([\\;]|^\s|\s\Z)", r"\\\1", entry) for entry in entries)


def split_list(text: str) -> list[str]:
    """The texts of such a cell, without the blanks around them."""
    entries, entry, kept = [], "", 0
    for match in _CHARACTER.finditer(text):
        escaped, plain = match.groups()
        if plain == ";":
            entries.append(entry[:kept])
            entry, kept = "", 0
        elif escaped or not plain.isspace():
            entry += escaped or plain
            kept = len(entry)
        elif entry:
            entry += plain
    return [each for each in [*entries, entry[:kept]] if each]


def pack_entry(barcode: str, pack_milli: int) -> str:
    """A barcode with the pieces that one scan of it counts, as in `4006381333931*6`."""
    plain = barcode.replace("*", "**")
    return plain if pack_milli == 1000 else f"{plain}*{quantity_cell(pack_milli)}"


def split_pack(entry: str) -> tuple[str, str | None]:
    """The barcode and the text of its pack quantity, where there is one."""
    stars = re.fullmatch(r"((?:[^*]|\*\*)*)\*([^*]*)", entry, re.DOTALL)
    if stars is None:
        return entry.replace("**", "*"), None
    return stars[1].replace("**", "*"), stars[2]


def quantity_cell(milli: int) -> Number:
    """A quantity with a decimal point and no more decimals than it needs."""
    sign, (whole, rest) = "-" * (milli < 0), divmod(abs(milli), 1000)
    return Number(f"{sign}{whole}" + (f".{rest:03}".rstrip("0") if rest else ""))


def cell(value: Any) -> str:
    """A value as it goes out; None is an empty cell."""
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
    """Rows as CSV (RFC 4180): commas, quotes where they are needed, CRLF."""
    written = StringIO()
    writer = csv.writer(written)
    writer.writerows([cell(value) for value in row] for row in rows)
    return written.getvalue()
