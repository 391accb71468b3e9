"""A process that only runs jobs, of kinds that exist in tests; what it does is appended to a file line by line.

Lines that several processes append are in the order of what happened. It runs until it is killed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from stocky.config import load
from stocky.db import make_database
from stocky.errors import Unavailable
from stocky.jobs import jobs as running
from stocky.jobs import kinds
from stocky.jobs.jobs import Jobs
from stocky.jobs.kinds import KINDS, JobKind
from stocky.jobs.schemas import JobPriority
from stocky.progress import ProgressCallback

KEYS = 10
PRIORITIES = (JobPriority.HIGH, JobPriority.NORMAL, JobPriority.LOW)


def kind_of(key: int, priority: JobPriority) -> str:
    """The kind of the jobs with this key and priority."""
    return f"test.{key}.{priority.value}"


def register_kinds() -> None:
    """Adds the kinds of this worker to the registry of its process."""
    for key in range(KEYS):
        for priority in PRIORITIES:
            KINDS[kind_of(key, priority)] = JobKind(priority=priority, concurrency_key=f"test.{key}")
    KINDS["test.flaky"] = JobKind(attempts=3, concurrency_key="test.flaky")


async def main(log: Path, lease: float) -> None:
    """Runs jobs of these kinds on the database of the environment, with leases of so many seconds."""
    register_kinds()
    running.LEASE, running.RENEW_SECONDS = timedelta(seconds=lease), lease / 4  # type: ignore[assignment]
    running.LOOK_SECONDS = 0.05  # type: ignore[assignment]
    kinds.LONGEST_DELAY = timedelta(0)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(*words: object) -> None:
        os.write(descriptor, " ".join(map(str, (*words, os.getpid(), "\n"))).encode())

    async def work(parameters: dict[str, Any], report: ProgressCallback) -> None:
        note("begin", parameters["key"], parameters["rank"], parameters["number"])
        # Long enough for others to begin meanwhile.
        await asyncio.sleep(0.005)
        note("end", parameters["key"], parameters["rank"], parameters["number"])

    attempts = 0

    async def flaky(parameters: dict[str, Any], report: ProgressCallback) -> str:
        """Fails at first; the next attempt of this process never ends."""
        nonlocal attempts
        attempts += 1
        note("attempt", attempts)
        if parameters["log"] == str(log):
            if attempts == 1:
                raise Unavailable("the first attempt fails")
            await asyncio.Event().wait()
        return "succeeded"

    database = make_database(load(os.environ))
    await database.open()
    jobs = Jobs(database)
    for kind in KINDS:
        if kind.startswith("test."):
            jobs.register(kind, flaky if kind == "test.flaky" else work)
    jobs.start()
    note("ready")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2])))
