"""R3 for backups: the disk fills up at every point of a backup and a restore; each fails cleanly, without harm."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from tests.architecture import schema
from tests.faults.client import Client
from tests.faults.disk_full import MEBIBYTE, small_disk
from tests.faults.shop import Shop, shop, verdict
from tests.serving import serve

EVENTS = 5_000
# Free bytes, from almost none to more than a restore needs, so the disk fills up at different points.
ROOMS = [int(MEBIBYTE * share / 4) for share in range(1, 57)]
NOT_COMPARED = {"sign_in", "refresh_token", "job", "audit_entry", "auth_revision", "api_key", "setting"}
CLEAN = (200, 507, 503)


async def try_every_room(shop: Shop, port: int, disk: Path, dump: bytes) -> list[str]:
    """The problems of a backup and a restore with each amount of free space; scanning continues in between."""
    problems: list[str] = []
    answers: Counter[str] = Counter()
    ballast = disk / "ballast"
    before = _contents(shop)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}/api/v1", headers={"X-API-Key": shop.admin_key}, timeout=120
    ) as admin:
        for room in ROOMS:
            ballast.unlink(missing_ok=True)
            free = shutil.disk_usage(disk).free
            ballast.write_bytes(bytes(max(0, free - room)))
            for name, answer in (
                ("backup", await admin.post("/backup/create/full")),
                (
                    "restore",
                    await admin.post("/backup/upload/import/full?force=true", files={"file": ("state.sql.gz", dump)}),
                ),
            ):
                answers[f"{name} {answer.status_code}"] += 1
                if answer.status_code not in CLEAN:
                    problems.append(
                        f"{name} with {room} bytes of room was answered {answer.status_code}: {answer.text}"
                    )
            if _contents(shop) != before:
                problems.append(f"with {room} bytes of room the data has changed")
            for stored in (await admin.get("/system/backup/list")).json():
                await admin.delete(f"/system/backup/{stored['timestamp']}")
            if left := [each.name for each in shop.config.backup_dir.iterdir()]:
                problems.append(f"with {room} bytes of room {', '.join(left)} is left behind")
        ballast.unlink()
    print(", ".join(f"{count} x {answer}" for answer, count in sorted(answers.items())))
    if not answers["backup 507"] or not answers["restore 507"] or not answers["restore 200"]:
        problems.append("the rooms were not what they were meant to be")
    return problems


async def record_events(shop: Shop, port: int, count: int) -> None:
    client = Client(port, shop.key)
    for _ in range(count // 500):
        await shop.until_answered(client, [shop.new_event(is_scan=False) for _ in range(500)])
    await client.close()


def _contents(shop: Shop) -> Any:
    return {table: rows for table, rows in schema.contents(shop.config).items() if table not in NOT_COMPARED}


def run() -> bool:
    """Whether everything failed cleanly, and nothing was lost."""
    begun = time.monotonic()
    with small_disk() as (disk, _), shop("sqlite", disk) as ground:
        ground.environ["STOCKY_BACKUP_DIR"] = str(disk / "backups")
        ground.reload()
        with serve(ground.environ, ground.directory) as server:
            port = int(server.url.rpartition(":")[2])
            asyncio.run(record_events(ground, port, EVENTS))
            answer = httpx.post(
                f"{server.api}/backup/create/full/download", headers={"X-API-Key": ground.admin_key}, timeout=60
            )
            problems = asyncio.run(try_every_room(ground, port, disk, answer.raise_for_status().content))
            # With free space, everything works again.
            asyncio.run(record_events(ground, port, 500))
            problems += asyncio.run(ground.problems(all_sent=True))
        print(f"{len(ROOMS)} rooms in {time.monotonic() - begun:.0f} s")
        return verdict("disk full while backing up and restoring", ground, problems)


def main() -> int:
    """The exit status."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    return 0 if run() else 1


if __name__ == "__main__":
    sys.exit(main())
