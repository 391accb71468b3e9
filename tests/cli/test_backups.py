"""The commands `stocky backup`, `verify`, `restore` and `copy`."""

from __future__ import annotations

import asyncio
import gzip
import json
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from stocky.backup import copy
from stocky.config import Config, load
from tests.architecture import schema
from tests.cli.running import environment, stocky
from tests.conftest import TestDatabases, settings
from tests.serving import Server

pytestmark = pytest.mark.one_server

NOW = "'2026-01-01T00:00:00.000000Z'"
# The time of a dump, and Postgres's next sequence values: after the last row, or after a deleted one.
NOT_COPIED = ("-- taken_at: ", "SELECT pg_catalog.setval(")


def add_location(config: Config, name: str) -> None:
    schema.run(
        config,
        "INSERT INTO location (name, storage_type, created_at, updated_at)"
        f" VALUES ('{name}', 'pantry', {NOW}, {NOW}) RETURNING id",
    )


def locations(config: Config) -> list[str]:
    return sorted(name for (name,) in schema.run(config, "SELECT name FROM location"))


def test_backup_is_stored_and_verifies(environ: dict[str, str], config: Config) -> None:
    done = stocky(environ, "backup", "--json")
    assert done.returncode == 0, done.stderr
    output = json.loads(done.stdout)
    file = Path(output["file"])
    assert file.parent == config.backup_dir
    assert file.stat().st_size == output["size_bytes"]
    verified = stocky(environ, "verify", str(file))
    assert (verified.returncode, verified.stderr) == (0, "")
    assert "restores" in verified.stdout


def test_backup_is_written_to_the_given_path(environ: dict[str, str], config: Config, tmp_path: Path) -> None:
    file, archive = tmp_path / "all.sql.gz", tmp_path / "all.zip"
    assert stocky(environ, "backup", "-o", str(file)).returncode == 0
    assert stocky(environ, "backup", "--kind", "archive", "-o", str(archive)).returncode == 0
    assert gzip.decompress(file.read_bytes()).startswith(b"-- Stocky backup")
    assert zipfile.is_zipfile(archive)
    for each in (file, archive):
        assert stocky(environ, "verify", str(each)).returncode == 0
    assert not config.backup_dir.is_dir() or list(config.backup_dir.iterdir()) == []


def test_file_name_determines_the_format(environ: dict[str, str], tmp_path: Path) -> None:
    archive = tmp_path / "all.zip"
    assert stocky(environ, "backup", "-o", str(archive)).returncode == 0
    assert zipfile.is_zipfile(archive)
    for kind, name in (("sql", "all.zip"), ("archive", "all.sql.gz")):
        done = stocky(environ, "backup", "--kind", kind, "-o", str(tmp_path / name))
        assert done.returncode == 2
        assert "an archive must be named FILE.zip" in done.stderr
    assert zipfile.is_zipfile(archive)


def test_standard_output_is_for_dumps_only(environ: dict[str, str]) -> None:
    done = stocky(environ, "backup", "-o", "-", "--kind", "archive")
    assert done.returncode == 2
    assert "archive" in done.stderr


