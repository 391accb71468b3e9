"""`/backup` and `/system`: database dumps, stored backups and archives, for admins; long operations run as jobs."""

from __future__ import annotations

from typing import Annotated

from litestar import delete, get, post
from litestar.datastructures import State
from litestar.params import Parameter
from litestar.response import Stream

from stocky import clock
from stocky.auth.guards import admins
from stocky.auth.schemas import Principal
from stocky.auth.throttle import FAILURES_OF_ADDRESS, FAILURES_OF_USER, WINDOW_SECONDS
from stocky.backup.admin_service import MAX_JSON_DUMP, BackupAdministration
from stocky.backup.encryption.confirmation import PassphraseConfirmation
from stocky.backup.schemas import (
    ACCEPT_EDITED,
    PASSPHRASE,
    Backup,
    BackupEncryption,
    CreatedBackup,
    FullImportRequest,
    ImportResult,
    NewSystemBackup,
    OffsiteFetch,
    OffsiteListing,
    PartialImportRequest,
    PassphraseCheck,
    StartedBackup,
    StartedJob,
)
from stocky.backup.store import Kind, StoredBackup, own_name
from stocky.http.client_address import client_info
from stocky.http.files import file_answer
from stocky.http.openapi import may_be_missing, problem, produces
from stocky.http.request import StockyRequest
from stocky.http.routing import Router
from stocky.http.uploads import USE_UPLOAD

GZIP, ZIP, UNPACKED = "application/gzip", "application/zip", "application/octet-stream"
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
    "passphrase": PASSPHRASE,
}
_IMPORT_ERRORS = {
    400: problem("The backup is damaged or holds rows that cannot be imported; see `detail`"),
    409: problem("The backup was made by a newer Stocky, or another restore is running"),
    413: problem("The backup exceeds the size limit of this endpoint"),
}

ConfirmRestore = Annotated[bool, Parameter(description="Confirm replacing all data")]
CheckOnly = Annotated[bool, Parameter(description="Only check the backup; the result lists what would change")]
ValidateOnly = Annotated[bool, Parameter(description="Only check whether it can be restored")]


@post("/create/full", opt=admins, status_code=200)
async def create_full_backup(backups: BackupAdministration, user: Principal) -> CreatedBackup:
    """Create a database dump and store it for a day."""
    return await backups.create(user)


