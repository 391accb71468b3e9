"""`python -m tests.benchmarks.long_postgres 50`: Postgres with 50 million events in one table, beside shorter ledgers.

Scans are compared with a ledger of ten thousand events, pages of a history with one of a million, where every
page is full too. The ledger is added by SQL; its indexes are no fuller than those that have grown.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import median
from typing import Any

import psycopg

from stocky.backup.dump.format import LEDGER
from stocky.backup.dump.ledger import LedgerMark, mark_in_postgres, settled_position
from stocky.backup.dump.objects import stocky_objects
from stocky.backup.dump.postgres import lines_query
from stocky.backup.dump.postgres_schema import read_schema
from stocky.db.migration_files import schema_version
from stocky.db.postgres_connect import session
from tests.benchmarks import servers
from tests.benchmarks.data import ITEMS, Database, postgres_database
from tests.benchmarks.increments import DAY, MILLION, write_increment
from tests.benchmarks.large import Client, p50
from tests.benchmarks.load import Figures, Unsound
from tests.benchmarks.on_postgres import a_server
from tests.benchmarks.scanning import accounted, scans
from tests.postgres import Server

PAGE = 100
# A grown B-tree with random keys is about as full.
FILL = 70

# Every SKU once in each round, so that the sums are right; a round is an hour.
_ADD_ROUNDS = """
INSERT INTO stock_event (event_id, fingerprint, kind, item_id, location_id, sku_id, delta_milli, quantity_after_milli,
                         occurred_at, recorded_at, scanner_id)
SELECT gen_random_uuid()::text, md5(random()::text), 'add', item_id, location_id, sku.id, 1000, round * 1000,
       timestamptz '2020-01-01 00:00:00+00' + round * interval '1 hour',
       timestamptz '2020-01-01 00:00:00+00' + round * interval '1 hour', 'bench-' || lpad(location_id::text, 2, '0')
  FROM generate_series(%s::int, %s::int) AS round CROSS JOIN sku
"""
_INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
 WHERE tablename = 'stock_event' AND schemaname = 'public' AND indexname <> 'stock_event_pkey'
"""
PAGES = {
    "/items/{id}/events?limit=100": "/items/{item}/events?limit=100",
    "/events?limit=100": "/events?limit=100&skip={n}",
    "/events?cursor=": "/events?limit=100&cursor=50{n:02}00",
    "/events?location_id=": "/events?limit=100&location_id={location}",
    "/events?since=&until=": "/events?limit=100&since=2020-01-0{day}T00:00:00Z&until=2020-01-0{day}T02:00:00Z",
}