def test_verifying_a_damaged_backup_fails(environ: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "all.sql.gz"
    assert stocky(environ, "backup", "-o", str(file)).returncode == 0
    file.write_bytes(file.read_bytes()[:-30])
    done = stocky(environ, "verify", str(file), "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["ok"] is False
    missing = stocky(environ, "verify", str(tmp_path / "missing.sql.gz"))
    assert missing.returncode == 1
    assert missing.stderr.count("\n") == 1


def test_restore_shows_changes_and_asks_first(environ: dict[str, str], config: Config, tmp_path: Path) -> None:
    add_location(config, "Before")
    file = tmp_path / "all.sql.gz"
    assert stocky(environ, "backup", "-o", str(file)).returncode == 0
    add_location(config, "After")
    trial = stocky(environ, "restore", str(file), "--dry-run")
    assert trial.returncode == 0, trial.stderr
    assert "2 -> 1" in trial.stdout
    asked = stocky(environ, "restore", str(file))
    assert asked.returncode == 1
    assert "--force" in asked.stderr
    assert locations(config) == ["After", "Before"]
    done = stocky(environ, "restore", str(file), "--force")
    assert done.returncode == 0, done.stderr
    assert locations(config) == ["Before"]
    (safety,) = config.backup_dir.glob("*.sql.gz")
    assert safety.name in done.stdout
    assert stocky(environ, "check").returncode == 0


def test_archive_restores_onto_a_new_machine(
    environ: dict[str, str], config: Config, dialect: str, databases: TestDatabases, tmp_path: Path
) -> None:
    add_location(config, "From the old machine")
    archive = tmp_path / "all.zip"
    assert stocky(environ, "backup", "--kind", "archive", "-o", str(archive)).returncode == 0
    (tmp_path / "new").mkdir()
    with databases.empty(dialect, tmp_path / "new") as url:
        new = settings(url, tmp_path / "new")
        trial = stocky(new, "restore", str(archive), "--dry-run")
        assert trial.returncode == 0, trial.stderr
        assert "so this compares with an empty database" in trial.stdout
        assert "0 -> 1 rows: 1 added\n    added: From the old machine" in trial.stdout
        assert stocky(new, "check").returncode == 1
        done = stocky(new, "restore", str(archive), "--force")
        assert done.returncode == 0, done.stderr
        assert stocky(new, "check").returncode == 0


def test_restore_into_served_sqlite_file_is_rejected(
    environ: dict[str, str], config: Config, serve: Callable[..., AbstractContextManager[Server]], tmp_path: Path
) -> None:
    add_location(config, "Before")
    file = tmp_path / "all.sql.gz"
    assert stocky(environ, "backup", "-o", str(file)).returncode == 0
    add_location(config, "After")
    with serve():
        done = stocky(environ, "restore", str(file), "--force")
    if config.dialect == "sqlite":
        assert done.returncode == 1
        assert "stop it" in done.stderr
        assert locations(config) == ["After", "Before"]
    else:
        # The serving processes pause during the restore.
        assert done.returncode == 0, done.stderr
        assert locations(config) == ["Before"]


def test_second_server_on_one_sqlite_file_is_rejected(
    environ: dict[str, str], config: Config, serve: Callable[..., AbstractContextManager[Server]]
) -> None:
    if config.dialect != "sqlite":
        pytest.skip("on Postgres there may be many")
    with serve():
        other = stocky(environ, "serve", "--port", "0")
    assert other.returncode == 1
    assert "Another Stocky" in other.stderr


def test_copy_to_the_other_dialect_and_back_is_lossless(
    environ: dict[str, str], config: Config, dialect: str, databases: TestDatabases, tmp_path: Path
) -> None:
    assert stocky(environ, "demo-data", "--items", "50", "--events", "500").returncode == 0
    other_kind = "postgres-embedded" if dialect == "sqlite" else "sqlite"
    for name in ("there", "back"):
        (tmp_path / name).mkdir()
    with databases.empty(other_kind, tmp_path / "there") as there, databases.empty(dialect, tmp_path / "back") as back:
        first = stocky(environ, "copy", config.database_url, there, "--json")
        assert first.returncode == 0, first.stderr
        second = stocky(environ, "copy", there, back, "--json")
        assert second.returncode == 0, second.stderr
        assert json.loads(first.stdout)["tables"] == json.loads(second.stdout)["tables"]
        assert (first.stderr, second.stderr) == ("", "")
        again = stocky(environ, "copy", config.database_url, there)
        assert again.returncode == 1
        assert "holds data" in again.stderr
        returned = settings(back, tmp_path / "back")
        assert stocky(returned, "check").returncode == 0
        dumps = []
        for name, each in (("one", environ), ("other", returned)):
            file = tmp_path / f"{name}.sql.gz"
            assert stocky(each, "backup", "-o", str(file)).returncode == 0
            text = gzip.decompress(file.read_bytes()).decode()
            dumps.append([line for line in text.splitlines() if not line.startswith(NOT_COPIED)])
        # The last line has a checksum of everything above, including the time, and one per table, which must be equal.
        one, other = (json.loads(dump.pop().removeprefix("-- complete: ")) for dump in dumps)
        assert dumps[0] == dumps[1]
        assert one["tables"] == other["tables"]


def test_copy_of_served_database_reports_its_snapshot(
    config: Config,
    dialect: str,
    databases: TestDatabases,
    serve: Callable[..., AbstractContextManager[Server]],
    environ: dict[str, str],
    tmp_path: Path,
) -> None:
    (tmp_path / "copy").mkdir()
    with databases.empty(dialect, tmp_path / "copy") as target, serve():
        done = stocky(environ, "copy", config.database_url, target)
    assert done.returncode == 0
    assert "Set STOCKY_DATABASE_URL" not in done.stdout or config.dialect == "postgres"
    assert ("A Stocky serves the source" in done.stderr) == (config.dialect == "sqlite")


async def test_events_recorded_during_copy_are_reported(
    environ: dict[str, str],
    config: Config,
    dialect: str,
    databases: TestDatabases,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "copy").mkdir()

    replace = copy.replace_database

    async def record_one_first(*asked: Any, reapply: bool) -> Any:
        columns = "item_id, location_id, sku_id, quantity_after_milli, occurred_at, recorded_at"
        last = f"SELECT 'add', 0, {columns} FROM stock_event WHERE id = (SELECT max(id) FROM stock_event)"
        await schema.run_beside(config, f"INSERT INTO stock_event (kind, delta_milli, {columns}) {last}")
        return await replace(*asked, reapply=reapply)

    monkeypatch.setattr(copy, "replace_database", record_one_first)
    demo = await asyncio.to_thread(stocky, environ, "demo-data", "--items", "10", "--events", "50")
    assert demo.returncode == 0
    with databases.empty(dialect, tmp_path / "copy") as url:
        copied = await copy.copy(config, load(settings(url, tmp_path / "copy")), lambda *_: None)
    assert copied.missed == 1


@pytest.mark.parametrize(("wrong", "argument"), [(0, "SOURCE_URL"), (1, "TARGET_URL")])
def test_invalid_address_argument_is_named(wrong: int, argument: str, environ: dict[str, str], config: Config) -> None:
    addresses = [config.database_url] * 2
    addresses[wrong] = "mysql://nowhere"
    done = stocky(environ, "copy", *addresses)
    assert done.returncode != 0
    assert argument in done.stderr
    assert "STOCKY_DATABASE_URL" not in done.stderr


def test_copy_onto_itself_is_rejected(environ: dict[str, str], config: Config) -> None:
    done = stocky(environ, "copy", config.database_url, config.database_url)
    assert done.returncode == 1
    assert "same" in done.stderr


def test_help_of_each_command_is_complete() -> None:
    for command in ("backup", "verify", "restore", "copy"):
        done = stocky(environment({}), command, "--help")
        assert done.returncode == 0
        assert f"stocky {command}" in done.stdout
