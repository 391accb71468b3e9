"""A restore on one page: what it would change, the word that confirms it, its progress and its result.

The address names the backup and the job, so the page survives a reload and the new sign-in that a restore asks for.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from litestar import Request, get, post
from litestar.datastructures import State
from msgspec import Struct, convert

from stocky.auth.guards import admins
from stocky.auth.schemas import Principal
from stocky.backup.admin_service import BackupAdministration
from stocky.backup.dump.tables import EXCLUDED_TABLES, PRIVILEGED
from stocky.backup.schemas import ImportResult
from stocky.backup.store import Kind, Reason
from stocky.errors import BadRequest, Invalid, NotFound
from stocky.jobs.schemas import Job, JobStatus
from stocky.pages.backup_verdict import CONTENTS, REASONS, RECORDS, TABLES, in_words
from stocky.pages.forms import Form, parse_form, read_form, read_values
from stocky.pages.job_words import job_card, running_backups
from stocky.pages.refusals import refused
from stocky.pages.rendering import Html, page, see_other

WORD = "restore"
_OF_ONE_BACKUP = ("backup.restore", "backup.import")
# The tables that a partial import adds to only when they are named, without those that only Stocky uses.
_NAMED = sorted(PRIVILEGED - EXCLUDED_TABLES - {"auth_revision"})


class CompareForm(Struct):
    """How to read the backup."""

    accept_edited: bool = False


class RestoreForm(Struct):
    """The word that confirms a restore."""

    word: str
    accept_edited: bool = False


class AddForm(Struct):
    """How to add rows."""

    force: bool = False
    accept_edited: bool = False


@get("/backups/{backup_id:str}/restore", opt=admins)
async def show_restore(
    request: Request[Any, Any, Any], state: State, backups: BackupAdministration, backup_id: str
) -> Html:
    """The backup, and the progress of the comparison or the restore."""
    return await _page(request, state, backups, backup_id, await _job(request, state, backup_id), Form())


async def _page(
    request: Request[Any, Any, Any],
    state: State,
    backups: BackupAdministration,
    backup_id: str,
    job: Job | None,
    form: Form[Any],
) -> Html:
    stored = {each.id: each for each in await backups.backups.list_backups()}
    backup = stored.get(backup_id)
    if backup is None and job is None:
        raise NotFound("There is no such backup any more")
    result: ImportResult | None = None
    if job is not None and job.status is JobStatus.DONE:
        result = convert(job.result, ImportResult)
    others = []
    if job is None or job.status.is_final:
        async with state.database.read() as read:
            others = await running_backups(read, state.jobs)
    return page(
        request,
        "restore.html",
        form.status,
        form=form,
        backup=backup,
        backup_id=backup_id,
        contents=CONTENTS,
        reasons=REASONS,
        is_upload=backup is not None and backup.reason is Reason.UPLOADED,
        can_add=backup is not None and backup.kind is Kind.SQL,
        job=job,
        card=None if job is None else job_card(job),
        stage=_stage(job),
        others=others,
        result=result,
        changes=[] if result is None else in_words(result.changes),
        is_quiet=result is not None and result.changes.keys() <= RECORDS,
        lost=0 if result is None or "stock_event" not in result.changes else result.changes["stock_event"].removed,
        safety=None if result is None else stored.get(result.safety_backup or ""),
        accept_edited=form.checked("accept_edited") or request.query_params.get("accept_edited") == "true",
        named_tables=[(name, TABLES.get(name, name)) for name in _NAMED],
        word=WORD,
    )


@post("/backups/{backup_id:str}/compare", opt=admins)
async def compare_backup(
    request: Request[Any, Any, Any], backups: BackupAdministration, user: Principal, backup_id: str
) -> Html:
    """Starts to compare a backup with the data."""
    form = await read_form(request, CompareForm, boxes=["accept_edited"])
    edited = form.data.accept_edited
    started = await backups.start_restore(backup_id, user, force=False, dry_run=True, accept_edited=edited)
    return _to_job(request, backup_id, started.job_id, accept_edited=edited)


@post("/backups/{backup_id:str}/restore", opt=admins)
async def restore_backup(
    request: Request[Any, Any, Any], state: State, backups: BackupAdministration, user: Principal, backup_id: str
) -> Html:
    """Starts the restore, if the word was typed, in any case of its letters."""
    form = await read_form(request, RestoreForm, boxes=["accept_edited"])
    if form.errors or form.data.word.strip().casefold() != WORD:
        wrong = Invalid(f"Type {WORD} to confirm the restore", field="word")
        form.refuse(wrong)
        job = await _job(request, state, backup_id)
        if answer := refused(request, form):
            return answer
        if _stage(job) != "plan":
            raise wrong
        return await _page(request, state, backups, backup_id, job, form)
    edited = form.data.accept_edited
    started = await backups.start_restore(backup_id, user, force=True, dry_run=False, accept_edited=edited)
    return _to_job(request, backup_id, started.job_id, accept_edited=edited)


@post("/backups/{backup_id:str}/add", opt=admins)
async def add_rows(
    request: Request[Any, Any, Any], backups: BackupAdministration, user: Principal, backup_id: str
) -> Html:
    """Starts to add the rows of a backup to the data."""
    values = await read_values(request)
    form = parse_form(values, AddForm, boxes=["force", "accept_edited"])
    if form.errors:
        raise BadRequest(form.general_error)
    started = await backups.start_import(
        backup_id,
        user,
        force=form.data.force,
        tables=values.get("tables", []),
        accept_edited=form.data.accept_edited,
    )
    return _to_job(request, backup_id, started.job_id, accept_edited=form.data.accept_edited)


async def _job(request: Request[Any, Any, Any], state: State, backup_id: str) -> Job | None:
    """The job that the address names, if it is of this backup."""
    text = request.query_params.get("job", "")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        return None
    with suppress(NotFound):
        job: Job = await state.jobs.look(int(text))
        if job.kind in _OF_ONE_BACKUP and job.backup_id == backup_id:
            return job
    return None


def _stage(job: Job | None) -> str:
    """The state that the page shows: start, running, cancelled, refused, plan, restored, added or failed."""
    if job is None:
        return "start"
    if not job.status.is_final:
        return "running"
    if job.status is JobStatus.CANCELLED:
        return "cancelled"
    is_restore = job.kind == "backup.restore"
    if job.status is not JobStatus.DONE:
        return "refused" if job.dry_run else "failed"
    return "plan" if job.dry_run else "restored" if is_restore else "added"


def _to_job(request: Request[Any, Any, Any], backup_id: str, job_id: int, *, accept_edited: bool) -> Html:
    edited = "true" if accept_edited else None
    return see_other(request, f"/backups/{backup_id}/restore", job=job_id, accept_edited=edited)


routes = [show_restore, compare_backup, restore_backup, add_rows]
