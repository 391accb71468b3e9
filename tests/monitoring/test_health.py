"""Health checks: a failure is 503 with its reason, and 200 again after it is fixed."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from pathlib import Path

import msgspec
import psycopg
import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.config import Config
from stocky.monitoring import readiness


@pytest.fixture(autouse=True)
def _fresh_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "CACHED_SECONDS", 0.0)


async def test_every_health_endpoint_reports_ready(root: AsyncClient, client: AsyncClient) -> None:
    assert (await client.get("/health")).json() == {"status": "healthy", "service": "stocky-backend"}
    assert (await root.get("/health/live")).json() == {"status": "alive"}
    ready = (await root.get("/health/ready")).json()
    assert ready["checks"] == {"database": "ok", "data_directory": "ok", "schema": "ok"}
    assert (await root.get("/health")).json()["status"] == "healthy"


def _another_program(config: Config) -> sqlite3.Connection | psycopg.Connection:
    """Another connection. On SQLite use it off the loop, where Stocky may be about to end a transaction."""
    if config.dialect == "sqlite":
        return sqlite3.connect(config.sqlite_path, check_same_thread=False)
    return psycopg.connect(config.database_url)


async def _expect_not_ready(root: AsyncClient, check: str, words: str) -> None:
    for path in ("/health/ready", "/health", "/api/v1/health"):
        answer = await root.get(path)
        assert answer.status_code == 503, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) > 0
        assert check in answer.json()["detail"]
        assert words in answer.json()["results"][check]
    assert (await root.get("/health/live")).status_code == 200


async def test_missing_data_directory_is_not_ready_until_it_is_back(
    root: AsyncClient, app: Litestar, config: Config, tmp_path: Path
) -> None:
    # A data directory without the database, whose own check would fail for good.
    data_dir, aside = tmp_path / "data", tmp_path / "aside"
    data_dir.mkdir()
    app.state.readiness = readiness.Readiness(app.state.database, msgspec.structs.replace(config, data_dir=data_dir))
    # Moved instead of made read-only, since root may write to a read-only directory.
    os.rename(data_dir, aside)
    await _expect_not_ready(root, "data_directory", "cannot be written")
    os.rename(aside, data_dir)
    assert (await root.get("/health/ready")).status_code == 200


async def test_outdated_schema_is_not_ready(root: AsyncClient, config: Config) -> None:
    def forget() -> None:
        other = _another_program(config)
        other.execute("DELETE FROM _yoyo_migration WHERE migration_id = '0001.core'")
        other.commit()
        other.close()

    await asyncio.to_thread(forget)
    await _expect_not_ready(root, "schema", "stocky migrate")


async def test_locked_database_is_not_ready_until_it_is_unlocked(
    root: AsyncClient, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "CHECK_SECONDS", 0.2)
    holder = _another_program(config)
    hold = "BEGIN IMMEDIATE" if config.dialect == "sqlite" else "LOCK TABLE auth_revision IN ACCESS EXCLUSIVE MODE"
    await asyncio.to_thread(holder.execute, hold)
    try:
        answer = await root.get("/health/ready")
        assert answer.status_code == 503
        assert answer.json()["results"]["database"] == "no answer within 0.2 seconds"
    finally:
        holder.rollback()
        holder.close()
    for _ in range(600):
        if (await root.get("/health/ready")).status_code == 200:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("still not ready")


async def test_read_only_database_is_not_ready(root: AsyncClient, app: Litestar, config: Config) -> None:
    if config.dialect == "sqlite":
        await app.state.database._writer.call(lambda connection: connection.execute("PRAGMA query_only = ON"))
    else:
        with psycopg.connect(config.database_url, autocommit=True) as connection:
            connection.execute(f'ALTER DATABASE "{connection.info.dbname}" SET default_transaction_read_only = on')
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    answer = await root.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["results"]["database"] != "ok"


async def test_checks_leave_no_files_and_are_cached(
    root: AsyncClient, app: Litestar, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "CACHED_SECONDS", 60.0)
    files = sorted(config.data_dir.iterdir())
    async with app.state.database.read() as read:
        before = await read.value("get_auth_revision")
    first = await app.state.readiness.checks()
    answers = await asyncio.gather(*(root.get("/health/ready") for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert await app.state.readiness.checks() is first
    async with app.state.database.read() as read:
        assert await read.value("get_auth_revision") == before
    assert sorted(config.data_dir.iterdir()) == files


async def test_metrics_count_requests_and_measure_the_process(root: AsyncClient, admin: AsyncClient) -> None:
    await admin.get("/items/987654")
    page = await root.get("/metrics")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = page.text.splitlines()
    for name in ("process_resident_memory_bytes", "process_cpu_seconds_total", "stocky_events_waiting"):
        assert any(line.startswith(f"{name} ") for line in lines), name
    assert not any("987654" in line for line in lines)
    assert not any("stk_" in line for line in lines)
