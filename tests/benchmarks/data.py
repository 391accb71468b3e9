"""Databases to measure on: any number of items and a ledger of any length with right sums; large ones are reused."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import psycopg

from stocky.config import load
from stocky.db.location_paths import complete_locations
from stocky.db.migrate import migrate
from stocky.db.migration_backend import open_backend
from stocky.resources import resource
from stocky.search.index import reindex
from tests.benchmarks import build
from tests.benchmarks.load import Unsound
from tests.people import add_people
from tests.serving import ROOT, environment

KEPT = ROOT / ".bench"
SECRET_KEY = "a key for benchmarks only, long enough for all"
ITEMS = 10_000


class Database(msgspec.Struct, frozen=True):
    """A database that Stocky can serve: `settings` is its environment, `directory` its data directory.

    `api_key` is the header of its user who may scan, where it has people, and `admin_key` the key of its admin.
    """

    settings: dict[str, str]
    directory: Path
    api_key: str = ""
    admin_key: str = ""

    @property
    def url(self) -> str:
        return self.settings["STOCKY_DATABASE_URL"]

    def count_events(self) -> int:
        """The rows of the ledger."""
        query = "SELECT count(*) FROM stock_event"
        if self.url.startswith("sqlite"):
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as connection:
                return int(connection.execute(query).fetchone()[0])
        with psycopg.connect(self.url) as postgres:
            row = postgres.execute(query).fetchone()
            assert row is not None
            return int(row[0])

    def check(self) -> None:
        """Raises Unsound unless `stocky check` finds no fault."""
        done = subprocess.run(
            [sys.executable, "-m", "stocky", "check"], env=environment(self.settings), capture_output=True, text=True
        )
        if done.returncode or done.stderr:
            raise Unsound(f"stocky check: {done.stdout}{done.stderr}")


def installed_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of a command that is measured with its start; its modules are compiled, as `pip install` does."""
    environ = environment(settings) | {"PYTHONPYCACHEPREFIX": str(KEPT / "compiled")}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return environ


@contextmanager
def sqlite_database(*, items: int = ITEMS, events: int = ITEMS) -> Iterator[Database]:
    """A SQLite database for the length of the block, with people and scanners; `events` is a multiple of `items`."""
    KEPT.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="run-", dir=KEPT) as directory:
        path = Path(directory) / "stocky.db"
        shutil.copy(_kept(items, events), path)
        # Unwritten pages of the copy would slow down every measured commit.
        os.sync()
        settings = settings_of(f"sqlite:///{path}", directory)
        yield Database(settings, Path(directory), *_add_people(settings))


@contextmanager
def empty_directory() -> Iterator[Database]:
    """A directory without a database, on the same disk as the others."""
    KEPT.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="run-", dir=KEPT) as directory:
        yield Database(settings_of(f"sqlite:///{directory}/stocky.db", directory), Path(directory))


@contextmanager
def postgres_database(url: str) -> Iterator[Database]:
    """Fills the empty Postgres database at `url` like the SQLite ones."""
    with TemporaryDirectory(prefix="stocky-bench-") as directory:
        settings = settings_of(url, directory)
        migrate(load(settings))
        with psycopg.connect(url) as connection, connection.cursor() as cursor:
            build.fill(_Postgres(cursor), ITEMS)
        _complete(settings)
        asyncio.run(reindex(load(settings)))
        keys = _add_people(settings)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        yield Database(settings, Path(directory), *keys)


class _Postgres:
    """A psycopg cursor that takes SQLite's placeholders."""

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        self._cursor = cursor

    def executemany(self, query: str, rows: Iterable[Any], /) -> None:
        self._cursor.executemany(query.replace("?", "%s").encode(), rows)


def settings_of(url: str, directory: str) -> dict[str, str]:
    """The environment variables of a Stocky to measure."""
    return {"STOCKY_DATABASE_URL": url, "STOCKY_DATA_DIR": directory, "STOCKY_SECRET_KEY": SECRET_KEY}


def _complete(settings: dict[str, str]) -> None:
    """Gives the locations their keys and paths, which a database of another commit gets when it is migrated."""
    config = load(settings)
    with open_backend(config) as backend, backend.transaction():
        complete_locations(config.dialect, backend.execute)


def _add_people(settings: dict[str, str]) -> tuple[str, str]:
    """The headers of the scanner, and the admin's key."""
    keys = asyncio.run(add_people(load(settings)))
    return f"X-API-Key: {keys['scanner']}", keys["admin"]


def _kept(items: int, events: int) -> Path:
    """The file to copy; built once for each schema, and renamed when it is complete."""
    files = [*sorted(resource("migrations").rglob("*.sql")), Path(build.__file__)]
    content = b"".join(file.name.encode() + file.read_bytes() for file in files)
    version = hashlib.sha256(content).hexdigest()[:12]
    path = KEPT / f"{items}-items-{events}-events-{version}.db"
    if not path.exists():
        for old in KEPT.glob(f"{items}-items-{events}-events-*.db"):
            old.unlink()
        print(f"building a database of {items:,} items and {events:,} events ...", flush=True)
        with TemporaryDirectory(prefix="build-", dir=KEPT) as directory:
            built = Path(directory) / "stocky.db"
            migrate(load(settings_of(f"sqlite:///{built}", directory)))
            with closing(sqlite3.connect(built, isolation_level=None)) as connection:
                build.build(connection, items, events)
            _complete(settings_of(f"sqlite:///{built}", directory))
            # Otherwise it would be filled during another measurement.
            asyncio.run(reindex(load(settings_of(f"sqlite:///{built}", directory))))
            os.replace(built, path)
    return path
