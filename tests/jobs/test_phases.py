"""The phases of jobs: the registry names every kind and every phase that the code reports, and no other."""

from __future__ import annotations

import ast
import asyncio
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.jobs.jobs import Jobs
from stocky.jobs.phases import DRY_RUNS, PHASES, VERIFIED, Phase, is_dry_run, phases_of
from stocky.jobs.schemas import JobStatus, Progress
from stocky.progress import ProgressCallback
from tests.architecture.source import modules
from tests.backup.dumps import finished
from tests.inventory import get, made, new_item

LISTS = [*PHASES.values(), *DRY_RUNS.values(), *VERIFIED.values()]
RESTORE = ["loading", "building indexes", "checking", "backing up the current data", "replacing"]
COPYING = ["copying", "indexing the copy"]


def _reported() -> set[str]:
    """The first arguments of all calls of `report` and `self._report`."""
    found = set()
    for tree in modules().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name in ("report", "_report"):
                    found.add(node.args[0].value)
    return found


def test_registry_has_the_phases_that_the_code_reports() -> None:
    registered = {name for phases in LISTS for each in phases for name in (each.name, *each.during)}
    assert registered == _reported()


def test_names_of_a_kind_are_distinct() -> None:
    for phases in LISTS:
        names = [each.name for each in phases]
        assert len(set(names)) == len(names)


@pytest.mark.one_database
async def test_registry_has_every_kind_of_job(app: Litestar) -> None:
    registered = set(app.state.jobs._functions)
    assert registered <= PHASES.keys()
    # The rest are run at once: by the administration of backups, and at the first start.
    assert {kind.partition(".")[0] for kind in PHASES.keys() - registered} == {"backup", "demo"}


def _states(kind: str, phase: str, status: JobStatus = JobStatus.RUNNING, **parameters: Any) -> list[str]:
    found = phases_of(kind, parameters, "postgres", status, Progress(phase))
    return [f"{each.name}: {each.state}" for each in found if each.state != "waiting"]


def test_phases_before_the_current_one_are_done() -> None:
    assert _states("reorg.plan", "") == []
    assert _states("reorg.plan", "reading") == ["reading: current"]
    assert _states("reorg.plan", "planning") == ["reading: done", "planning: current"]
    assert _states("reorg.plan", "reading", JobStatus.FAILED) == ["reading: failed"]
    assert _states("reorg.plan", "planning", JobStatus.QUEUED) == []
    assert _states("reorg.plan", "", JobStatus.DONE) == ["reading: done", "planning: done"]
    assert _states("backup.restore", "dumping")[-1] == "backing up the current data: current"
    assert _states("unknown", "reading") == []


def test_phases_depend_on_what_the_job_does() -> None:
    def names(kind: str, dialect: str = "sqlite", **parameters: Any) -> list[str]:
        return [each.name for each in phases_of(kind, parameters, dialect, JobStatus.QUEUED, Progress())]

    assert names("backup.restore", documents=False) == RESTORE
    assert names("backup.restore") == [*RESTORE[:3], "restoring documents", *RESTORE[3:]]
    assert names("backup.restore", "postgres", documents=False) == [*RESTORE[:3], *COPYING, *RESTORE[3:]]
    assert names("backup.restore", dry_run=True) == [*RESTORE[:3], "comparing"]
    assert names("import.csv", options={"dry_run": True}) == ["checking"]
    assert names("import.csv", options={"dry_run": False}) == ["checking", "writing"]
    assert names("backup.create", documents=False, verify=True) == ["dumping", *RESTORE[:3]]
    assert is_dry_run({"options": {"dry_run": True}})
    assert Phase("a") not in PHASES["backup.create"]


async def test_running_job_shows_its_phases(app: Litestar, admin: AsyncClient) -> None:
    jobs: Jobs = app.state.jobs
    going_on = asyncio.Event()

    async def work(report: ProgressCallback) -> None:
        report("dumping", 1, 4, "rows")
        await going_on.wait()

    job = await jobs.run_here("backup.create", work, by=None, parameters={"documents": True})
    await asyncio.sleep(0)
    shown = await get(admin, f"/jobs/{job.id}")
    assert shown["phases"] == [
        {"name": "dumping", "state": "current"},
        {"name": "adding documents", "state": "waiting"},
    ]
    assert (shown["progress"]["percent"], shown["dry_run"]) == (25, False)
    going_on.set()
    await jobs.finished(job.id)
    shown = await finished(admin, job.id)
    assert {each["state"] for each in shown["phases"]} == {"done"}


async def test_restore_passes_through_its_phases_in_order(
    app: Litestar, admin: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await new_item(admin)
    backup = made(await admin.post("/backup/create/full"))["backup_id"]
    reported: list[str] = []
    restores = app.state.backups.restores
    replace = restores.replace

    async def noting(file: Any, report: ProgressCallback, **options: Any) -> Any:
        def note(phase: str, *counts: Any) -> None:
            if phase not in reported:
                reported.append(phase)
            report(phase, *counts)

        return await replace(file, note, **options)

    monkeypatch.setattr(restores, "replace", noting)
    for query, is_dry in (("dry_run=true", True), ("force=true", False)):
        reported.clear()
        started = await admin.post(f"/system/backup/{backup}/restore?{query}")
        assert started.status_code == 202, started.text
        job = await finished(admin, started.json()["job_id"])
        assert job["status"] == "done", job
        assert job["dry_run"] is is_dry
        expected = [each["name"] for each in job["phases"]]
        assert [each for each in reported if each != "dumping"] == expected
        assert expected[-1] == ("comparing" if is_dry else "replacing")
