"""Dumps a SQLite database with Python's iterdump from a private copy, without what backups exclude.

The copy is made by the online backup API in one step. Dumping the live file would be inconsistent, or else block
WAL checkpoints for as long as it takes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from stocky.backup.dump.comparing import Comparison
from stocky.backup.dump.foreign_objects import foreign_objects_in_sqlite, foreign_objects_warnings
from stocky.backup.dump.format import Increment
from stocky.backup.dump.ledger import Continued, count_in_sqlite, mark_in_sqlite
from stocky.backup.dump.lines import CHUNK, joined_lines, rowid_key
from stocky.backup.dump.objects import Objects, refuse_newer, stocky_objects, table_statement
from stocky.backup.dump.sqlite_increment import copy_increment
from stocky.backup.dump.tables import has_rows_in_dump, is_index_of_search
from stocky.backup.dump.writing import CONTENTS, Writer
from stocky.db.migration_files import number_of
from stocky.db.sqlite_file import BUSY_TIMEOUT_MS, translate_errors
from stocky.disk import require_space
from stocky.errors import Conflict, Unavailable

CACHE_KIB = 8_192
BATCH = 256

_OBJECTS = """
SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
"""


# Views before triggers, which may refer to them.
_LAST = ("index", "view", "trigger")


class _Object(NamedTuple):
    """An object in a dump: its CREATE statement and, for a table, the columns of its rows."""

    kind: str
    name: str
    statement: str
    columns: tuple[str, ...] = ()


def write_sqlite(
    writer: Writer, path: Path, scratch: Path, *, is_marked: bool = False, continued: Continued | None = None
) -> None:
    """Writes header, schema and rows; not the footer.

    With `is_marked` an increment can continue it. With `continued` it is an increment itself, unless the ledger does
    not continue that dump: then it is a whole dump.

    Raises OutOfSpace, Unavailable when the database cannot be read, Conflict when the dump could not be restored.
    """
    copy = scratch / "copy.db"
    increment = None
    with translate_errors():
        if continued is not None:
            if found := copy_increment(path, copy, continued, _read_schema):
                increment, writer.mark, writer.warnings = found
            else:
                copy.unlink(missing_ok=True)
        if increment is None:
            take_copy(path, copy)
            writer.warnings = foreign_objects_warnings(_drop_unreadable(copy))
        with closing(_opened(copy)) as connection, closing(_opened(copy)) as second:
            if is_marked and increment is None:
                writer.mark = mark_in_sqlite(connection, count_in_sqlite(connection))
            _write(writer, connection, second, increment)
    copy.unlink()


def take_copy(path: Path, copy: Path) -> None:
    """Copies a snapshot of the database. Raises OutOfSpace or Unavailable."""
    # Without mode=rw a missing database would be created.
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None)) as source:
        # Only the server's writer may run a checkpoint; see sqlite_file.
        for pragma in ("query_only = ON", "wal_autocheckpoint = 0", f"busy_timeout = {BUSY_TIMEOUT_MS}"):
            source.execute(f"PRAGMA {pragma}")
        (size,) = source.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()
        require_space(copy.parent, size)
        with closing(_opened(copy)) as target:
            source.backup(target)


def _drop_unreadable(copy: Path) -> list[str]:
    """Lists the copy's foreign objects, and removes tables from it that would make iterdump fail."""
    with closing(_opened(copy)) as connection:
        schema = _schema(connection)
        refuse_newer("sqlite", schema)
        found = foreign_objects_in_sqlite(connection, schema)
        # Python 3.11's iterdump does not escape quotes in table names.
        query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND instr(name, char(39))"
        if names := connection.execute(query).fetchall():
            # A virtual table cannot be dropped without its extension. Its pages stay in the copy.
            connection.execute("PRAGMA writable_schema = ON")
            connection.executemany("DELETE FROM sqlite_schema WHERE tbl_name = ?", names)
    return found


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    # A copy needs no durability. Synchronous first: the change from WAL to no journal would wait for the disk.
    for pragma in (f"cache_size = -{CACHE_KIB}", "synchronous = OFF", "journal_mode = OFF", "temp_store = FILE"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _write(
    writer: Writer, connection: sqlite3.Connection, second: sqlite3.Connection, increment: Increment | None
) -> None:
    objects = connection.execute(_OBJECTS).fetchall()
    schema = _schema(connection)
    known = stocky_objects("sqlite", schema)
    wanted = {
        f"{statement};": _dumped_object(connection, kind, name, statement, schema)
        for kind, name, statement in objects
        if _is_included(kind, name, known)
    }
    included = {each.name: each.columns for each in wanted.values() if each.kind == "table"}
    writer.begin("sqlite", schema, {table: _count(connection, table) for table in sorted(included)}, increment)
    if "document" in included:
        writer.contents = connection.execute(CONTENTS).fetchall()
    _create_views(connection, [name for kind, name, _ in objects if kind == "table"], included)
    writer.write("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n")
    rows = _Rows(writer, Comparison(second))
    try:
        _write_statements(connection.iterdump(), wanted, rows, writer)
    except sqlite3.OperationalError as error:
        if "decode" in str(error):
            raise Conflict(
                f"No backup of this database would restore: {rows.table} holds text that is not UTF-8. Correct it with"
                " the database's own program, then back up again"
            ) from error
        raise
    writer.write("COMMIT;\n")


def _write_statements(statements: Iterator[str], wanted: dict[str, _Object], rows: _Rows, writer: Writer) -> None:
    """Writes the wanted statements of iterdump, which yields each table before its rows.

    Other objects are written last, by name: iterdump yields them in creation order, which a copy does not preserve.
    """
    later: list[_Object] = []
    while batch := list(islice(statements, rows.batch)):
        # The rows of a table are contiguous: if the first and last match, all do.
        if batch[0].startswith(rows.beginning) and batch[-1].startswith(rows.beginning):
            rows.take(batch)
            continue
        for statement in batch:
            if statement.startswith(rows.beginning):
                rows.take([statement])
            elif (found := wanted.pop(statement, None)) is None:
                continue
            elif found.kind == "table":
                rows.flush()
                writer.write(f"{found.statement};\n")
                rows.begin(found.name, found.columns)
            else:
                later.append(found)
    rows.flush()
    for each in sorted(later, key=lambda found: (_LAST.index(found.kind), found.name)):
        writer.write(f"{each.statement};\n")
    if wanted:
        raise AssertionError(f"iterdump left out {', '.join(each.name for each in wanted.values())}")


class _Rows:
    """Buffers the lines of a table, compares them, and writes them in larger chunks."""

    def __init__(self, writer: Writer, comparison: Comparison) -> None:
        self.table = ""
        # The prefix of the table's lines; no statement starts with the initial value.
        self.beginning = "\0"
        # Statements taken at a time; the last ones may be large rows of the next table.
        self.batch = 1
        self._writer = writer
        self._comparison = comparison
        self._waiting: list[str] = []
        self._size = 0

    def begin(self, table: str, columns: tuple[str, ...]) -> None:
        """Starts a table: the next lines are its rows."""
        self.table, self.beginning, self.batch = table, f'INSERT INTO "{table}" VALUES(', 1
        self._comparison.begin(table, columns)

    def take(self, lines: list[str]) -> None:
        """Adds lines, without line ends."""
        self._waiting += lines
        self._size += sum(map(len, lines))
        if self._size > CHUNK:
            self.flush()

    def flush(self) -> None:
        """Compares and writes the buffered lines."""
        if self._waiting:
            self._comparison.compare(self._waiting)
            self._writer.write_rows(self.table, joined_lines(self._waiting), len(self._waiting))
            self.batch = max(1, min(BATCH, len(self._waiting) * CHUNK // self._size))
            self._waiting.clear()
            self._size = 0


def _dumped_object(connection: sqlite3.Connection, kind: str, name: str, statement: str, schema: int) -> _Object:
    if kind != "table":
        return _Object(kind, name, statement)
    present = [column for (column,) in connection.execute("SELECT name FROM pragma_table_info(?)", (name,))]
    known = stocky_objects("sqlite", schema).columns.get(name, present)
    columns = tuple(column for column in present if column in known)
    # The live statement would include columns that users added.
    return _Object(kind, name, statement if len(columns) == len(present) else table_statement(name, schema), columns)


def _is_included(kind: str, name: str, known: Objects) -> bool:
    names = {"table": known.tables, "index": known.indexes, "view": known.views, "trigger": known.triggers}[kind]
    return name in names and not is_index_of_search(name)


def _create_views(connection: sqlite3.Connection, tables: list[str], included: dict[str, tuple[str, ...]]) -> None:
    """Shadows each table by a temporary view of its dumped rows and columns, in key order.

    iterdump writes every table completely, in the order in which SQLite finds the rows. It looks names up without
    their schema, so a temporary view precedes the table.
    """
    for name in tables:
        quoted = '"' + name.replace('"', '""') + '"'
        rows = "SELECT NULL AS none WHERE FALSE"
        if name in included and has_rows_in_dump(name):
            columns = ", ".join(f'"{column}"' for column in included[name])
            rows = f"SELECT {columns} FROM main.{quoted} {_in_key_order(connection, name)}"  # noqa: S608 - names of our own schema
        connection.execute(f"CREATE TEMP VIEW {quoted} AS {rows}")
    connection.set_authorizer(_decide)


def _in_key_order(connection: sqlite3.Connection, table: str) -> str:
    """The end of a query of all rows of the table, in key order."""
    if rowid_key(connection, table):
        # A scan of the table itself is in this order. For a view with ORDER BY, SQLite copies every value before
        # iterdump's query reads it: 7 % of the processor time of iterdump.
        return "NOT INDEXED"
    keys = connection.execute("SELECT name FROM pragma_table_info(?) WHERE pk ORDER BY pk", (table,)).fetchall()
    return "ORDER BY " + (", ".join(f'"{key}"' for (key,) in keys) or "rowid")


def _decide(action: int, first: str | None, *_: object) -> int:
    """Skips iterdump's foreign key check (Python 3.13 on): it reads all rows, and the dump sets the pragma anyway."""
    is_check = action == sqlite3.SQLITE_PRAGMA and first == "foreign_key_check"
    return sqlite3.SQLITE_IGNORE if is_check else sqlite3.SQLITE_OK


def _read_schema(connection: sqlite3.Connection) -> int:
    """Raises Conflict for a database that a newer Stocky migrated."""
    schema = _schema(connection)
    refuse_newer("sqlite", schema)
    return schema


def _schema(connection: sqlite3.Connection) -> int:
    newest = None
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = '_yoyo_migration'").fetchone():
        (newest,) = connection.execute("SELECT max(migration_id) FROM _yoyo_migration").fetchone()
    if newest is None:
        raise Unavailable("There is no Stocky in this database yet; create it with 'stocky migrate'")
    return number_of(newest)


def _count(connection: sqlite3.Connection, table: str) -> int:
    # The name comes from our own schema.
    count: int = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]  # noqa: S608 - a name of our own schema
    return count
