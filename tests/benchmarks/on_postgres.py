"""F4: single scans on Postgres by one Stocky process, beside `pgbench` with the statements that one scan takes."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psycopg

from tests.benchmarks import servers
from tests.benchmarks.build import SCANNERS
from tests.benchmarks.data import ITEMS, postgres_database
from tests.benchmarks.load import Figures, Unsound
from tests.benchmarks.machine import SERVER_CORE, pinned
from tests.benchmarks.results import Plan, Result, ratio
from tests.benchmarks.scanning import accounted, scans
from tests.postgres import Server, embedded_server, system_server

CONNECTIONS = 64

# The item by its barcode, its lock, its SKUs, the scanner, the event, the SKU, and when the scanner was last seen.
SCRIPT = f"""
\\set item random(1, {ITEMS})
\\set place :item % {SCANNERS} + 1
\\set barcode 2000000000000 + :item
BEGIN;
SELECT barcode.item_id, barcode.pack_milli FROM barcode JOIN item ON item.id = barcode.item_id
 WHERE barcode.code = CAST(:barcode AS TEXT);
SELECT id, name, oversell_policy, is_active, version FROM item WHERE id = :item FOR NO KEY UPDATE;
SELECT id, item_id, location_id, expiry_date, quantity_milli, unit, notes, is_active, version, created_at, updated_at
  FROM sku WHERE item_id = :item;
SELECT mode, location_id FROM scanner WHERE scanner_id = 'bench-' || lpad(CAST(:place AS TEXT), 2, '0');
UPDATE sku SET quantity_milli = quantity_milli + 1000, version = version + 1, updated_at = now() WHERE id = :item;
INSERT INTO stock_event (event_id, fingerprint, kind, item_id, location_id, sku_id, delta_milli,
                         quantity_after_milli, occurred_at, recorded_at, scanner_id)
SELECT CAST(gen_random_uuid() AS TEXT), md5(CAST(random() AS TEXT)), 'add', item_id, location_id, id, 1000,
       quantity_milli, now(), now(), 'bench-' || lpad(CAST(:place AS TEXT), 2, '0')
  FROM sku WHERE id = :item;
INSERT INTO scanner (scanner_id, last_seen, last_scan)
VALUES ('bench-' || lpad(CAST(:place AS TEXT), 2, '0'), now(), CAST(:barcode AS TEXT))
ON CONFLICT (scanner_id) DO UPDATE SET last_seen = excluded.last_seen, last_scan = excluded.last_scan;
COMMIT;
"""


def measure_on_postgres(plan: Plan) -> list[Result]:
    """F4."""
    pgbench = _find_pgbench()
    subject: list[Figures] = []
    yardstick: list[float] = []
    all_figures: list[Figures] = []
    with a_server() as (server, about), server.database() as of_stocky, server.database() as of_pgbench:
        with (
            postgres_database(server.url_of(of_pgbench)) as plain,
            postgres_database(server.url_of(of_stocky)) as database,
            accounted(database, all_figures),
            servers.stocky(database) as serving,
        ):
            load = scans(database)
            all_figures.append(load.run(serving.url, plan.warm_up))
            for _ in range(plan.runs):
                if pgbench is not None:
                    yardstick.append(_transactions_per_second(pgbench, plain.url, plan.seconds))
                subject.append(load.run(serving.url, plan.seconds))
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
        )
    ]


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
