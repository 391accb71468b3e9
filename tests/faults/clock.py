"""R12: a clock a year ahead is set back; no backup is lost, every schedule runs, no name stays in the future.

The server and its children run under Debian's `faketime` (libfaketime), whose clock a file sets while they run. Without
it the script reports that and checks nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from tests.faults.shop import DIALECTS, SECRET_KEY, Shop, shop, verdict
from tests.serving import Server, serve

YEAR, KEEP, DAYS = 365, 2, 3
# The schedule is checked every 20 seconds, the clock every 60.
WAIT_SECONDS = 150


def find_library() -> Path | None:
    """The library that fakes the time for programs with threads."""
    return next(iter(sorted(Path("/usr").glob("lib*/**/faketime/libfaketimeMT.so.1"))), None)


class FakedClock:
    """The clock of a server, some days ahead of the real one."""

    def __init__(self, file: Path, library: Path) -> None:
        self._file = file
        self.ahead = timedelta()
        self.environ = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            # Python waits by this clock, which never goes back on a real machine.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.set(0)

    def set(self, days: int) -> None:
        self.ahead = timedelta(days=days)
        made = self._file.with_suffix(".new")
        made.write_text(f"+{days}d\n")
        made.replace(self._file)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Admin:
    """An admin's view of one server."""

    def __init__(self, server: Server, key: str) -> None:
        self._client = httpx.AsyncClient(base_url=server.api, headers={"X-API-Key": key}, timeout=20)

    async def scheduled(self) -> list[dict[str, Any]]:
        """The scheduled backups that passed their test restore, in the order of the list."""
        listed: list[dict[str, Any]] = (await self._client.get("/system/backup/list")).json()
        return [each for each in listed if each["reason"] == "scheduled" and each["is_good"]]

    async def wait_for(self, is_there: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]] | None:
        """The scheduled backups once they are as expected; None after a timeout."""
        for _ in range(WAIT_SECONDS * 2):
            backups = await self.scheduled()
            if is_there(backups):
                return backups
            await asyncio.sleep(0.5)
        return None

    async def enable(self) -> None:
        settings = {"backup_schedule_enabled": True, "backup_schedule_kind": "sql", "backup_keep": KEEP}
        (await self._client.patch("/settings", json=settings)).raise_for_status()

    async def alerts(self) -> list[str]:
        return [each["alert_type"] for each in (await self._client.get("/alerts/")).json()]

    async def close(self) -> None:
        await self._client.aclose()


async def ahead(shop: Shop, server: Server, faked: FakedClock) -> list[str]:
    """A schedule is enabled with the clock a year ahead, and a day later there is a backup."""
    admin = Admin(server, shop.admin_key)
    await admin.enable()
    faked.set(YEAR + 1)
    backups = await admin.wait_for(bool)
    await admin.close()
    return [] if backups else ["the schedule did not run while the clock was ahead"]


async def back(shop: Shop, server: Server, faked: FakedClock) -> list[str]:
    """The clock is set back; each day has its backup, which is kept."""
    admin = Admin(server, shop.admin_key)
    problems = []
    for day in range(1, DAYS + 1):
        # The clock is checked before the next day begins.
        for _ in range(WAIT_SECONDS * 2):
            if "clock_went_back" in await admin.alerts():
                break
            await asyncio.sleep(0.5)
        else:
            problems.append("no alert reports that the clock went back")
        faked.set(day)
        today = faked.now()

        def is_of_today(backups: list[dict[str, Any]], today: datetime = today) -> bool:
            return bool(backups) and abs(datetime.fromisoformat(backups[0]["created_at"]) - today) < timedelta(hours=1)

        backups = await admin.wait_for(is_of_today)
        if backups is None:
            problems.append(f"day {day}: no backup of this day is the first of the list: {await admin.scheduled()}")
        elif backups[0]["timestamp"] > f"{today + timedelta(hours=1):%Y-%m-%d-%H-%M-%S}":
            problems.append(f"day {day}: the name stays in the future: {backups[0]['timestamp']}")
        elif not 1 <= len(backups) <= KEEP + 1:
            problems.append(f"day {day}: {len(backups)} backups are kept, not {KEEP}")
    await admin.close()
    if "The clock of this server went back" not in server.log:
        problems.append("the log does not report that the clock went back")
    return problems


def run(dialect: str) -> bool:
    """Whether nothing was lost; true, with a message, where the clock cannot be faked."""
    library = find_library()
    if library is None:
        print("clock: SKIPPED, there is no libfaketime here (apt-get install faketime)")
        return True
    with shop(dialect) as ground:
        faked = FakedClock(ground.directory / "faked-clock", library)
        environ = ground.environ | faked.environ | {"STOCKY_SECRET_KEY": SECRET_KEY}
        faked.set(YEAR)
        with serve(environ, ground.directory) as server:
            problems = asyncio.run(ahead(ground, server, faked))
            # Set back while the server runs.
            faked.set(0)
            problems += asyncio.run(back(ground, server, faked))
        return verdict(f"clock on {dialect}", ground, problems + asyncio.run(ground.problems()))


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dialect", choices=DIALECTS, action="append")
    wanted = parser.parse_args()
    passed = [run(each) for each in wanted.dialect or DIALECTS]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
