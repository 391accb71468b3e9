"""`stocky migrate` goes forward, shows where it is, and goes back only when no rows are lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import stocky


def test_forward_back_and_forward_again(empty_environ: dict[str, str]) -> None:
    stocky(empty_environ, "migrate")
    assert stocky(empty_environ, "migrate").stdout == "The schema is current\n"
    assert stocky(empty_environ, "migrate", "--check").returncode == 0
    states = json.loads(stocky(empty_environ, "migrate", "--list", "--json").stdout)
    assert len(states) > 1
    assert all(state["applied"] and not state["edited"] for state in states)
    back = json.loads(stocky(empty_environ, "migrate", "--rollback", states[1]["id"], "--json").stdout)
    assert back == {"rolled_back": [state["id"] for state in reversed(states[1:])]}
    pending = stocky(empty_environ, "migrate", "--check")
    assert pending.returncode == 1
    assert pending.stderr == f"stocky: {len(states) - 1} migrations are not applied yet; run 'stocky migrate'\n"
    assert "pending " in stocky(empty_environ, "migrate", "--list").stdout
    again = json.loads(stocky(empty_environ, "migrate", "--json").stdout)
    assert again == {"applied": [state["id"] for state in states[1:]]}
    assert stocky(empty_environ, "check").returncode == 0


def test_a_new_sqlite_file_is_read_by_nobody_else(empty_environ: dict[str, str]) -> None:
    url = empty_environ["STOCKY_DATABASE_URL"]
    if not url.startswith("sqlite"):
        pytest.skip("Postgres has no file")
    stocky(empty_environ, "migrate")
    assert Path(url.removeprefix("sqlite:///")).stat().st_mode & 0o777 == 0o600


def test_rows_are_only_dropped_by_force(environ: dict[str, str]) -> None:
    refused = stocky(environ, "migrate", "--rollback", "0001")
    assert refused.returncode == 1
    assert "user_account" in refused.stderr
    assert "--force" in refused.stderr
    assert stocky(environ, "migrate", "--check").returncode == 0
    assert stocky(environ, "migrate", "--rollback", "0001", "--force").returncode == 0
    assert stocky(environ, "migrate", "--check").returncode == 1


def test_an_unknown_migration_is_one_line(environ: dict[str, str]) -> None:
    answer = stocky(environ, "migrate", "--rollback", "9999")
    assert answer.returncode == 1
    assert answer.stderr == "stocky: There is no migration 9999; 'stocky migrate --list' shows them\n"
