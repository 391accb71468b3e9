"""The replacement on Postgres: fills new tables in a separate schema and swaps them with the live ones.

Filling does not block users (200,000 events: 3.5 s); the swap is one transaction (0.1 s). TRUNCATE and COPY in one
transaction would block everyone while copying.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg

from stocky import clock
from stocky.backup.dump.foreign_objects import foreign_objects_in_postgres
from stocky.backup.dump.objects import stocky_objects
from stocky.backup.dump.tables import PRESERVED_TABLES
from stocky.backup.requests import FillRequest, FillResult
from stocky.backup.swap.revocations import (
    NOTHING_REAPPLIED,
    Reapplied,
    Replaced,
    Revocations,
    read_revocations,
    reapply_revocations,
)
from stocky.db import Database
from stocky.db.postgres import PostgresConnection, PostgresDatabase, translate_errors
from stocky.db.postgres_coordination import try_restore_lock
from stocky.errors import Conflict, Unavailable
from stocky.progress import ProgressCallback
from stocky.worker.process import run_worker

INCOMING = "stocky_incoming_"
OUTGOING = "stocky_outgoing_"
LOCK_SECONDS = 5
# Tables, views and functions of a schema, each before those that depend on it.
_OBJECTS = """
SELECT CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind, quote_ident(relname) AS name, '' AS arguments
  FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p', 'v')
UNION ALL
SELECT 'FUNCTION', quote_ident(proname), '(' || pg_get_function_identity_arguments(oid) || ')'
  FROM pg_proc WHERE pronamespace = $1::regnamespace
 ORDER BY kind, name
