"""Jobs: those that wait and run, their progress and their results; they are cancelled, repeated and dismissed here."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.datastructures import State

from stocky.auth.guards import admins
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.http.parameters import PathId, Skip
from stocky.jobs import control, repository
from stocky.jobs.jobs import Jobs
from stocky.jobs.schemas import Job, JobStatus
from stocky.pages.job_words import KINDS, PRIORITIES, STATUSES, job_card
from stocky.pages.languages import Text, _
from stocky.pages.rendering import Html, page, see_other

_PAGE = 50
_DONE: dict[str, Text] = {
    "cancelled": _("The job is cancelled, or stops soon."),
    "repeated": _("The job is run again."),
    "dismissed": _("The failure is dismissed."),
}


@get("/jobs", opt=admins)
async def show_jobs(
    request: Request[Any, Any, Any],
    state: State,
    read: Connection,
    status: JobStatus | None = None,
    kind: str | None = None,
    skip: Skip = 0,
) -> Html:
    """Jobs, newest first."""
    found = await repository.list_jobs(read, skip=skip, limit=_PAGE + 1, status=status, kind=kind or None)
    jobs: Jobs = state.jobs
    # The progress of this process's own jobs is newer than the database's.
    shown = [
        each if (here := jobs.progress_here(each.id)) is None else await repository.get_job(read, each.id, here)
        for each in found[:_PAGE]
    ]
    return page(
        request,
        "jobs.html",
        cards=[job_card(each) for each in shown],
        running_id=next((each.id for each in shown if not each.status.is_final), None),
        wanted="" if status is None else status.value,
        statuses=[(each.value, STATUSES[each]) for each in JobStatus],
        kind=kind or "",
        kinds=[*sorted(KINDS.items()), *([(kind, kind)] if kind and kind not in KINDS else [])],
        priorities=PRIORITIES,
        skip=skip,
        size=_PAGE,
        has_more=len(found) > _PAGE,
        done=_done(request),
    )


@get("/jobs/{job_id:int}", opt=admins)
async def show_job(request: Request[Any, Any, Any], state: State, job_id: PathId) -> Html:
    """A job with its progress, live, and its result."""
    jobs: Jobs = state.jobs
    job = await jobs.look(job_id)
    return page(
        request,
        "job.html",
        card=job_card(job),
        job=job,
        priority=PRIORITIES[job.priority],
        result=_as_text(job),
        message=_message(job),
        done=_done(request),
    )


@get("/jobs/{job_id:int}/cancel", opt=admins)
async def ask_to_cancel(request: Request[Any, Any, Any], state: State, job_id: PathId) -> Html:
    """Asks whether to cancel a job."""
    jobs: Jobs = state.jobs
    return page(request, "job-cancel.html", card=job_card(await jobs.look(job_id)))


@post("/jobs/{job_id:int}/cancel", opt=admins)
async def cancel_job(request: Request[Any, Any, Any], state: State, user: Principal, job_id: PathId) -> Html:
    """Cancels a job that waits, or asks a running one to stop."""
    await control.cancel_job(state.jobs, job_id, user)
    return see_other(request, f"/jobs/{job_id}", done="cancelled")


@post("/jobs/{job_id:int}/retry", opt=admins)
async def retry_job(request: Request[Any, Any, Any], state: State, user: Principal, job_id: PathId) -> Html:
    """Runs a job again that failed or was cancelled."""
    await control.retry_job(state.jobs, job_id, user)
    return see_other(request, f"/jobs/{job_id}", done="repeated")


@post("/jobs/{job_id:int}/dismiss", opt=admins)
async def dismiss_job(request: Request[Any, Any, Any], state: State, user: Principal, job_id: PathId) -> Html:
    """Marks a failed job as seen."""
    await control.dismiss_job(state.jobs, job_id, user)
    return see_other(request, f"/jobs/{job_id}", done="dismissed")


def _done(request: Request[Any, Any, Any]) -> Text | None:
    return _DONE.get(request.query_params.get("done", ""))


def _as_text(job: Job) -> str:
    """The result as JSON for people; empty for none."""
    if job.result is None:
        return ""
    return msgspec.json.format(msgspec.json.encode(job.result), indent=2).decode()


def _message(job: Job) -> str:
    """The message of a result; empty for a result without one."""
    text = job.result.get("message") if isinstance(job.result, dict) else None
    return text if isinstance(text, str) else ""


routes = [show_jobs, show_job, ask_to_cancel, cancel_job, retry_job, dismiss_job]
