"""The command reports a failure in one line, and by its exit status."""

from __future__ import annotations

import json
import re
import socket
import sys
from pathlib import Path

import pytest

from stocky import __version__
from tests.cli.running import stocky
from tests.serving import serve

SECRET = "s3cret-word"


def test_help_lists_every_command_with_its_purpose() -> None:
    answer = stocky({}, "--help")
    assert answer.returncode == 0
    for line in ("serve     ", "run the service", "migrate   ", "check     ", "migrate the database to the schema"):
        assert line in answer.stdout
    assert stocky({}, "--version").stdout == f"stocky {__version__}\n"


def test_every_command_takes_json() -> None:
    commands = re.findall(r"^    ([a-z-]+)(?= |$)", stocky({}, "--help").stdout, re.MULTILINE)
    assert len(commands) >= 12
    for command in commands:
        assert "--json" in stocky({}, command, "--help").stdout, command


def test_rebuilt_index_and_log_are_json(environ: dict[str, str], tmp_path: Path) -> None:
    assert json.loads(stocky(environ, "reindex", "--json").stdout).keys() == {"search"}
    command = ("bash", "-c", 'exec "$0" "$@" --json', sys.executable, "-m", "stocky")
    with serve(environ, tmp_path, command=command) as server:
        pass
    lines = [json.loads(line) for line in server.log.splitlines()]
    assert any("Stocky is ready on" in line["message"] for line in lines)


def test_wrong_usage_is_status_2() -> None:
    for arguments in ([], ["dance"], ["serve", "--port", "70000"], ["migrate", "--check", "--list"]):
        answer = stocky({}, *arguments)
        assert answer.returncode == 2, arguments
        assert "usage: stocky" in answer.stderr
    assert "--force is only allowed with --rollback" in stocky({}, "migrate", "--force").stderr


def test_all_invalid_settings_are_reported_together() -> None:
    wrong = {"STOCKY_PORT": "many", "STOCKY_LOG_FORMAT": "xml", "STOCKY_DATABASE_URL": "mysql://x/y"}
    for command in ("serve", "migrate", "check"):
        answer = stocky(wrong, command)
        assert answer.returncode == 1
        lines = answer.stderr.splitlines()
        assert [line.partition(": ")[2].partition(":")[0] for line in lines] == [
            "STOCKY_DATABASE_URL",
            "STOCKY_PORT",
            "STOCKY_LOG_FORMAT",
        ]


def test_taken_port_is_reported_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = stocky({"STOCKY_DATA_DIR": str(tmp_path), "STOCKY_PORT": str(port)}, "serve")
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert f"Cannot listen on 127.0.0.1 port {port}: Address already in use" in answer.stderr


def test_missing_file_is_named(tmp_path: Path) -> None:
    for command in ("verify", "restore"):
        answer = stocky({"STOCKY_DATA_DIR": str(tmp_path)}, command, str(tmp_path / "none.sql.gz"))
        assert answer.returncode == 1
        assert answer.stderr == f"stocky: {tmp_path / 'none.sql.gz'}: No such file or directory\n"


def test_unreachable_database_is_reported_in_one_line(tmp_path: Path) -> None:
    settings = {"STOCKY_DATA_DIR": str(tmp_path), "STOCKY_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    for arguments in (["serve", "--port", "0"], ["migrate"], ["check"]):
        answer = stocky(settings, *arguments)
        assert answer.returncode == 1
        assert answer.stderr.count("\n") == 1, answer.stderr
        assert "stocky: Cannot connect to the database 127.0.0.1:1/none: Connection refused." in answer.stderr
        assert "Check STOCKY_DATABASE_URL" in answer.stderr
        assert "keeps trying" not in answer.stderr


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"DATABASE_URL": f"postgresql://nobody:{SECRET}@host.invalid/stock"},
            ("host.invalid:5432/stock: the host name cannot be resolved", "Check DATABASE_URL"),
        ),
        (
            {"STOCKY_DATABASE_URL": f"postgresql://nobody:{SECRET}@localhost:1/stock"},
            ("localhost:1/stock: Connection refused", "Check STOCKY_DATABASE_URL,"),
        ),
        (
            {"STOCKY_DATABASE_HOST": "/nowhere", "STOCKY_DATABASE_NAME": "stock", "STOCKY_DATABASE_PASSWORD": SECRET},
            ("/nowhere:5432/stock: No such file or directory", "Check STOCKY_DATABASE_HOST, _PORT, _NAME"),
        ),
    ],
)
def test_unreachable_address_is_reported_with_cause_and_setting(
    tmp_path: Path, settings: dict[str, str], expected: tuple[str, ...]
) -> None:
    dump = tmp_path / "any.sql.gz"
    dump.touch()
    for arguments in (["check"], ["backup"], ["restore", str(dump), "--force"], ["migrate", "--rollback", "0001"]):
        answer = stocky({"STOCKY_DATA_DIR": str(tmp_path)} | settings, *arguments)
        assert answer.returncode == 1
        assert answer.stderr.count("\n") == 1, answer.stderr
        for words in expected:
            assert words in answer.stderr
        assert SECRET not in answer.stderr


def test_file_that_is_not_a_database_is_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "stocky.db").write_bytes(b"This is not a database. " * 1000)
    for arguments in (["serve", "--port", "0"], ["migrate"], ["migrate", "--list"], ["check"]):
        answer = stocky({"STOCKY_DATA_DIR": str(tmp_path)}, *arguments)
        assert answer.returncode == 1
        assert answer.stderr.count("\n") == 1, answer.stderr
        assert "file is not a database" in answer.stderr


def test_read_only_commands_create_no_database(tmp_path: Path) -> None:
    for arguments in (["migrate", "--check"], ["migrate", "--list"], ["check"]):
        answer = stocky({"STOCKY_DATA_DIR": str(tmp_path)}, *arguments)
        assert answer.returncode == 1
        assert "create it with 'stocky migrate'" in answer.stderr
    assert not (tmp_path / "stocky.db").exists()
