"""Databases to measure on: any number of items and a ledger of any length whose sums are right; large ones are kept."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import msgspec
import psycopg

from stocky.config import load
from stocky.db.migrate import migrate
from stocky.resources import resource
from tests.benchmarks.load import Unsound
from tests.people import add_people
from tests.serving import ROOT, environment

KEPT = ROOT / ".bench"
SECRET_KEY = "a key for benchmarks only, long enough for all"
ITEMS = 10_000
SCANNERS = 16
_NOW = "2026-01-01T00:00:00.000000Z"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_ADD_LOCATION = "INSERT INTO location (name, storage_type, created_at, updated_at) VALUES (?, 'pantry', ?, ?)"
_ADD_SCANNER = "INSERT INTO scanner (scanner_id, mode, location_id) VALUES (?, 'add', ?)"
_ADD_ITEM = """INSERT INTO item (code, name, description, default_storage_type, created_at, updated_at)
               VALUES (?, ?, ?, 'pantry', ?, ?)"""
_ADD_BARCODE = "INSERT INTO barcode (code, item_id, pack_milli, is_primary) VALUES (?, ?, 1000, TRUE)"
_ADD_SKU = """INSERT INTO sku (item_id, location_id, quantity_milli, created_at, updated_at)
              VALUES (?, ?, 1000, ?, ?)"""
_ADD_EVENT = """INSERT INTO stock_event (event_id, fingerprint, kind, item_id, location_id, sku_id, delta_milli,
                                         quantity_after_milli, occurred_at, recorded_at, scanner_id)
                VALUES (?, ?, 'add', ?, ?, ?, 1000, 1000, ?, ?, ?)"""

# One more event of every SKU. The ids are random as those of scanners are: the hard case for the index.
_ADD_ROUND = """
INSERT INTO stock_event (event_id, fingerprint, kind, item_id, location_id, sku_id, delta_milli,
                         quantity_after_milli, occurred_at, recorded_at, scanner_id)
SELECT lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-a'
             || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))),
       lower(hex(randomblob(16))), 'add', item_id, location_id, id, 1000, :round * 1000,
       :moment, :moment, printf('bench-%02d', location_id)
  FROM sku
"""


class _Cursor(Protocol):
    def executemany(self, query: Any, rows: Iterable[Any], /) -> Any: ...


class Database(msgspec.Struct, frozen=True):
    """A database that Stocky can serve: `settings` is its environment, `directory` its data directory.

    `api_key` is the header of its user who may scan, where it has people.
    """

    settings: dict[str, str]
    directory: Path
    api_key: str = ""

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
        """Raises Unsound unless `stocky check` is silent."""
        done = subprocess.run(
            [sys.executable, "-m", "stocky", "check"], env=environment(self.settings), capture_output=True, text=True
        )
        if done.returncode or done.stdout or done.stderr:
            raise Unsound(f"stocky check: {done.stdout}{done.stderr}")


@contextmanager
def sqlite_database(*, items: int = ITEMS, events: int = ITEMS) -> Iterator[Database]:
    """A SQLite database for the length of the block, with people, scanners and `events` events, a multiple of `items`."""
    KEPT.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="run-", dir=KEPT) as directory:
        path = Path(directory) / "stocky.db"
        shutil.copy(_kept(items, events), path)
        settings = _settings(f"sqlite:///{path}", directory)
        yield Database(settings, Path(directory), _add_people(settings))


@contextmanager
def empty_directory() -> Iterator[Database]:
    """Where there is no database yet, on the disk that the others are on."""
    KEPT.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="run-", dir=KEPT) as directory:
        yield Database(_settings(f"sqlite:///{directory}/stocky.db", directory), Path(directory))


@contextmanager
def postgres_database(url: str) -> Iterator[Database]:
    """The empty Postgres database at `url`, filled as the SQLite ones are."""
    with TemporaryDirectory(prefix="stocky-bench-") as directory:
        settings = _settings(url, directory)
        migrate(load(settings))
        with psycopg.connect(url) as connection, connection.cursor() as cursor:
            _fill(_Postgres(cursor), ITEMS)
        api_key = _add_people(settings)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        yield Database(settings, Path(directory), api_key)


class _Postgres:
    """A psycopg cursor that takes SQLite's placeholders."""

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        self._cursor = cursor

    def executemany(self, query: str, rows: Iterable[Any], /) -> None:
        self._cursor.executemany(query.replace("?", "%s").encode(), rows)


