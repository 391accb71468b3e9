"""The database layer: one set of methods for SQLite and Postgres. Only this package and backup import a driver."""

from __future__ import annotations

from pathlib import Path

from stocky.config import Config, ReplicaSettings
from stocky.db.connection import Connection, Database, SoleLock
from stocky.db.lanes import Lane
from stocky.db.listing import Listing
from stocky.db.queries import load_queries
from stocky.errors import Unavailable
from stocky.resources import resource
from stocky.struct_types import inspect_structs

__all__ = ["Connection", "Database", "Lane", "Listing", "SoleLock", "make_database", "make_reading_database"]


# asyncpg and psycopg are each imported where they are first needed.
NO_DRIVER = (
    "Postgres needs asyncpg and psycopg, which are not installed:"
    " run 'pip install -r requirements.txt' in a checkout of Stocky"
)


def make_database(config: Config, *, is_server: bool = False) -> Database:
    """The configured database, not yet open. Raises Unavailable when its driver is not installed.

    The server's runs the checkpoints of a SQLite file.
    """
    inspect_structs()
    if config.dialect == "sqlite":
        from stocky.db.sqlite import SqliteDatabase

        queries = load_queries(resource("sql"), config.dialect)
        return SqliteDatabase(config.sqlite_path, queries, runs_checkpoints=is_server)
    return _postgres(config.database_url, config.database_direct_url, config.replica)


def make_reading_database(url: str, replica: ReplicaSettings | None = None) -> Database:
    """A database for a child process, not yet open, which only reads, in the lane BACKGROUND."""
    inspect_structs()
    if url.startswith("sqlite:"):
        from stocky.db.sqlite import SqliteDatabase

        path = Path(url.removeprefix("sqlite:///"))
        return SqliteDatabase(path, load_queries(resource("sql"), "sqlite"), readonly=True)
    return _postgres(url, replica=replica)


def _postgres(url: str, direct_url: str | None = None, replica: ReplicaSettings | None = None) -> Database:
    try:
        from stocky.db.postgres import PostgresDatabase
    except ModuleNotFoundError as missing:
        raise Unavailable(NO_DRIVER) from missing
    return PostgresDatabase(url, load_queries(resource("sql"), "postgres"), direct_url, replica)
