"""Decides whether there is a good backup, and if not what is wrong; the page and the notices put it into words."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from stocky import clock
from stocky.backup.store import Reason, StoredBackup
from stocky.jobs.schemas import Job, JobStatus

# A good backup that is older than this asks for a new one.
FRESH = timedelta(days=7)


class BackupState(StrEnum):
    """The state of all stored backups together."""

    GOOD = "good"
    # The newest good one is older than FRESH.
    OLD = "old"
    UNVERIFIED = "unverified"
    NONE = "none"
    # The newest one does not restore.
    BROKEN = "broken"
    # The last scheduled one was not made; so it stays until one is, also while the next is being made.
    FAILED = "failed"


class Judgement(Struct, frozen=True):
    """The state, the backup that it is about, if any, and for BROKEN and FAILED the reason."""

    state: BackupState
    backup: StoredBackup | None = None
    reason: str = ""


def judge(backups: list[StoredBackup], scheduled: Job | None, now: datetime) -> Judgement:
    """The state of the stored backups, newest first, by them and the job of the last scheduled one that has ended."""
    latest = now + clock.SKEW
    good = next((each for each in backups if each.is_good and each.created_at <= latest), None)
    failed = next((each for each in backups if each.problems and each.reason is not Reason.UPLOADED), None)
    if failed is not None and (good is None or failed.created_at > good.created_at):
        return Judgement(BackupState.BROKEN, failed, "; ".join(failed.problems))
    is_behind = scheduled is not None and (good is None or good.created_at < scheduled.created_at)
    if scheduled is not None and is_behind and scheduled.status is JobStatus.FAILED:
        return Judgement(BackupState.FAILED, None, scheduled.error or "")
    if good is not None:
        return Judgement(BackupState.OLD if now - good.created_at > FRESH else BackupState.GOOD, good)
    newest = next((each for each in backups if each.created_at <= latest), None)
    return Judgement(BackupState.NONE if newest is None else BackupState.UNVERIFIED, newest)
