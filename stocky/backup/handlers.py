"""`/backup`: create, download and import database dumps, for admins."""

from __future__ import annotations

from typing import Annotated

from litestar import Router, post
from litestar.params import Parameter
from litestar.response import Stream

from stocky import clock
from stocky.auth.guards import admins
from stocky.auth.schemas import Principal
from stocky.backup.admin_service import MAX_JSON_DUMP, BackupAdministration
from stocky.backup.schemas import ACCEPT_EDITED, CreatedBackup, FullImportRequest, ImportResult, PartialImportRequest
from stocky.backup.store import Kind
from stocky.http.openapi import problem
from stocky.http.request import StockyRequest
from stocky.http.uploads import USE_UPLOAD

GZIP = "application/gzip"
# Base64 has four characters for three bytes; the rest leaves room for the other fields.
MAX_JSON_BODY = MAX_JSON_DUMP // 3 * 4 + 65_536
TOO_LARGE = f"The body exceeds the limit of {MAX_JSON_DUMP // 2**20} MiB for a dump in JSON; {USE_UPLOAD}"

Force = Annotated[bool, Parameter(description="Full: confirm replacing all data. Partial: skip existing rows")]
DryRun = Annotated[bool, Parameter(description="Only check the backup and list what would change")]
AcceptEdited = Annotated[bool, Parameter(description=ACCEPT_EDITED)]
Tables = Annotated[
    list[str] | None,
    Parameter(description="Comma-separated tables of accounts, keys, settings and audit to import; needs force"),
]

_FORM = {
    "file": "A .sql.gz (or unpacked .sql), or a Stocky SQLite file",
    "force": "As in the query",
    "accept_edited": "As in the query",
}
_IMPORT_ERRORS = {
    400: problem("The backup is damaged or holds rows that cannot be imported; see `detail`"),
    409: problem("The backup was made by a newer Stocky, or another restore is running"),
    413: problem("The backup exceeds the size limit of this endpoint"),
}


@post("/create/full", opt=admins, status_code=200)
async def create_full_backup(backups: BackupAdministration, user: Principal) -> CreatedBackup:
    """Create a database dump and store it for a day."""
    return await backups.create(user)


@post("/create/full/download", opt=admins, status_code=200, media_type=GZIP)
async def download_full_backup(backups: BackupAdministration) -> Stream:
    """Stream a new database dump. Every import rejects an incomplete download."""
    name = clock.now().strftime(Kind.SQL.file_name)
    return Stream(
        await backups.backups.stream(), media_type=GZIP, headers={"Content-Disposition": f"attachment; filename={name}"}
    )


@post(
    "/import/partial",
    opt=admins | {"too_large": TOO_LARGE},
    status_code=200,
    request_max_body_size=MAX_JSON_BODY,
    responses=_IMPORT_ERRORS,
)
async def import_partial(data: PartialImportRequest, backups: BackupAdministration, user: Principal) -> ImportResult:
    """Add the rows of a dump. An existing key cancels the import; with `force` existing rows stay unchanged."""
    return await backups.import_partial(
        data.backup_data, user, force=data.force, tables=data.tables, accept_edited=data.accept_edited
    )


@post(
    "/import/full",
    opt=admins | {"too_large": TOO_LARGE},
    status_code=200,
    request_max_body_size=MAX_JSON_BODY,
    responses=_IMPORT_ERRORS,
)
async def import_full(data: FullImportRequest, backups: BackupAdministration, user: Principal) -> ImportResult:
    """Replace all data by a dump. The current data is backed up first; all sessions end."""
    return await backups.import_full(
        data.backup_data, user, force=data.force, dry_run=data.dry_run, accept_edited=data.accept_edited
    )


@post(
    "/upload/import/partial",
    opt=admins | {"form": _FORM | {"tables": "Comma-separated"}},
    status_code=200,
    request_max_body_size=None,
    responses=_IMPORT_ERRORS,
)
async def upload_partial(
    request: StockyRequest,
    backups: BackupAdministration,
    user: Principal,
    force: Force = False,
    tables: Tables = None,
    accept_edited: AcceptEdited = False,
) -> ImportResult:
    """The same with the dump uploaded as form field `file`, up to STOCKY_MAX_UPLOAD_MB."""
    return await backups.import_partial_upload(
        request, user, force=force, tables=tables or [], accept_edited=accept_edited
    )


@post(
    "/upload/import/full",
    opt=admins | {"form": _FORM | {"dry_run": "As in the query"}},
    status_code=200,
    request_max_body_size=None,
    responses=_IMPORT_ERRORS,
)
async def upload_full(
    request: StockyRequest,
    backups: BackupAdministration,
    user: Principal,
    force: Force = False,
    dry_run: DryRun = False,
    accept_edited: AcceptEdited = False,
) -> ImportResult:
    """The same with the dump uploaded as form field `file`, up to STOCKY_MAX_UPLOAD_MB."""
    return await backups.import_full_upload(request, user, force=force, dry_run=dry_run, accept_edited=accept_edited)


backup_routes = Router(
    "/backup",
    route_handlers=[
        create_full_backup,
        download_full_backup,
        import_partial,
        import_full,
        upload_partial,
        upload_full,
    ],
    tags=["Backup"],
)
