"""What users do with jobs: cancel, run again and dismiss, in this process and in another one."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky import clock
from stocky.config import Config
from stocky.db import Connection, Database
from stocky.errors import Conflict, Unavailable
from stocky.imports import applier
from stocky.imports.planner import Planner
from stocky.jobs import repository
from stocky.jobs.jobs import FAILED_RETENTION_DAYS, Jobs
from stocky.jobs.kinds import KINDS, JobKind
from stocky.jobs.repository import ClaimedJob, NewJob
from stocky.jobs.schemas import JobStatus
from stocky.progress import ProgressCallback
from tests.backup.dumps import finished
from tests.imports.importing import begin
from tests.inventory import Json, get, made, new_item, refused
from tests.jobs.test_jobs import ended

pytestmark = pytest.mark.one_server

KIND = "steps"


@pytest.fixture(autouse=True)
def _kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, KIND, JobKind(repeats=True, stops_in=frozenset({"reading"}), attempts=2))
    monkeypatch.setattr("stocky.jobs.kinds.LONGEST_DELAY", timedelta(0))


@pytest.fixture
async def jobs(app: Litestar) -> Jobs:
    """The jobs of the application, after its first look: on SQLite that ends the jobs of every other process."""

    async def work(parameters: dict[str, Any], report: ProgressCallback) -> None:
        return None

    found: Jobs = app.state.jobs
    found.register("first look", work)
    id = await found.enqueue("first look", {})
    assert id is not None
    await ended(found, id)
    return found


@pytest.fixture
async def others(jobs: Jobs, database: Database) -> AsyncIterator[Jobs]:
    """The jobs of another process on the same database."""
    jobs = Jobs(database)
    yield jobs
    await jobs.close()


class Work:
    """Work in two phases, which waits in each; it notes that it cleaned up."""

    def __init__(self) -> None:
        self.begun, self.going_on, self.done = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.cleaned_up = False

    async def run(self, report: ProgressCallback) -> str:
        report("reading", 1, 2, "rows")
        self.begun.set()
        try:
            await self.going_on.wait()
        except asyncio.CancelledError:
            # A clean-up takes time.
            await asyncio.sleep(0)
            self.cleaned_up = True
            raise
        report("writing", 0, None, "rows")
        await self.done.wait()
        return "all"

    async def claimed(self, parameters: dict[str, Any], report: ProgressCallback) -> str:
        return await self.run(report)


async def failing(parameters: dict[str, Any], report: ProgressCallback) -> None:
    raise Unavailable("the disk is away")


async def cancel(admin: AsyncClient, id: int) -> Json:
    answer = await admin.post(f"/jobs/{id}/cancel")
    assert answer.status_code == 202, answer.text
    cancelled: Json = answer.json()
    return cancelled


async def test_queued_job_is_cancelled_at_once(database: Database, jobs: Jobs, admin: AsyncClient) -> None:
    id = await jobs.enqueue("nobody's", {})
    assert id is not None
    job = await cancel(admin, id)
    assert (job["status"], job["error"], job["can_cancel"]) == ("cancelled", "cancelled by admin", False)
    assert job["finished_at"] is not None
    refused(await admin.post(f"/jobs/{id}/cancel"), 409, "has ended; it is cancelled")
    (entry,) = await get(admin, "/audit", subject="job")
    assert (entry["action"], entry["subject_id"]) == ("cancelled", str(id))
    (listed,) = await get(admin, "/jobs", status="cancelled")
    assert listed["id"] == id


async def test_running_job_is_cancelled_after_its_clean_up(jobs: Jobs, admin: AsyncClient) -> None:
    work = Work()
    job = await jobs.run_here(KIND, work.run, by="admin")
    await work.begun.wait()
    asked = await cancel(admin, job.id)
    assert (asked["status"] == "cancelled") or asked["cancel_requested_at"] is not None
    stopped = await ended(jobs, job.id)
    assert (stopped.status, stopped.error, work.cleaned_up) == (JobStatus.CANCELLED, "cancelled", True)
    assert [each.state for each in stopped.phases if each.state == "current"] == []


async def test_waiter_of_a_cancelled_job_gets_a_conflict(jobs: Jobs, admin: AsyncClient) -> None:
    work = Work()
    job = await jobs.run_here(KIND, work.run, by=None)
    await work.begun.wait()
    waiting = asyncio.create_task(jobs.finished(job.id))
    await asyncio.sleep(0)
    await cancel(admin, job.id)
    with pytest.raises(Conflict, match="was cancelled"):
        await waiting


async def test_job_that_has_not_begun_is_cancelled_and_releases_its_resources(jobs: Jobs) -> None:
    work = Work()
    job = await jobs.run_here(KIND, work.run, by=None)
    await jobs.stop(job.id)
    assert (await ended(jobs, job.id)).status is JobStatus.CANCELLED
    assert work.cleaned_up


async def test_stream_ends_with_the_cancelled_job(jobs: Jobs, admin: AsyncClient) -> None:
    work = Work()
    job = await jobs.run_here(KIND, work.run, by=None)
    await work.begun.wait()
    stream = asyncio.create_task(admin.get(f"/jobs/{job.id}/events"))
    await cancel(admin, job.id)
    async with asyncio.timeout(20):
        answer = await stream
    *_, last = (line for line in answer.text.splitlines() if line.startswith("data: "))
    assert json.loads(last.removeprefix("data: "))["status"] == "cancelled"


async def test_job_that_changes_the_data_is_not_stopped(jobs: Jobs, admin: AsyncClient) -> None:
    work = Work()
    job = await jobs.run_here(KIND, work.run, by=None)
    await work.begun.wait()
    work.going_on.set()
    await asyncio.sleep(0)
    refused(await admin.post(f"/jobs/{job.id}/cancel"), 409, "changing the data")
    shown = await get(admin, f"/jobs/{job.id}")
    assert (shown["can_cancel"], shown["cancel_requested_at"]) == (False, None)
    work.done.set()
    assert (await ended(jobs, job.id)).status is JobStatus.DONE


async def test_job_of_another_process_stops_when_that_renews_its_lease(
    jobs: Jobs, others: Jobs, admin: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work()
    job = await others.run_here(KIND, work.run, by=None)
    await work.begun.wait()
    assert (await cancel(admin, job.id))["status"] == "running"
    assert not work.cleaned_up
    monkeypatch.setattr("stocky.jobs.jobs.RENEW_SECONDS", 0)
    await others._update_running()
    assert (await ended(others, job.id)).status is JobStatus.CANCELLED
    assert work.cleaned_up


async def test_request_that_comes_too_late_is_withdrawn(jobs: Jobs, others: Jobs, admin: AsyncClient) -> None:
    work = Work()
    job = await others.run_here(KIND, work.run, by=None)
    await work.begun.wait()
    await others._update_running()
    await cancel(admin, job.id)
    work.going_on.set()
    await asyncio.sleep(0)
    await others._update_running()
    assert (await get(admin, f"/jobs/{job.id}"))["cancel_requested_at"] is None
    work.done.set()
    assert (await ended(others, job.id)).status is JobStatus.DONE
    # It was asked to stop, and did not.
    assert [each["action"] for each in await get(admin, "/audit", subject="job")] == ["cancel requested"]


async def test_job_whose_process_ended_before_it_stopped_is_cancelled(
    database: Database, jobs: Jobs, admin: AsyncClient
) -> None:
    work = Work()
    lost = NewJob(kind=KIND, owner="gone", lease_until=clock.now() + timedelta(hours=1))
    id = await database.run(repository.add_job, lost)
    assert id is not None
    await cancel(admin, id)
    jobs.register(KIND, work.claimed)
    await database.run(repository.end_interrupted_jobs, "another", [], clock.now() + timedelta(hours=2))
    jobs.look_now()
    assert (await ended(jobs, id)).status is JobStatus.CANCELLED
    assert not work.begun.is_set()


async def test_shutdown_during_a_clean_up_is_an_interruption(database: Database) -> None:
    jobs, cleaning = Jobs(database), asyncio.Event()

    async def work(report: ProgressCallback) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cleaning.set()
            await asyncio.Event().wait()

    job = await jobs.run_here(KIND, work, by=None)
    await asyncio.sleep(0)
    await jobs.stop(job.id)
    await cleaning.wait()
    await jobs.close()
    async with database.read() as read:
        seen = await repository.get_job(read, job.id)
    assert seen.status is JobStatus.FAILED
    assert "interrupted" in (seen.error or "")


async def test_cancelled_callback_is_called_and_the_other_one_is_not(jobs: Jobs, admin: AsyncClient) -> None:
    noted: list[object] = []

    async def note_end(tx: Connection, parameters: dict[str, Any], error: str | None) -> None:
        noted.append(error)

    async def note_cancelled(tx: Connection, parameters: dict[str, Any]) -> None:
        noted.append(parameters)

    work = Work()
    jobs.register(KIND, work.claimed, ended=note_end, cancelled=note_cancelled)
    running = await jobs.enqueue(KIND, {"number": 1})
    assert running is not None
    await work.begun.wait()
    await cancel(admin, running)
    await ended(jobs, running)
    await jobs.close()
    waiting = await jobs.enqueue(KIND, {"number": 2})
    assert waiting is not None
    await cancel(admin, waiting)
    assert noted == [{"number": 1}, {"number": 2}]


async def test_failed_job_is_run_again(jobs: Jobs, admin: AsyncClient) -> None:
    jobs.register(KIND, failing)
    id = await jobs.enqueue(KIND, {"number": 1})
    assert id is not None
    assert (await ended(jobs, id)).status is JobStatus.FAILED
    job = await get(admin, f"/jobs/{id}")
    assert (job["attempts"], job["can_retry"], job["can_cancel"]) == (2, True, False)

    async def work(parameters: dict[str, Any], report: ProgressCallback) -> Any:
        return parameters["number"]

    jobs.register(KIND, work)
    answer = await admin.post(f"/jobs/{id}/retry")
    assert answer.status_code == 202, answer.text
    done = await ended(jobs, id)
    assert (done.status, done.result, done.attempts) == (JobStatus.DONE, 1, 1)
    refused(await admin.post(f"/jobs/{id}/retry"), 409, "is done")
    assert [each["action"] for each in await get(admin, "/audit", subject="job")] == ["retried"]


async def test_only_repeatable_kinds_are_run_again(database: Database, jobs: Jobs, admin: AsyncClient) -> None:
    async def work(report: ProgressCallback) -> None:
        raise Unavailable("the disk is away")

    job = await jobs.run_here("backup.create", work, by=None)
    await ended(jobs, job.id)
    shown = await get(admin, f"/jobs/{job.id}")
    assert shown["can_retry"] is False
    refused(await admin.post(f"/jobs/{job.id}/retry"), 409, "start a new one")


async def test_failed_import_is_run_again_while_its_file_is_stored(
    jobs: Jobs, admin: AsyncClient, member: AsyncClient, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_down(*_: object) -> None:
        raise RuntimeError("the planner breaks down")

    with monkeypatch.context() as broken:
        broken.setattr(Planner, "run", break_down)
        broken.setitem(KINDS, "import.csv", JobKind(repeats=True))
        first, second = [(await begin(member, f"name\n{name}\n"))["job_id"] for name in ("Tea", "Salt")]
        assert [(await finished(admin, id))["status"] for id in (first, second)] == ["failed"] * 2
    # The hourly sweep keeps the files of what can be run again.
    await _sweep(jobs, config)
    assert (await admin.post(f"/jobs/{first}/retry")).status_code == 202
    report = (await finished(admin, first))["result"]
    assert (report["applied"], report["created"]) == (True, 1)
    for file in (config.data_dir / "imports").glob("*/upload.csv"):
        file.unlink()
    refused(await admin.post(f"/jobs/{second}/retry"), 409, "not stored any more")
    assert (await get(admin, f"/jobs/{second}"))["status"] == "failed"


async def _sweep(jobs: Jobs, config: Config) -> None:
    """As the schedule does, after more than an hour."""
    for path in (config.data_dir / "imports").glob("**/*"):
        os.utime(path, (time.time() - 7_200,) * 2)
    found: Any = jobs._repeatable["import.csv"]
    await found.__self__._sweep()


async def test_import_is_not_cancelled_while_it_writes(
    admin: AsyncClient, member: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, going_on = asyncio.Event(), asyncio.Event()
    run = applier.Applier.run

    async def wait_and_run(self: applier.Applier, *asked: Any) -> Any:
        writing.set()
        await going_on.wait()
        return await run(self, *asked)

    monkeypatch.setattr(applier.Applier, "run", wait_and_run)
    id = (await begin(member, "name\nTea\n"))["job_id"]
    await writing.wait()
    refused(await admin.post(f"/jobs/{id}/cancel"), 409, "changing the data")
    refused(await member.post(f"/jobs/{id}/cancel"), 403)
    going_on.set()
    assert (await finished(admin, id))["status"] == "done"


async def test_dry_run_of_an_import_is_cancelled(
    admin: AsyncClient, member: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    checking = asyncio.Event()

    async def wait_forever(*_: object) -> None:
        checking.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Planner, "run", wait_forever)
    id = (await begin(member, "name\nTea\n", dry_run="true"))["job_id"]
    await checking.wait()
    await cancel(admin, id)
    assert (await finished(admin, id))["status"] == "cancelled"
    refused(await member.get(f"/imports/{id}/report.csv"), 404, "was cancelled")
    assert await get(member, "/items/search", q="Tea") == []


async def test_cancelled_backup_is_not_stored(
    admin: AsyncClient, app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    await new_item(admin)
    begun = asyncio.Event()
    create = app.state.backups.backups._create

    async def wait_and_create(*asked: Any, **more: Any) -> Any:
        begun.set()
        await asyncio.Event().wait()
        return await create(*asked, **more)

    monkeypatch.setattr(app.state.backups.backups, "_create", wait_and_create)
    started = (await admin.post("/system/backup", json={"kind": "sql"})).json()
    await begun.wait()
    await cancel(admin, started["job_id"])
    assert (await finished(admin, started["job_id"]))["status"] == "cancelled"
    assert await get(admin, "/system/backup/list") == []


async def test_dismissed_failure_ends_its_notice(
    jobs: Jobs, database: Database, admin: AsyncClient, root: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocky.monitoring.figures.CACHED_SECONDS", -1.0)
    jobs.register(KIND, failing)
    id = await jobs.enqueue(KIND, {})
    assert id is not None
    await ended(jobs, id)

    async def count_causes() -> int:
        async with database.read() as read:
            return len(await read.rows("list_failed_jobs", without="backup.scheduled"))

    assert await count_causes() == 1
    figures = (await root.get("/metrics")).text
    assert f'stocky_jobs_failed_by_kind{{kind="{KIND}"}} 1.0' in figures
    assert "stocky_jobs_waiting_seconds" in figures
    for _ in range(2):
        job = made(await admin.post(f"/jobs/{id}/dismiss"))
        assert (job["status"], job["dismissed_at"] is not None) == ("failed", True)
    assert await count_causes() == 0
    assert "stocky_jobs_failed_by_kind{" not in (await root.get("/metrics")).text
    assert [each["id"] for each in await get(admin, "/jobs", status="failed", dismissed="true")] == [id]
    assert await get(admin, "/jobs", status="failed", dismissed="false") == []
    assert [each["action"] for each in await get(admin, "/audit", subject="job")] == ["dismissed"]
    # The newest failure stands for those before it.
    ids = [await jobs.enqueue(KIND, {}) for _ in range(3)]
    for each in ids:
        assert each is not None
        await ended(jobs, each)
    made(await admin.post(f"/jobs/{ids[1]}/dismiss"))
    assert [each["id"] for each in await get(admin, "/jobs", status="failed", dismissed="false")] == [ids[2]]
    made(await admin.post(f"/jobs/{ids[2]}/dismiss"))
    assert await count_causes() == 0
    waiting = await jobs.enqueue("nobody's", {})
    refused(await admin.post(f"/jobs/{waiting}/dismiss"), 409, "only a failed job")
    refused(await admin.post("/jobs/99999/dismiss"), 404, "no job")


async def test_failed_jobs_stay_until_they_are_dismissed(database: Database) -> None:
    async def fail(status: int | None) -> int:
        new = NewJob(kind="old", owner="me", lease_until=clock.now())
        id = await database.run(repository.add_job, new)
        assert id is not None
        progress = repository.Progress()
        end = repository.end_job
        job = ClaimedJob(id, "old", {}, 1, 1)
        await database.run(end, "me", job, progress, result=None, error="it broke", error_status=status)
        return id

    dismissed = await fail(500)
    await database.run(repository.dismiss_job, dismissed)
    refusal, lost, broken = await fail(409), await fail(None), await fail(500)

    async def left(limit: int, failed_before: timedelta) -> list[int]:
        now = clock.now() + timedelta(seconds=1)
        await database.run(repository.remove_old_jobs, now, limit, now - failed_before)
        async with database.read() as read:
            return [each.id for each in await repository.list_jobs(read, skip=0, limit=10)]

    assert await left(10, timedelta(days=FAILED_RETENTION_DAYS)) == [broken, lost]
    assert refusal not in (broken, lost)
    assert await left(1, timedelta(days=FAILED_RETENTION_DAYS)) == [broken]
    assert await left(10, timedelta()) == []


async def test_members_do_not_manage_jobs(jobs: Jobs, member: AsyncClient) -> None:
    id = await jobs.enqueue("nobody's", {})
    for action in ("cancel", "retry", "dismiss"):
        refused(await member.post(f"/jobs/{id}/{action}"), 403)


async def test_plan_of_a_cancelled_job_has_failed(jobs: Jobs, admin: AsyncClient, member: AsyncClient) -> None:
    await jobs.close()
    started = (await member.post("/reorg/plans", json={})).json()
    await cancel(admin, started["job_id"])
    assert (await get(member, f"/reorg/plans/{started['plan_id']}"))["status"] == "failed"
    refused(await admin.post(f"/jobs/{started['job_id']}/retry"), 409, "start a new one")
