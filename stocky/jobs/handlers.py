"""`/jobs`: long-running work, for admins."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.datastructures import State
from litestar.params import Parameter
from litestar.response import Stream

from stocky.auth.guards import admins
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.http.openapi import problem
from stocky.http.parameters import Paging, PathId
from stocky.http.routing import Router
from stocky.http.sse import EVENT_STREAM, TOO_MANY_STREAMS, event_stream
from stocky.jobs import repository
from stocky.jobs.events import follow_job
from stocky.jobs.jobs import Jobs
from stocky.jobs.schemas import Job, JobStatus

Status = Annotated[JobStatus | None, Parameter(description="Only jobs with this status, in any letter case")]
Kind = Annotated[str | None, Parameter(max_length=100, description="Only jobs of exactly this kind")]


@get("/", opt=admins)
async def list_jobs(read: Connection, paging: Paging, status: Status = None, kind: Kind = None) -> list[Job]:
    """List jobs, newest first."""
    return await repository.list_jobs(
        read, skip=paging.skip, limit=paging.limit, listing=paging, status=status, kind=kind
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
async def stream_job(state: State, user: Principal, job_id: PathId) -> Stream:
    """Stream a job as server-sent events, one per change, until it ends."""
    state.streams.admit(user.id)
    jobs: Jobs = state.jobs
    return event_stream(follow_job(jobs, state.streams, await jobs.look(job_id)))


job_routes = Router("/jobs", route_handlers=[list_jobs, get_job, stream_job], tags=["Jobs"])
