"""Jobs: seen while they run, remembered when they have ended, done once, and never left running by who is gone."""

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
from stocky.jobs.repository import NewJob
from stocky.jobs.schemas import Job, JobStatus
from stocky.progress import ProgressCallback
from tests.inventory import get, refused

pytestmark = pytest.mark.one_postgres


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


async def ended(jobs: Jobs, id: int) -> Job:
    """The job when it has ended; its row, not what a process remembers."""
    job = await jobs.look(id)
    async for _ in follow_job(jobs, Streams(), job):
        pass
    job = await jobs.look(id)
    assert job.status.is_final
    return job


async def test_a_job_is_seen_while_it_runs_and_its_result_afterwards(jobs: Jobs, admin: AsyncClient) -> None:
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
    ("told", "expected"),
    [
        (None, {"phase": "", "done": 0, "total": None, "unit": "", "percent": 100.0}),
        ((0, 4), {"phase": "counting", "done": 4, "total": 4, "unit": "rows", "percent": 100.0}),
        ((3, None), {"phase": "counting", "done": 3, "total": None, "unit": "rows", "percent": 100.0}),
        ((0, 0), {"phase": "counting", "done": 0, "total": 0, "unit": "rows", "percent": 100.0}),
    ],
)
async def test_a_job_that_is_done_is_complete_whatever_was_counted(
    jobs: Jobs, admin: AsyncClient, told: tuple[int, int | None] | None, expected: dict[str, object]
) -> None:
    async def work(report: ProgressCallback) -> None:
        if told is not None:
            report("counting", *told, "rows")

    job = await jobs.run_here("test", work, by=None)
    await ended(jobs, job.id)
    assert (await get(admin, f"/jobs/{job.id}"))["progress"] == expected


async def test_a_job_that_failed_stays_where_it_was(jobs: Jobs, admin: AsyncClient) -> None:
    async def work(report: ProgressCallback) -> None:
        report("counting", 1, 4, "rows")
        raise Conflict("Not like this")

    job = await jobs.run_here("test", work, by=None)
    await ended(jobs, job.id)
    assert (await get(admin, f"/jobs/{job.id}"))["progress"]["percent"] == 25.0


async def test_what_refuses_a_job_reaches_who_waits_and_who_looks(jobs: Jobs, admin: AsyncClient) -> None:
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


async def test_a_queued_job_is_done_by_one_of_two_processes(dialect: str, jobs: Jobs, others: Jobs) -> None:
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


async def test_a_key_is_taken_once_however_many_ask_for_it(jobs: Jobs, others: Jobs) -> None:
    given = await asyncio.gather(*(each.enqueue("nobody's", {}, once_key="k") for each in (jobs, others) * 5))
    assert len([id for id in given if id is not None]) == 1


async def test_a_job_whose_process_has_gone_is_said_to_be_interrupted(database: Database, jobs: Jobs) -> None:
    async def work(parameters: dict[str, Any], report: ProgressCallback) -> None:
        return None

    # On SQLite the first look after the start takes every other process for gone.
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


