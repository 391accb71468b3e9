"""Checks a scratch database before it may replace the live one: intact, consistent, and readable in every value.

A route returns 500 for a value it cannot decode, so what Stocky reads is checked beyond the schema's CHECK constraints.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, get_args

import msgspec

from stocky.backup.dump.tables import BOOKKEEPING, EXCLUDED_TABLES
from stocky.backup.load.rows import Column, tables_of
from stocky.catalogue.fields import FieldKind, is_stored_value
from stocky.db.queries import load_queries
from stocky.errors import BadRequest
from stocky.merging.schemas import Moved
from stocky.resources import resource
from stocky.schema import MAX_ID
from stocky.stock.consistency import HeldQuantity, LedgerRow, Replay
from stocky.stock.ledger import LIMIT_MILLI
from stocky.stock.operations import RejectionKind

# Reported faults, per check and in total.
FAULTS = 5

Check = Callable[[sqlite3.Connection], Iterator[str]]

# Columns that hold JSON, with their decoded types. A test compares them with the queries that decode them.
JSON_COLUMNS: dict[tuple[str, str], Any] = {
    ("audit_entry", "details"): dict[str, Any],
    ("item", "upc_data"): dict[str, Any] | None,
    ("item_field", "choices"): list[str],
    ("item_merge", "moved"): Moved,
    ("reorg_plan", "freed_boxes"): list[int],
    ("setting", "value"): Any,
    ("shopping_list_log", "details"): dict[str, Any],
}
# Argon2 hashes whose check has an acceptable cost for a sign-in.
_HASH = re.compile(
    r"\$argon2(?:id|i|d)\$v=\d{1,3}\$m=([0-9]{1,7}),t=([0-9]{1,2}),p=([0-9]{1,2})\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{16,}",
    re.ASCII,
)
# Times written by a server's clock and used in arithmetic; dates entered by users may be any.
_CLOCK_TIMES = frozenset(
    {"created_at", "updated_at", "recorded_at", "merged_at", "undone_at", "applied_at", "unit_changed_at"}
)
_FIRST_YEAR, _LAST_YEAR = "1970", "9000"


def check_rows(path: Path) -> None:
    """Checks rows that may refer to rows elsewhere. Raises BadRequest naming the faults."""
    _refuse(
        [
            fault
            for check in (_damage, _times, _unreadable, _merge_cycles, _location_cycles, _field_values)
            for fault in _run(path, check)
        ]
    )


def check_database(path: Path, *, needs_admin: bool) -> None:
    """Raises BadRequest naming the faults. Checks run in parallel threads; SQLite's own release the GIL."""
    checks: list[Check] = [_damage, _references, _times, _ledger, _unreadable, _merge_cycles, _location_cycles, _boxes]
    checks += [_field_values, _prices, _loans]
    if needs_admin:
        checks.append(_admins)
    with ThreadPoolExecutor(2) as threads:
        faults = [fault for found in threads.map(lambda check: _run(path, check), checks) for fault in found]
    _refuse(faults)


def _unreadable(connection: sqlite3.Connection) -> Iterator[str]:
    """Yields one fault per column."""
    for name, table in tables_of(connection).items():
        if name not in BOOKKEEPING | EXCLUDED_TABLES:
            yield from _out_of_bounds(connection, name, table.columns)
    for (table_name, column), kind in JSON_COLUMNS.items():
        yield from _undecodable(connection, table_name, column, msgspec.json.Decoder(kind))
    yield from _unusable_hashes(connection)
    yield from _unknown_refusals(connection)


def _merge_cycles(connection: sqlite3.Connection) -> Iterator[str]:
    """Yields a fault for items merged into an item that was merged itself; following them might not end."""
    rows = connection.execute(
        "SELECT count(*), min(item.id) FROM item JOIN item AS target ON target.id = item.merged_into_id"
        " WHERE target.merged_into_id IS NOT NULL"
    )
    count, first = rows.fetchone()
    if count:
        yield f"{count} items are merged into one that is merged itself (id {first})"


def _location_cycles(connection: sqlite3.Connection) -> Iterator[str]:
    """Yields a fault for locations that are in themselves; rows that refer to others elsewhere are none."""
    rows = connection.execute("""
        WITH RECURSIVE above (id, parent_id) AS (
            SELECT id, parent_id FROM location WHERE path IS NULL
            UNION
            SELECT above.id, parent.parent_id FROM above JOIN location AS parent ON parent.id = above.parent_id
        )
        SELECT count(*), min(id) FROM above WHERE id = parent_id""")
    count, first = rows.fetchone()
    if count:
        yield f"{count} locations are in themselves (id {first})"


def _boxes(connection: sqlite3.Connection) -> Iterator[str]:
    rows = connection.execute("""
        SELECT box_no FROM box
         WHERE NOT EXISTS (SELECT 1 FROM location AS own WHERE own.box_no = box.box_no AND own.loc_no IS NULL)""")
    for (box_no,) in rows:
        yield f"box {box_no} is no location"


def _prices(connection: sqlite3.Connection) -> Iterator[str]:
    misplaced = """
        SELECT count(*) FROM price
          LEFT JOIN sku ON sku.id = price.sku_id
          LEFT JOIN stock_event AS event ON event.id = price.event_id
         WHERE sku.item_id <> price.item_id OR event.item_id <> price.item_id OR event.sku_id <> price.sku_id"""
    (count,) = connection.execute(misplaced).fetchone()
    if count:
        yield f"{count} prices name another item than their event or their SKU"


