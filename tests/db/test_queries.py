"""Loading the SQL files: headings, overrides, and statements by column."""

from __future__ import annotations

from pathlib import Path

import pytest

from stocky import clock
from stocky.db import Database
from stocky.db.queries import compile_query, load_queries
from stocky.resources import resource
from stocky.scanner.repository import find_scanners, touch_scanners

SHARED = "-- put --\n-- Puts rows.\nINSERT INTO box (name, size) VALUES (:name, :size);\n"


def _directory(path: Path, override: str) -> Path:
    (path / "postgres").mkdir()
    (path / "boxes.sql").write_text(SHARED, "utf-8")
    (path / "postgres" / "boxes.sql").write_text(override, "utf-8")
    return path


def test_override_by_column_is_marked(tmp_path: Path) -> None:
    directory = _directory(
        tmp_path,
        "-- put by column --\n-- Puts rows.\nINSERT INTO box (name, size)\n"
        "SELECT name, size FROM unnest(CAST(:name AS TEXT[]), CAST(:size AS BIGINT[])) AS new (name, size);\n",
    )
    assert load_queries(directory, "postgres")["put"].by_column
    assert not load_queries(directory, "sqlite")["put"].by_column


def test_override_by_column_needs_the_same_order_of_parameters(tmp_path: Path) -> None:
    directory = _directory(
        tmp_path,
        "-- put by column --\n-- Puts rows.\nINSERT INTO box (size, name)\n"
        "SELECT size, name FROM unnest(CAST(:size AS BIGINT[]), CAST(:name AS TEXT[])) AS new (size, name);\n",
    )
    with pytest.raises(ValueError, match="different parameters"):
        load_queries(directory, "postgres")


def test_parameter_used_twice_has_a_value_for_each_use_on_sqlite() -> None:
    text = "-- Example.\nSELECT :b, :a, :b"
    sqlite, postgres = (compile_query("example", text, dialect) for dialect in ("sqlite", "postgres"))
    assert (sqlite.text, sqlite.values({"a": 1, "b": 2})) == ("-- Example.\nSELECT ?, ?, ?", [2, 1, 2])
    assert (postgres.text, postgres.values({"a": 1, "b": 2})) == ("-- Example.\nSELECT $1, $2, $1", [2, 1])
    assert sqlite.many([(2, 1), (4, 3)]) == [(2, 1, 2), (4, 3, 4)]
    assert postgres.many([(2, 1)]) == [(2, 1)]


def test_every_statement_by_column_takes_arrays() -> None:
    queries = load_queries(resource("sql"), "postgres").values()
    by_column = {query.name: query.text.count("[])") == len(query.parameters) for query in queries if query.by_column}
    assert by_column == dict.fromkeys(["add_events", "change_skus", "touch_scanners"], True)


async def test_many_rows_are_changed_alike_on_both_dialects(database: Database) -> None:
    seen = clock.now()
    async with database.transaction() as tx:
        await touch_scanners(tx, [(id, 3, seen, f"scan by {id}") for id in ("s1", "s2")])
        await touch_scanners(tx, [("s2", 3, seen, None), ("s3", 3, seen, "new")])
        scanners = await find_scanners(tx, ["s1", "s2", "s3"])
    assert {id: row.last_scan for id, row in scanners.items()} == {"s1": "scan by s1", "s2": "scan by s2", "s3": "new"}
