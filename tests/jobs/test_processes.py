"""Jobs of real processes: several on one Postgres share a queue, and a killed one leaves its job to the next."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from stocky.config import Config
from stocky.db import make_database
from stocky.jobs import repository
from stocky.jobs.kinds import KINDS, JobKind
from stocky.jobs.repository import NewJob
from tests.architecture.schema import run_beside
from tests.jobs.worker import KEYS, PRIORITIES, kind_of
from tests.serving import ROOT, environment

pytestmark = [pytest.mark.one_server, pytest.mark.slow]

JOBS, PROCESSES = 200, 2


@pytest.fixture(autouse=True)
def _kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in range(KEYS):
        for priority in PRIORITIES:
            entry = JobKind(priority=priority, concurrency_key=f"test.{key}")
            monkeypatch.setitem(KINDS, kind_of(key, priority), entry)
    monkeypatch.setitem(KINDS, "test.flaky", JobKind(attempts=3, concurrency_key="test.flaky"))


@contextmanager
def worker(environ: dict[str, str], log: Path, lease: float = 30) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs jobs, killed at the end of the block."""
    command = [sys.executable, "-m", "tests.jobs.worker", str(log), str(lease)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(environ, ROOT))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def lines(log: Path) -> list[list[str]]:
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


async def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what another process does is only seen by looking
            await asyncio.sleep(0.02)


async def add_jobs(config: Config, *jobs: NewJob) -> None:
    """Adds jobs in one transaction, with a database that is closed again: SQLite has one process."""
    database = make_database(config)
    await database.open()
    try:
        async with database.transaction() as tx:
            for job in jobs:
                await repository.add_job(tx, job)
    finally:
        await database.close()


async def until_ended(config: Config) -> None:
    """Waits until no job of a test waits or runs."""
    open_jobs = "SELECT 1 FROM job WHERE kind LIKE 'test.%' AND status IN ('queued', 'running')"
    async with asyncio.timeout(60):
        while await run_beside(config, open_jobs):  # noqa: ASYNC110 - what another process does is only seen by looking
            await asyncio.sleep(0.05)


async def test_processes_share_a_queue(dialect: str, environ: dict[str, str], config: Config, tmp_path: Path) -> None:
    """Each job runs once, never two of a key at the same time, and those of a key in the order of priority."""
    new = []
    for number in range(JOBS):
        # The urgent ones are queued last.
        rank = len(PRIORITIES) - 1 - number * len(PRIORITIES) // JOBS
        key = number % KEYS
        parameters = {"key": key, "rank": rank, "number": number}
        new.append(NewJob(kind=kind_of(key, PRIORITIES[rank]), parameters=parameters))
    log = tmp_path / "work.log"
    with ExitStack() as stack:
        if dialect == "sqlite":
            await add_jobs(config, *new)
            stack.enter_context(worker(environ, log))
        else:
            for _ in range(PROCESSES):
                stack.enter_context(worker(environ, log))
            await until(lambda: sum(line[0] == "ready" for line in lines(log)) == PROCESSES)
            await add_jobs(config, *new)
        await until(lambda: sum(line[0] == "end" for line in lines(log)) >= JOBS)
        await until_ended(config)
    noted = lines(log)
    assert Counter(int(line[3]) for line in noted if line[0] == "begin") == Counter(range(JOBS))
    of_key: dict[str, list[list[str]]] = defaultdict(list)
    for line in noted:
        if line[0] in ("begin", "end"):
            of_key[line[1]].append(line)
    assert len(of_key) == KEYS
    for each in of_key.values():
        assert [line[0] for line in each] == ["begin", "end"] * (len(each) // 2)
        assert [line[3] for line in each[::2]] == [line[3] for line in each[1::2]]
        ranks = [int(line[2]) for line in each]
        assert ranks == sorted(ranks)
    if dialect != "sqlite":
        assert len({line[-1] for line in noted if line[0] == "begin"}) == PROCESSES
    ended = await run_beside(config, "SELECT DISTINCT status, attempts FROM job WHERE kind LIKE 'test.%'")
    assert ended == [("done", 1)]


async def test_job_of_a_killed_process_is_retried_by_the_next(
    environ: dict[str, str], config: Config, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    await add_jobs(config, NewJob(kind="test.flaky", parameters={"log": str(first)}))
    with worker(environ, first, 2) as process:
        # The first attempt has failed, the second is in the middle of its work.
        await until(lambda: ["attempt", "2", str(process.pid)] in lines(first))
        process.kill()
    assert await run_beside(config, "SELECT status, attempts FROM job WHERE kind = 'test.flaky'") == [("running", 2)]
    with worker(environ, second, 2):
        await until_ended(config)
    ended = await run_beside(config, "SELECT status, attempts, result FROM job WHERE kind = 'test.flaky'")
    assert ended == [("done", 3, '"succeeded"')]
