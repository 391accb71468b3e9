"""Jobs in the database; a job that runs has an owner, and only the owner's word about it counts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from stocky import clock
from stocky.db import Ask, Connection, Script
from stocky.errors import NotFound
from stocky.jobs.schemas import Job, JobStatus, Progress

# Longer than any key is asked for again: a day's key is, in every time zone, for less than two.
KEY_LASTS = timedelta(days=3)


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job to be added: one that waits, or with `owner` one that has begun."""

    kind: str
    parameters: dict[str, Any] = {}
    once_key: str | None = None
    max_attempts: int = 1
    created_by: str | None = None
    owner: str | None = None
    lease_until: datetime | None = None


class ClaimedJob(msgspec.Struct, frozen=True):
    """A job that became this process's own."""

    id: int
    kind: str
    parameters: dict[str, Any]
    max_attempts: int
    attempts: int


class InterruptedJob(msgspec.Struct, frozen=True):
    """A job that its process did not bring to an end, and what it is now."""

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


class _Id(msgspec.Struct):
    id: int


def add_job(new: NewJob) -> Script[int | None]:
    """The new job's id; None when a job with its once_key exists."""
    now = clock.now()
    has_begun = new.owner is not None
    added = yield Ask(
        "add_job",
        {
            "kind": new.kind,
            "status": "running" if has_begun else "queued",
            "once_key": new.once_key,
            "parameters": msgspec.json.encode(new.parameters).decode(),
            "attempts": int(has_begun),
            "max_attempts": new.max_attempts,
            "run_after": now,
            "owner": new.owner,
            "lease_until": new.lease_until,
            "created_by": new.created_by,
            "created_at": now,
            "started_at": now if has_begun else None,
        },
        into=_Id,
    )
    return added[0].id if added else None


def add_job_unless_waiting(new: NewJob) -> Script[int | None]:
    """The new job's id; None when one of its kind waits already and is about to begin."""
    waiting = yield Ask("find_waiting_job", {"kind": new.kind, "now": clock.now()}, into=_Id)
    return None if waiting else (yield from add_job(new))


def add_running_job(new: NewJob) -> Script[Job]:
    """The new job, which has an owner and no once_key."""
    id = yield from add_job(new)
    rows = yield Ask("get_job", {"id": id}, into=_Row)
    return _job(rows[0])


def claim_job(owner: str, lease_until: datetime, kinds: list[str], alone: list[str]) -> Script[ClaimedJob | None]:
    """The job of these kinds that waits longest, if one does; of the kinds that run `alone`, only if none runs."""
    yield Ask("lock_job_claims")
    claimed = yield Ask(
        "claim_job",
        {
            "owner": owner,
            "lease_until": lease_until,
            "now": clock.now(),
            "kinds": msgspec.json.encode(kinds).decode(),
            "alone": msgspec.json.encode(alone).decode(),
        },
        into=ClaimedJob,
    )
    return claimed[0] if claimed else None


def renew_job_leases(owner: str, ids: list[int], lease_until: datetime) -> Script[None]:
    """Says that the owner works on these."""
    yield Ask("renew_job_leases", {"owner": owner, "ids": _json(ids), "lease_until": lease_until})


def note_job_progress(owner: str, id: int, progress: Progress) -> Script[None]:
    """Writes down how far it is."""
    yield Ask("note_job_progress", {"owner": owner, "id": id} | _told(progress))


def end_job(
    owner: str, id: int, progress: Progress, *, result: bytes | None, error: str | None, error_status: int | None
) -> Script[bool]:
    """Writes down what came of it: a result as JSON, or an error. False when it is not the owner's any more."""
    ended: int = yield Ask(
        "end_job",
        {
            "owner": owner,
            "id": id,
            "status": "done" if error is None else "failed",
            "result": None if result is None else result.decode(),
            "error": error,
            "error_status": error_status,
            "finished_at": clock.now(),
        }
        | _told(progress),
        counted=True,
    )
    return bool(ended)


def put_job_back(owner: str, id: int, error: str, run_after: datetime) -> Script[None]:
    """Lets it wait for another attempt."""
    yield Ask("put_job_back", {"owner": owner, "id": id, "error": error, "run_after": run_after})


def end_interrupted_jobs(owner: str, running: list[int], expired_before: datetime) -> Script[list[InterruptedJob]]:
    """Deals with jobs whose lease ran out: of other owners before that moment, of the owner's those not `running`."""
    ended: list[InterruptedJob] = yield Ask(
        "end_interrupted_jobs",
        {"owner": owner, "running": _json(running), "now": clock.now(), "expired_before": expired_before},
        into=InterruptedJob,
    )
    return ended


def remove_old_jobs(before: datetime, kept: int) -> Script[None]:
    """Removes what ended before that moment, or is not among the last `kept`; a once_key is kept for days."""
    recent = clock.now() - KEY_LASTS
    yield Ask("remove_old_jobs", {"before": before, "kept": kept, "recent": recent})


async def get_job(read: Connection, id: int) -> Job:
    """Raises NotFound."""
    row = await read.one("get_job", _Row, id=id)
    if row is None:
        raise NotFound(f"There is no job with id {id}")
    return _job(row)


async def list_jobs(
    read: Connection,
    *,
    skip: int,
    limit: int,
    status: JobStatus | None = None,
    kind: str | None = None,
    created_by: str | None = None,
) -> list[Job]:
    """Jobs, newest first."""
    rows = await read.all("list_jobs", _Row, skip=skip, limit=limit, status=status, kind=kind, created_by=created_by)
    return [_job(row) for row in rows]


async def list_open_jobs(read: Connection, kind: str) -> list[dict[str, Any]]:
    """The parameters of the jobs of a kind that wait, for another attempt as well, or run."""
    return [each.parameters for each in await read.all("list_open_jobs", _Open, kind=kind)]


def _json(ids: list[int]) -> str:
    return msgspec.json.encode(ids).decode()


def _told(progress: Progress) -> dict[str, Any]:
    return {"phase": progress.phase, "done": progress.done, "total": progress.total, "unit": progress.unit}


def _job(row: _Row) -> Job:
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
    )
