"""Decides which stored backup the next increment continues, or that a new base is due."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from stocky import clock
from stocky.backup.chains import parents_of
from stocky.backup.dump.format import ParentFile
from stocky.backup.dump.ledger import Continued
from stocky.backup.store import Kind, Reason, Store, StoredBackup

# Backups that an increment may continue: those that were made here, and of data that is still current.
CONTINUED = frozenset({Reason.SCHEDULED, Reason.MANUAL, Reason.API, Reason.COMMAND_LINE})
# Increments that are together smaller than this need no new base for their size: restoring them costs nothing.
SMALL_BYTES = 16 * 2**20
# A restore opens each of them.
MAX_INCREMENTS = 200
# A nightly base of N days ago is replaced whenever in the night it was made.
_TOLERANCE = timedelta(hours=1)


async def find_continued(store: Store, base_days: int) -> tuple[StoredBackup, Continued] | None:
    """The backup that the next increment continues; None when a new base is due.

    Every file of its chain is read, and is as it was made: an increment of a damaged one could not be restored.
    """
    chain = choose_chain(await asyncio.to_thread(store.list_backups), base_days)
    if not chain:
        return None
    for each in chain:
        if not await asyncio.to_thread(store.is_as_made, each):
            return None
    parent, base = chain[0], chain[-1]
    if parent.mark is None or parent.sha256 is None or base.sha256 is None or parent.schema_version is None:
        return None
    file = ParentFile(filename=parent.filename, sha256=parent.sha256, size_bytes=parent.size_bytes)
    return parent, Continued(
        base=base.sha256,
        parent=file,
        dialect="sqlite" if parent.dialect == "sqlite" else "postgres",
        schema=parent.schema_version,
        mark=parent.mark,
    )


def choose_chain(backups: list[StoredBackup], base_days: int) -> list[StoredBackup]:
    """The backup to continue and its parents, of all stored ones, newest first; none when a new base is due.

    It is due when the last one is older than `base_days`, when its increments together are larger than half of it, and
    when one of the chain is missing or does not restore.
    """
    now = clock.now()
    newest = next((each for each in backups if _may_be_continued(each, now)), None)
    if newest is None:
        return []
    chain = [newest, *parents_of(newest, backups)]
    base, increments = chain[-1], chain[:-1]
    is_due = (
        base.parent_sha256 is not None
        or any(each.problems for each in chain)
        or now - base.created_at > timedelta(days=base_days) - _TOLERANCE
        or len(increments) >= MAX_INCREMENTS
        or sum(each.size_bytes for each in increments) > max(base.size_bytes // 2, SMALL_BYTES)
    )
    return [] if is_due else chain


def _may_be_continued(backup: StoredBackup, now: datetime) -> bool:
    is_from_here = backup.kind is Kind.SQL and backup.reason in CONTINUED and backup.mark is not None
    # One from the future was made while the clock was ahead.
    return is_from_here and backup.created_at <= now + clock.SKEW
