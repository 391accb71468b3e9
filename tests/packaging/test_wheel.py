"""The wheel is complete: it serves from an empty environment and directory."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.serving import ROOT, environment, serve

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    _pip(Path(sys.executable), "wheel", "--no-deps", "--wheel-dir", str(directory), str(ROOT))
    (built,) = directory.glob("stocky-*.whl")
    return built


@pytest.fixture(scope="module")
def stocky(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed command."""
    installed = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", installed], check=True)
    _pip(installed / "bin" / "python", "install", str(wheel))
    return installed / "bin" / "stocky"


def _pip(python: Path, *arguments: str) -> None:
    command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, env=environment({}, python_path=None))


def test_wheel_has_all_sql_and_migrations_and_no_tests(wheel: Path) -> None:
    carried = set(zipfile.ZipFile(wheel).namelist())
    beside = {
        f"stocky/{file.relative_to(ROOT)}" for name in ("sql", "migrations") for file in (ROOT / name).rglob("*.sql")
    }
    assert beside <= carried
    assert not [name for name in carried if name.startswith("tests")]


def test_installed_command_has_help(stocky: Path, tmp_path: Path) -> None:
    shown = subprocess.run(
        [stocky, "--help"],
        cwd=tmp_path,
        env=environment({}, python_path=None),
        check=True,
        capture_output=True,
        text=True,
    )
    assert "serve" in shown.stdout


def test_postgres_without_the_extra_is_a_one_line_error(stocky: Path, tmp_path: Path) -> None:
    away = "postgresql://nobody@127.0.0.1:1/none"
    file = tmp_path / "a.sql.gz"
    file.touch()
    for command in (
        "serve --port 0",
        "migrate",
        "migrate --check",
        "migrate --list",
        "migrate --rollback 0001",
        "create-admin --username a --email a@example.org",
        "reset-password a",
        "create-key a --name b",
        "demo-data",
        "backup",
        "backup -o -",
        f"restore {file} --force",
        "check",
        "reindex",
        f"copy {away} sqlite:///{tmp_path / 'a.db'}",
        f"copy sqlite:///{_migrated(stocky, tmp_path)} {away}",
    ):
        done = subprocess.run(
            [stocky, *command.split()],
            cwd=tmp_path,
            env=environment({"STOCKY_DATABASE_URL": away}, python_path=None),
            input="a long enough password\n",
            capture_output=True,
            text=True,
            check=False,
        )
        message = (
            "stocky: Postgres needs asyncpg and psycopg, which are not installed:"
            " run 'pip install -r requirements.txt' in a checkout of Stocky\n"
        )
        assert (done.returncode, done.stderr) == (1, message), command


def _migrated(stocky: Path, directory: Path) -> Path:
    database = directory / "migrated.db"
    settings = {"STOCKY_DATABASE_URL": f"sqlite:///{database}", "STOCKY_DATA_DIR": str(directory)}
    subprocess.run([stocky, "migrate"], env=environment(settings, python_path=None), cwd=directory, check=True)
    return database


def test_serves_from_an_empty_directory_without_settings(stocky: Path, tmp_path: Path) -> None:
    with serve({}, tmp_path, command=[str(stocky)], python_path=None) as server:
        assert httpx.get(f"{server.api}/health").json() == {"status": "healthy", "service": "stocky-backend"}
        assert (tmp_path / "data" / "stocky.db").is_file()
        assert (tmp_path / "data" / "secret-key").stat().st_mode & 0o777 == 0o600
        assert server.stop() == 0
