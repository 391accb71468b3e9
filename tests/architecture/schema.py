"""Reads tables, columns, indexes and rows of a database without the database layer, alike on both dialects."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import Any

import psycopg

from stocky.config import Config

# Equivalent names of types; SQLite's INTEGER PRIMARY KEY has 64 bits.
_TYPES = {"timestamptz": "timestamp with time zone", "integer": "bigint"}
_YOYO = ("_yoyo", "yoyo")
# FTS5's tables of the search index; the index, which is derived; and the marks set by triggers.
_INDEX = "search_index"
_DERIVED = ("search_text", "search_pending", "webhook_news")
# A running process renews its lease every few seconds.
_RENEWED = ("notice_lease",)

_SQLITE_COLUMNS = """
SELECT t.name, c.name, c.type, c."notnull" OR c.pk, t.type = 'view'
  FROM sqlite_schema t, pragma_table_info(t.name) c
 WHERE t.type IN ('table', 'view') AND t.name NOT LIKE 'sqlite%'
"""
_POSTGRES_COLUMNS = """
SELECT c.table_name, c.column_name, c.data_type, c.is_nullable = 'NO', t.table_type = 'VIEW'
  FROM information_schema.columns c
  JOIN information_schema.tables t USING (table_schema, table_name)
 WHERE c.table_schema = 'public'
"""
_SQLITE_VIEWS = "SELECT name, sql FROM sqlite_schema WHERE type = 'view'"
_POSTGRES_VIEWS = "SELECT viewname, definition FROM pg_views WHERE schemaname = 'public'"
_SQLITE_INDEXES = "SELECT tbl_name, name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
_POSTGRES_INDEXES = """
SELECT tablename, indexname FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT LIKE '%pkey'
"""


def run(config: Config, statement: str) -> list[tuple[Any, ...]]:
    """The rows of a committed statement. A test with a Stocky in its own loop must use run_beside()."""
    if config.dialect == "sqlite":
        with closing(sqlite3.connect(config.sqlite_path)) as connection, connection:
            return connection.execute(statement).fetchall()
    with psycopg.connect(config.database_url) as connection:
        cursor = connection.execute(statement)  # type: ignore[call-overload]  # psycopg wants a literal
        return cursor.fetchall() if cursor.description else []


async def run_beside(config: Config, statement: str) -> list[tuple[Any, ...]]:
    """The same, off the loop: the Stocky running there may hold a lock that the statement waits for."""
    return await asyncio.to_thread(run, config, statement)


def falsify(config: Config, *statements: str) -> None:
    """Runs statements with constraints and triggers disabled."""
    if config.dialect == "sqlite":
        with closing(sqlite3.connect(config.sqlite_path)) as connection, connection:
            triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for (trigger,) in triggers:
                connection.execute(f"DROP TRIGGER {trigger}")
            for statement in statements:
                connection.execute(statement)
        return
    with psycopg.connect(config.database_url) as other:
        other.execute("SET session_replication_role = replica")
        for statement in statements:
            other.execute(statement)  # type: ignore[call-overload]  # psycopg wants a literal


def columns(config: Config) -> dict[tuple[str, str], tuple[str, bool] | None]:
    """By table and column: its type and whether it is NOT NULL; None for a view's columns."""
    rows = run(config, _SQLITE_COLUMNS if config.dialect == "sqlite" else _POSTGRES_COLUMNS)
    return {
        (table, column): None if is_view else (_TYPES.get(type.lower(), type.lower()), bool(required))
        for table, column, type, required, is_view in rows
        if not table.startswith((*_YOYO, _INDEX))
    }


def indexes(config: Config) -> set[tuple[str, str]]:
    """(table, index), except primary keys."""
    rows = run(config, _SQLITE_INDEXES if config.dialect == "sqlite" else _POSTGRES_INDEXES)
    return {(table, index) for table, index in rows if not table.startswith(_YOYO)}


def views(config: Config) -> dict[str, str]:
    """The definition of each view, without blanks."""
    rows = run(config, _SQLITE_VIEWS if config.dialect == "sqlite" else _POSTGRES_VIEWS)
    return {name: "".join(definition.split()) for name, definition in rows}


def tables(config: Config) -> set[str]:
    """Names of tables and views."""
    return {table for table, _ in columns(config)}


def contents(config: Config) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table and view, in order, except derived tables and what a running process renews."""
    return {
        table: sorted(run(config, f"SELECT * FROM {table}"), key=repr)
        for table in tables(config)
        if table not in _DERIVED + _RENEWED
    }


def other_schemas(config: Config) -> list[str]:
    """Schemas of Stocky in a Postgres database, except the current one."""
    return [name for (name,) in run(config, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'stocky%'")]
