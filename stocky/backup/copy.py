"""Copies everything from one database into an empty one, by way of a proven dump; at the end both are the same."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path

import msgspec

from stocky.backup.dump.foreign import named
from stocky.backup.dump.format import TableDigest
from stocky.backup.dump.lines import table_proofs
from stocky.backup.repository import count_events, count_rows
from stocky.backup.requests import LoadRequest, LoadResult
from stocky.backup.service import dump_to_file
from stocky.backup.swap.swap import objects_in_the_way, replace_database
from stocky.config import Config
from stocky.db import Database, make_database
from stocky.db.migrate import check_schema, copy_times, migrate
from stocky.db.serving_lock import lock_path, serving_lock
from stocky.errors import BadRequest, Conflict
from stocky.progress import ProgressCallback
from stocky.worker.process import run_worker
from stocky.worker.workspace import workspace

_SERVED = "A Stocky serves the target; stop it first"
# What a migration puts into an empty database.
_FROM_MIGRATIONS = {"auth_revision": 1}


class Copied(msgspec.Struct):
    """What each table comes to, the same at both ends; and what the target lacks, since the copy is of one moment.

    `missed` events have been recorded in the source since. More may be while it `is_served`, which on Postgres is not
    known.
    """

    tables: dict[str, TableDigest]
    missed: int
    is_served: bool | None
    # What the source holds that is not Stocky's, and what the target's tables had of it, and have no longer.
    warnings: list[str] = []


async def copy(source: Config, target: Config, report: ProgressCallback) -> Copied:
    """Copies one moment of the source.

    Raises Conflict when the target holds data or is served, BadRequest when what arrived is not what was sent.
    """
    if source.database_url == target.database_url:
        raise Conflict("Source and target are the same database")
    check_schema(source)
    with ExitStack() as stack:
        stack.enter_context(serving_lock(target, wait=0, otherwise=_SERVED))
        await asyncio.to_thread(migrate, target)
        await _refuse_data(target)
        async with _loaded(source, report) as (sent, warnings):
            async with _opened(target) as database:
                if lost := await objects_in_the_way(database):
                    warnings = [*warnings, f"Lost in the target, because it is not Stocky's: {named(lost)}"]
                await replace_database(database, sent, report, keep=False)
            proofs = await asyncio.to_thread(_proofs, sent)
        # The target is migrated before it is known what arrives, so that is when its own log says it was.
        await asyncio.to_thread(copy_times, source, target)
        async with _loaded(target, report) as (arrived, _):
            differing = [
                table for table, proof in (await asyncio.to_thread(_proofs, arrived)).items() if proofs[table] != proof
            ]
    if differing:
        raise BadRequest(f"What arrived is not what was sent: {', '.join(differing)}; empty the target and try again")
    async with _opened(source) as database, database.read() as read:
        missed = await count_events(read) - proofs["stock_event"].rows
    return Copied(proofs, missed, _is_served(source), warnings)


def _is_served(config: Config) -> bool | None:
    if config.dialect == "postgres":
        return None
    if not lock_path(config).exists():
        return False
    try:
        with serving_lock(config, wait=0, otherwise=""):
            return False
    except Conflict:
        return True


@asynccontextmanager
async def _opened(config: Config) -> AsyncIterator[Database]:
    database = make_database(config)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def _refuse_data(target: Config) -> None:
    async with _opened(target) as database, database.read() as read:
        rows = await count_rows(read)
    if full := [table for table, count in rows.items() if count > _FROM_MIGRATIONS.get(table, 0)]:
        raise Conflict(f"The target holds data ({', '.join(full)}); copy into an empty database")


@asynccontextmanager
async def _loaded(config: Config, report: ProgressCallback) -> AsyncIterator[tuple[Path, list[str]]]:
    """What is in a database at this moment, as a SQLite file that was compared with it row by row.

    With it comes what the file does not hold of the database.
    """
    async with workspace(config.backup_dir) as place:
        dump, scratch = place / "dump.sql.gz", place / "scratch.db"
        made = await dump_to_file(config, dump, report)
        request = LoadRequest(
            dump=str(dump), scratch=str(scratch), purpose="verify", max_bytes=config.max_restore_gb * 2**30
        )
        loaded = await run_worker(request, LoadResult, report)
        if loaded.problems:
            raise BadRequest(f"The copy is not what was copied: {'; '.join(loaded.problems)}")
        yield scratch, made.warnings


def _proofs(path: Path) -> dict[str, TableDigest]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return table_proofs(connection, "sqlite")
