"""Hostile connections: half-open, endless headers, aborted bodies. Scans continue, and memory does not grow."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx

from tests.faults.client import Client
from tests.faults.shop import DIALECTS, Shop, shop, verdict
from tests.serving import Server, serve

FILES = 256
HALF_OPEN = 300
HELD_SECONDS = 30
HEADER_BYTES = 200 * 2**20
VANISHED = 1_000
SCANNERS = 8
# Allowed growth of the process's memory, between scanning alone before and after.
MEMORY_MIB = 20
# Before memory is first measured: caches and pools have their size then.
WARM_SCANS = 4_000
HALF = b"POST /api/v1/scanner/scan HTTP/1.1\r\nHost: x\r\n"


class Scans:
    """Scanners that scan for the length of a block; every other one opens a connection for each scan."""

    def __init__(self, shop: Shop, port: int) -> None:
        self._shop = shop
        self._port = port
        self._seconds: list[float] = []

    @asynccontextmanager
    async def going_on(self, name: str) -> AsyncIterator[None]:
        """Prints the number and the response times of scans at the end."""
        self._seconds.clear()
        stop = asyncio.Event()
        scanners = [asyncio.create_task(self._scan(stop, reconnect=bool(number % 2))) for number in range(SCANNERS)]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*scanners)
        found = sorted(self._seconds)
        print(
            f"{name}: {len(found)} scans meanwhile, p50 {found[len(found) // 2] * 1000:.0f} ms,"
            f" p99 {found[int(len(found) * 0.99)] * 1000:.0f} ms, longest {found[-1] * 1000:.0f} ms"
        )

    async def _scan(self, stop: asyncio.Event, *, reconnect: bool) -> None:
        client = Client(self._port, self._shop.key)
        while not stop.is_set():
            begun = time.perf_counter()
            await self._shop.until_answered(client, [self._shop.new_event(is_scan=True)])
            self._seconds.append(time.perf_counter() - begun)
            if reconnect:
                await client.close()
            await asyncio.sleep(0.01)
        await client.close()


async def hold_half_open(port: int, count: int, seconds: float) -> int:
    """Holds that many connections with half a head each and replaces closed ones; returns how many it opened."""
    made = 0
    until = time.monotonic() + seconds

    async def hold() -> None:
        nonlocal made
        while time.monotonic() < until:
            with suppress(OSError, TimeoutError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                made += 1
                writer.write(HALF)
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(), max(until - time.monotonic(), 0.1))
                writer.close()
            await asyncio.sleep(0.1)

    await asyncio.gather(*(hold() for _ in range(count)))
    return made


async def send_headers(port: int, size: int) -> int:
    """Sends one header of that size while the server accepts it; returns the bytes accepted."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HALF + b"X-Endless: ")
    sent = 0
    with suppress(OSError):
        while sent < size:
            writer.write(b"x" * 2**20)
            await writer.drain()
            sent += 2**20
    writer.close()
    return sent


async def vanish(port: int, key: str, number: int) -> None:
    """Starts a body, of one kind or the other, and disconnects."""
    kinds = {
        "/events": "application/json",
        "/imports": "multipart/form-data; boundary=b",
        "/auth/login": "application/x-www-form-urlencoded",
    }
    path, kind = list(kinds.items())[number % len(kinds)]
    head = f"POST /api/v1{path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Type: {kind}\r\n"
    part = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nname\r\n'
    with suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"{head}Content-Length: 100000\r\n\r\n{part}".encode())
        await writer.drain()
        await asyncio.sleep(0.01 * (number % 5))
        writer.transport.abort()


def resident_mib(server: Server) -> float:
    """Memory of the server's process."""
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) / 1024  # type: ignore[index]


def faults_in(server: Server) -> list[str]:
    """Errors in the log and the metrics."""
    metrics = httpx.get(f"{server.url}/metrics", timeout=30).text
    problems = re.findall(r"stocky_http_requests_total\{.*status=\"5.*", metrics)
    problems += sorted(set(re.findall(r"WARNING stocky.http.problems: (.*) \[", server.log)))
    problems += [line for line in server.log.splitlines() if "Traceback" in line or " ERROR " in line]
    count = server.log.count("connections are in use")
    if count > 1 + HELD_SECONDS // 60 + 1:
        problems.append(f"the log reports {count} times that all connections are in use")
    return problems


async def knock(ground: Shop, server: Server) -> list[str]:
    """The problems; the figures are printed."""
    port = int(server.url.rpartition(":")[2])
    scans = Scans(ground, port)
    async with scans.going_on("alone"):
        warm = Client(port, ground.key)
        for _ in range(WARM_SCANS // 50):
            await ground.until_answered(warm, [ground.new_event(is_scan=False) for _ in range(50)])
        await warm.close()
        await asyncio.sleep(5)
    before = resident_mib(server)
    async with scans.going_on(f"{HALF_OPEN} half-open connections, {FILES} files"):
        made = await hold_half_open(port, HALF_OPEN, HELD_SECONDS)
    print(f"{made} half-open connections were made in {HELD_SECONDS} s")
    async with scans.going_on(f"{HEADER_BYTES // 2**20} MB of one header"):
        taken = await send_headers(port, HEADER_BYTES)
    async with scans.going_on(f"{VANISHED} vanished bodies"):
        for start in range(0, VANISHED, 50):
            await asyncio.gather(*(vanish(port, ground.admin_key, start + each) for each in range(50)))
    await asyncio.sleep(2)
    after = resident_mib(server)
    print(f"memory: {before:.0f} MiB before, {after:.0f} MiB after; {taken / 2**20:.0f} MiB of header were taken")
    problems = faults_in(server) + await ground.problems()
    if abs(after - before) > MEMORY_MIB:
        problems.append(f"memory went from {before:.0f} to {after:.0f} MiB")
    return problems


def run(dialect: str) -> bool:
    """Whether scans continued and nothing leaked."""
    limited = ("bash", "-c", f'ulimit -n {FILES} && exec "$0" "$@"', sys.executable, "-m", "stocky")
    with shop(dialect) as ground, serve(ground.environ, ground.directory, command=limited) as server:
        return verdict(f"door on {dialect}", ground, asyncio.run(knock(ground, server)))


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dialect", choices=DIALECTS, action="append")
    wanted = parser.parse_args()
    passed = [run(each) for each in wanted.dialect or DIALECTS]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
