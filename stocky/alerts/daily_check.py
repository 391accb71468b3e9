"""The daily look at all that may be alerted to: time alone makes lots expire, and no transaction tells of it."""

from __future__ import annotations

from datetime import UTC, datetime, time, tzinfo
from typing import Any

from stocky import clock
from stocky.alerts.evaluate import list_watched_items, look_at_items
from stocky.alerts.repository import alert_of_duty
from stocky.db import Connection, Database
from stocky.jobs import repository as jobs_repository
from stocky.jobs.jobs import Jobs
from stocky.jobs.repository import NewJob
from stocky.jobs.schedule import ATTEMPTS, Due, Schedule
from stocky.progress import ProgressCallback

KIND = "alerts.look"
# Items in one transaction: so few that a scan in between does not have to wait.
AT_ONCE = 200
# Lots expire with the day in UTC.
AT = time(0, 5, tzinfo=UTC)


class AlertUpkeep:
    """The standing duty of one process."""

    def __init__(self, database: Database, jobs: Jobs, zone: tzinfo | None = None) -> None:
        """`zone` is that of the schedule."""
        self._database = database
        self._zone = zone
        ended = alert_of_duty("alert_check_failed", "The daily check for alerts")
        jobs.register(KIND, self.look, is_alone=True, ended=ended)

    def register_tasks(self, schedule: Schedule) -> None:
        """Hands the duty to the schedule."""
        schedule.daily(KIND, self._due)

    async def look(self, parameters: dict[str, Any], report: ProgressCallback) -> None:
        """Looks at every item that may have to be alerted to."""
        last = done = 0
        while True:
            async with self._database.transaction() as tx:
                ids = await list_watched_items(tx, last, AT_ONCE)
                await look_at_items(tx, ids)
            if not ids:
                return
            last, done = ids[-1], done + len(ids)
            report("looking", done, None, "items")

    async def _due(self) -> Due | None:
        async with self._database.read() as read:
            if not await list_watched_items(read, 0, 1):
                return None
        at = datetime.combine(clock.today(), AT).astimezone(self._zone).time()
        return Due(at, clock.LONG_AGO)


async def look_soon(tx: Connection, by: str | None) -> None:
    """Queues the look, for what changes it everywhere at once; one that waits already will see the change."""
    await jobs_repository.add_job_unless_waiting(tx, NewJob(kind=KIND, created_by=by, max_attempts=ATTEMPTS))
