"""Request and response bodies of the backup API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from stocky.backup.chains import parents_of
from stocky.backup.dump.tables import api_name
from stocky.backup.encryption.format import Method
from stocky.backup.requests import TableChanges
from stocky.backup.store import Kind, OffsiteCopy, Reason, StoredBackup

API_NAMES = "As the API calls them, such as `users`, `items`, `locations`, `skus` and `events`"
CHANGES = "With dry_run or validate_only: what a restore would change, per changed table"
PASSPHRASE = "What an encrypted dump is opened with; without it, STOCKY_BACKUP_PASSPHRASE"
ENCRYPTION = "What opens an encrypted backup: the passphrase, or the identity of a recipient; null for one that is not"
ACCEPT_EDITED = "Accept a backup that was edited on purpose: skip only the checksum check"


class ImportRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """A dump to import, in base64."""

    backup_data: Annotated[str, Meta(description="The .sql.gz in base64; at most 32 MiB before encoding")]
    force: Annotated[bool, Meta(description="Full: confirm replacing all data. Partial: skip existing rows")] = False
    accept_edited: Annotated[bool, Meta(description=ACCEPT_EDITED)] = False
    passphrase: Annotated[str, Meta(description=PASSPHRASE, max_length=1_000)] | None = None


class PartialImportRequest(ImportRequest, kw_only=True, forbid_unknown_fields=True):
    """A dump whose rows are added to the data."""

    tables: Annotated[
        list[str],
        Meta(
            description="Tables of accounts, keys, settings and audit whose rows are imported; needs force",
            examples=[["users", "api_keys"]],
        ),
    ] = []


class FullImportRequest(ImportRequest, kw_only=True, forbid_unknown_fields=True):
    """A dump that replaces all data."""

    dry_run: Annotated[bool, Meta(description="Only check the backup and list what would change")] = False


class CreatedBackup(Struct, kw_only=True):
    """A new backup, stored until `expires_at`."""

    backup_size: Annotated[int, Meta(description="Bytes, compressed")]
    timestamp: datetime
    tables_included: Annotated[list[str], Meta(description=API_NAMES)]
    message: str
    backup_id: str
    sha256: str
    rows: Annotated[dict[str, int], Meta(description="Rows per table")]
    expires_at: datetime | None
    warnings: Annotated[list[str], Meta(description="Objects of the database that are not in the backup")] = []

    @classmethod
    def of(cls, made: StoredBackup) -> CreatedBackup:
        rows = made.rows or {}
        return cls(
            backup_size=made.size_bytes,
            timestamp=made.created_at,
            tables_included=[api_name(table) for table in rows],
            message=f"Full backup created successfully. Size: {made.size_bytes} bytes (compressed)",
            backup_id=made.id,
            sha256=made.sha256 or "",
            rows=rows,
            expires_at=made.expires_at,
            warnings=made.warnings,
        )


class RowCounts(Struct):
    """The row counts of a table before and after the restore; with `dry_run` `after` is expected."""

    before: int
    after: int


class ImportResult(Struct, kw_only=True):
    """The result of an import or restore, or with `dry_run` the expected result."""

    success: bool = True
    message: str
    tables_affected: Annotated[list[str], Meta(description=API_NAMES)]
    records_imported: int
    timestamp: datetime
    dry_run: bool = False
    records_skipped: Annotated[int, Meta(description="Existing rows that were left unchanged")] = 0
    warnings: list[str] = []
    safety_backup: Annotated[
        str | None, Meta(description="The id of the stored backup that holds the previous data")
    ] = None
    kept_inactive: Annotated[
        list[str], Meta(description="Users who stay inactive although they are active in the backup")
    ] = []
    kept_revoked: Annotated[list[str], Meta(description="API keys that stay revoked, by name and prefix")] = []
    documents_count: Annotated[int, Meta(description="Number of document contents restored from an archive")] = 0
    rows: Annotated[dict[str, RowCounts], Meta(description="Full restores: rows per table before and after")] = {}
    changes: Annotated[dict[str, TableChanges], Meta(description=CHANGES)] = {}


class NewSystemBackup(Struct, forbid_unknown_fields=True):
    """What to back up: everything as an archive, or the database only."""

    kind: Kind
    verify: Annotated[bool, Meta(description="Test-restore it as soon as it is made")] = False
    incremental: Annotated[
        bool,
        Meta(
            description="Kind `sql`: hold only the events since the last such backup, and all other tables whole; the"
            " first one is whole",
            examples=[False],
        ),
    ] = False


class StartedJob(Struct, kw_only=True):
    """A started job; `status_url` returns its progress and its result."""

    job_id: int
    status_url: str


class StartedBackup(StartedJob, kw_only=True):
    """A started backup job."""

    kind: Kind
    download_url: Annotated[str, Meta(description="URL of the finished file; 404 until then")]


class OffsiteMark(Struct, kw_only=True):
    """The copy of a stored backup at one off-site destination."""

    destination: str
    state: Annotated[
        Literal["copied", "waiting", "failed"],
        Meta(
            description="`copied` once it was read back and compared; `waiting` before; `failed` until the next attempt"
        ),
    ]
    copied_at: datetime | None = None
    error: Annotated[str | None, Meta(description="Why the last attempt failed")] = None

    @classmethod
    def of(cls, marks: dict[str, OffsiteCopy]) -> list[OffsiteMark]:
        return [
            cls(
                destination=url,
                state="copied" if each.copied_at is not None else "waiting" if each.error is None else "failed",
                copied_at=each.copied_at,
                error=each.error,
            )
            for url, each in marks.items()
        ]


class OffsiteBackup(Struct, kw_only=True):
    """A good copy of a backup at an off-site destination."""

    filename: str
    kind: Kind
    reason: Annotated[Reason, Meta(description="Why the backup was made")]
    size_bytes: int
    created_at: datetime
    copied_at: datetime | None
    sha256: str | None
    app_version: str | None
    schema_version: int | None
    dialect: str | None
    rows: dict[str, int] | None
    documents_count: int
    encryption: Annotated[Method | None, Meta(description=ENCRYPTION)]
    verified_at: Annotated[datetime | None, Meta(description="When it was last test-restored before it was copied")]
    is_good: Annotated[bool, Meta(description="Whether that test restore found every row unchanged")]
    problems: Annotated[list[str], Meta(description="Problems found by that test restore")]
    stored_as: Annotated[
        str | None,
        Meta(description="The `timestamp` of the stored backup with the same content, without known problems"),
    ]
    is_increment: Annotated[
        bool, Meta(description="Whether it holds only the events since another copy, without which it is of no use")
    ] = False

    @classmethod
    def of(cls, copy: StoredBackup, stored: dict[str | None, str]) -> OffsiteBackup:
        """`stored` are the ids of the stored backups by their SHA-256."""
        return cls(
            filename=copy.filename,
            kind=copy.kind,
            reason=copy.reason,
            size_bytes=copy.size_bytes,
            created_at=copy.created_at,
            copied_at=next((each.copied_at for each in copy.offsite.values()), None),
            sha256=copy.sha256,
            app_version=copy.app_version,
            schema_version=copy.schema_version,
            dialect=copy.dialect,
            rows=copy.rows,
            documents_count=copy.documents_count,
            encryption=copy.encryption,
            verified_at=copy.verified_at,
            is_good=copy.is_good,
            problems=copy.problems,
            stored_as=stored.get(copy.sha256),
            is_increment=copy.parent_sha256 is not None,
        )


class OffsiteListing(Struct, kw_only=True):
    """The good copies at one off-site destination, newest first."""

    destination: str
    error: Annotated[str | None, Meta(description="Why the copies cannot be listed now")] = None
    backups: list[OffsiteBackup]


class OffsiteFetch(Struct, forbid_unknown_fields=True):
    """The off-site copy to fetch; without `destination`, from the first that has it."""

    filename: Annotated[str, Meta(min_length=1, max_length=100, examples=["stocky_backup_20260131_120000.sql.gz"])]
    destination: Annotated[str, Meta(max_length=2_000, examples=["s3://bucket/stocky"])] | None = None


class Backup(Struct, kw_only=True):
    """A stored backup. `timestamp` is its id in URLs; null means unknown, as for a file copied in by hand."""

    timestamp: str
    kind: Kind
    reason: Reason
    filename: str
    size_bytes: int
    created_at: datetime
    expires_at: datetime | None
    sha256: str | None
    app_version: str | None
    schema_version: int | None
    dialect: str | None
    rows: dict[str, int] | None
    documents_count: int
    encrypted: Annotated[bool, Meta(description="Whether the file is encrypted, in the age format")] = False
    encryption: Annotated[Method | None, Meta(description=ENCRYPTION)] = None
    locked_by: Annotated[
        str | None,
        Meta(description="What is missing to open an encrypted backup here; null where nothing is known to be"),
    ] = None
    warnings: Annotated[list[str], Meta(description="Missing or damaged content found while it was made")]
    verified_at: Annotated[datetime | None, Meta(description="When it was last test-restored")]
    is_good: Annotated[bool, Meta(description="Whether the test restore found every row unchanged")]
    problems: Annotated[list[str], Meta(description="Problems found by the test restore")]
    download_url: str
    offsite: Annotated[
        list[OffsiteMark], Meta(description="Its copies off site; empty where none are configured, or none is made")
    ] = []
    is_increment: Annotated[
        bool, Meta(description="Whether it holds only the events since another backup, without which it is of no use")
    ] = False
    parent_id: Annotated[
        str | None,
        Meta(description="Of an increment: the `timestamp` of the backup that it continues; null if missing"),
    ] = None
    base_id: Annotated[
        str | None, Meta(description="Of an increment: the `timestamp` of the whole backup at the start of its chain")
    ] = None
    position: Annotated[
        int | None, Meta(description="The id of the last event from which an increment can continue it")
    ] = None

    @classmethod
    def of(
        cls,
        stored: StoredBackup,
        base_path: str,
        marks: dict[str, OffsiteCopy],
        backups: list[StoredBackup],
        locked_by: str | None = None,
    ) -> Backup:
        """`backups` are all stored backups."""
        parents = parents_of(stored, backups)
        return cls(
            timestamp=stored.id,
            kind=stored.kind,
            reason=stored.reason,
            filename=stored.filename,
            size_bytes=stored.size_bytes,
            created_at=stored.created_at,
            expires_at=stored.expires_at,
            sha256=stored.sha256,
            app_version=stored.app_version,
            schema_version=stored.schema_version,
            dialect=stored.dialect,
            rows=stored.rows,
            documents_count=stored.documents_count,
            encrypted=stored.encryption is not None,
            encryption=stored.encryption,
            locked_by=locked_by,
            warnings=stored.warnings,
            verified_at=stored.verified_at,
            is_good=stored.is_good,
            problems=stored.problems,
            download_url=download_url(base_path, stored.id),
            offsite=OffsiteMark.of(marks),
            is_increment=stored.parent_sha256 is not None,
            parent_id=parents[0].id if parents else None,
            base_id=next((each.id for each in parents if each.parent_sha256 is None), None),
            position=stored.mark.position if stored.mark is not None else None,
        )


class BackupEncryption(Struct, kw_only=True):
    """How new backups are encrypted."""

    method: Annotated[Method | None, Meta(description="What opens a new backup; null where they are not encrypted")]
    confirmed_at: Annotated[
        datetime | None, Meta(description="When an admin last typed the passphrase, or it was set")
    ] = None
    due_at: Annotated[datetime | None, Meta(description="When it is to be typed again; an alert asks for it then")] = (
        None
    )
    is_due: Annotated[bool, Meta(description="Whether that time has come")] = False


class PassphraseCheck(Struct, forbid_unknown_fields=True):
    """The passphrase of the backups, to show that it is not lost."""

    passphrase: Annotated[str, Meta(min_length=1, max_length=1_000, examples=["correct horse battery staple"])]


class Validity(Struct, kw_only=True):
    """The result of `validate_only`: the backup can be restored."""

    valid: bool = True
    message: str
    warnings: list[str] = []
    rows: dict[str, int] = {}
    documents_count: int = 0
    changes: Annotated[dict[str, TableChanges], Meta(description=CHANGES)] = {}


def status_url(base_path: str, job_id: int) -> str:
    """The URL of a job's progress."""
    return f"{base_path}/api/v1/jobs/{job_id}"


def download_url(base_path: str, id: str) -> str:
    """The download URL of a stored backup."""
    return f"{base_path}/api/v1/system/backup/{id}/download"
