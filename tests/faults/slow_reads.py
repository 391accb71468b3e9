"""Exports and large lists are read all the time while 16 scanners scan; no scan or readiness check is refused."""

from __future__ import annotations

import asyncio
import http.client
import multiprocessing
import time
from collections import Counter
from datetime import date, timedelta
from multiprocessing.process import BaseProcess

import httpx

from tests.faults.csv_under_load import PACE_SECONDS, SCANNERS, WORST_P99_SECONDS, Latencies, lost, scan
from tests.faults.shop import Shop, shop, verdict
from tests.serving import Server, serve

STOCK_RECORDS, LOTS = 50_000, 100
ALONE_SECONDS = 8
READ_SECONDS = 25
EXPORTERS = 4
LISTS = ("/skus/?as_of=2035-01-01T00:00:00Z&limit=1000", "/items/?search=code&limit=1000", "/skus/low-stock?limit=1000")


def read_on(port: int, key: str, path: str, seconds: float) -> None:
    """One client, in its own process: reads a path again and again, and retries later after a refusal."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", f"/api/v1{path}", headers={"X-API-Key": key})
        answer = connection.getresponse()
        while answer.read(65_536) and time.monotonic() < until:
            pass
        connection.close()
        if answer.status == 503:
            time.sleep(1)


async def fill(server: Server, shop: Shop) -> None:
    """Items with a stock record for each of a hundred days."""
    async with httpx.AsyncClient(base_url=server.api, headers={"X-API-Key": shop.admin_key}, timeout=120) as client:
        for item in range(STOCK_RECORDS // LOTS):
            key = {"type": "add", "item": {"upc": f"lots-{item}"}, "location": {"id": shop.location}, "quantity": 1}
            lots = [(date(2030, 1, 1) + timedelta(days=number)).isoformat() for number in range(LOTS)]
            answer = await client.post("/events", json={"events": [{**key, "lot": lot} for lot in lots]})
            answer.raise_for_status()


async def look(server: Server, shop: Shop, statuses: Counter[str], stop: asyncio.Event) -> None:
    """Checks readiness and makes a short read, as a monitor and a user do."""
    async with httpx.AsyncClient(base_url=server.url, headers={"X-API-Key": shop.admin_key}, timeout=60) as client:
        while not stop.is_set():
            for path in ("/health/ready", "/api/v1/locations/"):
                statuses[f"{path} {(await client.get(path)).status_code}"] += 1
            await asyncio.sleep(0.2)


async def under_load(shop: Shop, server: Server) -> tuple[list[str], Latencies]:
    """The problems, and the figures."""
    await fill(server, shop)
    port = int(server.url.rpartition(":")[2])
    figures, statuses, stop = Latencies(), Counter[str](), asyncio.Event()
    tasks = [asyncio.create_task(scan(shop, port, figures, stop, PACE_SECONDS)) for _ in range(SCANNERS)]
    tasks.append(asyncio.create_task(look(server, shop, statuses, stop)))
    await asyncio.sleep(ALONE_SECONDS)
    figures.phase = "reading"
    spawn = multiprocessing.get_context("spawn")
    readers: list[BaseProcess] = [
        spawn.Process(target=read_on, args=(port, shop.admin_key, path, READ_SECONDS))
        for path in ["/exports/stock.csv"] * EXPORTERS + list(LISTS)
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        await asyncio.to_thread(reader.join)
    stop.set()
    await asyncio.gather(*tasks)
    for phase in figures.seconds:
        print(figures.summary(phase))
    problems = (
        [f"not every scan was answered with 200: {dict(figures.statuses)}"] if set(figures.statuses) != {200} else []
    )
    problems += [f"{count} x {each}" for each, count in statuses.items() if not each.endswith(" 200")]
    problems += [f"a reader ended with {reader.exitcode}" for reader in readers if reader.exitcode]
    return problems, figures


def run(dialect: str) -> bool:
    """Whether no scan was affected."""
    name = f"slow reads on {dialect}"
    with shop(dialect) as ground:
        with serve(ground.environ, ground.directory) as server:
            problems, figures = asyncio.run(under_load(ground, server))
        problems += asyncio.run(lost(ground))
        if figures.p99("reading") > WORST_P99_SECONDS:
            problems.append(f"a scan in a hundred waited {figures.p99('reading'):.1f} s and more")
        return verdict(name, ground, problems + ground.wrong)
