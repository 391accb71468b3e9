"""Scheduled backup work: the daily backup with its test restore, retention, expiry, and the metrics.

A scheduled backup that fails, or whose test restore finds problems, raises an alert that stays until one succeeds.
"""

from __future__ import annotations

import asyncio
import logging
import math
from datetime import datetime, time
from typing import Any

from stocky import clock
from stocky.alerts import repository as alerts
from stocky.alerts.schemas import ServiceAlert
from stocky.backup.service import Backups
from stocky.backup.store import Kind, Reason, StoredBackup
from stocky.config import Config
from stocky.db import Connection, Database
from stocky.jobs.jobs import Jobs
from stocky.jobs.schedule import Due, Schedule
from stocky.metrics import Metrics
from stocky.progress import ProgressCallback
from stocky.settings.repository import changed_at, get_settings
from stocky.webhooks.queues import notify
from stocky.webhooks.schemas import WebhookEventType
from stocky.worker.workspace import sweep

KIND = "backup.scheduled"
EXPIRY_SECONDS = 60

_log = logging.getLogger(__name__)


class BackupUpkeep:
    """The scheduled backup tasks of one process."""

    def __init__(self, config: Config, database: Database, backups: Backups, jobs: Jobs, metrics: Metrics) -> None:
        self._config = config
        self._database = database
        self._backups = backups
        self._good: list[datetime] = []
        self._count = 0
        jobs.register(KIND, self._back_up, ended=self._ended)
        metrics.gauge(
            "stocky_backup_verified_timestamp_seconds",
            "When the newest successfully test-restored backup was made; 0 while there is none",
            self._newest_good,
        )
        metrics.gauge(
            "stocky_backup_verified_age_seconds",
            "The age of the newest successfully test-restored backup; infinite while there is none",
            self._age_of_newest_good,
        )
        metrics.gauge("stocky_backups_stored", "Backups in the backup directory", lambda: self._count)

    def register_tasks(self, schedule: Schedule) -> None:
        """Registers the tasks with the schedule."""
        schedule.daily(KIND, self._due)
        schedule.every("expiry of backups", EXPIRY_SECONDS, self._tidy)

    async def _due(self) -> Due | None:
        async with self._database.read() as read:
            settings = await get_settings(read)
            since = await changed_at(read, "backup_schedule_enabled", "backup_schedule_time")
        if not settings.backup_schedule_enabled:
            return None
        return Due(time.fromisoformat(settings.backup_schedule_time), since)

    async def _back_up(self, parameters: dict[str, Any], report: ProgressCallback) -> StoredBackup:
        """Makes the scheduled backup, test-restores it, and then removes old ones; the newest good one stays."""
        async with self._database.read() as read:
            settings = await get_settings(read)
        kind = Kind(settings.backup_schedule_kind)
        incremental = settings.backup_incremental and kind is Kind.SQL
        made = await self._backups.create(kind, Reason.SCHEDULED, report, settings=settings, incremental=incremental)
        try:
            made = await self._backups.verify(made.id, report)
        finally:
            # Whatever the outcome: each night and each attempt adds one, which would fill the disk.
            removed = await asyncio.to_thread(self._backups.store.keep_last, settings.backup_keep)
            await self._count_backups()
        if not made.is_good:
            async with self._database.transaction() as tx:
                problems = "; ".join(made.problems)
                await self._alert(
                    tx, f"The test restore of the scheduled backup {made.filename} found problems: {problems}"
                )
            return made
        async with self._database.transaction() as tx:
            await alerts.resolve_service_alerts(tx, ServiceAlert.BACKUP_FAILED)
            finished = {"id": made.id, "filename": made.filename, "sha256": made.sha256, "size_bytes": made.size_bytes}
            await notify(tx, WebhookEventType.BACKUP_FINISHED, finished)
        _log.info("Backed up to %s, test-restored it, and removed %d old backups", made.filename, len(removed))
        return made

    async def _ended(self, tx: Connection, parameters: dict[str, Any], error: str | None) -> None:
        """Raises the alert when the last attempt failed, also when its process was killed."""
        if error is not None:
            await self._alert(tx, f"The scheduled backup failed: {error}")

    async def _alert(self, tx: Connection, message: str) -> None:
        _log.error("%s", message)
        await alerts.raise_service_alert(tx, ServiceAlert.BACKUP_FAILED, message)
        await notify(tx, WebhookEventType.BACKUP_FAILED, {"message": message})

    async def _tidy(self) -> None:
        """Removes expired backups and leftovers of killed processes."""
        await asyncio.to_thread(self._drop_leftovers)
        if self._database.dialect == "postgres":
            from stocky.backup.swap.postgres import sweep as sweep_schemas

            await sweep_schemas(self._database)
        for removed in await asyncio.to_thread(self._backups.store.remove_expired):
            _log.info("Removed the expired backup %s", removed.filename)
        await self._count_backups()

    def _drop_leftovers(self) -> None:
        sweep(self._config.backup_dir)
        self._backups.store.reservations.drop_abandoned()

    async def _count_backups(self) -> None:
        backups = await self._backups.list_backups()
        self._count = len(backups)
        self._good = [each.created_at for each in backups if each.is_good]

    def _age_of_newest_good(self) -> float:
        newest = self._newest_good()
        return max(clock.now().timestamp() - newest, 0) if newest else math.inf

    def _newest_good(self) -> float:
        # A date in the future would hide from a monitor that the backup is old.
        latest = clock.now() + clock.SKEW
        return max((each.timestamp() for each in self._good if each <= latest), default=0)
