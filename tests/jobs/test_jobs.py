"""Jobs: visible while they run and after their end, run once, and ended when their process has gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky import clock
from stocky.db import Connection, Database
from stocky.errors import Conflict
from stocky.http.sse import Streams
from stocky.jobs import repository
from stocky.jobs.events import follow_job
from stocky.jobs.jobs import Jobs
from stocky.jobs.repository import ClaimedJob, NewJob
from stocky.jobs.schemas import Job, JobStatus
from stocky.progress import ProgressCallback
from tests.inventory import get, refused

pytestmark = pytest.mark.one_server


@pytest.fixture
def jobs(app: Litestar) -> Jobs:
    found: Jobs = app.state.jobs
    return found


@pytest.fixture
async def others(database: Database) -> AsyncIterator[Jobs]:
    """The jobs of another process on the same database."""
    jobs = Jobs(database)
    yield jobs
    await jobs.close()


async def _yes() -> None:
    """The client may follow."""


async def ended(jobs: Jobs, id: int) -> Job:
    """The job's row after its end, without the progress that a process has in memory."""
    job = await jobs.look(id)
    async for _ in follow_job(jobs, Streams(), job, _yes):
        pass
    job = await jobs.look(id)
    assert job.status.is_final
    return job


async def test_job_shows_progress_and_then_its_result(jobs: Jobs, admin: AsyncClient) -> None:
    going_on = asyncio.Event()

    async def work(report: ProgressCallback) -> dict[str, int]:
        report("counting", 1, 4, "rows")
        await going_on.wait()
        return {"counted": 4}

    job = await jobs.run_here("test", work, by="admin")
    await asyncio.sleep(0)
    seen = await get(admin, f"/jobs/{job.id}")
    assert (seen["status"], seen["created_by"]) == ("running", "admin")
    assert seen["progress"] == {"phase": "counting", "done": 1, "total": 4, "unit": "rows", "percent": 25.0}
    going_on.set()
    assert await jobs.finished(job.id) == {"counted": 4}
    assert (await ended(jobs, job.id)).result == {"counted": 4}
    (listed,) = await get(admin, "/jobs", status="DONE", kind="test")
    assert listed["finished_at"] is not None


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        (None, {"phase": "", "done": 0, "total": None, "unit": "", "percent": 100.0}),
        ((0, 4), {"phase": "counting", "done": 4, "total": 4, "unit": "rows", "percent": 100.0}),
        ((3, None), {"phase": "counting", "done": 3, "total": None, "unit": "rows", "percent": 100.0}),
        ((0, 0), {"phase": "counting", "done": 0, "total": 0, "unit": "rows", "percent": 100.0}),
    ],
)
async def test_done_job_has_100_percent(
    jobs: Jobs, admin: AsyncClient, reported: tuple[int, int | None] | None, expected: dict[str, object]
) -> None:
    async def work(report: ProgressCallback) -> None:
        if reported is not None:
            report("counting", *reported, "rows")

    job = await jobs.run_here("test", work, by=None)
    await ended(jobs, job.id)
    assert (await get(admin, f"/jobs/{job.id}"))["progress"] == expected


async def test_failed_job_keeps_its_progress(jobs: Jobs, admin: AsyncClient) -> None:
    async def work(report: ProgressCallback) -> None:
        report("counting", 1, 4, "rows")
        raise Conflict("Not like this")

    job = await jobs.run_here("test", work, by=None)
    await ended(jobs, job.id)
    assert (await get(admin, f"/jobs/{job.id}"))["progress"]["percent"] == 25.0


async def test_job_error_reaches_waiter_and_api(jobs: Jobs, admin: AsyncClient) -> None:
    async def refuse(report: ProgressCallback) -> None:
        raise Conflict("Not like this")

    async def break_down(report: ProgressCallback) -> None:
        raise ZeroDivisionError

    first = await jobs.run_here("test", refuse, by=None)
    with pytest.raises(Conflict, match="Not like this"):
        await jobs.finished(first.id)
    second = await jobs.run_here("test", break_down, by=None)
    with pytest.raises(ZeroDivisionError):
        await jobs.finished(second.id)
    refusal, defect = await ended(jobs, first.id), await ended(jobs, second.id)
    assert (refusal.error, refusal.error_status) == ("Not like this", 409)
    assert defect.error_status == 500
    assert "log" in (defect.error or "")
    assert "ZeroDivision" not in (defect.error or "")


