"""Notices that the clock went back: says so, and lets nothing wait for a time that only the wrong clock has seen."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import datetime, timedelta

from msgspec import Struct

from stocky import clock
from stocky.alerts import repository as alerts
from stocky.backup.store import Store
from stocky.db import Connection, Database
from stocky.jobs.jobs import LEASE
from stocky.jobs.schedule import Schedule

KIND = "clock_went_back"
LOOK_SECONDS = 60
# Clocks of servers on one database may differ by as much; nothing that is set by Stocky waits longer than FAR.
FUTURE = clock.SKEW
FAR = timedelta(days=1)

_log = logging.getLogger(__name__)


class _Moment(Struct):
    moment: datetime | None


class ClockWatch:
    """Compares the clock with what was recorded, and with the time that has really passed in this process."""

    def __init__(self, database: Database, store: Store) -> None:
        self._database = database
        self._store = store
        self._offset = _offset()
        self._is_told = False

    def register_tasks(self, schedule: Schedule) -> None:
        """Hands the look to the schedule."""
        schedule.every("clock watch", LOOK_SECONDS, self.look)

    async def look(self) -> None:
        """Mends what was dated in the future, and raises an alert, once for each time that the clock went back."""
        now = clock.now()
        went_back = timedelta(seconds=self._offset - _offset())
        self._offset = _offset()
        async with self._database.read() as read:
            found = await read.one("find_future_moment", _Moment, future=now + FUTURE, far=now + FAR)
        backups = [each for each in await asyncio.to_thread(self._store.list_backups) if each.created_at > now + FUTURE]
        latest = max(
            [each.created_at for each in backups] + ([found.moment] if found and found.moment else []), default=None
        )
        if latest is None and went_back <= FUTURE:
            self._is_told = False
            return
        if found and found.moment:
            await self._database.run(_mend, now)
        if self._is_told:
            return
        message = _message(now, latest or now + went_back, len(backups))
        _log.warning("%s", message)
        async with self._database.transaction() as tx:
            await alerts.raise_service_alert(tx, KIND, message)
        self._is_told = True


def _offset() -> float:
    """What the clock shows more than the time since the machine started: another when the clock was set."""
    return clock.now().timestamp() - time.monotonic()


async def _mend(tx: Connection, now: datetime) -> None:
    moments = {"now": now, "future": now + FUTURE, "far": now + FAR, "lease_until": now + LEASE}
    await tx.execute("free_future_days", future=moments["future"])
    await tx.execute("hurry_future_jobs", **{name: moments[name] for name in ("now", "future", "far")})
    await tx.execute("end_future_job_leases", **{name: moments[name] for name in ("future", "lease_until")})
    await tx.execute("date_future_settings", **{name: moments[name] for name in ("now", "future")})
    await tx.execute("hurry_future_webhooks", **moments)


def _message(now: datetime, latest: datetime, backups: int) -> str:
    told = (
        f"The clock of this server went back: something was recorded at {latest:%Y-%m-%d %H:%M} UTC, and now it is"
        f" {now:%Y-%m-%d %H:%M} UTC. Check that it is right (NTP)"
    )
    if backups:
        told += f". Stored backups that are dated in the future count as the oldest: {backups}"
    return told
