"""The migrations: the same schema on both dialects, and a rollback for each."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from stocky.config import Config, load
from stocky.db.migrate import check_schema, list_migrations, migrate, rollback
from stocky.errors import Conflict, Unavailable
from stocky.search.normalize import FIELDS
from tests.architecture import schema
from tests.architecture.source import ROOT
from tests.cli.test_migrate_repair import Yoyo
from tests.conftest import TestDatabases, settings

ITEM = (
    "INSERT INTO item (code, name, default_storage_type, created_at, updated_at)"
    " VALUES ('{code}', 'Rice', 'pantry', '{now}', '{now}') RETURNING id"
)
# The lines of the texts in the search index, and the newest migration of both dialects that marks all texts.
SEARCHED = (
    "code",
    "name",
    "manufacturer_code",
    "tags",
    "type",
    "seller",
    "barcodes",
    "description",
    "documents",
    "fields",
)
MARKED_BY = "0016.measures"
MARK_ALL = "INSERT INTO search_pending (item_id) SELECT item_id FROM search_text"
# The migrations from which each rollback is tried.
NEWEST = 6
NOW = "2026-01-31T12:00:00.000000Z"
LEDGER = [
    ITEM.format(code="RICE", now=NOW),
    "INSERT INTO location (name, name_key, path, path_key, storage_type, created_at, updated_at)"
    f" VALUES ('Shelf', 'shelf', 'Shelf', 'shelf', 'pantry', '{NOW}', '{NOW}')",
    "INSERT INTO sku (item_id, location_id, quantity_milli, created_at, updated_at)"
    f" VALUES (1, 1, 2500, '{NOW}', '{NOW}')",
    "INSERT INTO stock_event (kind, item_id, location_id, sku_id, delta_milli, quantity_after_milli,"
    f" occurred_at, recorded_at, user_id) VALUES ('add', 1, 1, 1, 2500, 2500, '{NOW}', '{NOW}', 1)",
]
MOVE = [
    "INSERT INTO sku (item_id, location_id, expiry_date, unit, quantity_milli, created_at, updated_at)"
    f" VALUES (1, 1, '2030-01-31', 'g', 0, '{NOW}', '{NOW}')",
    "INSERT INTO stock_event (kind, item_id, location_id, sku_id, delta_milli, quantity_after_milli, unit_scale,"
    f" occurred_at, recorded_at, user_id) VALUES ('move', 1, 1, 1, -2, 2498, 1000, '{NOW}', '{NOW}', 1),"
    f" ('move', 1, 1, 2, 2000, 2000, 1, '{NOW}', '{NOW}', 1)",
]


LOT = f"INSERT INTO sku (item_id, location_id, lot, created_at, updated_at) VALUES (1, 1, 'L1', '{NOW}', '{NOW}')"


def test_migrations_that_databases_have_applied_stay_as_they_are() -> None:
    """A comment changed in one of them keeps every database that has applied it from starting."""
    listed = (Path(__file__).parent / "applied_migrations.sha256").read_text().splitlines()
    assert {
        name: "edited"
        for digest, name in (line.split() for line in listed)
        if hashlib.sha256((ROOT / "migrations" / name).read_bytes()).hexdigest() != digest
    } == {}


def test_both_dialects_end_with_the_same_schema(databases: TestDatabases, tmp_path: Path) -> None:
    with databases.copy("sqlite", tmp_path) as url:
        sqlite = load(settings(url, tmp_path))
        for dialect in databases.dialects[1:]:
            with databases.copy(dialect, tmp_path) as url:
                postgres = load(settings(url, tmp_path))
                assert schema.columns(postgres) == schema.columns(sqlite)
                assert schema.indexes(postgres) == schema.indexes(sqlite)


def test_every_migration_has_a_rollback() -> None:
    steps = {file for file in (ROOT / "migrations").rglob("*.sql") if not file.name.endswith(".rollback.sql")}
    assert len(steps) > 1
    assert [step.name for step in steps if not step.with_suffix(".rollback.sql").is_file()] == []


def test_applied_migration_is_not_applied_again(config: Config) -> None:
    assert migrate(config) == []
    check_schema(config)


def test_rollback_and_migrate_keep_every_row(config: Config) -> None:
    """Of the newest migrations each, and of all at once: the others can change no more."""
    for statement in LEDGER:
        schema.run(config, statement)
    before, shape = schema.contents(config), schema.columns(config)
    steps = [state.id for state in reversed(list_migrations(config))][:-1]
    for step in (*steps[:NEWEST], steps[-1]):
        undone = rollback(config, step)
        assert undone[-1] == step
        assert migrate(config) == undone[::-1]
        assert schema.columns(config) == shape
        assert schema.contents(config) == before


def test_rollback_restores_each_view(empty_environ: dict[str, str]) -> None:
    """As the migrations before it left them."""
    config = load(empty_environ)
    newest = max(int(file.name[:4]) for file in (ROOT / "migrations").rglob("*.sql"))
    migrate(config, through=newest - NEWEST)
    before = []
    for number in range(newest - NEWEST + 1, newest + 1):
        before.append(schema.views(config))
        migrate(config, through=number)
    for number in range(newest, newest - NEWEST, -1):
        rollback(config, f"{number:04}", force=True)
        assert schema.views(config) == before.pop(), f"the rollback of {number:04} must create the views as they were"


def test_ids_continue_after_rollback(config: Config) -> None:
    schema.run(config, LEDGER[0])
    rollback(config, "0002")
    migrate(config)
    assert schema.run(config, ITEM.format(code="BEAN", now=NOW)) == [(2,)]


def test_rollback_that_deletes_rows_needs_force(config: Config) -> None:
    before = schema.contents(config)
    with pytest.raises(Conflict, match="user_account"):
        rollback(config, "0001")
    assert schema.contents(config) == before


def test_full_rollback_leaves_empty_database(config: Config) -> None:
    rollback(config, "0001", force=True)
    assert schema.tables(config) == {"migration_checksum"}
    assert schema.contents(config) == {"migration_checksum": []}
    assert len(migrate(config)) == len(list_migrations(config))


def test_new_database_gets_the_same_schema(
    empty_environ: dict[str, str], databases: TestDatabases, tmp_path: Path
) -> None:
    config = load(empty_environ)
    migrate(config)
    with databases.copy("sqlite", tmp_path) as url:
        assert schema.columns(config) == schema.columns(load(settings(url, tmp_path)))


def test_migration_marks_the_texts_of_the_search_when_their_lines_change() -> None:
    # Texts are read by the position of their lines: after such a change, each must be written anew.
    for dialect in ("sqlite", "postgres"):
        files = [file for folder in (".", dialect) for file in (ROOT / "migrations" / folder).glob("*.sql")]
        marking = sorted(file.stem for file in files if MARK_ALL in file.read_text("utf-8"))
        assert marking[-2:] == [MARKED_BY, f"{MARKED_BY}.rollback"]
    assert SEARCHED == FIELDS, f"a migration and its rollback must end with {MARK_ALL}; then change this test"


def test_rollback_is_rejected_after_move_between_units(config: Config, environ: dict[str, str]) -> None:
    for statement in [*LEDGER, *MOVE]:
        schema.run(config, statement)
    before = schema.contents(config)
    with pytest.raises(Unavailable, match=r"0018.*moved between two units.*Restore an older backup"):
        rollback(config, "0018", force=True)
    assert schema.contents(config) == before
    # yoyo's own command is rejected as well.
    old = Yoyo(config, environ["STOCKY_DATABASE_URL"])
    with pytest.raises(old.backend.DatabaseError, match="moved between two units"):
        old.steps(18, "rollback")
    old.backend.connection.close()
    assert schema.contents(config) == before


def test_rollback_is_rejected_with_several_lots_at_one_location(config: Config) -> None:
    for statement in [*LEDGER, LOT]:
        schema.run(config, statement)
    before = schema.contents(config)
    with pytest.raises(Unavailable, match=r"0028.*several lots.*Restore an older backup"):
        rollback(config, "0028", force=True)
    assert schema.contents(config) == before


def test_cancelled_jobs_have_failed_for_earlier_versions(config: Config) -> None:
    schema.run(
        config,
        "INSERT INTO job (kind, status, run_after, created_at, finished_at, priority, concurrency_key)"
        f" VALUES ('import.csv', 'cancelled', '{NOW}', '{NOW}', '{NOW}', 0, 'import'),"
        f" ('import.csv', 'queued', '{NOW}', '{NOW}', NULL, 0, 'import')",
    )
    rollback(config, "0034")
    jobs = "SELECT status, error, error_status FROM job ORDER BY id"
    assert schema.run(config, jobs) == [("failed", "cancelled", 409), ("queued", None, None)]
    migrate(config)
    assert schema.run(config, "SELECT priority, concurrency_key FROM job ORDER BY id") == [(1, None), (1, "import")]
