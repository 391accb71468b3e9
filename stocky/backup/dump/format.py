"""The dump format: SQL text with a header of its origin and a footer of checksums.

A dump without its footer is truncated, even if all else is valid.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from stocky.damaged_json import DAMAGED_JSON

# Increased when a reader of this version could misread the format; not for a new schema.
FORMAT = 1
# Of increments: an older Stocky refuses them, instead of restoring a part of the ledger.
INCREMENT_FORMAT = 2
TITLE = "-- Stocky backup"
COMPLETE = "-- complete: "
# The table of which an increment holds only the new rows, since no row of it is ever changed or deleted.
LEDGER = "stock_event"

Dialect = Literal["sqlite", "postgres"]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class ParentFile(msgspec.Struct, frozen=True, kw_only=True):
    """The file that an increment continues, as it is stored."""

    filename: str
    sha256: str
    size_bytes: int


class Increment(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a dump an increment: of the ledger it holds only the events with ids above `after`.

    `base` is the SHA-256 of the file at the start of the chain, `parent` the one before this. `events` counts the whole
    ledger: those of its parents up to `after`, and its own.
    """

    base: str
    parent: ParentFile
    after: Count
    events: Count


class Header(msgspec.Struct, frozen=True):
    """The first lines. `schema` is the number of the newest migration, `rows` the row count of each data table."""

    stocky: str
    schema: int
    dialect: Dialect
    taken_at: datetime
    rows: dict[str, int]
    format: int = FORMAT
    increment: Increment | None = None

    @property
    def restored_rows(self) -> dict[str, int]:
        """The row count of each data table after a restore: for an increment, together with its parents."""
        return self.rows if self.increment is None else {**self.rows, LEDGER: self.increment.events}


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
    encoded = {name: msgspec.json.encode(fields.pop(name)).decode() for name in ("increment", "rows")}
    if header.increment is None:
        del encoded["increment"]
    lines = [f"-- {name}: {value}" for name, value in (fields | encoded).items()]
    return "\n".join([TITLE, *lines, ""])


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
        if "increment" in fields:
            fields["increment"] = msgspec.json.decode(str(fields["increment"]))
        header = msgspec.convert(fields, Header, strict=False)
    except (KeyError, *DAMAGED_JSON) as error:
        raise ValueError(f"its first lines are damaged ({error})") from error
    if header.format <= INCREMENT_FORMAT and (header.format == INCREMENT_FORMAT) != (header.increment is not None):
        raise ValueError("its first lines do not say whether it is an increment")
    return header


def write_footer(footer: Footer) -> str:
    """The footer text with its line end."""
    return f"{COMPLETE}{msgspec.json.encode(footer).decode()}\n"


def read_footer(line: str) -> Footer | None:
    """The footer in `line`; None when it is another line. Raises ValueError for a damaged footer."""
    if not line.startswith(COMPLETE):
        return None
    try:
        return msgspec.json.decode(line.removeprefix(COMPLETE), type=Footer)
    except DAMAGED_JSON as error:
        raise ValueError(f"its last line is damaged ({error})") from error
