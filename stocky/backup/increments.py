"""Decides which stored backup the next increment continues, or that a new base is due."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

from stocky import clock
from stocky.backup.chains import parents_of
from stocky.backup.dump.format import ParentFile
from stocky.backup.dump.ledger import Continued
from stocky.backup.encryption.reading import is_opened_by
from stocky.backup.encryption.settings import EncryptionSettings
from stocky.backup.store import Kind, Reason, Store, StoredBackup
from stocky.errors import NotFound
from stocky.progress import ProgressCallback

# Backups that an increment may continue: those that were made here, and of data that is still current.
CONTINUED = frozenset({Reason.SCHEDULED, Reason.MANUAL, Reason.API, Reason.COMMAND_LINE})
# Increments that are together smaller than this need no new base for their size: restoring them costs nothing.
SMALL_BYTES = 16 * 2**20
# A restore opens each of them.
MAX_INCREMENTS = 200
# A nightly base of N days ago is replaced whenever in the night it was made.
_TOLERANCE = timedelta(hours=1)

_log = logging.getLogger(__name__)


@asynccontextmanager
async def find_continued(
    store: Store, base_days: int, keys: EncryptionSettings | None, report: ProgressCallback
) -> AsyncIterator[Continued | None]:
    """The backup that the next increment continues; None when a new base is due.

    It does not expire before the end of the block. Every file of its chain is read, and is as it was made; one that is
    not has that as a problem from then on.
    """
    chain = choose_chain(await asyncio.to_thread(store.list_backups), base_days)
    if not chain or not await _hold(store, chain[0]):
        yield None
        return
    try:
        is_usable = await _has_same_keys(store, chain, keys, report) and await _is_as_made(store, chain)
        yield _continued(chain) if is_usable else None
    finally:
        await asyncio.to_thread(store.end_test, chain[0].id)


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


async def _hold(store: Store, backup: StoredBackup) -> bool:
    """Keeps the backup from expiring, and so its parents; False when it has just been deleted."""
    try:
        await asyncio.to_thread(store.begin_test, backup.id)
    except NotFound:
        return False
    return True


async def _has_same_keys(
    store: Store, chain: list[StoredBackup], keys: EncryptionSettings | None, report: ProgressCallback
) -> bool:
    """Whether what opens new backups also opens the chain: a restore takes one passphrase, or one identity, for all.

    What is not encrypted is continued by both. Otherwise a passphrase is tried on the newest encrypted one only: that
    one continued others because it has theirs.
    """
    encrypted = [each for each in chain if each.encryption is not None]
    if not encrypted:
        return True
    if keys is None or any(each.encryption != keys.method for each in encrypted):
        return False
    if keys.method == "recipients":
        return all(each.recipients_sha256 == keys.recipients_sha256 for each in encrypted)
    return await is_opened_by(store.path(encrypted[0]), keys, report)


async def _is_as_made(store: Store, chain: list[StoredBackup]) -> bool:
    for each in chain:
        try:
            found = await asyncio.to_thread(store.read_sha256, each)
        except OSError as error:
            _log.error("%s cannot be read (%s); a whole backup is made", each.filename, os.strerror(error.errno or 0))
            return False
        if found != each.sha256:
            await _note_damage(store, each)
            return False
    return True


async def _note_damage(store: Store, damaged: StoredBackup) -> None:
    """Notes that the file is damaged, so that neither it nor what continues it is called good."""
    problem = damaged.damage

    def with_problem(backup: StoredBackup) -> StoredBackup:
        return backup if problem in backup.problems else backup.with_problem(problem)

    _log.error("%s; a whole backup is made", problem)
    with suppress(NotFound):
        await asyncio.to_thread(store.change_metadata, damaged.id, with_problem)


def _continued(chain: list[StoredBackup]) -> Continued | None:
    parent, base = chain[0], chain[-1]
    if parent.mark is None or parent.sha256 is None or base.sha256 is None or parent.schema_version is None:
        return None
    file = ParentFile(filename=parent.filename, sha256=parent.sha256, size_bytes=parent.size_bytes)
    return Continued(
        base=base.sha256,
        parent=file,
        dialect="sqlite" if parent.dialect == "sqlite" else "postgres",
        schema=parent.schema_version,
        mark=parent.mark,
    )
