"""Runs jobs in this process; each is a row that says how far it is, and none is run by two processes at once.

A job holds a lease that its process renews while it works on it. When the lease runs out, because the process was
killed or lost its database, the job was interrupted: it is tried again where that is allowed, or has failed.
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
from functools import partial
from typing import Any

import msgspec

from stocky import clock
from stocky.db import Connection, Database
from stocky.db.maintenance_gate import request_epoch
from stocky.errors import OutOfSpace, StockyError, Unavailable
from stocky.jobs import repository
from stocky.jobs.repository import ClaimedJob, InterruptedJob, NewJob
from stocky.jobs.schemas import Job, JobStatus, Progress
from stocky.progress import ProgressCallback
from stocky.supervisor import Supervisor, wait_for

LEASE = timedelta(seconds=30)
RENEW_SECONDS = 10
# What has to pass after a restore before a lease that ran out means anything.
PATIENCE = timedelta(seconds=2 * RENEW_SECONDS)
PROGRESS_SECONDS = 0.5
# How often a process looks for jobs that another one queued; its own wake it at once.
LOOK_SECONDS = 2
# Queued jobs at once. Those that only this process can do are begun when they are asked for.
AT_ONCE = 2
BACK_OFF = timedelta(seconds=30)
KEPT_DAYS = 30
KEPT_JOBS = 1_000
TIDY_SECONDS = 3_600
# The longest pause between two attempts to write down how a job ended.
END_RETRY_SECONDS = 10.0
INTERRUPTED = "interrupted: Stocky was stopped while it worked on it"
NOT_KEPT = "It ended, but its result could not be written down; the log says why"

Work = Callable[[ProgressCallback], Awaitable[Any]]
Function = Callable[[dict[str, Any], ProgressCallback], Awaitable[Any]]
# Called in the transaction in which a job has ended for good: with its error, or None where it was done.
Ended = Callable[[Connection, str | None], Awaitable[None]]

_log = logging.getLogger(__name__)


class _Run:
    """A job that this process works on."""

    def __init__(self, job: ClaimedJob) -> None:
        self.job = job
        self.progress = Progress()
        self.is_told = True
        self.outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        # Whoever wants to know asks; nobody has to.
        self.outcome.add_done_callback(lambda done: done.cancelled() or done.exception())

    def report(self, phase: str, done: int, total: int | None, unit: str) -> None:
        self.progress = Progress.of(phase, done, total, unit)
        self.is_told = False


class Jobs:
    """The jobs of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._owner = secrets.token_hex(8)
        self.supervisor: Supervisor = database.supervisor
        self._functions: dict[str, Function] = {}
        self._alone: set[str] = set()
        self._ended: dict[str, Ended] = {}
        self._running: dict[int, _Run] = {}
        self._claimed = 0
        self._wake = asyncio.Event()
        # Not by the clock, which may be set back: neither patience nor a lease may last until it has caught up.
        self._patient_until = time.monotonic()
        database.gate.on_data_replaced(self._be_patient)
        self._tasks: set[asyncio.Task[None]] = set()
        # On SQLite there is no other process: what is running there was left by one that has gone.
        self._expired_before = clock.FAR_AWAY if database.dialect == "sqlite" else clock.now()
        self._renewed = time.monotonic()
        task = self.supervisor.task
        self._keepers = [
            task("jobs", self._claim_all, lambda: wait_for(self._wake, LOOK_SECONDS), retry_seconds=LOOK_SECONDS),
            task("job leases", self._note, lambda: asyncio.sleep(PROGRESS_SECONDS), retry_seconds=LOOK_SECONDS),
            task("job history", self._tidy, lambda: asyncio.sleep(TIDY_SECONDS)),
        ]

    def register(self, kind: str, function: Function, *, is_alone: bool = False, ended: Ended | None = None) -> None:
        """Jobs of this kind are done by `function(parameters, report)`, in whichever process finds them.

        Of a kind that `is_alone`, one job runs at a time. `ended` is called whenever a job of the kind has ended.
        """
        self._functions[kind] = function
        if is_alone:
            self._alone.add(kind)
        if ended is not None:
            self._ended[kind] = ended

    def start(self) -> None:
        """Begins to look for jobs. The database is open."""
        for keeper in self._keepers:
            keeper.start()

    async def close(self) -> None:
        """Breaks off what is running and says so."""
        for keeper in self._keepers:
            await keeper.close()
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
        max_attempts: int = 1,
    ) -> int | None:
        """The id of a job that any process may do; None when one with this once_key was there before."""
        new = NewJob(kind=kind, parameters=parameters, once_key=once_key, max_attempts=max_attempts, created_by=by)
        id = await self._database.run(repository.add_job, new)
        self._wake.set()
        return id

    def look_now(self) -> None:
        """Looks for queued jobs at once: one was added in a transaction that has just been committed."""
        self._wake.set()

    async def run_here(self, kind: str, work: Work, *, by: str | None) -> Job:
        """A job that only this process can do, since what it needs lies here; it goes on when its request has ended."""
        new = NewJob(kind=kind, created_by=by, owner=self._owner, lease_until=clock.now() + LEASE)
        job = await self._database.run(repository.add_running_job, new)
        self._begin(ClaimedJob(job.id, kind, {}, 1, 1), work)
        return job

    async def finished(self, id: int) -> Any:
        """What came of a job that `run_here` has just begun; raises what it raised."""
        return await asyncio.shield(self._running[id].outcome)

    async def look(self, id: int) -> Job:
        """A job as it is now. Raises NotFound."""
        async with self._database.read() as read:
            job = await repository.get_job(read, id)
        run = self._running.get(id)
        if run is not None and not job.status.is_final:
            job.progress = run.progress
        return job

    def _begin(self, job: ClaimedJob, work: Work) -> asyncio.Task[None]:
        run = self._running[job.id] = _Run(job)
        # It outlives the request, also when the data is replaced meanwhile.
        context = contextvars.copy_context()
        context.run(request_epoch.set, None)
        task = asyncio.create_task(self._do(run, work), name=f"job {job.id}: {job.kind}", context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _do(self, run: _Run, work: Work) -> None:
        try:
            try:
                result = await work(run.report)
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
            except Exception as error:  # noqa: BLE001 - it belongs to whoever waits, and the row says that it failed
                _log.exception("Job %d (%s) failed", run.job.id, run.job.kind)
                run.outcome.set_exception(error)
                await self._fail(run, "It failed inside Stocky; the log has it", 500)
            else:
                run.outcome.set_result(result)
                await self._end(run, result=encoded, error=None, status=None)
        finally:
            self._running.pop(run.job.id, None)

    async def _fail(self, run: _Run, error: str, status: int | None) -> None:
        job = run.job
        # What was refused would be refused again.
        is_refusal = status is not None and 400 <= status < 500
        if job.attempts < job.max_attempts and not is_refusal:
            run_after = clock.now() + BACK_OFF * 2 ** (job.attempts - 1)
            await self._keep(
                run, partial(self._database.run, repository.put_job_back, self._owner, job.id, error, run_after)
            )
        else:
            await self._end(run, result=None, error=error, status=status)

    async def _end(self, run: _Run, *, result: bytes | None, error: str | None, status: int | None) -> None:
        """Writes down how a job ended. A result that the database does not take is an end without it."""
        job = run.job

        async def write() -> None:
            async with self._database.transaction() as tx:
                is_ours = await repository.end_job(
                    tx, self._owner, job.id, run.progress, result=result, error=error, error_status=status
                )
                if is_ours and (ended := self._ended.get(job.kind)):
                    await ended(tx, error)

        if not await self._keep(run, write) and error is None:
            await self._end(run, result=None, error=NOT_KEPT, status=500)

    async def _keep(self, run: _Run, write: Callable[[], Awaitable[None]]) -> bool:
        """Writes something down, again and again while the database is away or its disk full; False when it cannot be.

        Where it cannot, the lease of the job runs out, and it was interrupted.
        """
        pause = PROGRESS_SECONDS
        while True:
            try:
                await write()
                return True
            except (Unavailable, OutOfSpace) as error:
                if pause == PROGRESS_SECONDS:
                    _log.warning("The end of job %d (%s) waits: %s", run.job.id, run.job.kind, error.detail)
            except Exception:  # noqa: BLE001 - whatever it is, it would come again
                _log.exception("The end of job %d (%s) could not be written down", run.job.id, run.job.kind)
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
        async def end(tx: Connection) -> list[InterruptedJob]:
            return await repository.end_interrupted_jobs(tx, self._owner, list(self._running), self._expired_before)

        try:
            async with self._database.transaction() as tx:
                for job in await end(tx):
                    _log.warning("Job %d (%s) was interrupted and is %s now", job.id, job.kind, job.status.value)
                    if job.status is JobStatus.FAILED and (ended := self._ended.get(job.kind)):
                        await ended(tx, job.error)
        except (Unavailable, OutOfSpace):
            raise
        except Exception:  # noqa: BLE001 - whatever `ended` raises, it must not keep jobs from being claimed
            _log.exception("The end of interrupted jobs could not be told")
            await self._database.run(end)

    def _be_patient(self) -> None:
        """While a restore kept everyone out nobody could renew a lease, also who works on."""
        self._patient_until = time.monotonic() + PATIENCE.total_seconds()

    async def _claim(self) -> bool:
        until = clock.now() + LEASE
        job = await self._database.run(
            repository.claim_job, self._owner, until, sorted(self._functions), sorted(self._alone)
        )
        if job is None:
            return False
        function = self._functions[job.kind]
        self._claimed += 1

        def let_go(_: object) -> None:
            self._claimed -= 1
            self._wake.set()

        self._begin(job, lambda report: function(job.parameters, report)).add_done_callback(let_go)
        return True

    async def _note(self) -> None:
        """Renews the leases of what runs here, and writes down how far it is."""
        now = time.monotonic()
        if self._running and now - self._renewed >= RENEW_SECONDS:
            until = clock.now() + LEASE
            await self._database.run(repository.renew_job_leases, self._owner, list(self._running), until)
            self._renewed = now
        for run in list(self._running.values()):
            if not run.is_told:
                run.is_told = True
                await self._database.run(repository.note_job_progress, self._owner, run.job.id, run.progress)

    async def _tidy(self) -> None:
        await self._database.run(repository.remove_old_jobs, _days_ago(KEPT_DAYS), KEPT_JOBS)


def _days_ago(days: int) -> datetime:
    return clock.now() - timedelta(days=days)
