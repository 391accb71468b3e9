"""Responses about jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from stocky.schema import AnyCase


class JobStatus(AnyCase):
    """The status of a job. A failed job is not retried by itself."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED)


class JobPriority(AnyCase):
    """Which of the waiting jobs is claimed first."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @property
    def rank(self) -> int:
        """Its number in the database; the lowest is claimed first."""
        return _RANKS.index(self)

    @classmethod
    def ranked(cls, rank: int) -> JobPriority:
        return _RANKS[rank]


_RANKS = [JobPriority.HIGH, JobPriority.NORMAL, JobPriority.LOW]


class WaitReason(AnyCase):
    """Why a job waits."""

    TURN = "turn"
    KEY = "key"
    TIME = "time"


class Progress(Struct, frozen=True):
    """A job's progress: `done` of `total` units, if the total is known. A job that is done has 100 percent."""

    phase: Annotated[str, Meta(examples=["dumping"])] = ""
    done: int = 0
    total: int | None = None
    unit: Annotated[str, Meta(examples=["rows"])] = ""
    percent: float | None = None

    @classmethod
    def of(cls, phase: str, done: int, total: int | None, unit: str) -> Progress:
        percent = None if not total else round(min(100.0, 100 * done / total), 1)
        return cls(phase, done, total, unit, percent)

    def completed(self) -> Progress:
        """The progress of a job that is done, also if the last units, or none at all, were reported."""
        done = self.done if self.total is None else max(self.done, self.total)
        return Progress(self.phase, done, self.total, self.unit, 100.0)


class JobPhase(Struct, frozen=True):
    """A phase of a job. One that was not needed counts as done when a later one has begun."""

    name: Annotated[str, Meta(examples=["dumping"])]
    state: Literal["done", "current", "failed", "waiting"]


class Job(Struct, kw_only=True):
    """Long-running work. `result` is its outcome, `error` the reason of its failure."""

    id: int
    kind: Annotated[str, Meta(examples=["backup.create"])]
    status: JobStatus
    progress: Progress
    result: Any
    error: str | None
    error_status: Annotated[int | None, Meta(description="The HTTP status of the error")]
    attempts: int
    max_attempts: int
    priority: JobPriority
    concurrency_key: Annotated[
        str | None, Meta(examples=["import"], description="Of the queued jobs with this key one runs at a time")
    ]
    waits_for: Annotated[WaitReason | None, Meta(description="Why it waits; null for a job that does not")]
    next_attempt_at: Annotated[
        datetime | None, Meta(description="The earliest moment of its next attempt; null for a job that does not wait")
    ]
    cancel_requested_at: Annotated[datetime | None, Meta(description="When a user asked to stop it")]
    dismissed_at: Annotated[datetime | None, Meta(description="When a user dismissed its failure")]
    can_cancel: Annotated[bool, Meta(description="Whether it can be cancelled now")]
    can_retry: Annotated[bool, Meta(description="Whether it has ended without success, and its kind can be run again")]
    created_by: Annotated[str | None, Meta(description="The username; null for Stocky itself")]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    phases: Annotated[list[JobPhase], Meta(description="All phases in order; `progress` is that of the current one")]
    dry_run: Annotated[bool, Meta(description="Whether it changes nothing")]
    backup_id: Annotated[str | None, Meta(description="The `timestamp` of the stored backup that it works on")] = None