async def test_queued_job_runs_in_one_of_two_processes(dialect: str, jobs: Jobs, others: Jobs) -> None:
    if dialect == "sqlite":
        pytest.skip("only one process can serve a SQLite file")
    done: list[tuple[str, Any]] = []

    def worker(name: str) -> Any:
        async def work(parameters: dict[str, Any], report: ProgressCallback) -> str:
            done.append((name, parameters["number"]))
            await asyncio.sleep(0.01)
            return name

        return work

    jobs.register("shared", worker("first"))
    others.register("shared", worker("second"))
    others.start()
    ids = [await jobs.enqueue("shared", {"number": number}) for number in range(20)]
    for id in ids:
        assert id is not None
        assert (await ended(jobs, id)).status is JobStatus.DONE
    assert sorted(number for _, number in done) == list(range(20))


async def test_once_key_is_accepted_once(jobs: Jobs, others: Jobs) -> None:
    given = await asyncio.gather(*(each.enqueue("nobody's", {}, once_key="k") for each in (jobs, others) * 5))
    assert len([id for id in given if id is not None]) == 1


async def test_job_of_a_dead_process_is_interrupted(database: Database, jobs: Jobs) -> None:
    async def work(parameters: dict[str, Any], report: ProgressCallback) -> None:
        return None

    # On SQLite the first poll after the start ends the jobs of every other process.
    jobs.register("first look", work)
    first = await jobs.enqueue("first look", {})
    assert first is not None
    await ended(jobs, first)
    now = clock.now()
    lost = await database.run(
        repository.add_job, NewJob(kind="lost", owner="gone", lease_until=now - timedelta(seconds=1))
    )
    alive = await database.run(
        repository.add_job, NewJob(kind="alive", owner="else", lease_until=now + timedelta(hours=1))
    )
    assert lost is not None
    assert alive is not None
    job = await ended(jobs, lost)
    assert job.status is JobStatus.FAILED
    assert "interrupted" in (job.error or "")
    assert (await jobs.look(alive)).status is JobStatus.RUNNING


