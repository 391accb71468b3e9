"""Time and size of an increment beside a whole dump, by millions of events: `python -m tests.benchmarks.increments 1`.

Each command is measured with its start, an increment alone (--increment-only) without. It holds the events of a day.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from stocky.backup.dump.format import Dialect, ParentFile
from stocky.backup.dump.ledger import Continued, LedgerMark, count_in_sqlite, mark_in_sqlite
from stocky.backup.service import dump_to_file
from stocky.config import load
from stocky.db.migration_files import schema_version
from tests.benchmarks.data import ITEMS, Database, installed_environment, sqlite_database
from tests.benchmarks.load import Unsound

MILLION = 1_000_000
# The two measure different things: not for one table.
_COMMANDS = ("command of the base", "its size", "command of the increment", "its size", "test restore of both")
_ALONE = ("writing the increment, without the command and its look at the chain", "its size")
DAY = 10_000

# Every SKU once in each round, so that the sums are right.
_ADD_ROUNDS = """
INSERT INTO stock_event (event_id, fingerprint, kind, item_id, location_id, sku_id, delta_milli, quantity_after_milli,
                         occurred_at, recorded_at, scanner_id)
WITH RECURSIVE round (n) AS (SELECT :first UNION ALL SELECT n + 1 FROM round WHERE n < :last)
SELECT lower(hex(randomblob(16))), lower(hex(randomblob(16))), 'add', item_id, location_id, sku.id, 1000, n * 1000,
       '2026-01-31T12:00:00.000000Z', '2026-01-31T12:00:00.000000Z', printf('bench-%02d', location_id)
  FROM round CROSS JOIN sku
"""
_INDEXES = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'stock_event' AND sql IS NOT NULL"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("millions", nargs="+", type=int, help="millions of events")
    parser.add_argument("--verify", action="store_true", help="also test-restore the chain")
    parser.add_argument("--increment-only", action="store_true", help="do not make the whole dump that it continues")
    arguments = parser.parse_args()
    columns = _ALONE if arguments.increment_only else _COMMANDS
    print(f"| events | {' | '.join(columns)} |")
    print("|---" * (len(columns) + 1) + "|")
    for millions in arguments.millions:
        with sqlite_database() as database:
            _lengthen(database, millions * MILLION)
            row = _increment_only(database) if arguments.increment_only else _measure(database, arguments.verify)
            print(f"| {database.count_events():,} | {' | '.join(row)} |", flush=True)


def _lengthen(database: Database, events: int) -> None:
    """Adds events to the one of each SKU."""
    with closing(_open(database)) as connection:
        indexes = connection.execute(_INDEXES).fetchall()
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000"):
            connection.execute(f"PRAGMA {pragma}")
        # Sorting once is much faster than inserting at random.
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        _add(connection, 2, events // ITEMS)
        for _, statement in indexes:
            connection.execute(statement)
        connection.execute("PRAGMA journal_mode = WAL")


def _add(connection: sqlite3.Connection, first: int, last: int) -> None:
    connection.execute("BEGIN")
    connection.execute(_ADD_ROUNDS, {"first": first, "last": last})
    connection.execute("UPDATE sku SET quantity_milli = 1000 * ?", (last,))
    connection.execute("COMMIT")


def _add_day(database: Database) -> None:
    with closing(_open(database)) as connection:
        rounds = database.count_events() // ITEMS
        _add(connection, rounds + 1, rounds + DAY // ITEMS)


def _measure(database: Database, verify: bool) -> list[str]:
    seconds, base = _back_up(database)
    _add_day(database)
    later, increment = _back_up(database)
    if increment["size_bytes"] >= base["size_bytes"]:
        raise Unsound(f"the increment has {increment['size_bytes']} bytes, and its base {base['size_bytes']}")
    tested = f"{_run(database, 'verify', increment['file'])[0]:.1f} s" if verify else ""
    return [_seconds(seconds), _size(base["size_bytes"]), _seconds(later), _size(increment["size_bytes"]), tested]


def _increment_only(database: Database) -> list[str]:
    """The increment continues the ledger as it is, without a dump of that."""
    with closing(_open(database)) as connection:
        mark = mark_in_sqlite(connection, count_in_sqlite(connection))
    _add_day(database)
    seconds, size = asyncio.run(write_increment(database, "sqlite", mark))
    return [_seconds(seconds), _size(size)]


async def write_increment(database: Database, dialect: Dialect, mark: LedgerMark) -> tuple[float, int]:
    """The seconds and bytes of an increment that continues the ledger at `mark`. Raises Unsound if it is none."""
    continued = Continued(
        base="",
        parent=ParentFile(filename="none", sha256="", size_bytes=0),
        dialect=dialect,
        schema=schema_version(dialect),
        mark=mark,
    )
    file = database.directory / "increment.sql.gz"
    begun = time.monotonic()
    made = await dump_to_file(load(database.settings), file, _ignore_progress, is_marked=True, continued=continued)
    seconds = time.monotonic() - begun
    if made.header.increment is None:
        raise Unsound("it is no increment")
    return seconds, made.bytes


def _back_up(database: Database) -> tuple[float, dict[str, Any]]:
    seconds, output = _run(database, "backup", "--incremental", "--json")
    made: dict[str, Any] = json.loads(output)
    assert Path(made["file"]).is_file()
    return seconds, made


def _run(database: Database, *arguments: str) -> tuple[float, str]:
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "stocky", *arguments],
        env=installed_environment(database.settings),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Unsound(f"stocky {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return time.monotonic() - begun, done.stdout


def _open(database: Database) -> sqlite3.Connection:
    return sqlite3.connect(database.url.removeprefix("sqlite:///"), isolation_level=None)


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s"


def _size(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def _ignore_progress(phase: str, done: int, total: int | None, unit: str) -> None:
    return None


if __name__ == "__main__":
    main()