@post("/create/full/download", opt=admins | produces(GZIP, UNPACKED), status_code=200)
async def download_full_backup(backups: BackupAdministration) -> Stream:
    """Stream a new database dump, encrypted where backups are. Every import rejects an incomplete download."""
    name = own_name(Kind.SQL, clock.now(), backups.backups.encryption)
    return Stream(
        await backups.backups.stream(),
        media_type=GZIP if backups.backups.encryption is None else UNPACKED,
        headers={"Content-Disposition": f"attachment; filename={name}"},
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
    return await backups.import_partial(data, user)


@post(
    "/import/full",
    opt=admins | {"too_large": TOO_LARGE},
    status_code=200,
    request_max_body_size=MAX_JSON_BODY,
    responses=_IMPORT_ERRORS,
)
async def import_full(data: FullImportRequest, backups: BackupAdministration, user: Principal) -> ImportResult:
    """Replace all data by a dump. The current data is backed up first; all sessions end."""
    return await backups.import_full(data, user)


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


@post("/backup", opt=admins, status_code=202)
async def start_backup(data: NewSystemBackup, backups: BackupAdministration, user: Principal) -> StartedBackup:
    """Start a backup: everything as an archive, or the database only."""
    return await backups.start_backup(data.kind, user, verify=data.verify, incremental=data.incremental)


@get("/backup/list", opt=admins)
async def list_backups(backups: BackupAdministration) -> list[Backup]:
    """List the stored backups, newest first."""
    return await backups.list_backups()


@get("/encryption", opt=admins)
async def get_backup_encryption(passphrase_confirmation: PassphraseConfirmation) -> BackupEncryption:
    """How new backups are encrypted, and whether the passphrase is to be confirmed."""
    return await passphrase_confirmation.get_state()


@post(
    "/encryption/passphrase",
    opt=admins,
    status_code=200,
    responses={
        400: problem("It is not the passphrase that backups are encrypted with"),
        409: problem("Backups are not encrypted with a passphrase"),
        429: problem(
            f"Too many wrong passphrases within {WINDOW_SECONDS // 60} minutes: {FAILURES_OF_USER} of the user, or"
            f" {FAILURES_OF_ADDRESS} from the address. The right one is rejected as well for `Retry-After` seconds"
        ),
    },
)
async def confirm_backup_passphrase(
    request: StockyRequest,
    state: State,
    data: PassphraseCheck,
    user: Principal,
    passphrase_confirmation: PassphraseConfirmation,
) -> BackupEncryption:
    """Confirm that the passphrase of the backups is not lost, by sending it; asked for once a month."""
    return await passphrase_confirmation.confirm(data.passphrase, user, client_info(request, state.config).address)


@get("/offsite", opt=admins)
async def list_offsite(backups: BackupAdministration) -> list[OffsiteListing]:
    """List the good copies at each off-site destination, read from there."""
    return await backups.list_offsite()


@post("/offsite/fetch", opt=admins, status_code=202, responses=may_be_missing)
async def fetch_offsite(data: OffsiteFetch, backups: BackupAdministration, user: Principal) -> StartedJob:
    """Start to add an off-site copy to the stored backups; the job's result is the stored backup, kept for a day."""
    return await backups.start_fetch(data.filename, data.destination, user)


@get(
    "/backup/{timestamp:str}/download",
    opt=admins | produces(GZIP, ZIP, UNPACKED),
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


@delete(
    "/backup/{timestamp:str}",
    opt=admins,
    responses={409: problem("Increments continue it, and cannot be restored without it; `detail` names them")},
)
async def delete_backup(backups: BackupAdministration, user: Principal, timestamp: str) -> None:
    """Delete a stored backup."""
    await backups.remove_backup(timestamp, user)


@post("/backup/{timestamp:str}/verify", opt=admins, status_code=202)
async def verify_backup(backups: BackupAdministration, user: Principal, timestamp: str) -> StartedJob:
    """Start a test restore of a stored backup that compares every row with the backed-up data."""
    return await backups.start_verification(timestamp, user)


@post(
    "/backup/{timestamp:str}/restore",
    opt=admins,
    status_code=202,
    responses={400: problem("It would replace all data; `force` confirms it")},
)
async def restore_backup(
    backups: BackupAdministration,
    user: Principal,
    timestamp: str,
    force: ConfirmRestore = False,
    dry_run: CheckOnly = False,
    accept_edited: AcceptEdited = False,
) -> StartedJob:
    """Start to replace all data by a stored backup. The current data is backed up first; all sessions end."""
    return await backups.start_restore(timestamp, user, force=force, dry_run=dry_run, accept_edited=accept_edited)


@post(
    "/restore",
    opt=admins
    | {
        "form": {"file": "The .zip", "passphrase": PASSPHRASE}
        | dict.fromkeys(("force", "validate_only", "accept_edited"), "As in the query")
    },
    status_code=202,
    request_max_body_size=None,
)
async def restore_archive(
    request: StockyRequest,
    backups: BackupAdministration,
    user: Principal,
    force: ConfirmRestore = False,
    validate_only: ValidateOnly = False,
    accept_edited: AcceptEdited = False,
) -> StartedJob:
    """The same with an archive uploaded as form field `file`."""
    return await backups.restore_upload(
        request, user, force=force, validate_only=validate_only, accept_edited=accept_edited
    )


def _media_type(backup: StoredBackup) -> str:
    if backup.encryption is not None:
        return UNPACKED
    if backup.kind is Kind.ARCHIVE:
        return ZIP
    # A dump that was copied in may be unpacked.
    return GZIP if backup.filename.lower().endswith(".gz") else UNPACKED


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

system_routes = Router(
    "/system",
    route_handlers=[
        start_backup,
        list_backups,
        get_backup_encryption,
        confirm_backup_passphrase,
        list_offsite,
        fetch_offsite,
        download_backup,
        delete_backup,
        verify_backup,
        restore_backup,
        restore_archive,
    ],
    tags=["System"],
)
