"""Finds the causes of notices: each has one row from its begin to its end, whoever finds it, and whatever restarts.

Alerts decide about the stock, `backup.verdict` about backups, and `monitoring.storage` about the disk. A cause that
begins and ends between two looks is not seen. Only the process that sends looks (see `service`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec import Struct

from stocky import clock
from stocky.backup.schedule import KIND as SCHEDULED_BACKUP
from stocky.backup.service import Backups
from stocky.backup.store import StoredBackup
from stocky.backup.verdict import BackupState, Judgement, judge
from stocky.db import Connection, Database
from stocky.jobs import repository as jobs
from stocky.monitoring.storage import LOW_BYTES, FreeSpace, Storage
from stocky.notices.schemas import SERVICE_CAUSES, STOCK_CAUSES, NoticeCause

# Notices that one transaction adds or ends: few enough that a scan does not wait.
BATCH = 500
# A disk counts as full until this much more than LOW_BYTES is free, so that it does not end and recur all the time.
ENOUGH_BYTES = LOW_BYTES * 5 // 4
_ABOUT_BACKUPS = (NoticeCause.BACKUP_FAILED, NoticeCause.BACKUP_UNVERIFIED, NoticeCause.BACKUP_OLD)
# How long ended causes are stored.
RETENTION = timedelta(days=30)


class FoundCause(Struct, frozen=True):
    """A cause without an alert: `subject` tells several of one kind apart."""

    cause: NoticeCause
    subject: str
    message: str


class _AlertCause(Struct, frozen=True):
    id: int
    cause: str
    message: str


class _Lasting(Struct, frozen=True):
    id: int
    cause: str
    subject: str


class _Id(Struct):
    id: int


class _FailedJob(Struct):
    kind: str
    error: str | None


class Causes:
    """The causes that one process finds."""

    def __init__(self, database: Database, backups: Backups, storage: Storage) -> None:
        self._database = database
        self._backups = backups
        self._storage = storage

    async def look_at_alerts(self) -> None:
        """Adds the causes of new alerts, and ends those whose cause has ended. Writes only where something changed."""
        epoch = self._database.gate.epoch
        while True:
            async with self._database.read() as read:
                new = await read.all(
                    "list_new_alert_causes", _AlertCause, stock=STOCK_CAUSES, service=SERVICE_CAUSES, limit=BATCH
                )
                ended = await read.all("list_ended_alert_causes", _Id, limit=BATCH)
            if (not new and not ended) or self._database.gate.epoch != epoch:
                return
            await self._database.run(_store_alerts, new, [each.id for each in ended])

    async def look_at_others(self) -> None:
        """Adds and ends the causes of backups, jobs and the disk."""
        epoch = self._database.gate.epoch
        unreadable = None
        backups: list[StoredBackup] = []
        try:
            backups = await self._backups.list_backups()
        except OSError as error:
            unreadable = _of_directory(error)
        free = await self._storage.measure_free()
        async with self._database.read() as read:
            scheduled = await jobs.get_last_ended(read, SCHEDULED_BACKUP)
            failed = await read.all("list_failed_jobs", _FailedJob, without=SCHEDULED_BACKUP)
            lasting = await read.all("list_other_notices", _Lasting)
        was_full = any(each.cause == NoticeCause.DISK_FULL.value for each in lasting)
        of_backups = [unreadable] if unreadable else _of_backups(judge(backups, scheduled, clock.now()))
        found = [*of_backups, *_of_disk(free, was_full=was_full), *map(_of_job, failed)]
        known = {(each.cause, each.subject) for each in lasting}
        new = [each for each in found if (each.cause.value, each.subject) not in known]
        now_found = {(each.cause.value, each.subject) for each in found}
        # While the backups cannot be read, what was found about them lasts: it is not sent again when they can.
        unknown = _ABOUT_BACKUPS if unreadable else ()
        ended = [
            each.id for each in lasting if (each.cause, each.subject) not in now_found and each.cause not in unknown
        ]
        if (new or ended) and self._database.gate.epoch == epoch:
            await self._database.run(_store_others, new, ended)

    async def tidy(self) -> None:
        """Removes causes that ended long ago."""
        await self._database.run(_remove_old, clock.now() - RETENTION)


def _of_backups(judgement: Judgement) -> Iterable[FoundCause]:
    match judgement.state:
        case BackupState.BROKEN:
            text = f"The newest backup does not restore: {judgement.reason}"
            yield FoundCause(NoticeCause.BACKUP_FAILED, "", text)
        case BackupState.FAILED:
            yield FoundCause(NoticeCause.BACKUP_FAILED, "", f"The last nightly backup failed: {judgement.reason}")
        case BackupState.UNVERIFIED:
            text = "No backup is test-restored yet, so whether one is good is not known. Test-restore the newest one."
            yield FoundCause(NoticeCause.BACKUP_UNVERIFIED, "", text)
        case BackupState.NONE:
            yield FoundCause(
                NoticeCause.BACKUP_OLD, "", "There is no backup yet. Make one, or turn on the nightly backup."
            )
        case BackupState.OLD if judgement.backup is not None:
            text = f"The last good backup is of {judgement.backup.created_at:%Y-%m-%d}. Make a new one."
            yield FoundCause(NoticeCause.BACKUP_OLD, "", text)


def _of_directory(error: OSError) -> FoundCause:
    """Beside what is known of the backups, with a subject of its own."""
    reason = error.strerror or type(error).__name__
    text = f"The backups cannot be read: {reason}. Check the backup directory."
    return FoundCause(NoticeCause.BACKUP_FAILED, "directory", text)


def _of_disk(free: FreeSpace, *, was_full: bool) -> Iterable[FoundCause]:
    """One cause for the data and the backups, since they are often on one disk."""
    limit = ENOUGH_BYTES if was_full else LOW_BYTES
    for name, left in (("the data", free.data), ("the backups", free.backups)):
        if left is not None and left < limit:
            text = f"Less than 1 GiB is free on the disk of {name}. Free some space before backups fail."
            yield FoundCause(NoticeCause.DISK_FULL, "", text)
            return


def _of_job(job: _FailedJob) -> FoundCause:
    return FoundCause(NoticeCause.JOB_FAILED, job.kind, f"The job {job.kind} failed: {job.error or 'see the log'}")


async def _store_alerts(tx: Connection, new: list[_AlertCause], ended: list[int]) -> None:
    now = clock.now()
    for each in new:
        await tx.execute(
            "add_notice", cause=each.cause, alert_id=each.id, subject="", message=each.message, began_at=now
        )
    await _end(tx, ended, now)


async def _store_others(tx: Connection, new: list[FoundCause], ended: list[int]) -> None:
    now = clock.now()
    # First, since a cause may have another subject now.
    await _end(tx, ended, now)
    for each in new:
        await tx.execute(
            "add_notice",
            cause=each.cause.value,
            alert_id=None,
            subject=each.subject,
            message=each.message,
            began_at=now,
        )


async def _end(tx: Connection, ids: list[int], now: datetime) -> None:
    if ids:
        await tx.execute("end_notices", ids=ids, ended_at=now)


async def _remove_old(tx: Connection, before: datetime) -> None:
    await tx.execute("remove_old_notices", before=before)
