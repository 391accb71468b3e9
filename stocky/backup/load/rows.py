"""Parses the rows of a dump: only literal values, each of its column's kind.

One compiled pattern per table matches a row in one step, without backtracking. Times and dates are read as text in
the one form that Stocky writes.
"""

from __future__ import annotations

import re
import sqlite3
from functools import cached_property
from typing import Literal

import msgspec

from stocky.backup.dump.tables import is_index_of_search

Kind = Literal["integer", "boolean", "text", "time", "date", "blob"]

_KINDS: dict[str, Kind] = {
    "INTEGER": "integer",
    "BIGINT": "integer",
    "BOOLEAN": "boolean",
    "TEXT": "text",
    "TIMESTAMPTZ": "time",
    "DATE": "date",
    "BLOB": "blob",
}
_DATE = r"(?!0000)[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
# Each has one group, the value without its quotes. Longer integers than 18 digits are parsed by `_value`.
_PATTERNS: dict[Kind, str] = {
    "integer": r"(-?[0-9]{1,18})",
    "boolean": r"([01]|true|false)",
    "text": r"'([^']*+(?:''[^']*+)*+)'",
    "time": rf"'({_DATE}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{{6}}Z)'",
    "date": rf"'({_DATE})'",
    "blob": r"[Xx]'((?:[0-9A-Fa-f]{2})*+)'",
}
# Quotes inside a text: a doubled quote, or two around a spelled-out carriage return.
QUOTES = r"'(?:'|\|\|char\(13\)\|\|')"
_QUOTES = re.compile(QUOTES)
_WHOLE = {kind: re.compile(pattern) for kind, pattern in _PATTERNS.items()}
_WHOLE["text"] = re.compile(rf"'([^']*+(?:{QUOTES}[^']*+)*+)'")
_LONG_INTEGER = re.compile(r"-?[0-9]{19}")
_LARGEST = 2**63 - 1

Row = tuple[str | int | None, ...]


class Column(msgspec.Struct, frozen=True):
    """A column of a table and the kind of its values."""

    name: str
    kind: Kind
    is_required: bool


class Table:
    """A table's columns: parses its rows and builds its INSERT statement for SQLite."""

    def __init__(self, name: str, columns: list[Column]) -> None:
        self.name = name
        self.columns = columns

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches a whole INSERT line of a dump, with one group per column."""
        values = (
            _PATTERNS[column.kind] if column.is_required else f"(?:NULL|{_PATTERNS[column.kind]})"
            for column in self.columns
        )
        return re.compile(rf'INSERT INTO "{self.name}" VALUES\({",".join(values)}\);\n', re.ASCII)

    def insert(self, names: tuple[str, ...] | None = None) -> str:
        """The INSERT statement for rows of texts, with all columns in order or only `names`."""
        columns = {column.name: column for column in self.columns}
        wanted = self.columns if names is None else [columns[name] for name in names]
        values = ", ".join(
            _PLACEHOLDERS.get(column.kind, "?{}").format(index) for index, column in enumerate(wanted, 1)
        )
        listed = ", ".join(f'"{column.name}"' for column in wanted)
        return f'INSERT INTO "{self.name}" ({listed}) VALUES ({values})'  # noqa: S608 - names of our own schema

    def row(self, literals: list[str], names: tuple[str, ...] | None = None) -> Row:
        """The values of literals, for those columns. Raises ValueError naming the invalid one."""
        columns = {column.name: column for column in self.columns}
        wanted = self.columns if names is None else [columns[name] for name in names]
        if len(literals) != len(wanted):
            raise ValueError(f"{len(wanted)} columns of {self.name} are listed, but {len(literals)} values are given")
        return tuple(_value(self.name, column, literal) for column, literal in zip(wanted, literals, strict=True))

    def stored_row(self, values: tuple[object, ...]) -> Row:
        """The row of values as a SQLite file stores them. Raises ValueError naming the invalid one."""
        return tuple(_stored(self.name, column, value) for column, value in zip(self.columns, values, strict=True))


# A text bound to an integer column becomes an integer by affinity; these two kinds need a conversion.
# `unhex_blob` is bytes.fromhex, registered by the loading connection.
_PLACEHOLDERS: dict[Kind, str] = {"boolean": "?{} IN ('1', 'true')", "blob": "unhex_blob(?{})"}


def tables_of(connection: sqlite3.Connection) -> dict[str, Table]:
    """All tables of a SQLite database, by name."""
    found: dict[str, list[Column]] = {}
    for table, name, declared, is_required in connection.execute(_COLUMNS):
        kind = _KINDS.get(declared.upper())
        if kind is not None and not is_index_of_search(table):
            found.setdefault(table, []).append(Column(name, kind, bool(is_required)))
    return {table: Table(table, columns) for table, columns in found.items()}


_COLUMNS = """
SELECT t.name, c.name, c.type, c."notnull" OR c.pk
  FROM sqlite_schema t, pragma_table_info(t.name) c
 WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
 ORDER BY t.name, c.cid
"""


def _value(table: str, column: Column, literal: str) -> str | int | None:
    if literal.upper() == "NULL":
        if column.is_required:
            raise ValueError(f"{table}.{column.name} must have a value")
        return None
    if column.kind == "boolean":
        literal = literal.lower()
    elif column.kind == "integer" and _LONG_INTEGER.fullmatch(literal):
        number = int(literal)
        if -_LARGEST - 1 <= number <= _LARGEST:
            return number
    match = _WHOLE[column.kind].fullmatch(literal)
    if match is None:
        raise ValueError(f"{table}.{column.name} does not accept {literal[:40]}")
    value: str = match[1]
    return _QUOTES.sub(lambda quotes: "'" if quotes[0] == "''" else "\r", value) if column.kind == "text" else value


def _stored(table: str, column: Column, value: object) -> str | int | None:
    kind = column.kind
    if value is None and not column.is_required:
        return None
    if kind == "integer" and isinstance(value, int):
        return value
    if kind == "boolean" and value in (0, 1) and isinstance(value, int):
        return str(value)
    if kind == "blob" and isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str) and "\0" not in value:
        if kind == "text":
            return value
        if kind in ("time", "date") and _WHOLE[kind].fullmatch(f"'{value}'"):
            return value
    raise ValueError(f"{table}.{column.name} does not accept {str(value)[:40]!r}")