def barcode(item: int) -> str:
    """The barcode of an item; items are counted from 1."""
    return str(2_000_000_000_000 + item)


def place_of(item: int) -> int:
    """The location where an item is kept, and whose scanner scans it."""
    return item % SCANNERS + 1


def scanner_of(item: int) -> str:
    """The scanner that scans an item."""
    return f"bench-{place_of(item):02}"


def _settings(url: str, directory: str) -> dict[str, str]:
    return {"STOCKY_DATABASE_URL": url, "STOCKY_DATA_DIR": directory, "STOCKY_SECRET_KEY": SECRET_KEY}


def _add_people(settings: dict[str, str]) -> str:
    keys = asyncio.run(add_people(load(settings)))
    return f"X-API-Key: {keys['scanner']}"


def _kept(items: int, events: int) -> Path:
    """The file to copy; built once for each schema, and once it is whole it has its name."""
    content = b"".join(file.read_bytes() for file in [*sorted(resource("migrations").rglob("*.sql")), Path(__file__)])
    version = hashlib.sha256(content).hexdigest()[:12]
    path = KEPT / f"{items}-items-{events}-events-{version}.db"
    if not path.exists():
        for old in KEPT.glob(f"{items}-items-{events}-events-*.db"):
            old.unlink()
        print(f"building a database of {items:,} items and {events:,} events ...", flush=True)
        with TemporaryDirectory(prefix="build-", dir=KEPT) as directory:
            built = Path(directory) / "stocky.db"
            migrate(load(_settings(f"sqlite:///{built}", directory)))
            with closing(sqlite3.connect(built, isolation_level=None)) as connection:
                _build(connection, items, events)
            os.replace(built, path)
    return path


def _build(connection: sqlite3.Connection, items: int, events: int) -> None:
    rounds, rest = divmod(events, items)
    if rest:
        raise ValueError(f"{events} events are no multiple of {items} items")
    # Nothing of a half-built file is ever used.
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -1000000")
    connection.execute("BEGIN")
    _fill(connection, items)
    if rounds > 1:
        # Sorting once is far quicker than inserting ten million random keys one by one.
        indexes = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'stock_event' AND sql IS NOT NULL"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        start = time.mktime((2026, 1, 1, 0, 0, 0, 0, 0, 0))
        for round in range(2, rounds + 1):
            moment = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(start + round * 3600))
            connection.execute(_ADD_ROUND, {"round": round, "moment": moment})
        for _, text in indexes:
            connection.execute(text)
        connection.execute("UPDATE sku SET quantity_milli = :rounds * 1000", {"rounds": rounds})
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")


def _fill(cursor: _Cursor, items: int) -> None:
    """Locations, their scanners, and items with a barcode, a SKU and one event each; ids count from 1."""
    names = random.Random(1)
    numbers = range(1, items + 1)
    places = range(1, SCANNERS + 1)
    cursor.executemany(_ADD_LOCATION, [(f"Shelf {place}", _NOW, _NOW) for place in places])
    cursor.executemany(_ADD_SCANNER, [(f"bench-{place:02}", place) for place in places])
    cursor.executemany(
        _ADD_ITEM, [(_code(item), _name(names, item), "As it came from the shop", _NOW, _NOW) for item in numbers]
    )
    cursor.executemany(_ADD_BARCODE, [(barcode(item), item) for item in numbers])
    cursor.executemany(_ADD_SKU, [(item, place_of(item), _NOW, _NOW) for item in numbers])
    cursor.executemany(
        _ADD_EVENT,
        [
            (str(uuid.uuid4()), uuid.uuid4().hex, item, place_of(item), item, _NOW, _NOW, scanner_of(item))
            for item in numbers
        ],
    )


def _code(item: int) -> str:
    code = ""
    for _ in range(4):
        item, letter = divmod(item, 26)
        code = _LETTERS[letter] + code
    return code


def _name(names: random.Random, item: int) -> str:
    thing = names.choice(("Coffee", "Flour", "Screws", "Resistors", "Tea", "Rice", "Cable ties", "Batteries"))
    return f"{thing} {names.choice(('small', 'large', 'fine', 'coarse', 'red', 'blue'))} {item}"
