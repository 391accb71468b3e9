"""The database layer: the same few verbs on SQLite and on Postgres; nothing outside it (and backup) sees a driver."""

from __future__ import annotations

from stocky.config import Config
from stocky.db.connection import Ask, Connection, Database, Script, Work
from stocky.db.queries import load_queries
from stocky.errors import Unavailable
from stocky.resources import resource

__all__ = ["Ask", "Connection", "Database", "Script", "Work", "make_database"]


def make_database(config: Config) -> Database:
    """The database the settings name, not yet open. Raises Unavailable when its driver is not installed."""
    queries = load_queries(resource("sql"), config.dialect)
    if config.dialect == "sqlite":
        from stocky.db.sqlite import SqliteDatabase

        return SqliteDatabase(config.sqlite_path, queries)
    try:
        from stocky.db.postgres import PostgresDatabase
    except ModuleNotFoundError as missing:
        raise Unavailable("Postgres needs the extra: pip install 'stocky[postgres]'") from missing
    return PostgresDatabase(config.database_url, queries)
