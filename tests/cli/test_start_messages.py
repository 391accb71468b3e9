"""Messages at the start about unknown settings and directories that cannot be written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from stocky.config import load
from stocky.disk import why_not_writable
from tests.cli.running import environment, stocky
from tests.serving import serve

pytestmark = pytest.mark.one_database


def test_unknown_setting_is_logged_at_start(environ: dict[str, str], tmp_path: Path) -> None:
    odd = {"STOCKY_BACKUP_DRI": "/srv", "STOCKY_PORTS": "1", "STOCKY_COLOUR": "red", "STOCKY_LOG_LEVEL_FILE": "/x"}
    with serve(environ | odd, tmp_path) as server:
        pass
    lines = [line for line in server.log.splitlines() if "is not a setting" in line]
    assert len(lines) == 4
    assert "STOCKY_BACKUP_DRI is not a setting and has no effect; did you mean STOCKY_BACKUP_DIR?" in server.log
    assert "STOCKY_COLOUR is not a setting and has no effect; the README lists the settings" in server.log
    assert all(" WARNING " in line for line in lines)


def test_every_command_reports_unknown_setting_once_on_stderr(environ: dict[str, str], tmp_path: Path) -> None:
    odd = environ | {"STOCKY_BACKUP_DRI": "/srv"}
    line = "stocky: STOCKY_BACKUP_DRI is not a setting and has no effect; did you mean STOCKY_BACKUP_DIR?\n"
    dump = str(tmp_path / "all.sql.gz")
    for arguments in (
        ["migrate", "--json"],
        ["check", "--json"],
        ["backup", "-o", dump, "--json"],
        ["verify", dump, "--json"],
        ["restore", dump, "--dry-run", "--json"],
        ["create-key", "admin", "--name", "x", "--json"],
        ["demo-data", "--items", "10", "--events", "50", "--json"],
        ["copy", environ["STOCKY_DATABASE_URL"], f"sqlite:///{tmp_path}/copy.db", "--json"],
    ):
        answer = stocky(odd, *arguments)
        assert answer.returncode == 0, answer.stderr
        assert answer.stderr == line, arguments
        json.loads(answer.stdout)
    assert stocky(odd, "reindex").stderr == line


def test_platform_variables_are_not_reported(environ: dict[str, str]) -> None:
    kubernetes = {
        "STOCKY_PORT": "tcp://10.0.0.7:8000",
        "STOCKY_PORT_8000_TCP": "tcp://10.0.0.7:8000",
        "STOCKY_PORT_8000_TCP_ADDR": "10.0.0.7",
        "STOCKY_PORT_8000_TCP_PORT": "8000",
        "STOCKY_PORT_8000_TCP_PROTO": "tcp",
        "STOCKY_SERVICE_HOST": "10.0.0.7",
        "STOCKY_SERVICE_PORT": "8000",
        "STOCKY_SERVICE_PORT_HTTP": "8000",
        "STOCKY_POSTGRES_SERVICE_HOST": "10.0.0.8",
        "STOCKY_POSTGRES_PORT": "tcp://10.0.0.8:5432",
        "STOCKY_POSTGRES_PORT_5432_TCP_ADDR": "10.0.0.8",
        "STOCKY_NAME": "/web/stocky",
        "STOCKY_ENV_PATH": "/usr/bin",
    }
    config = load(environ | kubernetes)
    assert (config.port, config.unknown) == (8000, ())
    assert load(environ | kubernetes | {"PORT": "9000"}).port == 9000
    assert load(environ | {"STOCKY_ADMIN_PASSWORD": "x", "STOCKY_SECRET_KEY_FILE": ""}).unknown == ()


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A directory that other users can access, unlike pytest's."""
    with TemporaryDirectory(prefix="stocky-tests-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("keyed", [True, False], ids=["with a key", "without"])
def test_unwritable_data_directory_is_reported_with_chown_command(
    environ: dict[str, str], keyed: bool, open_to_all: Path
) -> None:
    data = open_to_all / "our data"
    data.mkdir(mode=0o755)
    settings = environ | {"STOCKY_DATA_DIR": str(data), "STOCKY_DATABASE_URL": f"sqlite:///{data}/stocky.db"}
    if not keyed:
        del settings["STOCKY_SECRET_KEY"]
    setpriv = shutil.which("setpriv")
    assert setpriv
    as_another = [setpriv, "--reuid", "54321", "--regid", "54322", "--clear-groups", sys.executable]
    if subprocess.run([*as_another, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip("another user cannot run this Python")
    command = [*as_another, "-m", "stocky", "serve"]
    answer = subprocess.run(command, env=environment(settings), capture_output=True, text=True, check=False, timeout=60)
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[0] == (
        f"stocky: STOCKY_DATA_DIR: {data} cannot be written by this process (uid 54321); as an administrator run:"
        f" chown -R 54321:54322 '{data}'"
    )
    assert answer.stderr.count("\n") == 1


def test_missing_directory_may_be_created(tmp_path: Path) -> None:
    assert why_not_writable(tmp_path / "a" / "b") is None
    assert why_not_writable(tmp_path) is None
