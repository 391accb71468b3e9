"""`stocky restore` and `stocky copy` beside the write-ahead log of a lost database: they never destroy it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import stocky

pytestmark = pytest.mark.one_database


@pytest.fixture
def dump(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("dump") / "all.sql.gz"
    assert stocky(environ, "backup", "-o", str(file)).returncode == 0
    return file


@pytest.fixture
def lost(tmp_path: Path) -> Path:
    """A data directory with the log of a database that is not there."""
    directory = tmp_path / "lost"
    directory.mkdir()
    (directory / "stocky.db-wal").write_bytes(b"all scans of the last days")
    return directory


@pytest.mark.parametrize("is_empty", [False, True], ids=["missing", "empty"])
@pytest.mark.parametrize("option", ["--force", "--dry-run"])
def test_restore_beside_the_log_of_a_lost_database_is_refused(
    dump: Path, lost: Path, option: str, is_empty: bool
) -> None:
    if is_empty:
        (lost / "stocky.db").touch()
    before = sorted(lost.iterdir())
    done = stocky({"STOCKY_DATA_DIR": str(lost), "STOCKY_NEW_DATABASE": "true"}, "restore", str(dump), option)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert f"{lost / 'stocky.db-wal'} is the write-ahead log of a database that is missing" in done.stderr
    assert "move" in done.stderr
    assert sorted(lost.iterdir()) == before
    assert (lost / "stocky.db-wal").read_bytes() == b"all scans of the last days"
    (lost / "stocky.db-wal").rename(lost.parent / "saved-wal")
    done = stocky({"STOCKY_DATA_DIR": str(lost)}, "restore", str(dump), option)
    assert done.returncode == 0, done.stderr


def test_copy_beside_the_log_of_a_lost_target_is_refused(environ: dict[str, str], lost: Path) -> None:
    done = stocky(environ, "copy", environ["STOCKY_DATABASE_URL"], f"sqlite:///{lost / 'stocky.db'}")
    assert done.returncode == 1
    assert "write-ahead log" in done.stderr
    assert [each.name for each in lost.iterdir()] == ["stocky.db-wal"]
    assert (lost / "stocky.db-wal").read_bytes() == b"all scans of the last days"


@pytest.mark.parametrize("command", [["check"], ["backup"], ["migrate", "--check"], ["migrate", "--repair"]])
def test_reading_an_empty_database_leaves_the_log_of_the_lost_one(lost: Path, command: list[str]) -> None:
    (lost / "stocky.db").touch()
    done = stocky({"STOCKY_DATA_DIR": str(lost)}, *command)
    assert done.returncode == 1
    assert "its write-ahead log" in done.stderr
    assert (lost / "stocky.db-wal").read_bytes() == b"all scans of the last days"