def main() -> None:
    """Prints three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("millions", type=int, help="millions of events of the long ledger")
    parser.add_argument("--runs", type=int, default=5, help="how often scans are measured (default 5)")
    parser.add_argument("--seconds", type=float, default=8, help="how long each time (default 8)")
    arguments = parser.parse_args()
    with a_server() as (server, about), ExitStack() as stack:
        short, middle, long = (
            stack.enter_context(_ledger(server, events)) for events in (ITEMS, MILLION, arguments.millions * MILLION)
        )
        print(f"{about}; {long.count_events():,} events: {_size(long)}", flush=True)
        _measure_scans(short, long, arguments.runs, arguments.seconds)
        _measure_pages(middle, long)
        asyncio.run(_measure_increment(long))


@contextmanager
def _ledger(server: Server, events: int) -> Iterator[Database]:
    with server.database() as name, postgres_database(server.url_of(name)) as database:
        if events > ITEMS:
            begun = time.monotonic()
            _lengthen(database, events // ITEMS)
            print(f"{events:,} events added in {time.monotonic() - begun:,.0f} s", flush=True)
        yield database


def _lengthen(database: Database, rounds: int) -> None:
    with psycopg.connect(database.url, autocommit=True) as connection:
        indexes = connection.execute(_INDEXES).fetchall()
        for name, _ in indexes:
            connection.execute(f'DROP INDEX "{name}"'.encode())
        connection.execute("SET synchronous_commit = off")
        connection.execute("SET maintenance_work_mem = '2GB'")
        # The checks of foreign keys, which SKUs that exist fulfil.
        connection.execute("SET session_replication_role = replica")
        for first in range(2, rounds + 1, 100):
            connection.execute(_ADD_ROUNDS, (first, min(first + 99, rounds)))
        connection.execute("UPDATE sku SET quantity_milli = 1000 * %s", (rounds,))
        for _, statement in indexes:
            filled, number = re.subn(r"(?= WHERE |$)", f" WITH (fillfactor = {FILL})", statement, count=1)
            assert number == 1
            connection.execute(filled.encode())
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _measure_scans(short: Database, long: Database, runs: int, seconds: float) -> None:
    figures: dict[str, list[Figures]] = {"short": [], "long": []}
    acknowledged: dict[str, list[Figures]] = {"short": [], "long": []}
    with ExitStack() as stack:
        serving = {}
        for name, database in (("short", short), ("long", long)):
            stack.enter_context(accounted(database, acknowledged[name]))
            serving[name] = stack.enter_context(servers.stocky(database))
            acknowledged[name].append(scans(database).run(serving[name], 2 * seconds))
        for _ in range(runs):
            for name, database in (("short", short), ("long", long)):
                figures[name].append(scans(database).run(serving[name], seconds))
        for name, all_figures in acknowledged.items():
            all_figures += figures[name]
    rates = {name: [each.per_second for each in found] for name, found in figures.items()}
    ratios = [long / short for short, long in zip(rates["short"], rates["long"], strict=True)]
    print("\n| scans/s, 64 connections | with ten thousand | ratio (median of runs) | p99 | p99 with ten thousand |")
    print("|---" * 5 + "|")
    p99 = {name: median(each.p99_ms for each in found) for name, found in figures.items()}
    print(
        f"| {median(rates['long']):,.0f} | {median(rates['short']):,.0f} | {median(ratios):.2f}"
        f" | {p99['long']:.0f} ms | {p99['short']:.0f} ms |",
        flush=True,
    )


def _measure_pages(middle: Database, long: Database) -> None:
    print("\n| page | p50 | with a million | ratio |\n|---|---|---|---|")
    with servers.stocky(middle) as of_middle, servers.stocky(long) as of_long:
        clients = [
            Client(server.api, database.admin_key) for server, database in ((of_middle, middle), (of_long, long))
        ]
        for name, path in PAGES.items():
            for client in clients:
                if len(client.ask(*_page(client, 1, path=path))["events"]) != PAGE:
                    raise Unsound(f"{path} is no full page")
            less, more = (p50(client, partial(_page, path=path), 60) for client in clients)
            print(f"| {name} | {more:.1f} ms | {less:.1f} ms | {more / less:.2f} |", flush=True)


def _page(_client: Client, n: int, *, path: str) -> tuple[str, str, Any]:
    return "GET", path.format(n=n, item=5_000 + n, location=n % 16 + 1, day=n % 4 + 1), None


async def _measure_increment(database: Database) -> None:
    """The increment of a day, which continues the ledger as it is, without a dump of that."""
    mark = await _mark(database)
    rounds = database.count_events() // ITEMS
    with psycopg.connect(database.url) as connection:
        connection.execute(_ADD_ROUNDS, (rounds + 1, rounds + DAY // ITEMS))
    seconds, size = await write_increment(database, "postgres", mark)
    print(f"\nan increment of {DAY:,} events: {seconds:.1f} s, {size / 2**20:.1f} MiB")


async def _mark(database: Database) -> LedgerMark:
    number = schema_version("postgres")
    async with session(database.url) as connection:
        settled = await settled_position(connection)
        schema = await read_schema(connection, stocky_objects("postgres", number))
        ledger = next(table for table in schema.tables if table.name == LEDGER)
        total = await connection.fetchval("SELECT count(*) FROM stock_event")
        mark = None
        if settled is not None:
            mark = await mark_in_postgres(connection, partial(lines_query, ledger), total, settled)
    if mark is None:
        raise Unsound("somebody else writes to the ledger")
    return mark


def _size(database: Database) -> str:
    with psycopg.connect(database.url) as connection:
        table, indexes = connection.execute(
            "SELECT pg_size_pretty(pg_table_size('stock_event')), pg_size_pretty(pg_indexes_size('stock_event'))"
        ).fetchone() or ("", "")
    return f"table {table}, indexes {indexes}"


if __name__ == "__main__":
    main()
