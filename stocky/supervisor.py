"""Background tasks of a process: an exception ends one round of a task, never the task.

Each cause of failure is logged once until the task works again, and failed rounds are retried with growing pauses.
A round refused during a restore does not count as failed: it is retried until the restore ends.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from stocky.errors import Paused, StockyError

FIRST_RETRY_SECONDS = 0.25
# The longest pause between failing rounds, unless a task has its own.
LAST_RETRY_SECONDS = 5.0
# A task without a finished round for this long counts as stalled in readiness and the metric.
PATIENCE_SECONDS = 120.0
# Bounds the causes stored, since a message with a number in it may produce new ones forever.
_MAX_CAUSES = 20

Round = Callable[[], Awaitable[object]]

_log = logging.getLogger(__name__)


class BackgroundTask:
    """Rounds of `work`, each followed by `wait`, from `start` to `close`.

    `patience` is the seconds that rounds may fail before the task counts as stalled and, unless `is_endless`, that one
    round may take.
    """

    def __init__(
        self, name: str, work: Round, wait: Round, *, retry_seconds: float, patience: float, is_endless: bool
    ) -> None:
        self.name = name
        self.error: str | None = None
        self._work = work
        self._wait = wait
        self._retry_seconds = retry_seconds
        self._patience = patience
        self._is_endless = is_endless
        self._failures = 0
        self._failing_since: float | None = None
        self._round_since: float | None = None
        self._causes: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    @property
    def stalled_seconds(self) -> float:
        """Seconds that it has failed or been in one round; 0 while within its patience."""
        since = [self._failing_since, None if self._is_endless else self._round_since]
        began = min((each for each in since if each is not None), default=None)
        seconds = 0.0 if began is None else time.monotonic() - began
        return seconds if seconds > self._patience else 0.0

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def worked(self) -> None:
        """Records a round that worked; an endless round calls this itself."""
        if self._failures:
            _log.info("The background task %r works again after %d failures", self.name, self._failures)
        self._failures = 0
        self._failing_since = self.error = None
        self._causes.clear()

    async def _run(self) -> None:
        while True:
            try:
                self._round_since = time.monotonic()
                await self._work()
                self.worked()
                self._round_since = None
                await self._wait()
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                # Something inside the round was cancelled, not this task.
                self._failed(error)
            except Paused:
                pass
            except Exception as error:  # noqa: BLE001 - any failure ends only this round
                self._failed(error)
            else:
                continue
            self._round_since = None
            await asyncio.sleep(min(FIRST_RETRY_SECONDS * 2.0 ** min(self._failures - 1, 20), self._retry_seconds))

    def _failed(self, error: BaseException) -> None:
        self._failures += 1
        if self._failing_since is None:
            self._failing_since = time.monotonic()
        self.error = error.detail if isinstance(error, StockyError) else f"{type(error).__name__}; see the log"
        cause = f"{type(error).__name__}: {error}"
        if cause in self._causes:
            return
        if len(self._causes) < _MAX_CAUSES:
            self._causes.add(cause)
        if isinstance(error, StockyError):
            _log.warning("The background task %r failed and will be retried: %s", self.name, error.detail)
        else:
            _log.error("The background task %r failed and will be retried", self.name, exc_info=error)


class Supervisor:
    """The background tasks on one database, by name."""

    def __init__(self) -> None:
        self.tasks: dict[str, BackgroundTask] = {}

    def task(
        self,
        name: str,
        work: Round,
        wait: Round,
        *,
        retry_seconds: float = LAST_RETRY_SECONDS,
        patience: float = PATIENCE_SECONDS,
        is_endless: bool = False,
    ) -> BackgroundTask:
        """Registers a new task, which its owner starts and closes; see BackgroundTask."""
        task = BackgroundTask(name, work, wait, retry_seconds=retry_seconds, patience=patience, is_endless=is_endless)
        self.tasks[name] = task
        return task

    def stalled(self) -> dict[str, float]:
        """The `stalled_seconds` of each task, by name."""
        return {name: task.stalled_seconds for name, task in self.tasks.items()}

    @property
    def state(self) -> str:
        """`ok`, or the stalled tasks, each with its seconds and reason."""
        stalled = [
            f"{task.name} has not worked for {task.stalled_seconds:.0f} s ({task.error or 'a round does not end'})"
            for task in self.tasks.values()
            if task.stalled_seconds
        ]
        return "; ".join(stalled) or "ok"


async def wait_for(event: asyncio.Event, seconds: float) -> None:
    """Waits for the event, at most `seconds`, and clears it."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    event.clear()
