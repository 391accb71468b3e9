"""R6: backups during scanning; each is restored separately and is a complete snapshot."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from pathlib import Path
from typing import NamedTuple

import httpx

from stocky.config import Config
from stocky.stock.consistency import find_faults
from stocky.stock.repository import list_events
from stocky.stock.schemas import StockEvent
from tests.faults.restored import restored
from tests.faults.shop import DIALECTS, Shop, reading, shop, verdict, write
from tests.serving import serve

WRITERS = 32


class Taken(NamedTuple):
    """A backup: its file, and the events acknowledged before its request."""

    file: Path
    acknowledged: frozenset[str]


async def take_backups(shop: Shop, port: int, count: int) -> list[Taken]:
    """Takes `count` backups at random moments under full load."""
    stop = asyncio.Event()
    writers = [asyncio.create_task(write(shop, [port], stop)) for _ in range(WRITERS)]
    taken = []
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}/api/v1", headers={"X-API-Key": shop.admin_key}, timeout=120
    ) as admin:
        for number in range(count):
            await asyncio.sleep(random.uniform(0, 0.2))
            acknowledged = frozenset(shop.acknowledged)
            answer = await admin.post("/backup/create/full/download")
            answer.raise_for_status()
            file = shop.directory / f"backup-{number}.sql.gz"
            file.write_bytes(answer.content)
            taken.append(Taken(file, acknowledged))
    stop.set()
    await asyncio.gather(*writers)
    return taken


async def problems_with(shop: Shop, taken: list[Taken]) -> list[str]:
    """The problems of the backups, found after restoring them."""
    ledger = await _ledger(shop.config)
    problems = []
    for number, backup in enumerate(taken):
        with restored(backup.file, shop) as config:
            problems += [f"backup {number}: {problem}" for problem in await _problems_of(config, backup, ledger)]
    return problems


async def _problems_of(config: Config, backup: Taken, ledger: dict[int, StockEvent]) -> list[str]:
    problems = [f"{fault.check}: {fault.message}" for fault in await find_faults(config)]
    rows = await _ledger(config)
    last = max(rows, default=0)
    prefix = {id: row for id, row in ledger.items() if id <= last}
    if rows != prefix:
        problems.append(f"its {len(rows)} events are not the first {len(prefix)} of the ledger")
    if lost := backup.acknowledged - {row.event_id for row in rows.values()}:
        problems.append(f"{len(lost)} events are not in it that were acknowledged before")
    return problems


async def _ledger(config: Config) -> dict[int, StockEvent]:
    async with reading(config) as read:
        return {row.id: row for row in (await list_events(read, limit=10_000_000)).events}


def run(dialect: str, count: int = 50) -> bool:
    """Whether every backup was a complete snapshot."""
    begun = time.monotonic()
    with shop(dialect) as ground:
        with serve(ground.environ, ground.directory) as server:
            taken = asyncio.run(take_backups(ground, int(server.url.rpartition(":")[2]), count))
            problems = asyncio.run(ground.problems())
        took = time.monotonic() - begun
        problems += asyncio.run(problems_with(ground, taken))
        print(f"{len(taken)} backups in {took:.0f} s under load; {time.monotonic() - begun:.0f} s with restoring")
        return verdict(f"backups under load on {dialect}", ground, problems)


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backups", type=int, default=50)
    parser.add_argument("--dialect", choices=DIALECTS, action="append")
    wanted = parser.parse_args()
    passed = [run(each, wanted.backups) for each in wanted.dialect or DIALECTS]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
