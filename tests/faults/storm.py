"""64 connections post 20,000 scans of the same ten items, a tenth of them twice: the sums are exact."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time

from tests.faults.client import Client
from tests.faults.shop import DIALECTS, Shop, shop, verdict
from tests.serving import serve


async def storm(shop: Shop, port: int, *, scans: int, connections: int) -> list[str]:
    """The problems found after so many scans, a tenth of them sent twice, each at a random place in the order."""
    events = [shop.new_event(is_scan=True) for _ in range(scans - scans // 10)]
    order = events + random.sample(events, scans // 10)
    random.shuffle(order)

    async def post() -> None:
        client = Client(port, shop.key)
        while order:
            await shop.until_answered(client, [order.pop()])
        await client.close()

    begun = time.monotonic()
    await asyncio.gather(*(post() for _ in range(connections)))
    print(f"{scans} scans over {connections} connections in {time.monotonic() - begun:.1f} s")
    return await shop.problems(all_sent=True)


def run(dialect: str, scans: int = 20_000, connections: int = 64) -> bool:
    """Whether every sum is exact."""
    with shop(dialect) as ground, serve(ground.environ, ground.directory) as server:
        port = int(server.url.rpartition(":")[2])
        problems = asyncio.run(storm(ground, port, scans=scans, connections=connections))
        return verdict(f"storm on {dialect}", ground, problems)


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--dialect", choices=DIALECTS, action="append")
    wanted = parser.parse_args()
    dialects = wanted.dialect or DIALECTS
    passed = [run(each, wanted.scans, wanted.connections) for each in dialects]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
