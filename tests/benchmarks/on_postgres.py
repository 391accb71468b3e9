"""F4 and F13: single scans on Postgres, by one process and by several.

One Stocky is measured beside `pgbench` with the statements that one scan takes, and beside a bare Litestar.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import psycopg

from tests.benchmarks import servers
from tests.benchmarks.build import SCANNERS
from tests.benchmarks.data import ITEMS, Database, postgres_database
from tests.benchmarks.load import Figures, Target, Unsound
from tests.benchmarks.machine import SERVER_CORE, backend_cpu_seconds, pinned
from tests.benchmarks.results import Plan, Result, ratio
from tests.benchmarks.scanning import accounted, cpu_note, scans
from tests.postgres import Server, embedded_server, system_server

CONNECTIONS = 64

# The item by its barcode, its lock, its SKUs, the scanner, the event, the SKU, and when the scanner was last seen.
SCRIPT = f"""
\\set item random(1, {ITEMS})
\\set location :item % {SCANNERS} + 1
\\set barcode 2000000000000 + :item
BEGIN;
SELECT barcode.item_id, barcode.pack_milli FROM barcode JOIN item ON item.id = barcode.item_id
 WHERE barcode.code = CAST(:barcode AS TEXT);
SELECT id, name, oversell_policy, is_active, version FROM item WHERE id = :item FOR NO KEY UPDATE;
SELECT id, item_id, location_id, expiry_date, quantity_milli, unit, notes, is_active, version, created_at, updated_at
  FROM sku WHERE item_id = :item;
SELECT mode, location_id FROM scanner WHERE scanner_id = 'bench-' || lpad(CAST(:location AS TEXT), 2, '0');
UPDATE sku SET quantity_milli = quantity_milli + 1000, version = version + 1, updated_at = now() WHERE id = :item;
INSERT INTO stock_event (event_id, fingerprint, kind, item_id, location_id, sku_id, delta_milli,
                         quantity_after_milli, occurred_at, recorded_at, scanner_id)
SELECT CAST(gen_random_uuid() AS TEXT), md5(CAST(random() AS TEXT)), 'add', item_id, location_id, id, 1000,
       quantity_milli, now(), now(), 'bench-' || lpad(CAST(:location AS TEXT), 2, '0')
  FROM sku WHERE id = :item;
