"""yoyo's tables and steps on Stocky's own connection: a block's changes are committed together or not at all.

yoyo itself commits the steps of a migration, its log entry and its mark separately, so a process killed between them
leaves a database that can no longer be migrated.
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
from stocky.db.migration_steps import load_steps
from stocky.db.sqlite_file import domain_error
from stocky.errors import OutOfSpace, StockyError, Unavailable

# How long a statement waits for another program's transaction on the same file.
BUSY_SECONDS = 30
_CHECKSUMS = "CREATE TABLE IF NOT EXISTS migration_checksum (migration_id TEXT PRIMARY KEY, checksum TEXT NOT NULL)"
# The drivers' messages for an object that exists already, or does not exist.
_LEFT_OVER = re.compile(r"already exists|duplicate column|no such|does not exist", re.IGNORECASE)
# yoyo's tables store times in UTC without a zone; read as text on both dialects.
_APPLIED = "SELECT migration_id, CAST(applied_at_utc AS TEXT) FROM _yoyo_migration"


class MigrationBackend(DatabaseBackend):  # type: ignore[misc]  # yoyo has no types
    """What both dialects share. A nested transaction is part of the outer one, so yoyo's own commits end nothing."""

    def __init__(self, connection: Any) -> None:
        # Not yoyo's constructor, which connects by URL: there, a path with '?' or '#' names another file.
        self._connection = connection
        self.uri = DatabaseURI("", None, None, None, None, "", {})
        self.migration_table = default_migration_table
        self.DatabaseError = self.driver.DatabaseError
        self.has_transactional_ddl = True
        self._in_transaction = False
        # prepare() upgrades it, inside the transaction.
        self._internal_schema_updated = True

    def transaction(self, rollback_on_exit: bool = False) -> AbstractContextManager[Any]:
        if self._in_transaction:
            return nullcontext()
        outer: AbstractContextManager[Any] = super().transaction(rollback_on_exit)
        return outer

    def prepare(self) -> None:
        """Creates the bookkeeping tables, and removes yoyo's lock, a row that a killed process leaves behind."""
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
        """The checksum that each applied migration's file had, where one was stored."""
        if "migration_checksum" not in self.list_tables():
            return {}
        return dict(self.execute("SELECT migration_id, checksum FROM migration_checksum").fetchall())

    def apply(self, migration: Any) -> None:
        """Runs the steps of a migration and records it."""
        self.run_steps(migration, "apply")
        self.record(migration, "apply")

    def roll_back(self, migration: Any) -> None:
        """Runs the steps of its rollback and removes the record."""
        self.run_steps(migration, "rollback")
        self.erase(migration, "rollback")

    def run_steps(self, migration: Any, direction: str) -> None:
        """Runs the statements of a migration without recording it. Raises Unavailable or OutOfSpace."""
        try:
            # yoyo prints the rows a statement returns, and SQLite's ALTER TABLE returns some.
            if not migration.loaded:
                load_steps(migration)
            with redirect_stdout(io.StringIO()):
                migration.process_steps(self, direction)
        except self.DatabaseError as error:
            raise _failure(migration.id, error) from error

    def record(self, migration: Any, operation: str) -> None:
        """Marks a migration as applied, with its log entry and the checksum of its file."""
        self.log_migration(migration, operation)
        self.mark_one(migration, log=False)
        self.store_checksum(migration)

    def erase(self, migration: Any, operation: str) -> None:
        """Marks a migration as not applied, with its log entry."""
        self.log_migration(migration, operation)
        self.unmark_one(migration, log=False)
        self.execute("DELETE FROM migration_checksum WHERE migration_id = :id", {"id": migration.id})

    def store_checksum(self, migration: Any) -> None:
        """Stores the checksum of the current file."""
        self.execute(
            "INSERT INTO migration_checksum (migration_id, checksum) VALUES (:id, :checksum)"
            " ON CONFLICT (migration_id) DO UPDATE SET checksum = excluded.checksum",
            {"id": migration.id, "checksum": checksum(migration)},
        )

    def get_log_data(self, migration: Any = None, operation: str = "apply") -> dict[str, Any]:
        """A row of yoyo's log. yoyo's own version fails for a user without a name, and may wait for DNS."""
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
        # IMMEDIATE: what is read inside must still hold when it writes.
        assert not self._in_transaction
        self.execute("BEGIN IMMEDIATE")
        self._in_transaction = True

    def execute(self, sql: str, params: Mapping[str, Any] | None = None) -> Any:
        # Stocky registers its own time format with the driver, process-wide; yoyo's tables have another.
        values = {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in (params or {}).items()
        }
        return super().execute(sql, values)


def sqlite_backend(connection: sqlite3.Connection) -> MigrationBackend:
    """A backend on a connection with isolation_level None."""
    return _Sqlite(connection)


class _Postgres(MigrationBackend, PostgresqlPsycopgBackend):  # type: ignore[misc]
    # yoyo's own query includes views, some of which have rows without user data.
    list_tables_sql = (
        "SELECT table_name FROM information_schema.tables WHERE table_schema = :schema AND table_type = 'BASE TABLE'"
    )


@contextmanager
def open_backend(config: Config) -> Iterator[MigrationBackend]:
    """A backend on its own connection.

    Raises Unavailable when the database cannot be reached or used.
    """
    if config.dialect == "sqlite":
        with sqlite_errors():
            connection = sqlite3.connect(config.sqlite_path, isolation_level=None, timeout=BUSY_SECONDS)
            try:
                # A server may have the file open, and only its writer may run checkpoints; see sqlite_file.
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
        # No limit: building a large index may take long. Times are read as text.
        postgres.execute("SET statement_timeout = 0")
        postgres.execute("SET datestyle = 'ISO'")
        yield _Postgres(postgres)
    except psycopg.Error as error:
        raise Unavailable(f"The database cannot be used: {_first_line(error)}") from error
    finally:
        postgres.close()


@contextmanager
def sqlite_errors() -> Iterator[None]:
    """Translates every SQLite error raised in the block to a StockyError."""
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
        hint = ". If an older Stocky was killed during a migration, 'stocky migrate --repair' corrects the records"
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
        # In a container the process may run as a uid without a name.
        return f"uid {os.getuid()}"
