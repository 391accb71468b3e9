"""Puts a proven scratch database in the place of the live data: in one moment, in which nobody works with either."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from stocky.backup.dump.writing import Report
from stocky.backup.replacing.standing import Replaced
from stocky.db import Database
from stocky.db.sqlite import SqliteDatabase


async def _nothing() -> None:
    """For those who have nothing to do before the replacement."""


async def replace_database(
    database: Database,
    scratch: Path,
    report: Report,
    *,
    before: Callable[[], Awaitable[None]] = _nothing,
    keep: bool = True,
) -> Replaced:
    """Makes the data in `scratch`, which has this Stocky's schema and was checked, the live one.

    `before` is awaited when nobody gets in any more: what is backed up there is all that is replaced.
    Without `keep` nothing of the data before is kept: an empty database has revoked nothing.

    Raises Conflict while another restore runs or when no active admin would be left, Unavailable when someone
    does not make way, OutOfSpace. After any of them, and after a kill, the data is what it was.
    """
    if isinstance(database, SqliteDatabase):
        from stocky.backup.replacing import sqlite

        return await sqlite.replace(database, scratch, before, keep=keep)
    from stocky.backup.replacing import postgres

    return await postgres.replace(database, scratch, report, before, keep=keep)
