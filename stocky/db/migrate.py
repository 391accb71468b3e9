"""Applies migrations and rolls them back, all in one transaction, in one process at a time.

Refuses a migration whose file was edited after it was applied, and a database of a newer version.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from yoyo import read_migrations
from yoyo.migrations import MigrationList

from stocky.config import Config
from stocky.db.location_paths import ADDED_BY, complete_locations
from stocky.db.migration_backend import MigrationBackend, checksum, open_backend
from stocky.db.migration_files import number_of
from stocky.db.migration_repair import Repair, is_incomplete, repair_records
from stocky.disk import NO_LOCKS, NoLocks, lock
from stocky.errors import Conflict, Unavailable
from stocky.new_database import is_missing, no_database
from stocky.resources import resource

# The key of the advisory lock on Postgres: any number, but it must never change.
_LOCK_KEY = 7_786_259
# Tables without user data: their rows come with the schema, or are derived from other tables.
_DERIVED_TABLES = {"auth_revision", "search_index", "search_text", "search_pending"}
_BOOKKEEPING = ("_yoyo_", "yoyo_", "migration_checksum")
_DROPPED = re.compile(r"^DROP TABLE (?:IF EXISTS )?(\w+)", re.MULTILINE)
# When each migration was applied, and when yoyo's own tables were created; in UTC, as text.
_APPLIED = "SELECT migration_id, CAST(applied_at_utc AS TEXT) FROM _yoyo_migration"
_INSTALLED = "SELECT version, CAST(installed_at_utc AS TEXT) FROM _yoyo_version"
_ENCODING = """
SELECT current_database(), pg_encoding_to_char(encoding),
       (SELECT datctype ~* '^(C|POSIX)$|utf-?8' FROM pg_database WHERE datname = 'template0')
  FROM pg_database WHERE datname = current_database()
"""


class MigrationState(msgspec.Struct):
    """One migration: whether it is applied, and whether its file was edited since."""

    id: str
    applied: bool
    applied_at: datetime | None = None
    edited: bool = False


class SchemaNotCurrent(Exception):
    """The database's schema is not the one this version needs; the message includes what to do."""


def list_migrations(config: Config) -> list[MigrationState]:
    """Every migration in order, with its state; those that only the database lists come last. Read-only.

    Raises Unavailable when there is no database, Conflict when it was lost; it never creates one.
    """
    if is_missing(config):
        raise no_database(config)
    with open_backend(config) as backend:
        return _states(backend, _read(config))


def check_schema(config: Config) -> None:
    """Raises SchemaNotCurrent unless exactly the migrations of this version are applied, unedited."""
    states = list_migrations(config)
    _refuse_foreign_or_edited(states, _read(config))
    if pending := [state.id for state in states if not state.applied]:
        raise SchemaNotCurrent(f"{len(pending)} migrations are not applied yet; run 'stocky migrate'")


