"""`/backup`: dumps of the database, made, fetched and imported, for admins."""

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
# Base64 has four characters for three bytes; the rest is for the other fields.
MAX_JSON_BODY = MAX_JSON_DUMP // 3 * 4 + 65_536
TOO_LARGE = f"The body is larger than the {MAX_JSON_DUMP // 2**20} MiB of a dump that are taken as JSON; {USE_UPLOAD}"

Force = Annotated[bool, Parameter(description="Full: yes, replace everything. Partial: skip rows that exist")]
DryRun = Annotated[bool, Parameter(description="Do all of it but the replacing, and say what would change")]
AcceptEdited = Annotated[bool, Parameter(description=ACCEPT_EDITED)]
Tables = Annotated[
    list[str] | None,
    Parameter(description="Tables of accounts, keys, settings and audit that may come along with force, with commas"),
]

_FORM = {
    "file": "The .sql.gz, packed or not, or a SQLite file of Stocky's",
    "force": "As in the query",
    "accept_edited": "As in the query",
}
_IMPORT_ERRORS = {
    400: problem("Not a sound backup, or something in it that is not taken; `detail` says what and where"),
    409: problem("The backup is of a newer Stocky, or another restore is running"),
    413: problem("Larger than is taken this way"),
}


@post("/create/full", opt=admins, status_code=200)
async def create_full_backup(backups: BackupAdministration, user: Principal) -> CreatedBackup:
    """Make a dump of this moment and keep it among the stored backups for a day."""
    return await backups.create(user)


@post("/create/full/download", opt=admins, status_code=200, media_type=GZIP)
async def download_full_backup(backups: BackupAdministration) -> Stream:
    """A dump of this moment, sent while it is made. A download that breaks off is refused by every import."""
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
    """Add the rows of a dump. A row whose key exists undoes it all, or with `force` stays as it is."""
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
    """Replace everything by a dump. The data of before is backed up first; everyone signs in again."""
    return await backups.import_full(
        data.backup_data, user, force=data.force, dry_run=data.dry_run, accept_edited=data.accept_edited
    )


@post(
    "/upload/import/partial",
    opt=admins | {"form": _FORM | {"tables": "With commas"}},
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
    """The same from a form with the dump as `file`, which may be as large as STOCKY_MAX_UPLOAD_MB."""
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
    """The same from a form with the dump as `file`, which may be as large as STOCKY_MAX_UPLOAD_MB."""
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
