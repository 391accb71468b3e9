"""What the documents of a backup have in the document store: put there before the data that needs it, never deleted.

Content has its SHA-256 for a name, so that nothing there is replaced and what the data of before has stays.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from itertools import islice
from pathlib import Path
from threading import Event

from stocky.backup.archive.opening import BackupFile
from stocky.backup.archive.reading import content_warnings, document_count, open_contents
from stocky.backup.dump.writing import CONTENTS
from stocky.db import Database
from stocky.documents.blobs import CONTENTS as KIND
from stocky.documents.blobs import Blobs
from stocky.documents.repository import adopt
from stocky.errors import StockyError
from stocky.progress import ProgressCallback

# Adopted in one transaction.
BATCH = 500
# Asked of the store at once.
AT_ONCE = 8


async def contents_of(scratch: Path) -> dict[str, int]:
    """The sizes of the contents that documents in a loaded backup have, by SHA-256."""
    return await asyncio.to_thread(_contents_of, scratch)


async def adopt_contents(database: Database, wanted: dict[str, int]) -> None:
    """Keeps what is in the store from being collected before the data that needs it is there.

    Raises Unavailable when one of them is being deleted at this moment.
    """
    waiting = iter(sorted(wanted))
    while batch := list(islice(waiting, BATCH)):
        async with database.transaction() as tx:
            await adopt(tx, batch)


async def store_contents(blobs: Blobs, backup: BackupFile, wanted: dict[str, int], report: ProgressCallback) -> int:
    """Puts what an archive holds of `wanted`, which is adopted, into the store; how many there were.

    Raises BadRequest, OutOfSpace, or Unavailable; what is in the store by then is collected one day.
    """
    if backup.archive is None:
        return 0
    hashes = sorted(wanted.keys() & backup.contents.keys())
    ended = Event()
    try:
        # Also what is there: it may be damaged, which nobody sees without reading it.
        await asyncio.to_thread(_put_all, blobs, backup, hashes, ended, report)
    finally:
        # Of a task that is cancelled the thread goes on.
        ended.set()
    return len(hashes)


def _put_all(blobs: Blobs, backup: BackupFile, hashes: list[str], ended: Event, report: ProgressCallback) -> None:
    assert backup.archive is not None
    total, done = sum(backup.contents[each] for each in hashes), 0
    with open_contents(backup.archive) as pieces:
        for sha256 in hashes:
            if ended.is_set():
                return
            report("restoring documents", done, total, "bytes")
            blobs.put_now(KIND, sha256, pieces(sha256))
            done += backup.contents[sha256]


async def missing_content_warnings(blobs: Blobs, backup: BackupFile, wanted: dict[str, int]) -> list[str]:
    """A line when documents would be without their content, in the archive and in the store; nothing when none is."""
    wanted_hashes = iter(sorted(wanted.keys() - backup.contents.keys()))
    missing: list[str] = []
    try:
        while batch := list(islice(wanted_hashes, AT_ONCE)):
            sizes = await asyncio.gather(*(blobs.find_size(sha256) for sha256 in batch))
            missing += [sha256 for sha256, size in zip(batch, sizes, strict=True) if size != wanted[sha256]]
    except StockyError as error:
        return [f"Whether every document has its content was not found out: {error.detail}"]
    return [_missing_content_warning(len(missing))] if missing else []


def incomplete_archive_warnings(backup: BackupFile, wanted: dict[str, int]) -> list[str]:
    """What an archive lacks of that which its documents have; nothing for a dump, which never holds any."""
    if backup.archive is None:
        return []
    missing = wanted.keys() - backup.contents.keys()
    return content_warnings(len(backup.damaged), len(missing - set(backup.damaged)))


def _missing_content_warning(count: int) -> str:
    return (
        f"The content of {document_count(count)} is neither in the backup nor in the document store;"
        " 'stocky check' lists the documents, and an archive of before may have them"
    )


def _contents_of(scratch: Path) -> dict[str, int]:
    with closing(sqlite3.connect(f"{scratch.as_uri()}?mode=ro", uri=True)) as connection:
        return dict(connection.execute(CONTENTS))
