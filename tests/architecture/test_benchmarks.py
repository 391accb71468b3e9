"""The statements of the yardsticks fit the schema: benchmarks run by hand, long after a migration."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from stocky.config import load
from stocky.db.sqlite_file import open_connection
from tests.benchmarks.plain_sqlite import ADD_EVENT, UPSERT_SKU
from tests.conftest import TestDatabases, settings


@pytest.mark.parametrize("statement", [UPSERT_SKU, ADD_EVENT])
def test_statement_of_the_yardstick_fits_the_schema(databases: TestDatabases, tmp_path: Path, statement: str) -> None:
    with databases.copy("sqlite", tmp_path) as url:
        path = load(settings(url, tmp_path)).sqlite_path
        with closing(open_connection(path)) as connection:
            assert connection.execute(f"EXPLAIN {statement}", (None,) * statement.count("?")).fetchall() != []
