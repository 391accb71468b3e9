"""`/jobs`: long-running work, which admins see, cancel and run again."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from litestar import get, post
from litestar.datastructures import State
from litestar.params import Parameter
from litestar.response import Stream

from stocky.auth.guards import admins, authorize
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.http.openapi import problem
from stocky.http.parameters import Paging, PathId
from stocky.http.request import StockyRequest
from stocky.http.routing import Router
from stocky.http.sse import EVENT_STREAM, TOO_MANY_STREAMS, event_stream
from stocky.jobs import control, repository
from stocky.jobs.events import follow_job
from stocky.jobs.jobs import Jobs
from stocky.jobs.schemas import Job, JobStatus

Status = Annotated[JobStatus | None, Parameter(description="Only jobs with this status, in any letter case")]
Kind = Annotated[str | None, Parameter(max_length=100, description="Only jobs of exactly this kind")]
Dismissed = Annotated[
    bool | None,
    Parameter(description="`true`: only jobs whose failure a user dismissed; `false`: only the others"),
]


@get("/", opt=admins)
async def list_jobs(
    read: Connection, paging: Paging, status: Status = None, kind: Kind = None, dismissed: Dismissed = None
) -> list[Job]:
    """List jobs, newest first."""
    return await repository.list_jobs(
        read, skip=paging.skip, limit=paging.limit, listing=paging, status=status, kind=kind, dismissed=dismissed
    )


@get("/{job_id:int}", opt=admins)
async def get_job(state: State, job_id: PathId) -> Job:
    """Get a job: its progress, and its result when it has ended."""
    jobs: Jobs = state.jobs
    return await jobs.look(job_id)


@get(
    "/{job_id:int}/events",
    opt=admins,
    media_type=EVENT_STREAM,
    responses={429: problem(TOO_MANY_STREAMS)},
)
async def stream_job(request: StockyRequest, state: State, job_id: PathId) -> Stream:
    """Stream a job as server-sent events, one per change, until it ends."""
    state.streams.admit(request.user.id)
    jobs: Jobs = state.jobs
    return event_stream(follow_job(jobs, state.streams, await jobs.look(job_id), partial(authorize, request)))


@post("/{job_id:int}/cancel", opt=admins, status_code=202)
async def cancel_job(state: State, user: Principal, job_id: PathId) -> Job:
    """Cancel a job that waits, or ask a running one to stop; it is `cancelled` when it has cleaned up.

    409 when it has ended, or cannot be stopped any more, as a restore that replaces the data.
    """
    return await control.cancel_job(state.jobs, job_id, user)


@post("/{job_id:int}/retry", opt=admins, status_code=202)
async def retry_job(state: State, user: Principal, job_id: PathId) -> Job:
    """Queue a job that failed or was cancelled again, with the same parameters and all its attempts.

    409 when it did not fail, when its kind cannot be repeated, or when its file is gone.
    """
    return await control.retry_job(state.jobs, job_id, user)


@post("/{job_id:int}/dismiss", opt=admins, status_code=200)
async def dismiss_job(state: State, user: Principal, job_id: PathId) -> Job:
    """Mark a failed job, and the earlier failures of its kind, as seen: their notice ends. 409 when it did not fail.

    They are removed as other jobs are.
    """
    return await control.dismiss_job(state.jobs, job_id, user)


job_routes = Router(
    "/jobs",
    route_handlers=[list_jobs, get_job, stream_job, cancel_job, retry_job, dismiss_job],
    tags=["Jobs"],
)
