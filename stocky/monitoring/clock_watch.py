"""Detects a clock that went back: raises an alert, and corrects stored times that lie in the future."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import datetime, timedelta

from msgspec import Struct

from stocky import clock
from stocky.alerts import repository as alerts
from stocky.alerts.schemas import ServiceAlert
from stocky.backup.store import Store
from stocky.db import Connection, Database
from stocky.jobs.jobs import LEASE
from stocky.jobs.schedule import Schedule

LOOK_SECONDS = 60
# The clocks of servers on one database may differ by FUTURE; Stocky schedules nothing further ahead than FAR.
FUTURE = clock.SKEW
FAR = timedelta(days=1)

_log = logging.getLogger(__name__)


class _Moment(Struct):
    moment: datetime | None


class ClockWatch:
    """Compares the clock with stored times, and with the monotonic clock of this process."""

    def __init__(self, database: Database, store: Store) -> None:
        self._database = database
        self._store = store
        self._offset = _offset()
        self._is_reported = False

    def register_tasks(self, schedule: Schedule) -> None:
        """Registers the check with the schedule."""
        schedule.every("clock watch", LOOK_SECONDS, self.look)

    async def look(self) -> None:
        """Corrects times in the future, and raises one alert each time that the clock went back."""
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
            self._is_reported = False
            return
        if found and found.moment:
            await self._database.run(_correct_times, now)
        if self._is_reported:
            return
        message = _message(now, latest or now + went_back, len(backups))
        _log.warning("%s", message)
        async with self._database.transaction() as tx:
            await alerts.raise_service_alert(tx, ServiceAlert.CLOCK_WENT_BACK, message)
        self._is_reported = True


def _offset() -> float:
    """The difference between the clock and the monotonic clock, which changes when the clock is set."""
    return clock.now().timestamp() - time.monotonic()


async def _correct_times(tx: Connection, now: datetime) -> None:
    moments = {"now": now, "future": now + FUTURE, "far": now + FAR, "lease_until": now + LEASE}
    await tx.execute("free_future_days", future=moments["future"])
    await tx.execute("hurry_future_jobs", **{name: moments[name] for name in ("now", "future", "far")})
    await tx.execute("end_future_job_leases", **{name: moments[name] for name in ("future", "lease_until")})
    await tx.execute("date_future_settings", **{name: moments[name] for name in ("now", "future")})
    await tx.execute("hurry_future_webhooks", **moments)
    await tx.execute("hurry_future_notices", **{name: moments[name] for name in ("now", "future", "far")})
    await tx.execute("end_future_notice_lease", **{name: moments[name] for name in ("future", "lease_until")})


def _message(now: datetime, latest: datetime, backups: int) -> str:
    message = (
        f"The clock of this server went back: something was recorded at {latest:%Y-%m-%d %H:%M} UTC, but now it is"
        f" {now:%Y-%m-%d %H:%M} UTC. Check the clock (NTP)"
    )
    if backups:
        message += f". Stored backups that are dated in the future count as the oldest: {backups}"
    return message
