"""Fills a migrated database: items with a barcode and a SKU each, scanners, and a ledger whose sums are right."""

from __future__ import annotations

import random
import sqlite3
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from stocky.barcodes.codes import normalize_barcode

SCANNERS = 16
_START = datetime(2020, 1, 1, tzinfo=UTC)
_NOW = f"{_START:%Y-%m-%dT%H:%M:%S.%fZ}"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_ADD_LOCATION = "INSERT INTO location (name, storage_type, created_at, updated_at) VALUES (?, 'pantry', ?, ?)"
_ADD_SCANNER = "INSERT INTO scanner (scanner_id, mode, location_id) VALUES (?, 'add', ?)"
_ADD_ITEM = """INSERT INTO item (code, name, description, default_storage_type, created_at, updated_at)
               VALUES (?, ?, ?, 'pantry', ?, ?)"""
_ADD_BARCODE = "INSERT INTO barcode (code, code_key, item_id, pack_milli, is_primary) VALUES (?, ?, ?, 1000, TRUE)"
_ADD_SKU = """INSERT INTO sku (item_id, location_id, quantity_milli, created_at, updated_at)
              VALUES (?, ?, 1000, ?, ?)"""
_ADD_EVENT = """INSERT INTO stock_event (event_id, fingerprint, kind, item_id, location_id, sku_id, delta_milli,
                                         quantity_after_milli, occurred_at, recorded_at, scanner_id)
                VALUES (?, ?, 'add', ?, ?, ?, 1000, 1000, ?, ?, ?)"""

# One more event of every SKU, in no order. The ids are random like those of scanners: the hard case for the index.
_ADD_ROUND = """
INSERT INTO stock_event (event_id, fingerprint, kind, item_id, location_id, sku_id, delta_milli,
                         quantity_after_milli, occurred_at, recorded_at, scanner_id)
SELECT lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-a'
             || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))),
       lower(hex(randomblob(16))), 'add', item_id, location_id, id, 1000, :round * 1000,
       :moment, :moment, printf('bench-%02d', location_id)
  FROM sku
 ORDER BY random()
"""


class _Cursor(Protocol):
    def executemany(self, query: Any, rows: Iterable[Any], /) -> Any: ...


def build(connection: sqlite3.Connection, items: int, events: int) -> None:
    """Fills a SQLite database of any size quickly. Raises ValueError unless `events` is a multiple of `items`."""
    rounds, rest = divmod(events, items)
    if rest:
        raise ValueError(f"{events} events are no multiple of {items} items")
    # A partly built file is never used.
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -1000000")
    connection.execute("BEGIN")
    fill(connection, items)
    if rounds > 1:
        # With the indexes in place, as a ledger grows. CREATE INDEX would fill their pages completely, and the first
        # scans of a measurement would split them.
        for number in range(2, rounds + 1):
            moment = _START + timedelta(hours=number)
            connection.execute(_ADD_ROUND, {"round": number, "moment": f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"})
        connection.execute("UPDATE sku SET quantity_milli = :rounds * 1000", {"rounds": rounds})
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")


def fill(cursor: _Cursor, items: int) -> None:
    """Locations, their scanners, and items with a barcode, a SKU and one event each; ids count from 1."""
    names = random.Random(1)
    numbers = range(1, items + 1)
    locations = range(1, SCANNERS + 1)
    cursor.executemany(_ADD_LOCATION, [(f"Shelf {location}", _NOW, _NOW) for location in locations])
    cursor.executemany(_ADD_SCANNER, [(f"bench-{location:02}", location) for location in locations])
    cursor.executemany(
        _ADD_ITEM, [(_code(item), _name(names, item), "As it came from the shop", _NOW, _NOW) for item in numbers]
    )
    cursor.executemany(_ADD_BARCODE, [(barcode(item), normalize_barcode(barcode(item)), item) for item in numbers])
    cursor.executemany(_ADD_SKU, [(item, location_of(item), _NOW, _NOW) for item in numbers])
    cursor.executemany(
        _ADD_EVENT,
        [
            (str(uuid.uuid4()), uuid.uuid4().hex, item, location_of(item), item, _NOW, _NOW, scanner_of(item))
            for item in numbers
        ],
    )


def barcode(item: int) -> str:
    """The barcode of an item; items are counted from 1."""
    return str(2_000_000_000_000 + item)


def location_of(item: int) -> int:
    """The location of an item, whose scanner scans it."""
    return item % SCANNERS + 1


def scanner_of(item: int) -> str:
    """The scanner that scans an item."""
    return f"bench-{location_of(item):02}"


def _code(item: int) -> str:
    code = ""
    for _ in range(4):
        item, letter = divmod(item, 26)
        code = _LETTERS[letter] + code
    return code


def _name(names: random.Random, item: int) -> str:
    thing = names.choice(("Coffee", "Flour", "Screws", "Resistors", "Tea", "Rice", "Cable ties", "Batteries"))
    return f"{thing} {names.choice(('small', 'large', 'fine', 'coarse', 'red', 'blue'))} {item}"
