"""Evaluates all alerts daily: lots expire by time alone, without a transaction that would evaluate them."""

from __future__ import annotations

from datetime import UTC, datetime, time, tzinfo
from typing import Any

from stocky import clock
from stocky.alerts.evaluate import evaluate_items, list_watched_items
from stocky.alerts.repository import alert_on_failure
from stocky.db import Connection, Database
from stocky.jobs import repository as jobs_repository
from stocky.jobs.jobs import Jobs
from stocky.jobs.repository import NewJob
from stocky.jobs.schedule import ATTEMPTS, Due, Schedule
from stocky.progress import ProgressCallback

KIND = "alerts.look"
# Items in one transaction: few enough that a scan does not wait.
AT_ONCE = 200
# Lots expire with the day in UTC.
AT = time(0, 5, tzinfo=UTC)


class DailyCheck:
    """The daily check of one process."""

    def __init__(self, database: Database, jobs: Jobs, zone: tzinfo | None = None) -> None:
        """`zone` is the schedule's time zone."""
        self._database = database
        self._zone = zone
        ended = alert_on_failure("alert_check_failed", "The daily check for alerts")
        jobs.register(KIND, self.run, is_alone=True, ended=ended)

    def register_tasks(self, schedule: Schedule) -> None:
        """Registers the daily check."""
        schedule.daily(KIND, self._due)

    async def run(self, parameters: dict[str, Any], report: ProgressCallback) -> None:
        """Evaluates the alerts of every item that may have one."""
        last = done = 0
        while True:
            async with self._database.transaction() as tx:
                ids = await list_watched_items(tx, last, AT_ONCE)
                await evaluate_items(tx, ids)
            if not ids:
                return
            last, done = ids[-1], done + len(ids)
            report("checking", done, None, "items")

    async def _due(self) -> Due | None:
        async with self._database.read() as read:
            if not await list_watched_items(read, 0, 1):
                return None
        at = datetime.combine(clock.today(), AT).astimezone(self._zone).time()
        return Due(at, clock.LONG_AGO)


async def queue_check(tx: Connection, by: str | None) -> None:
    """Queues a check after a change that affects many items; a queued check already covers it."""
    await jobs_repository.add_job_unless_waiting(tx, NewJob(kind=KIND, created_by=by, max_attempts=ATTEMPTS))
