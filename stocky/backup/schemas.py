"""What backups are asked and answered with over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from stocky.backup.requests import TableChanges
from stocky.backup.store import Kind, Reason, StoredBackup

CHANGES = "With dry_run or validate_only: what a restore would change, for each table that would not stay as it is"
ACCEPT_EDITED = "Take a backup that was edited on purpose: all checks but the checksum"


class ImportRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """A dump to import, as text."""

    backup_data: Annotated[str, Meta(description="The .sql.gz in base64; at most 32 MiB of it")]
    force: Annotated[bool, Meta(description="Full: yes, replace everything. Partial: skip rows that exist")] = False
    accept_edited: Annotated[bool, Meta(description=ACCEPT_EDITED)] = False


class PartialImportRequest(ImportRequest, kw_only=True, forbid_unknown_fields=True):
    """A dump whose rows are added."""

    tables: Annotated[
        list[str],
        Meta(
            description="Tables of accounts, keys, settings and audit whose rows may come along, with force",
            examples=[["user_account", "api_key"]],
        ),
    ] = []


class FullImportRequest(ImportRequest, kw_only=True, forbid_unknown_fields=True):
    """A dump that replaces everything."""

    dry_run: Annotated[bool, Meta(description="Do all of it but the replacing, and say what would change")] = False


class CreatedBackup(Struct, kw_only=True):
    """A backup that was just made and is kept until `expires_at`."""

    backup_size: Annotated[int, Meta(description="Bytes, compressed")]
    timestamp: datetime
    tables_included: list[str]
    message: str
    backup_id: str
    sha256: str
    rows: Annotated[dict[str, int], Meta(description="Rows per table")]
    expires_at: datetime | None
    warnings: Annotated[list[str], Meta(description="What the database holds that is not in the backup")] = []

    @classmethod
    def of(cls, made: StoredBackup) -> CreatedBackup:
        rows = made.rows or {}
        return cls(
            backup_size=made.size_bytes,
            timestamp=made.created_at,
            tables_included=list(rows),
            message=f"Full backup created successfully. Size: {made.size_bytes} bytes (compressed)",
            backup_id=made.id,
            sha256=made.sha256 or "",
            rows=rows,
            expires_at=made.expires_at,
            warnings=made.warnings,
        )


class RowCounts(Struct):
    """How many rows a table has now, and how many it would have, or had before and has now."""

    before: int
    after: int


class ImportResult(Struct, kw_only=True):
    """What an import or a restore did, or with `dry_run` would do."""

    success: bool = True
    message: str
    tables_affected: list[str]
    records_imported: int
    timestamp: datetime
    dry_run: bool = False
    records_skipped: Annotated[int, Meta(description="Rows that existed already and were left as they are")] = 0
    warnings: list[str] = []
    safety_backup: Annotated[
        str | None, Meta(description="The id of the stored backup that holds the data of before")
    ] = None
    kept_inactive: Annotated[
        list[str], Meta(description="Users who stay inactive, though the backup knew them active")
    ] = []
    kept_revoked: Annotated[list[str], Meta(description="API keys that stay revoked, by name and prefix")] = []
    documents_count: Annotated[int, Meta(description="Contents of documents that an archive brought")] = 0
    rows: Annotated[dict[str, RowCounts], Meta(description="Full restores: rows per table before and after")] = {}
    changes: Annotated[dict[str, TableChanges], Meta(description=CHANGES)] = {}


class NewSystemBackup(Struct, forbid_unknown_fields=True):
    """What to back up: an archive with everything, or the database alone."""

    kind: Kind


class StartedJob(Struct, kw_only=True):
    """Something that takes a while has begun; `status_url` says how far it is, and at the end what came of it."""

    job_id: int
    status_url: str


class StartedBackup(StartedJob, kw_only=True):
    """A backup that is being made."""

    kind: Kind
    download_url: Annotated[str, Meta(description="Where the finished file will be: 404 until then")]


class Backup(Struct, kw_only=True):
    """A stored backup. `timestamp` is its id in addresses; null is not known, as for a file copied in by hand."""

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
    warnings: Annotated[list[str], Meta(description="What it lacks or what is damaged in it, seen while it was made")]
    verified_at: Annotated[datetime | None, Meta(description="When it was last restored on trial")]
    is_good: Annotated[bool, Meta(description="Whether that trial found every row as it was backed up")]
    problems: Annotated[list[str], Meta(description="What that trial found wrong")]
    download_url: str

    @classmethod
    def of(cls, stored: StoredBackup, base_path: str) -> Backup:
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
            warnings=stored.warnings,
            verified_at=stored.verified_at,
            is_good=stored.is_good,
            problems=stored.problems,
            download_url=download_url(base_path, stored.id),
        )


class Validity(Struct, kw_only=True):
    """What `validate_only` found: the backup could be restored."""

    valid: bool = True
    message: str
    warnings: list[str] = []
    rows: dict[str, int] = {}
    documents_count: int = 0
    changes: Annotated[dict[str, TableChanges], Meta(description=CHANGES)] = {}


def status_url(base_path: str, job_id: int) -> str:
    """Where a job tells how far it is."""
    return f"{base_path}/api/v1/jobs/{job_id}"


def download_url(base_path: str, id: str) -> str:
    """Where a stored backup can be fetched."""
    return f"{base_path}/api/v1/system/backup/{id}/download"
