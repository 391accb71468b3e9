"""Jobs as they are answered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from stocky.schema import AnyCase


class JobStatus(AnyCase):
    """Where a job stands. A failed one is not tried again by itself."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        return self in (JobStatus.DONE, JobStatus.FAILED)


class Progress(Struct, frozen=True):
    """How far a job is: `done` of `total` units, where the total is known. A job that is done is at 100 percent."""

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
        """As it is when the job is done, also where the last units were not reported or none was counted."""
        done = self.done if self.total is None else max(self.done, self.total)
        return Progress(self.phase, done, self.total, self.unit, 100.0)


class Job(Struct, kw_only=True):
    """Something that takes a while. `result` is what came of it, `error` why nothing did."""

    id: int
    kind: Annotated[str, Meta(examples=["backup.create"])]
    status: JobStatus
    progress: Progress
    result: Any
    error: str | None
    error_status: Annotated[int | None, Meta(description="The HTTP status that stands for the error")]
    attempts: int
    created_by: Annotated[str | None, Meta(description="A username; null is Stocky itself")]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
