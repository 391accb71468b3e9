"""Makes, stores and verifies backups; a stored backup is whole, since it gets its name only when it is finished."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from datetime import datetime
from pathlib import Path

import msgspec

from stocky import clock
from stocky.backup.archive.contents import contents_of, tell_incomplete
from stocky.backup.archive.opening import open_backup
from stocky.backup.dump.format import Header
from stocky.backup.requests import ArchiveRequest, DumpRequest, DumpResult, LoadRequest, LoadResult
from stocky.backup.store import KEPT, Kind, Reason, Store, StoredBackup
from stocky.config import Config
from stocky.errors import BadRequest, Conflict, TooLarge
from stocky.progress import ProgressCallback
from stocky.settings.schemas import Settings
from stocky.worker.process import run_worker, stream_worker
from stocky.worker.workspace import workspace

_log = logging.getLogger(__name__)


class Backups:
    """The backups of one Stocky."""

    def __init__(self, config: Config) -> None:
        self.store = Store(config.backup_dir)
        self._config = config
        self._logged: list[str] = []

    async def create(
        self,
        kind: Kind,
        reason: Reason,
        report: ProgressCallback,
        *,
        id: str | None = None,
        settings: Settings | None = None,
    ) -> StoredBackup:
        """Makes a backup of this moment and stores it, under the promised `id` where there is one.

        `settings` go into an archive beside the database.

        Raises OutOfSpace or Unavailable; nothing is left behind then.
        """
        promised = id if id is not None else await asyncio.to_thread(self.store.promise_id)
        try:
            return await self._create(kind, reason, report, promised, settings or Settings())
        finally:
            await asyncio.to_thread(self.store.release_id, promised)

    async def _create(
        self, kind: Kind, reason: Reason, report: ProgressCallback, id: str, settings: Settings
    ) -> StoredBackup:
        created_at = clock.now()
        async with workspace(self._config.backup_dir) as place:
            file = place / "backup"
            if kind is Kind.ARCHIVE:
                made = await archive_to_file(self._config, file, settings, report)
            else:
                made = await dump_to_file(self._config, file, report)
            self._log_warnings(made)
            backup = StoredBackup(
                id=id,
                kind=kind,
                filename="",
                size_bytes=made.bytes,
                created_at=created_at,
                reason=reason,
                # From its completion on: an archive may take longer than it is kept.
                expires_at=_expiry(reason, clock.now()),
                sha256=made.sha256,
                app_version=made.header.stocky,
                schema_version=made.header.schema,
                dialect=made.header.dialect,
                rows=made.header.rows,
                documents_count=made.documents_count,
                warnings=made.warnings,
            )
            return await asyncio.to_thread(self.store.add_backup, file, backup)

    async def write(self, kind: Kind, file: Path, report: ProgressCallback, *, settings: Settings) -> DumpResult:
        """Makes a backup of this moment as `file`, which is there only when it is whole."""
        made = file.with_name(f".{file.name}-{os.getpid()}")
        try:
            if kind is Kind.ARCHIVE:
                result = await archive_to_file(self._config, made, settings, report)
            else:
                result = await dump_to_file(self._config, made, report)
            await asyncio.to_thread(made.replace, file)
        finally:
            await asyncio.to_thread(made.unlink, missing_ok=True)
        return result

    async def stream(self, ended: Callable[[DumpResult], None] | None = None) -> AsyncIterator[bytes]:
        """A dump of this moment, sent while it is made and kept nowhere; `ended` is called with it when it is whole."""
        return await stream_dump(self._config, ended or self._log_warnings)

    async def verify(self, id: str, report: ProgressCallback) -> StoredBackup:
        """Restores a stored backup on trial and notes what came of it. Raises NotFound."""
        backup = await asyncio.to_thread(self.store.get_backup, id)
        verification = await verify_file(self._config, self.store.path(backup), report)
        problems = verification.problems
        if not problems and not verification.is_as_made:
            problems = ["It restores, but it has no checksum that proves its rows"]
        noted = msgspec.structs.replace(backup, verified_at=clock.now(), problems=problems)
        if (header := verification.header) is not None and backup.rows is None:
            # Of a file that was copied here this is the first that is known.
            noted = msgspec.structs.replace(
                noted,
                created_at=header.taken_at,
                app_version=header.stocky,
                schema_version=header.schema,
                dialect=header.dialect,
                rows=header.rows,
                documents_count=verification.documents_count,
            )
        await asyncio.to_thread(self.store.note, noted)
        return noted

    async def list_backups(self) -> list[StoredBackup]:
        """Every stored backup, newest first."""
        return await asyncio.to_thread(self.store.list_backups)

    async def get_backup(self, id: str) -> StoredBackup:
        """Raises NotFound."""
        return await asyncio.to_thread(self.store.get_backup, id)

    async def remove_backup(self, id: str) -> StoredBackup:
        """Deletes it. Raises NotFound."""
        return await asyncio.to_thread(self.store.remove_backup, id)

    def _log_warnings(self, made: DumpResult) -> None:
        """Says once what this database's backups do not hold, and again when it is something else."""
        for warning in made.warnings:
            if warning not in self._logged:
                _log.warning("%s", warning)
        self._logged = made.warnings


