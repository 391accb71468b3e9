"""Rows are read into the fields they belong to, and a connection's settings fit its file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import Struct

from stocky.db.connection import to_structs
from stocky.db.sqlite_file import open_connection


class _Box(Struct, array_like=True):
    id: int
    name: str


def test_rows_by_position_have_the_fields_as_columns() -> None:
    assert to_structs(_Box, ["id", "name"], [(1, "Tools")]) == [_Box(1, "Tools")]
    with pytest.raises(TypeError, match="_Box has other fields"):
        to_structs(_Box, ["name", "id"], [(1, "2")])


@pytest.mark.parametrize(("page_size", "pages"), [(4_096, 65_536), (65_536, 4_096)])
def test_write_ahead_log_is_limited_in_bytes(tmp_path: Path, page_size: int, pages: int) -> None:
    path = tmp_path / "file.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as new:
        new.execute(f"PRAGMA page_size = {page_size}")
        new.execute("VACUUM")
    with closing(open_connection(path, runs_checkpoints=True)) as connection:
        assert connection.execute("PRAGMA wal_autocheckpoint").fetchone() == (pages,)
