"""R3 for scanning: the disk fills up under SQLite; every response is clean, and scanning resumes with free space."""

from __future__ import annotations

import argparse
import asyncio
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.client import Client
from tests.faults.shop import Shop, shop, verdict, write
from tests.serving import Server, serve

WRITERS = 16
MEBIBYTE = 1024 * 1024
DISK = 32 * MEBIBYTE
# What is left while the disk is nearly full; less than the log of SQLite grows to before it is folded in.
ROOM = 2 * MEBIBYTE
FULL_SECONDS = 60
# This many responses about a full disk are enough.
REFUSALS = 100

# Takes free space from a server, or returns it.
Squeeze = Callable[[Server, bool], None]


@contextmanager
def small_disk() -> Iterator[tuple[Path, Squeeze]]:
    """A directory with little free space: a tmpfs where one can be mounted, or else a limit on the size of files."""
    with tempfile.TemporaryDirectory(prefix="stocky-disk-") as made:
        directory = Path(made)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "stocky-faults", made]
        if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
            print("no tmpfs can be mounted here: the size of files is limited instead (RLIMIT_FSIZE)")
            yield directory, _limit_files
            return
        print(f"a tmpfs of {DISK // MEBIBYTE} MiB is mounted, {ROOM // MEBIBYTE} MiB of it to be left while it is full")
        try:
            yield directory, lambda _, full: _fill(directory / "ballast", full)
        finally:
            subprocess.run(["umount", made], check=True)


def _fill(ballast: Path, full: bool) -> None:
    if full:
        used = sum(each.stat().st_size for each in ballast.parent.iterdir())
        ballast.write_bytes(bytes(DISK - used - ROOM))
    else:
        ballast.unlink()


def _limit_files(server: Server, full: bool) -> None:
    hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (ROOM if full else hard, hard))


async def fill_up(shop: Shop, server: Server, squeeze: Squeeze) -> list[str]:
    """The problems found while the disk was full and after it."""
    port = int(server.url.rpartition(":")[2])
    squeeze(server, True)
    stop = asyncio.Event()
    writers = [asyncio.create_task(write(shop, [port], stop)) for _ in range(WRITERS)]
    for _ in range(FULL_SECONDS * 20):
        if shop.answers["507"] + shop.answers["503"] >= REFUSALS:
            break
        await asyncio.sleep(0.05)
    else:
        shop.wrong.append(f"the disk was not full after {FULL_SECONDS} s")
    print(f"full: {shop.summary()}")
    squeeze(server, False)
    client = Client(port, shop.key)
    await shop.until_answered(client, [shop.new_event(is_scan=True)])
    await client.close()
    stop.set()
    await asyncio.gather(*writers)
    print(f"room again: {shop.summary()}")
    return await shop.problems()


def run() -> bool:
    """Whether nothing was lost."""
    with small_disk() as (directory, squeeze), shop("sqlite", directory) as ground:
        with serve(ground.environ, ground.directory) as server:
            problems = asyncio.run(fill_up(ground, server, squeeze))
            if server.process.poll() is not None:
                problems.append("the server has ended")
        with serve(ground.environ, ground.directory) as server:
            asyncio.run(ground.send_everything_again([int(server.url.rpartition(":")[2])]))
            problems += asyncio.run(ground.problems(all_sent=True))
        return verdict("disk full on sqlite", ground, problems)


def main() -> int:
    """The exit status."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    return 0 if run() else 1


if __name__ == "__main__":
    sys.exit(main())
