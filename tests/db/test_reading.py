"""What a script reads: all of it as it was at one moment, whatever is committed meanwhile."""

from __future__ import annotations

from typing import Any

from stocky.config import Config
from stocky.db import Ask, Database, Script, Work
from tests.architecture import schema

ADD_LOCATION = (
    "INSERT INTO location (name, storage_type, created_at, updated_at)"
    " VALUES ('Shelf', 'pantry', '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z')"
)


async def test_all_queries_of_a_script_see_one_moment(database: Database, config: Config) -> None:
    def around(work: Work) -> Script[tuple[list[Any], list[Any]]]:
        """What there is before and after the work."""
        before = yield Ask("list_spots")
        yield work
        return before, (yield Ask("list_spots"))

    async with database.read() as read:
        assert await read.run(around(Work(lambda: schema.run(config, ADD_LOCATION)))) == ([], [])
        before, after = await read.run(around(Work(lambda: None)))
        assert [spot["name"] for spot in before] == [spot["name"] for spot in after] == ["Shelf"]
