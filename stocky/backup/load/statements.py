"""Parses statements of a dump that are not rows in the usual form: skips schema statements, reads other INSERTs.

Nothing is ever executed. Statements that create Stocky's own schema are skipped, since the migrations build it; all
others are rejected.
"""

from __future__ import annotations

import re

from stocky.backup.dump.tables import BOOKKEEPING
from stocky.backup.load.rows import QUOTES, Row, Table

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
_LITERAL = re.compile(rf"\s*(NULL|true|false|-?[0-9]+|[Xx]?'[^']*+(?:{QUOTES}[^']*+)*+')\s*([,)])", re.IGNORECASE)
_BETWEEN = re.compile(r"\s*([,;])\s*")
_OPEN = re.compile(r"\s*\(")


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


def _goes_on(statement: str) -> bool:
    """Whether the semicolon is inside a trigger's body rather than the end of its statement."""
    if len(statement) >= LONGEST_TRIGGER:
        return False
    return _TRIGGER.match(statement) is not None and _TRIGGER_END.search(statement) is None


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
