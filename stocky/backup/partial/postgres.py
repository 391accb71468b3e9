"""The partial import on Postgres: copies the rows into a separate schema and inserts them from there."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg

from stocky.backup.partial.rules import Imported, Staged, merge_script, staged_tables
from stocky.backup.swap.postgres import filled
from stocky.db import Database
from stocky.db.postgres import PostgresConnection, PostgresDatabase, translate_errors
from stocky.errors import BadRequest, Unavailable
from stocky.merging.repository import lock_merges
from stocky.progress import ignore_progress

LOCK_SECONDS = 18
# For one statement, which adds or checks all rows of a table: asyncpg takes None for the limit of its connection.
STATEMENT_SECONDS = 86_400
# For locking all tables: shorter than the second after which Postgres looks for deadlocks and cancels a transaction.
ALL_TABLES_SECONDS = 0.5
# For locking one table: after a second Postgres cancels an autovacuum that holds the lock.
ONE_TABLE_SECONDS = 3


async def merge(database: Database, staging: Path, *, force: bool, named: frozenset[str]) -> Imported:
    """Raises BadRequest, Conflict, Invalid, Unavailable or OutOfSpace; then nothing has changed."""
    assert isinstance(database, PostgresDatabase)
    staged = await asyncio.to_thread(staged_tables, staging)
    async with filled(database, staging, ignore_progress, references=False) as schema:
        with database.gate.enter(), translate_errors():
            async with database.connection() as connection, connection.transaction():
                # The check of merged items needs the final state, so no merge may run meanwhile.
                tx = PostgresConnection(database.queries, connection)
                await lock_merges(tx)
                # As for every change of which locations are in which: what others have read of the tree stays true.
                await tx.value("lock_location_tree")
                return await _run(connection, staged, schema, force, named)


async def _run(connection: Any, staged: list[Staged], schema: str, force: bool, named: frozenset[str]) -> Imported:
    live = await connection.fetchval("SELECT quote_ident(current_schema())")
    if staged:
        await _lock(connection, [f"{live}.{table.name}" for table in staged])
    script = merge_script(staged, live, schema, force=force, named=named)
    answer: Any = None
    while True:
        try:
            statement = script.send(answer)
        except StopIteration as end:
            await _set_sequences(connection, staged, live)
            imported: Imported = end.value
            return imported
        try:
            if statement.lstrip().startswith(("INSERT", "UPDATE")):
                answer = int((await connection.execute(statement, timeout=STATEMENT_SECONDS)).rpartition(" ")[2])
            else:
                answer = [tuple(row) for row in await connection.fetch(statement, timeout=STATEMENT_SECONDS)]
        except asyncpg.ForeignKeyViolationError as error:
            raise BadRequest(f"Nothing was imported: {error.table_name}: {error.detail}") from error


async def _lock(connection: Any, tables: list[str]) -> None:
    """Blocks writers of the tables until the end of the transaction, since the ledger is checked in it.

    Readers continue. Raises Unavailable.
    """
    end = time.monotonic() + LOCK_SECONDS
    while missing := await _try_lock_all(connection, tables):
        if time.monotonic() > end:
            raise Unavailable(
                "Nothing was imported: other changes to the same tables did not end in time; try again when there is"
                " less load",
                retry_after=30,
            )
        await _wait_for_table(connection, missing)
        tables = [missing, *(table for table in tables if table != missing)]


async def _try_lock_all(connection: Any, tables: list[str]) -> str | None:
    """Locks all tables or none; returns the table that could not be locked."""
    end = time.monotonic() + ALL_TABLES_SECONDS
    table = None
    try:
        async with connection.transaction():
            for table in tables:
                await _lock_table(connection, table, end - time.monotonic())
            await connection.execute("SET LOCAL lock_timeout = DEFAULT")
    except asyncpg.LockNotAvailableError:
        return table
    return None


async def _wait_for_table(connection: Any, table: str) -> None:
    """Waits until the table can be locked, for a few seconds at most, while holding no other lock.

    Releases the lock again: a transaction that waits for it may hold another one of the tables.
    """
    attempt = connection.transaction()
    await attempt.start()
    try:
        with suppress(asyncpg.LockNotAvailableError):
            await _lock_table(connection, table, ONE_TABLE_SECONDS)
    finally:
        await attempt.rollback()


async def _lock_table(connection: Any, table: str, seconds: float) -> None:
    # Zero would mean no limit.
    milliseconds = max(1, int(seconds * 1000))
    await connection.execute(f"SET LOCAL lock_timeout = {milliseconds}; LOCK TABLE {table} IN EXCLUSIVE MODE")


async def _set_sequences(connection: Any, staged: list[Staged], live: str) -> None:
    """Sets the sequences above the imported ids."""
    for table in staged:
        if table.key == ["id"] and table.name != "auth_revision":
            name = f"{live}.{table.name}"
            await connection.execute(
                f"SELECT setval(s, greatest((SELECT max(id) FROM {name}), nextval(s)))"  # noqa: S608 - names of ours
                f" FROM CAST(pg_get_serial_sequence('{name}', 'id') AS regclass) AS s WHERE s IS NOT NULL"
            )
