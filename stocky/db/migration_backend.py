"""yoyo's tables and steps on a connection of ours: whatever a block changes is committed together, or not at all.

yoyo itself commits the steps of a migration, its log entry and its mark one after the other, so that a process killed
between them leaves a database on which no migration can go on.
"""

from __future__ import annotations

import getpass
import hashlib
import io
import os
import re
import socket
import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from yoyo import internalmigrations
from yoyo.backends.base import DatabaseBackend
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.backends.core.sqlite3 import SQLiteBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import default_migration_table

from stocky.config import Config
from stocky.db import NO_DRIVER
from stocky.db.sqlite_file import domain_error
from stocky.errors import OutOfSpace, StockyError, Unavailable

# How long a statement waits for another program's transaction on the same file.
BUSY_SECONDS = 30
_CHECKSUMS = "CREATE TABLE IF NOT EXISTS migration_checksum (migration_id TEXT PRIMARY KEY, checksum TEXT NOT NULL)"
# Times of yoyo's tables are in UTC without saying so, as text on both dialects here.
# How the drivers say that something is there already, or not there.
_LEFT_OVER = re.compile(r"already exists|duplicate column|no such|does not exist", re.IGNORECASE)
_APPLIED = "SELECT migration_id, CAST(applied_at_utc AS TEXT) FROM _yoyo_migration"


class MigrationBackend(DatabaseBackend):  # type: ignore[misc]  # yoyo has no types
    """What both dialects share. A transaction within another one is part of it: yoyo's own commits end nothing."""

    def __init__(self, connection: Any) -> None:
        # Not yoyo's constructor, which connects by an address: in one, a path with '?' or '#' names another file.
        self._connection = connection
        self.uri = DatabaseURI("", None, None, None, None, "", {})
        self.migration_table = default_migration_table
        self.DatabaseError = self.driver.DatabaseError
        self.has_transactional_ddl = True
        self._in_transaction = False
        # prepare() sees to it, inside the transaction.
        self._internal_schema_updated = True

    def transaction(self, rollback_on_exit: bool = False) -> AbstractContextManager[Any]:
        if self._in_transaction:
            return nullcontext()
        outer: AbstractContextManager[Any] = super().transaction(rollback_on_exit)
        return outer

    def prepare(self) -> None:
        """Makes the tables of the bookkeeping, and removes yoyo's lock, which is a row that a killed process leaves."""
        if self.lock_table not in self.list_tables():
            self.execute(self.format_sql(self.create_lock_table_sql))
        if internalmigrations.needs_upgrading(self):
            internalmigrations.upgrade(self)
        self.execute(_CHECKSUMS)
        self.break_lock()

    def applied(self) -> dict[str, datetime]:
        """When each migration was applied, by its id; empty where none ever was."""
        if "_yoyo_migration" not in self.list_tables():
            return {}
        rows = self.execute(_APPLIED).fetchall()
        return {id: datetime.fromisoformat(moment).replace(tzinfo=UTC) for id, moment in rows}

    def checksums(self) -> dict[str, str]:
        """The checksum that each applied migration's file had, as far as it was kept."""
        if "migration_checksum" not in self.list_tables():
            return {}
        return dict(self.execute("SELECT migration_id, checksum FROM migration_checksum").fetchall())

    def apply(self, migration: Any) -> None:
        """Takes the steps of a migration and records it."""
        self.take_steps(migration, "apply")
        self.record(migration, "apply")

    def take_back(self, migration: Any) -> None:
        """Takes the steps of its rollback and removes the record."""
        self.take_steps(migration, "rollback")
        self.erase(migration, "rollback")

    def take_steps(self, migration: Any, direction: str) -> None:
        """The statements of a migration, and no record. Raises Unavailable or OutOfSpace; all of it is undone then."""
        try:
            # yoyo prints the rows that a statement gives, and SQLite's ALTER TABLE asks for some of its own.
            with redirect_stdout(io.StringIO()):
                migration.process_steps(self, direction)
        except self.DatabaseError as error:
            raise _failure(migration.id, error) from error

    def record(self, migration: Any, operation: str) -> None:
        """Marks a migration as applied, with its log entry and the checksum of its file."""
        self.log_migration(migration, operation)
        self.mark_one(migration, log=False)
        self.keep_checksum(migration)

    def erase(self, migration: Any, operation: str) -> None:
        """Marks a migration as not applied, with its log entry."""
        self.log_migration(migration, operation)
        self.unmark_one(migration, log=False)
        self.execute("DELETE FROM migration_checksum WHERE migration_id = :id", {"id": migration.id})

    def keep_checksum(self, migration: Any) -> None:
        """Keeps the checksum of the file as it is now."""
        self.execute(
            "INSERT INTO migration_checksum (migration_id, checksum) VALUES (:id, :checksum)"
            " ON CONFLICT (migration_id) DO UPDATE SET checksum = excluded.checksum",
            {"id": migration.id, "checksum": checksum(migration)},
        )

    def get_log_data(self, migration: Any = None, operation: str = "apply") -> dict[str, Any]:
        """A row of yoyo's log. yoyo itself fails here for a user without a name, and may wait for a name server."""
        return {
            "id": str(uuid.uuid1()),
            "migration_id": migration.id if migration else None,
            "migration_hash": migration.hash if migration else None,
            "username": _user_name(),
            "hostname": socket.gethostname(),
            "created_at_utc": datetime.now(UTC).replace(tzinfo=None),
            "operation": operation,
        }


