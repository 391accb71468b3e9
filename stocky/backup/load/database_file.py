"""Reads an untrusted Stocky SQLite file: only rows of known tables and columns, as data.

Its schema serves only to compare names: the authorizer allows nothing but reading those columns, and values must be
valid in a dump. SQLite opens a copy, never the file itself.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stocky.backup.dump.objects import stocky_objects
from stocky.backup.dump.tables import EXCLUDED_TABLES, is_data, is_index_of_search
from stocky.backup.load.dump_text import Unpacked
from stocky.backup.load.reading import LONGEST_STATEMENT, Batch
from stocky.backup.load.rows import Table
from stocky.db.migration_files import number_of
from stocky.db.serving_lock import SUFFIX as SERVING
from stocky.disk import require_space
from stocky.errors import BadRequest, TooLarge
from stocky.progress import ProgressCallback

SQLITE = b"SQLite format 3\0"
CHUNK = 2**20
ROWS = 2_000
FAULTS = 5
# Suffixes of the files beside a database in WAL mode and in rollback-journal mode.
WAL, JOURNAL = "-wal", "-journal"
# Offset of the read version in the file header, and its value in WAL mode.
_READ_VERSION, _IN_WAL_MODE = 19, b"\x02"
_MIGRATION = re.compile(r"[0-9]{4}\.[\w.-]{1,100}")
_IN_USE = (
    "Another program writes to the database file, so a copy would be inconsistent. Stop that program, or use"
    " 'stocky backup' instead"
)


def is_database(beginning: bytes) -> bool:
    """Whether a file with these first bytes is a SQLite file."""
    return beginning.startswith(SQLITE)


def copy_database(source: Unpacked, file: Path, target: Path, max_bytes: int) -> list[str]:
    """Copies a SQLite file and its -wal to `target`; returns warnings.

    Raises BadRequest for a file in use or copied while it was written, TooLarge, OutOfSpace.
    """
    wal = file.with_name(file.name + WAL)
    if source.layers:
        _write(source, target, max_bytes)
    else:
        parts = [file, *([wal] if _size(wal) else [])]
        if _size(file.with_name(file.name + JOURNAL)):
            raise BadRequest(
                f"The database file has a journal {file.name}{JOURNAL}: a write has not finished. Let SQLite recover it"
                f" with 'sqlite3 {file.name} .tables', and try again"
            )
        _refuse_served(file)
        if (total := sum(_size(part) for part in parts)) > max_bytes:
            raise TooLarge(f"The database file is larger than {max_bytes / 2**30:g} GB (STOCKY_MAX_RESTORE_GB)")
        require_space(target.parent, total)
        before = [_state(part) for part in (file, wal)]
        for part, copy in zip(parts, (target, target.with_name(target.name + WAL)), strict=False):
            _copy(part, copy)
        if [_state(part) for part in (file, wal)] != before:
            raise BadRequest(_IN_USE)
        if len(parts) > 1:
            return []
    if source.beginning[_READ_VERSION : _READ_VERSION + 1] == _IN_WAL_MODE:
        return [
            f"The database file has no {WAL} file beside it: unless the service was stopped before the copy, the last"
            " changes are missing"
        ]
    return []


class DatabaseReader:
    """One pass over a copied Stocky SQLite file. `schema` is its schema number, `rows` the rows read per table."""

    def __init__(self, connection: sqlite3.Connection, report: ProgressCallback) -> None:
        self.rows: dict[str, int] = {}
        self._connection = connection
        self._report = report
        with _damage():
            definitions = connection.execute("SELECT type, name, sql FROM sqlite_schema").fetchall()
        # Invalid names cannot be tables of ours; SQLite itself allows no two names that differ only in case.
        self._tables = {
            name: str(text)
            for kind, name, text in definitions
            if kind == "table" and isinstance(name, str) and str(text).startswith("CREATE TABLE")
        }
        self.foreign = sorted(
            name[:60]
            for kind, name, _ in definitions
            if kind in ("table", "view") and isinstance(name, str) and not _is_known(name)
        )
        self.schema = self._read_schema()

    def batches(self, tables: dict[str, Table]) -> Iterator[Batch]:
        """Yields all backed-up rows of these tables. Raises BadRequest for an invalid table or value."""
        wanted = [table for name, table in sorted(tables.items()) if is_data(name) and name not in EXCLUDED_TABLES]
        for done, table in enumerate(wanted):
            self._report("loading", done, len(wanted), "tables")
            self._check_table(table)
            self.rows[table.name] = 0
            listed = ", ".join(f'"{column.name}"' for column in table.columns)
            self._allow_only(table)
            try:
                with _damage():
                    cursor = self._connection.execute(f'SELECT {listed} FROM "{table.name}"')  # noqa: S608 - ours
                while rows := self._fetch(cursor):
                    try:
                        yield Batch(table, None, [table.stored_row(row) for row in rows])
                    except ValueError as error:
                        raise BadRequest(
                            f"The database file holds a value that Stocky never writes: {error}"
                        ) from error
                    self.rows[table.name] += len(rows)
            finally:
                self._connection.set_authorizer(None)

    def _fetch(self, cursor: sqlite3.Cursor) -> list[tuple[object, ...]]:
        with _damage():
            return cursor.fetchmany(ROWS)

    def _read_schema(self) -> int:
        newest = None
        if "_yoyo_migration" in self._tables:
            self._stored_columns("_yoyo_migration")
            with _damage():
                (newest,) = self._connection.execute("SELECT max(migration_id) FROM _yoyo_migration").fetchone()
        if not isinstance(newest, str) or not _MIGRATION.fullmatch(newest):
            raise BadRequest("The file is a SQLite database, but not Stocky's: no migration was applied to it")
        return number_of(newest)

    def _check_table(self, table: Table) -> None:
        """Raises BadRequest unless the table has all its columns and passes SQLite's integrity check."""
        if table.name not in self._tables:
            raise BadRequest(f"The database file has no table {table.name}, which schema {self.schema} has")
        columns = self._stored_columns(table.name)
        if missing := sorted({column.name for column in table.columns} - columns):
            raise BadRequest(f"The table {table.name} of the database file has no {', '.join(missing)}")
        with _damage():
            found = self._connection.execute(f'PRAGMA integrity_check("{table.name}")').fetchmany(FAULTS)
        if found != [("ok",)]:
            faults = "; ".join(str(message) for (message,) in found)
            raise BadRequest(f"The database file is damaged: {faults}. Restore a backup instead")

    def _stored_columns(self, name: str) -> set[str]:
        """The columns of a table. Raises BadRequest for a computed column."""
        with _damage():
            columns = self._connection.execute("SELECT name, hidden FROM pragma_table_xinfo(?)", (name,)).fetchall()
        if any(hidden for _, hidden in columns):
            raise BadRequest(
                f"The table {name} of the database file has computed columns, which Stocky's tables do not have"
            )
        return {column for column, _ in columns}

    def _allow_only(self, table: Table) -> None:
        columns = {column.name for column in table.columns}

        def decide(action: int, first: str | None, second: str | None, database: str | None, inner: str | None) -> int:
            is_column = action == sqlite3.SQLITE_READ and first == table.name and second in columns
            allowed = action == sqlite3.SQLITE_SELECT or (is_column and database == "main" and inner is None)
            return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

        self._connection.set_authorizer(decide)


