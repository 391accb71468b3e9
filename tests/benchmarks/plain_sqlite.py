"""The yardstick of the ledger: plain `sqlite3` doing the same inserts and upserts, one transaction per 500 events.

Run as `python -m tests.benchmarks.plain_sqlite FILE SECONDS EVENTS`; prints JSON.
"""

from __future__ import annotations

import itertools
import random
import sys
import time
import uuid
from contextlib import closing
from datetime import UTC, datetime

import msgspec

from stocky.db.sqlite_file import encode_time, open_connection
from tests.benchmarks.build import location_of
from tests.benchmarks.data import ITEMS

# More prepared events than it can write.
MOST_A_SECOND = 100_000

UPSERT_SKU = """
INSERT INTO sku (item_id, location_id, quantity_milli, created_at, updated_at)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT (item_id, location_id, lot, serial) WHERE expiry_date IS NULL AND opened_on IS NULL DO UPDATE
   SET quantity_milli = quantity_milli + excluded.quantity_milli, version = version + 1,
       updated_at = excluded.updated_at
RETURNING id, quantity_milli
"""
ADD_EVENT = """
INSERT INTO stock_event (event_id, fingerprint, batch_id, kind, item_id, location_id, sku_id, delta_milli,
                         quantity_after_milli, occurred_at, recorded_at)
VALUES (?, ?, ?, 'add', ?, ?, ?, 1000, ?, ?, ?)
"""


def main(path: str, seconds: str, events: str) -> None:
    """Writes for so many seconds, with the settings of Stocky's own writer (WAL, synchronous=FULL)."""
    size = int(events)
    # Prepared before the measurement: a client makes them, not the database.
    enough = MOST_A_SECOND * int(seconds)
    prepared = [(str(uuid.uuid4()), uuid.uuid4().hex, random.randint(1, ITEMS)) for _ in range(enough)]
    fresh = itertools.count()
    written = 0
    with closing(open_connection(path, runs_checkpoints=True)) as connection:
        execute = connection.execute
        started = time.perf_counter()
        while (elapsed := time.perf_counter() - started) < float(seconds):
            batch_id = uuid.uuid4().hex
            execute("BEGIN IMMEDIATE")
            moment = encode_time(datetime.now(UTC))
            for _ in range(size):
                event_id, fingerprint, item = prepared[next(fresh)]
                location = location_of(item)
                sku_id, after = execute(UPSERT_SKU, (item, location, 1000, moment, moment)).fetchone()
                execute(ADD_EVENT, (event_id, fingerprint, batch_id, item, location, sku_id, after, moment, moment))
            execute("COMMIT")
            written += size
    print(msgspec.json.encode({"events": written, "seconds": elapsed}).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
