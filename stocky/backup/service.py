"""Makes, stores and verifies backups. A stored backup is complete: it gets its name only when it is finished."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from stocky import clock
from stocky.backup.archive.contents import contents_of, incomplete_archive_warnings
from stocky.backup.archive.reading import open_backup
from stocky.backup.chains import children_of, is_complete
from stocky.backup.dump.format import Header
from stocky.backup.dump.ledger import Continued
from stocky.backup.encryption.format import Method
from stocky.backup.encryption.settings import EncryptionSettings
from stocky.backup.increments import find_continued
from stocky.backup.load.parents import find_parents
from stocky.backup.offsite.policy import OffsitePolicy
from stocky.backup.requests import ArchiveRequest, DumpRequest, DumpResult, LoadRequest, LoadResult
from stocky.backup.store import RETENTION, Kind, Reason, Store, StoredBackup
from stocky.config import Config
from stocky.errors import BadRequest, Conflict, Locked, TooLarge
from stocky.progress import ProgressCallback
from stocky.settings.schemas import Settings
from stocky.worker.process import run_worker, stream_worker
from stocky.worker.workspace import workspace

_log = logging.getLogger(__name__)


class Backups:
    """The backups of one Stocky installation."""

    def __init__(self, config: Config) -> None:
        self.store = Store(config.backup_dir, OffsitePolicy(config.offsite).held_ids)
        self._config = config
        self._logged: list[str] = []

    @property
    def encryption(self) -> Method | None:
        """How new backups are encrypted; None where they are not."""
        return None if self._config.encryption is None else self._config.encryption.method

    async def create(
        self,
        kind: Kind,
        reason: Reason,
        report: ProgressCallback,
        *,
        id: str | None = None,
        settings: Settings | None = None,
        incremental: bool = False,
        stays: bool = False,
    ) -> StoredBackup:
        """Makes and stores a backup, under the reserved `id` if given.

        `settings` are written to an archive beside the database. With `incremental` a dump is an increment of the last
        such one, or its whole ledger is the base for the next: see `find_continued`. With `stays` it does not expire.

        Raises OutOfSpace or Unavailable and leaves no file behind.
        """
        reserved = id if id is not None else await asyncio.to_thread(self.store.reserve_id)
        settings = settings or Settings()
        try:
            if not incremental:
                return await self._create(kind, reason, report, reserved, settings, stays=stays)
            assert kind is Kind.SQL
            finding = find_continued(self.store, settings.backup_base_days, self._config.encryption, report)
            async with finding as continued:
                return await self._create(
                    kind, reason, report, reserved, settings, stays=stays, is_marked=True, continued=continued
                )
        finally:
            await asyncio.to_thread(self.store.release_id, reserved)

    async def _create(
        self,
        kind: Kind,
        reason: Reason,
        report: ProgressCallback,
        id: str,
        settings: Settings,
        *,
        stays: bool,
        is_marked: bool = False,
        continued: Continued | None = None,
    ) -> StoredBackup:
        created_at, keys = clock.now(), self._config.encryption
        async with workspace(self._config.backup_dir) as directory:
            file = directory / "backup"
            if kind is Kind.ARCHIVE:
                made = await archive_to_file(self._config, file, settings, report)
            else:
                made = await dump_to_file(
                    self._config,
                    file,
                    report,
                    encryption=keys,
                    is_marked=is_marked,
                    continued=continued,
                )
            self._log_warnings(made)
            increment = made.header.increment
            backup = StoredBackup(
                id=id,
                kind=kind,
                filename="",
                size_bytes=made.bytes,
                created_at=created_at,
                reason=reason,
                # Counted from its completion: an archive may take longer than its retention.
                expires_at=None if stays else _expiry(reason, clock.now()),
                sha256=made.sha256,
                app_version=made.header.stocky,
                schema_version=made.header.schema,
                dialect=made.header.dialect,
                rows=made.header.restored_rows,
                documents_count=made.documents_count,
                encryption=self.encryption,
                recipients_sha256=None if keys is None else keys.recipients_sha256,
                warnings=made.warnings,
                parent_sha256=increment.parent.sha256 if increment is not None else None,
                parent_size_bytes=increment.parent.size_bytes if increment is not None else None,
                base_sha256=increment.base if increment is not None else None,
                mark=made.mark,
            )
            if increment is not None and not is_complete(backup, await self.list_backups()):
                raise Conflict(
                    f"{increment.parent.filename}, or what it continues, was deleted while its increment was made; back"
                    " up again"
                )
            return await asyncio.to_thread(self.store.add_backup, file, backup)

    async def write(self, kind: Kind, file: Path, report: ProgressCallback, *, settings: Settings) -> DumpResult:
        """Makes a backup as `file`, which appears only when it is complete."""
        made = file.with_name(f".{file.name}-{os.getpid()}")
        try:
            if kind is Kind.ARCHIVE:
                result = await archive_to_file(self._config, made, settings, report)
            else:
                result = await dump_to_file(self._config, made, report, encryption=self._config.encryption)
            await asyncio.to_thread(made.replace, file)
        finally:
            await asyncio.to_thread(made.unlink, missing_ok=True)
        return result

    async def stream(self, ended: Callable[[DumpResult], None] | None = None) -> AsyncIterator[bytes]:
        """Streams a dump without storing it; `ended` is called with the result when it is complete."""
        return await stream_dump(self._config, ended or self._log_warnings, encryption=self._config.encryption)

    async def verify(self, id: str, report: ProgressCallback, *, passphrase: str | None = None) -> StoredBackup:
        """Test-restores a stored backup and saves the outcome.

        Raises NotFound, also when it was deleted meanwhile, and Locked for an undamaged one that cannot be decrypted.
        """
        async with self.in_use(id) as backup:
            verification = await self._verify(backup, report, passphrase)
            return await asyncio.to_thread(self.store.change_metadata, id, verification.noted)

    @asynccontextmanager
    async def in_use(self, id: str) -> AsyncIterator[StoredBackup]:
        """The backup, which neither expires nor is removed by retention during the block. Raises NotFound."""
        backup = await asyncio.to_thread(self.store.begin_test, id)
        try:
            yield backup
        finally:
            await asyncio.to_thread(self.store.end_test, id)

    async def _verify(self, backup: StoredBackup, report: ProgressCallback, passphrase: str | None) -> Verification:
        try:
            return await verify_file(self._config, self.store.path(backup), report, passphrase=passphrase)
        except Locked:
            # A damaged header looks like one of another key.
            if backup.sha256 is None or await asyncio.to_thread(self.store.is_as_made, backup):
                raise
            return Verification({}, [backup.damage], [])

    async def list_backups(self) -> list[StoredBackup]:
        """Every stored backup, newest first."""
        return await asyncio.to_thread(self.store.list_backups)

    async def get_backup(self, id: str) -> StoredBackup:
        """Raises NotFound."""
        return await asyncio.to_thread(self.store.get_backup, id)

    async def keep_backup(self, id: str) -> StoredBackup:
        """Keeps it until it is deleted. Raises NotFound."""

        def without_expiry(backup: StoredBackup) -> StoredBackup:
            return msgspec.structs.replace(backup, expires_at=None)

        return await asyncio.to_thread(self.store.change_metadata, id, without_expiry)

    async def keep_for_a_day(self, id: str) -> StoredBackup:
        """Keeps it for at least as long as a fetched one. Raises NotFound."""

        def prolonged(backup: StoredBackup) -> StoredBackup:
            if backup.expires_at is None:
                return backup
            expires_at = max(backup.expires_at, clock.now() + RETENTION[Reason.FETCHED])
            return msgspec.structs.replace(backup, expires_at=expires_at)

        return await asyncio.to_thread(self.store.change_metadata, id, prolonged)

    async def note_problems(self, id: str, problems: list[str]) -> None:
        """Notes why a backup cannot be restored. Raises NotFound."""

        def with_problems(backup: StoredBackup) -> StoredBackup:
            return msgspec.structs.replace(backup, problems=problems)

        await asyncio.to_thread(self.store.change_metadata, id, with_problems)

    async def remove_backup(self, id: str) -> StoredBackup:
        """Deletes it. Raises NotFound, and Conflict naming the increments that could not be restored without it."""
        backup = await self.get_backup(id)
        if children := children_of(backup, await self.list_backups()):
            raise Conflict(
                f"{backup.filename} is needed by its increments {', '.join(each.filename for each in children)}; delete"
                " these first, in this order"
            )
        return await asyncio.to_thread(self.store.remove_backup, id)

    def _log_warnings(self, made: DumpResult) -> None:
        """Logs what backups of this database lack: once, and again when it changes."""
        for warning in made.warnings:
            if warning not in self._logged:
                _log.warning("%s", warning)
        self._logged = made.warnings


class Verification(msgspec.Struct, frozen=True):
    """The result of a test restore: rows per table and problems, of which a good backup has none."""

    rows: dict[str, int]
    problems: list[str]
    warnings: list[str]
    # Document contents in an archive, each compared with its SHA-256.
    documents_count: int = 0
    # Whether every row was checked by checksum: False for an edited dump and a SQLite file.
    is_as_made: bool = True
    # The header of a dump that was read to its end.
    header: Header | None = None

    def noted(self, backup: StoredBackup) -> StoredBackup:
        """The metadata of the tested backup with the outcome."""
        problems = self.problems
        if not problems and not self.is_as_made:
            problems = ["It restores, but has no checksum to check its rows against"]
        updated = msgspec.structs.replace(backup, verified_at=clock.now(), problems=problems)
        if self.header is None or backup.rows is not None:
            return updated
        increment = self.header.increment
        # For a file that was copied here this is the first known metadata.
        return msgspec.structs.replace(
            updated,
            created_at=self.header.taken_at,
            app_version=self.header.stocky,
            schema_version=self.header.schema,
            dialect=self.header.dialect,
            rows=self.header.restored_rows,
            documents_count=self.documents_count,
            parent_sha256=increment.parent.sha256 if increment is not None else None,
            parent_size_bytes=increment.parent.size_bytes if increment is not None else None,
            base_sha256=increment.base if increment is not None else None,
        )


async def verify_file(
    config: Config,
    file: Path,
    report: ProgressCallback,
    *,
    accept_edited: bool = False,
    passphrase: str | None = None,
) -> Verification:
    """Restores a dump, an archive or a SQLite file into a scratch database, which is then deleted.

    Raises Locked, Unavailable or OutOfSpace when the test could not run; problems of the backup are in the result.
    """
    async with workspace(config.backup_dir) as directory:
        try:
            from_file = await open_backup(
                file, directory, config, accept_edited=accept_edited, passphrase=passphrase, report=report
            )
            scratch = directory / "scratch.db"
            request = LoadRequest(
                dump=str(from_file.dump),
                scratch=str(scratch),
                purpose="verify",
                max_bytes=config.max_restore_gb * 2**30,
                accept_edited=accept_edited,
                parents=await find_parents(
                    from_file.dump, file, directory, config, passphrase=passphrase, report=report
                ),
            )
            loaded = await run_worker(request, LoadResult, report)
            lacking = incomplete_archive_warnings(from_file, await contents_of(scratch))
        except Locked:
            raise
        except (BadRequest, Conflict, TooLarge) as error:
            return Verification({}, [error.detail], [])
    problems = [*loaded.problems, *lacking]
    return Verification(
        loaded.rows, problems, loaded.warnings, len(from_file.contents), loaded.is_as_made, loaded.header
    )


async def dump_to_file(
    config: Config,
    file: Path,
    report: ProgressCallback,
    *,
    encryption: EncryptionSettings | None = None,
    is_marked: bool = False,
    continued: Continued | None = None,
) -> DumpResult:
    """Writes a compressed dump of the database to `file`, synced to disk, and encrypted where `encryption` says so.

    `is_marked` and `continued`: see DumpRequest.

    Raises OutOfSpace or Unavailable and leaves no file behind.
    """
    async with workspace(config.backup_dir) as directory:
        request = DumpRequest(
            database_url=config.session_url,
            scratch=str(directory),
            output=str(file),
            encryption=encryption,
            is_marked=is_marked,
            continued=continued,
        )
        try:
            return await run_worker(request, DumpResult, report)
        except BaseException:
            await asyncio.to_thread(file.unlink, missing_ok=True)
            raise


async def archive_to_file(config: Config, file: Path, settings: Settings, report: ProgressCallback) -> DumpResult:
    """Writes an archive with dump, settings and documents, encrypted where the settings say so.

    The result's size and checksum are the archive's.
    """
    async with workspace(config.backup_dir) as directory:
        request = ArchiveRequest(
            database_url=config.session_url,
            scratch=str(directory),
            output=str(file),
            encryption=config.encryption,
            settings=msgspec.to_builtins(settings),
            blobs=config.blobs,
        )
        try:
            return await run_worker(request, DumpResult, report)
        except BaseException:
            await asyncio.to_thread(file.unlink, missing_ok=True)
            raise


def _ignore(made: DumpResult) -> None:
    """The default `ended` callback: does nothing."""


async def stream_dump(
    config: Config, ended: Callable[[DumpResult], None] = _ignore, *, encryption: EncryptionSettings | None = None
) -> AsyncIterator[bytes]:
    """Streams a dump at the speed of the reader; an abandoned stream leaves nothing behind.

    `ended` is called after the last piece.

    Raises OutOfSpace or Unavailable before the first piece. A later error breaks the stream off, and the pieces sent
    so far are not a complete dump.
    """
    pieces = _pieces(config, ended, encryption)
    # Awaited here, so that an immediate error is raised before the response has started.
    first = await anext(pieces)

    async def whole() -> AsyncIterator[bytes]:
        async with aclosing(pieces):
            yield first
            async for piece in pieces:
                yield piece

    return whole()


def _expiry(reason: Reason, finished_at: datetime) -> datetime | None:
    return finished_at + RETENTION[reason] if reason in RETENTION else None


async def _pieces(
    config: Config, ended: Callable[[DumpResult], None], encryption: EncryptionSettings | None
) -> AsyncGenerator[bytes, None]:
    async with workspace(config.backup_dir) as directory:
        request = DumpRequest(database_url=config.session_url, scratch=str(directory), encryption=encryption)
        async with aclosing(stream_worker(request, DumpResult, ended)) as pieces:
            async for piece in pieces:
                yield piece
