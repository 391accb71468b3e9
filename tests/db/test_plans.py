"""The plans of the queries that scans, single writes and pages run: they look rows up, and scan no large table.

Run on a small stockroom. Where a table is so small that Postgres rightly scans it, the test shows that an index could
serve the query: with sequential scans turned off, one is left only where there is no other way.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from typing import Any

import asyncpg
import psycopg
import pytest

from stocky.config import Config
from stocky.db.queries import Query, load_queries
from stocky.db.sqlite_file import open_connection
from stocky.resources import resource
from tests.benchmarks import stockroom

ITEMS = 4_000
LARGE = {"item", "item_tag", "barcode", "sku", "stock_event", "event_refusal", "search_text"}
# Indexes that have few rows of such a table.
PARTIAL = ("item_hidden", "item_to_review", "item_with_minimum", "search_text_cut_off")
ARGUMENTS: dict[str, Any] = {
    "after": 19_000,
    "alert_type": "low_stock",
    "as_of": datetime(2024, 12, 1, tzinfo=UTC),
    "batch_id": "move-3",
    "batch_ids": ["move-3"],
    "before": 19_000,
    "bounds": ["2024-06-01T22:00:00.000000Z", "2024-06-02T22:00:00.000000Z", "2024-06-03T22:00:00.000000Z"],
    "box_nos": [1],
    "code": "BC-7",
    "code_key": "BC-7",
    "code_keys": ["BC-7", "BC-8"],
    "codes": ["AAAB"],
    "emptied_before": datetime(2024, 6, 1, tzinfo=UTC),
    "first_day": date(2026, 1, 1),
    "from_day": date(2026, 1, 24),
    "last_day": date(2026, 1, 31),
    "event_ids": ["2b3c5f9e-0000-4000-8000-000000000000"],
    "expires_by": date(2026, 1, 31),
    "id": 7,
    "ids": [7, 8],
    "is_active": True,
    "item_id": 7,
    "limit": 10,
    "loc_nos": [1],
    "location_id": 7,
    "moment": datetime(2026, 1, 31, tzinfo=UTC),
    "most": 5_000,
    "keys": ["shelf 15"],
    "names": ["Shelf 15"],
    "scanner_id": "scanner-old",
    "scanner_ids": ["scanner-3"],
    "since": datetime(2024, 6, 1, tzinfo=UTC),
    "skip": 0,
    "soon": date(2026, 1, 31),
    "tag_id": 1,
    "today": date(2026, 1, 24),
    "type": "set",
    "type_id": 1,
    "until": datetime(2024, 6, 3, tzinfo=UTC),
    "user_id": 1,
}
# Other arguments than the optional ones of this name.
EXCEPTIONS: dict[str, dict[str, Any]] = {
    "export_events": {"item_id": None, "location_id": None, "user_id": None, "scanner_id": None, "type": None},
    "list_event_ids": {"location_id": None, "user_id": None, "scanner_id": None, "type": None},
    "list_event_ids_within": {"within": 100, "user_id": None, "scanner_id": None, "type": None},
    "list_sku_ids_within": {"within": 100},
    "list_event_ids_of_lot": {"lot": "L1", "item_id": None, "location_id": None, "user_id": None, "scanner_id": None},
    "list_event_ids_of_serial": {"serial": "1", "location_id": None, "user_id": None, "scanner_id": None},
    "list_sku_ids_of_lot": {"lot": "L1", "item_id": None, "location_id": None},
    "list_sku_ids_of_serial": {"serial": "1", "item_id": None, "location_id": None},
    "list_events_after": {"until": 19_100, "item_id": None, "location_id": None, "type": None},
}
QUERIES = {
    # Scans and events.
    "find_barcodes", "find_event_ids", "find_events_to_undo", "find_item_codes", "find_locations", "find_refusals",
    "find_scanners", "find_sku_keys", "list_causes", "list_packs", "list_skus_of_items", "list_transfers_by_id",
    "lock_items", "find_last_event_of_scanner",
    # Merges, imports and other writes.
    "find_imported_events", "find_items_named", "hide_unused_skus", "list_items_of_type", "list_items_with_tag",
    "list_active_sku_ids", "list_merged_stock",
    # Single reads.
    "find_item_by_barcode", "get_item", "get_item_type", "get_sku", "get_tag",
    # Pages, and what completes them.
    "count_batch", "count_causes", "count_entries_by_day", "count_entries_of_items_by_day", "count_events_between",
    "export_events", "find_texts", "list_barcodes_of", "list_batch", "list_event_ids", "list_event_ids_at",
    "list_event_ids_between",
    "list_event_ids_of_lot", "list_event_ids_of_serial", "list_sku_ids_of_lot", "list_sku_ids_of_serial",
    "list_event_ids_of_rare_kind", "list_event_ids_of_scanner", "list_event_ids_of_user", "list_event_ids_within",
    "list_events_after",
    "list_events_by_id", "list_events_of_item", "list_item_locations", "list_item_versions_with_cause",
    "list_item_versions_by_expiry",
    "list_items_by_id", "list_search_sources", "list_sku_ids_at", "list_sku_ids_of_item", "list_sku_ids_within",
    "list_skus_by_id",
    "list_start_of_batch", "list_stock_of_items", "list_tags_of",
}  # fmt: skip


@pytest.fixture
def large(config: Config) -> Config:
    """A database with a stockroom; statistics only on Postgres, since nothing makes them on SQLite."""
    if config.dialect == "sqlite":
        with closing(sqlite3.connect(config.sqlite_path, isolation_level=None)) as connection:
            stockroom.fill_sqlite(connection.execute, ITEMS)
    else:
        with psycopg.connect(config.database_url, autocommit=True) as connection:
            stockroom.fill_postgres(connection.execute, ITEMS)
            connection.execute("ANALYZE")
    return config


async def test_no_hot_query_scans_a_large_table(large: Config) -> None:
    queries = load_queries(resource("sql"), large.dialect)
    plans = _sqlite_scans if large.dialect == "sqlite" else _postgres_scans
    assert await plans(large, [queries[name] for name in sorted(QUERIES)]) == {}


async def test_scan_of_a_large_table_is_noticed(large: Config) -> None:
    text = "SELECT id FROM stock_event AS event WHERE note = :code"
    query = Query("scanning", text.replace(":code", "?" if large.dialect == "sqlite" else "$1"), ("code",), "")
    plans = _sqlite_scans if large.dialect == "sqlite" else _postgres_scans
    assert await plans(large, [query]) == {"scanning": {"stock_event"}}


def _values(query: Query) -> list[Any]:
    return query.values(
        ARGUMENTS | dict.fromkeys(set(query.parameters) - ARGUMENTS.keys()) | EXCEPTIONS.get(query.name, {})
    )


async def _sqlite_scans(config: Config, queries: list[Query]) -> dict[str, set[str]]:
    found = {}
    with closing(open_connection(config.sqlite_path)) as connection:
        for query in queries:
            tables = {
                alias or table: table
                for table, alias in re.findall(r"(?:FROM|JOIN|UPDATE) ([a-z_]+)(?: AS ([a-z_]+))?", query.text)
            }
            plan = connection.execute(f"EXPLAIN QUERY PLAN {query.text}", _values(query)).fetchall()
            steps = [row[3] for row in plan if row[3].startswith("SCAN ") and not row[3].endswith(PARTIAL)]
            scanned = {step.split()[1] for step in steps}
            if scans := {tables.get(name, name) for name in scanned} & LARGE:
                found[query.name] = scans
    return found


async def _postgres_scans(config: Config, queries: list[Query]) -> dict[str, set[str]]:
    found = {}
    connection = await asyncpg.connect(config.database_url)
    try:
        for query in queries:
            scans: set[str] = set()
            # The ledger is large enough here for Postgres to choose an index itself.
            for setting, large in (("off", LARGE), ("on", {"stock_event"})):
                await connection.execute(f"SET enable_seqscan = {setting}")
                explained = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {query.text}", *_values(query))
                scans |= set(_scanned(json.loads(explained)[0]["Plan"])) & large
            if scans:
                found[query.name] = scans
    finally:
        await connection.close()
    return found


def _scanned(node: dict[str, Any]) -> Iterator[str]:
    """The tables that are read whole, also in the order of an index."""
    kind, index = node["Node Type"], node.get("Index Name", "")
    if kind == "Seq Scan" or (
        kind in ("Index Scan", "Index Only Scan") and "Index Cond" not in node and index not in PARTIAL
    ):
        yield node["Relation Name"]
    for inner in node.get("Plans", ()):
        yield from _scanned(inner)


SORTED = {
    # By an index: a page is read without sorting the list.
    "list_item_versions by name": 0,
    "list_item_versions by -name": 0,
    "list_sku_ids_with_item by name": 0,
    "list_sku_ids_with_item by -name": 0,
    "list_item_versions by code": 0,
    # One pass over the list, and its largest or smallest entries are kept.
    "list_item_versions by seller": 1,
    "list_item_versions by -total_quantity,name": 1,
    "list_sku_ids by -quantity": 1,
    "list_sku_ids by expiry_date": 1,
}


@pytest.mark.one_database
async def test_sorted_lists_read_a_large_table_once_at_most(large: Config) -> None:
    queries = load_queries(resource("sql"), "sqlite")
    with closing(open_connection(large.sqlite_path)) as connection:
        for name, sorts in SORTED.items():
            query = queries[name]
            values = query.values(
                {"limit": 10, "skip": 0, "after": 0, "is_active": True, "expiring_soon": False}
                | dict.fromkeys(set(query.parameters) - {"limit", "skip", "after", "is_active", "expiring_soon"})
            )
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query.text}", values)]
            whole = [step for step in plan if step == "USE TEMP B-TREE FOR ORDER BY"]
            assert len(whole) == sorts, (name, plan)
            # All ids after :after are the whole list, too.
            passes = [step for step in plan if re.match(r"SCAN (item|sku)\b|SEARCH (item|sku) .*\(rowid>\?\)$", step)]
            assert len([step for step in passes if "item_id=?" not in step]) == 1, (name, plan)


@pytest.mark.one_database
async def test_page_of_what_expires_is_read_in_the_order_of_dates(large: Config) -> None:
    query = load_queries(resource("sql"), "sqlite")["list_item_versions_by_expiry"]
    with closing(open_connection(large.sqlite_path)) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query.text}", _values(query))]
    assert plan[0].startswith("SEARCH sku USING INDEX sku_by_expiry (expiry_date>? AND expiry_date<?)"), plan
    assert "USE TEMP B-TREE FOR ORDER BY" not in plan
    assert [step for step in plan if step.startswith("SEARCH sooner USING INDEX sku") and "item_id=?" in step], plan
