"""The stored backups: the verdict on them, making, test-restoring, keeping, deleting and uploading one.

Every action is a job that continues without the page; `?job=` only selects the job whose result the page shows.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from litestar import Request, get, post
from litestar.datastructures import State
from litestar.response import Stream
from msgspec import Struct, ValidationError, convert

from stocky import clock
from stocky.auth.guards import admins
from stocky.auth.schemas import Principal
from stocky.backup.admin_service import BackupAdministration
from stocky.backup.chains import children_of, parents_of
from stocky.backup.load.damage import OTHER_CHECKSUM
from stocky.backup.schemas import Backup, ImportResult, OffsiteMark, PassphraseCheck
from stocky.backup.store import Kind, StoredBackup, own_name
from stocky.errors import BadRequest, NotFound, OutOfSpace, StockyError, Throttled, TooLarge
from stocky.http.client_address import client_info
from stocky.jobs import repository as job_repository
from stocky.jobs.schemas import Job, JobStatus
from stocky.pages.backup_verdict import CONTENTS, REASONS, describe_offsite, judge
from stocky.pages.forms import Form, read_form
from stocky.pages.job_words import JobCard, job_card, running_backups
from stocky.pages.languages import Text, _
from stocky.pages.rendering import Html, page, see_other
from stocky.settings.repository import get_settings

# For this long the page offers to undo a restore; after that its backup is in the list like any other.
_UNDO_SHOWN_HOURS = 24
_LOOKED_AT = 20
_DONE: dict[str, Text] = {
    "deleted": _("The backup is deleted."),
    "kept": _("The backup is kept until it is deleted."),
    "confirmed": _("That is the passphrase of the backups. It is asked for again in a month."),
}


class BackupForm(Struct):
    """What to back up."""

    kind: Kind = Kind.ARCHIVE


@get("/backups", opt=admins)
async def show_backups(request: Request[Any, Any, Any], state: State) -> Html:
    """The verdict, what is running, and the stored backups."""
    return await _page(request, state)


@post("/backups/create", opt=admins)
async def create_backup(request: Request[Any, Any, Any], backups: BackupAdministration, user: Principal) -> Html:
    """Starts a backup, which stays until it is deleted, and its test-restore."""
    form = await read_form(request, BackupForm)
    if form.errors:
        raise BadRequest(form.general_error or str(form.error("kind")))
    started = await backups.start_backup(form.data.kind, user, verify=True, stays=True)
    return see_other(request, "/backups", job=started.job_id)


@post("/backups/stream", opt=admins)
async def stream_backup(backups: BackupAdministration) -> Stream:
    """A new dump as a download; nothing is stored."""
    encryption = backups.backups.encryption
    name = own_name(Kind.SQL, clock.now(), encryption)
    headers = {"Content-Disposition": f"attachment; filename={name}", "Cache-Control": "no-store"}
    media_type = "application/gzip" if encryption is None else "application/octet-stream"
    return Stream(await backups.backups.stream(), status_code=200, media_type=media_type, headers=headers)


@post("/backups/passphrase", opt=admins)
async def confirm_passphrase(request: Request[Any, Any, Any], state: State, user: Principal) -> Html:
    """Confirms that the passphrase of the backups is not lost."""
    form = await read_form(request, PassphraseCheck)
    if not form.errors:
        address = client_info(request, state.config).address
        try:
            with form.catching():
                await state.passphrase_confirmation.confirm(form.data.passphrase, user, address)
        except Throttled as error:
            form.refuse(error)
    if form.errors:
        return await _page(request, state, typed=form)
    return see_other(request, "/backups", done="confirmed")


@post("/backups/{backup_id:str}/verify", opt=admins)
async def verify_backup(
    request: Request[Any, Any, Any], backups: BackupAdministration, user: Principal, backup_id: str
) -> Html:
    """Starts a test-restore."""
    started = await backups.start_verification(backup_id, user)
    return see_other(request, "/backups", job=started.job_id)


@post("/backups/{backup_id:str}/keep", opt=admins)
async def keep_backup(
    request: Request[Any, Any, Any], backups: BackupAdministration, user: Principal, backup_id: str
) -> Html:
    """Keeps a backup that would expire."""
    await backups.keep_backup(backup_id, user)
    return see_other(request, "/backups", done="kept")


@get("/backups/{backup_id:str}/delete", opt=admins)
async def ask_to_delete(request: Request[Any, Any, Any], backups: BackupAdministration, backup_id: str) -> Html:
    """Asks whether to delete a backup."""
    stored = await backups.backups.list_backups()
    backup = await backups.backups.get_backup(backup_id)
    backup = next((each for each in stored if each.filename == backup.filename), backup)
    children = children_of(backup, stored)
    is_last_good = backup.is_good and not any(each.is_good and each.id != backup.id for each in stored)
    return page(request, "backup-delete.html", backup=backup, children=children, is_last_good=is_last_good)


@post("/backups/{backup_id:str}/delete", opt=admins)
async def delete_backup(
    request: Request[Any, Any, Any], backups: BackupAdministration, user: Principal, backup_id: str
) -> Html:
    """Deletes a backup; it is no error if that is already deleted."""
    with suppress(NotFound):
        await backups.remove_backup(backup_id, user)
    return see_other(request, "/backups", done="deleted")


@post("/backups/upload", opt=admins, request_max_body_size=None)
async def upload_backup(
    request: Request[Any, Any, Any], state: State, backups: BackupAdministration, user: Principal
) -> Html:
    """Stores a file and compares it with the data."""
    try:
        added = await backups.add_upload(request, user)
    except (BadRequest, TooLarge, OutOfSpace) as error:
        if request.headers.get("x-requested-with"):
            raise
        return await _page(request, state, error)
    started = await backups.start_restore(added.id, user, force=False, dry_run=True, accept_edited=False)
    return see_other(request, f"/backups/{added.id}/restore", job=started.job_id)


async def _page(
    request: Request[Any, Any, Any],
    state: State,
    error: StockyError | None = None,
    typed: Form[PassphraseCheck] | None = None,
) -> Html:
    backups: BackupAdministration = state.backups
    stored = await backups.offsite.refresh()
    async with state.database.read() as read:
        settings = await get_settings(read)
        scheduled = await job_repository.get_last_ended(read, "backup.scheduled")
        restores = await job_repository.list_jobs(read, skip=0, limit=_LOOKED_AT, kind="backup.restore")
        running = await running_backups(read, state.jobs)
    upload = Form[Any]()
    if error is not None:
        upload.refuse(error)
    return page(
        request,
        "backups.html",
        upload.status if error is not None else typed.status if typed is not None else 200,
        verdict=judge(stored, scheduled, clock.now()),
        backups=stored,
        running=running,
        ended=await _ended(request, state),
        restored=_restored(restores, stored),
        offsite=describe_offsite(backups.offsite.states, clock.now()),
        marks={each.id: OffsiteMark.of(backups.offsite.marks(each, stored)) for each in stored},
        encryption=await state.passphrase_confirmation.get_state(),
        typed=typed or Form[PassphraseCheck](),
        locked={each.id: text for each in stored if (text := backups.locked_by(each)) is not None},
        unusable={each.id for each in stored if each.problems and not _may_be_edited(each)},
        settings=settings,
        timezone=state.timezone,
        reasons=REASONS,
        contents=CONTENTS,
        bases={each.id: next(iter(parents_of(each, stored)[-1:]), None) for each in stored if each.parent_sha256},
        upload_error=upload.general_error or upload.error("file"),
        max_upload_mb=state.config.max_upload_mb,
        backup_directory=str(state.config.backup_dir),
        follow=request.query_params.get("job") or (running[0].job.id if running else None),
        done=_DONE.get(request.query_params.get("done", "")),
    )


def _may_be_edited(backup: StoredBackup) -> bool:
    """Whether it is only refused for its checksum, and so may have been edited on purpose."""
    return all(each.startswith(OTHER_CHECKSUM) for each in backup.problems)


class _Ended(Struct, frozen=True):
    card: JobCard
    backup: Backup | None


async def _ended(request: Request[Any, Any, Any], state: State) -> _Ended | None:
    """The result of the job that the address names."""
    text = request.query_params.get("job", "")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        return None
    with suppress(NotFound):
        job: Job = await state.jobs.look(int(text))
        if job.status.is_final and job.kind in ("backup.create", "backup.verify", "backup.fetch"):
            return _Ended(job_card(job), convert(job.result, Backup) if job.status is JobStatus.DONE else None)
    return None


class _Restored(Struct, frozen=True):
    job: Job
    safety: StoredBackup


def _restored(restores: list[Job], stored: list[StoredBackup]) -> _Restored | None:
    """The last restore, while it is recent and the backup of the data before it is still stored."""
    for job in restores:
        if job.dry_run or job.status is not JobStatus.DONE or job.finished_at is None:
            continue
        hours = (clock.now() - job.finished_at).total_seconds() / 3600
        with suppress(ValidationError):
            safety_id = convert(job.result, ImportResult).safety_backup
            safety = next((each for each in stored if each.id == safety_id), None)
            return _Restored(job, safety) if safety is not None and hours < _UNDO_SHOWN_HOURS else None
    return None


routes = [
    show_backups,
    create_backup,
    stream_backup,
    confirm_passphrase,
    verify_backup,
    keep_backup,
    ask_to_delete,
    delete_backup,
    upload_backup,
]
