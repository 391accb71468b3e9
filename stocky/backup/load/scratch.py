"""The scratch database for loading a dump: a SQLite file with Stocky's own schema in the dump's version.

Indexes and triggers are dropped before rows are loaded, and created after. Nothing is synced to disk: an unfinished
scratch file is deleted.
"""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from stocky.backup.dump.tables import BOOKKEEPING
from stocky.config import Config
from stocky.db.migrate import migrate
from stocky.resources import resource

CACHE_KIB = 16_384
# Matches statements of migrations that create objects.
_CREATED = re.compile(
    r"CREATE\s+(?:OR\s+REPLACE\s+)?(?:UNIQUE\s+)?(?:TABLE|INDEX|TRIGGER|VIEW|FUNCTION)\s+(?:IF\s+NOT\s+EXISTS\s+)?(\w+)",
    re.IGNORECASE,
)

Statement = str


def build(path: Path, schema: int) -> None:
    """Creates the file with this schema number."""
    migrate(_config(path), through=schema)


def migrate_forward(path: Path) -> list[str]:
    """Migrates to this Stocky's schema; returns the applied migrations."""
    return migrate(_config(path))


def open_scratch(path: Path) -> sqlite3.Connection:
    """Opens a fast connection without durability: a crash may lose the file."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute("PRAGMA temp_store = FILE")
    connection.create_function("unhex_blob", 1, bytes.fromhex, deterministic=True)
    return connection


def drop_indexes(connection: sqlite3.Connection) -> list[Statement]:
    """Drops indexes and triggers; returns the statements that create them."""
    rows = connection.execute(
        "SELECT type, name, sql FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL"
        " ORDER BY type, rootpage"
    ).fetchall()
    for kind, name, _ in rows:
        connection.execute(f'DROP {kind} "{name}"')
    return [text for _, _, text in rows]


def allow_only_inserts(connection: sqlite3.Connection, tables: frozenset[str]) -> None:
    """Restricts the connection to inserts into these tables."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)

    def decide(action: int, first: str | None, second: str | None, database: str | None, inner: str | None) -> int:
        del database, inner
        allowed = (
            (action == sqlite3.SQLITE_INSERT and first in tables)
            or action in (sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_READ)
            or (action == sqlite3.SQLITE_FUNCTION and second in ("length", "coalesce", "unhex_blob"))
        )
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    connection.set_authorizer(decide)


def allow_everything(connection: sqlite3.Connection) -> None:
    """Lifts the restriction, for our own statements."""
    connection.set_authorizer(None)


def known_names() -> frozenset[str]:
    """All object names in Stocky's migrations of both dialects, and of their bookkeeping tables."""
    names = set(BOOKKEEPING)
    for file in resource("migrations").rglob("*.sql"):
        names.update(name.lower() for name in _CREATED.findall(file.read_text("utf-8")))
    return frozenset(names)


def _config(path: Path) -> Config:
    return Config(f"sqlite:///{path}", data_dir=path.parent, backup_dir=path.parent, secret_key="")
