"""The dump format: SQL text with a header of its origin and a footer of checksums.

A dump without its footer is truncated, even if all else is valid.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

# Increased when a reader of this version could misread the format; not for a new schema.
FORMAT = 1
TITLE = "-- Stocky backup"
COMPLETE = "-- complete: "

Dialect = Literal["sqlite", "postgres"]


class Header(msgspec.Struct, frozen=True):
    """The first lines. `schema` is the number of the newest migration, `rows` the row count of each data table."""

    stocky: str
    schema: int
    dialect: Dialect
    taken_at: datetime
    rows: dict[str, int]
    format: int = FORMAT


class TableDigest(msgspec.Struct, frozen=True):
    """The number of a table's INSERT lines, and the SHA-256 of their bytes including line ends."""

    rows: int
    sha256: str


class Footer(msgspec.Struct, frozen=True):
    """The last line. `sha256` is of all text before it."""

    rows: int
    tables: dict[str, TableDigest]
    sha256: str


def write_header(header: Header) -> str:
    """The header text: one line per field, each with a line end."""
    fields: dict[str, object] = msgspec.to_builtins(header)
    rows = msgspec.json.encode(fields.pop("rows")).decode()
    return "\n".join([TITLE, *(f"-- {name}: {value}" for name, value in fields.items()), f"-- rows: {rows}\n"])


def read_header(text: str) -> Header | None:
    """The header at the start of `text`, which must contain all of it; None when there is none.

    Raises ValueError for a damaged header.
    """
    lines = text.split("\n")
    if lines[0] != TITLE:
        return None
    fields: dict[str, object] = {}
    for line in lines[1:]:
        name, colon, value = line.removeprefix("-- ").partition(": ")
        if not line.startswith("-- ") or not colon or name in fields:
            break
        fields[name] = value
    try:
        fields["rows"] = msgspec.json.decode(str(fields["rows"]))
        return msgspec.convert(fields, Header, strict=False)
    except (KeyError, msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"its first lines are damaged ({error})") from error


def write_footer(footer: Footer) -> str:
    """The footer text with its line end."""
    return f"{COMPLETE}{msgspec.json.encode(footer).decode()}\n"


def read_footer(line: str) -> Footer | None:
    """The footer in `line`; None when it is another line. Raises ValueError for a damaged footer."""
    if not line.startswith(COMPLETE):
        return None
    try:
        return msgspec.json.decode(line.removeprefix(COMPLETE), type=Footer)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"its last line is damaged ({error})") from error
