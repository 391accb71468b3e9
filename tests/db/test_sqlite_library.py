"""SQLite's memory statistics are off in every process of Stocky, and a process that began with SQLite keeps them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.serving import environment

# Prints the bytes that SQLite counts as used while a connection is open.
_PRINT_USED = """
import ctypes, sqlite3
from importlib.util import find_spec
connection = sqlite3.connect(":memory:")
connection.execute("CREATE TABLE item (name TEXT)")
used = ctypes.CDLL(find_spec("_sqlite3").origin if find_spec("_sqlite3").has_location else None).sqlite3_memory_used
used.restype = ctypes.c_int64
print(used())
"""


@pytest.mark.parametrize(
    ("beginning", "are_on"),
    [
        ("", True),
        ("from stocky.sqlite_library import disable_memory_statistics as off; off()", False),
        ("import sqlite3; from stocky.sqlite_library import disable_memory_statistics as off; off()", True),
        # The first thing of each kind of process; neither has loaded sqlite3 before it.
        ("import sys, stocky.cli; stocky.cli._parser = None\ntry: stocky.cli.main()\nexcept TypeError: pass", False),
        (
            "import msgspec, stocky.worker.__main__ as worker\ntry: worker.main()\nexcept msgspec.DecodeError: pass",
            False,
        ),
    ],
    ids=["python", "stocky", "too late", "command", "child process"],
)
def test_memory_statistics_of_sqlite(beginning: str, are_on: bool) -> None:
    command = [sys.executable, "-c", f"{beginning}\n{_PRINT_USED}"]
    run = subprocess.run(command, env=environment({}), input=b"\n", capture_output=True, check=True, timeout=60)
    assert (int(run.stdout) > 0) is are_on
