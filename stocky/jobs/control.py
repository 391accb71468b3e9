"""What users do with jobs: cancel them, run failed ones again, dismiss failures; each writes an audit entry."""

from __future__ import annotations

from stocky.auth.schemas import Principal
from stocky.errors import Conflict
from stocky.jobs import repository
from stocky.jobs.jobs import Jobs
from stocky.jobs.kinds import kind_named, reason_not_to_stop
from stocky.jobs.schemas import Job, JobStatus
from stocky.logs import audit


async def cancel_job(jobs: Jobs, id: int, by: Principal) -> Job:
    """Ends a queued job, and asks a running one to stop. Raises NotFound, Conflict when it has ended or cannot stop.

    A job that runs in another process stops when that renews its lease, unless it can no longer be stopped then.
    """
    progress = jobs.progress_here(id)
    async with jobs.database.transaction() as tx:
        job, parameters = await repository.lock_job(tx, id, progress)
        if job.status.is_final:
            raise Conflict(f"Job {id} has ended; it is {job.status.value}")
        is_waiting = job.status is JobStatus.QUEUED
        phase = "" if is_waiting else job.progress.phase
        if reason := reason_not_to_stop(job.kind, parameters, phase, job.attempts + is_waiting):
            raise Conflict(f"Job {id} cannot be cancelled now: {reason}")
        if is_waiting:
            await repository.cancel_queued_job(tx, id, f"cancelled by {by.user.username}")
            await jobs.note_cancelled(tx, job.kind, parameters)
        else:
            await repository.request_job_cancel(tx, id)
        # One that runs may go on to its end.
        action = "cancelled" if is_waiting else "cancel requested"
        await audit.record(tx, by, action, "job", id, {"kind": job.kind})
    await jobs.stop(id)
    return await jobs.look(id)


async def retry_job(jobs: Jobs, id: int, by: Principal) -> Job:
    """Queues a job that failed or was cancelled again, with the same parameters and all its attempts.

    Raises NotFound, and Conflict when it did not fail or cannot be run again.
    """
    async with jobs.database.transaction() as tx:
        job, parameters = await repository.lock_job(tx, id)
        if job.status not in (JobStatus.FAILED, JobStatus.CANCELLED):
            raise Conflict(f"Job {id} is {job.status.value}; only a job that failed or was cancelled can be run again")
        if not kind_named(job.kind).repeats:
            raise Conflict(f"Jobs of the kind {job.kind} cannot be run again; start a new one")
    # Files are looked at outside of the transaction.
    await jobs.check_repeatable(job.kind, parameters)
    async with jobs.database.transaction() as tx:
        job, parameters = await repository.lock_job(tx, id)
        if job.status not in (JobStatus.FAILED, JobStatus.CANCELLED):
            raise Conflict(f"Job {id} was run again already; it is {job.status.value}")
        await repository.repeat_job(tx, job, parameters)
        await audit.record(tx, by, "retried", "job", id, {"kind": job.kind})
    jobs.look_now()
    return await jobs.look(id)


async def dismiss_job(jobs: Jobs, id: int, by: Principal) -> Job:
    """Marks a failed job and the earlier failures of its kind as seen, which ends their notice.

    Raises NotFound, and Conflict when it did not fail.
    """
    async with jobs.database.transaction() as tx:
        job, _ = await repository.lock_job(tx, id)
        if job.status is not JobStatus.FAILED:
            raise Conflict(f"Job {id} is {job.status.value}; only a failed job can be dismissed")
        if job.dismissed_at is None:
            await repository.dismiss_job(tx, id)
            await audit.record(tx, by, "dismissed", "job", id, {"kind": job.kind})
    return await jobs.look(id)
