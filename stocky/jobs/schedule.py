"""What is to be done every day, or every few seconds, unasked; a daily duty is done once a day by one process.

Each day's duty is a job whose key holds the day and the time, and the database takes a key only once: that is what a
scheduler's own store of jobs would be for, and it is right across processes, restarts and changes of the clock.
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
# A duty whose process was killed, or that failed, is done later the same day: so often it is begun at most.
ATTEMPTS = 3
# The longest pause before a duty that failed is tried again; the rare ones do not wait for their next turn.
RETRY_SECONDS = 60


class Due(msgspec.Struct, frozen=True):
    """A time of day in the zone of the schedule, and the moment since which it has been asked for."""

    at: time
    since: datetime


# When it is due every day; None when it is switched off.
Daily = Callable[[], Awaitable[Due | None]]


class Schedule:
    """The standing duties of one process."""

    def __init__(self, jobs: Jobs, zone: tzinfo | None = None) -> None:
        """Times of day are those of `zone`, else those of the system."""
        self._jobs = jobs
        self._zone = zone
        self._daily: dict[str, Daily] = {}
        self._tasks = [self._task("schedule", LOOK_SECONDS, self.look)]

    def daily(self, kind: str, due: Daily) -> None:
        """A job of this kind is queued every day at the time that `due` says; one that was missed, at once."""
        self._daily[kind] = due

    def every(
        self, name: str, seconds: float, duty: Callable[[], Awaitable[None]], *, patience: float = PATIENCE_SECONDS
    ) -> None:
        """`duty` is done now and every so many seconds, in each process; it stalls when it takes longer than that."""
        self._tasks.append(self._task(name, seconds, duty, patience))

    def start(self) -> None:
        for task in self._tasks:
            task.start()

    async def close(self) -> None:
        for task in self._tasks:
            await task.close()

    async def look(self) -> None:
        """Queues what is due."""
        for kind, due in self._daily.items():
            wanted = await due()
            if wanted is None:
                continue
            moment, key = last_due(wanted.at, clock.now(), self._zone)
            if moment > wanted.since:
                await self._jobs.enqueue(kind, {}, once_key=f"{kind}/{key}", max_attempts=ATTEMPTS)

    def _task(
        self, name: str, seconds: float, duty: Callable[[], Awaitable[None]], patience: float = PATIENCE_SECONDS
    ) -> BackgroundTask:
        retry_seconds = min(max(seconds, 1), RETRY_SECONDS)
        return self._jobs.supervisor.task(
            name, duty, lambda: asyncio.sleep(seconds), retry_seconds=retry_seconds, patience=patience
        )


def last_due(at: time, now: datetime, zone: tzinfo | None = None) -> tuple[datetime, str]:
    """The last moment at which this time of day was, and the name of that day's duty; `zone` None is the system's.

    A time that the clocks skip is an hour before or after; one that comes twice is the first.
    """
    today = now.astimezone(zone).date()
    for day in (today, today - timedelta(days=1)):
        # A time without a zone is the system's.
        moment = datetime.combine(day, at, zone).astimezone(UTC)
        if moment <= now:
            return moment, f"{day.isoformat()}T{at:%H:%M}"
    raise AssertionError(f"{at} was neither today nor yesterday")
