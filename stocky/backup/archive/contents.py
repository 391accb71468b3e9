"""Puts document contents of a backup into the document store: before the data that refers to them; deletes none.

Contents are named by their SHA-256, so the previous data's contents are never replaced.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from itertools import islice
from pathlib import Path
from threading import Event

from stocky.backup.archive.reading import BackupFile, content_warnings, document_count, open_contents
from stocky.backup.dump.writing import CONTENTS
from stocky.db import Database
from stocky.documents.blobs import CONTENTS as KIND
from stocky.documents.blobs import Blobs
from stocky.documents.repository import adopt
from stocky.errors import StockyError
from stocky.progress import ProgressCallback

# Contents adopted per transaction.
BATCH = 500
# Concurrent requests to the store.
AT_ONCE = 8


async def contents_of(scratch: Path) -> dict[str, int]:
    """The sizes of the document contents in a loaded backup, by SHA-256."""
    return await asyncio.to_thread(_contents_of, scratch)


async def adopt_contents(database: Database, wanted: dict[str, int]) -> None:
    """Protects contents in the store from garbage collection until the data that refers to them is restored.

    Raises Unavailable when one of them is being deleted.
    """
    waiting = iter(sorted(wanted))
    while batch := list(islice(waiting, BATCH)):
        async with database.transaction() as tx:
            await adopt(tx, batch)


async def store_contents(blobs: Blobs, backup: BackupFile, wanted: dict[str, int], report: ProgressCallback) -> int:
    """Writes an archive's contents of `wanted`, which must be adopted, to the store; returns their number.

    Raises BadRequest, OutOfSpace, or Unavailable; contents written so far are garbage-collected later.
    """
    if backup.archive is None:
        return 0
    hashes = sorted(wanted.keys() & backup.contents.keys())
    ended = Event()
    try:
        # Existing contents too: one may be damaged, which only reading it would show.
        await asyncio.to_thread(_put_all, blobs, backup, hashes, ended, report)
    finally:
        # The thread of a cancelled task keeps running.
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
    """A warning when contents of documents are missing in both archive and store; otherwise none."""
    wanted_hashes = iter(sorted(wanted.keys() - backup.contents.keys()))
    missing: list[str] = []
    try:
        while batch := list(islice(wanted_hashes, AT_ONCE)):
            sizes = await asyncio.gather(*(blobs.find_size(sha256) for sha256 in batch))
            missing += [sha256 for sha256, size in zip(batch, sizes, strict=True) if size != wanted[sha256]]
    except StockyError as error:
        return [f"The contents of documents could not be checked: {error.detail}"]
    return [_missing_content_warning(len(missing))] if missing else []


def incomplete_archive_warnings(backup: BackupFile, wanted: dict[str, int]) -> list[str]:
    """Warnings about document contents that an archive lacks; none for a dump, which holds no contents."""
    if backup.archive is None:
        return []
    missing = wanted.keys() - backup.contents.keys()
    return content_warnings(len(backup.damaged), len(missing - set(backup.damaged)))


def _missing_content_warning(count: int) -> str:
    return (
        f"The content of {document_count(count)} is neither in the backup nor in the document store;"
        " 'stocky check' lists the documents, and an older archive may have their content"
    )


def _contents_of(scratch: Path) -> dict[str, int]:
    with closing(sqlite3.connect(f"{scratch.as_uri()}?mode=ro", uri=True)) as connection:
        return dict(connection.execute(CONTENTS))
