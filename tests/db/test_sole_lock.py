"""The lock of what one process on a database does at a time: another gets it when its holder is gone."""

from __future__ import annotations

import asyncio

import pytest

from stocky.config import Config
from stocky.db import Database, SoleLock, make_database
from stocky.errors import Unavailable
from tests.db.postgres_session import session
from tests.postgres import LOCKS_HERE


async def test_one_holds_the_lock_at_a_time(config: Config, database: Database, dialect: str) -> None:
    if dialect == "sqlite":
        pytest.skip("one process serves one SQLite file")
    other = make_database(config)
    await other.open()
    async with database.try_sole_lock(SoleLock.MQTT) as held:
        assert held is not None
        async with other.try_sole_lock(SoleLock.MQTT) as refused:
            assert refused is None
    async with other.try_sole_lock(SoleLock.MQTT) as held:
        assert held is not None
    await other.close()


async def test_holder_learns_that_the_lock_is_lost(config: Config, database: Database, dialect: str) -> None:
    async with database.try_sole_lock(SoleLock.MQTT) as watch:
        assert watch is not None
        watching = asyncio.create_task(watch())
        if dialect == "sqlite":
            # It cannot be lost.
            assert await asyncio.wait([watching], timeout=0.1) == (set(), {watching})
            watching.cancel()
            return
        async with session(config) as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks"
                f" WHERE {LOCKS_HERE} AND locktype = 'advisory' AND objid = {SoleLock.MQTT:d}"
            )
        with pytest.raises(Unavailable):
            await asyncio.wait_for(watching, 20)
