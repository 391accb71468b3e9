"""Replaces the live data by a checked scratch database, in one transaction with exclusive access."""

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
    """The default `before` callback: does nothing."""


async def objects_in_the_way(database: Database) -> list[str]:
    """The objects that users added to Stocky's tables, which a replacement loses: "index item_by_seller".

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
    """Makes the data in `scratch`, which is checked and has this Stocky's schema, the live data.

    `before` is awaited under exclusive access, so a backup made there holds all replaced data.
    Without `reapply` revocations are not preserved: an empty database has none.

    Raises Conflict while another restore runs or when no active admin would be left, Unavailable when another
    program holds a lock, OutOfSpace. After any of them, and after a kill, the data is unchanged.
    """
    if isinstance(database, SqliteDatabase):
        from stocky.backup.swap import sqlite

        return await sqlite.replace(database, scratch, report, before, reapply=reapply)
    from stocky.backup.swap import postgres

    return await postgres.replace(database, scratch, report, before, reapply=reapply)
