"""Builds a stockroom of any size, with a ledger whose sums are right, by the same SQL on both dialects.

It has 1.5 SKUs and 20 events for each item, and a location for 50 items; half of the locations are in boxes. 30% of the
items have the tag 1, 30% the type 1, and 5% are at or below their minimum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

# Random identifiers, a time and a date on each dialect; times and dates are counted from 2024-01-01.
_SQLITE = {
    "uuid": "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-a'"
    " || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))",
    "hash": "lower(hex(randomblob(16)))",
    "time": "strftime('%Y-%m-%dT%H:%M:%S.000000Z', 1704067200 + {0}, 'unixepoch')",
    "date": "date('2024-01-01', ({0}) || ' days')",
}
_POSTGRES = {
    "uuid": "CAST(gen_random_uuid() AS TEXT)",
    "hash": "md5(CAST(random() AS TEXT))",
    "time": "to_timestamp(1704067200 + {0})",
    "date": "DATE '2024-01-01' + CAST({0} AS INTEGER)",
}
_SECONDS = 60_000_000
# The events of each SKU, before the moves.
ROUNDS = 13
_TABLES = ("location", "box", "item_type", "tag", "item", "sku", "stock_event", "scanner")


def fill_sqlite(execute: Callable[[str], Any], items: int) -> None:
    """Fills a migrated SQLite database that has the four people and nothing else; `items` is a multiple of 1,000."""
    indexes = (
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'stock_event' AND sql IS NOT NULL"
    )
    _fill(execute, indexes, _statements(_SQLITE, items))


def fill_postgres(execute: Callable[[str], Any], items: int) -> None:
    """The same on Postgres, by a superuser: foreign keys are not checked row by row."""
    execute("SET session_replication_role = replica")
    indexes = (
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'stock_event' AND indexname NOT LIKE '%pkey'"
    )
    _fill(execute, indexes, _statements(_POSTGRES, items))
    for table in _TABLES:
        execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")


def _fill(execute: Callable[[str], Any], list_indexes: str, statements: Iterable[str]) -> None:
    """Executes the statements without the indexes of the ledger: sorting once is much faster than random inserts."""
    indexes = execute(list_indexes).fetchall()
    for name, _ in indexes:
        execute(f"DROP INDEX {name}")
    for statement in statements:
        execute(statement)
    for _, text in indexes:
        execute(text)


def barcode(item: int) -> str:
    """The primary barcode of an item."""
    return f"BC-{item}"


def _statements(words: dict[str, str], items: int) -> Iterator[str]:
    skus, locations, moves = items + items // 2, items // 50, items // 4
    events = ROUNDS * skus + 2 * moves
    time, date = words["time"].format, words["date"].format
    start = time("0")
    boxed = locations // 2

    def numbered(count: int) -> str:
        return (
            "WITH RECURSIVE number (n) AS (SELECT CAST(1 AS BIGINT) UNION ALL"
            f" SELECT n + 1 FROM number WHERE n < {count}) "
        )

    yield f"""
        INSERT INTO location (id, name, storage_type, box_no, loc_no, parent_id, created_at, updated_at)
        {numbered(locations)}
        SELECT n, CASE WHEN n <= {boxed} THEN 'Box ' || ((n - 1) / 20 + 1) || ' / ' || ((n - 1) % 20 + 1)
                       ELSE 'Shelf ' || n END, 'pantry',
               CASE WHEN n <= {boxed} THEN (n - 1) / 20 + 1 END, CASE WHEN n <= {boxed} THEN (n - 1) % 20 + 1 END,
               CASE WHEN n <= {boxed} THEN {locations} + (n - 1) / 20 + 1 END, {start}, {start}
          FROM number"""
    yield """
        INSERT INTO box (id, box_no, capacity)
        SELECT box_no, box_no, max(loc_no) FROM location WHERE box_no IS NOT NULL GROUP BY box_no"""
    yield f"""
        INSERT INTO location (id, name, storage_type, box_no, created_at, updated_at)
        SELECT {locations} + box_no, 'Box ' || box_no, 'pantry', box_no, {start}, {start} FROM box"""
    # All names are ASCII, and the paths of the places of boxes are their names.
    yield "UPDATE location SET name_key = lower(name), path = name, path_key = lower(name)"
    for table, name, count in (("item_type", "Type", 100), ("tag", "Tag", 300)):
        yield f"""
            INSERT INTO {table} (id, name, name_key, created_at, updated_at) {numbered(count)}
            SELECT n, '{name} ' || n, '{name.lower()} ' || n, {start}, {start} FROM number"""
    yield f"""
        INSERT INTO scanner (id, scanner_id, mode, location_id) {numbered(50)}
        SELECT n, 'scanner-' || n, 'add', n % {locations} + 1 FROM number"""
    alphabet = "'ABCDEFGHIJKLMNOPQRSTUVWXYZ'"
    letters = " || ".join(
        f"substr({alphabet}, CAST(n / {power} % 26 + 1 AS INTEGER), 1)" for power in (17576, 676, 26, 1)
    )
    things = ("Coffee", "Flour", "Screws", "Resistors", "Tea", "Rice", "Cable ties", "Batteries")
    kinds = ("small", "large", "fine", "coarse", "red", "blue")
    yield f"""
        INSERT INTO item (id, code, name, description, default_storage_type, min_quantity_milli, needs_review, type_id,
                          seller, created_at, updated_at) {numbered(items)}
        SELECT n, {letters}, {_choose("n % 8", things)} || ' ' || {_choose("n / 8 % 6", kinds)} || ' ' || n,
               'As it came from the shop number ' || (n % 977), 'pantry', CASE WHEN n % 10 = 1 THEN 20000 END,
               n % 1000 = 7, CASE WHEN n % 10 < 3 THEN 1 ELSE n % 100 + 1 END, 'Seller ' || (n % 500), {start}, {start}
          FROM number"""
    yield f"""
        INSERT INTO barcode (code, code_key, item_id, pack_milli, is_primary) {numbered(items)}
        SELECT 'BC-' || n, 'BC-' || n, n, 1000, TRUE FROM number
         UNION ALL
        SELECT 'PACK-' || n, 'PACK-' || n, n, 6000, FALSE FROM number WHERE n % 4 = 0"""
    yield f"""
        INSERT INTO item_tag (item_id, tag_id) {numbered(items)}
        SELECT n, 1 FROM number WHERE n % 10 BETWEEN 2 AND 4
         UNION ALL
        SELECT n, n / 2 % 299 + 2 FROM number WHERE n % 2 = 0"""
    # A fifth of the SKUs are empty in the end, and a quarter of these are hidden.
    yield f"""
        INSERT INTO sku (id, item_id, location_id, expiry_date, quantity_milli, is_active, created_at, updated_at)
        {numbered(skus)}
        SELECT n, CASE WHEN n <= {items} THEN n ELSE n - {items} END,
               (n * 7919 + CASE WHEN n > {items} THEN 1 ELSE 0 END) % {locations} + 1,
               CASE WHEN n % 10 = 3 THEN {date("n % 2000")} END,
               CASE WHEN n % 5 = 0 THEN 0 ELSE 15000 END, n % 20 <> 10, {start}, {start}
          FROM number"""
    # Each round has an event of every SKU, in another order; its number decides the quantity.
    yield f"""
        INSERT INTO stock_event (id, event_id, fingerprint, batch_id, kind, item_id, location_id, sku_id, delta_milli,
                                 quantity_after_milli, occurred_at, recorded_at, user_id, scanner_id)
        {numbered(ROUNDS * skus)}, event (n, round, sku_id) AS (
            SELECT n, (n - 1) / {skus} + 1, ((n - 1) % {skus} * 7919 + (n - 1) / {skus} * 104729) % {skus} + 1
              FROM number
        ), changed (n, round, sku_id, milli) AS (
            SELECT n, round, sku_id,
                   CASE WHEN sku_id % 5 <> 0 THEN CASE WHEN round % 2 = 1 THEN 3000 ELSE -1000 END
                        WHEN round >= 12 THEN -1000
                        WHEN round % 2 = 1 THEN 2000 ELSE -2000 END
              FROM event
        )
        SELECT n, {words["uuid"]}, {words["hash"]}, CASE WHEN round = {ROUNDS} THEN 'bulk-' || (n / 500) END,
               CASE WHEN round = 1 AND sku_id % {skus // 100} = 0 THEN 'set'
                    WHEN milli > 0 THEN 'add' ELSE 'remove' END,
               CASE WHEN sku_id <= {items} THEN sku_id ELSE sku_id - {items} END,
               (sku_id * 7919 + CASE WHEN sku_id > {items} THEN 1 ELSE 0 END) % {locations} + 1, sku_id, milli,
               sum(milli) OVER (PARTITION BY sku_id ORDER BY n),
               {time(f"n * {_SECONDS // events} - CASE WHEN n % 50 = 0 THEN 3600 ELSE 0 END")},
               {time(f"n * {_SECONDS // events}")}, CASE WHEN n <= 100 THEN 1 WHEN n % 20 = 0 THEN 2 ELSE 3 END,
               CASE WHEN n <= 100 THEN 'scanner-old' WHEN n % 20 <> 0 THEN 'scanner-' || (n % 50 + 1) END
          FROM changed
         ORDER BY n"""
    # From the first SKU of an item to its second.
    yield f"""
        INSERT INTO stock_event (id, batch_id, transfer_id, kind, item_id, location_id, sku_id, delta_milli,
                                 quantity_after_milli, occurred_at, recorded_at, user_id)
        {numbered(2 * moves)}, side (n, move, item_id, sku_id, milli) AS (
            SELECT n, (n + 1) / 2, (n + 1) / 2 + ((n + 1) / 2 - 1) / 4,
                   (n + 1) / 2 + ((n + 1) / 2 - 1) / 4 + CASE WHEN n % 2 = 0 THEN {items} ELSE 0 END,
                   CASE WHEN n % 2 = 0 THEN 1000 ELSE -1000 END
              FROM number
        )
        SELECT {ROUNDS * skus} + n, 'move-' || move, {ROUNDS * skus} + 2 * move - 1, 'move', item_id, sku.location_id,
               sku.id, milli, 15000 + milli, {time(f"({ROUNDS * skus} + n) * {_SECONDS // events}")},
               {time(f"({ROUNDS * skus} + n) * {_SECONDS // events}")}, 2
          FROM (SELECT n, move, side.item_id, milli, sku.id, sku.location_id
                  FROM side JOIN sku ON sku.id = side.sku_id) AS sku
         ORDER BY n"""
    yield """
        UPDATE sku SET quantity_milli = 15000 + moved.milli
          FROM (SELECT sku_id, delta_milli AS milli FROM stock_event WHERE transfer_id IS NOT NULL) AS moved
         WHERE sku.id = moved.sku_id"""
    yield f"""
        INSERT INTO audit_entry (occurred_at, user_id, action, subject, subject_id) {numbered(items)}
        SELECT {time("n * 600")}, 2, 'changed', 'item', CAST(n AS TEXT) FROM number"""


def _choose(number: str, words: tuple[str, ...]) -> str:
    cases = " ".join(f"WHEN {at} THEN '{word}'" for at, word in enumerate(words))
    return f"CASE {number} {cases} END"
