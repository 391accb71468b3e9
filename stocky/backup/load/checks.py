"""Checks a scratch database before it may replace the live one: intact, consistent, and with correct ledger sums."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from stocky.backup.load.values import merge_cycles, unreadable
from stocky.db.queries import load_queries
from stocky.errors import BadRequest
from stocky.resources import resource
from stocky.stock.consistency import HeldQuantity, LedgerRow, Replay

# Reported faults, per check and in total.
FAULTS = 5

Check = Callable[[sqlite3.Connection], Iterator[str]]


def check_rows(path: Path) -> None:
    """Checks rows that may refer to rows elsewhere. Raises BadRequest naming the faults."""
    _refuse([fault for check in (_damage, _times, unreadable, merge_cycles) for fault in _run(path, check)])


def check_database(path: Path, *, needs_admin: bool) -> None:
    """Raises BadRequest naming the faults. Checks run in parallel threads; SQLite's own release the GIL."""
    checks: list[Check] = [_damage, _references, _times, _ledger, unreadable, merge_cycles]
    if needs_admin:
        checks.append(_admins)
    with ThreadPoolExecutor(2) as threads:
        faults = [fault for found in threads.map(lambda check: _run(path, check), checks) for fault in found]
    _refuse(faults)


def _refuse(faults: list[str]) -> None:
    if faults:
        raise BadRequest(f"The backup cannot be restored: {'; '.join(faults[:FAULTS])}")


def _run(path: Path, check: Check) -> list[str]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
        return list(check(connection))


def _damage(connection: sqlite3.Connection) -> Iterator[str]:
    for (message,) in connection.execute("SELECT * FROM pragma_integrity_check(?)", (FAULTS,)):
        if message != "ok":
            yield message


def _references(connection: sqlite3.Connection) -> Iterator[str]:
    query = 'SELECT "table", "parent", count(*) FROM pragma_foreign_key_check GROUP BY "table", "parent"'
    for table, parent, count in connection.execute(query):
        yield f"{count} rows of {table} refer to a missing {parent}"


def _times(connection: sqlite3.Connection) -> Iterator[str]:
    columns = connection.execute(
        "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c"
        " WHERE t.type = 'table' AND c.type IN ('TIMESTAMPTZ', 'DATE')"
    ).fetchall()
    for table, column in columns:
        # Loading accepted the days 1 to 31 for every month.
        query = (
            f'SELECT count(*) FROM "{table}" WHERE substr("{column}", 9, 2) > \'28\''  # noqa: S608 - names of ours
            f' AND date(substr("{column}", 1, 10), \'+0 days\') <> substr("{column}", 1, 10)'
        )
        (count,) = connection.execute(query).fetchone()
        if count:
            yield f"{count} rows of {table} have an invalid date in {column}"


def _ledger(connection: sqlite3.Connection) -> Iterator[str]:
    """The rules of `stocky check`, in one pass; nothing changes the rows meanwhile."""
    replay = Replay()
    rows = """
        SELECT id, kind, sku_id, delta_milli, quantity_after_milli, transfer_id, unit_scale
          FROM stock_event ORDER BY id"""
    for row in connection.execute(rows):
        replay.add(LedgerRow(*row))
    for held in connection.execute("SELECT id, quantity_milli FROM sku"):
        replay.compare(HeldQuantity(*held))
    if replay.suspects:
        yield f"the quantity of {len(replay.suspects)} SKUs is not the sum of their ledger, {_some(replay.suspects)}"
    if replay.unpaired_moves:
        yield f"{len(replay.unpaired_moves)} moves have no transfer"
    if replay.unbalanced:
        yield f"the two sides of {len(replay.unbalanced)} moves do not add up to zero"
    reversals = load_queries(resource("sql"), "sqlite")["list_reversal_faults"]
    for id, original, *_ in connection.execute(reversals.text, reversals.values({"limit": FAULTS})):
        yield f"event {id} does not mirror event {original}, which it undoes"
    moved = """
        SELECT count(*) FROM stock_event AS event JOIN sku ON sku.id = event.sku_id
         WHERE sku.item_id <> event.item_id OR sku.location_id <> event.location_id"""
    (count,) = connection.execute(moved).fetchone()
    if count:
        yield f"{count} events name another item or location than their SKU"


def _admins(connection: sqlite3.Connection) -> Iterator[str]:
    if not connection.execute("SELECT 1 FROM user_account WHERE role = 'admin' AND is_active LIMIT 1").fetchone():
        yield "it has no active admin, so nobody could administer it"


def _some(ids: set[int]) -> str:
    return "id " + ", ".join(str(id) for id in sorted(ids)[:FAULTS])
