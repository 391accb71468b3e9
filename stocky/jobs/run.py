"""One job that runs in this process: its progress, its outcome, and how a user stops it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from stocky.jobs.kinds import reason_not_to_stop
from stocky.jobs.repository import ClaimedJob
from stocky.jobs.schemas import Progress
from stocky.progress import ProgressCallback

BoundFunction = Callable[[ProgressCallback], Awaitable[Any]]

_log = logging.getLogger(__name__)


class CancelledByUser(Exception):
    """A user stopped the job."""


class Run:
    """A job that runs in this process."""

    def __init__(self, job: ClaimedJob, *, is_claimed: bool = True) -> None:
        self.job = job
        # Another process never runs a job that was not claimed.
        self.is_claimed = is_claimed
        self.is_abandoned = False
        self.task: asyncio.Task[None] | None = None
        self.progress = Progress()
        self.is_stored = True
        self.outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        # Marks the exception as retrieved: not every job has a caller that awaits it.
        self.outcome.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._is_stopped = job.cancel_requested_at is not None
        # While its work runs; before and after it there is nothing to stop.
        self._working: asyncio.Task[Any] | None = None
        self._has_worked = False

    def report(self, phase: str, done: int, total: int | None, unit: str) -> None:
        self.progress = Progress.of(phase, done, total, unit)
        self.is_stored = False

    def reason_not_to_stop(self) -> str | None:
        """Why the job cannot be stopped now, for people; None if it can."""
        if self._has_worked:
            return "it is ending"
        job = self.job
        return reason_not_to_stop(job.kind, job.parameters, self.progress.phase, job.attempts)

    def stop(self) -> None:
        """Stops the work, at once or before it begins."""
        if not self._is_stopped:
            self._is_stopped = True
            if self._working is not None:
                self._working.cancel()

    async def do(self, work: BoundFunction) -> Any:
        """The result of the work. Raises CancelledByUser when it was stopped, also if its clean-up failed."""
        task = asyncio.current_task()
        assert task is not None
        if self._is_stopped and self.reason_not_to_stop() is None:
            if self.job.cancel_requested_at is not None:
                self._has_worked = True
                raise CancelledByUser
            # The work begins, since it may have to release what was prepared for it.
            task.cancel()
        else:
            self._is_stopped = False
        self._working = task
        try:
            return await work(self.report)
        except asyncio.CancelledError:
            # Otherwise Stocky is stopping, which may also happen while a stopped job cleans up.
            if self._is_stopped and task.uncancel() == 0:
                raise CancelledByUser from None
            raise
        except Exception:
            if not self._is_stopped:
                raise
            _log.warning("Job %d (%s) failed when it was cancelled", self.job.id, self.job.kind, exc_info=True)
            task.uncancel()
            raise CancelledByUser from None
        finally:
            self._working, self._has_worked = None, True
