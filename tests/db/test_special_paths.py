"""Directories with special characters of URLs in their names: no file is created outside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from stocky.config import load
from stocky.db.migrate import check_schema, migrate
from tests.architecture import schema
from tests.cli.running import stocky
from tests.conftest import SECRET_KEY
from tests.old_schema import NOW, make_old

NAME = "50% of #1 and 100%41?mode=memory"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / NAME
    made.mkdir()
    return made


@pytest.mark.parametrize("given", [True, False])
def test_database_is_the_configured_file(given: bool, directory: Path) -> None:
    environ = {"STOCKY_DATA_DIR": str(directory), "STOCKY_SECRET_KEY": SECRET_KEY}
    if given:
        environ["STOCKY_DATABASE_URL"] = f"sqlite:///{directory}/stocky.db"
    config = load(environ)
    migrate(config)
    check_schema(config)
    assert [each.name for each in directory.iterdir()] == ["stocky.db"]
    assert [each.name for each in directory.parent.iterdir()] == [NAME]


@pytest.mark.slow
def test_migrate_backup_restore_and_copy_work(directory: Path) -> None:
    environ = {"STOCKY_DATA_DIR": str(directory), "STOCKY_SECRET_KEY": SECRET_KEY}
    config = load(environ)
    make_old(config, 12)
    archive = str(directory / "all.zip")
    copy = f"sqlite:///{directory / 'copy.db'}"
    for command in (
        ("migrate",),
        ("backup", "-o", archive),
        ("verify", archive),
        ("restore", archive, "--force"),
        ("copy", config.database_url, copy),
        ("check",),
    ):
        done = stocky(environ, *command)
        assert done.returncode == 0, (command, done.stderr)
    assert schema.run(config, "SELECT name, created_at FROM location") == [("Shelf", NOW)]
    assert [each.name for each in directory.parent.iterdir()] == [NAME]
