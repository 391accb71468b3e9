"""Applies and takes back the migrations, through yoyo; one process at a time, and never over an edited migration."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stdout, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from yoyo import get_backend, read_migrations
from yoyo.migrations import MigrationList

from stocky.config import Config
from stocky.errors import Conflict, StockyError, Unavailable
from stocky.resources import resource

# Any number will do for the advisory lock on Postgres, as long as nobody changes it.
_LOCK_KEY = 7_786_259
# Tables whose rows are nobody's: they come with the schema, or follow from the others.
_REMADE = {"auth_revision", "search_index", "search_text", "search_pending"}
# When each migration was applied, and when yoyo's own tables came; in UTC, as text.
_APPLIED = "SELECT migration_id, CAST(applied_at_utc AS TEXT) FROM _yoyo_migration"
_INSTALLED = "SELECT version, CAST(installed_at_utc AS TEXT) FROM _yoyo_version"


class MigrationState(msgspec.Struct):
    """One migration: whether it is applied, and whether its file is still the one that was applied."""

    id: str
    applied: bool
    applied_at: datetime | None = None
    edited: bool = False


class SchemaNotCurrent(Exception):
    """The database's schema is not the one this version of Stocky works on; the text says what to do."""


def list_migrations(config: Config) -> list[MigrationState]:
    """Every migration in order, with its state; those that only the database knows come last.

    Raises Unavailable when there is no database: looking does not make one.
    """
    if config.dialect == "sqlite" and not config.sqlite_path.is_file():
        raise Unavailable(f"There is no database at {config.sqlite_path} yet; 'stocky migrate' makes it")
    with _backend(config) as backend:
        return _states(backend, _read(config))


def check_schema(config: Config) -> None:
    """Raises SchemaNotCurrent unless exactly the migrations of this version are applied, unedited."""
    states = list_migrations(config)
    _refuse_foreign_or_edited(states, _read(config))
    if pending := [state.id for state in states if not state.applied]:
        raise SchemaNotCurrent(f"{len(pending)} migrations are not applied yet; run 'stocky migrate'")


def schema_version(dialect: str) -> int:
    """The number of the newest migration of this Stocky. At each number both dialects have the same tables."""
    return max(number_of(migration.id) for migration in _read_for(dialect))


def number_of(migration_id: str) -> int:
    """The number a migration's id begins with."""
    return int(migration_id.partition(".")[0])


