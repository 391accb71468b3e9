"""Formats rows of a SQLite table as INSERT lines of a dump, in either dialect: equal rows give equal bytes.

Digests of loaded rows are of these lines. The dump itself is written by Python's iterdump, with `quote` and `||`
where this uses `printf`: equal digests confirm that two independent writers agree.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stocky.backup.dump.format import LEDGER, Dialect, TableDigest
from stocky.backup.dump.objects import stocky_objects
from stocky.backup.dump.tables import is_data

# Bytes buffered before they are hashed and compressed together.
CHUNK = 2**19

# The sqlite3 program strips the carriage return at the end of a line, also inside a text.
_RETURN_AT_END, _SPELLED_OUT = b"\r\n", b"'||char(13)||'\n"

# The printf format and its value, by the prefix of a declared type.
_NUMBER = ("%s", "ifnull({0}, 'NULL')")
_REQUIRED_NUMBER = ("%d", "{0}")
_TEXT = ("%Q", "{0}")
_ANY = ("%s", "quote({0})")
_WORD = ("%s", "CASE {0} WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE quote({0}) END")
_FORMS = {"INT": _NUMBER, "BIGINT": _NUMBER, "BOOL": _NUMBER, "TEXT": _TEXT, "VARCHAR": _TEXT, "TIMESTAMP": _TEXT}


class Lines(NamedTuple):
    """A chunk of INSERT lines of one table, each with its line end."""

    text: bytes
    rows: int


def insert_lines(
    connection: sqlite3.Connection, table: str, style: Dialect, after: int | None = None
) -> Iterator[Lines]:
    """All rows of the table in order, or those with ids above `after`, in chunks of about CHUNK bytes."""
    start = "" if after is None else f"WHERE id > {after:d}"
    waiting: list[str] = []
    size = 0
    for (line,) in connection.execute(line_query(connection, table, style, start=start)):
        waiting.append(line)
        size += len(line)
        if size > CHUNK:
            yield Lines(_joined(waiting, style), len(waiting))
            waiting.clear()
            size = 0
    if waiting:
        yield Lines(_joined(waiting, style), len(waiting))


def _joined(lines: list[str], style: Dialect) -> bytes:
    return joined_lines(lines) if style == "sqlite" else "\n".join([*lines, ""]).encode()


def joined_lines(lines: list[str]) -> bytes:
    """Lines for SQLite, each with its line end, escaped so that the sqlite3 program reads them back unchanged."""
    text = "\n".join([*lines, ""]).encode()
    # No line itself ends in a carriage return: the replaced ones are inside a text.
    return text.replace(_RETURN_AT_END, _SPELLED_OUT) if b"\r" in text else text


def keyed_lines(
    connection: sqlite3.Connection, table: str, key: list[str], style: Dialect, columns: Sequence[str]
) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Each row's key and its INSERT line of these columns, without line end, in key order."""
    # Of our own schema.
    names = ", ".join(f'"{column}"' for column in key)
    query = line_query(connection, table, style, columns).replace("SELECT ", f"SELECT {names}, ", 1)
    for *values, line in connection.execute(query):
        yield tuple(values), line


def table_digests(connection: sqlite3.Connection, style: Dialect, after: int | None = None) -> dict[str, TableDigest]:
    """The digest of each data table in a dump of that dialect, with the events after `after` in an increment."""
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall()
    known = stocky_objects("sqlite").tables
    return {
        name: table_digest(connection, name, style, after if name == LEDGER else None)
        for (name,) in names
        if name in known and is_data(name)
    }


def table_digest(connection: sqlite3.Connection, table: str, style: Dialect, after: int | None = None) -> TableDigest:
    """The digest of a table, or of its rows with ids above `after`."""
    rows, hashed = 0, hashlib.sha256()
    for lines in insert_lines(connection, table, style, after):
        rows += lines.rows
        hashed.update(lines.text)
    return TableDigest(rows, hashed.hexdigest())


def line_query(
    connection: sqlite3.Connection, table: str, style: Dialect, columns: Sequence[str] | None = None, start: str = ""
) -> str:
    """The query that returns each row of the table, with all or these `columns`, as a line without line end.

    In key order, from the key in the clause `start` if given.
    """
    # Names come from our own schema. Rowid order is that of an INTEGER PRIMARY KEY; other keys are sorted.
    found = connection.execute(f"SELECT name, type, \"notnull\", pk FROM pragma_table_info('{table}')").fetchall()  # noqa: S608 - ours
    wanted = [column for column in found if columns is None or column[0] in columns]
    forms, values = zip(*(_form(type, style, bool(required or pk)) for _, type, required, pk in wanted), strict=True)
    arguments = ", ".join(value.format(f'"{name}"') for value, (name, *_) in zip(values, wanted, strict=True))
    keys = sorted((pk, name) for name, _, _, pk in found if pk)
    order = ", ".join(f'"{name}"' for _, name in keys) or "rowid"
    line = f"""printf('INSERT INTO "{table}" VALUES({",".join(forms)});', {arguments})"""
    return f'SELECT {line} FROM "{table}" {start} ORDER BY {order}'  # noqa: S608 - names of ours


def rowid_key(connection: sqlite3.Connection, table: str) -> str | None:
    """The table's INTEGER PRIMARY KEY, in whose order SQLite stores the rows; None when it has another key."""
    keys = connection.execute("SELECT name, type FROM pragma_table_info(?) WHERE pk", (table,)).fetchall()
    return keys[0][0] if len(keys) == 1 and keys[0][1] == "INTEGER" else None


def _form(type: str, style: Dialect, is_required: bool) -> tuple[str, str]:
    if style == "postgres" and type.startswith("BOOL"):
        return _WORD
    if type == "DATE":
        return _TEXT
    form = next((form for start, form in _FORMS.items() if type.startswith(start)), _ANY)
    return _REQUIRED_NUMBER if form is _NUMBER and is_required else form
