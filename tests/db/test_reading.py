"""All queries of one piece of work see one snapshot, whatever is committed meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from stocky.config import Config
from stocky.db import Connection, Database
from tests.architecture import schema

ADD_LOCATION = (
    "INSERT INTO location (name, path, storage_type, created_at, updated_at)"
    " VALUES ('Shelf', 'Shelf', 'pantry', '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z')"
)


async def test_all_queries_of_a_read_see_one_snapshot(database: Database, config: Config) -> None:
    async def around(tx: Connection, change: Callable[[], object]) -> tuple[list[Any], list[Any]]:
        """The rows before and after the change."""
        before = await tx.rows("list_spots")
        await tx.compute(change)
        return list(before), list(await tx.rows("list_spots"))

    async with database.read() as read:
        assert await read.run(around, partial(schema.run, config, ADD_LOCATION)) == ([], [])
        before, after = await read.run(around, lambda: None)
        assert [spot["name"] for spot in before] == [spot["name"] for spot in after] == ["Shelf"]


async def test_work_that_awaits_other_than_its_connection_raises(database: Database) -> None:
    async def sleep(tx: Connection) -> None:
        await asyncio.sleep(0)

    if database.dialect == "postgres":
        pytest.skip("there it is one of many tasks, and may wait")
    with pytest.raises(RuntimeError, match="sleep"):
        await database.run(sleep)
