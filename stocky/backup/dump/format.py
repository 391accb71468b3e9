"""What a dump looks like: SQL text whose first lines tell where it is from and whose last line proves it complete.

A dump without its last line is truncated, whatever else is right about it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

# Raised when a reader of this version could misunderstand what is written; not for a new schema.
FORMAT = 1
TITLE = "-- Stocky backup"
COMPLETE = "-- complete: "

Dialect = Literal["sqlite", "postgres"]


class Header(msgspec.Struct, frozen=True):
    """The first lines. `schema` is the number of the newest migration, `rows` counts each table that holds data."""

    stocky: str
    schema: int
    dialect: Dialect
    taken_at: datetime
    rows: dict[str, int]
    format: int = FORMAT


class TableDigest(msgspec.Struct, frozen=True):
    """What a table's INSERT lines come to: how many, and the SHA-256 of their bytes, each with its line end."""

    rows: int
    sha256: str


class Footer(msgspec.Struct, frozen=True):
    """The last line. `sha256` is of everything before it."""

    rows: int
    tables: dict[str, TableDigest]
    sha256: str


def write_header(header: Header) -> str:
    """The first lines, one for each field, with a line end after the last one."""
    fields: dict[str, object] = msgspec.to_builtins(header)
    rows = msgspec.json.encode(fields.pop("rows")).decode()
    return "\n".join([TITLE, *(f"-- {name}: {value}" for name, value in fields.items()), f"-- rows: {rows}\n"])


def read_header(text: str) -> Header | None:
    """The header at the beginning of `text`, which holds all of it; None when it does not begin with one.

    Raises ValueError for one that is damaged.
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
    """The last line, with its line end."""
    return f"{COMPLETE}{msgspec.json.encode(footer).decode()}\n"


def read_footer(line: str) -> Footer | None:
    """The footer that `line` is; None when it is something else. Raises ValueError for one that is damaged."""
    if not line.startswith(COMPLETE):
        return None
    try:
        return msgspec.json.decode(line.removeprefix(COMPLETE), type=Footer)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"its last line is damaged ({error})") from error
