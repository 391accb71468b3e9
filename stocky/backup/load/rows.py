"""Parses the statements of a dump: rows of literal values, each of its column's kind; executes nothing.

One compiled pattern per table matches a row in one step, without backtracking. Times and dates are read as text in
the one form that Stocky writes. Statements that create Stocky's own schema are skipped, since the migrations build it;
all others are rejected.
"""

from __future__ import annotations

import re
import sqlite3
from functools import cached_property
from typing import Literal

import msgspec

from stocky.backup.dump.tables import BOOKKEEPING, is_index_of_search

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
_QUOTE_PATTERN = r"'(?:'|\|\|char\(13\)\|\|')"
_QUOTES = re.compile(_QUOTE_PATTERN)
_WHOLE = {kind: re.compile(pattern) for kind, pattern in _PATTERNS.items()}
_WHOLE["text"] = re.compile(rf"'([^']*+(?:{_QUOTE_PATTERN}[^']*+)*+)'")
_LONG_INTEGER = re.compile(r"-?[0-9]{19}")
_LARGEST = 2**63 - 1

Row = tuple[str | int | None, ...]

# The order matters: a quote inside a comment, or a semicolon inside quotes, is part of the enclosing token.
_TOKEN = re.compile(
    r"""'[^']*+(?:''[^']*+)*+'      # text
      | "[^"]*+"                    # a name
      | --[^\n]*+                   # a comment
      | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$   # the body of a function
      | ;
      | [^'"$;-]++
      | .""",
    re.VERBOSE | re.DOTALL,
)
_DOLLAR = re.compile(r"\$\w*\$")
LONGEST_TRIGGER = 2**16
_NAME = r'(?:(?:"?public"?|"?main"?)\.)?"?(?P<name>\w+)"?'
_CREATE = re.compile(
    rf"CREATE\s+(?:OR\s+REPLACE\s+)?(?:UNIQUE\s+)?(?:TABLE|INDEX|TRIGGER|VIEW|FUNCTION)\s+{_NAME}", re.IGNORECASE
)
# Backups of Stocky 0.1 hold indexes that users created on its tables.
_INDEX = re.compile(
    rf'CREATE\s+(?:UNIQUE\s+)?INDEX\s+"?\w+"?\s+ON\s+(?:ONLY\s+)?{_NAME}\s*(?:USING\s|\()', re.IGNORECASE
)
_ALTER = re.compile(
    rf"ALTER\s+TABLE\s+(?:ONLY\s+)?{_NAME}\s+(?:ADD\s+CONSTRAINT|ALTER\s+COLUMN\s+\w+\s+ADD\s+GENERATED)\s",
    re.IGNORECASE,
)
_TRIGGER = re.compile(r"CREATE\s+TRIGGER\b.*\bBEGIN\b", re.IGNORECASE | re.DOTALL)
_TRIGGER_END = re.compile(r"\bEND\s*;\s*\Z", re.IGNORECASE)
_HARMLESS = re.compile(
    r"""(?: BEGIN (?:\s+TRANSACTION)? | COMMIT (?:\s+TRANSACTION)? | END
          | PRAGMA \s+ foreign_keys \s*=\s* (?:OFF|ON|0|1)
          | DELETE \s+ FROM \s+ "?sqlite_sequence"?
          | SET \s+ (?:client_encoding|standard_conforming_strings|check_function_bodies|client_min_messages|timezone)
            \s* (?:=|TO) \s* '?[\w-]+'?
          | SELECT \s+ pg_catalog\.setval\( pg_catalog\.pg_get_serial_sequence\('"?\w+"?',\s*'\w+'\),
            \s* [0-9]+ ,\s* (?:true|false) \)
        ) \s* ;""",
    re.IGNORECASE | re.VERBOSE,
)
_INSERT = re.compile(r'INSERT\s+INTO\s+"?(?P<table>\w+)"?\s*(?:\((?P<columns>[\w",\s]*)\)\s*)?VALUES\s*', re.IGNORECASE)
_LITERAL = re.compile(
    rf"\s*(NULL|true|false|-?[0-9]+|[Xx]?'[^']*+(?:{_QUOTE_PATTERN}[^']*+)*+')\s*([,)])", re.IGNORECASE
)
_BETWEEN = re.compile(r"\s*([,;])\s*")
_OPEN = re.compile(r"\s*\(")


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


class StatementRejected(Exception):
    """A statement that Stocky's dumps do not have; the message is the reason."""


def end_of_statement(text: str, start: int) -> int | None:
    """The end of the statement at `start`, after its semicolon; None when the end is not in `text`."""
    position = start
    while (token := _TOKEN.match(text, position)) is not None:
        if token[0] in ("'", '"') or (token[0] == "$" and _DOLLAR.match(text, position)):
            # An unclosed quote: a semicolon after it may be inside it.
            return None
        position = token.end()
        if token[0] == ";" and not _goes_on(text[start : min(position, start + LONGEST_TRIGGER)]):
            return position
    return None


def may_be_passed_over(statement: str, known: frozenset[str]) -> bool:
    """Whether the statement is a usual one of dumps about objects of these names, and can be skipped."""
    if _HARMLESS.fullmatch(statement):
        return True
    if match := _INSERT.match(statement):
        return match["table"].lower() in BOOKKEEPING
    match = _INDEX.match(statement) or _CREATE.match(statement) or _ALTER.match(statement)
    return match is not None and match["name"].lower() in known


def rows_of(statement: str, tables: dict[str, Table]) -> tuple[Table, tuple[str, ...] | None, list[Row]] | None:
    """The table, the columns named and the rows of an INSERT; None when it is no INSERT at all.

    Rows of the migration bookkeeping tables are ignored. Raises StatementRejected for an INSERT of
    anything but literal values for columns of a known table.
    """
    match = _INSERT.match(statement)
    if match is None or match["table"].lower() in BOOKKEEPING:
        return None
    table = tables.get(match["table"].lower())
    if table is None:
        raise StatementRejected(f"{match['table']} is not a Stocky table")
    names = None
    if match["columns"] is not None:
        names = tuple(name.strip().strip('"').lower() for name in match["columns"].split(","))
        if unknown := set(names) - {column.name for column in table.columns}:
            raise StatementRejected(f"{table.name} has no column {', '.join(sorted(unknown))}")
        if len(set(names)) < len(names):
            raise StatementRejected(f"a column of {table.name} is named twice")
    rows: list[Row] = []
    position = match.end()
    while True:
        literals, position = _literals(statement, position)
        try:
            rows.append(table.row(literals, names))
        except ValueError as error:
            raise StatementRejected(str(error)) from error
        between = _BETWEEN.match(statement, position)
        if between is None:
            raise StatementRejected("only rows of literal values are accepted")
        if between[1] == ";":
            return table, names, rows
        position = between.end()


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


def _goes_on(statement: str) -> bool:
    """Whether the semicolon is inside a trigger's body rather than the end of its statement."""
    if len(statement) >= LONGEST_TRIGGER:
        return False
    return _TRIGGER.match(statement) is not None and _TRIGGER_END.search(statement) is None


def _literals(statement: str, position: int) -> tuple[list[str], int]:
    """The values in the parentheses that open at `position`, and the position after them."""
    opened = _OPEN.match(statement, position)
    if opened is None:
        raise StatementRejected("only rows of literal values are accepted")
    literals = []
    position = opened.end()
    while (literal := _LITERAL.match(statement, position)) is not None:
        literals.append(literal[1])
        position = literal.end()
        if literal[2] == ")":
            return literals, position
    raise StatementRejected("only literal values are accepted, no expressions")
