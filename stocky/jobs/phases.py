"""The phases of each kind of job, in order: the names that its work reports, and no others.

`tests/jobs/test_phases.py` compares them with the code, so that a page can show all phases before they come.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from stocky.jobs.schemas import JobPhase, JobStatus, Progress


class Phase(Struct, frozen=True):
    """One phase. `during` are phases of a part of the work that are reported meanwhile.

    `only` limits it to Postgres, or to backups with documents.
    """

    name: str
    during: tuple[str, ...] = ()
    only: Literal["postgres", "documents"] | None = None


_DUMP = (Phase("dumping"), Phase("adding documents", only="documents"))
_LOAD = (Phase("loading", during=("decrypting",)), Phase("building indexes"), Phase("checking"))
_COMPARE = (*_LOAD, Phase("comparing"))

PHASES: dict[str, tuple[Phase, ...]] = {
    "alerts.look": (Phase("checking"),),
    "alerts.loans": (Phase("checking"),),
    "backup.create": _DUMP,
    "backup.fetch": (Phase("fetching"),),
    "backup.import": (*_LOAD, Phase("adding rows")),
    "backup.offsite": (Phase("uploading"), Phase("reading back"), Phase("tidying up")),
    "backup.restore": (
        *_LOAD,
        Phase("restoring documents", only="documents"),
        Phase("copying", only="postgres"),
        Phase("indexing the copy", only="postgres"),
        Phase("backing up the current data", during=("dumping",)),
        Phase("replacing"),
    ),
    "backup.scheduled": (*_DUMP, *_LOAD),
    "backup.validate": _COMPARE,
    "backup.verify": _LOAD,
    "catalogue.bump": (Phase("changing"),),
    "demo.fill": (Phase("items"), Phase("events")),
    "documents.collect": (Phase("looking"), Phase("deleting")),
    # One that fails late is rolled back.
    "import.csv": (Phase("checking"), Phase("writing", during=("rolling back",))),
    "lookup.missing": (Phase("looking up"),),
    "lookup.stubs": (Phase("looking up"),),
    "reorg.plan": (Phase("reading"), Phase("planning")),
}
# The same with `verify`, where that differs.
VERIFIED: dict[str, tuple[Phase, ...]] = {"backup.create": PHASES["backup.scheduled"]}
# The same with `dry_run`, where that differs.
DRY_RUNS: dict[str, tuple[Phase, ...]] = {"backup.restore": _COMPARE, "import.csv": (Phase("checking"),)}


def is_dry_run(parameters: dict[str, Any]) -> bool:
    """Whether the parameters of a job, or its options, have `dry_run`."""
    return bool(parameters.get("dry_run") or parameters.get("options", {}).get("dry_run"))


def phases_of(
    kind: str, parameters: dict[str, Any], dialect: str, status: JobStatus, progress: Progress
) -> list[JobPhase]:
    """The phases of a job with their states; none for a kind without phases.

    Parameters without `documents` are of a job that may have some: their phase is listed.
    """
    wanted = DRY_RUNS.get(kind) if is_dry_run(parameters) else VERIFIED.get(kind) if parameters.get("verify") else None
    phases = [each for each in wanted or PHASES.get(kind, ()) if _applies(each, parameters, dialect)]
    # The last of the phases that report this name: of work that is done again inside of another phase.
    named = [number for number, each in enumerate(phases) if progress.phase in (each.name, *each.during)]
    current = max(named, default=-1) if status is not JobStatus.QUEUED else -1
    at_current: Literal["current", "failed"] = "failed" if status is JobStatus.FAILED else "current"
    return [
        JobPhase(
            each.name,
            "done" if status is JobStatus.DONE or number < current else at_current if number == current else "waiting",
        )
        for number, each in enumerate(phases)
    ]


def _applies(phase: Phase, parameters: dict[str, Any], dialect: str) -> bool:
    if phase.only == "postgres":
        return dialect == "postgres"
    return phase.only is None or bool(parameters.get("documents", True))
