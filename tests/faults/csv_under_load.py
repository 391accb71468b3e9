"""100,000 rows are imported while 16 scanners scan: no scan is refused, lost or slow, and progress is reported."""

from __future__ import annotations

import argparse
import asyncio
import csv
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import msgspec

from stocky.stock.consistency import find_faults
from stocky.stock.repository import list_events, list_skus
from tests.faults.client import Client
from tests.faults.shop import DIALECTS, Shop, reading, shop, verdict
from tests.serving import Server, serve

SCANNERS = 16
# Between two scans of one scanner, as fast as a person scans; 0 for as fast as responses arrive.
PACE_SECONDS = 0.1
ALONE_SECONDS = 8
LOCATIONS = 50
# The latency that people at a scanner notice. A higher p99 is a problem; all figures are printed.
WORST_P99_SECONDS = 1.0


class Latencies:
    """Response times of scans, by phase."""

    def __init__(self) -> None:
        self.phase = "alone"
        self.seconds: dict[str, list[float]] = {}
        self.statuses: Counter[int] = Counter()

    def note(self, status: int, seconds: float) -> None:
        self.statuses[status] += 1
        self.seconds.setdefault(self.phase, []).append(seconds)

    def p99(self, phase: str) -> float:
        """Of all scans in a phase."""
        found = sorted(self.seconds[phase])
        return found[int(len(found) * 0.99)]

    def summary(self, phase: str) -> str:
        """A line of figures, in milliseconds."""
        found = self.seconds[phase]
        return (
            f"{phase:>9}: {len(found):6} scans, p50 {median(found) * 1000:6.1f} ms,"
            f" p99 {self.p99(phase) * 1000:6.1f} ms, longest {max(found) * 1000:6.1f} ms"
        )


def write_table(file: Path, rows: int) -> None:
    """Items at one location each, every fifth at a second location in the next row."""
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["name", "barcode", "description", "tags", "location", "quantity", "unit", "expiry_date"])
        for row in range(rows):
            item = row - row % 5 if row % 5 == 1 else row
            location = f"Rack {(row * 7) % LOCATIONS}"
            values = [f"Part {item}", f"PART-{item:07}", "Imported, in bulk", f"bulk; group {item % 20}"]
            writer.writerow([*values, location, f"{row % 90 + 1}.125", "piece", "2031-01-31" if row % 3 else ""])


async def scan(shop: Shop, port: int, figures: Latencies, stop: asyncio.Event, pace: float) -> None:
    """One scanner, until `stop`."""
    client = Client(port, shop.key, timeout=60)
    while not stop.is_set():
        event = shop.new_event(is_scan=True)
        begun = time.perf_counter()
        answer = await shop.send(client, [event])
        figures.note(answer.status if answer else 0, time.perf_counter() - begun)
        await asyncio.sleep(pace)
    await client.close()


async def import_table(server: Server, key: str, file: Path) -> tuple[dict[str, Any], int]:
    """The finished job of the import, and how many times it reported progress."""
    reports = 0
    async with httpx.AsyncClient(base_url=server.api, headers={"X-API-Key": key}, timeout=600) as client:
        with file.open("rb") as opened:
            answer = await client.post("/imports", files={"file": (file.name, opened, "text/csv")})
        answer.raise_for_status()
        job: dict[str, Any] = {}
        async with client.stream("GET", f"/imports/{answer.json()['job_id']}/events") as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data: "):
                    reports += 1
                    job = msgspec.json.decode(line.removeprefix("data: "))
        return job, reports


async def under_load(
    shop: Shop, server: Server, file: Path, *, rows: int, scanners: int, pace: float
) -> tuple[list[str], Latencies]:
    """The problems, and the figures."""
    port = int(server.url.rpartition(":")[2])
    figures, stop = Latencies(), asyncio.Event()
    scanning = [asyncio.create_task(scan(shop, port, figures, stop, pace)) for _ in range(scanners)]
    await asyncio.sleep(ALONE_SECONDS)
    memory = _memory(server, "VmRSS")
    figures.phase = "importing"
    begun = time.monotonic()
    job, reports = await import_table(server, shop.admin_key, file)
    took = time.monotonic() - begun
    figures.phase = "after"
    await asyncio.sleep(2)
    stop.set()
    await asyncio.gather(*scanning)
    report = job["result"] or {}
    print(
        f"{rows:,} rows in {took:.0f} s ({rows / took:,.0f} a second), {reports} progress reports; {job['error'] or ''}"
    )
    print(f"memory: {memory:.0f} MiB before, {_memory(server, 'VmHWM'):.0f} MiB at most")
    for phase in figures.seconds:
        print(figures.summary(phase))
    problems = [] if report.get("applied") else [f"the import was not applied: {job}"]
    if reports < 10:
        problems.append(f"progress was reported only {reports} times")
    if set(figures.statuses) != {200}:
        problems.append(f"not every scan was answered with 200: {dict(figures.statuses)}")
    if report and report["written"]["stock_events"] != rows:
        problems.append(f"{report['written']['stock_events']} rows of {rows} were booked")
    return problems, figures


async def lost(shop: Shop) -> list[str]:
    """Acknowledged scans that are not in the ledger exactly once, and wrong sums."""
    problems = [f"{fault.check}: {fault.message}" for fault in await find_faults(shop.config)]
    times: Counter[str | None] = Counter()
    async with reading(shop.config) as read:
        for item in shop.items:
            events = (await list_events(read, limit=10_000_000, item_id=item)).events
            times.update(event.event_id for event in events)
            quantity = sum(sku.quantity for sku in await list_skus(read, skip=0, limit=1000, item_id=item))
            if quantity != sum(event.delta for event in events):
                problems.append(f"item {item} holds {quantity}")
    problems += [f"{each} is lost" for each in sorted(shop.acknowledged - times.keys())]
    return problems + [f"{each} is there {count} times" for each, count in times.items() if count > 1]


def _memory(server: Server, name: str) -> float:
    """MiB of the server's process, by this line of its status."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


@contextmanager
def table(directory: Path, rows: int) -> Iterator[Path]:
    """The file that is imported."""
    file = directory / "parts.csv"
    write_table(file, rows)
    yield file
    file.unlink()


def run(dialect: str, rows: int = 100_000, scanners: int = SCANNERS, pace: float = PACE_SECONDS) -> bool:
    """Whether no scan was affected and all rows were imported."""
    name = f"csv under load on {dialect}"
    with shop(dialect) as ground, table(ground.directory, rows) as file:
        with serve(ground.environ, ground.directory) as server:
            problems, figures = asyncio.run(under_load(ground, server, file, rows=rows, scanners=scanners, pace=pace))
        problems += asyncio.run(lost(ground))
        if figures.p99("importing") > WORST_P99_SECONDS:
            problems.append(f"a scan in a hundred waited {figures.p99('importing'):.1f} s and more")
        return verdict(name, ground, problems + ground.wrong)


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--scanners", type=int, default=SCANNERS)
    parser.add_argument("--pace", type=float, default=PACE_SECONDS, help="seconds between scans; 0 for none")
    parser.add_argument("--dialect", choices=DIALECTS, action="append")
    wanted = parser.parse_args()
    passed = [run(each, wanted.rows, wanted.scanners, wanted.pace) for each in wanted.dialect or DIALECTS]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
