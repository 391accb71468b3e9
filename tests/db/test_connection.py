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
