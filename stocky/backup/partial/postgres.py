"""A partial import on Postgres: the rows are copied into a schema beside the live one and inserted from there."""

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

LOCK_SECONDS = 18
# For all tables together: whoever waits for one of them gets it before the second is over after which Postgres looks
# whether two wait for each other, and ends one of them.
ALL_TABLES_SECONDS = 0.5
# For one alone: after a second Postgres ends an autovacuum that is waited for.
ONE_TABLE_SECONDS = 3


async def merge(database: Database, staging: Path, *, force: bool, named: frozenset[str]) -> Imported:
    """Raises BadRequest, Conflict, Invalid, Unavailable or OutOfSpace; nothing has changed then."""
    assert isinstance(database, PostgresDatabase)
    staged = await asyncio.to_thread(staged_tables, staging)
    async with filled(database, staging, _ignore_progress, references=False) as schema:
        with database.gate.enter(), translate_errors():
            async with database.connection() as connection, connection.transaction():
                # That what is merged has nothing of its own is proven on what is there at the end.
                await lock_merges(PostgresConnection(database.queries, connection))
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
                answer = int((await connection.execute(statement, timeout=None)).rpartition(" ")[2])
            else:
                answer = [tuple(row) for row in await connection.fetch(statement, timeout=None)]
        except asyncpg.ForeignKeyViolationError as error:
            raise BadRequest(f"Nothing was imported: {error.table_name}: {error.detail}") from error


async def _lock(connection: Any, tables: list[str]) -> None:
    """Nobody adds to the tables, or locks a row of them to change it, until the end: the sums are proven on that.

    Readers go on. Raises Unavailable.
    """
    end = time.monotonic() + LOCK_SECONDS
    while missing := await _try_lock_all(connection, tables):
        if time.monotonic() > end:
            raise Unavailable(
                "Something has been changing the same tables for so long that nothing was imported; try again when it"
                " is quieter",
                retry_after=30,
            )
        await _wait_for_table(connection, missing)
        tables = [missing, *(table for table in tables if table != missing)]


async def _try_lock_all(connection: Any, tables: list[str]) -> str | None:
    """Locks all of them, or none and gives the one that was not to be had."""
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
    """Waits until the table could be locked, or for some seconds, and has nothing meanwhile that others wait for.

    It is let go of again: who came for it since then may have another one of the tables.
    """
    attempt = connection.transaction()
    await attempt.start()
    try:
        with suppress(asyncpg.LockNotAvailableError):
            await _lock_table(connection, table, ONE_TABLE_SECONDS)
    finally:
        await attempt.rollback()


async def _lock_table(connection: Any, table: str, seconds: float) -> None:
    # None at all would be for ever.
    milliseconds = max(1, int(seconds * 1000))
    await connection.execute(f"SET LOCAL lock_timeout = {milliseconds}; LOCK TABLE {table} IN EXCLUSIVE MODE")


async def _set_sequences(connection: Any, staged: list[Staged], live: str) -> None:
    """New rows are numbered after those that came."""
    for table in staged:
        if table.key == ["id"] and table.name != "auth_revision":
            name = f"{live}.{table.name}"
            await connection.execute(
                f"SELECT setval(s, greatest((SELECT max(id) FROM {name}), nextval(s)))"  # noqa: S608 - names of ours
                f" FROM CAST(pg_get_serial_sequence('{name}', 'id') AS regclass) AS s WHERE s IS NOT NULL"
            )


def _ignore_progress(phase: str, done: int, total: int | None, unit: str) -> None:
    return None
