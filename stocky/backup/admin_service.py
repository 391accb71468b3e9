"""Backup operations of administrators over HTTP. Every long task is a job and writes an audit entry."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from litestar import Request

from stocky.auth.schemas import Principal
from stocky.backup.archive.writing import refuse_too_many
from stocky.backup.dump.tables import EXCLUDED_TABLES, PRIVILEGED, api_name, table_named
from stocky.backup.encryption.reading import locked_by
from stocky.backup.offsite.service import Offsite
from stocky.backup.restore import Restores, check_name
from stocky.backup.schemas import (
    Backup,
    CreatedBackup,
    FullImportRequest,
    ImportResult,
    OffsiteBackup,
    OffsiteListing,
    PartialImportRequest,
    StartedBackup,
    StartedJob,
    Validity,
    download_url,
    status_url,
)
from stocky.backup.service import Backups
from stocky.backup.store import Kind, Reason, StoredBackup
from stocky.config import Config
from stocky.db import Database
from stocky.errors import BadRequest, Invalid, Locked, StockyError
from stocky.http.uploads import Upload, receive_base64, receive_upload
from stocky.jobs.jobs import Jobs
from stocky.logs import audit
from stocky.progress import ProgressCallback
from stocky.settings.repository import get_settings
from stocky.worker.workspace import workspace

T = TypeVar("T")
_log = logging.getLogger(__name__)

# Largest dump accepted as base64 in JSON, which is held in memory; larger dumps are uploaded.
MAX_JSON_DUMP = 32 * 2**20
FORCE_NEEDED = (
    "This replaces all current data. Repeat it with force=true to continue; the current data is backed up first."
    " With dry_run=true nothing is changed and the response lists what would change"
)


class BackupAdministration:
    """Runs backup operations as jobs of a user."""

    def __init__(self, config: Config, database: Database, jobs: Jobs) -> None:
        self.backups = Backups(config)
        self.restores = Restores(config, database, self.backups)
        self.offsite = Offsite(config, self.backups)
        self.base_path = config.base_path
        self._config = config
        self._database = database
        self._jobs = jobs
        # Of uploads that came with their own, by the id of the stored upload; in memory only.
        self._passphrases: dict[str, str] = {}

    async def create(self, by: Principal) -> CreatedBackup:
        """Makes a dump that is stored for a day; returns when it is finished."""

        async def work(report: ProgressCallback) -> CreatedBackup:
            made = await self.backups.create(Kind.SQL, Reason.API, report)
            await self._audit(by, "created", made.id, {"kind": made.kind, "size_bytes": made.size_bytes})
            return CreatedBackup.of(made)

        return await self._run_to_end("backup.create", work, by, documents=False)

    async def start_backup(
        self, kind: Kind, by: Principal, *, verify: bool = False, incremental: bool = False, stays: bool = False
    ) -> StartedBackup:
        """Starts a backup, with `verify` followed by its test restore; the job's result is the stored backup.

        With `stays` it is stored until it is deleted, otherwise for an hour.

        Raises Conflict when there are more documents than an archive can hold, Invalid for an incremental archive.
        """
        if incremental and kind is not Kind.SQL:
            raise Invalid("An archive is always whole; use kind sql for an increment", field="incremental")
        if kind is Kind.ARCHIVE:
            async with self._database.read() as read:
                refuse_too_many(await read.value("count_contents"))
        id = await asyncio.to_thread(self.backups.store.reserve_id)

        async def work(report: ProgressCallback) -> Backup:
            async with self._database.read() as read:
                settings = await get_settings(read)
            made = await self.backups.create(
                kind, Reason.MANUAL, report, id=id, settings=settings, incremental=incremental, stays=stays
            )
            await self._audit(by, "created", made.id, {"kind": made.kind, "size_bytes": made.size_bytes})
            if verify:
                made = await self.backups.verify(made.id, report)
            return await self._shown(made)

        parameters = {"documents": kind is Kind.ARCHIVE, "verify": verify, "backup": id}
        try:
            job = await self._jobs.run_here("backup.create", work, by=by.user.username, parameters=parameters)
        except BaseException:
            await asyncio.to_thread(self.backups.store.release_id, id)
            raise
        return StartedBackup(
            job_id=job.id,
            kind=kind,
            status_url=status_url(self.base_path, job.id),
            download_url=download_url(self.base_path, id),
        )

    async def start_verification(self, id: str, by: Principal) -> StartedJob:
        """Starts a test restore of a stored backup. Raises NotFound."""
        await self.backups.get_backup(id)

        async def work(report: ProgressCallback) -> Backup:
            return await self._shown(await self.backups.verify(id, report, passphrase=self._passphrases.get(id)))

        return await self._start("backup.verify", work, by, backup=id)

    async def list_backups(self) -> list[Backup]:
        """Every stored backup, newest first, with its off-site copies."""
        held = list(self._passphrases)
        stored = await self.offsite.refresh()
        ids = {each.id for each in stored}
        for gone in (id for id in held if id not in ids):
            # Of an upload that expired.
            self._passphrases.pop(gone, None)
        return [self._described(each, stored) for each in stored]

    async def list_offsite(self) -> list[OffsiteListing]:
        """The good copies at each off-site destination, read from there."""
        stored: dict[str | None, str] = {
            # Not one that was damaged here: its copy can be fetched.
            each.sha256: each.id
            for each in await self.backups.list_backups()
            if each.sha256 is not None and not each.problems
        }
        return [
            OffsiteListing(
                destination=each.url,
                error=each.error,
                backups=[OffsiteBackup.of(copy, stored) for copy in each.copies],
            )
            for each in await self.offsite.list_destinations()
        ]

    async def start_fetch(self, filename: str, destination: str | None, by: Principal) -> StartedJob:
        """Starts to add an off-site copy to the stored backups. Raises NotFound."""
        self.offsite.check_known(filename, destination)

        async def work(report: ProgressCallback) -> Backup:
            fetched = await self.offsite.fetch(filename, destination, report)
            await self._audit(by, "fetched", fetched.id, {"filename": filename, "size_bytes": fetched.size_bytes})
            return await self._shown(fetched)

        return await self._start("backup.fetch", work, by)

    async def _shown(self, backup: StoredBackup) -> Backup:
        stored = await self.offsite.refresh()
        # As it is listed: with what is wrong with its chain.
        backup = next((each for each in stored if (each.id, each.filename) == (backup.id, backup.filename)), backup)
        return self._described(backup, stored)

    def _described(self, backup: StoredBackup, stored: list[StoredBackup]) -> Backup:
        return Backup.of(backup, self.base_path, self.offsite.marks(backup, stored), stored, self.locked_by(backup))

    def locked_by(self, backup: StoredBackup) -> str | None:
        """What is missing to open an encrypted backup; None where nothing is, as far as known."""
        return None if backup.id in self._passphrases else locked_by(backup.encryption, self._config.encryption)

    async def remove_backup(self, id: str, by: Principal) -> None:
        """Deletes a stored backup. Raises NotFound, Conflict for one that increments continue."""
        removed = await self.backups.remove_backup(id)
        self._passphrases.pop(id, None)
        await self._audit(by, "deleted", id, {"filename": removed.filename})

    async def start_restore(
        self, id: str, by: Principal, *, force: bool, dry_run: bool, accept_edited: bool
    ) -> StartedJob:
        """Starts to replace all data by a stored backup. Raises NotFound, or BadRequest without `force`."""
        backup = await self.backups.get_backup(id)
        _require_force(force=force, dry_run=dry_run)

        async def work(report: ProgressCallback) -> ImportResult:
            path = self.backups.store.path(backup)
            async with self.backups.in_use(id), self._marking(backup):
                return await self._replace(
                    path,
                    report,
                    by,
                    dry_run=dry_run,
                    accept_edited=accept_edited,
                    source=id,
                    passphrase=self._passphrases.get(id),
                )

        return await self._start(
            "backup.restore", work, by, dry_run=dry_run, documents=backup.kind is Kind.ARCHIVE, backup=id
        )

    async def start_import(
        self, id: str, by: Principal, *, force: bool, tables: list[str], accept_edited: bool
    ) -> StartedJob:
        """Starts to add the rows of a stored dump. Raises NotFound, BadRequest for an archive, Invalid."""
        backup = await self.backups.get_backup(id)
        if backup.kind is Kind.ARCHIVE:
            raise BadRequest("Rows can be added from a dump only, not from an archive")
        names = _table_names(tables)

        async def work(report: ProgressCallback) -> ImportResult:
            path = self.backups.store.path(backup)
            async with self.backups.in_use(id):
                return await self._add(
                    path,
                    report,
                    by,
                    force=force,
                    tables=names,
                    accept_edited=accept_edited,
                    passphrase=self._passphrases.get(id),
                )

        return await self._start("backup.import", work, by, backup=id)

    @asynccontextmanager
    async def _marking(self, backup: StoredBackup) -> AsyncIterator[None]:
        """Notes in the metadata of an uploaded file, until it expires, why it cannot be restored."""
        is_upload = backup.reason is Reason.UPLOADED
        try:
            yield
        except BadRequest as error:
            if is_upload and not isinstance(error, Locked):
                with suppress(StockyError):
                    await self.backups.note_problems(backup.id, [error.detail])
            raise
        # What a test restore found stays.
        if is_upload and backup.problems and backup.verified_at is None:
            await self.backups.note_problems(backup.id, [])

    async def add_upload(self, request: Request[Any, Any, Any], by: Principal) -> StoredBackup:
        """Stores an uploaded dump, archive or SQLite file for a day, to be compared, test-restored and restored.

        The form's `passphrase` opens it as long as it is stored and this process runs.

        Raises BadRequest, TooLarge, OutOfSpace. The content is only checked when it is used.
        """
        async with AsyncExitStack() as stack:
            upload = await self._receive(request, stack, archive=None)
            added = await asyncio.to_thread(self.backups.store.add_upload, upload.file, upload.filename)
        stored = {each.id for each in await self.backups.list_backups()}
        self._passphrases = {id: given for id, given in self._passphrases.items() if id in stored}
        if added.encryption == "passphrase" and (given := _passphrase(upload)):
            self._passphrases[added.id] = given
        await self._audit(by, "uploaded", added.id, {"filename": upload.filename, "size_bytes": added.size_bytes})
        return added

    async def keep_backup(self, id: str, by: Principal) -> StoredBackup:
        """Keeps a stored backup until a user deletes it. Raises NotFound."""
        stored = await self.backups.keep_backup(id)
        await self._audit(by, "kept", id, {"filename": stored.filename})
        return stored

    async def restore_upload(
        self, request: Request[Any, Any, Any], by: Principal, *, force: bool, validate_only: bool, accept_edited: bool
    ) -> StartedJob:
        """Starts to replace all data by an uploaded archive, or with `validate_only` to check that it is restorable."""
        async with AsyncExitStack() as stack:
            upload = await self._receive(request, stack, archive=True)
            force = force or _flag(upload, "force")
            validate_only = validate_only or _flag(upload, "validate_only")
            accept_edited = accept_edited or _flag(upload, "accept_edited")
            passphrase = _passphrase(upload)
            _require_force(force=force, dry_run=validate_only)
            resources = stack.pop_all()

        async def work(report: ProgressCallback) -> ImportResult | Validity:
            async with resources:
                if validate_only:
                    return await self.restores.validate(
                        upload.file, report, accept_edited=accept_edited, passphrase=passphrase
                    )
                return await self._replace(
                    upload.file,
                    report,
                    by,
                    dry_run=False,
                    accept_edited=accept_edited,
                    source=upload.filename,
                    passphrase=passphrase,
                )

        return await self._start(
            "backup.validate" if validate_only else "backup.restore", work, by, dry_run=validate_only
        )

    async def import_full(self, data: FullImportRequest, by: Principal) -> ImportResult:
        """Replaces all data by a dump in base64."""
        _require_force(force=data.force, dry_run=data.dry_run)
        async with AsyncExitStack() as stack:
            file = await self._decode(data.backup_data, stack)
            return await self._import_full(
                file,
                stack.pop_all(),
                by,
                dry_run=data.dry_run,
                accept_edited=data.accept_edited,
                source="request",
                passphrase=data.passphrase,
            )

    async def import_full_upload(
        self, request: Request[Any, Any, Any], by: Principal, *, force: bool, dry_run: bool, accept_edited: bool
    ) -> ImportResult:
        """Replaces all data by an uploaded dump; the flags may also be form fields."""
        async with AsyncExitStack() as stack:
            upload = await self._receive(request, stack, archive=False)
            dry_run = dry_run or _flag(upload, "dry_run")
            _require_force(force=force or _flag(upload, "force"), dry_run=dry_run)
            accept_edited = accept_edited or _flag(upload, "accept_edited")
            return await self._import_full(
                upload.file,
                stack.pop_all(),
                by,
                dry_run=dry_run,
                accept_edited=accept_edited,
                source=upload.filename,
                passphrase=_passphrase(upload),
            )

    async def import_partial(self, data: PartialImportRequest, by: Principal) -> ImportResult:
        """Adds the rows of a dump in base64."""
        async with AsyncExitStack() as stack:
            file = await self._decode(data.backup_data, stack)
            return await self._import_partial(
                file,
                stack.pop_all(),
                by,
                force=data.force,
                tables=data.tables,
                accept_edited=data.accept_edited,
                passphrase=data.passphrase,
            )

    async def import_partial_upload(
        self, request: Request[Any, Any, Any], by: Principal, *, force: bool, tables: list[str], accept_edited: bool
    ) -> ImportResult:
        """Adds the rows of an uploaded dump; the flags and `tables` may also be form fields."""
        async with AsyncExitStack() as stack:
            upload = await self._receive(request, stack, archive=False)
            force = force or _flag(upload, "force")
            named = [*tables, upload.fields.get("tables", "")]
            accept_edited = accept_edited or _flag(upload, "accept_edited")
            return await self._import_partial(
                upload.file,
                stack.pop_all(),
                by,
                force=force,
                tables=named,
                accept_edited=accept_edited,
                passphrase=_passphrase(upload),
            )

    async def _import_full(
        self,
        file: Path,
        resources: AsyncExitStack,
        by: Principal,
        *,
        dry_run: bool,
        accept_edited: bool,
        source: str,
        passphrase: str | None,
    ) -> ImportResult:
        async def work(report: ProgressCallback) -> ImportResult:
            async with resources:
                return await self._replace(
                    file,
                    report,
                    by,
                    dry_run=dry_run,
                    accept_edited=accept_edited,
                    source=source,
                    passphrase=passphrase,
                )

        return await self._run_to_end("backup.restore", work, by, dry_run=dry_run, documents=False)

    async def _import_partial(
        self,
        file: Path,
        resources: AsyncExitStack,
        by: Principal,
        *,
        force: bool,
        tables: list[str],
        accept_edited: bool,
        passphrase: str | None,
    ) -> ImportResult:
        async def work(report: ProgressCallback) -> ImportResult:
            async with resources:
                return await self._add(
                    file,
                    report,
                    by,
                    force=force,
                    tables=_table_names(tables),
                    accept_edited=accept_edited,
                    passphrase=passphrase,
                )

        return await self._run_to_end("backup.import", work, by)

    async def _add(
        self,
        file: Path,
        report: ProgressCallback,
        by: Principal,
        *,
        force: bool,
        tables: frozenset[str],
        accept_edited: bool,
        passphrase: str | None,
    ) -> ImportResult:
        result = await self.restores.add(
            file, report, force=force, tables=tables, accept_edited=accept_edited, passphrase=passphrase
        )
        details = {"rows": result.records_imported, "tables": result.tables_affected}
        result.warnings = [*result.warnings, *await self._audit(by, "imported", None, details)]
        return result

    async def _replace(
        self,
        file: Path,
        report: ProgressCallback,
        by: Principal,
        *,
        dry_run: bool,
        accept_edited: bool,
        source: str,
        passphrase: str | None,
    ) -> ImportResult:
        begun = time.monotonic()
        try:
            result = await self.restores.replace(
                file, report, dry_run=dry_run, accept_edited=accept_edited, passphrase=passphrase
            )
        except Exception as error:  # whatever it is, the log says that the restore failed; it is raised again below
            if not dry_run:
                reason = error.detail if isinstance(error, StockyError) else repr(error)
                _log.error("The restore of %r failed after %.1f s: %s", source, time.monotonic() - begun, reason)
            raise
        if not dry_run:
            _log.info("The restore of %r ended after %.1f s: %s", source, time.monotonic() - begun, result.message)
            details = {"by": by.user.username, "rows": result.records_imported, "safety_backup": result.safety_backup}
            # In the restored data this user id may be missing or another user's.
            result.warnings = [*result.warnings, *await self._audit(None, "restored", source, details)]
        return result

    async def _receive(self, request: Request[Any, Any, Any], stack: AsyncExitStack, *, archive: bool | None) -> Upload:
        directory = await stack.enter_async_context(workspace(self._config.backup_dir))
        target = directory / ("upload.zip" if archive else "upload")
        upload = await receive_upload(request, target, self._config.max_upload_mb * 2**20)
        check_name(upload.filename, archive=archive)
        return upload

    async def _decode(self, encoded: str, stack: AsyncExitStack) -> Path:
        directory = await stack.enter_async_context(workspace(self._config.backup_dir))
        await receive_base64(encoded, directory / "upload", MAX_JSON_DUMP)
        return directory / "upload"

    async def _start(
        self, kind: str, work: Callable[[ProgressCallback], Awaitable[Any]], by: Principal, **parameters: bool | str
    ) -> StartedJob:
        job = await self._jobs.run_here(kind, work, by=by.user.username, parameters=parameters)
        return StartedJob(job_id=job.id, status_url=status_url(self.base_path, job.id))

    async def _run_to_end(
        self, kind: str, work: Callable[[ProgressCallback], Awaitable[T]], by: Principal, **parameters: bool
    ) -> T:
        job = await self._jobs.run_here(kind, work, by=by.user.username, parameters=parameters)
        result: T = await self._jobs.finished(job.id)
        return result

    async def _audit(self, by: Principal | None, action: str, id: str | None, details: dict[str, Any]) -> list[str]:
        """Writes an audit entry; returns a warning when that fails, since the operation itself was done."""
        try:
            async with self._database.transaction() as tx:
                await audit.record(tx, by, action, "backup", id, details)
        except Exception:  # noqa: BLE001 - the operation is complete; a failure here must not report it as failed
            _log.exception("No audit entry was written for backup %s (%s): %s", id, action, details)
            return ["The audit entry could not be written; see the log"]
        return []


def _require_force(*, force: bool, dry_run: bool) -> None:
    if not force and not dry_run:
        raise BadRequest(FORCE_NEEDED, field="force")


def _passphrase(upload: Upload) -> str | None:
    """The passphrase that was sent with a file."""
    return upload.fields.get("passphrase", "").strip() or None


def _flag(upload: Upload, name: str) -> bool:
    """A boolean from a form field. Raises BadRequest for anything else."""
    text = upload.fields.get(name, "false").strip().lower()
    if text in ("true", "1", "yes", "on"):
        return True
    if text in ("false", "0", "no", "off", ""):
        return False
    raise BadRequest(f"{name}: must be true or false, got {text!r}", field=name)


def _table_names(tables: list[str]) -> frozenset[str]:
    """The table names in these comma-separated texts. Raises Invalid for tables that need no naming."""
    names = frozenset(table_named(name.strip()) for text in tables for name in text.split(",")) - {""}
    if unknown := sorted(names - PRIVILEGED):
        nameable = sorted(map(api_name, PRIVILEGED - EXCLUDED_TABLES))
        raise Invalid(
            f"Only {', '.join(nameable)} can be named, not {', '.join(map(api_name, unknown))}:"
            " rows of all other tables are always imported",
            field="tables",
        )
    return names
