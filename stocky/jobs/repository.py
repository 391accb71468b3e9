"""Jobs in the database; a running job has an owner, and only its owner may update it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from stocky import clock
from stocky.db import Connection, Listing
from stocky.errors import NotFound
from stocky.jobs.kinds import AGED, concurrency_key_of, kind_named, reason_not_to_stop
from stocky.jobs.phases import is_dry_run, phases_of
from stocky.jobs.schemas import Job, JobPriority, JobStatus, Progress, WaitReason

# Longer than a key can be queued again: a day's key less than two days, in every time zone.
KEY_LASTS = timedelta(days=3)

# Before any job.
_EARLIEST = datetime.min.replace(tzinfo=UTC)


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job to add: queued, or running if it has an `owner`.

    `max_attempts` None are those of its kind. A running one has no concurrency_key: it began without being claimed.
    """

    kind: str
    parameters: dict[str, Any] = {}
    once_key: str | None = None
    max_attempts: int | None = None
    created_by: str | None = None
    owner: str | None = None
    lease_until: datetime | None = None


class ClaimedJob(msgspec.Struct, frozen=True):
    """A job that this process claimed."""

    id: int
    kind: str
    parameters: dict[str, Any]
    max_attempts: int
    attempts: int
    cancel_requested_at: datetime | None = None


class InterruptedJob(msgspec.Struct, frozen=True):
    """A job that its process did not finish, with its new status."""

    id: int
    kind: str
    parameters: dict[str, Any]
    status: JobStatus
    error: str | None
    concurrency_key: str | None


class RenewedJob(msgspec.Struct, frozen=True):
    """A job whose lease was extended."""

    id: int
    attempts: int
    cancel_requested_at: datetime | None


class _Claimable(msgspec.Struct):
    id: int
    concurrency_key: str | None


class _Status(msgspec.Struct):
    status: JobStatus


class _Parameters(msgspec.Struct):
    parameters: dict[str, Any]


class _Row(msgspec.Struct, kw_only=True):
    id: int
    kind: str
    status: JobStatus
    phase: str
    done: int
    total: int | None
    unit: str
    result: Any
    error: str | None
    error_status: int | None
    attempts: int
    max_attempts: int
    created_by: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    parameters: dict[str, Any]
    priority: int
    concurrency_key: str | None
    run_after: datetime
    cancel_requested_at: datetime | None
    dismissed_at: datetime | None
    is_key_busy: bool


class _Id(msgspec.Struct):
    id: int


async def add_job(tx: Connection, new: NewJob) -> int | None:
    """Adds a job; returns its id, None when a job with its once_key exists."""
    now = clock.now()
    has_begun = new.owner is not None
    kind = kind_named(new.kind)
    added = await tx.all(
        "add_job",
        _Id,
        kind=new.kind,
        status="running" if has_begun else "queued",
        once_key=new.once_key,
        priority=kind.priority.rank,
        concurrency_key=None if has_begun else concurrency_key_of(new.kind, new.parameters),
        parameters=msgspec.json.encode(new.parameters).decode(),
        attempts=int(has_begun),
        max_attempts=kind.attempts if new.max_attempts is None else new.max_attempts,
        run_after=now,
        owner=new.owner,
        lease_until=new.lease_until,
        created_by=new.created_by,
        created_at=now,
        started_at=now if has_begun else None,
    )
    return added[0].id if added else None


async def add_job_unless_waiting(tx: Connection, new: NewJob) -> int | None:
    """Adds a job; returns its id, None when a job of its kind is queued and due."""
    waiting = await tx.all("find_waiting_job", _Id, kind=new.kind, now=clock.now())
    return None if waiting else (await add_job(tx, new))


async def add_running_job(tx: Connection, new: NewJob) -> Job:
    """Adds a job with an owner and without once_key."""
    id = await add_job(tx, new)
    rows = await tx.all("get_job", _Row, id=id)
    return _job(rows[0], tx.dialect)


async def claim_job(tx: Connection, owner: str, lease_until: datetime, kinds: list[str]) -> ClaimedJob | None:
    """Claims the job of these kinds that comes next, never two of one concurrency_key, also in several processes.

    On Postgres the job is locked first; what others have locked is skipped. Then this transaction takes the lock of the
    key, or skips the key. Under that lock the claim sees every earlier claim of the key: it is a statement of its own,
    with its own snapshot. A unique index refuses whatever would still run two of them.
    """
    skipped: list[str] = []
    while True:
        now = clock.now()
        found = await tx.one("find_claimable_job", _Claimable, now=now, aged=now - AGED, kinds=kinds, skipped=skipped)
        if found is None:
            return None
        key = found.concurrency_key
        if key is None or await tx.value("try_concurrency_key", key=key):
            claimed = await tx.one("claim_job", ClaimedJob, id=found.id, owner=owner, lease_until=lease_until, now=now)
            if claimed is not None or key is None:
                return claimed
        skipped.append(key)


