"""Jobs: those that run, their progress and their results; nothing is changed here."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get
from litestar.datastructures import State

from stocky.auth.guards import admins
from stocky.db import Connection
from stocky.http.parameters import PathId, Skip
from stocky.jobs import repository
from stocky.jobs.jobs import Jobs
from stocky.jobs.schemas import Job, JobStatus
from stocky.pages.job_words import KINDS, STATUSES, job_card
from stocky.pages.rendering import Html, page

_PAGE = 50


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
    found = await repository.list_jobs(read, skip=skip, limit=_PAGE + 1, status=status, kind=kind)
    jobs: Jobs = state.jobs
    # The progress of this process's own jobs is newer than the database's.
    shown = [each if each.status.is_final else await jobs.look(each.id) for each in found[:_PAGE]]
    return page(
        request,
        "jobs.html",
        cards=[job_card(each) for each in shown],
        running_id=next((each.id for each in shown if not each.status.is_final), None),
        wanted="" if status is None else status.value,
        statuses=[(each.value, STATUSES[each]) for each in JobStatus],
        kind=kind or "",
        kinds=sorted(KINDS.items()),
        skip=skip,
        size=_PAGE,
        has_more=len(found) > _PAGE,
    )


@get("/jobs/{job_id:int}", opt=admins)
async def show_job(request: Request[Any, Any, Any], state: State, job_id: PathId) -> Html:
    """A job with its progress, live, and its result."""
    jobs: Jobs = state.jobs
    job = await jobs.look(job_id)
    return page(request, "job.html", card=job_card(job), job=job, result=_as_text(job), message=_message(job))


def _as_text(job: Job) -> str:
    """The result as JSON for people; empty for none."""
    if job.result is None:
        return ""
    return msgspec.json.format(msgspec.json.encode(job.result), indent=2).decode()


def _message(job: Job) -> str:
    """The message of a result; empty for a result without one."""
    text = job.result.get("message") if isinstance(job.result, dict) else None
    return text if isinstance(text, str) else ""


routes = [show_jobs, show_job]