"""
# Privileges of other database users on the tables, which the new tables lack.
_GRANTS = """
SELECT format('GRANT %s ON %s TO %s', privilege_type, quote_ident(relname),
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
       || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS statement
  FROM pg_class, aclexplode(relacl)
 WHERE relnamespace = $1::regnamespace AND quote_ident(relname) = ANY($2::text[]) AND grantee <> relowner
"""
# In the order in which a backup locks them.
_TABLES = """
SELECT quote_ident(relname) AS name
  FROM pg_class
 WHERE relnamespace = quote_ident(current_schema())::regnamespace AND relkind = 'r' AND relname = ANY($1::text[])
 ORDER BY relname COLLATE "C"
"""


async def replace(
    database: Database, scratch: Path, report: ProgressCallback, before: Callable[[], Awaitable[None]], *, reapply: bool
) -> Replaced:
    """Raises Conflict, Unavailable or OutOfSpace; then nothing has changed."""
    assert isinstance(database, PostgresDatabase)
    async with filled(database, scratch, report) as incoming:
        begun = time.monotonic()
        async with database.exclusive() as connection:
            await _rehearse(database, connection, incoming, reapply=reapply)
            await before()
            report("replacing", 0, None, "")
            async with connection.transaction():
                revocations, reapplied = await _swap_schemas(database, connection, incoming, reapply=reapply)
            database.gate.data_replaced()
        return Replaced(reapplied, revocations.events, time.monotonic() - begun)


async def objects_on_tables(database: Database) -> list[str]:
    """The objects that users added to Stocky's tables, which the new tables lack; separate objects stay."""
    assert isinstance(database, PostgresDatabase)
    with database.gate.enter(), translate_errors():
        async with database.connection() as connection:
            found = await foreign_objects_in_postgres(connection)
    return [each for each in found if each.startswith(("index ", "trigger ", "constraint ", "column "))]


async def sweep(database: Database) -> None:
    """Drops schemas that a killed restore left behind, unless another restore is running."""
    if isinstance(database, PostgresDatabase):
        with suppress(Conflict), translate_errors():
            with database.gate.enter():
                async with database.connection() as connection, connection.transaction():
                    leftover = await _leftover_schemas(connection)
            # Taking the lock needlessly could make a starting restore fail.
            if leftover:
                async with try_restore_lock(database.session_url) as connection:
                    await _drop_leftover_schemas(connection)


@asynccontextmanager
async def filled(
    database: PostgresDatabase, scratch: Path, report: ProgressCallback, *, references: bool = True
) -> AsyncIterator[str]:
    """A schema with the rows of `scratch`, dropped after the block. Only one restore at a time can enter.

    Without `references` rows may refer to missing rows.
    """
    with translate_errors():
        async with try_restore_lock(database.session_url) as connection:
            await _drop_leftover_schemas(connection)
            incoming = INCOMING + secrets.token_hex(4)
            try:
                await connection.execute(f"CREATE SCHEMA {incoming}")
            except asyncpg.InsufficientPrivilegeError as error:
                raise Conflict(
                    "The database user may not create a schema, which a restore needs: GRANT CREATE ON DATABASE to it"
                ) from error
            try:
                request = FillRequest(
                    database_url=database.session_url, schema=incoming, scratch=str(scratch), references=references
                )
                await run_worker(request, FillResult, report)
                yield incoming
            finally:
                # Also when this is cancelled; a schema that cannot be dropped now is dropped by `sweep`.
                with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                    await connection.execute(f"DROP SCHEMA IF EXISTS {incoming} CASCADE")


async def _leftover_schemas(connection: Any) -> list[str]:
    schemas = await connection.fetch(
        "SELECT quote_ident(nspname) AS name FROM pg_namespace WHERE nspname ~ $1",
        f"^({INCOMING}|{OUTGOING})[0-9a-f]{{8}}$",
    )
    return [schema["name"] for schema in schemas]


async def _drop_leftover_schemas(connection: Any) -> None:
    for schema in await _leftover_schemas(connection):
        await connection.execute(f"DROP SCHEMA {schema} CASCADE")


async def _rehearse(database: PostgresDatabase, connection: Any, incoming: str, *, reapply: bool) -> None:
    """Tries the swap and rolls it back, so that obstacles are found before everyone waits for the backup."""
    rehearsal = connection.transaction()
    await rehearsal.start()
    try:
        await _swap_schemas(database, connection, incoming, reapply=reapply)
    finally:
        await rehearsal.rollback()


async def _swap_schemas(
    database: PostgresDatabase, connection: Any, incoming: str, *, reapply: bool
) -> tuple[Revocations, Reapplied]:
    live = await connection.fetchval("SELECT quote_ident(current_schema())")
    outgoing = incoming.replace(INCOMING, OUTGOING)
    await _lock_tables(connection)
    revocations = await read_revocations(PostgresConnection(database.queries, connection))
    await connection.execute(f"SET LOCAL search_path = {incoming}")
    reapplied = NOTHING_REAPPLIED
    if reapply:
        reapplied = await reapply_revocations(
            PostgresConnection(database.queries, connection), revocations, clock.now()
        )
    await connection.execute(f"SET LOCAL search_path = {live}")
    objects = await connection.fetch(_OBJECTS, incoming)
    present = {tuple(each) for each in await connection.fetch(_OBJECTS, live)}
    grants = await connection.fetch(_GRANTS, live, [name for _, name, _ in objects if name not in PRESERVED_TABLES])
    await connection.execute(f"CREATE SCHEMA {outgoing}")
    for each in objects:
        kind, name, arguments = each
        if name in PRESERVED_TABLES:
            await connection.execute(f"DROP {kind} {incoming}.{name}")
            continue
        if tuple(each) in present:
            await connection.execute(f"ALTER {kind} {live}.{name}{arguments} SET SCHEMA {outgoing}")
        await connection.execute(f"ALTER {kind} {incoming}.{name}{arguments} SET SCHEMA {live}")
    for grant in grants:
        await connection.execute(grant["statement"])
    await _drop(connection, outgoing)
    await connection.execute(f"DROP SCHEMA {incoming}")
    return revocations, reapplied


async def _lock_tables(connection: Any) -> None:
    """Locks Stocky's tables against other programs: waits for running transactions and blocks new ones.

    Raises Unavailable.
    """
    tables = await connection.fetch(_TABLES, sorted(stocky_objects("postgres").tables - PRESERVED_TABLES))
    names = ", ".join(table["name"] for table in tables)
    try:
        await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        await connection.execute(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")
    except asyncpg.LockNotAvailableError as error:
        raise Unavailable(
            "Another program, for example a running backup, has been using Stocky's tables for too long to replace"
            " them; nothing was changed. Try again when it has ended",
            retry_after=60,
        ) from error


async def _drop(connection: Any, schema: str) -> None:
    """Drops a schema of ours with its objects, but no foreign objects that depend on them."""
    objects: dict[str, list[str]] = {"VIEW": [], "TABLE": [], "FUNCTION": []}
    for kind, name, arguments in await connection.fetch(_OBJECTS, schema):
        objects[kind].append(f"{schema}.{name}{arguments}")
    try:
        for kind, names in objects.items():
            if names:
                await connection.execute(f"DROP {kind} {', '.join(names)}")
        await connection.execute(f"DROP SCHEMA {schema}")
    except asyncpg.DependentObjectsStillExistError as error:
        raise Conflict(
            "Other objects in this database depend on Stocky's tables and would be lost"
            f" ({(error.detail or '').replace(schema + '.', '')}); drop them, restore, and create them again"
        ) from error