def migrate(
    config: Config, *, through: int | None = None, before_change: Callable[[], None] | None = None
) -> list[str]:
    """Applies pending migrations up to the number `through` and returns their ids; waits for other processes.

    `before_change` is called before a database that holds rows is changed; an exception from it stops the migration.

    Raises SchemaNotCurrent for a database of a newer version, an edited migration, or a migration that an older
    version left incomplete; Conflict for a Postgres database not in UTF8; Unavailable, OutOfSpace. None of them changes
    the database.
    """
    if config.dialect == "sqlite":
        config.sqlite_path.parent.mkdir(parents=True, exist_ok=True)
        # It holds hashes of passwords and keys; SQLite gives the files beside it the same mode.
        with suppress(FileExistsError):
            os.close(os.open(config.sqlite_path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    with _only_process(config) as backend:
        migrations = _read(config)
        _refuse_foreign_or_edited(_states(backend, migrations), migrations)
        applied, checksums = backend.applied(), backend.checksums()
        pending = [
            each for each in migrations if each.id not in applied and (through is None or number_of(each.id) <= through)
        ]
        # yoyo's own command stores no checksums.
        without_checksum = [each for each in migrations if each.id in applied and each.id not in checksums]
        if pending:
            _refuse_other_encoding(backend, config)
            if is_incomplete(backend, config, migrations):
                raise SchemaNotCurrent(
                    "A migration was applied or rolled back without being recorded, as when an older Stocky was killed"
                    " during a migration; run 'stocky migrate --repair'"
                )
            if before_change is not None and applied and _full_tables(backend, _tables(backend)):
                before_change()
        if pending or without_checksum:
            with backend.transaction():
                backend.prepare()
                for migration in pending:
                    backend.apply(migration)
                if any(number_of(migration.id) == ADDED_BY for migration in [*pending, *without_checksum]):
                    complete_locations(config.dialect, backend.execute)
                for migration in without_checksum:
                    backend.store_checksum(migration)
        return [migration.id for migration in pending]


def rollback(
    config: Config, migration_id: str, *, force: bool = False, before_change: Callable[[], None] | None = None
) -> list[str]:
    """Rolls back `migration_id` and all later ones, newest first, and returns their ids. `before_change` as above.

    Raises Conflict when that would drop a table with rows and `force` is not given,
    ValueError when the migration is unknown or not applied.
    """
    with _only_process(config) as backend:
        migrations = _read(config)
        matching = [m.id for m in migrations if m.id == migration_id or m.id.partition(".")[0] == migration_id]
        if not matching:
            raise ValueError(f"There is no migration {migration_id}; 'stocky migrate --list' shows them")
        applied = backend.applied()
        undone = [each for each in reversed(migrations) if each.id in applied and each.id >= matching[0]]
        if matching[0] not in applied:
            raise ValueError(f"The migration {matching[0]} is not applied")
        present = set(backend.list_tables())
        dropped = [table for table in _dropped_tables(undone) if table in present]
        if not force and (full := _full_tables(backend, dropped)):
            raise Conflict(
                f"This would delete {', '.join(full)} with all rows. Repeat it with --force to do that; a backup is"
                " made first, unless you give --no-backup"
            )
        if before_change is not None and _full_tables(backend, _tables(backend)):
            before_change()
        with backend.transaction():
            backend.prepare()
            for migration in undone:
                backend.roll_back(migration)
        return [migration.id for migration in undone]


def repair(config: Config) -> Repair:
    """Corrects the migration records to match the schema, and removes a lock that yoyo left.

    Raises what `repair_records` raises; Unavailable when there is no database, Conflict when it was lost.
    """
    if is_missing(config):
        raise no_database(config)
    with _only_process(config) as backend:
        migrations = _read(config)
        _refuse_foreign_or_edited(_states(backend, migrations), migrations)
        return repair_records(backend, config, migrations)


def copy_times(source: Config, target: Config) -> None:
    """Copies the migrations' dates from the source to its copy, by number; both are at the same migration."""
    with open_backend(source) as backend:
        applied = {number_of(id): moment for id, moment in backend.execute(_APPLIED).fetchall()}
        installed = dict(backend.execute(_INSTALLED).fetchall())
    with _only_process(target) as backend, backend.transaction():
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


def _read(config: Config) -> MigrationList:
    return _read_for(config.dialect)


@cache
def _read_for(dialect: str) -> MigrationList:
    """The migrations by number, cached with their statements."""
    root = resource("migrations")
    # yoyo would put those shared by both dialects first, whatever their number.
    return MigrationList(sorted(read_migrations(str(root), str(root / dialect)), key=lambda migration: migration.id))


@contextmanager
def _only_process(config: Config) -> Iterator[MigrationBackend]:
    """A backend under a lock that ends with its process, so a killed migration leaves no lock behind."""
    with open_backend(config) as backend:
        if config.dialect == "postgres":
            # A session lock: it outlasts transactions and ends with the connection.
            backend.execute("SELECT pg_advisory_lock(:key)", {"key": _LOCK_KEY})
            yield backend
            return
        with _locked(config.sqlite_path):
            yield backend


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Locks the database's directory; a file beside it where directories cannot be locked, as on NFS."""
    descriptors = [os.open(path.parent, os.O_RDONLY)]
    try:
        try:
            lock(descriptors[0], wait=True)
        except NoLocks:
            descriptors.append(os.open(f"{path}-migrating", os.O_RDWR | os.O_CREAT, 0o600))
            lock(descriptors[1], wait=True)
    except NoLocks as error:
        raise Unavailable(NO_LOCKS) from error
    else:
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _states(backend: MigrationBackend, migrations: MigrationList) -> list[MigrationState]:
    applied, checksums = backend.applied(), backend.checksums()
    states = [
        MigrationState(
            migration.id,
            applied=migration.id in applied,
            applied_at=applied.get(migration.id),
            edited=migration.id in applied and checksums.get(migration.id, checksum(migration)) != checksum(migration),
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


def _refuse_other_encoding(backend: MigrationBackend, config: Config) -> None:
    """Raises Conflict unless it is UTF8: item names use every script, and lengths are counted in characters."""
    if config.dialect == "sqlite":
        return
    name, encoding, fits = backend.execute(_ENCODING).fetchone()
    if encoding == "UTF8":
        return
    # A template with a locale of another encoding needs --locale=C, which fits every encoding.
    line = f"createdb --encoding=UTF8 --template=template0{'' if fits else ' --locale=C'} {name}_utf8"
    raise Conflict(
        f"The database {name} has the encoding {encoding}, but Stocky needs UTF8. Create one with: {line} and set"
        " STOCKY_DATABASE_URL to it. To keep the data, run 'stocky backup -o all.sql.gz' before and"
        " 'stocky restore all.sql.gz' after that"
    )


def _dropped_tables(migrations: list[Any]) -> list[str]:
    """The tables that these rollbacks drop."""
    texts = [Path(migration.path).with_suffix(".rollback.sql").read_text("utf-8") for migration in migrations]
    return [table for text in texts for table in _DROPPED.findall(text)]


def _tables(backend: MigrationBackend) -> list[str]:
    return [name for name in backend.list_tables() if not name.startswith((*_BOOKKEEPING, "sqlite_", "search_index_"))]


def _full_tables(backend: MigrationBackend, tables: list[str]) -> list[str]:
    """The tables that hold rows which cannot be derived."""
    return [table for table in tables if table not in _DERIVED_TABLES and _holds_rows(backend, table)]


def _holds_rows(backend: MigrationBackend, table: str) -> bool:
    quoted = backend.quote_identifier(table)
    return backend.execute(f"SELECT 1 FROM {quoted} LIMIT 1").fetchone() is not None  # noqa: S608 - quoted


def _naive(moment: str) -> datetime:
    """As yoyo's columns store it: in UTC, without a zone."""
    return datetime.fromisoformat(moment).replace(tzinfo=None)
