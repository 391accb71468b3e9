"""`/system`: stored backups and archives, for admins. What takes long is begun, and a job tells how far it is."""

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

Force = Annotated[bool, Parameter(description="Yes, replace everything")]
DryRun = Annotated[bool, Parameter(description="Do all of it but the replacing; the result says what would change")]
AcceptEdited = Annotated[bool, Parameter(description=ACCEPT_EDITED)]
ValidateOnly = Annotated[bool, Parameter(description="Only see whether it could be restored")]


def _media_type(backup: StoredBackup) -> str:
    if backup.kind is Kind.ARCHIVE:
        return "application/zip"
    # A dump that was copied there may be unpacked.
    return "application/gzip" if backup.filename.lower().endswith(".gz") else "application/octet-stream"


@post("/backup", opt=admins, status_code=202)
async def start_backup(data: NewSystemBackup, backups: BackupAdministration, user: Principal) -> StartedBackup:
    """Begin a backup: an archive with everything, or the database alone."""
    return await backups.start_backup(data.kind, user)


@get("/backup/list", opt=admins)
async def list_backups(backups: BackupAdministration) -> list[Backup]:
    """The stored backups, newest first."""
    return [Backup.of(each, backups.base_path) for each in await backups.backups.list_backups()]


@get("/backup/{timestamp:str}/download", opt=admins, responses={416: problem("The range begins after the file's end")})
async def download_backup(request: StockyRequest, backups: BackupAdministration, timestamp: str) -> Stream:
    """The file of a stored backup. `Range` goes on with a download that broke off."""
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
    """Begin to restore a stored backup on trial, and compare every row with what was backed up."""
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
    """Begin to replace everything by a stored backup. A backup is made first; everyone signs in again."""
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
    """The same from a form with an archive as `file`."""
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
