"""Off-site copies of a running Stocky: made by jobs, listed, watched, and fetched back to be restored."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky import clock
from stocky.backup.offsite import upkeep
from stocky.backup.offsite.service import Offsite
from stocky.backup.offsite.upkeep import OLD, OffsiteUpkeep
from stocky.backup.service import Backups
from stocky.config import Config
from stocky.metrics import Metrics
from tests.architecture import schema
from tests.backup.dumps import done, finished
from tests.cli.running import stocky
from tests.inventory import Json, get, made, new_item, refused


@pytest.fixture
def environ(environ: dict[str, str], offsite_environ: dict[str, str]) -> dict[str, str]:
    return environ | offsite_environ


async def copied(admin: AsyncClient, app: Litestar) -> list[Json]:
    """The jobs of copying, newest first, once nothing is outstanding that can be copied now."""
    while True:
        await app.state.offsite.look()
        for job in await get(admin, "/jobs", kind="backup.offsite"):
            await finished(admin, job["id"])
        if not await app.state.backups.offsite.has_work():
            jobs: list[Json] = await get(admin, "/jobs", kind="backup.offsite")
            return jobs


async def metric(root: AsyncClient, name: str) -> float:
    """The value of a metric without labels."""
    lines = (await root.get("/metrics")).text.splitlines()
    return next(float(each.split()[1]) for each in lines if each.startswith(f"{name} "))


def later(monkeypatch: pytest.MonkeyPatch, **more: float) -> None:
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(**more))


async def test_stored_backup_is_copied_listed_fetched_and_restored(
    app: Litestar, admin: AsyncClient, root: AsyncClient, environ: dict[str, str]
) -> None:
    await new_item(admin, "Before")
    backup = await done(admin, await admin.post("/system/backup", json={"kind": "archive", "verify": True}))
    (destination,) = environ["STOCKY_OFFSITE_URL"].split()
    assert [each["destination"] for each in backup["offsite"]] == [destination]
    job = (await copied(admin, app))[0]
    assert (job["status"], job["created_by"]) == ("done", None)
    assert [each["name"] for each in job["phases"]] == ["uploading", "reading back", "tidying up"]
    (stored,) = await get(admin, "/system/backup/list")
    (mark,) = stored["offsite"]
    assert (mark["state"], mark["error"]) == ("copied", None)
    assert mark["copied_at"] is not None
    (listing,) = await get(admin, "/system/offsite")
    assert (listing["destination"], listing["error"]) == (destination, None)
    (copy,) = listing["backups"]
    assert (copy["filename"], copy["stored_as"], copy["is_good"]) == (backup["filename"], backup["timestamp"], True)
    assert (await get(root, "/health/ready"))["details"]["offsite"] == "ok"
    assert 0 <= await metric(root, "stocky_offsite_copied_age_seconds") < 3_600
    assert await metric(root, "stocky_offsite_destinations_failing") == 0

    await admin.delete(f"/system/backup/{backup['timestamp']}")
    await new_item(admin, "After")
    assert (await get(admin, "/system/offsite"))[0]["backups"][0]["stored_as"] is None
    assert await metric(root, "stocky_offsite_copied_age_seconds") < 3_600, "the copy outlasts the backup"
    fetched = await done(admin, await admin.post("/system/offsite/fetch", json={"filename": backup["filename"]}))
    assert (fetched["reason"], fetched["sha256"]) == ("fetched", backup["sha256"])
    assert fetched["expires_at"] is not None
    assert next(each["action"] for each in await get(admin, "/audit/", subject="backup")) == "fetched"
    await done(admin, await admin.post(f"/system/backup/{fetched['timestamp']}/restore?force=true"))
    assert [each["name"] for each in await get(admin, "/items/")] == ["Before"]
    # The backup of the data before the restore is copied, too; the fetched one is not copied back.
    await copied(admin, app)
    (listing,) = await get(admin, "/system/offsite")
    assert [each["reason"] for each in listing["backups"]] == ["before_restore", "manual"]


@pytest.mark.one_database
async def test_backup_made_by_the_command_is_copied(app: Litestar, admin: AsyncClient, environ: dict[str, str]) -> None:
    assert (await asyncio.to_thread(stocky, environ, "backup")).returncode == 0
    await copied(admin, app)
    (stored,) = await get(admin, "/system/backup/list")
    assert (stored["reason"], stored["offsite"][0]["state"]) == ("command_line", "copied")


@pytest.mark.one_database
async def test_increment_is_fetched_with_its_chain(app: Litestar, admin: AsyncClient, config: Config) -> None:
    chain = []
    for name in ("Tea", "Coffee", "Flour"):
        await new_item(admin, name)
        body = {"kind": "sql", "incremental": True, "verify": True}
        chain.append(await done(admin, await admin.post("/system/backup", json=body)))
    await copied(admin, app)
    for each in reversed(chain):
        assert (await admin.delete(f"/system/backup/{each['timestamp']}")).status_code == 204
    last = chain[-1]
    fetched = await done(admin, await admin.post("/system/offsite/fetch", json={"filename": last["filename"]}))
    assert (fetched["is_increment"], fetched["is_good"], fetched["sha256"]) == (True, True, last["sha256"])
    listed = await get(admin, "/system/backup/list")
    assert [each["sha256"] for each in listed] == [each["sha256"] for each in reversed(chain)]
    await new_item(admin, "Lost")
    await done(admin, await admin.post(f"/system/backup/{fetched['timestamp']}/restore?force=true"))
    assert {each["name"] for each in await get(admin, "/items/")} == {"Tea", "Coffee", "Flour"}


async def test_unknown_copies_cannot_be_fetched(admin: AsyncClient, member: AsyncClient) -> None:
    name = "stocky_backup_20260101_000000.sql.gz"
    refused(await admin.post("/system/offsite/fetch", json={"filename": "../secret-key"}), 404, "no off-site copy")
    other = {"filename": name, "destination": "s3://another/bucket"}
    refused(await admin.post("/system/offsite/fetch", json=other), 404, "no off-site destination")
    refused(await admin.post("/system/offsite/fetch", json={"filename": name, "more": 1}), 422)
    refused(await member.post("/system/offsite/fetch", json={"filename": name}), 403, "Access denied")
    job = await finished(admin, made_job(await admin.post("/system/offsite/fetch", json={"filename": name})))
    assert (job["status"], job["error_status"]) == ("failed", 404)


@pytest.mark.one_database
async def test_cancelled_copying_waits(app: Litestar, admin: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()

    async def copy_for_ever(*_: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as slow:
        slow.setattr(app.state.backups.offsite, "copy_outstanding", copy_for_ever)
        await done(admin, await admin.post("/system/backup", json={"kind": "sql"}))
        await app.state.offsite.look()
        await begun.wait()
        (job,) = await get(admin, "/jobs", kind="backup.offsite")
        assert (await admin.post(f"/jobs/{job['id']}/cancel")).status_code == 202
        assert (await finished(admin, job["id"]))["status"] == "cancelled"
    other = OffsiteUpkeep(app.state.backups.offsite, app.state.database, app.state.jobs, Metrics())
    for process in (app.state.offsite, other):
        await process.look()
    assert len(await get(admin, "/jobs", kind="backup.offsite")) == 1
    monkeypatch.setattr(upkeep, "PAUSE", timedelta(0))
    assert [each["status"] for each in await copied(admin, app)] == ["done", "cancelled"]


def made_job(answer: Any) -> int:
    assert answer.status_code == 202, answer.text
    id: int = answer.json()["job_id"]
    return id


class TestShare:
    """A share that is not mounted."""

    @pytest.fixture
    def offsite_environ(self, share: Path) -> dict[str, str]:
        share.rmdir()
        return {"STOCKY_OFFSITE_URL": f"file://{share}"}

    @pytest.mark.one_database
    async def test_failure_raises_one_alert_until_it_is_mounted_again(
        self,
        app: Litestar,
        admin: AsyncClient,
        root: AsyncClient,
        share: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        backup = made(await admin.post("/backup/create/full"))
        jobs = await copied(admin, app)
        assert jobs[0]["status"] == "failed"
        assert "mount the share" in jobs[0]["error"]
        (alert,) = await get(admin, "/alerts/")
        assert alert["alert_type"] == "offsite_failed"
        assert alert["message"].startswith(f"Backups are not copied off site: {share} does not exist")
        (stored,) = await get(admin, "/system/backup/list")
        (mark,) = stored["offsite"]
        assert (mark["state"], mark["copied_at"]) == ("failed", None)
        assert "mount the share" in mark["error"]
        assert "backups are not copied" in (await get(root, "/health/ready"))["details"]["offsite"]
        assert await metric(root, "stocky_offsite_destinations_failing") == 1
        assert math.isinf(await metric(root, "stocky_offsite_copied_age_seconds"))
        (listing,) = await get(admin, "/system/offsite")
        assert "mount the share" in listing["error"]
        # It has expired, but is not lost before it is copied.
        later(monkeypatch, hours=25)
        assert app.state.backups.backups.store.remove_expired() == []
        await copied(admin, app)
        assert len(await get(admin, "/alerts/")) == 1
        await asyncio.to_thread(share.mkdir)
        later(monkeypatch, minutes=16)
        await copied(admin, app)
        assert await get(admin, "/alerts/") == []
        (stored,) = await get(admin, "/system/backup/list")
        assert (stored["timestamp"], stored["offsite"][0]["state"]) == (backup["backup_id"], "copied")
        assert len(app.state.backups.backups.store.remove_expired()) == 1

    async def test_one_webhook_is_sent_whatever_process_notices_the_failure(
        self, app: Litestar, admin: AsyncClient, config: Config
    ) -> None:
        made(await admin.post("/backup/create/full"))
        await copied(admin, app)
        # Of other workers, or after a restart.
        for _ in range(2):
            other = Offsite(config, Backups(config))
            await OffsiteUpkeep(other, app.state.database, app.state.jobs, Metrics()).look()
        sent = "SELECT count(*) FROM webhook_news WHERE event_type = 'backup.failed'"
        assert await schema.run_beside(config, sent) == [(1,)]
        assert len(await get(admin, "/alerts/")) == 1

    @pytest.mark.one_database
    async def test_old_copies_are_named_in_readiness(
        self, app: Litestar, admin: AsyncClient, root: AsyncClient, share: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await asyncio.to_thread(share.mkdir)
        await copied(admin, app)
        assert (await get(root, "/health/ready"))["details"]["offsite"] == "there is no copy yet"
        made(await admin.post("/backup/create/full"))
        await copied(admin, app)
        later(monkeypatch, days=OLD.days + 1)
        assert (await get(root, "/health/ready"))["details"]["offsite"] == f"the newest copy is {OLD.days + 1} days old"


class TestNone:
    """No destination is configured."""

    @pytest.fixture
    def offsite_environ(self) -> dict[str, str]:
        return {}

    @pytest.mark.one_database
    async def test_nothing_changes_without_a_destination(
        self, app: Litestar, admin: AsyncClient, root: AsyncClient
    ) -> None:
        made(await admin.post("/backup/create/full"))
        (stored,) = await get(admin, "/system/backup/list")
        assert stored["offsite"] == []
        assert await get(admin, "/system/offsite") == []
        assert "offsite" not in (await get(root, "/health/ready"))["details"]
        assert "stocky_offsite" not in (await root.get("/metrics")).text
        assert "off-site copies" not in app.state.supervisor.tasks
        name = {"filename": "stocky_backup_20260101_000000.sql.gz"}
        refused(await admin.post("/system/offsite/fetch", json=name), 404, "STOCKY_OFFSITE_URL")