def migrate(config: Config, *, through: int | None = None) -> list[str]:
    """Applies what is pending, up to the number `through`, and returns its ids; waits while another process does so.

    Raises SchemaNotCurrent for a database of a newer version or an edited migration.
    """
    if config.dialect == "sqlite":
        config.sqlite_path.parent.mkdir(parents=True, exist_ok=True)
        # It holds hashes of passwords and keys; what SQLite puts beside it gets the same rights.
        with suppress(FileExistsError):
            os.close(os.open(config.sqlite_path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    with _only_process(config), _backend(config) as backend:
        migrations = _read(config)
        _refuse_foreign_or_edited(_states(backend, migrations), migrations)
        pending = MigrationList(
            [each for each in backend.to_apply(migrations) if through is None or number_of(each.id) <= through]
        )
        ids = [migration.id for migration in pending]
        if ids:
            _clear_stale_lock(backend)
            with backend.lock(), _said_nothing():
                backend.apply_migrations(pending)
            _keep_checksums(backend, pending)
        return ids


def rollback(config: Config, migration_id: str, *, force: bool = False) -> list[str]:
    """Takes back `migration_id` and all after it, newest first, and returns their ids.

    Raises Conflict when that would drop a table that holds rows and `force` is not given,
    ValueError when the migration is unknown or not applied.
    """
    with _only_process(config), _backend(config) as backend:
        migrations = _read(config)
        matching = [m.id for m in migrations if m.id == migration_id or m.id.partition(".")[0] == migration_id]
        if not matching:
            raise ValueError(f"There is no migration {migration_id}; 'stocky migrate --list' shows them")
        applied = list(backend.to_rollback(migrations))
        ids = [migration.id for migration in applied]
        if matching[0] not in ids:
            raise ValueError(f"The migration {matching[0]} is not applied")
        undone = applied[: ids.index(matching[0]) + 1]
        if not force and (full := _tables_that_would_go(backend, config, undone)):
            raise Conflict(
                f"This would delete {', '.join(full)} with all rows. Back up first, then repeat it with --force"
            )
        _clear_stale_lock(backend)
        with backend.lock(), _said_nothing():
            backend.rollback_migrations(MigrationList(undone))
        _forget_checksums(backend, [migration.id for migration in undone])
        return [migration.id for migration in undone]


def carry_times(source: Config, target: Config) -> None:
    """Dates the migrations of a copy as those of the same number in its source; both are at the same one."""
    with _backend(source) as backend:
        applied = {number_of(id): moment for id, moment in backend.execute(_APPLIED).fetchall()}
        installed = dict(backend.execute(_INSTALLED).fetchall())
    with _only_process(target), _backend(target) as backend, backend.transaction():
        for migration in _read(target):
            backend.execute(
                "UPDATE _yoyo_migration SET applied_at_utc = :moment WHERE migration_id = :id",
                {"moment": _naive(applied[number_of(migration.id)]), "id": migration.id},
            )
        for version, moment in installed.items():
            backend.execute(
                "UPDATE _yoyo_version SET installed_at_utc = :moment WHERE version = :version",
                {"moment": _naive(moment), "version": version},
            )


def _said_nothing() -> AbstractContextManager[object]:
    """yoyo prints the rows that a statement gives, and SQLite's ALTER TABLE asks for some of its own."""
    return redirect_stdout(io.StringIO())


def _read(config: Config) -> MigrationList:
    return _read_for(config.dialect)


def _read_for(dialect: str) -> MigrationList:
    root = resource("migrations")
    # Those that both dialects share come first otherwise, whatever their number.
    return MigrationList(sorted(read_migrations(str(root), str(root / dialect)), key=lambda migration: migration.id))


@contextmanager
def _backend(config: Config) -> Iterator[Any]:
    if config.dialect == "sqlite" and not config.sqlite_path.parent.is_dir():
        raise Unavailable(f"{config.sqlite_path.parent} does not exist")
    try:
        if config.dialect == "sqlite":
            backend = get_backend(f"sqlite:///{config.sqlite_path}")
        else:
            from stocky.db.postgres_migration import yoyo_backend

            backend = yoyo_backend(config)
    except StockyError:
        raise
    except ModuleNotFoundError as missing:
        raise Unavailable("Postgres needs the extra: pip install 'stocky[postgres]'") from missing
    except Exception as error:
        # yoyo hands on whatever its driver raises, and the drivers share no base class.
        raise Unavailable(f"The database cannot be reached: {str(error).strip().splitlines()[0]}") from error
    try:
        # Entered, it writes every time its own way, and closes the connection at the end.
        with backend:
            backend.execute(
                "CREATE TABLE IF NOT EXISTS migration_checksum (migration_id TEXT PRIMARY KEY, checksum TEXT NOT NULL)"
            )
            backend.commit()
            backend.ensure_internal_schema_updated()
            yield backend
    except backend.driver.DatabaseError as error:
        reason = str(error).strip().splitlines()[0]
        raise Unavailable(f"The database cannot be used: {reason}. If it is damaged, restore a backup") from error
    finally:
        _restore_time_format()


def _restore_time_format() -> None:
    """yoyo leaves its own way to write times behind in the driver, for every connection of this process."""
    if "stocky.db.sqlite_file" in sys.modules:
        from stocky.db.sqlite_file import register_time_formats

        register_time_formats()


@contextmanager
def _only_process(config: Config) -> Iterator[None]:
    """A lock that dies with its process, so that a killed migration never has to be unlocked by hand."""
    if config.dialect == "sqlite":
        descriptor = os.open(config.sqlite_path.parent, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
        return
    from stocky.db.postgres_migration import connect

    with connect(config) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK_KEY,))
        yield


def _clear_stale_lock(backend: Any) -> None:
    """yoyo's own lock is a row; whoever left one is gone, for we hold the lock that dies with its process."""
    backend.break_lock()


def _states(backend: Any, migrations: MigrationList) -> list[MigrationState]:
    applied: dict[str, datetime] = {id: _aware(moment) for id, moment in backend.execute(_APPLIED).fetchall()}
    checksums = dict(backend.execute("SELECT migration_id, checksum FROM migration_checksum").fetchall())
    states = [
        MigrationState(
            migration.id,
            applied=migration.id in applied,
            applied_at=applied.get(migration.id),
            edited=migration.id in applied
            and checksums.get(migration.id, _checksum(migration)) != _checksum(migration),
        )
        for migration in migrations
    ]
    known = {migration.id for migration in migrations}
    return states + [
        MigrationState(id, applied=True, applied_at=at) for id, at in sorted(applied.items()) if id not in known
    ]


def _refuse_foreign_or_edited(states: list[MigrationState], migrations: MigrationList) -> None:
    known = {migration.id for migration in migrations}
    for state in states:
        if state.id not in known:
            raise SchemaNotCurrent(f"The database was migrated by a newer Stocky ({state.id}); install that version")
        if state.edited:
            raise SchemaNotCurrent(f"The migration {state.id} was edited after it was applied; restore its file")


def _keep_checksums(backend: Any, migrations: MigrationList) -> None:
    with backend.transaction():
        for migration in migrations:
            backend.execute(
                "INSERT INTO migration_checksum (migration_id, checksum) VALUES (:id, :checksum)"
                " ON CONFLICT (migration_id) DO NOTHING",
                {"id": migration.id, "checksum": _checksum(migration)},
            )


def _forget_checksums(backend: Any, ids: list[str]) -> None:
    with backend.transaction():
        for id in ids:
            backend.execute("DELETE FROM migration_checksum WHERE migration_id = :id", {"id": id})


def _checksum(migration: Any) -> str:
    return hashlib.sha256(Path(migration.path).read_bytes()).hexdigest()


def _tables_that_would_go(backend: Any, config: Config, migrations: list[Any]) -> list[str]:
    """The tables these rollbacks drop that hold rows which would be missed."""
    full = []
    for migration in migrations:
        text = Path(migration.path).with_suffix(".rollback.sql").read_text("utf-8")
        for line in text.splitlines():
            if line.startswith("DROP TABLE "):
                table = line.removeprefix("DROP TABLE ").removeprefix("IF EXISTS ").rstrip(";")
                if table not in _REMADE and _holds_rows(backend, table):
                    full.append(table)
    return full


def _holds_rows(backend: Any, table: str) -> bool:
    # The name comes from a rollback file of ours.
    return backend.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is not None  # noqa: S608


def _naive(moment: str) -> datetime:
    """As its columns have it: in UTC, and without saying so."""
    return datetime.fromisoformat(moment).replace(tzinfo=None)


def _aware(moment: str) -> datetime:
    return datetime.fromisoformat(moment).replace(tzinfo=UTC)
