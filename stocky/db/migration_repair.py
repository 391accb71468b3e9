"""Finds which migrations a database really has, by comparing its schema, and corrects their records.

Only records are changed, never a table; a schema that matches no version is refused.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress

import msgspec
from yoyo.migrations import MigrationList

from stocky.config import Config
from stocky.db.migration_backend import MigrationBackend, sqlite_backend
from stocky.db.schema_snapshot import Snapshot, read_snapshot
from stocky.errors import Conflict, Unavailable

# How many differences the message lists.
NAMED = 5
_SCRATCH = "stocky_compared"


class Repair(msgspec.Struct):
    """What was done: ids marked as applied, ids whose mark was removed, and ids whose checksum was stored."""

    marked: list[str] = []
    unmarked: list[str] = []
    checksums: list[str] = []


def repair_records(backend: MigrationBackend, config: Config, migrations: MigrationList) -> Repair:
    """Corrects marks and checksums to match the schema; the caller holds the migration lock.

    Raises Conflict, listing differences, when the schema matches no version; Unavailable when it cannot be compared.
    """
    marked = backend.applied()
    actual = read_snapshot(backend.connection, is_sqlite=config.dialect == "sqlite")
    versions = snapshots(backend, config, migrations)
    found = matching(actual, versions)
    if not found:
        raise Conflict(
            f"The schema matches no version of Stocky: {_differences(actual, versions)}. Nothing was changed;"
            " restore a backup into an empty database"
        )
    level = min(found, key=lambda each: abs(each - len(marked)))
    repair = Repair()
    with backend.transaction():
        backend.prepare()
        checksums = backend.checksums()
        for migration in migrations[:level]:
            if migration.id not in marked:
                backend.record(migration, "mark")
                repair.marked.append(migration.id)
            elif migration.id not in checksums:
                backend.store_checksum(migration)
                repair.checksums.append(migration.id)
        for migration in reversed(migrations[level:]):
            if migration.id in marked:
                backend.erase(migration, "unmark")
                repair.unmarked.append(migration.id)
    return repair


def is_incomplete(backend: MigrationBackend, config: Config, migrations: MigrationList) -> bool:
    """Whether the schema is exactly that of another version than the recorded one.

    False where that cannot be determined, or where the schema matches no version.
    """
    actual = read_snapshot(backend.connection, is_sqlite=config.dialect == "sqlite")
    marked = len(backend.applied())
    if not actual and not marked:
        return False
    with suppress(Unavailable):
        found = matching(actual, snapshots(backend, config, migrations))
        return bool(found) and marked not in found
    return False


def matching(actual: Snapshot, versions: Sequence[Snapshot]) -> list[int]:
    """The counts of applied migrations that lead to this schema; objects unknown to every version are ignored."""
    known = {name for version in versions for name in version}
    stocky = {name: definition for name, definition in actual.items() if name in known}
    return [level for level, version in enumerate(versions) if version == stocky]


def snapshots(backend: MigrationBackend, config: Config, migrations: MigrationList) -> list[Snapshot]:
    """The schema before the first migration and after each one, built in a scratch schema.

    Raises Unavailable when the database's user may not create a schema.
    """
    is_sqlite = config.dialect == "sqlite"
    with _scratch(backend, is_sqlite=is_sqlite) as scratch:
        found = [read_snapshot(scratch.connection, is_sqlite=is_sqlite)]
        for migration in migrations:
            scratch.run_steps(migration, "apply")
            found.append(read_snapshot(scratch.connection, is_sqlite=is_sqlite))
    return found


@contextmanager
def _scratch(backend: MigrationBackend, *, is_sqlite: bool) -> Iterator[MigrationBackend]:
    """A backend on an empty schema, which is dropped after the block."""
    if is_sqlite:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            yield sqlite_backend(connection)
        return
    import psycopg

    with backend.transaction(rollback_on_exit=True):
        try:
            backend.execute(f"CREATE SCHEMA {_SCRATCH}")
        except psycopg.errors.InsufficientPrivilege as error:
            raise Unavailable(
                "The schema cannot be compared: the database's user may not create a schema to compare it with;"
                " GRANT CREATE ON DATABASE ... TO ... allows it"
            ) from error
        backend.execute(f"SET LOCAL search_path = {_SCRATCH}")
        yield backend


def _differences(actual: Snapshot, versions: Sequence[Snapshot]) -> str:
    """The differences to the closest version."""
    known = {name for version in versions for name in version}
    stocky = {name: definition for name, definition in actual.items() if name in known}
    nearest = min(versions, key=lambda version: len(version.items() ^ stocky.items()))
    names = sorted(
        {name for name, _ in nearest.items() ^ stocky.items()}, key=lambda name: (not name.startswith("table "), name)
    )
    differences = [
        f"{name} {'is missing' if name not in stocky else 'is extra' if name not in nearest else 'differs'}"
        for name in names[:NAMED]
    ]
    return ", ".join(differences) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
