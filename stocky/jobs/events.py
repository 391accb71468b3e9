"""A job's progress as server-sent events; the stream ends with the job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress

import msgspec

from stocky.db.maintenance_gate import request_epoch
from stocky.errors import Unavailable
from stocky.http.sse import HEARTBEAT_SECONDS, Permission, Streams, comment, event
from stocky.jobs.jobs import Jobs
from stocky.jobs.kinds import kind_named
from stocky.jobs.schemas import Job

LOOK_SECONDS = 0.25


async def follow_job(
    jobs: Jobs, streams: Streams, job: Job, admit: Callable[[], Awaitable[None]]
) -> AsyncGenerator[bytes]:
    """Yields the job after every change, and finally when it has ended.

    Ends when Stocky stops, and when `admit` raises Unauthorized or Forbidden.
    """
    # The job may be a restore: its stream has to outlive the replaced data.
    request_epoch.set(None)
    epoch, permission = jobs.database.gate.epoch, Permission(admit)
    with streams.open() as bell:
        number, silent = 0, 0.0
        last: Job | None = None
        while not streams.ending and (await permission.lasts() or _has_ended_sessions(jobs, job, epoch)):
            if job != last:
                number += 1
                yield event(number, msgspec.json.encode(job))
                last, silent = job, 0.0
            elif silent >= HEARTBEAT_SECONDS:
                yield comment("still here")
                silent = 0.0
            if job.status.is_final:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await bell.wait()
            silent += LOOK_SECONDS
            # The database cannot be read while a restore replaces its data.
            with suppress(Unavailable):
                job = await jobs.look(job.id)


def _has_ended_sessions(jobs: Jobs, job: Job, epoch: int) -> bool:
    """Whether the job has replaced the data since `epoch`, and with it all sessions: its stream still has its end."""
    return kind_named(job.kind).ends_sessions and jobs.database.gate.epoch != epoch