def open_untrusted(path: Path) -> sqlite3.Connection:
    """Opens a private copy with untrusted content."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_STATEMENT)
    with _damage():
        for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0", "temp_store = FILE"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("PRAGMA query_only = ON")
    return connection


@contextmanager
def _damage() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, UnicodeError) as error:
        raise BadRequest(f"The database file is damaged, or not Stocky's: {error}") from error


def _is_known(name: str) -> bool:
    known = stocky_objects("sqlite")
    return name in known.tables | known.views or name.startswith("sqlite_") or is_index_of_search(name)


def _write(source: Unpacked, target: Path, max_bytes: int) -> None:
    require_space(target.parent, source.packed_bytes)
    with target.open("wb") as file:
        # `read` raises TooLarge above `max_bytes`.
        while chunk := source.read(CHUNK):
            file.write(chunk)


def _copy(part: Path, copy: Path) -> None:
    with part.open("rb") as source, copy.open("wb") as target:
        while chunk := source.read(CHUNK):
            target.write(chunk)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _state(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except FileNotFoundError:
        return ()
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _refuse_served(file: Path) -> None:
    """Raises BadRequest while a Stocky process serves the file."""
    try:
        lock = os.open(file.with_name(file.name + SERVING), os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BadRequest("A Stocky serves the database file. Stop it, or use 'stocky backup' instead") from None
    finally:
        os.close(lock)
