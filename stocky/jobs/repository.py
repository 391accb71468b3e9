"""Jobs in the database; a running job has an owner, and only its owner may update it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from stocky import clock
from stocky.db import Connection, Listing
from stocky.errors import NotFound
from stocky.jobs.phases import is_dry_run, phases_of
from stocky.jobs.schemas import Job, JobStatus, Progress

# Longer than a key can be queued again: a day's key less than two days, in every time zone.
KEY_LASTS = timedelta(days=3)


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job to add: queued, or running if it has an `owner`."""

    kind: str
    parameters: dict[str, Any] = {}
    once_key: str | None = None
    max_attempts: int = 1
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


class InterruptedJob(msgspec.Struct, frozen=True):
    """A job that its process did not finish, with its new status."""

    id: int
    kind: str
    status: JobStatus
    error: str | None


class _Open(msgspec.Struct):
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
    created_by: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    parameters: dict[str, Any]


class _Id(msgspec.Struct):
    id: int


async def add_job(tx: Connection, new: NewJob) -> int | None:
    """Adds a job; returns its id, None when a job with its once_key exists."""
    now = clock.now()
    has_begun = new.owner is not None
    added = await tx.all(
        "add_job",
        _Id,
        kind=new.kind,
        status="running" if has_begun else "queued",
        once_key=new.once_key,
        parameters=msgspec.json.encode(new.parameters).decode(),
        attempts=int(has_begun),
        max_attempts=new.max_attempts,
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


async def claim_job(
    tx: Connection, owner: str, lease_until: datetime, kinds: list[str], exclusive: list[str]
) -> ClaimedJob | None:
    """Claims the job of these kinds that waits longest; of the kinds in `exclusive`, only if none runs."""
    await tx.execute("lock_job_claims")
    claimed = await tx.all(
        "claim_job",
        ClaimedJob,
        owner=owner,
        lease_until=lease_until,
        now=clock.now(),
        kinds=kinds,
        exclusive=exclusive,
    )
    return claimed[0] if claimed else None


async def renew_job_leases(tx: Connection, owner: str, ids: list[int], lease_until: datetime) -> None:
    """Extends the leases of the owner's jobs."""
    await tx.execute("renew_job_leases", owner=owner, ids=ids, lease_until=lease_until)


async def note_job_progress(tx: Connection, owner: str, id: int, progress: Progress) -> None:
    """Stores a job's progress."""
    await tx.execute("note_job_progress", **{"owner": owner, "id": id} | _progress_columns(progress))


async def end_job(
    tx: Connection,
    owner: str,
    id: int,
    progress: Progress,
    *,
    result: bytes | None,
    error: str | None,
    error_status: int | None,
) -> bool:
    """Stores a job's result as JSON, or its error. False when it has another owner now."""
    ended: int = await tx.execute(
        "end_job",
        **{
            "owner": owner,
            "id": id,
            "status": "done" if error is None else "failed",
            "result": None if result is None else result.decode(),
            "error": error,
            "error_status": error_status,
            "finished_at": clock.now(),
        }
        | _progress_columns(progress),
    )
    return bool(ended)


async def put_job_back(tx: Connection, owner: str, id: int, error: str, run_after: datetime) -> None:
    """Queues a job for another attempt."""
    await tx.execute("put_job_back", owner=owner, id=id, error=error, run_after=run_after)


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
    return ended


async def remove_old_jobs(tx: Connection, before: datetime, limit: int) -> None:
    """Removes jobs that ended before `before`, or are not among the last `limit`; once_keys stay for KEY_LASTS."""
    recent = clock.now() - KEY_LASTS
    await tx.execute("remove_old_jobs", before=before, limit=limit, recent=recent)


async def get_job(read: Connection, id: int, progress: Progress | None = None) -> Job:
    """The job, with this `progress` if it has not ended. Raises NotFound."""
    row = await read.one("get_job", _Row, id=id)
    if row is None:
        raise NotFound(f"There is no job with id {id}")
    return _job(row, read.dialect, progress)


async def list_jobs(
    read: Connection,
    *,
    skip: int,
    limit: int,
    status: JobStatus | None = None,
    kind: str | None = None,
    created_by: str | None = None,
    listing: Listing | None = None,
) -> list[Job]:
    """Jobs, newest first or in the order of `listing`."""
    rows = await read.page(
        "list_jobs", _Row, listing, skip=skip, limit=limit, status=status, kind=kind, created_by=created_by
    )
    return [_job(row, read.dialect) for row in rows]


async def get_last_ended(read: Connection, kind: str) -> Job | None:
    """The newest job of a kind that has ended, whether or not another one waits or runs."""
    ended = [each for status in (JobStatus.DONE, JobStatus.FAILED)
             for each in await list_jobs(read, skip=0, limit=1, status=status, kind=kind)]  # fmt: skip
    return max(ended, key=lambda job: job.id, default=None)


async def list_open_jobs(read: Connection, kind: str) -> list[dict[str, Any]]:
    """The parameters of the queued and running jobs of a kind."""
    return [each.parameters for each in await read.all("list_open_jobs", _Open, kind=kind)]


def _progress_columns(progress: Progress) -> dict[str, Any]:
    return {"phase": progress.phase, "done": progress.done, "total": progress.total, "unit": progress.unit}


def _job(row: _Row, dialect: str, progress: Progress | None = None) -> Job:
    """The job of a row; `progress` is newer than the row's, unless the job has ended."""
    if progress is None or row.status.is_final:
        progress = Progress.of(row.phase, row.done, row.total, row.unit)
    return Job(
        id=row.id,
        kind=row.kind,
        status=row.status,
        progress=progress.completed() if row.status is JobStatus.DONE else progress,
        result=row.result,
        error=row.error,
        error_status=row.error_status,
        attempts=row.attempts,
        created_by=row.created_by,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        phases=phases_of(row.kind, row.parameters, dialect, row.status, progress),
        dry_run=is_dry_run(row.parameters),
        backup_id=row.parameters.get("backup"),
    )
