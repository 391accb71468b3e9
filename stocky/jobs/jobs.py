"""Runs jobs in this process; each job is a row with its progress, and never runs in two processes at once.

The process renews a job's lease while it works on it. When the lease expires, because the process was killed or lost
its database, the job counts as interrupted: it is retried if it has attempts left, or fails. `kinds` says how often a
kind is tried and when it can be stopped; `control` has what users do with jobs.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec

from stocky import clock
from stocky.db import Connection, Database
from stocky.db.maintenance_gate import request_epoch
from stocky.errors import Conflict, OutOfSpace, StockyError, Unavailable
from stocky.jobs import repository
from stocky.jobs.kinds import delay_after, reason_not_to_stop
from stocky.jobs.repository import ClaimedJob, NewJob
from stocky.jobs.run import BoundFunction, CancelledByUser, Run
from stocky.jobs.schemas import Job, JobStatus, Progress
from stocky.progress import ProgressCallback
from stocky.supervisor import Supervisor, wait_for

LEASE = timedelta(seconds=30)
RENEW_SECONDS = 10
# After a restore, expired leases are ignored for this long.
PATIENCE = timedelta(seconds=2 * RENEW_SECONDS)
PROGRESS_SECONDS = 0.5
# How often a process polls for jobs queued by others; its own jobs wake it at once.
LOOK_SECONDS = 2
# Queued jobs that run at once. Jobs of run_here start immediately and do not count.
AT_ONCE = 2
RETENTION_DAYS = 30
# How long failed jobs that nobody has dismissed are listed.
FAILED_RETENTION_DAYS = 90
MAX_STORED_JOBS = 1_000
TIDY_SECONDS = 3_600
# The longest pause between two attempts to store the end of a job.
END_RETRY_SECONDS = 10.0
INTERRUPTED = "interrupted: Stocky was stopped while the job was running"
CANCELLED = "cancelled"
RESULT_LOST = "The job ended, but its result could not be stored; see the log"

Function = Callable[[dict[str, Any], ProgressCallback], Awaitable[Any]]
# Called in the transaction that ends a job: with its parameters, and its error or None for success.
Ended = Callable[[Connection, dict[str, Any], str | None], Awaitable[None]]
# Called in the transaction that cancels a job, with its parameters.
Cancelled = Callable[[Connection, dict[str, Any]], Awaitable[None]]
# Raises Conflict when a failed job with these parameters cannot be run again.
Repeatable = Callable[[dict[str, Any]], Awaitable[None]]

_log = logging.getLogger(__name__)


class Jobs:
    """The jobs of one process."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._owner = secrets.token_hex(8)
        self.supervisor: Supervisor = database.supervisor
        self._functions: dict[str, Function] = {}
        self._ended: dict[str, Ended] = {}
        self._cancelled: dict[str, Cancelled] = {}
        self._repeatable: dict[str, Repeatable] = {}
        self._running: dict[int, Run] = {}
        self._claimed = 0
        self._wake = asyncio.Event()
        # Monotonic time: the clock may be set back, and must not extend this pause or a lease.
        self._patient_until = time.monotonic()
        database.gate.on_data_replaced(self._extend_patience)
        self._tasks: set[asyncio.Task[None]] = set()
        # SQLite has one process: a job that is running at startup was left by an earlier one.
        self._expired_before = clock.FAR_AWAY if database.dialect == "sqlite" else clock.now()
        self._renewed = time.monotonic()
        task = self.supervisor.task
        self._loops = [
            task("jobs", self._claim_all, lambda: wait_for(self._wake, LOOK_SECONDS), retry_seconds=LOOK_SECONDS),
            task(
                "job leases",
                self._update_running,
                lambda: asyncio.sleep(PROGRESS_SECONDS),
                retry_seconds=LOOK_SECONDS,
            ),
            task("job history", self._tidy, lambda: asyncio.sleep(TIDY_SECONDS)),
        ]

    def register(
        self,
        kind: str,
        function: Function,
        *,
        ended: Ended | None = None,
        cancelled: Cancelled | None = None,
        repeatable: Repeatable | None = None,
    ) -> None:
        """Registers `function(parameters, report)` for jobs of this kind, in whichever process claims them.

        `ended` is called whenever a job of the kind succeeds or finally fails, `cancelled` when it is cancelled, and
        `repeatable` before a failed one is run again.
        """
        self._functions[kind] = function
        if ended is not None:
            self._ended[kind] = ended
        if cancelled is not None:
            self._cancelled[kind] = cancelled
        if repeatable is not None:
            self._repeatable[kind] = repeatable

    def start(self) -> None:
        """Starts polling for jobs. Requires an open database."""
        for loop in self._loops:
            loop.start()

    async def close(self) -> None:
        """Stops running jobs and records the interruption."""
        for loop in self._loops:
            await loop.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def enqueue(
        self,
        kind: str,
        parameters: dict[str, Any],
        *,
        by: str | None = None,
        once_key: str | None = None,
        max_attempts: int | None = None,
    ) -> int | None:
        """Queues a job for any process; returns its id, None when a job with this once_key exists.

        `max_attempts` None are those of its kind.
        """
        new = NewJob(kind=kind, parameters=parameters, once_key=once_key, max_attempts=max_attempts, created_by=by)
        id = await self.database.run(repository.add_job, new)
        self._wake.set()
        return id

    def look_now(self) -> None:
        """Polls at once, after a transaction that added a job was committed."""
        self._wake.set()

    async def run_here(
        self, kind: str, work: BoundFunction, *, by: str | None, parameters: dict[str, Any] | None = None
    ) -> Job:
        """Starts a job that needs local data of this process; it outlives its request.

        `parameters` are not passed to the work; `phases` and `kinds` read what it does from them. It is tried once,
        and may run beside others of its kind: it has to prevent that itself.
        """
        new = NewJob(
            kind=kind,
            parameters=parameters or {},
            max_attempts=1,
            created_by=by,
            owner=self._owner,
            lease_until=clock.now() + LEASE,
        )
        job = await self.database.run(repository.add_running_job, new)
        self._begin(ClaimedJob(job.id, kind, new.parameters, 1, 1), work, is_claimed=False)
        return job

    async def finished(self, id: int) -> Any:
        """The result of a job that `run_here` has just started; raises what the job raised."""
        return await asyncio.shield(self._running[id].outcome)

    async def look(self, id: int) -> Job:
        """The job with its current progress. Raises NotFound."""
        run = self._running.get(id)
        async with self.database.read() as read:
            return await repository.get_job(read, id, None if run is None else run.progress)

    def progress_here(self, id: int) -> Progress | None:
        """The progress of a job that runs in this process."""
        run = self._running.get(id)
        return None if run is None else run.progress

    async def stop(self, id: int) -> None:
        """Stops a job whose cancellation was requested, if it runs here; its own process does so if not.

        Raises Conflict when it can no longer be stopped, and withdraws the request.
        """
        run = self._running.get(id)
        if run is None:
            return
        if reason := run.reason_not_to_stop():
            await self.database.run(repository.refuse_job_cancel, self._owner, id)
            raise Conflict(f"Job {id} cannot be cancelled now: {reason}")
        run.stop()

    async def check_repeatable(self, kind: str, parameters: dict[str, Any]) -> None:
        """Raises Conflict when a job with these parameters cannot be run again."""
        if kind not in self._functions:
            raise Conflict(f"Jobs of the kind {kind} cannot be run again; start a new one")
        if (check := self._repeatable.get(kind)) is not None:
            await check(parameters)

    async def note_cancelled(self, tx: Connection, kind: str, parameters: dict[str, Any]) -> None:
        """Does what belongs to the cancellation of a job of this kind, in its transaction."""
        if (cancelled := self._cancelled.get(kind)) is not None:
            await cancelled(tx, parameters)

    def _begin(self, job: ClaimedJob, work: BoundFunction, *, is_claimed: bool = True) -> asyncio.Task[None]:
        if (earlier := self._running.get(job.id)) is not None:
            self._abandon(earlier)
        run = self._running[job.id] = Run(job, is_claimed=is_claimed)
        # The job outlives the request, also when the data is replaced meanwhile.
        context = contextvars.copy_context()
        context.run(request_epoch.set, None)
        task = asyncio.create_task(self._do(run, work), name=f"job {job.id}: {job.kind}", context=context)
        run.task = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _abandon(self, run: Run) -> None:
        """Stops an attempt whose lease was lost; its end is not written."""
        if run.is_claimed and not run.is_abandoned:
            run.is_abandoned = True
            # One that is just ending needs no stop.
            if run.task is not None and not run.outcome.done():
                _log.warning("Job %d (%s) was lost to another attempt; this one is stopped", run.job.id, run.job.kind)
                run.task.cancel()

    async def _do(self, run: Run, work: BoundFunction) -> None:
        try:
            try:
                result = await run.do(work)
                encoded = msgspec.json.encode(result)
            except StockyError as error:
                run.outcome.set_exception(error)
                await self._fail(run, error.detail, int(error.status))
            except asyncio.CancelledError:
                run.outcome.set_exception(Unavailable("Stocky is stopping; try again", retry_after=5))
                with suppress(TimeoutError):
                    async with asyncio.timeout(2):
                        await self._fail(run, INTERRUPTED, None)
                raise
            except CancelledByUser:
                run.outcome.set_exception(Conflict(f"Job {run.job.id} was cancelled"))
                await self._end(run, result=None, error=CANCELLED, status=None, is_cancelled=True)
            except Exception as error:  # noqa: BLE001 - passed to the caller that waits; the row records the failure
                _log.exception("Job %d (%s) failed", run.job.id, run.job.kind)
                run.outcome.set_exception(error)
                await self._fail(run, "Internal error; see the log", 500)
            else:
                run.outcome.set_result(result)
                await self._end(run, result=encoded, error=None, status=None)
        finally:
            if self._running.get(run.job.id) is run:
                del self._running[run.job.id]

    async def _fail(self, run: Run, error: str, status: int | None) -> None:
        job = run.job
        # A refused job would be refused again.
        is_refusal = status is not None and 400 <= status < 500
        if job.attempts < job.max_attempts and not is_refusal:
            run_after = clock.now() + delay_after(job.kind, job.attempts)
            can_stop = reason_not_to_stop(job.kind, job.parameters, run.progress.phase, job.attempts) is None

            async def write() -> None:
                async with self.database.transaction() as tx:
                    if await repository.put_job_back(tx, self._owner, job, error, run_after, can_stop=can_stop):
                        await self.note_cancelled(tx, job.kind, job.parameters)

            await self._write_with_retries(run, write)
        else:
            await self._end(run, result=None, error=error, status=status)

    async def _end(
        self, run: Run, *, result: bytes | None, error: str | None, status: int | None, is_cancelled: bool = False
    ) -> None:
        """Stores the end of a job. If the database rejects the result, the job fails without it."""
        job = run.job

        async def write() -> None:
            async with self.database.transaction() as tx:
                is_ours = await repository.end_job(
                    tx,
                    self._owner,
                    job,
                    run.progress,
                    result=result,
                    error=error,
                    error_status=status,
                    is_cancelled=is_cancelled,
                )
                if is_ours and is_cancelled:
                    await self.note_cancelled(tx, job.kind, job.parameters)
                elif is_ours and (ended := self._ended.get(job.kind)):
                    await ended(tx, job.parameters, error)

        if not await self._write_with_retries(run, write) and error is None:
            await self._end(run, result=None, error=RESULT_LOST, status=500)

    async def _write_with_retries(self, run: Run, write: Callable[[], Awaitable[None]]) -> bool:
        """Writes, with retries while the database is unavailable or its disk full; False for any other error.

        In that case the job's lease expires and the job counts as interrupted.
        """
        pause = PROGRESS_SECONDS
        while True:
            if run.is_abandoned:
                return True
            try:
                await write()
                return True
            except (Unavailable, OutOfSpace) as error:
                if pause == PROGRESS_SECONDS:
                    _log.warning("The end of job %d (%s) waits: %s", run.job.id, run.job.kind, error.detail)
            except Exception:  # noqa: BLE001 - any other error would recur
                _log.exception("The end of job %d (%s) could not be stored", run.job.id, run.job.kind)
                return False
            await asyncio.sleep(pause)
            pause = min(2 * pause, END_RETRY_SECONDS)

    async def _claim_all(self) -> None:
        if time.monotonic() >= self._patient_until:
            await self._end_interrupted()
        while self._claimed < AT_ONCE and await self._claim():
            pass
        self._expired_before = clock.now()

    async def _end_interrupted(self) -> None:
        running, expired_before = list(self._running), self._expired_before
        try:
            async with self.database.transaction() as tx:
                for job in await repository.end_interrupted_jobs(tx, self._owner, running, expired_before):
                    _log.warning("Job %d (%s) was interrupted and is %s now", job.id, job.kind, job.status.value)
                    if job.status is JobStatus.FAILED and (ended := self._ended.get(job.kind)):
                        await ended(tx, job.parameters, job.error)
                    elif job.status is JobStatus.CANCELLED:
                        await self.note_cancelled(tx, job.kind, job.parameters)
        except (Unavailable, OutOfSpace):
            raise
        except Exception:  # noqa: BLE001 - an error in `ended` must not stop jobs from being claimed
            _log.exception("The callback for the end of interrupted jobs failed")
            await self.database.run(repository.end_interrupted_jobs, self._owner, running, expired_before)

    def _extend_patience(self) -> None:
        """No process could renew a lease during a restore, also one that still works on a job."""
        self._patient_until = time.monotonic() + PATIENCE.total_seconds()

    async def _claim(self) -> bool:
        until = clock.now() + LEASE
        job = await self.database.run(repository.claim_job, self._owner, until, sorted(self._functions))
        if job is None:
            return False
        function = self._functions[job.kind]
        self._claimed += 1

        def release_slot(_: object) -> None:
            self._claimed -= 1
            self._wake.set()

        self._begin(job, lambda report: function(job.parameters, report)).add_done_callback(release_slot)
        return True

    async def _update_running(self) -> None:
        """Renews the leases of this process's jobs, stores their progress, and stops those that are to stop.

        An attempt whose lease is lost is abandoned: another process may have begun the next one.
        """
        now = time.monotonic()
        stopping: list[int] = []
        if self._running and now - self._renewed >= RENEW_SECONDS:
            until, renew = clock.now() + LEASE, repository.renew_job_leases
            runs = list(self._running.values())
            found = await self.database.run(renew, self._owner, [run.job.id for run in runs], until)
            renewed = {each.id: each for each in found}
            for run in runs:
                job = renewed.get(run.job.id)
                if job is None or job.attempts != run.job.attempts:
                    self._abandon(run)
                elif job.cancel_requested_at is not None:
                    stopping.append(job.id)
            self._renewed = now
        for run in list(self._running.values()):
            if not run.is_stored:
                run.is_stored = True
                if await self.database.run(repository.note_job_progress, self._owner, run.job, run.progress):
                    stopping.append(run.job.id)
        for id in stopping:
            # One that can no longer be stopped goes on.
            with suppress(Conflict):
                await self.stop(id)

    async def _tidy(self) -> None:
        before, failed_before = _days_ago(RETENTION_DAYS), _days_ago(FAILED_RETENTION_DAYS)
        await self.database.run(repository.remove_old_jobs, before, MAX_STORED_JOBS, failed_before)


def _days_ago(days: int) -> datetime:
    return clock.now() - timedelta(days=days)
