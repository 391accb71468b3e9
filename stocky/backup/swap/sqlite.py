"""The replacement on SQLite: copies the scratch file into the live one with the online backup API, in one step.

It is one transaction on the writer's connection: until its commit every reader, and the next start after a kill, sees
the old data. Renaming files instead would lose what open connections write to the old file.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path

from stocky import clock
from stocky.backup.dump.tables import PRESERVED_TABLES
from stocky.backup.load.scratch import open_scratch
from stocky.backup.swap.revocations import (
    NOTHING_REAPPLIED,
    Reapplied,
    Replaced,
    Revocations,
    read_revocations,
    reapply_revocations,
)
from stocky.db.queries import Query
from stocky.db.sqlite import DirectConnection, SqliteDatabase, drive
from stocky.db.sqlite_file import translate_errors
from stocky.errors import Conflict, Unavailable
from stocky.progress import ProgressCallback


async def replace(
    database: SqliteDatabase,
    scratch: Path,
    report: ProgressCallback,
    before: Callable[[], Awaitable[None]],
    *,
    reapply: bool,
) -> Replaced:
    """Raises Conflict, Unavailable or OutOfSpace; then nothing has changed."""
    begun = time.monotonic()
    async with database.exclusive() as call:
        await before()
        report("replacing", 0, None, "")
        replacing = asyncio.ensure_future(call(_replace, scratch, database.queries, reapply))
        try:
            revocations, reapplied = await asyncio.shield(replacing)
        finally:
            try:
                # Its thread cannot be stopped: it may still replace the data after a cancellation.
                await asyncio.wait([replacing])
            finally:
                database.gate.data_replaced()
                if not replacing.done():
                    # Cancelled again: until its end, caches may be filled from the old data.
                    replacing.add_done_callback(lambda _: database.gate.data_replaced())
    return Replaced(reapplied, revocations.events, time.monotonic() - begun)


def _replace(
    live: sqlite3.Connection, scratch: Path, queries: Mapping[str, Query], reapply: bool
) -> tuple[Revocations, Reapplied]:
    with translate_errors(), closing(open_scratch(scratch)) as new:
        _match_page_size(live, new)
        revocations = drive(read_revocations, DirectConnection(queries, live))
        new.execute("BEGIN")
        reapplied = (
            drive(lambda tx: reapply_revocations(tx, revocations, clock.now()), DirectConnection(queries, new))
            if reapply
            else NOTHING_REAPPLIED
        )
        _copy_preserved(live, new)
        # A random id of this ledger, so that no increment continues a backup of the one before.
        new.execute(f"PRAGMA user_version = {1 + secrets.randbelow(2**31 - 1)}")
        new.execute("COMMIT")
        new.backup(live, progress=_give_up_when_busy)
        # The WAL has grown by the whole database. The data is committed, so a failed checkpoint does no harm.
        with suppress(sqlite3.OperationalError):
            live.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return revocations, reapplied


def _give_up_when_busy(status: int, remaining: int, total: int) -> None:
    """Stops when the file is locked: Python would retry while another program writes, blocking everyone."""
    del remaining, total
    if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        raise Unavailable(
            "Another program writes to the database file, so nothing was changed; try again when it has ended"
        )


def _copy_preserved(live: sqlite3.Connection, new: sqlite3.Connection) -> None:
    """Copies the tables that a restore preserves."""
    for table in sorted(PRESERVED_TABLES):
        # Names of ours and question marks are all that is inserted into the statements.
        new.execute(f"DELETE FROM {table}")  # noqa: S608
        rows = live.execute(f"SELECT * FROM {table}")  # noqa: S608
        values = ", ".join("?" * len(rows.description))
        new.executemany(f"INSERT INTO {table} VALUES ({values})", rows)  # noqa: S608


def _match_page_size(live: sqlite3.Connection, new: sqlite3.Connection) -> None:
    (wanted,) = live.execute("PRAGMA page_size").fetchone()
    (found,) = new.execute("PRAGMA page_size").fetchone()
    if wanted != found:
        new.execute(f"PRAGMA page_size = {wanted}")
        new.execute("VACUUM")
        (found,) = new.execute("PRAGMA page_size").fetchone()
    if wanted != found:
        raise Conflict(f"The database has pages of {wanted} bytes; restore into a new file with 'stocky restore'")
