"""R12: the database file, or its log, is lost under writers; nothing more is acknowledged, and nothing is lost."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx

from tests.faults.shop import Shop, shop, verdict, write
from tests.serving import Server, serve

WRITERS = 16
BUSY_SECONDS = 1.0
RESCUE_SECONDS = 60
RESCUED = "All data recorded until then is in "


def _delete(database: Path) -> None:
    database.unlink()


def _replace(database: Path) -> None:
    other = database.with_name("other.db")
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(other)) as target:
        source.backup(target)
    other.replace(database)


def _move(database: Path) -> None:
    database.rename(database.with_name("moved.db"))


def _delete_the_log(database: Path) -> None:
    database.with_name(f"{database.name}-wal").unlink()


WAYS: dict[str, Callable[[Path], None]] = {
    "deleted": _delete,
    "replaced": _replace,
    "moved": _move,
    "without its log": _delete_the_log,
}


async def lose(shop: Shop, server: Server, way: Callable[[Path], None]) -> list[str]:
    """The problems found after the file is lost under writers, until its data is rescued."""
    port = int(server.url.rpartition(":")[2])
    stop = asyncio.Event()
    writers = [asyncio.create_task(write(shop, [port], stop)) for _ in range(WRITERS)]
    await asyncio.sleep(BUSY_SECONDS)
    await asyncio.to_thread(way, shop.config.sqlite_path)
    # Requests in progress when the file was lost are answered by now.
    await asyncio.sleep(BUSY_SECONDS)
    acknowledged = len(shop.acknowledged)
    await asyncio.sleep(BUSY_SECONDS)
    stop.set()
    await asyncio.gather(*writers)
    problems = []
    if late := len(shop.acknowledged) - acknowledged:
        problems.append(f"{late} events were acknowledged although the file was lost")
    if not acknowledged:
        problems.append("nothing was acknowledged before the file was lost, so nothing was checked")
    async with httpx.AsyncClient() as client:
        if (await client.get(f"{server.url}/health/ready")).status_code != 503:
            problems.append("it reports that it is ready")
    for _ in range(RESCUE_SECONDS * 20):
        if RESCUED in server.log:
            return problems
        await asyncio.sleep(0.05)
    return [*problems, f"what was recorded was not written out within {RESCUE_SECONDS} s"]


def put_back(shop: Shop, server: Server) -> list[str]:
    """Follows the instructions in the log; returns the problems."""
    files = list(shop.config.backup_dir.glob("stocky-rescued-*.db"))
    if len(files) != 1 or str(files[0]) not in server.log:
        return [f"the log names another file than those there are: {files}"]
    database = shop.config.sqlite_path
    for suffix in ("", "-wal", "-shm"):
        database.with_name(f"{database.name}{suffix}").unlink(missing_ok=True)
    shutil.move(files[0], database)
    return []


def run_one(name: str, way: Callable[[Path], None]) -> bool:
    """Whether nothing was lost."""
    with shop("sqlite") as ground:
        with serve(ground.environ, ground.directory) as server:
            problems = asyncio.run(lose(ground, server, way))
            if status := server.stop():
                problems.append(f"the server ended with {status}")
        problems += put_back(ground, server)
        problems += asyncio.run(ground.problems())
        with serve(ground.environ, ground.directory) as server:
            asyncio.run(ground.send_everything_again([int(server.url.rpartition(":")[2])]))
        problems += asyncio.run(ground.problems(all_sent=True))
        return verdict(f"database file {name}", ground, problems)


def run() -> bool:
    """Whether nothing was lost in any of the cases."""
    passed = [run_one(name, way) for name, way in WAYS.items()]
    return all(passed)


def main() -> int:
    """The exit status."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    return 0 if run() else 1


if __name__ == "__main__":
    sys.exit(main())
