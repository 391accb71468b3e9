"""`stocky restore` and `stocky copy` onto a database of an older Stocky: nothing is migrated without a backup."""

from __future__ import annotations

from pathlib import Path

import pytest

from stocky.config import Config, load
from stocky.db.migrate import list_migrations
from stocky.db.migration_files import schema_version
from tests.architecture import schema
from tests.cli.running import stocky
from tests.conftest import TestDatabases, settings
from tests.old_schema import make_old

pytestmark = pytest.mark.one_server

OLD = 23


def applied(config: Config) -> int:
    return sum(each.applied for each in list_migrations(config))


@pytest.fixture
def dump(dialect: str, databases: TestDatabases, tmp_path: Path) -> Path:
    """A backup of this version."""
    (tmp_path / "other").mkdir()
    with databases.copy(dialect, tmp_path / "other") as url:
        file = tmp_path / "all.sql.gz"
        done = stocky(settings(url, tmp_path / "other"), "backup", "-o", str(file))
        assert done.returncode == 0, done.stderr
    return file


def test_damaged_backup_leaves_an_older_database_unmigrated(empty_environ: dict[str, str], dump: Path) -> None:
    config = load(empty_environ)
    make_old(config, OLD)
    dump.write_bytes(dump.read_bytes()[:-30])
    done = stocky(empty_environ, "restore", str(dump), "--force")
    assert done.returncode == 1
    assert applied(config) == OLD
    assert not config.backup_dir.is_dir() or list(config.backup_dir.iterdir()) == []
    assert schema.run(config, "SELECT name FROM item") == [("Rice",)]


def test_restore_backs_up_an_older_database_before_it_is_migrated(empty_environ: dict[str, str], dump: Path) -> None:
    config = load(empty_environ)
    make_old(config, OLD)
    done = stocky(empty_environ, "restore", str(dump), "--force")
    assert done.returncode == 0, done.stderr
    assert applied(config) == schema_version(config.dialect)
    before, safety = sorted(config.backup_dir.glob("*.sql.gz"))
    assert f"Before the migration, the data was backed up to {before.name}" in done.stdout
    assert safety.name in done.stdout
    restored = stocky(empty_environ, "restore", str(before), "--force")
    assert restored.returncode == 0, restored.stderr
    assert schema.run(config, "SELECT name FROM item") == [("Rice",)]


def test_copy_onto_an_older_database_with_data_leaves_it_unmigrated(
    empty_environ: dict[str, str], dialect: str, databases: TestDatabases, tmp_path: Path
) -> None:
    target = load(empty_environ)
    make_old(target, OLD)
    (tmp_path / "source").mkdir()
    with databases.copy(dialect, tmp_path / "source") as url:
        done = stocky(settings(url, tmp_path / "source"), "copy", url, target.database_url)
    assert done.returncode == 1
    assert "The target holds data" in done.stderr
    assert applied(target) == OLD
