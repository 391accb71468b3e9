"""R4: randomly damaged dumps and archives (bits, cuts, swapped parts): none is accepted.

Damage that leaves the unpacked bytes unchanged (a bit of the time in gzip's header) does not damage the data; it is
counted separately.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import io
import random
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from stocky.backup.archive.reading import open_backup
from stocky.backup.load.loading import load
from stocky.backup.requests import LoadRequest
from stocky.errors import StockyError
from tests.cli.running import stocky
from tests.faults.client import Client
from tests.faults.shop import DIALECTS, Shop, shop
from tests.serving import serve

EVENTS = 2_000
LARGE = 2**30


def flip(content: bytes) -> bytes:
    """Flips one to eight bits."""
    damaged = bytearray(content)
    for _ in range(random.randint(1, 8)):
        damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
    return bytes(damaged)


def cut(content: bytes) -> bytes:
    """Cuts off the end."""
    return content[: random.randrange(len(content))]


def swap(content: bytes) -> bytes:
    """Swaps two parts."""
    first, second, third = sorted(random.sample(range(len(content)), 3))
    return content[:first] + content[second:third] + content[first:second] + content[third:]


def lose(content: bytes) -> bytes:
    """Removes a part from the middle."""
    first, second = sorted(random.sample(range(len(content)), 2))
    return content[:first] + content[second:]


def zeros(content: bytes) -> bytes:
    """Zeroes a disk block."""
    start = random.randrange(len(content))
    return content[:start] + bytes(min(4096, len(content) - start)) + content[start + 4096 :]


def inside(damage: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Damages the text before compression, so gzip detects nothing."""
    return lambda content: gzip.compress(damage(gzip.decompress(content)), 1)


DAMAGES = [flip, cut, swap, lose, zeros, *(inside(each) for each in (flip, cut, swap, lose))]


def damage_again_and_again(shop: Shop, count: int) -> list[str]:
    """The accepted ones of `count` damaged backups."""
    with serve(shop.environ, shop.directory) as server:
        asyncio.run(_record_events(shop, int(server.url.rpartition(":")[2])))
    files = []
    for kind, name in (("sql", "backup.sql.gz"), ("archive", "backup.zip")):
        file = shop.directory / name
        assert stocky(shop.environ, "backup", "--kind", kind, "-o", str(file)).returncode == 0
        assert _is_accepted(shop, file), "the undamaged one is refused"
        files.append(file)
    accepted, harmless = [], 0
    for number in range(count):
        file = files[number % 4 == 3]
        content = file.read_bytes()
        damage = random.choice(DAMAGES if file is files[0] else DAMAGES[:5])
        damaged = damage(content)
        if _packed(damaged) == _packed(content):
            harmless += 1
            continue
        target = shop.directory / f"damaged{''.join(file.suffixes)}"
        target.write_bytes(damaged)
        if _is_accepted(shop, target):
            accepted.append(f"number {number}, {damage.__qualname__} of {file.name}")
    print(f"{count - harmless} damaged and {harmless} that only look so")
    return accepted


def _is_accepted(shop: Shop, file: Path) -> bool:
    place = shop.directory / "place"
    place.mkdir(exist_ok=True)
    scratch = place / "scratch.db"
    scratch.unlink(missing_ok=True)
    try:
        dump = asyncio.run(open_backup(file, place, shop.config)).dump
        load(LoadRequest(dump=str(dump), scratch=str(scratch), purpose="full", max_bytes=LARGE), _ignore_progress)
    except StockyError:
        return False
    return True


def _packed(content: bytes) -> list[bytes] | None:
    """The unpacked content as far as it can be read; None when it cannot."""
    try:
        if not content.startswith(b"PK"):
            # Without its final line end it is still complete.
            return [gzip.decompress(content).removesuffix(b"\n")]
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return [archive.read(name) for name in ("metadata.json", "settings.json", "database.sql.gz")]
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, ValueError):
        return None


def _ignore_progress(phase: str, done: int, total: int | None, unit: str) -> None:
    return None


async def _record_events(shop: Shop, port: int) -> None:
    client = Client(port, shop.key)
    for _ in range(EVENTS // 500):
        await shop.until_answered(client, [shop.new_event(is_scan=False) for _ in range(500)])
    await client.close()


def run(dialect: str, count: int = 500) -> bool:
    """Whether every damaged backup was rejected."""
    begun = time.monotonic()
    with shop(dialect) as ground:
        accepted = damage_again_and_again(ground, count)
    for each in accepted:
        print(f"damaged backups of {dialect}: {each} was accepted")
    verdict = f"FAILED, {len(accepted)} accepted" if accepted else f"none of {count} accepted"
    print(f"damaged backups of {dialect}: {verdict}, {time.monotonic() - begun:.0f} s")
    return not accepted


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500, help="of each dialect")
    parser.add_argument("--dialect", choices=DIALECTS, action="append")
    wanted = parser.parse_args()
    passed = [run(each, wanted.count) for each in wanted.dialect or DIALECTS]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
