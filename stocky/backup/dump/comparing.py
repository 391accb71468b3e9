"""Compares the lines that iterdump writes with those of a second writer, byte for byte, during the dump.

In a large table it compares one chunk in EVERY. A verification compares all: its digests are of this writer's lines.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import islice

from stocky.backup.dump.lines import line_query, rowid_key
from stocky.errors import Conflict

# Comparing everything would add a third to the time of writing the dump.
EVERY = 16

# The storage class of a column's values, by the prefix of its declared type.
_CLASSES = {"INT": "integer", "BIGINT": "integer", "BOOL": "integer", "BLOB": "blob"}


class Comparison:
    """The second writer, on its own connection to the same copy."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._table = ""
        self._columns: tuple[str, ...] = ()
        self._key: str | None = None
        self._chunks = 0
        self._rows: Iterator[tuple[str]] = iter(())

    def begin(self, table: str, columns: tuple[str, ...]) -> None:
        """Starts a table: the next lines have these columns."""
        self._table, self._columns, self._chunks = table, columns, 0
        self._key = rowid_key(self._connection, table)
        if self._key is None:
            self._rows = self._connection.execute(self._query())

    def compare(self, lines: list[str]) -> None:
        """Raises Conflict when the second writer's lines differ: no restore would accept the dump."""
        self._chunks += 1
        if self._key is not None:
            if self._chunks % EVERY != 1:
                return
            first = lines[0].partition("VALUES(")[2].partition(",")[0].removesuffix(");")
            self._rows = self._connection.execute(self._query(f'WHERE "{self._key}" >= ?'), (int(first),))
        if lines != [line for (line,) in islice(self._rows, len(lines))]:
            raise Conflict(
                f"No backup of this database would restore: {self.fault()}. Correct that row with the database's own"
                " program, then back up again"
            )

    def fault(self) -> str:
        """Describes the value of the table that has the wrong type, if one is found."""
        types = dict(self._connection.execute("SELECT name, type FROM pragma_table_info(?)", (self._table,)))
        for column in self._columns:
            kind = next((kind for start, kind in _CLASSES.items() if types[column].startswith(start)), "text")
            found = self._connection.execute(
                f'SELECT rowid, typeof("{column}") FROM "{self._table}"'  # noqa: S608 - names of our own schema
                f" WHERE typeof(\"{column}\") NOT IN (?, 'null') LIMIT 1",
                (kind,),
            ).fetchone()
            if found:
                return f"the {column} of {self._table} in row {found[0]} is {found[1]} instead of {kind}"
        return f"two dump writers produce different rows of {self._table}"

    def _query(self, start: str = "") -> str:
        return line_query(self._connection, self._table, "sqlite", self._columns, start)
