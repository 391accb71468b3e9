"""Supervised tasks survive exceptions, log each once, and are named by readiness and metrics when they stall."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.config import Config
from stocky.db import Database
from stocky.errors import Unavailable
from stocky.jobs.jobs import Jobs
from stocky.jobs.schemas import JobStatus
from stocky.progress import ProgressCallback
from stocky.supervisor import BackgroundTask, Supervisor
from tests.db.postgres_session import session
from tests.inventory import get

QUICK = 0.001
T = TypeVar("T")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed rounds are retried immediately."""
    monkeypatch.setattr("stocky.supervisor.FIRST_RETRY_SECONDS", QUICK)


class Rounds:
    """Rounds that raise the given exceptions in turn, and then succeed."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures = list(failures)
        self.are_done = asyncio.Event()

    async def __call__(self) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.are_done.set()


def task_of(rounds: Callable[[], object], supervisor: Supervisor | None = None, patience: float = 60) -> BackgroundTask:
    async def wait() -> None:
        await asyncio.sleep(QUICK)

    return (supervisor or Supervisor()).task("counting", rounds, wait, patience=patience)  # type: ignore[arg-type]


@pytest.mark.usefixtures("quick")
async def test_task_survives_exceptions_and_logs_each_cause_once(caplog: pytest.LogCaptureFixture) -> None:
    failures = [ZeroDivisionError("by nothing")] * 5 + [Unavailable("away")] * 5 + [asyncio.CancelledError()]
    rounds = Rounds(*failures)
    task = task_of(rounds)
    with caplog.at_level(logging.INFO):
        task.start()
        await rounds.are_done.wait()
        await task.close()
    messages = [record.getMessage() for record in caplog.records if record.name == "stocky.supervisor"]
    assert [("will be retried" in each) for each in messages] == [True, True, True, False]
    assert "works again after 11 failures" in messages[-1]
    (traceback,) = [record for record in caplog.records if record.exc_info and record.exc_info[0] is ZeroDivisionError]
    assert traceback.levelno == logging.ERROR


@pytest.mark.usefixtures("quick")
async def test_a_task_that_is_closed_ends() -> None:
    rounds = Rounds()
    task = task_of(rounds)
    task.start()
    await rounds.are_done.wait()
    await asyncio.wait_for(task.close(), 5)


@pytest.mark.usefixtures("quick")
async def test_task_failing_longer_than_its_patience_is_named() -> None:
    supervisor = Supervisor()
    hanging, never = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        hanging.set()
        await never.wait()

    task = task_of(hang, supervisor, patience=0)
    assert supervisor.state == "ok"
    task.start()
    await hanging.wait()
    await asyncio.sleep(QUICK)
    assert "counting has not worked" in supervisor.state
    assert supervisor.stalled()["counting"] > 0
    never.set()
    await task.close()


async def test_a_restore_pauses_tasks_and_fails_none(
    dialect: str, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    reading, has_read = asyncio.Event(), asyncio.Event()

    async def read() -> None:
        reading.set()
        async with database.read() as connection:
            await connection.value("get_auth_revision")
        has_read.set()

    tasks = [database.supervisor.task(name, read, lambda: asyncio.sleep(QUICK), patience=0) for name in ("one", "two")]
    with caplog.at_level(logging.INFO):
        async with database.serving():
            for task in tasks:
                task.start()
            async with database.exclusive():  # type: ignore[attr-defined]  # of both databases, and of neither's verbs
                for _ in range(4):
                    reading.clear()
                    await reading.wait()
                assert database.supervisor.state == "ok"
                has_read.clear()
            await asyncio.wait_for(has_read.wait(), 20)
            for task in tasks:
                await task.close()
    messages = [(each.levelno, each.getMessage()) for each in caplog.records if each.name.startswith("stocky.")]
    assert [(level, "background tasks pause" in message) for level, message in messages] == [(logging.INFO, True)], (
        messages
    )


async def test_readiness_and_metrics_name_a_task_that_stalls(app: Litestar, root: AsyncClient) -> None:
    async def fail() -> None:
        raise Unavailable("there is no pen")

    assert (await get(root, "/health/ready"))["details"]["tasks"] == "ok"
    assert 'stocky_task_stalled_seconds{task="jobs"} 0.0' in (await root.get("/metrics")).text
    task = task_of(fail, app.state.supervisor, patience=0)
    task.start()
    await asyncio.sleep(0.1)
    answer = await get(root, "/health/ready")
    assert "counting has not worked for 0 s (there is no pen)" in answer["details"]["tasks"]
    (line,) = [each for each in (await root.get("/metrics")).text.splitlines() if 'task="counting"' in each]
    assert float(line.split()[1]) > 0
    await task.close()


async def test_jobs_and_tasks_resume_after_a_read_only_primary(
    dialect: str, app: Litestar, config: Config, member: AsyncClient
) -> None:
    if dialect == "sqlite":
        pytest.skip("what a Postgres server does")
    jobs: Jobs = app.state.jobs

    async def work(parameters: dict[str, object], report: ProgressCallback) -> str:
        return "done"

    jobs.register("afterwards", work)
    async with session(config) as other:
        await other.configure("SET default_transaction_read_only = on")
        for _ in range(200):
            if (await member.post("/items/", json={"name": "Tea"})).status_code == 503:
                break
            await asyncio.sleep(0.05)
        # Longer than the interval of any task that writes.
        await asyncio.sleep(3)
        await other.configure("RESET default_transaction_read_only")
    id = await until_available(lambda: jobs.enqueue("afterwards", {}))
    assert id is not None
    for _ in range(600):
        job = await until_available(lambda: jobs.look(id))
        if job.status.is_final:
            break
        await asyncio.sleep(0.05)
    assert job.status is JobStatus.DONE


async def until_available(work: Callable[[], Awaitable[T]]) -> T:
    """The result of the work, once the database is reachable again."""
    for _ in range(600):
        with suppress(Unavailable):
            return await work()
        await asyncio.sleep(0.05)
    return await work()
