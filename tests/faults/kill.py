"""R1: kill -9 at random moments under 32 writers; acknowledged events count once, others at most once."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from contextlib import AbstractContextManager

from tests.faults.shop import DIALECTS, Shop, shop, verdict, write
from tests.serving import Server, free_port, serve

WRITERS = 32
# Every fourth writer does not wait for a response before it sends the next request.
HASTY = 4


class Servers:
    """Real servers on one database, each with a fixed port."""

    def __init__(self, shop: Shop, count: int) -> None:
        self.ports = [free_port() for _ in range(count)]
        self._shop = shop
        self._running: dict[int, tuple[AbstractContextManager[Server], Server]] = {}

    async def start(self, port: int) -> None:
        manager = serve(self._shop.environ, self._shop.directory, port=port)
        self._running[port] = (manager, await asyncio.to_thread(manager.__enter__))

    def kill(self, port: int) -> None:
        manager, server = self._running.pop(port)
        server.kill()
        manager.__exit__(None, None, None)

    async def stop(self) -> list[str]:
        """Stops all as an operator would; returns the problems."""
        problems = []
        for port, (manager, server) in self._running.items():
            if status := await asyncio.to_thread(server.stop):
                problems.append(f"the server on port {port} ended with {status}:\n{server.log[-2000:]}")
            manager.__exit__(None, None, None)
        self._running.clear()
        return problems


async def kill_again_and_again(shop: Shop, kills: int, processes: int) -> list[str]:
    """The problems found after so many kills."""
    servers = Servers(shop, processes)
    await asyncio.gather(*(servers.start(port) for port in servers.ports))
    stop = asyncio.Event()
    writers = [
        asyncio.create_task(write(shop, servers.ports, stop, width=1 if number % HASTY else 3))
        for number in range(WRITERS)
    ]
    for _ in range(kills):
        await asyncio.sleep(random.uniform(0.05, 0.8))
        port = random.choice(servers.ports)
        servers.kill(port)
        await servers.start(port)
    stop.set()
    await asyncio.gather(*writers)
    problems = await shop.problems()
    print(f"after {kills} kills: {shop.summary()}")
    await shop.send_everything_again(servers.ports)
    problems += await servers.stop()
    return problems + await shop.problems(all_sent=True)


def run(dialect: str, kills: int, processes: int = 1) -> bool:
    """Whether nothing was lost."""
    name = f"kill -9 on {dialect}" + (f", {processes} processes" if processes > 1 else "")
    begun = time.monotonic()
    with shop(dialect) as ground:
        problems = asyncio.run(kill_again_and_again(ground, kills, processes))
        print(f"{name}: {kills} kills in {time.monotonic() - begun:.0f} s")
        return verdict(name, ground, problems)


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=25, help="on each dialect")
    parser.add_argument("--dialect", choices=DIALECTS, action="append")
    parser.add_argument("--processes", type=int, default=1, help="on one Postgres")
    wanted = parser.parse_args()
    dialects = wanted.dialect or DIALECTS
    passed = [run(each, wanted.kills, wanted.processes) for each in dialects]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
