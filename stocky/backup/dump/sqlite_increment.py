"""Copies what an increment of a SQLite database holds into a small file: all tables whole, and the new events.

In one read transaction that lasts as long as this copying only: a private copy of the whole file would read and write
all old events, and a dump of the live file would hold the write-ahead log for as long as it takes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from stocky.backup.dump.foreign_objects import foreign_objects_in_sqlite, foreign_objects_warnings
from stocky.backup.dump.format import LEDGER, Increment
from stocky.backup.dump.ledger import Continued, LedgerMark, count_in_sqlite, mark_in_sqlite
from stocky.backup.dump.objects import stocky_objects
from stocky.backup.dump.tables import has_rows_in_dump
from stocky.db.sqlite_file import BUSY_TIMEOUT_MS

_TABLES = "SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND sql IS NOT NULL"


def copy_increment(
    path: Path, copy: Path, continued: Continued, read_schema: Callable[[sqlite3.Connection], int]
) -> tuple[Increment, LedgerMark, list[str]] | None:
    """Writes `copy`, with tables and rows only, and returns what it is an increment of, its own mark, and warnings.

    None when the ledger does not continue that of the parent: a restore replaced it, a migration changed it, or rows
    were added below its end.
    """
    if continued.dialect != "sqlite":
        return None
    # Without mode=rw a missing database would be created.
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None)) as connection:
        # Only the server's writer may run a checkpoint; see sqlite_file.
        for pragma in ("wal_autocheckpoint = 0", f"busy_timeout = {BUSY_TIMEOUT_MS}", "temp_store = FILE"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("ATTACH ? AS copy", (str(copy),))
        connection.execute("PRAGMA copy.synchronous = OFF")
        connection.execute("PRAGMA copy.journal_mode = OFF")
        connection.execute("BEGIN")
        # In the snapshot: a migration may have ended just before.
        schema = read_schema(connection)
        if schema != continued.schema:
            return None
        total = count_in_sqlite(connection)
        if mark_in_sqlite(connection, total, continued.mark.position) != continued.mark:
            return None
        mark = mark_in_sqlite(connection, total)
        warnings = foreign_objects_warnings(foreign_objects_in_sqlite(connection, schema))
        # Not earlier: SQLite's functions for pragmas would count as changes.
        _write_copy_only(connection)
        _copy_tables(connection, stocky_objects("sqlite", schema).tables, continued.mark.position)
        connection.execute("COMMIT")
    return continued.increment(mark.events), mark, warnings


def _copy_tables(connection: sqlite3.Connection, tables: frozenset[str], after: int) -> None:
    for name, statement in connection.execute(_TABLES).fetchall():
        if name not in tables:
            continue
        # The statement begins with CREATE TABLE, in the case in which SQLite stores it.
        connection.execute(statement.replace("CREATE TABLE ", "CREATE TABLE copy.", 1))
        if has_rows_in_dump(name):
            # Without columns that are computed, which a user may have added.
            found = connection.execute(f'PRAGMA main.table_info("{name}")').fetchall()
            columns = ", ".join(f'"{column}"' for _, column, *_ in found)
            condition = f"WHERE id > {after:d}" if name == LEDGER else ""
            query = f'SELECT {columns} FROM main."{name}" {condition}'  # noqa: S608 - names of our own schema, and a number
            connection.execute(f'INSERT INTO copy."{name}" ({columns}) {query}')


def _write_copy_only(connection: sqlite3.Connection) -> None:
    """Denies every change of the live database."""
    changes = {
        sqlite3.SQLITE_INSERT,
        sqlite3.SQLITE_UPDATE,
        sqlite3.SQLITE_DELETE,
        sqlite3.SQLITE_CREATE_TABLE,
        sqlite3.SQLITE_DROP_TABLE,
        sqlite3.SQLITE_ALTER_TABLE,
    }

    def decide(action: int, first: str | None, second: str | None, database: str | None, inner: str | None) -> int:
        del first, second, inner
        return sqlite3.SQLITE_DENY if action in changes and database == "main" else sqlite3.SQLITE_OK

    connection.set_authorizer(decide)