class _Sqlite(MigrationBackend, SQLiteBackend):  # type: ignore[misc]
    def begin(self) -> None:
        # What is decided inside must still hold when it is written.
        assert not self._in_transaction
        self.execute("BEGIN IMMEDIATE")
        self._in_transaction = True

    def execute(self, sql: str, params: Mapping[str, Any] | None = None) -> Any:
        # The driver's way to write a time is Stocky's, for the whole process; yoyo's tables have another.
        values = {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in (params or {}).items()
        }
        return super().execute(sql, values)


def sqlite_backend(connection: sqlite3.Connection) -> MigrationBackend:
    """A backend on a connection that has no transaction handling of Python's."""
    return _Sqlite(connection)


class _Postgres(MigrationBackend, PostgresqlPsycopgBackend):  # type: ignore[misc]
    # yoyo's own takes views for tables, and some of ours have rows without anyone's data.
    list_tables_sql = (
        "SELECT table_name FROM information_schema.tables WHERE table_schema = :schema AND table_type = 'BASE TABLE'"
    )


@contextmanager
def open_backend(config: Config) -> Iterator[MigrationBackend]:
    """A backend on a connection of its own, which commits nothing until a transaction is begun on it.

    Raises Unavailable when the database cannot be reached or used.
    """
    if config.dialect == "sqlite":
        with sqlite_errors():
            connection = sqlite3.connect(config.sqlite_path, isolation_level=None, timeout=BUSY_SECONDS)
            try:
                # A server may have the file open, and only its writer runs checkpoints; see sqlite_file.
                connection.execute("PRAGMA wal_autocheckpoint = 0")
                yield _Sqlite(connection)
            finally:
                connection.close()
        return
    try:
        import psycopg

        from stocky.db.postgres_migration import connect
    except ModuleNotFoundError as missing:
        raise Unavailable(NO_DRIVER) from missing
    postgres = connect(config)
    try:
        # A large index takes as long as it takes; and times are read as text.
        postgres.execute("SET statement_timeout = 0")
        postgres.execute("SET datestyle = 'ISO'")
        yield _Postgres(postgres)
    except psycopg.Error as error:
        raise Unavailable(f"The database cannot be used: {_first_line(error)}") from error
    finally:
        postgres.close()


@contextmanager
def sqlite_errors() -> Iterator[None]:
    """A block in which whatever SQLite raises is a StockyError."""
    try:
        yield
    except sqlite3.Error as error:
        meaning = domain_error(error)
        if isinstance(meaning, StockyError):
            raise meaning from error
        raise Unavailable(f"The database cannot be used: {_first_line(error)}") from error


def _failure(id: str, error: Exception) -> StockyError:
    meaning = domain_error(error) if isinstance(error, sqlite3.Error) else error
    if isinstance(meaning, OutOfSpace | Unavailable):
        return meaning
    reason = _first_line(error)
    hint = ""
    if _LEFT_OVER.search(reason):
        hint = ". If an older Stocky was killed while it migrated, 'stocky migrate --repair' mends the records"
    return Unavailable(f"The migration {id} failed, and nothing was changed: {reason}{hint}")


def checksum(migration: Any) -> str:
    """The SHA-256 of a migration's file."""
    return hashlib.sha256(Path(migration.path).read_bytes()).hexdigest()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # In a container the process may run as a number without a name.
        return f"uid {os.getuid()}"
