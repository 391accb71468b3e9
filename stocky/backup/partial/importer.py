"""Adds the rows of a staging database to the live one in a single transaction: all or none."""

from __future__ import annotations

from pathlib import Path

from stocky.backup.partial.rules import Imported
from stocky.db import Database
from stocky.db.sqlite import SqliteDatabase
from stocky.errors import BadRequest, Conflict, Invalid


async def import_partial(database: Database, staging: Path, *, force: bool, tables: frozenset[str]) -> Imported:
    """Adds the rows of `staging`, which has this Stocky's schema.

    An existing key cancels the import; with `force` the existing row stays unchanged. Raises BadRequest naming the
    invalid rows, Unavailable or OutOfSpace; then nothing has changed.
    """
    try:
        if isinstance(database, SqliteDatabase):
            from stocky.backup.partial import sqlite

            return await sqlite.merge(database, staging, force=force, named=tables)
        from stocky.backup.partial import postgres

        return await postgres.merge(database, staging, force=force, named=tables)
    except (Conflict, Invalid) as error:
        if isinstance(error, Conflict) and not error.constraint and "refers" not in error.detail:
            raise
        raise BadRequest(f"Nothing was imported: {error.detail}") from error
