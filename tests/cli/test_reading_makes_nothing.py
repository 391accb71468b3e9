"""A command that only reads creates no file and no directory, wherever it runs and whatever its result."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import environment, stocky


def listed(directory: Path) -> list[str]:
    """Everything below a directory, except compiled Python files."""
    return sorted(str(each.relative_to(directory)) for each in directory.rglob("*"))


def run_in(directory: Path, environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stocky", *arguments],
        cwd=directory,
        env=environment(environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture
def dump(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dump of a whole database in another directory."""
    file = tmp_path_factory.mktemp("dumps") / "all.sql.gz"
    assert stocky(environ, "backup", "-o", str(file)).returncode == 0
    return file


@pytest.mark.one_database
def test_reading_commands_create_nothing_without_a_database(elsewhere: Path, dump: Path) -> None:
    target = f"sqlite:///{elsewhere}/target.db"
    for arguments in (
        ["check"],
        ["migrate", "--check"],
        ["migrate", "--list"],
        ["backup"],
        ["backup", "-o", "here.sql.gz"],
        ["copy", f"sqlite:///{elsewhere}/none/stocky.db", target],
        ["create-admin", "--username", "admin", "--email", "a@example.org"],
        ["reindex"],
        ["demo-data"],
    ):
        answer = run_in(elsewhere, {"STOCKY_ADMIN_PASSWORD": "correct horse battery"}, *arguments)
        assert answer.returncode == 1, arguments
        assert answer.stderr.count("\n") == 1, answer.stderr
        assert "no database at" in answer.stderr.lower() or "does not exist" in answer.stderr
        assert listed(elsewhere) == [], arguments
    for arguments in (["verify", str(dump)], ["restore", str(dump), "--dry-run"]):
        done = run_in(elsewhere, {}, *arguments)
        assert done.returncode == 0, done.stderr
        assert listed(elsewhere) == []


@pytest.mark.one_database
def test_reading_commands_leave_no_files(environ: dict[str, str], tmp_path: Path, dump: Path, elsewhere: Path) -> None:
    environ = {name: value for name, value in environ.items() if name != "STOCKY_SECRET_KEY"}
    before = listed(tmp_path)
    for arguments in (
        ["check"],
        ["migrate", "--check"],
        ["migrate", "--list"],
        ["backup", "-o", "-"],
        ["backup", "-o", str(elsewhere / "here.sql.gz")],
        ["verify", str(dump)],
        ["restore", str(dump), "--dry-run"],
        ["copy", environ["STOCKY_DATABASE_URL"], f"sqlite:///{elsewhere}/copy.db"],
    ):
        answer = stocky(environ, *arguments) if arguments[-1] != "-" else _piped(environ, arguments)
        assert answer.returncode == 0, (arguments, answer.stderr)
        assert listed(tmp_path) == before, arguments


def _piped(environ: dict[str, str], arguments: list[str]) -> subprocess.CompletedProcess[bytes]:
    """Runs a command whose output is binary."""
    return subprocess.run(
        [sys.executable, "-m", "stocky", *arguments],
        env=environment(environ),
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.one_database
def test_failed_restore_leaves_no_new_database(dump: Path, elsewhere: Path) -> None:
    cut = elsewhere / "cut.sql.gz"
    cut.write_bytes(dump.read_bytes()[:-100])
    environ = {"STOCKY_DATA_DIR": str(elsewhere / "data")}
    refused = stocky(environ, "restore", str(cut), "--force")
    assert refused.returncode == 1
    assert "truncated" in refused.stderr
    assert [each for each in listed(elsewhere / "data") if each.startswith("stocky.db") and "serving" not in each] == []
    assert stocky(environ, "restore", str(dump), "--force").returncode == 0
    assert (elsewhere / "data" / "stocky.db").is_file()
