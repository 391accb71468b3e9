"""Attempts of a job: one whose lease was lost stops, and a request to cancel survives the end of its attempt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky import clock
from stocky.config import Config
from stocky.db import Connection, Database
from stocky.errors import Unavailable
from stocky.jobs import repository
from stocky.jobs.jobs import Jobs
from stocky.jobs.kinds import KINDS, JobKind
from stocky.jobs.repository import ClaimedJob, NewJob
from stocky.jobs.schemas import Job, JobStatus, Progress
from stocky.progress import ProgressCallback
from tests.architecture.schema import run_beside
from tests.imports.importing import begin
from tests.inventory import get, refused
from tests.jobs.test_jobs import ended

pytestmark = pytest.mark.one_server

KIND = "steps"


@pytest.fixture(autouse=True)
def _kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, KIND, JobKind(repeats=True, stops_in=frozenset({"reading"}), attempts=3))


@pytest.fixture
async def process(app: Litestar, database: Database) -> AsyncIterator[Jobs]:
    """The jobs of a process that claims only when a test asks it to; those of the application are closed."""
    await app.state.jobs.close()
    jobs = Jobs(database)
    yield jobs
    await jobs.close()


async def interrupt(database: Database) -> None:
    """As another process does when the leases of this one have expired."""
    await database.run(repository.end_interrupted_jobs, "another", [], clock.now() + timedelta(hours=2))


async def until_idle(jobs: Jobs) -> None:
    async with asyncio.timeout(20):
        await asyncio.gather(*jobs._tasks, return_exceptions=True)


async def look(database: Database, id: int) -> Job:
    async with database.read() as read:
        return await repository.get_job(read, id)


async def test_attempt_whose_lease_was_lost_is_stopped(
    database: Database, process: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def work(parameters: dict[str, Any], report: ProgressCallback) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    process.register(KIND, work)
    id = await process.enqueue(KIND, {})
    assert id is not None
    assert await process._claim()
    await begun.wait()
    await interrupt(database)
    taken = await database.run(repository.claim_job, "another", clock.now() + timedelta(minutes=1), [KIND])
    assert taken is not None
    assert (taken.id, taken.attempts) == (id, 2)
    monkeypatch.setattr("stocky.jobs.jobs.RENEW_SECONDS", 0)
    await process._update_running()
    async with asyncio.timeout(20):
        await stopped.wait()
    await until_idle(process)
    job = await look(database, id)
    assert (job.status, job.attempts) == (JobStatus.RUNNING, 2)


@pytest.mark.parametrize("had", [1, 0], ids=["interrupted", "run again"])
async def test_earlier_attempt_does_not_end_the_job_that_its_process_claimed_again(
    database: Database, config: Config, process: Jobs, had: int
) -> None:
    attempts = 0
    begun, going_on = asyncio.Event(), asyncio.Event()

    async def work(parameters: dict[str, Any], report: ProgressCallback) -> str:
        nonlocal attempts
        attempts += 1
        begun.set()
        if attempts == 2:
            await going_on.wait()
            return "the second"
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            # An answer that was on its way.
            return "the first"
        return "never"

    process.register(KIND, work)
    id = await process.enqueue(KIND, {})
    assert id is not None
    assert await process._claim()
    await begun.wait()
    (first,) = process._tasks
    await interrupt(database)
    await run_beside(config, f"UPDATE job SET attempts = {had} WHERE id = {id}")
    assert await process._claim()
    async with asyncio.timeout(20):
        await first
    assert (await look(database, id)).status is JobStatus.RUNNING
    assert process.progress_here(id) is not None
    going_on.set()
    await until_idle(process)
    job = await look(database, id)
    assert (job.status, job.result, job.attempts) == (JobStatus.DONE, "the second", had + 1)


async def test_job_that_was_not_claimed_goes_on_without_its_lease(
    database: Database, process: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    going_on = asyncio.Event()

    async def work(report: ProgressCallback) -> str:
        await going_on.wait()
        return "all"

    job = await process.run_here(KIND, work, by=None)
    await interrupt(database)
    monkeypatch.setattr("stocky.jobs.jobs.RENEW_SECONDS", 0)
    await process._update_running()
    outcome = asyncio.create_task(process.finished(job.id))
    await asyncio.sleep(0)
    going_on.set()
    assert await outcome == "all"


@pytest.mark.parametrize("phase", ["reading", "writing"])
async def test_request_to_cancel_is_seen_when_the_attempt_fails(
    database: Database, process: Jobs, admin: AsyncClient, phase: str
) -> None:
    begun, going_on = asyncio.Event(), asyncio.Event()
    noted: list[object] = []

    async def work(parameters: dict[str, Any], report: ProgressCallback) -> None:
        report("reading", 0, None, "rows")
        begun.set()
        await going_on.wait()
        report(phase, 1, None, "rows")
        raise Unavailable("the disk is away")

    async def note(tx: Connection, parameters: dict[str, Any]) -> None:
        noted.append(parameters)

    process.register(KIND, work, cancelled=note)
    id = await process.enqueue(KIND, {"number": 1})
    assert id is not None
    assert await process._claim()
    await begun.wait()
    await process._update_running()
    assert (await admin.post(f"/jobs/{id}/cancel")).status_code == 202
    going_on.set()
    await until_idle(process)
    job = await get(admin, f"/jobs/{id}")
    if phase == "reading":
        assert (job["status"], job["error"], noted) == ("cancelled", "cancelled", [{"number": 1}])
        assert job["finished_at"] is not None
    else:
        assert (job["status"], job["error"], noted) == ("queued", "the disk is away", [])
        assert (job["cancel_requested_at"], job["finished_at"], job["can_cancel"]) == (None, None, True)


async def test_interrupted_job_without_attempts_is_cancelled_if_that_was_requested(
    database: Database, process: Jobs, admin: AsyncClient
) -> None:
    noted: list[object] = []

    async def note(tx: Connection, parameters: dict[str, Any]) -> None:
        noted.append(parameters)

    async def work(parameters: dict[str, Any], report: ProgressCallback) -> None:
        return None

    process.register(KIND, work, cancelled=note)
    lost = NewJob(kind=KIND, max_attempts=1, owner="gone", lease_until=clock.now() + timedelta(minutes=1))
    id = await database.run(repository.add_job, lost)
    assert id is not None
    assert (await admin.post(f"/jobs/{id}/cancel")).status_code == 202
    process._expired_before = clock.now() + timedelta(hours=1)
    await process._end_interrupted()
    assert ((await ended(process, id)).status, noted) == (JobStatus.CANCELLED, [{}])


async def test_import_that_was_begun_is_not_cancelled_when_it_is_run_again(
    process: Jobs, admin: AsyncClient, member: AsyncClient, config: Config
) -> None:
    begun, waiting = [(await begin(member, f"name\n{name}\n"))["job_id"] for name in ("Tea", "Salt")]
    # As a version without keys and priorities left it.
    await run_beside(
        config,
        "UPDATE job SET status = 'failed', attempts = 5, max_attempts = 5, priority = 1, concurrency_key = NULL,"
        f" finished_at = created_at WHERE id = {begun}",
    )
    assert (await admin.post(f"/jobs/{waiting}/cancel")).status_code == 202
    for id in (begun, waiting):
        assert (await admin.post(f"/jobs/{id}/retry")).status_code == 202
        job = await get(admin, f"/jobs/{id}")
        assert (job["status"], job["max_attempts"]) == ("queued", KINDS["import.csv"].attempts)
        assert (job["priority"], job["concurrency_key"]) == ("high", "import")
    refused(await admin.post(f"/jobs/{begun}/cancel"), 409, "may have changed the data")
    # It has not begun before.
    assert (await admin.post(f"/jobs/{waiting}/cancel")).status_code == 202


async def test_interrupted_import_of_a_version_without_keys_gets_its_key(database: Database, process: Jobs) -> None:
    ids = [
        await database.run(
            repository.add_job,
            NewJob(
                kind="import.csv",
                parameters={"options": {"dry_run": dry_run}},
                owner="gone",
                lease_until=clock.now() + timedelta(minutes=1),
            ),
        )
        for dry_run in (False, True)
    ]
    await interrupt(database)
    jobs = [await look(database, id) for id in ids if id is not None]
    assert [(job.status, job.concurrency_key) for job in jobs] == [
        (JobStatus.QUEUED, "import"),
        (JobStatus.QUEUED, None),
    ]


async def test_progress_of_an_earlier_attempt_is_not_stored(database: Database, process: Jobs) -> None:
    id = await database.run(repository.add_job, NewJob(kind=KIND))
    assert id is not None
    until = clock.now() + timedelta(minutes=1)
    first = await database.run(repository.claim_job, "me", until, [KIND])
    await interrupt(database)
    second = await database.run(repository.claim_job, "me", until, [KIND])
    assert isinstance(first, ClaimedJob)
    assert isinstance(second, ClaimedJob)
    await database.run(repository.note_job_progress, "me", second, Progress.of("reading", 2, None, "rows"))
    await database.run(repository.note_job_progress, "me", first, Progress.of("writing", 1, None, "rows"))
    assert not await database.run(repository.put_job_back, "me", first, "the disk is away", clock.now(), can_stop=True)
    job = await look(database, id)
    assert (job.status, job.progress.phase) == (JobStatus.RUNNING, "reading")
