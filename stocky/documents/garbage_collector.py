"""Deletes from the store what no document has had for a while, and never what someone is just putting there.

Content is an orphan from the day on which that is noticed, and deleted KEPT later. Before that a row says that it is
doomed, and whoever wants the same content waits; without such a row it may be adopted (see `repository`).
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, time, timedelta
from typing import Any

import msgspec

from stocky import clock
from stocky.alerts.repository import alert_on_failure
from stocky.db import Connection, Database, Lane
from stocky.documents.blobs import Blobs
from stocky.documents.repository import GIVEN_UP, Orphan
from stocky.jobs.jobs import Jobs
from stocky.jobs.schedule import Due, Schedule
from stocky.progress import ProgressCallback

KIND = "documents.collect"
# As long as that a backup of before a deletion is restored with everything it had.
KEPT = timedelta(days=30)
# What was stored later than that may belong to an upload or a restore that is not finished.
SETTLED = timedelta(days=1)
AT = time(4, 30)
BATCH = 20
# Well before others may think that it was given up.
BATCH_SECONDS = GIVEN_UP.total_seconds() / 2

_log = logging.getLogger(__name__)


class Collected(msgspec.Struct):
    """What a collection did: contents that were noticed to be orphans, and such as were deleted."""

    noticed: int = 0
    deleted: int = 0


class GarbageCollector:
    """The standing duty of one process."""

    def __init__(self, database: Database, blobs: Blobs, jobs: Jobs) -> None:
        self._database = database
        self._blobs = blobs
        ended = alert_on_failure("document_cleanup_failed", "The daily cleanup of the document store")
        jobs.register(KIND, self.collect, is_alone=True, ended=ended)

    def register_tasks(self, schedule: Schedule) -> None:
        """Hands the duty to the schedule."""
        schedule.daily(KIND, self._due)

    async def _due(self) -> Due | None:
        async with self._database.read(Lane.BACKGROUND) as read:
            has_contents = await read.value("has_contents") is not None
        return Due(AT, clock.LONG_AGO) if has_contents else None

    async def collect(self, parameters: dict[str, Any], report: ProgressCallback) -> Collected:
        """Notices orphans, and deletes those that were noticed KEPT ago. Raises Unavailable."""
        collected = Collected()
        looked_at = 0
        async for page in self._blobs.list():
            looked_at += len(page)
            report("looking", looked_at, None, "files")
            settled = [blob.sha256 for blob in page if blob.stored_at < clock.now() - SETTLED]
            collected.noticed += await self._notice(settled)
        async with self._database.transaction() as tx:
            await tx.execute("forget_adopted", given_up=clock.now() - GIVEN_UP)
        while deleting := await self._doom():
            async with asyncio.timeout(BATCH_SECONDS):
                for sha256, doomed_at in deleting:
                    collected.deleted += await self._delete(sha256, doomed_at)
            report("deleting", collected.deleted, None, "files")
        await self._blobs.sweep()
        if collected.deleted:
            _log.info("Deleted %d files from the document store that no document had", collected.deleted)
        return collected

    async def _notice(self, hashes: list[str]) -> int:
        async with self._database.read(Lane.BACKGROUND) as read:
            orphans = await _unreferenced(read, hashes)
        noticed = 0
        if orphans:
            async with self._database.transaction() as tx:
                for orphan in orphans:
                    noticed += await tx.execute("note_orphan", sha256=orphan, seen_at=clock.now())
        return noticed

    async def _doom(self) -> list[tuple[str, datetime]]:
        now = clock.now()
        async with self._database.transaction() as tx:
            deleting = await tx.all(
                "doom_orphans", Orphan, doomed_at=now, seen_before=now - KEPT, given_up=now - GIVEN_UP, limit=BATCH
            )
        return [(each.sha256, now) for each in deleting]

    async def _delete(self, sha256: str, doomed_at: datetime) -> bool:
        """Whether it was deleted: not when a restore has brought a document that has it."""
        # No restore puts other data in place while this reads.
        async with self._database.read(Lane.BACKGROUND) as read:
            is_orphan = bool(await _unreferenced(read, [sha256]))
            if is_orphan:
                await self._blobs.remove(sha256)
        async with self._database.transaction() as tx:
            await tx.execute("remove_orphan", sha256=sha256, doomed_at=doomed_at)
        return is_orphan


async def _unreferenced(read: Connection, hashes: list[str]) -> list[str]:
    found = await read.all("list_unreferenced", Orphan, hashes=hashes)
    return [each.sha256 for each in found]
