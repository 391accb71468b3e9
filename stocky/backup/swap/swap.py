"""Puts a proven scratch database in the place of the live data: in one moment, in which nobody works with either."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from stocky.backup.dump.foreign_objects import foreign_objects_in_sqlite, list_names
from stocky.backup.dump.objects import stocky_objects
from stocky.backup.swap.revocations import Replaced
from stocky.db import Database
from stocky.db.sqlite import SqliteDatabase
from stocky.errors import Conflict
from stocky.progress import ProgressCallback


async def _do_nothing() -> None:
    """For those who have nothing to do before the replacement."""


async def objects_in_the_way(database: Database) -> list[str]:
    """What somebody added to Stocky's tables, which goes with them in a replacement: "index item_by_seller".

    On SQLite the whole file is replaced: raises Conflict when it holds tables that are not Stocky's.
    """
    await asyncio.to_thread(stocky_objects, database.dialect)
    if isinstance(database, SqliteDatabase):
        found = await database.call(foreign_objects_in_sqlite)
        if tables := [each for each in found if each.startswith("table ")]:
            raise Conflict(
                f"The database file holds tables that are not Stocky's and would be lost ({list_names(tables)}); copy"
                " them into another file and drop them here, then restore"
            )
        return found
    from stocky.backup.swap import postgres

    return await postgres.objects_on_tables(database)


async def replace_database(
    database: Database,
    scratch: Path,
    report: ProgressCallback,
    *,
    before: Callable[[], Awaitable[None]] = _do_nothing,
    reapply: bool = True,
) -> Replaced:
    """Makes the data in `scratch`, which has this Stocky's schema and was checked, the live one.

    `before` is awaited when nobody gets in any more: what is backed up there is all that is replaced.
    Without `keep` nothing of the data before is kept: an empty database has revoked nothing.

    Raises Conflict while another restore runs or when no active admin would be left, Unavailable when someone
    does not make way, OutOfSpace. After any of them, and after a kill, the data is what it was.
    """
    if isinstance(database, SqliteDatabase):
        from stocky.backup.swap import sqlite

        return await sqlite.replace(database, scratch, before, reapply=reapply)
    from stocky.backup.swap import postgres

    return await postgres.replace(database, scratch, report, before, reapply=reapply)
