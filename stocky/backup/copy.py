"""Copies all data from one database into an empty one through a checked dump; at the end both hold the same rows."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path

import msgspec

from stocky.backup.dump.foreign_objects import list_names
from stocky.backup.dump.format import TableDigest
from stocky.backup.dump.lines import table_digests
from stocky.backup.repository import count_events, count_rows
from stocky.backup.requests import LoadRequest, LoadResult
from stocky.backup.service import dump_to_file
from stocky.backup.swap.swap import objects_in_the_way, replace_database
from stocky.config import Config
from stocky.db import Database, make_database
from stocky.db.migrate import check_schema, copy_times, migrate
from stocky.db.serving_lock import lock_path, serving_lock
from stocky.errors import BadRequest, Conflict
from stocky.new_database import refuse_lost_log
from stocky.progress import ProgressCallback
from stocky.worker.process import run_worker
from stocky.worker.workspace import workspace

_SERVED = "A Stocky serves the target; stop it first"
# Rows that migrations insert into an empty database.
_FROM_MIGRATIONS = {"auth_revision": 1}


class Copied(msgspec.Struct):
    """The digest of each table, equal in source and target, and what the target lacks: the copy is a snapshot.

    `missed` counts events recorded in the source since then. More may follow while it `is_served`, which is unknown on
    Postgres.
    """

    tables: dict[str, TableDigest]
    missed: int
    is_served: bool | None
    # Objects of the source that are not Stocky's, and such objects that were lost from the target's tables.
    warnings: list[str] = []


async def copy(source: Config, target: Config, report: ProgressCallback) -> Copied:
    """Copies a snapshot of the source.

    Raises Conflict when the target holds data, was lost or is served, BadRequest when the copied rows differ.
    """
    if source.database_url == target.database_url:
        raise Conflict("Source and target are the same database")
    check_schema(source)
    refuse_lost_log(target)
    with ExitStack() as stack:
        stack.enter_context(serving_lock(target, wait=0, otherwise=_SERVED))
        await asyncio.to_thread(migrate, target, before_change=_refuse_older_data)
        await _refuse_data(target)
        async with _loaded(source, report) as (sent, warnings):
            async with _open_database(target) as database:
                if lost := await objects_in_the_way(database):
                    warnings = [
                        *warnings,
                        f"Lost in the target, because these objects are not Stocky's: {list_names(lost)}",
                    ]
                await replace_database(database, sent, report, reapply=False)
            digests = await asyncio.to_thread(_digests, sent)
        # The target's own log has the times of its migration just now, so the times of the source replace them.
        await asyncio.to_thread(copy_times, source, target)
        async with _loaded(target, report) as (arrived, _):
            differing = [
                table
                for table, digest in (await asyncio.to_thread(_digests, arrived)).items()
                if digests[table] != digest
            ]
    if differing:
        raise BadRequest(
            f"The copied rows differ from the source: {', '.join(differing)}; empty the target and try again"
        )
    async with _open_database(source) as database, database.read() as read:
        missed = await count_events(read) - digests["stock_event"].rows
    return Copied(digests, missed, _is_served(source), warnings)


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
async def _open_database(config: Config) -> AsyncIterator[Database]:
    database = make_database(config)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def _refuse_older_data() -> None:
    """Called before a target with rows is migrated."""
    raise Conflict("The target holds data of an older Stocky; copy into an empty database")


async def _refuse_data(target: Config) -> None:
    async with _open_database(target) as database, database.read() as read:
        rows = await count_rows(read)
    if full := [table for table, count in rows.items() if count > _FROM_MIGRATIONS.get(table, 0)]:
        raise Conflict(f"The target holds data ({', '.join(full)}); copy into an empty database")


@asynccontextmanager
async def _loaded(config: Config, report: ProgressCallback) -> AsyncIterator[tuple[Path, list[str]]]:
    """A snapshot of a database as a SQLite file that was compared with it row by row.

    Also returns warnings about what the file lacks.
    """
    async with workspace(config.backup_dir) as directory:
        dump, scratch = directory / "dump.sql.gz", directory / "scratch.db"
        made = await dump_to_file(config, dump, report)
        request = LoadRequest(
            dump=str(dump), scratch=str(scratch), purpose="verify", max_bytes=config.max_restore_gb * 2**30
        )
        loaded = await run_worker(request, LoadResult, report)
        if loaded.problems:
            raise BadRequest(f"The copy differs from the database: {'; '.join(loaded.problems)}")
        yield scratch, made.warnings


def _digests(path: Path) -> dict[str, TableDigest]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return table_digests(connection, "sqlite")