async def test_right_after_a_restore_nobody_is_taken_for_gone(
    app: Litestar, database: Database, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(parameters: dict[str, Any], report: ProgressCallback) -> None:
        return None

    jobs.register("looking round", work)
    app.state.database.gate.data_replaced()
    # Restores keep everyone out for longer than a lease, for as long as what is there is backed up.
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


async def test_a_job_that_may_be_tried_again_is(database: Database, jobs: Jobs) -> None:
    async def work(parameters: dict[str, Any], report: ProgressCallback) -> str:
        return "the second time"

    jobs.register("again", work)
    lost = NewJob(kind="again", owner="gone", max_attempts=2, lease_until=clock.now() - timedelta(seconds=1))
    id = await database.run(repository.add_job, lost)
    assert id is not None
    job = await ended(jobs, id)
    assert (job.status, job.result, job.attempts) == (JobStatus.DONE, "the second time", 2)


async def test_stopping_says_what_was_interrupted(database: Database) -> None:
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


async def test_progress_is_streamed_and_the_stream_ends_with_the_job(jobs: Jobs, admin: AsyncClient) -> None:
    async def work(report: ProgressCallback) -> str:
        for done in range(4):
            report("counting", done, 3, "rows")
            await asyncio.sleep(0.3)
        return "all"

    job = await jobs.run_here("test", work, by=None)
    answer = await admin.get(f"/jobs/{job.id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert len(told) >= 2
    assert told[-1]["status"] == "done"
    assert told[-1]["result"] == "all"
    assert [each["progress"]["done"] for each in told] == sorted(each["progress"]["done"] for each in told)


async def test_old_jobs_are_forgotten(database: Database) -> None:
    ids = []
    for number in range(5):
        id = await database.run(repository.add_job, NewJob(kind="old", owner="me", lease_until=clock.now()))
        assert id is not None
        ids.append(id)
        if number != 4:
            await database.run(
                repository.end_job, "me", id, repository.Progress(), result=b"1", error=None, error_status=None
            )
    await database.run(repository.remove_old_jobs, clock.LONG_AGO, 3)
    async with database.read() as read:
        left = [job.id for job in await repository.list_jobs(read, skip=0, limit=10)]
    assert left == [ids[4], ids[3], ids[2]]


async def test_the_key_of_a_day_outlives_any_number_of_other_jobs(database: Database) -> None:
    key = NewJob(kind="daily", owner="me", lease_until=clock.now(), once_key="daily/today")
    id = await database.run(repository.add_job, key)
    assert id is not None
    await database.run(repository.end_job, "me", id, repository.Progress(), result=b"1", error=None, error_status=None)
    for _ in range(5):
        await database.run(repository.add_job, NewJob(kind="other"))
    await database.run(repository.remove_old_jobs, clock.LONG_AGO, 1)
    assert await database.run(repository.add_job, key) is None


async def test_a_row_of_this_process_that_it_does_not_work_on_does_not_run_for_ever(
    database: Database, jobs: Jobs
) -> None:
    async def work(report: ProgressCallback) -> None:
        await asyncio.Event().wait()

    # Its lease is renewed meanwhile, and must not be renewed for the other.
    await jobs.run_here("endless", work, by=None)
    # Written down, and then the database was away before the process learned of it.
    lost = NewJob(kind="lost", owner=jobs._owner, lease_until=clock.now() - timedelta(seconds=1))
    id = await database.run(repository.add_job, lost)
    assert id is not None
    assert (await ended(jobs, id)).status is JobStatus.FAILED


async def test_a_result_that_cannot_be_written_is_an_end(jobs: Jobs) -> None:
    async def work(report: ProgressCallback) -> object:
        return object()

    job = await jobs.run_here("strange", work, by=None)
    assert (await ended(jobs, job.id)).error_status == 500


async def test_a_job_that_ends_while_the_disk_is_full_has_ended_when_there_is_space(dialect: str, jobs: Jobs) -> None:
    if dialect != "sqlite":
        pytest.skip("the disk of a Postgres server cannot be filled here")

    def limit(connection: Any, pages: int | None) -> None:
        ((used,),) = connection.execute("PRAGMA page_count").fetchall()
        connection.execute(f"PRAGMA max_page_count = {used if pages is None else pages}")

    database: Any = jobs._database

    async def work(report: ProgressCallback) -> str:
        await database.call(limit, None)
        return "a result for which there is no space " * 10_000

    job = await jobs.run_here("large", work, by=None)
    assert len(await jobs.finished(job.id)) > 100_000
    await asyncio.sleep(1)
    assert (await jobs.look(job.id)).status is JobStatus.RUNNING
    await database.call(limit, 2**31 - 2)
    assert (await ended(jobs, job.id)).status is JobStatus.DONE


async def test_of_a_kind_that_runs_alone_one_job_runs_at_a_time(dialect: str, jobs: Jobs, others: Jobs) -> None:
    running, most = 0, 0

    async def work(parameters: dict[str, Any], report: ProgressCallback) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1

    for each in (jobs, others):
        each.register("alone", work, is_alone=True)
    if dialect != "sqlite":
        others.start()
    ids = [await jobs.enqueue("alone", {}) for _ in range(6)]
    for id in ids:
        assert id is not None
        assert (await ended(jobs, id)).status is JobStatus.DONE
    assert most == 1


async def test_how_a_job_ended_for_good_is_told_once(database: Database, jobs: Jobs) -> None:
    told: list[str | None] = []

    async def note(tx: Connection, error: str | None) -> None:
        told.append(error)

    async def work(parameters: dict[str, Any], report: ProgressCallback) -> None:
        if parameters:
            raise Conflict("not like this")

    jobs.register("told", work, ended=note)
    for parameters in ({}, {"refused": True}):
        id = await jobs.enqueue("told", parameters)
        assert id is not None
        await ended(jobs, id)
    lost = NewJob(kind="told", owner="gone", max_attempts=1, lease_until=clock.now() - timedelta(minutes=1))
    id = await database.run(repository.add_job, lost)
    assert id is not None
    await ended(jobs, id)
    assert told[:2] == [None, "not like this"]
    assert len(told) == 3
    assert "interrupted" in (told[2] or "")


async def test_an_unknown_job_is_not_found(admin: AsyncClient) -> None:
    refused(await admin.get("/jobs/77"), 404, "no job")
    refused(await admin.get("/jobs/77/events"), 404, "no job")
    refused(await admin.get("/jobs", params={"status": "lost"}), 422, "status")