async def renew_job_leases(tx: Connection, owner: str, ids: list[int], lease_until: datetime) -> list[RenewedJob]:
    """Extends the leases of the owner's jobs; those that are not returned were lost to another process."""
    renewed: list[RenewedJob] = await tx.all(
        "renew_job_leases", RenewedJob, owner=owner, ids=ids, lease_until=lease_until
    )
    return renewed


async def note_job_progress(tx: Connection, owner: str, job: ClaimedJob, progress: Progress) -> bool:
    """Stores the progress of an attempt; returns whether it is to stop."""
    attempt = {"owner": owner, "id": job.id, "attempts": job.attempts}
    noted = await tx.all("note_job_progress", RenewedJob, **attempt | _progress_columns(progress))
    return any(each.cancel_requested_at is not None for each in noted)


async def end_job(
    tx: Connection,
    owner: str,
    job: ClaimedJob,
    progress: Progress,
    *,
    result: bytes | None,
    error: str | None,
    error_status: int | None,
    is_cancelled: bool = False,
) -> bool:
    """Stores a job's result as JSON, its error, or that it was cancelled. False when another attempt has begun."""
    status = JobStatus.CANCELLED if is_cancelled else JobStatus.DONE if error is None else JobStatus.FAILED
    ended: int = await tx.execute(
        "end_job",
        **{
            "owner": owner,
            "id": job.id,
            "attempts": job.attempts,
            "status": status.value,
            "result": None if result is None else result.decode(),
            "error": error,
            "error_status": error_status,
            "finished_at": clock.now(),
        }
        | _progress_columns(progress),
    )
    return bool(ended)


async def put_job_back(
    tx: Connection, owner: str, job: ClaimedJob, error: str, run_after: datetime, *, can_stop: bool
) -> bool:
    """Queues a job for another attempt, or cancels it if that was requested and the attempt could be stopped.

    Returns whether it was cancelled.
    """
    put = await tx.one(
        "put_job_back",
        _Status,
        owner=owner,
        id=job.id,
        attempts=job.attempts,
        error=error,
        run_after=run_after,
        can_stop=can_stop,
        now=clock.now(),
    )
    return put is not None and put.status is JobStatus.CANCELLED


async def end_interrupted_jobs(
    tx: Connection, owner: str, running: list[int], expired_before: datetime
) -> list[InterruptedJob]:
    """Ends or requeues jobs with expired leases: other owners' before `expired_before`, own jobs not in `running`."""
    ended: list[InterruptedJob] = await tx.all(
        "end_interrupted_jobs",
        InterruptedJob,
        owner=owner,
        running=running,
        now=clock.now(),
        expired_before=expired_before,
    )
    for job in ended:
        # Imports of a version without keys ran without one.
        key = concurrency_key_of(job.kind, job.parameters)
        if job.status is JobStatus.QUEUED and job.concurrency_key is None and key is not None:
            await tx.execute("set_job_key", id=job.id, concurrency_key=key)
    return ended


async def lock_job(tx: Connection, id: int, progress: Progress | None = None) -> tuple[Job, dict[str, Any]]:
    """The job and its parameters, locked until the transaction ends. Raises NotFound."""
    await tx.execute("lock_job", id=id)
    row = await _row(tx, id)
    return _job(row, tx.dialect, progress), row.parameters


async def cancel_queued_job(tx: Connection, id: int, message: str) -> None:
    """Ends a queued job with this message."""
    await tx.execute("cancel_queued_job", id=id, error=message, now=clock.now())


async def request_job_cancel(tx: Connection, id: int) -> None:
    """Asks the process of a running job to stop it."""
    await tx.execute("request_job_cancel", id=id, now=clock.now())


async def refuse_job_cancel(tx: Connection, owner: str, id: int) -> None:
    """Withdraws the request to stop a job."""
    await tx.execute("refuse_job_cancel", owner=owner, id=id)


async def repeat_job(tx: Connection, job: Job, parameters: dict[str, Any]) -> None:
    """Queues a job again that has ended without success, with the attempts, priority and key of its kind."""
    kind = kind_named(job.kind)
    await tx.execute(
        "repeat_job",
        id=job.id,
        now=clock.now(),
        priority=kind.priority.rank,
        concurrency_key=concurrency_key_of(job.kind, parameters),
        max_attempts=kind.attempts,
        stops_once=kind.stops_once,
    )


async def dismiss_job(tx: Connection, id: int) -> None:
    """Marks a failed job, and the earlier failures of its kind, as seen."""
    await tx.execute("dismiss_job", id=id, now=clock.now())


async def remove_old_jobs(
    tx: Connection, before: datetime, limit: int, failed_before: datetime = clock.LONG_AGO
) -> None:
    """Removes jobs that ended before `before`, or are not among the last `limit`; once_keys stay for KEY_LASTS.

    Failed ones stay until they are dismissed, or until `failed_before`, the last `limit` of them.
    """
    recent = clock.now() - KEY_LASTS
    await tx.execute("remove_old_jobs", before=before, limit=limit, recent=recent, failed_before=failed_before)


