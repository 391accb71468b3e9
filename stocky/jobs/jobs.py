"""Runs jobs in this process; each is a row that says how far it is, and none is run by two processes at once.

A job holds a lease that its process renews. When the process is killed the lease runs out, and another process
says that the job was interrupted, or tries it again where that is allowed.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec

from stocky import clock
from stocky.db import Database
from stocky.db.gate import begun_in
from stocky.errors import StockyError, Unavailable
from stocky.jobs import repository
from stocky.jobs.repository import ClaimedJob, NewJob
from stocky.jobs.schemas import Job, Progress

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
# How long the end of a job is told again and again to a database that is away.
TELL_SECONDS = 300
INTERRUPTED = "interrupted: Stocky was stopped while it worked on it"

Report = Callable[[str, int, int | None, str], None]
Work = Callable[[Report], Awaitable[Any]]
Function = Callable[[dict[str, Any], Report], Awaitable[Any]]

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
        self._functions: dict[str, Function] = {}
        self._running: dict[int, _Run] = {}
        self._claimed = 0
        self._wake = asyncio.Event()
        self._patient_until = clock.now()
        database.gate.on_renewal(self._be_patient)
        self._tasks: set[asyncio.Task[None]] = set()
        self._keepers: list[asyncio.Task[None]] = []

    def register(self, kind: str, function: Function) -> None:
        """Jobs of this kind are done by `function(parameters, report)`, in whichever process finds them."""
        self._functions[kind] = function

    def start(self) -> None:
        """Begins to look for jobs. The database is open."""
        self._keepers = [asyncio.create_task(each()) for each in (self._keep_claiming, self._keep_telling, self._tidy)]

    async def close(self) -> None:
        """Breaks off what is running and says so."""
        tasks = [*self._keepers, *self._tasks]
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
        id = await self._database.run(repository.add_job(new))
        self._wake.set()
        return id

    def look_now(self) -> None:
        """Looks for queued jobs at once: one was added in a transaction that has just been committed."""
        self._wake.set()

    async def run_here(self, kind: str, work: Work, *, by: str | None) -> Job:
        """A job that only this process can do, since what it needs lies here; it goes on when its request has ended."""
        new = NewJob(kind=kind, created_by=by, owner=self._owner, lease_until=clock.now() + LEASE)
        id = await self._database.run(repository.add_job(new))
        assert id is not None
        async with self._database.read() as read:
            job = await repository.get_job(read, id)
        self._begin(ClaimedJob(id, kind, {}, 1, 1), work)
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
        context.run(begun_in.set, None)
        task = asyncio.create_task(self._do(run, work), name=f"job {job.id}: {job.kind}", context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _do(self, run: _Run, work: Work) -> None:
        try:
            try:
                result = await work(run.report)
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
                encoded = msgspec.json.encode(result)
                await self._tell(lambda: repository.end_job(
                    self._owner, run.job.id, run.progress, result=encoded, error=None, error_status=None
                ))  # fmt: skip
        finally:
            self._running.pop(run.job.id, None)

    async def _fail(self, run: _Run, error: str, status: int | None) -> None:
        job = run.job
        # What was refused would be refused again.
        is_refusal = status is not None and 400 <= status < 500
        if job.attempts < job.max_attempts and not is_refusal:
            run_after = clock.now() + BACK_OFF * 2 ** (job.attempts - 1)
            await self._tell(lambda: repository.put_job_back(self._owner, job.id, error, run_after))
        else:
            await self._tell(lambda: repository.end_job(
                self._owner, job.id, run.progress, result=None, error=error, error_status=status
            ))  # fmt: skip

    async def _tell(self, script: Callable[[], Any]) -> None:
        """Writes something down, again and again while the database is away."""
        with suppress(TimeoutError):
            async with asyncio.timeout(TELL_SECONDS):
                while True:
                    try:
                        await self._database.run(script())
                        return
                    except Unavailable:
                        await asyncio.sleep(PROGRESS_SECONDS)

    async def _keep_claiming(self) -> None:
        # On SQLite there is no other process: what is running there was left by one that has gone.
        expired_before = clock.FAR_AWAY if self._database.dialect == "sqlite" else clock.now()
        while True:
            with suppress(StockyError):
                if clock.now() >= self._patient_until:
                    await self._database.run(repository.end_interrupted_jobs(self._owner, expired_before))
                expired_before = clock.now()
                while self._claimed < AT_ONCE and await self._claim():
                    pass
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            expired_before = clock.now()

    def _be_patient(self) -> None:
        """While a restore kept everyone out nobody could renew a lease, also who works on."""
        self._patient_until = clock.now() + PATIENCE

    async def _claim(self) -> bool:
        until = clock.now() + LEASE
        job = await self._database.run(repository.claim_job(self._owner, until, sorted(self._functions)))
        if job is None:
            return False
        function = self._functions[job.kind]
        self._claimed += 1

        def let_go(_: object) -> None:
            self._claimed -= 1
            self._wake.set()

        self._begin(job, lambda report: function(job.parameters, report)).add_done_callback(let_go)
        return True

    async def _keep_telling(self) -> None:
        renewed = clock.now()
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            with suppress(StockyError):
                for run in list(self._running.values()):
                    if not run.is_told:
                        run.is_told = True
                        await self._database.run(repository.note_job_progress(self._owner, run.job.id, run.progress))
                now = clock.now()
                if self._running and now - renewed >= timedelta(seconds=RENEW_SECONDS):
                    await self._database.run(repository.renew_job_leases(self._owner, now + LEASE))
                    renewed = now

    async def _tidy(self) -> None:
        while True:
            with suppress(StockyError):
                await self._database.run(repository.remove_old_jobs(_days_ago(KEPT_DAYS), KEPT_JOBS))
            await asyncio.sleep(TIDY_SECONDS)


def _days_ago(days: int) -> datetime:
    return clock.now() - timedelta(days=days)
