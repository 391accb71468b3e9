"""The queue: in the order of priority, one job per key, and claimed by several processes without waiting."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import psycopg
import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky import clock
from stocky.config import Config
from stocky.db import Connection, Database, make_database
from stocky.db.queries import load_queries
from stocky.db.sqlite_file import open_connection
from stocky.errors import Conflict, Unavailable
from stocky.jobs import kinds, repository
from stocky.jobs.jobs import Jobs
from stocky.jobs.kinds import AGED, KINDS, JobKind
from stocky.jobs.repository import ClaimedJob, NewJob
from stocky.jobs.schemas import Job, JobPriority, JobStatus, WaitReason
from stocky.progress import ProgressCallback
from stocky.resources import resource
from tests.architecture.schema import run_beside
from tests.inventory import get
from tests.jobs.test_jobs import ended

pytestmark = pytest.mark.one_server

LEVELS = {"urgent": JobPriority.HIGH, "usual": JobPriority.NORMAL, "idle": JobPriority.LOW}
KEYED = ["keyed.a", "keyed.b"]
NAMES = [*LEVELS, *KEYED]


@pytest.fixture(autouse=True)
def _kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, priority in LEVELS.items():
        monkeypatch.setitem(KINDS, name, JobKind(priority=priority))
    for name in KEYED:
        monkeypatch.setitem(KINDS, name, JobKind(concurrency_key=name, attempts=3))


@pytest.fixture
def jobs(app: Litestar) -> Jobs:
    found: Jobs = app.state.jobs
    return found


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Sets the clock to a moment after the start of the test."""
    begin = clock.now()
    moments = [begin]

    def now() -> datetime:
        return moments[-1]

    monkeypatch.setattr(clock, "now", now)
    return lambda later: moments.append(begin + later)


async def add(database: Database, *names: str) -> list[int]:
    ids = [await database.run(repository.add_job, NewJob(kind=name)) for name in names]
    return [id for id in ids if id is not None]


async def claim(database: Database) -> ClaimedJob | None:
    return await database.run(repository.claim_job, "me", clock.now() + timedelta(minutes=1), NAMES)


async def claim_all(database: Database) -> list[str]:
    found = []
    while (job := await claim(database)) is not None:
        found.append(job.kind)
    return found


async def end(database: Database, job: ClaimedJob) -> None:
    progress = repository.Progress()
    await database.run(repository.end_job, "me", job, progress, result=b"1", error=None, error_status=None)


async def test_urgent_jobs_are_claimed_first(database: Database) -> None:
    await add(database, "idle", "usual", "urgent", "usual", "urgent")
    assert await claim_all(database) == ["urgent", "urgent", "usual", "usual", "idle"]


async def test_job_that_waits_long_is_claimed_regardless_of_priority(
    database: Database, at: Callable[[timedelta], None]
) -> None:
    await add(database, "idle")
    at(AGED - timedelta(seconds=1))
    await add(database, "urgent")
    first = await claim(database)
    assert first is not None
    assert first.kind == "urgent"
    await add(database, "urgent")
    at(AGED)
    assert await claim_all(database) == ["idle", "urgent"]


async def test_jobs_of_one_key_are_claimed_one_after_another(database: Database) -> None:
    await add(database, "keyed.a", "keyed.a", "keyed.b", "keyed.a")
    first, other = await claim(database), await claim(database)
    assert first is not None
    assert other is not None
    assert (first.kind, other.kind) == ("keyed.a", "keyed.b")
    assert await claim(database) is None
    await end(database, first)
    second = await claim(database)
    assert second is not None
    assert (second.kind, second.id > first.id) == ("keyed.a", True)
    assert await claim(database) is None


async def test_listed_jobs_say_why_they_wait(
    database: Database, jobs: Jobs, admin: AsyncClient, at: Callable[[timedelta], None]
) -> None:
    await jobs.close()
    first, second, third = await add(database, "keyed.a", "keyed.a", "idle")
    claimed = await claim(database)
    assert claimed is not None
    assert claimed.id == first
    shown = {each["id"]: each for each in await get(admin, "/jobs")}
    assert [shown[id]["waits_for"] for id in (first, second, third)] == [None, "key", "turn"]
    assert (shown[second]["concurrency_key"], shown[third]["priority"]) == ("keyed.a", "low")
    later = clock.now() + timedelta(minutes=3)
    await database.run(repository.put_job_back, "me", claimed, "the disk is away", later, can_stop=True)
    job = await get(admin, f"/jobs/{first}")
    assert (job["status"], job["waits_for"], job["error"]) == ("queued", "time", "the disk is away")
    assert datetime.fromisoformat(job["next_attempt_at"]) == later
    assert (job["attempts"], job["max_attempts"]) == (1, 3)


