"""Databases that an older Stocky, or yoyo, left half migrated are reported, and repaired without losing a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yoyo
from yoyo.migrations import MigrationList

from stocky.config import Config, load
from stocky.db.migrate import SchemaNotCurrent, list_migrations, migrate, repair
from stocky.db.migration_repair import Repair
from stocky.errors import Conflict, Unavailable
from tests.architecture import schema
from tests.cli.running import stocky
from tests.old_schema import make_old
from tests.serving import ROOT

VERSION = 7
LOCK = "INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, '2026-01-31 12:00:00', 4711)"


class Yoyo:
    """yoyo on its own connection, where every call commits, as an older Stocky used it."""

    def __init__(self, config: Config, url: str) -> None:
        scheme, _, rest = url.partition("://")
        self.backend = yoyo.get_backend(f"{scheme.replace('postgresql', 'postgresql+psycopg')}://{rest}")
        folders = [str(ROOT / "migrations"), str(ROOT / "migrations" / config.dialect)]
        self.migrations = MigrationList(sorted(yoyo.read_migrations(*folders), key=lambda each: each.id))

    def steps(self, number: int, direction: str = "apply") -> None:
        """Runs the statements of a migration without recording it, like a killed process."""
        self.migrations[number - 1].process_steps(self.backend, direction)

    def log(self, number: int, operation: str = "apply") -> None:
        self.backend.log_migration(self.migrations[number - 1], operation)

    def mark(self, number: int) -> None:
        with self.backend.transaction():
            self.backend.mark_one(self.migrations[number - 1], log=False)

    def unmark(self, number: int) -> None:
        with self.backend.transaction():
            self.backend.unmark_one(self.migrations[number - 1], log=False)

    def run(self, statement: str) -> None:
        with self.backend.transaction():
            self.backend.execute(statement)


def killed_before_the_log(old: Yoyo) -> None:
    old.run(LOCK)
    old.steps(VERSION + 1)


def killed_before_the_mark(old: Yoyo) -> None:
    old.run(LOCK)
    old.steps(VERSION + 1)
    old.log(VERSION + 1)


def killed_in_the_next_before_checksums(old: Yoyo) -> None:
    killed_before_the_mark(old)
    old.mark(VERSION + 1)
    old.steps(VERSION + 2)


def killed_taking_back_before_the_log(old: Yoyo) -> None:
    old.run(LOCK)
    old.steps(VERSION, "rollback")


def killed_taking_back_before_the_mark(old: Yoyo) -> None:
    killed_taking_back_before_the_log(old)
    old.log(VERSION, "rollback")


def killed_taking_back_the_next_before_checksums(old: Yoyo) -> None:
    killed_taking_back_before_the_mark(old)
    old.unmark(VERSION)
    old.steps(VERSION - 1, "rollback")


HALF_WAY: list[Callable[[Yoyo], None]] = [
    killed_before_the_log,
    killed_before_the_mark,
    killed_in_the_next_before_checksums,
    killed_taking_back_before_the_log,
    killed_taking_back_before_the_mark,
    killed_taking_back_the_next_before_checksums,
]


def close(old: Yoyo) -> None:
    """Restores the driver's time formats, which yoyo changes."""
    from stocky.db.sqlite_file import register_time_formats

    old.backend.connection.close()
    register_time_formats()


def data(config: Config) -> dict[str, Any]:
    return {table: rows for table, rows in schema.contents(config).items() if table != "migration_checksum" and rows}


@pytest.mark.parametrize("kill", HALF_WAY, ids=lambda kill: kill.__name__)
def test_incomplete_migration_is_reported_repaired_and_migrated(
    kill: Callable[[Yoyo], None], empty_environ: dict[str, str], environ: dict[str, str]
) -> None:
    config = load(empty_environ)
    make_old(config, VERSION)
    old = Yoyo(config, empty_environ["STOCKY_DATABASE_URL"])
    kill(old)
    close(old)
    rows, shape = data(config), schema.columns(config)
    with pytest.raises(
        SchemaNotCurrent, match=r"applied or rolled back without being recorded.*; run 'stocky migrate --repair'"
    ):
        migrate(config)
    assert (data(config), schema.columns(config)) == (rows, shape)
    repair(config)
    assert (data(config), schema.columns(config)) == (rows, shape)
    migrate(config)
    assert all(state.applied for state in list_migrations(config))
    assert schema.run(config, "SELECT count(*) FROM migration_checksum") == [(len(list_migrations(config)),)]
    assert schema.run(config, "SELECT count(*) FROM yoyo_lock") == [(0,)]
    assert {"user_account", "item", "barcode", "sku", "stock_event"} <= data(config).keys()
    assert schema.columns(config) == schema.columns(load(environ))
    assert schema.indexes(config) == schema.indexes(load(environ))


