"""Deletes content that no document has referenced for RETENTION; content that is being stored is never deleted.

Content is an orphan from the run that notices it, and is deleted RETENTION later. Before its deletion a row marks it
as doomed, and an upload of the same content must wait; an orphan without the mark may be adopted (see `repository`).
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, time, timedelta
from typing import Any

import msgspec

from stocky import clock
from stocky.alerts.repository import alert_on_failure
from stocky.alerts.schemas import ServiceAlert
from stocky.db import Connection, Database, Lane
from stocky.documents.blobs import Blobs
from stocky.documents.repository import GIVEN_UP, Orphan
from stocky.jobs.jobs import Jobs
from stocky.jobs.schedule import Due, Schedule
from stocky.progress import ProgressCallback

KIND = "documents.collect"
# For this long, a backup from before a deletion can be restored with all its contents.
RETENTION = timedelta(days=30)
# Content stored more recently may belong to an unfinished upload or restore.
SETTLED = timedelta(days=1)
AT = time(4, 30)
BATCH = 20
# Well before another process may consider the deletion abandoned.
BATCH_SECONDS = GIVEN_UP.total_seconds() / 2

_log = logging.getLogger(__name__)


class Collected(msgspec.Struct):
    """The result of a run: contents newly noticed as orphans, and contents deleted."""

    noticed: int = 0
    deleted: int = 0


class GarbageCollector:
    """The scheduled task of one process."""

    def __init__(self, database: Database, blobs: Blobs, jobs: Jobs) -> None:
        self._database = database
        self._blobs = blobs
        ended = alert_on_failure(ServiceAlert.DOCUMENT_CLEANUP_FAILED, "The daily cleanup of the document store")
        jobs.register(KIND, self.collect, ended=ended)

    def register_tasks(self, schedule: Schedule) -> None:
        """Registers the daily run."""
        schedule.daily(KIND, self._due)

    async def _due(self) -> Due | None:
        async with self._database.read(Lane.BACKGROUND) as read:
            has_contents = await read.value("has_contents") is not None
        return Due(AT, clock.LONG_AGO) if has_contents else None

    async def collect(self, parameters: dict[str, Any], report: ProgressCallback) -> Collected:
        """Notices orphans, and deletes those noticed RETENTION ago. Raises Unavailable."""
        collected = Collected()
        listed = 0
        async for page in self._blobs.list():
            listed += len(page)
            report("looking", listed, None, "files")
            settled = [blob.sha256 for blob in page if blob.stored_at < clock.now() - SETTLED]
            collected.noticed += await self._notice(settled)
        async with self._database.transaction() as tx:
            await tx.execute("forget_adopted", given_up=clock.now() - GIVEN_UP)
        while deleting := await self._mark_doomed():
            async with asyncio.timeout(BATCH_SECONDS):
                for sha256, doomed_at in deleting:
                    collected.deleted += await self._delete(sha256, doomed_at)
            report("deleting", collected.deleted, None, "files")
        await self._blobs.remove_partial_files()
        if collected.deleted:
            _log.info("Deleted %d files that no document references from the document store", collected.deleted)
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

    async def _mark_doomed(self) -> list[tuple[str, datetime]]:
        now = clock.now()
        async with self._database.transaction() as tx:
            deleting = await tx.all(
                "doom_orphans", Orphan, doomed_at=now, seen_before=now - RETENTION, given_up=now - GIVEN_UP, limit=BATCH
            )
        return [(each.sha256, now) for each in deleting]

    async def _delete(self, sha256: str, doomed_at: datetime) -> bool:
        """Deletes the content; False when a restored document references it again."""
        # No restore can swap the data during this read.
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
