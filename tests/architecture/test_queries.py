"""The SQL of `sql/`: every query exists, is used, has a comment, and is valid on its database."""

from __future__ import annotations

import re
import sqlite3

import asyncpg
import pytest

from stocky.config import Config
from stocky.db.queries import Query, load_queries
from stocky.db.sqlite_file import open_connection
from tests.architecture.source import ROOT, called_queries, is_in, modules

SQL = ROOT / "sql"
NAME = re.compile(r"[a-z][a-z0-9_]*")
ARRAY = re.compile(r"= ANY \(ARRAY\(SELECT [^$]+? FROM json_each\((?:CAST\(\$\d+ AS TEXT\)|\$\d+)\)\)\)")
NOT_IN = re.compile(r"NOT IN \(SELECT [^$]+? FROM json_each\(")
# These read the list and look each of its elements up.
ELEMENT_BY_ELEMENT = {
    "list_unreferenced", "find_items_by_fragment", "count_entries_by_day", "count_entries_of_items_by_day",
}  # fmt: skip
STAR = re.compile(r"(?i)\b(?:SELECT|DISTINCT|RETURNING)\s+\*|\.\*|,\s*\*")


def _called() -> set[str]:
    called = set().union(*(called_queries(name) for name in modules() if not is_in(name, ("stocky.db",))))
    # Backups also pass SQL, which is not a name, to the drivers.
    return {name for name in called if NAME.fullmatch(name)}


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_every_query_that_is_called_exists(kind: str) -> None:
    assert _called() - load_queries(SQL, kind).keys() == set()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_every_query_is_called(kind: str) -> None:
    assert load_queries(SQL, kind).keys() - _called() == set()


def test_override_replaces_a_shared_query_or_exists_for_both_dialects() -> None:
    shared, sqlite, postgres = (
        load_queries(directory, "none") for directory in (SQL, SQL / "sqlite", SQL / "postgres")
    )
    assert (sqlite.keys() ^ postgres.keys()) - shared.keys() == set()
    assert [
        name
        for name in sqlite.keys() & postgres.keys()
        if set(sqlite[name].parameters) != set(postgres[name].parameters)
    ] == []


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_every_query_has_a_comment(kind: str) -> None:
    assert [name for name, query in load_queries(SQL, kind).items() if not query.text.startswith("-- ")] == []


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_every_query_lists_its_columns(kind: str) -> None:
    without_comments = {
        name: re.sub(r"--[^\n]*", "", query.text).replace("count(*)", "")
        for name, query in load_queries(SQL, kind).items()
    }
    assert {name: found[0] for name, text in without_comments.items() if (found := STAR.search(text))} == {}


def _with_variants(kind: str) -> dict[str, Query]:
    """The queries, and each list counted and in the order of each of its sort keys."""
    queries = load_queries(SQL, kind)
    found = dict(queries)
    for name in queries:
        keys = queries.sort_keys(name)
        for variant in (*(f"by {sign}{key}" for key in keys for sign in ("", "-")), *(["counted"] if keys else [])):
            found[f"{name} {variant}"] = queries[f"{name} {variant}"]
    return found


def test_pages_of_lists_can_be_counted() -> None:
    for name, query in _with_variants("sqlite").items():
        if name.endswith(" counted"):
            assert "limit" not in query.parameters, name
            assert "LIMIT" not in query.text, name
    # What is read for each row of a page is not read to count them.
    assert "sku" not in load_queries(SQL, "sqlite")["list_boxes counted"].text


async def test_every_query_is_valid_on_its_database(config: Config) -> None:
    queries = _with_variants(config.dialect)
    refused = {}
    if config.dialect == "sqlite":
        connection = open_connection(config.sqlite_path)
        for name, query in queries.items():
            try:
                connection.execute(f"EXPLAIN {query.text}", [None] * len(query.parameters))
            except sqlite3.Error as error:
                refused[name] = str(error)
        connection.close()
    else:
        postgres = await asyncpg.connect(config.database_url)
        for name, query in queries.items():
            try:
                prepared = await postgres.prepare(query.text)
                assert len(prepared.get_parameters()) == len(query.parameters)
            except asyncpg.PostgresError as error:
                refused[name] = str(error)
        await postgres.close()
    assert refused == {}


def test_postgres_looks_up_lists_as_arrays() -> None:
    """Joined with json_each(), a large table may be read whole for a list of one."""
    queries = load_queries(SQL, "postgres")
    left = {name: NOT_IN.sub("", ARRAY.sub("", query.text)) for name, query in queries.items()}
    assert {name for name, text in left.items() if "json_each" in text} == ELEMENT_BY_ELEMENT