def test_repair_command_lists_its_changes(empty_environ: dict[str, str]) -> None:
    config = load(empty_environ)
    make_old(config, VERSION)
    old = Yoyo(config, empty_environ["STOCKY_DATABASE_URL"])
    killed_before_the_mark(old)
    close(old)
    repaired = stocky(empty_environ, "migrate", "--repair")
    next_id = list_migrations(config)[VERSION].id
    assert repaired.stdout == f"marked as applied {next_id}\nRun 'stocky migrate' now\n", repaired.stderr


@pytest.mark.parametrize("version", [0, VERSION])
def test_lock_row_of_killed_yoyo_is_ignored(version: int, empty_environ: dict[str, str]) -> None:
    config = load(empty_environ)
    if version:
        make_old(config, version)
    old = Yoyo(config, empty_environ["STOCKY_DATABASE_URL"])
    old.run(LOCK)
    close(old)
    assert len(migrate(config)) == len(list_migrations(config)) - version
    assert schema.run(config, "SELECT count(*) FROM yoyo_lock") == [(0,)]


def test_missing_checksums_are_stored_by_start_and_repair(environ: dict[str, str]) -> None:
    config = load(environ)
    count = "SELECT count(*) FROM migration_checksum"
    everything = schema.run(config, count)
    for mend in (migrate, repair):
        schema.run(config, "DELETE FROM migration_checksum WHERE migration_id >= '0009' RETURNING migration_id")
        assert schema.run(config, count) != everything
        mend(config)
        assert schema.run(config, count) == everything


def test_repair_does_not_change_sound_database(environ: dict[str, str]) -> None:
    config = load(environ)
    # Objects of other programs are ignored.
    schema.run(config, "CREATE TABLE of_others (id INTEGER)")
    schema.run(config, "CREATE INDEX of_others_too ON item (description)")
    rows = schema.contents(config)
    assert repair(config) == Repair()
    assert stocky(environ, "migrate", "--repair").stdout == "Nothing to repair: the records match the tables\n"
    assert schema.contents(config) == rows


def test_schema_of_no_version_is_rejected_unchanged(environ: dict[str, str]) -> None:
    config = load(environ)
    newest = list_migrations(config)[-1].id
    schema.run(config, "ALTER TABLE box RENAME TO crate")
    schema.run(config, f"DELETE FROM _yoyo_migration WHERE migration_id = '{newest}' RETURNING migration_id")
    shape, applied = schema.columns(config), list_migrations(config)
    with pytest.raises(Conflict, match=r"matches no version of Stocky: .*table box is missing.*Nothing was changed"):
        repair(config)
    assert (schema.columns(config), list_migrations(config)) == (shape, applied)


def test_repair_creates_no_database(dialect: str, empty_environ: dict[str, str]) -> None:
    if dialect != "sqlite":
        pytest.skip("On Postgres there is always a database")
    with pytest.raises(Unavailable, match="No database at"):
        repair(load(empty_environ))
    assert not load(empty_environ).sqlite_path.exists()


def test_failed_migration_changes_nothing(empty_environ: dict[str, str]) -> None:
    config = load(empty_environ)
    make_old(config, VERSION)
    # The second pending migration creates a table of this name; the first has succeeded by then.
    schema.run(config, "CREATE TABLE document (id INTEGER)")
    rows, shape, applied = data(config), schema.columns(config), list_migrations(config)
    with pytest.raises(Unavailable, match=r"0009\.documents failed, and nothing was changed: .*already exists"):
        migrate(config)
    assert (data(config), schema.columns(config), list_migrations(config)) == (rows, shape, applied)