def _loans(connection: sqlite3.Connection) -> Iterator[str]:
    """Yields a fault for loans that contradict the ledger, by the rules of `stocky check`."""
    query = load_queries(resource("sql"), "sqlite")["list_loan_faults"]
    for (message,) in connection.execute(query.text, query.values({"limit": FAULTS})):
        yield message


def _field_values(connection: sqlite3.Connection) -> Iterator[str]:
    """Yields a fault for values that are not as their custom fields have them, which lists would not find."""
    fields = {}
    for id, kind, choices in connection.execute("SELECT id, kind, choices FROM item_field"):
        # Choices that are none are another fault.
        with suppress(msgspec.MsgspecError):
            fields[id] = (FieldKind(kind), msgspec.json.decode(choices, type=list[str]))
    count, first = 0, 0
    rows = "SELECT item_id, field_id, value, value_key FROM item_field_value ORDER BY item_id"
    for item_id, field_id, value, key in connection.execute(rows):
        if field_id in fields and not is_stored_value(*fields[field_id], value, key):
            count, first = count + 1, first or item_id
    if count:
        yield f"{count} values of custom fields do not fit their fields (item {first})"


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
    queries = load_queries(resource("sql"), "sqlite")
    reversals, serials = queries["list_reversal_faults"], queries["list_serial_faults"]
    for id, original, *_ in connection.execute(reversals.text, reversals.values({"limit": FAULTS})):
        yield f"event {id} does not mirror event {original}, which it undoes"
    for item_id, serial, places in connection.execute(serials.text, serials.values({"limit": FAULTS})):
        yield f"the piece of item {item_id} with the serial number {serial} is in stock at {places} places"
    moved = """
        SELECT count(*) FROM stock_event AS event JOIN sku ON sku.id = event.sku_id
         WHERE sku.item_id <> event.item_id OR sku.location_id <> event.location_id"""
    (count,) = connection.execute(moved).fetchone()
    if count:
        yield f"{count} events name another item or location than their SKU"


def _admins(connection: sqlite3.Connection) -> Iterator[str]:
    if not connection.execute("SELECT 1 FROM user_account WHERE role = 'admin' AND is_active LIMIT 1").fetchone():
        yield "it has no active admin, so no user could administer it"


def _some(ids: set[int]) -> str:
    return "id " + ", ".join(str(id) for id in sorted(ids)[:FAULTS])


def _out_of_bounds(connection: sqlite3.Connection, table: str, columns: list[Column]) -> Iterator[str]:
    bounds = {column.name: _bound(column) for column in columns}
    wrong = {name: bound for name, bound in bounds.items() if bound is not None}
    if not wrong:
        return
    # One pass for all columns; only a hit is searched column by column. Names are those of our own schema.
    found = connection.execute(f'SELECT 1 FROM "{table}" WHERE {" OR ".join(wrong.values())} LIMIT 1')  # noqa: S608 - names and bounds of our schema
    if found.fetchone() is None:
        return
    for name, bound in wrong.items():
        (count,) = connection.execute(f'SELECT count(*) FROM "{table}" WHERE {bound}').fetchone()  # noqa: S608 - names and bounds of our schema
        if count:
            yield f"{count} rows of {table} have a {name} that is out of bounds"


def _bound(column: Column) -> str | None:
    """An SQL condition that is true for a value Stocky does not accept; NULL is valid."""
    if column.kind == "integer":
        least, most = -MAX_ID, MAX_ID
        if column.name.endswith("_milli"):
            # A count may change a quantity from one limit to the other.
            limit = 2 * LIMIT_MILLI if column.name.startswith("delta") else LIMIT_MILLI
            least, most = -limit, limit
        elif column.name == "id" or column.name.endswith("_id"):
            least = 1
        return f'"{column.name}" NOT BETWEEN {least} AND {most}'
    if column.kind == "time" and column.name in _CLOCK_TIMES:
        return f"substr(\"{column.name}\", 1, 4) NOT BETWEEN '{_FIRST_YEAR}' AND '{_LAST_YEAR}'"
    return None


def _undecodable(
    connection: sqlite3.Connection, table: str, column: str, decoder: msgspec.json.Decoder[Any]
) -> Iterator[str]:
    count, first = 0, None
    query = f'SELECT rowid, "{column}" FROM "{table}" WHERE "{column}" IS NOT NULL'  # noqa: S608 - names of our schema
    rows = connection.execute(query)
    for rowid, text in rows:
        try:
            # It must also encode, which a number of more than 64 bits does not.
            msgspec.json.encode(decoder.decode(text))
        except (msgspec.MsgspecError, RecursionError, OverflowError):
            count, first = count + 1, first or rowid
    if count:
        yield f"{count} rows of {table} have invalid JSON in {column} (row {first})"


def _unusable_hashes(connection: sqlite3.Connection) -> Iterator[str]:
    for username, stored in connection.execute("SELECT username, password_hash FROM user_account ORDER BY id"):
        match = _HASH.fullmatch(stored)
        if match is None or not _is_affordable(*map(int, match.groups())):
            yield f"the password hash of {username} is not a usable Argon2 hash"
            return


def _is_affordable(memory_kib: int, passes: int, lanes: int) -> bool:
    return 8 * lanes <= memory_kib <= 2**20 and 1 <= passes <= 20 and 1 <= lanes <= 16


def _unknown_refusals(connection: sqlite3.Connection) -> Iterator[str]:
    known = msgspec.json.encode(get_args(RejectionKind)).decode()
    query = "SELECT count(*), min(refusal) FROM event_refusal WHERE refusal NOT IN (SELECT value FROM json_each(?))"
    count, first = connection.execute(query, (known,)).fetchone()
    if count:
        yield f"{count} rows of event_refusal have an unknown refusal ({first[:40]!r})"
