"""`/system`: stored backups and archives, for admins. Long operations run as jobs."""

from __future__ import annotations

from typing import Annotated

from litestar import Router, delete, get, post
from litestar.params import Parameter
from litestar.response import Stream

from stocky.auth.guards import admins
from stocky.auth.schemas import Principal
from stocky.backup.admin_service import BackupAdministration
from stocky.backup.schemas import ACCEPT_EDITED, Backup, NewSystemBackup, StartedBackup, StartedJob
from stocky.backup.store import Kind, StoredBackup
from stocky.http.files import file_answer
from stocky.http.openapi import problem
from stocky.http.request import StockyRequest

Force = Annotated[bool, Parameter(description="Confirm replacing all data")]
DryRun = Annotated[bool, Parameter(description="Only check the backup; the result lists what would change")]
AcceptEdited = Annotated[bool, Parameter(description=ACCEPT_EDITED)]
ValidateOnly = Annotated[bool, Parameter(description="Only check whether it can be restored")]


def _media_type(backup: StoredBackup) -> str:
    if backup.kind is Kind.ARCHIVE:
        return "application/zip"
    # A dump that was copied in may be unpacked.
    return "application/gzip" if backup.filename.lower().endswith(".gz") else "application/octet-stream"


@post("/backup", opt=admins, status_code=202)
async def start_backup(data: NewSystemBackup, backups: BackupAdministration, user: Principal) -> StartedBackup:
    """Start a backup: everything as an archive, or the database only."""
    return await backups.start_backup(data.kind, user)


@get("/backup/list", opt=admins)
async def list_backups(backups: BackupAdministration) -> list[Backup]:
    """List the stored backups, newest first."""
    return [Backup.of(each, backups.base_path) for each in await backups.backups.list_backups()]


@get(
    "/backup/{timestamp:str}/download",
    opt=admins,
    responses={416: problem("The range starts after the end of the file")},
)
async def download_backup(request: StockyRequest, backups: BackupAdministration, timestamp: str) -> Stream:
    """Download a stored backup. `Range` resumes an interrupted download."""
    backup = await backups.backups.get_backup(timestamp)
    return await file_answer(
        request,
        backups.backups.store.path(backup),
        filename=backup.filename,
        media_type=_media_type(backup),
        etag=backup.sha256,
    )


@delete("/backup/{timestamp:str}", opt=admins)
async def delete_backup(backups: BackupAdministration, user: Principal, timestamp: str) -> None:
    """Delete a stored backup."""
    await backups.remove_backup(timestamp, user)


@post("/backup/{timestamp:str}/verify", opt=admins, status_code=202)
async def verify_backup(backups: BackupAdministration, user: Principal, timestamp: str) -> StartedJob:
    """Start a test restore of a stored backup that compares every row with the backed-up data."""
    return await backups.start_verification(timestamp, user)


@post("/backup/{timestamp:str}/restore", opt=admins, status_code=202)
async def restore_backup(
    backups: BackupAdministration,
    user: Principal,
    timestamp: str,
    force: Force = False,
    dry_run: DryRun = False,
    accept_edited: AcceptEdited = False,
) -> StartedJob:
    """Start to replace all data by a stored backup. The current data is backed up first; all sessions end."""
    return await backups.start_restore(timestamp, user, force=force, dry_run=dry_run, accept_edited=accept_edited)


@post(
    "/restore",
    opt=admins
    | {"form": {"file": "The .zip"} | dict.fromkeys(("force", "validate_only", "accept_edited"), "As in the query")},
    status_code=202,
    request_max_body_size=None,
)
async def restore_archive(
    request: StockyRequest,
    backups: BackupAdministration,
    user: Principal,
    force: Force = False,
    validate_only: ValidateOnly = False,
    accept_edited: AcceptEdited = False,
) -> StartedJob:
    """The same with an archive uploaded as form field `file`."""
    return await backups.restore_upload(
        request, user, force=force, validate_only=validate_only, accept_edited=accept_edited
    )


system_routes = Router(
    "/system",
    route_handlers=[
        start_backup,
        list_backups,
        download_backup,
        delete_backup,
        verify_backup,
        restore_backup,
        restore_archive,
    ],
    tags=["System"],
)