class Verification(msgspec.Struct, frozen=True):
    """What the trial found: rows per table, and what is wrong: nothing, when it restores to the last row."""

    rows: dict[str, int]
    problems: list[str]
    warnings: list[str]
    # Contents of documents in an archive, each compared with its SHA-256.
    documents_count: int = 0
    # Whether every row was compared with what was backed up: not for an edited dump, nor for a SQLite file.
    is_as_made: bool = True
    # The first lines of a dump that was read to its end.
    header: Header | None = None


async def verify_file(
    config: Config, file: Path, report: ProgressCallback, *, accept_edited: bool = False
) -> Verification:
    """Restores a dump, an archive or a SQLite file into a scratch database of its own, which is thrown away.

    Raises Unavailable or OutOfSpace when the trial could not be made; what is wrong with the backup is its result.
    """
    async with workspace(config.backup_dir) as place:
        try:
            from_file = await open_backup(file, place, config, accept_edited=accept_edited)
            scratch = place / "scratch.db"
            request = LoadRequest(
                dump=str(from_file.dump),
                scratch=str(scratch),
                purpose="verify",
                max_bytes=config.max_restore_gb * 2**30,
                accept_edited=accept_edited,
            )
            loaded = await run_worker(request, LoadResult, report)
            lacking = tell_incomplete(from_file, await contents_of(scratch))
        except (BadRequest, Conflict, TooLarge) as error:
            return Verification({}, [error.detail], [])
    problems = [*loaded.problems, *lacking]
    return Verification(
        loaded.rows, problems, loaded.warnings, len(from_file.contents), loaded.is_as_made, loaded.header
    )


async def dump_to_file(config: Config, file: Path, report: ProgressCallback) -> DumpResult:
    """Writes the database as it is at this moment to `file`, compressed, and to the disk.

    Raises OutOfSpace or Unavailable; there is no file then.
    """
    async with workspace(config.backup_dir) as place:
        request = DumpRequest(database_url=config.session_url, scratch=str(place), output=str(file))
        try:
            return await run_worker(request, DumpResult, report)
        except BaseException:
            await asyncio.to_thread(file.unlink, missing_ok=True)
            raise


async def archive_to_file(config: Config, file: Path, settings: Settings, report: ProgressCallback) -> DumpResult:
    """The same as an archive, with settings and documents. The result's size and checksum are the archive's."""
    async with workspace(config.backup_dir) as place:
        request = ArchiveRequest(
            database_url=config.session_url,
            scratch=str(place),
            output=str(file),
            settings=msgspec.to_builtins(settings),
            blobs=config.blobs,
        )
        try:
            return await run_worker(request, DumpResult, report)
        except BaseException:
            await asyncio.to_thread(file.unlink, missing_ok=True)
            raise


def _ignore(made: DumpResult) -> None:
    """For those who want the pieces alone."""


async def stream_dump(config: Config, ended: Callable[[DumpResult], None] = _ignore) -> AsyncIterator[bytes]:
    """The same, piece by piece while it is made, as fast as it is taken; nothing is left when nobody takes it.

    `ended` is called after the last piece.

    Raises OutOfSpace or Unavailable before the first piece. What is raised later is a stream that breaks off,
    and what came before is no dump.
    """
    pieces = _pieces(config, ended)
    # Waited for here, so that what is refused at once is told before an answer has begun.
    first = await anext(pieces)

    async def whole() -> AsyncIterator[bytes]:
        async with aclosing(pieces):
            yield first
            async for piece in pieces:
                yield piece

    return whole()


def _expiry(reason: Reason, finished_at: datetime) -> datetime | None:
    return finished_at + KEPT[reason] if reason in KEPT else None


async def _pieces(config: Config, ended: Callable[[DumpResult], None]) -> AsyncGenerator[bytes, None]:
    async with workspace(config.backup_dir) as place:
        request = DumpRequest(database_url=config.session_url, scratch=str(place))
        async with aclosing(stream_worker(request, DumpResult, ended)) as pieces:
            async for piece in pieces:
                yield piece