async def test_failed_job_is_repeated_with_growing_pauses(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds.random, "random", lambda: 0.0)
    monkeypatch.setattr(kinds, "LONGEST_DELAY", timedelta(0))
    asked = []
    delay = kinds.delay_after

    def note(kind: str, attempts: int) -> timedelta:
        asked.append((kind, attempts))
        return delay(kind, attempts)

    monkeypatch.setattr("stocky.jobs.jobs.delay_after", note)

    async def work(parameters: dict[str, Any], report: ProgressCallback) -> None:
        raise Unavailable("the disk is away")

    jobs.register("keyed.a", work)
    id = await jobs.enqueue("keyed.a", {})
    assert id is not None
    job = await ended(jobs, id)
    assert (job.status, job.attempts, job.error) == (JobStatus.FAILED, 3, "the disk is away")
    assert asked == [("keyed.a", 1), ("keyed.a", 2)]


async def test_refused_job_is_not_repeated(jobs: Jobs) -> None:
    async def work(parameters: dict[str, Any], report: ProgressCallback) -> None:
        raise Conflict("not like this")

    jobs.register("keyed.a", work)
    id = await jobs.enqueue("keyed.a", {})
    assert id is not None
    job = await ended(jobs, id)
    assert (job.status, job.attempts, job.error_status) == (JobStatus.FAILED, 1, 409)


async def test_claims_hold_no_lock_between_processes(dialect: str, config: Config, database: Database) -> None:
    """Two transactions claim at once: neither waits, and they get jobs of different keys."""
    if dialect == "sqlite":
        pytest.skip("SQLite has one writer")
    await add(database, "keyed.a", "keyed.a", "keyed.b", "usual")
    until = clock.now() + timedelta(minutes=1)
    async with AsyncExitStack() as stack:
        claims = []
        for owner in ("first", "second", "third", "fourth"):
            other = make_database(config)
            await other.open()
            stack.push_async_callback(other.close)
            tx = await stack.enter_async_context(other.transaction())
            async with asyncio.timeout(5):
                claims.append(await repository.claim_job(tx, owner, until, NAMES))
    assert [None if each is None else each.kind for each in claims] == ["keyed.a", "keyed.b", "usual", None]


async def test_two_jobs_of_one_key_at_the_same_moment(dialect: str, config: Config, database: Database) -> None:
    """One process looks for a job before, and claims it after, another has claimed one of the same key."""
    if dialect == "sqlite":
        pytest.skip("SQLite has one writer")
    first, second = await add(database, "keyed.a", "keyed.a")
    now, until = clock.now(), clock.now() + timedelta(minutes=1)
    other = make_database(config)
    await other.open()

    async def claim_by_steps(tx: Connection, between: Callable[[], Awaitable[object]]) -> ClaimedJob | None:
        await tx.execute("lock_job", id=second)
        await between()
        assert await tx.value("try_concurrency_key", key="keyed.a")
        return await tx.one("claim_job", ClaimedJob, id=second, owner="late", lease_until=until, now=now)

    async def claim_other() -> None:
        claimed = await other.run(repository.claim_job, "early", until, NAMES)
        assert claimed is not None
        assert claimed.id == first

    try:
        async with database.transaction() as tx:
            assert await claim_by_steps(tx, claim_other) is None
        # While a claim is not committed, its key is skipped; nobody waits.
        early = ClaimedJob(first, "keyed.a", {}, 3, 1)
        await database.run(repository.put_job_back, "early", early, "again", now, can_stop=True)
        async with database.transaction() as tx, asyncio.timeout(5):
            assert await repository.claim_job(tx, "early", until, NAMES) is not None
            assert await other.run(repository.claim_job, "late", until, NAMES) is None
    finally:
        await other.close()


async def test_database_refuses_two_running_jobs_of_one_key(config: Config, database: Database) -> None:
    first, second = await add(database, "keyed.a", "keyed.a")
    assert (await claim(database)) is not None
    async with database.read() as read:
        assert (await repository.get_job(read, first)).status is JobStatus.RUNNING
        waiting: Job = await repository.get_job(read, second)
    assert waiting.waits_for is WaitReason.KEY
    # As a process of an older version would do, which knows no keys.
    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.UniqueViolation)):
        await run_beside(config, f"UPDATE job SET status = 'running' WHERE id = {second}")


async def test_claim_reads_only_jobs_that_wait_or_run(config: Config) -> None:
    """Not the history: with sequential scans turned off, indexes of what waits and runs are enough."""
    queries = load_queries(resource("sql"), config.dialect)
    now = clock.now()
    arguments = {"now": now, "aged": now, "kinds": NAMES, "skipped": [], "id": 1, "owner": "me", "lease_until": now}
    for query in (queries["find_claimable_job"], queries["claim_job"], queries["get_oldest_waiting_job"]):
        values = query.values({name: arguments[name] for name in query.parameters})
        if config.dialect == "sqlite":
            with closing(open_connection(config.sqlite_path)) as connection:
                plan = connection.execute(f"EXPLAIN QUERY PLAN {query.text}", values).fetchall()
            steps = [row[3] for row in plan if row[3].startswith(("SCAN", "SEARCH")) and "json_each" not in row[3]]
            assert [step for step in steps if "job_" not in step and "PRIMARY KEY" not in step] == []
        else:
            connection = await asyncpg.connect(config.database_url)
            try:
                await connection.execute("SET enable_seqscan = off")
                text = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {query.text}", *values))
            finally:
                await connection.close()
            assert "Seq Scan" not in text
            assert "job_waiting" in text or "job_pkey" in text
