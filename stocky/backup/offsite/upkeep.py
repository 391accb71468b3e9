"""Copies stored backups off site by jobs, soon after they are made; raises an alert while that fails, and has metrics.

Every process looks at its own backup directory, so it also copies what a command or a killed process left there.
"""

from __future__ import annotations

import logging
import math
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

from stocky import clock
from stocky.alerts import repository as alerts
from stocky.alerts.schemas import ServiceAlert
from stocky.backup.offsite.service import Copied, Offsite
from stocky.backup.offsite.state import DestinationState
from stocky.db import Database
from stocky.errors import Unavailable
from stocky.jobs.jobs import Jobs
from stocky.jobs.repository import list_jobs
from stocky.jobs.schedule import Schedule
from stocky.jobs.schemas import JobStatus
from stocky.metrics import Metrics
from stocky.progress import ProgressCallback
from stocky.webhooks.queues import notify
from stocky.webhooks.schemas import WebhookEventType

KIND = "backup.offsite"
LOOK_SECONDS = 10
# How long no process copies after a user cancelled the copying.
PAUSE = timedelta(minutes=10)
# Readiness names a destination whose newest copy is older than this.
OLD = timedelta(days=7)

_log = logging.getLogger(__name__)


class OffsiteUpkeep:
    """The copying of one process."""

    def __init__(self, offsite: Offsite, database: Database, jobs: Jobs, metrics: Metrics) -> None:
        self._offsite = offsite
        self._database = database
        self._jobs = jobs
        self._is_running = False
        # The problems that the alert has; None before the first look.
        self._noted: list[str] | None = None
        if offsite.is_configured:
            metrics.gauge(
                "stocky_offsite_copied_timestamp_seconds",
                "When the newest backup with a good off-site copy was made; 0 while there is none. Of several"
                " destinations, the one that is furthest behind",
                self._newest,
            )
            metrics.gauge(
                "stocky_offsite_copied_age_seconds",
                "The age of the newest backup with a good off-site copy; infinite while there is none",
                self._age_of_newest,
            )
            metrics.gauge(
                "stocky_offsite_destinations_failing",
                "Off-site destinations whose last use failed",
                lambda: sum(each.error is not None for each in self._states()),
            )

    def register_tasks(self, schedule: Schedule) -> None:
        """Registers the copying with the schedule."""
        if self._offsite.is_configured:
            schedule.every("off-site copies", LOOK_SECONDS, self.look)

    async def look(self) -> None:
        """Starts a job when something is to be copied, and no job of this directory runs in any process."""
        if self._is_running:
            return
        has_work = await self._offsite.has_work()
        if self._offsite.problems != self._noted:
            await self._note()
        if not has_work or await self._is_paused():
            return
        async with AsyncExitStack() as stack:
            if not await stack.enter_async_context(self._offsite.locked()):
                return
            self._is_running = True
            stack.callback(self._ended)
            held = stack.pop_all()
        try:
            await self._jobs.run_here(KIND, partial(self._copy, held), by=None)
        except BaseException:
            await held.aclose()
            raise

    async def _is_paused(self) -> bool:
        """Whether a user has just cancelled the copying, in any process."""
        async with self._database.read() as read:
            cancelled = await list_jobs(read, skip=0, limit=1, status=JobStatus.CANCELLED, kind=KIND)
        return any(each.finished_at is not None and each.finished_at > clock.now() - PAUSE for each in cancelled)

    def _ended(self) -> None:
        self._is_running = False

    @property
    def state(self) -> str | None:
        """`ok`, or what is wrong with the copies, without addresses; None where none are configured."""
        if not self._offsite.is_configured:
            return None
        if self._offsite.problems:
            return "backups are not copied; the alert offsite_failed has the reason"
        age = self._age_of_newest()
        if age <= OLD.total_seconds():
            return "ok"
        return "there is no copy yet" if math.isinf(age) else f"the newest copy is {age / 86_400:.0f} days old"

    async def _copy(self, held: AsyncExitStack, report: ProgressCallback) -> Copied:
        """Copies what is outstanding. Raises Unavailable when some of it failed; it is tried again later."""
        async with held:
            result = await self._offsite.copy_outstanding(report)
        # An alert that a restore brought back is resolved, too; one that a person resolved is not raised again.
        if not self._offsite.problems or self._offsite.problems != self._noted:
            await self._note()
        if result.failed:
            raise Unavailable(_message(result.failed), retry_after=60)
        return result

    async def _note(self) -> None:
        """Raises the alert when copies are missing, with the causes as they are now; resolves it when none are."""
        problems, is_new = list(self._offsite.problems), not self._noted
        async with self._database.transaction() as tx:
            if problems:
                # Each process looks, and each start: the webhook is sent once for the alert that all of them have.
                if await alerts.raise_service_alert(tx, ServiceAlert.OFFSITE_FAILED, _message(problems)):
                    await notify(tx, WebhookEventType.BACKUP_FAILED, {"message": _message(problems)})
            else:
                await alerts.resolve_service_alerts(tx, ServiceAlert.OFFSITE_FAILED)
        if problems and is_new:
            _log.error("%s", _message(problems))
        self._noted = problems

    def _states(self) -> list[DestinationState]:
        return list(self._offsite.states.values())

    def _newest(self) -> float:
        # A date in the future would hide that the copy is old.
        latest = clock.now() + clock.SKEW
        newest = [
            each.newest.timestamp() if each.newest is not None and each.newest <= latest else 0.0
            for each in self._states()
        ]
        return min(newest, default=0.0)

    def _age_of_newest(self) -> float:
        newest = self._newest()
        return max(clock.now().timestamp() - newest, 0) if newest else math.inf


def _message(failed: list[str]) -> str:
    return f"Backups are not copied off site: {'; '.join(failed)}"