async def get_job(read: Connection, id: int, progress: Progress | None = None) -> Job:
    """The job, with this `progress` if it has not ended. Raises NotFound."""
    return _job(await _row(read, id), read.dialect, progress)


async def get_job_parameters(read: Connection, id: int) -> dict[str, Any]:
    """Raises NotFound."""
    return (await _row(read, id)).parameters


async def list_jobs(
    read: Connection,
    *,
    skip: int,
    limit: int,
    status: JobStatus | None = None,
    kind: str | None = None,
    user_id: int | None = None,
    since: datetime | None = None,
    dismissed: bool | None = None,
    listing: Listing | None = None,
) -> list[Job]:
    """Jobs, newest first or in the order of `listing`.

    `user_id`: with this id in their parameters; `since`: when they were created at the earliest.
    """
    # As `add_job` encodes it; within a text, the quotes would have backslashes.
    patterns = (None, None) if user_id is None else (f'%"user_id":{user_id},%', f'%"user_id":{user_id}}}%')
    filters = {
        "status": status,
        "kind": kind,
        "within": patterns[0],
        "last": patterns[1],
        "since": since or _EARLIEST,
        "dismissed": dismissed,
    }
    rows = await read.page("list_jobs", _Row, listing, skip=skip, limit=limit, **filters)
    return [_job(row, read.dialect) for row in rows]


async def get_last_ended(read: Connection, kind: str) -> Job | None:
    """The newest job of a kind that has ended, whether or not another one waits or runs."""
    ended = [each for status in (JobStatus.DONE, JobStatus.FAILED)
             for each in await list_jobs(read, skip=0, limit=1, status=status, kind=kind)]  # fmt: skip
    return max(ended, key=lambda job: job.id, default=None)


async def list_open_jobs(read: Connection, kind: str) -> list[dict[str, Any]]:
    """The parameters of the queued and running jobs of a kind."""
    return [each.parameters for each in await read.all("list_open_jobs", _Parameters, kind=kind)]


async def list_repeatable_jobs(read: Connection, kind: str) -> list[dict[str, Any]]:
    """The parameters of the failed and cancelled jobs of a kind that a user may run again."""
    since = kind_named(kind).repeatable_since()
    return [each.parameters for each in await read.all("list_repeatable_jobs", _Parameters, kind=kind, since=since)]


async def list_ended_jobs(read: Connection, kind: str) -> list[dict[str, Any]]:
    """The parameters of the jobs of a kind that have ended."""
    return [each.parameters for each in await read.all("list_ended_jobs", _Parameters, kind=kind)]


async def _row(read: Connection, id: int) -> _Row:
    row = await read.one("get_job", _Row, id=id)
    if row is None:
        raise NotFound(f"There is no job with id {id}")
    return row


def _progress_columns(progress: Progress) -> dict[str, Any]:
    return {"phase": progress.phase, "done": progress.done, "total": progress.total, "unit": progress.unit}


def _job(row: _Row, dialect: str, progress: Progress | None = None) -> Job:
    """The job of a row; `progress` is newer than the row's, unless the job has ended."""
    if progress is None or row.status.is_final:
        progress = Progress.of(row.phase, row.done, row.total, row.unit)
    is_waiting = row.status is JobStatus.QUEUED
    # What is stored of a job that waits is of its last attempt.
    phase = "" if is_waiting else progress.phase
    attempts = row.attempts + is_waiting
    return Job(
        id=row.id,
        kind=row.kind,
        status=row.status,
        progress=progress.completed() if row.status is JobStatus.DONE else progress,
        result=row.result,
        error=row.error,
        error_status=row.error_status,
        attempts=row.attempts,
        max_attempts=row.max_attempts,
        priority=JobPriority.ranked(row.priority),
        concurrency_key=row.concurrency_key,
        waits_for=_wait_reason(row) if is_waiting else None,
        next_attempt_at=row.run_after if is_waiting else None,
        cancel_requested_at=row.cancel_requested_at,
        dismissed_at=row.dismissed_at,
        can_cancel=not row.status.is_final
        and row.cancel_requested_at is None
        and reason_not_to_stop(row.kind, row.parameters, phase, attempts) is None,
        can_retry=row.status in (JobStatus.FAILED, JobStatus.CANCELLED)
        and kind_named(row.kind).repeats
        and (row.finished_at or clock.LONG_AGO) >= kind_named(row.kind).repeatable_since(),
        created_by=row.created_by,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        phases=phases_of(row.kind, row.parameters, dialect, row.status, progress),
        dry_run=is_dry_run(row.parameters),
        backup_id=row.parameters.get("backup"),
    )


def _wait_reason(row: _Row) -> WaitReason:
    if row.run_after > clock.now():
        return WaitReason.TIME
    return WaitReason.KEY if row.is_key_busy else WaitReason.TURN
