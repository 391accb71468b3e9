"""Increments the versions of the items of a renamed tag or type, so that every process reads them again.

The few items of most tags and types are changed with the name, in one transaction. More of them would make every scan
wait: their versions follow in a job, and until then scans and lists of items may have the old name.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from stocky import clock
from stocky.db import Connection, Database
from stocky.jobs import repository as jobs_repository
from stocky.jobs.jobs import Jobs
from stocky.jobs.repository import NewJob
from stocky.progress import ProgressCallback

KIND = "catalogue.bump"
# The items changed in one transaction.
AT_ONCE = 200

Part = Literal["tag", "type"]


class VersionBumps:
    """The job of one process for the items of renamed tags and types."""

    def __init__(self, database: Database, jobs: Jobs) -> None:
        self._database = database
        jobs.register(KIND, self.run)

    async def run(self, parameters: dict[str, Any], report: ProgressCallback) -> None:
        """Changes the items page by page. Repeated after an interruption, it increments some versions twice."""
        last = done = 0
        while True:
            async with self._database.transaction() as tx:
                ids = await _list_items(tx, parameters["part"], parameters["id"], last)
                await bump_item_versions(tx, ids)
            if not ids:
                return
            last, done = ids[-1], done + len(ids)
            report("changing", done, None, "items")


async def bump_items_of(tx: Connection, part: Part, part_id: int, bumped: Collection[int] = ()) -> list[int]:
    """Increments the versions of the items of a tag or type, except those `bumped` already; returns their ids.

    If they are many, it leaves them to a job. Call it before the change, which locks the items first like every change
    of an item, and after it: the change waits for transactions that give items the tag or type, and then they show.
    """
    ids = await _list_items(tx, part, part_id, 0)
    if len(ids) < AT_ONCE:
        await bump_item_versions(tx, [id for id in ids if id not in bumped])
    elif len(bumped) < AT_ONCE:
        job = NewJob(kind=KIND, parameters={"part": part, "id": part_id})
        await jobs_repository.add_job(tx, job)
    return ids


async def bump_item_versions(tx: Connection, ids: list[int]) -> None:
    """Increments the versions of items, locked in the order of their ids."""
    if ids:
        await tx.rows("lock_items", ids=ids)
        await tx.execute("bump_item_versions", ids=ids, updated_at=clock.now())


async def _list_items(tx: Connection, part: Part, part_id: int, after: int) -> list[int]:
    if part == "tag":
        rows = await tx.rows("list_items_with_tag", tag_id=part_id, after=after, limit=AT_ONCE)
    else:
        rows = await tx.rows("list_items_of_type", type_id=part_id, after=after, limit=AT_ONCE)
    return [row[0] for row in rows]
