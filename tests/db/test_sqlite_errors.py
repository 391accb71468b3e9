"""Errors of SQLite itself in words: only a file in which damage was found leads to a restore."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from stocky.db.sqlite_file import domain_error
from stocky.errors import Unavailable


def open_a_directory(directory: Path) -> None:
    sqlite3.connect(directory)


def write_without_permission(directory: Path) -> None:
    file = directory / "stocky.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE one (id)")
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        connection.execute("INSERT INTO one VALUES (1)")


def write_while_another_does(directory: Path) -> None:
    file = directory / "stocky.db"
    with closing(sqlite3.connect(file)) as first, closing(sqlite3.connect(file, timeout=0)) as second:
        first.execute("BEGIN IMMEDIATE")
        second.execute("BEGIN IMMEDIATE")


def read_what_is_no_database(directory: Path) -> None:
    file = directory / "stocky.db"
    file.write_bytes(b"GIF89a" * 1000)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("SELECT * FROM sqlite_schema")


def read_a_damaged_page(directory: Path) -> None:
    file = directory / "stocky.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE one (text)")
        connection.executemany("INSERT INTO one VALUES (?)", [("x" * 500,)] * 100)
    with file.open("r+b") as damaged:
        damaged.seek(4096)
        damaged.write(b"\xff" * 4096)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("SELECT count(text) FROM one").fetchall()


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (open_a_directory, "cannot be opened for writing; check the data directory"),
        (write_without_permission, "cannot be opened for writing; check the data directory"),
        (write_while_another_does, "Another program has the database locked; try again"),
    ],
)
def test_file_without_damage_is_not_said_to_be_damaged(
    tmp_path: Path, cause: Callable[[Path], None], words: str
) -> None:
    with pytest.raises(sqlite3.OperationalError) as raised:
        cause(tmp_path)
    error = domain_error(raised.value)
    assert isinstance(error, Unavailable)
    assert words in str(error)
    assert "damage" not in str(error)


@pytest.mark.parametrize("cause", [read_what_is_no_database, read_a_damaged_page])
def test_damaged_file_is_to_be_restored(tmp_path: Path, cause: Callable[[Path], None]) -> None:
    with pytest.raises(sqlite3.DatabaseError) as raised:
        cause(tmp_path)
    error = domain_error(raised.value)
    assert isinstance(error, Unavailable)
    assert "is damaged" in str(error)
    assert "restore a backup" in str(error)
