"""Runs periodic tasks: daily tasks once a day in one process, the others every few seconds in each process.

A daily task is a job whose once_key holds the day and the time, which the database accepts once. This replaces a
scheduler's own job store, and is correct across processes, restarts and clock changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, time, timedelta, tzinfo

import msgspec

from stocky import clock
from stocky.jobs.jobs import Jobs
from stocky.supervisor import PATIENCE_SECONDS, BackgroundTask

LOOK_SECONDS = 20
# The longest pause before a failed task is retried; infrequent tasks do not wait for their next turn.
RETRY_SECONDS = 60


class Due(msgspec.Struct, frozen=True):
    """A time of day in the schedule's time zone, and the moment since which it is configured."""

    at: time
    since: datetime


# The daily time; None when the task is disabled.
Daily = Callable[[], Awaitable[Due | None]]


class Schedule:
    """The periodic tasks of one process."""

    def __init__(self, jobs: Jobs, zone: tzinfo | None = None) -> None:
        """Times of day are in `zone`, by default the system's."""
        self._jobs = jobs
        self._zone = zone
        self._daily: dict[str, Daily] = {}
        self._tasks = [self._task("schedule", LOOK_SECONDS, self.look)]

    def daily(self, kind: str, due: Daily) -> None:
        """Queues a job of this kind every day at the time from `due`; a missed one at once."""
        self._daily[kind] = due

    def every(
        self, name: str, seconds: float, run: Callable[[], Awaitable[None]], *, patience: float = PATIENCE_SECONDS
    ) -> None:
        """Runs `run` now and every `seconds`, in each process; it counts as stalled after `patience` seconds."""
        self._tasks.append(self._task(name, seconds, run, patience))

    def start(self) -> None:
        for task in self._tasks:
            task.start()

    async def close(self) -> None:
        for task in self._tasks:
            await task.close()

    async def look(self) -> None:
        """Queues the daily tasks that are due."""
        for kind, due in self._daily.items():
            wanted = await due()
            if wanted is None:
                continue
            moment, key = last_due(wanted.at, clock.now(), self._zone)
            if moment > wanted.since:
                await self._jobs.enqueue(kind, {}, once_key=f"{kind}/{key}")

    def _task(
        self, name: str, seconds: float, run: Callable[[], Awaitable[None]], patience: float = PATIENCE_SECONDS
    ) -> BackgroundTask:
        retry_seconds = min(max(seconds, 1), RETRY_SECONDS)
        return self._jobs.supervisor.task(
            name, run, lambda: asyncio.sleep(seconds), retry_seconds=retry_seconds, patience=patience
        )


def last_due(at: time, now: datetime, zone: tzinfo | None = None) -> tuple[datetime, str]:
    """The last occurrence of this time of day, and the key of that day; `zone` None is the system's.

    A time that a clock change skips is an hour later; of a repeated time the first counts.
    """
    today = now.astimezone(zone).date()
    for day in (today, today - timedelta(days=1)):
        moment = _moment_of(datetime.combine(day, at), zone)
        if moment <= now:
            return moment, f"{day.isoformat()}T{at:%H:%M}"
    raise AssertionError(f"{at} was neither today nor yesterday")


def _moment_of(local: datetime, zone: tzinfo | None) -> datetime:
    # A time without a zone is in the system's; of a skipped one, Python before 3.13 gave the earlier moment there.
    moments = [local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    is_skipped = all(moment.astimezone(zone).replace(tzinfo=None, fold=0) != local for moment in moments)
    return max(moments) if is_skipped else min(moments)