INSERT INTO scanner (scanner_id, last_seen, last_scan)
VALUES ('bench-' || lpad(CAST(:location AS TEXT), 2, '0'), now(), CAST(:barcode AS TEXT))
ON CONFLICT (scanner_id) DO UPDATE SET last_seen = excluded.last_seen, last_scan = excluded.last_scan;
COMMIT;
"""


def measure_on_postgres(plan: Plan) -> list[Result]:
    """F4."""
    pgbench = _find_pgbench()
    subject: list[Figures] = []
    yardstick: list[float] = []
    without: list[Figures] = []
    all_figures: list[Figures] = []
    with a_server() as (server, about), server.database() as of_stocky, server.database() as of_pgbench:
        with (
            postgres_database(server.url_of(of_pgbench)) as plain,
            postgres_database(server.url_of(of_stocky)) as database,
            accounted(database, all_figures),
            servers.stocky(database) as serving,
            servers.bare() as bare,
        ):
            load = scans(database)
            all_figures.append(load.run(serving, plan.warm_up))
            load.run(bare, plan.warm_up, path="/")
            for _ in range(plan.runs):
                without.append(load.run(bare, plan.seconds, path="/"))
                if pgbench is not None:
                    yardstick.append(_transactions_per_second(pgbench, plain.url, plan.seconds))
                subject.append(load.run(serving, plan.seconds))
            all_figures += subject
        if pgbench is not None:
            plain.check()
    return [
        Result(
            id="F4",
            what=f"F1 on Postgres ({about}): requests/s",
            yardstick_is="pgbench with the statements of a scan" if pgbench else "none: pgbench is not installed here",
            subject=median(figures.per_second for figures in subject),
            yardstick=median(yardstick) if yardstick else None,
            ratio=ratio([figures.per_second for figures in subject], yardstick) if yardstick else None,
            goal=">= 0.50",
            note="pinned are Stocky and pgbench to one core, wrk to the other; Postgres runs on both",
            raw={"subject": subject, "yardstick_transactions_per_second": yardstick},
        ),
        Result(
            id="F4",
            what="the same",
            yardstick_is="bare Litestar decoding the same body",
            subject=median(figures.per_second for figures in subject),
            yardstick=median(figures.per_second for figures in without),
            ratio=ratio([figures.per_second for figures in subject], [figures.per_second for figures in without]),
            goal=">= 0.45",
            note=f"{cpu_note(subject, without)}, without Postgres's own",
            raw={"subject": subject, "yardstick": without},
        ),
    ]


def measure_processes(plan: Plan) -> list[Result]:
    """F13: one event's processor time with one, two and three Stocky processes on one database."""
    results: list[Result] = []
    all_figures: list[Figures] = []
    with a_server() as (server, about), server.database() as name, ExitStack() as measured:
        database = measured.enter_context(postgres_database(server.url_of(name)))
        measured.enter_context(accounted(database, all_figures))
        for processes in (1, 2, 3):
            with ExitStack() as stack:
                serving = [stack.enter_context(servers.serve_on_any_core(database)) for _ in range(processes)]
                all_figures += _at_once(database, serving, plan.warm_up)
                rounds: list[list[Figures]] = []
                of_postgres: list[float] = []
                for _ in range(plan.runs):
                    before = backend_cpu_seconds(name)
                    rounds.append(_at_once(database, serving, plan.seconds))
                    of_postgres.append(backend_cpu_seconds(name) - before)
                    all_figures += rounds[-1]
            scans_made = [sum(figures.requests for figures in each) for each in rounds]
            ours = [sum(figures.cpu_seconds or 0 for figures in each) for each in rounds]
            a_scan = median(used / made * 1e6 for used, made in zip(ours, scans_made, strict=True))
            a_scan_there = median(used / made * 1e6 for used, made in zip(of_postgres, scans_made, strict=True))
            results.append(
                Result(
                    id="F13",
                    what=f"scans by {processes} processes on {about}: scans/s together",
                    yardstick_is="-",
                    subject=median(sum(figures.per_second for figures in each) for each in rounds),
                    note=f"processor time a scan: {a_scan:.0f} us in Stocky, {a_scan_there:.0f} us in Postgres",
                    raw={"rounds": rounds, "postgres_cpu_seconds": of_postgres},
                )
            )
    return results


def _at_once(database: Database, serving: Sequence[Target], seconds: float) -> list[Figures]:
    """The same load on every server at the same time, with the connections of one load divided among them."""
    load = scans(database, connections=CONNECTIONS // len(serving))
    with ThreadPoolExecutor(len(serving)) as pool:
        return list(pool.map(lambda each: load.run(each, seconds), serving))


@contextmanager
def a_server() -> Iterator[tuple[Server, str]]:
    """The machine's own server, if it answers, or else the one from the wheel, with the default fsync."""
    try:
        server = system_server()
    except psycopg.OperationalError:
        with embedded_server() as server:
            server.execute("ALTER SYSTEM RESET fsync")
            server.execute("SELECT pg_reload_conf()")
            yield server, f"{server.version}, embedded"
    else:
        yield server, f"{server.version}, the machine's"


def _find_pgbench() -> str | None:
    debian = [str(directory) for directory in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    return shutil.which("pgbench") or shutil.which("pgbench", path=":".join(debian))


def _transactions_per_second(pgbench: str, url: str, seconds: float) -> float:
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script, pinned(SERVER_CORE):
        script.write(SCRIPT)
        script.flush()
        done = subprocess.run(
            [
                pgbench, "--no-vacuum", "--protocol=prepared", f"--client={CONNECTIONS}", "--jobs=1",
                f"--time={seconds:.0f}", f"--file={script.name}", url,
            ],
            capture_output=True,
            text=True,
        )  # fmt: skip
    found = re.search(r"tps = ([0-9.]+) \(without initial connection time\)", done.stdout)
    if done.returncode or found is None:
        raise Unsound(f"pgbench: {done.stdout}{done.stderr}")
    return float(found[1])
