"""R13: behind a PgBouncer in transaction mode, 64 connections scan, read and take a backup; no 5xx, every sum exact."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import time
from collections import Counter
from pathlib import Path

import httpx

from tests.faults.backup_under_load import Taken, problems_with
from tests.faults.shop import Shop, shop, verdict, write
from tests.pooler import MISSING, PROGRAM, pgbouncer
from tests.serving import serve

WRITERS, READERS = 48, 15
SECONDS = 20
# Fewer server connections than Stocky's connections to the pooler.
POOL = 5
PATHS = ("/items/", "/skus/", "/events?limit=50", "/locations/", "/search?q=barcode", "/alerts/", "/exports/stock.csv")


async def read_on(client: httpx.AsyncClient, statuses: Counter[int], stop: asyncio.Event) -> None:
    """One reader, which reads one path after the other."""
    for path in itertools.cycle(PATHS):
        if stop.is_set():
            return
        statuses[(await client.get(path)).status_code] += 1


async def back_up(client: httpx.AsyncClient, shop: Shop) -> Taken:
    """A backup under load."""
    acknowledged = frozenset(shop.acknowledged)
    answer = await client.post("/backup/create/full/download")
    answer.raise_for_status()
    file = shop.directory / "backup.sql.gz"
    await asyncio.to_thread(file.write_bytes, answer.content)
    return Taken(file, acknowledged)


async def under_load(shop: Shop, port: int, seconds: float) -> tuple[list[str], Taken]:
    """The problems, and the backup."""
    stop, statuses = asyncio.Event(), Counter[int]()
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}/api/v1",
        headers={"X-API-Key": shop.admin_key},
        timeout=120,
        limits=httpx.Limits(max_connections=READERS + 1),
    ) as client:
        begun = time.monotonic()
        tasks = [asyncio.create_task(write(shop, [port], stop)) for _ in range(WRITERS)]
        tasks += [asyncio.create_task(read_on(client, statuses, stop)) for _ in range(READERS)]
        await asyncio.sleep(seconds / 3)
        taken = await back_up(client, shop)
        await asyncio.sleep(max(0, begun + seconds - time.monotonic()))
        stop.set()
        await asyncio.gather(*tasks)
        took = time.monotonic() - begun
    reads = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    print(
        f"{WRITERS + READERS + 1} connections for {took:.0f} s by way of {POOL} of the server's: reads {reads};"
        f" the backup has {taken.file.stat().st_size} bytes"
    )
    problems = [f"{count} x {answer} to scans" for answer, count in shop.answers.items() if answer != "200"]
    problems += [f"{count} reads were answered {status}" for status, count in statuses.items() if status != 200]
    return problems + await shop.problems(), taken


def run(seconds: float = SECONDS) -> bool:
    """Whether no request failed and every sum is exact; true, with a message, without PgBouncer."""
    if PROGRAM is None:
        print(f"pooler: LEFT OUT, {MISSING}")
        return True
    with shop("postgres") as ground:
        direct = ground.environ["STOCKY_DATABASE_URL"]
        with pgbouncer(direct, "transaction", default_pool_size=POOL) as url:
            ground.environ |= {"STOCKY_DATABASE_URL": url, "STOCKY_DATABASE_DIRECT_URL": direct}
            ground.reload()
            with serve(ground.environ, Path(ground.directory)) as server:
                port = int(server.url.rpartition(":")[2])
                problems, taken = asyncio.run(under_load(ground, port, seconds))
            problems += asyncio.run(problems_with(ground, [taken]))
        return verdict("behind a pooler", ground, problems)


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    return 0 if run(parser.parse_args().seconds) else 1


if __name__ == "__main__":
    sys.exit(main())