async def test_expired_leases_are_ignored_after_a_restore(
    app: Litestar, database: Database, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(parameters: dict[str, Any], report: ProgressCallback) -> None:
        return None

    jobs.register("looking round", work)
    app.state.database.gate.data_replaced()
    # A restore blocks all access for longer than a lease, while it backs up the current data.
    alive = NewJob(kind="restore", owner="else", lease_until=clock.now() - timedelta(seconds=1))
    id = await database.run(repository.add_job, alive)
    assert id is not None
    for _ in range(3):
        looked = await jobs.enqueue("looking round", {})
        assert looked is not None
        await ended(jobs, looked)
    assert (await jobs.look(id)).status is JobStatus.RUNNING
    monkeypatch.setattr("stocky.jobs.jobs.PATIENCE", timedelta(0))
    app.state.database.gate.data_replaced()
    assert (await ended(jobs, id)).status is JobStatus.FAILED


async def test_interrupted_job_is_retried(database: Database, jobs: Jobs) -> None:
    async def work(parameters: dict[str, Any], report: ProgressCallback) -> str:
        return "the second time"

    jobs.register("again", work)
    lost = NewJob(kind="again", owner="gone", max_attempts=2, lease_until=clock.now() - timedelta(seconds=1))
    id = await database.run(repository.add_job, lost)
    assert id is not None
    job = await ended(jobs, id)
    assert (job.status, job.result, job.attempts) == (JobStatus.DONE, "the second time", 2)


async def test_shutdown_records_interrupted_jobs(database: Database) -> None:
    jobs = Jobs(database)

    async def work(report: ProgressCallback) -> None:
        await asyncio.Event().wait()

    job = await jobs.run_here("endless", work, by=None)
    await asyncio.sleep(0)
    await jobs.close()
    async with database.read() as read:
        seen = await repository.get_job(read, job.id)
    assert seen.status is JobStatus.FAILED
    assert "interrupted" in (seen.error or "")


async def test_progress_stream_ends_with_the_job(jobs: Jobs, admin: AsyncClient) -> None:
    async def work(report: ProgressCallback) -> str:
        for done in range(4):
            report("counting", done, 3, "rows")
            await asyncio.sleep(0.3)
        return "all"

    job = await jobs.run_here("test", work, by=None)
    answer = await admin.get(f"/jobs/{job.id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    reported = [
        json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line.startswith("data: ")
    ]
    assert len(reported) >= 2
    assert reported[-1]["status"] == "done"
    assert reported[-1]["result"] == "all"
    assert [each["progress"]["done"] for each in reported] == sorted(each["progress"]["done"] for each in reported)


async def test_old_jobs_are_removed(database: Database) -> None:
    ids = []
    for number in range(5):
        id = await database.run(repository.add_job, NewJob(kind="old", owner="me", lease_until=clock.now()))
        assert id is not None
        ids.append(id)
        if number != 4:
            job = ClaimedJob(id, "old", {}, 1, 1)
            await database.run(
                repository.end_job, "me", job, repository.Progress(), result=b"1", error=None, error_status=None
            )
    await database.run(repository.remove_old_jobs, clock.LONG_AGO, 3)
    async with database.read() as read:
        left = [job.id for job in await repository.list_jobs(read, skip=0, limit=10)]
    assert left == [ids[4], ids[3], ids[2]]


async def test_once_key_of_a_day_is_not_removed(database: Database) -> None:
    key = NewJob(kind="daily", owner="me", lease_until=clock.now(), once_key="daily/today")
    id = await database.run(repository.add_job, key)
    assert id is not None
    job = ClaimedJob(id, "daily", {}, 1, 1)
    await database.run(repository.end_job, "me", job, repository.Progress(), result=b"1", error=None, error_status=None)
    for _ in range(5):
        await database.run(repository.add_job, NewJob(kind="other"))
    await database.run(repository.remove_old_jobs, clock.LONG_AGO, 1)
    assert await database.run(repository.add_job, key) is None


async def test_orphaned_job_of_this_process_is_ended(database: Database, jobs: Jobs) -> None:
    async def work(report: ProgressCallback) -> None:
        await asyncio.Event().wait()

    # The lease of the running job is renewed meanwhile; that of the other must not be.
    await jobs.run_here("endless", work, by=None)
    # The row was stored, and then the database became unavailable before the process got its id.
    lost = NewJob(kind="lost", owner=jobs._owner, lease_until=clock.now() - timedelta(seconds=1))
    id = await database.run(repository.add_job, lost)
    assert id is not None
    assert (await ended(jobs, id)).status is JobStatus.FAILED


async def test_unstorable_result_fails_the_job(jobs: Jobs) -> None:
    async def work(report: ProgressCallback) -> object:
        return object()

    job = await jobs.run_here("strange", work, by=None)
    assert (await ended(jobs, job.id)).error_status == 500


async def test_job_end_is_stored_after_full_disk(dialect: str, jobs: Jobs) -> None:
    if dialect != "sqlite":
        pytest.skip("the disk of a Postgres server cannot be filled here")

    def limit(connection: Any, pages: int | None) -> None:
        ((used,),) = connection.execute("PRAGMA page_count").fetchall()
        connection.execute(f"PRAGMA max_page_count = {used if pages is None else pages}")

    database: Any = jobs.database

    async def work(report: ProgressCallback) -> str:
        await database.call(limit, None)
        return "a result for which there is no space " * 10_000

    job = await jobs.run_here("large", work, by=None)
    assert len(await jobs.finished(job.id)) > 100_000
    await asyncio.sleep(1)
    assert (await jobs.look(job.id)).status is JobStatus.RUNNING
    await database.call(limit, 2**31 - 2)
    assert (await ended(jobs, job.id)).status is JobStatus.DONE


async def test_end_callback_is_called_once(database: Database, jobs: Jobs) -> None:
    reported: list[str | None] = []
    noted: list[dict[str, Any]] = []

    async def note(tx: Connection, parameters: dict[str, Any], error: str | None) -> None:
        reported.append(error)
        noted.append(parameters)

    async def work(parameters: dict[str, Any], report: ProgressCallback) -> None:
        if parameters:
            raise Conflict("not like this")

    jobs.register("reported", work, ended=note)
    for parameters in ({}, {"refused": True}):
        id = await jobs.enqueue("reported", parameters)
        assert id is not None
        await ended(jobs, id)
    lost = NewJob(
        kind="reported",
        parameters={"number": 3},
        owner="gone",
        max_attempts=1,
        lease_until=clock.now() - timedelta(minutes=1),
    )
    id = await database.run(repository.add_job, lost)
    assert id is not None
    await ended(jobs, id)
    assert reported[:2] == [None, "not like this"]
    assert len(reported) == 3
    assert "interrupted" in (reported[2] or "")
    assert noted == [{}, {"refused": True}, {"number": 3}]


async def test_unknown_job_is_not_found(admin: AsyncClient) -> None:
    refused(await admin.get("/jobs/77"), 404, "no job")
    refused(await admin.get("/jobs/77/events"), 404, "no job")
    refused(await admin.get("/jobs", params={"status": "lost"}), 422, "status")
