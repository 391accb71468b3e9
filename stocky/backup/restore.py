"""Restores and imports. A backup is checked in a scratch database first, then applied in one transaction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from stocky import clock
from stocky.backup.archive.contents import adopt_contents, contents_of, missing_content_warnings, store_contents
from stocky.backup.archive.reading import BACKUPS, DUMPS, BackupFile, open_backup
from stocky.backup.dump.foreign_objects import list_names
from stocky.backup.dump.tables import api_name
from stocky.backup.encryption.format import SUFFIX
from stocky.backup.load.parents import find_parents
from stocky.backup.partial.importer import import_partial
from stocky.backup.repository import count_rows
from stocky.backup.requests import CompareRequest, CompareResult, LoadRequest, LoadResult, Purpose, TableChanges
from stocky.backup.schemas import ImportResult, RowCounts, Validity
from stocky.backup.service import Backups
from stocky.backup.store import Kind, Reason, StoredBackup
from stocky.backup.swap.revocations import Replaced
from stocky.backup.swap.swap import objects_in_the_way, replace_database
from stocky.config import Config
from stocky.db import Database
from stocky.documents.blobs import Blobs
from stocky.errors import BadRequest, Conflict
from stocky.progress import ProgressCallback
from stocky.settings.repository import get_settings
from stocky.worker.process import run_worker
from stocky.worker.workspace import workspace

ARCHIVE: tuple[str, ...] = (".zip",)

_log = logging.getLogger(__name__)


class Restores:
    """Restores backups into one database."""

    def __init__(self, config: Config, database: Database, backups: Backups) -> None:
        self._config = config
        self._database = database
        self._backups = backups
        self._blobs = Blobs(config.blobs)
        self._running = asyncio.Lock()

    async def replace(
        self,
        file: Path,
        report: ProgressCallback,
        *,
        dry_run: bool = False,
        accept_edited: bool = False,
        passphrase: str | None = None,
    ) -> ImportResult:
        """Replaces all data by a dump, an archive or a SQLite file, after backing up the current data.

        With `accept_edited` the checksums of a dump are skipped, and no other check. `passphrase` takes the place of
        the configured one.

        Raises BadRequest for a damaged backup, Conflict for one of a newer Stocky or while another restore runs,
        OutOfSpace, Unavailable. After any of them the data is unchanged.
        """
        if self._running.locked():
            raise Conflict("Another restore is running; wait until it ends")
        loading = self._loaded(file, "full", report, accept_edited=accept_edited, passphrase=passphrase)
        async with self._running, loading as (scratch, loaded, from_file):
            lost = _lost_objects_warning(await objects_in_the_way(self._database), dry_run=dry_run)
            wanted = await contents_of(scratch)
            if not dry_run:
                await adopt_contents(self._database, wanted)
            lacking = [*lost, *await missing_content_warnings(self._blobs, from_file, wanted)]
            if dry_run:
                async with self._database.read() as read:
                    before = await count_rows(read)
                result = _result(loaded, before, lacking, dry_run=True)
                result.changes = await self._changes(scratch, report)
                return result
            keep = await self._backup_keep()
            stored = await store_contents(self._blobs, from_file, wanted, report)
            safety: list[StoredBackup] = []

            async def back_up() -> None:
                report("backing up the current data", 0, None, "rows")
                safety.append(await self._backups.create(Kind.SQL, Reason.BEFORE_RESTORE, report))

            replaced = await replace_database(self._database, scratch, report, before=back_up)
            await self._remove_old(keep)
            return _restored(loaded, safety[0], replaced, lacking, stored)

    async def _backup_keep(self) -> int:
        async with self._database.read() as read:
            return (await get_settings(read)).backup_keep

    async def _remove_old(self, keep: int) -> None:
        """Removes old backups made before restores, but never the one just made: the schedule may be off.

        `keep` is the number in the settings that were replaced; the restored ones count when they are larger.
        """
        try:
            keep = max(keep, await self._backup_keep())
            await asyncio.to_thread(self._backups.store.keep_last, keep, (Reason.BEFORE_RESTORE,))
        except Exception:  # noqa: BLE001 - the restore is done, and not to be reported as failed
            _log.exception("Old backups made before restores were not removed")

    async def add(
        self,
        file: Path,
        report: ProgressCallback,
        *,
        force: bool,
        tables: frozenset[str],
        accept_edited: bool = False,
        passphrase: str | None = None,
    ) -> ImportResult:
        """Adds the rows of a dump in one transaction. Raises BadRequest; then nothing was added."""
        loading = self._loaded(file, "partial", report, accept_edited=accept_edited, passphrase=passphrase)
        async with loading as (scratch, loaded, _):
            await adopt_contents(self._database, await contents_of(scratch))
            report("adding rows", 0, None, "rows")
            imported = await import_partial(self._database, scratch, force=force, tables=tables)
            skipped = f", {imported.skipped} existing rows left unchanged" if imported.skipped else ""
            return ImportResult(
                message=f"Partial import completed: {imported.records_imported} rows added{skipped}.",
                tables_affected=[api_name(table) for table in imported.tables_affected],
                records_imported=imported.records_imported,
                records_skipped=imported.skipped,
                timestamp=clock.now(),
                warnings=[*loaded.warnings, *imported.notes],
            )

    async def validate(
        self, file: Path, report: ProgressCallback, *, accept_edited: bool = False, passphrase: str | None = None
    ) -> Validity:
        """Does everything of a restore except replacing the data. Raises what `replace` raises."""
        loading = self._loaded(file, "full", report, accept_edited=accept_edited, passphrase=passphrase)
        async with loading as (scratch, loaded, from_file):
            missing = await missing_content_warnings(self._blobs, from_file, await contents_of(scratch))
            return Validity(
                message="The backup is complete and can be restored.",
                warnings=[*loaded.warnings, *missing],
                rows=loaded.rows,
                documents_count=len(from_file.contents),
                changes=await self._changes(scratch, report),
            )

    async def check(
        self, file: Path, report: ProgressCallback, *, accept_edited: bool = False, passphrase: str | None = None
    ) -> None:
        """Loads and checks a backup without the current data, which may be of an older Stocky.

        Raises what `replace` raises for the backup.
        """
        async with self._loaded(file, "full", report, accept_edited=accept_edited, passphrase=passphrase):
            pass

    async def _changes(self, scratch: Path, report: ProgressCallback) -> dict[str, TableChanges]:
        request = CompareRequest(database_url=self._config.session_url, scratch=str(scratch))
        return (await run_worker(request, CompareResult, report)).changes

    @asynccontextmanager
    async def _loaded(
        self, file: Path, purpose: Purpose, report: ProgressCallback, *, accept_edited: bool, passphrase: str | None
    ) -> AsyncIterator[tuple[Path, LoadResult, BackupFile]]:
        """Loads the backup into a scratch database and checks it; both exist until the end of the block."""
        async with workspace(self._config.backup_dir) as directory:
            from_file = await open_backup(
                file, directory, self._config, accept_edited=accept_edited, passphrase=passphrase, report=report
            )
            scratch = directory / "scratch.db"
            request = LoadRequest(
                dump=str(from_file.dump),
                scratch=str(scratch),
                purpose=purpose,
                max_bytes=self._config.max_restore_gb * 2**30,
                accept_edited=accept_edited,
                parents=await find_parents(
                    from_file.dump, file, directory, self._config, passphrase=passphrase, report=report
                ),
            )
            yield scratch, await run_worker(request, LoadResult, report), from_file


def check_name(filename: str, *, archive: bool | None) -> None:
    """Raises BadRequest unless an uploaded file has an expected suffix; its content is checked later.

    `archive` None accepts archives and dumps.
    """
    name = filename.lower().removesuffix(SUFFIX)
    if archive is None:
        if not name.endswith(BACKUPS) and name == filename.lower():
            raise BadRequest(
                f"{filename!r} is not named like a backup ({', '.join(BACKUPS)}); choose one made by Stocky",
                field="file",
            )
        return
    wanted, others = (ARCHIVE, DUMPS) if archive else (DUMPS, ARCHIVE)
    taken_by = "/api/v1/backup/upload/import/full" if archive else "/api/v1/system/restore"
    if name.endswith(others):
        raise BadRequest(f"{filename!r} is not a {wanted[0]} file; send {others[0]} files to {taken_by}")
    if not name.endswith(wanted):
        raise BadRequest(
            f"{filename!r} is not named like a {wanted[0]} file ({', '.join(wanted)}); send a backup made by Stocky"
        )


def _lost_objects_warning(objects: list[str], *, dry_run: bool) -> list[str]:
    if not objects:
        return []
    return [
        f"{'Would be lost' if dry_run else 'Lost'} with their tables, because they are not Stocky's:"
        f" {list_names(objects)}; create them again if they are needed"
    ]


def _restored(
    loaded: LoadResult, safety: StoredBackup, replaced: Replaced, lacking: list[str], stored: int
) -> ImportResult:
    rows = safety.rows or {}
    result = _result(loaded, rows, lacking, dry_run=False)
    result.documents_count = stored
    result.safety_backup = safety.id
    result.message += f" The previous data is in {safety.filename}."
    result.kept_inactive = replaced.reapplied.inactive
    result.kept_revoked = replaced.reapplied.revoked
    if replaced.reapplied.silent:
        ids = ", ".join(str(id) for id in replaced.reapplied.silent)
        result.warnings = [
            *result.warnings,
            f"These webhooks are inactive, so that a restore sends nothing that was not sent before: {ids}; activate"
            " those you need under /webhooks",
        ]
    if replaced.reapplied.silent_channels:
        ids = ", ".join(str(id) for id in replaced.reapplied.silent_channels)
        result.warnings = [
            *result.warnings,
            f"These channels of notices are inactive, so that a restore sends nothing that was not sent before: {ids};"
            " activate those you need under /notices",
        ]
    late = replaced.events_before - rows.get("stock_event", 0)
    if late > 0:
        result.warnings = [
            *result.warnings,
            f"{late} stock events were recorded while {safety.filename} was made and are missing in it",
        ]
    return result


def _result(loaded: LoadResult, before: dict[str, int], lacking: list[str], *, dry_run: bool) -> ImportResult:
    total = sum(loaded.rows.values())
    tables = [table for table, rows in loaded.rows.items() if rows or before.get(table)]
    done = "This would restore" if dry_run else "Full restore completed:"
    return ImportResult(
        message=f"{done} {total} rows in {len(tables)} tables.",
        tables_affected=[api_name(table) for table in tables],
        records_imported=0 if dry_run else total,
        timestamp=clock.now(),
        dry_run=dry_run,
        warnings=[*loaded.warnings, *lacking],
        rows={table: RowCounts(before.get(table, 0), loaded.rows.get(table, 0)) for table in loaded.rows},
    )
