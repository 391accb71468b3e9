"""The partial import on SQLite: attaches the staging file to the writer's connection for one transaction."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from stocky.backup.partial.rules import Imported, Staged, merge_script, staged_tables
from stocky.db.sqlite import SqliteDatabase
from stocky.db.sqlite_file import translate_errors
from stocky.errors import BadRequest


async def merge(database: SqliteDatabase, staging: Path, *, force: bool, named: frozenset[str]) -> Imported:
    """Raises BadRequest, Conflict, Invalid, Unavailable or OutOfSpace; then nothing has changed."""
    return await database.call(_merge, staging, force, named)


def _merge(connection: sqlite3.Connection, staging: Path, force: bool, named: frozenset[str]) -> Imported:
    staged = staged_tables(staging)
    with translate_errors():
        connection.execute("ATTACH ? AS staging", (str(staging),))
        try:
            connection.execute("BEGIN IMMEDIATE")
            # A row may refer to a later one.
            connection.execute("PRAGMA defer_foreign_keys = ON")
            imported = _run(connection, staged, force, named)
            _check_references(connection, staged)
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            connection.execute("DETACH staging")
    return imported


def _run(connection: sqlite3.Connection, staged: list[Staged], force: bool, named: frozenset[str]) -> Imported:
    script = merge_script(staged, "main", "staging", force=force, named=named)
    answer: Any = None
    while True:
        try:
            statement = script.send(answer)
        except StopIteration as end:
            imported: Imported = end.value
            return imported
        cursor = connection.execute(statement)
        answer = cursor.fetchall() if cursor.description else cursor.rowcount


def _check_references(connection: sqlite3.Connection, staged: list[Staged]) -> None:
    for table in staged:
        missing = connection.execute("SELECT parent, rowid FROM pragma_foreign_key_check(?)", (table.name,)).fetchone()
        if missing:
            raise BadRequest(f"Nothing was imported: row {missing[1]} of {table.name} refers to a missing {missing[0]}")
