"""The database layer: the same few verbs on SQLite and on Postgres; nothing outside it (and backup) sees a driver."""

from __future__ import annotations

from pathlib import Path

from stocky.config import Config
from stocky.db.connection import Connection, Database
from stocky.db.lanes import Lane
from stocky.db.queries import load_queries
from stocky.errors import Unavailable
from stocky.resources import resource

__all__ = ["Connection", "Database", "Lane", "make_database", "make_reading_database"]


# A driver is missing; each of the two is imported where it is first needed.
NO_DRIVER = (
    "Postgres needs asyncpg and psycopg, which are not installed:"
    " run 'pip install -r requirements.txt' in a checkout of Stocky"
)


def make_database(config: Config) -> Database:
    """The database the settings name, not yet open. Raises Unavailable when its driver is not installed."""
    if config.dialect == "sqlite":
        from stocky.db.sqlite import SqliteDatabase

        return SqliteDatabase(config.sqlite_path, load_queries(resource("sql"), config.dialect))
    return _postgres(config.database_url, config.database_direct_url)


def make_reading_database(url: str) -> Database:
    """The database at an address of the settings, not yet open, to read from in the lane BACKGROUND: for a child."""
    if url.startswith("sqlite:"):
        from stocky.db.sqlite import SqliteDatabase

        path = Path(url.removeprefix("sqlite:///"))
        return SqliteDatabase(path, load_queries(resource("sql"), "sqlite"), readonly=True)
    return _postgres(url)


def _postgres(url: str, direct_url: str | None = None) -> Database:
    try:
        from stocky.db.postgres import PostgresDatabase
    except ModuleNotFoundError as missing:
        raise Unavailable(NO_DRIVER) from missing
    return PostgresDatabase(url, load_queries(resource("sql"), "postgres"), direct_url)
