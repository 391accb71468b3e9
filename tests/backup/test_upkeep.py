"""Scheduled backups: made on time, verified, rotated, and alerted when they fail."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky import clock
from stocky.app import create_app
from stocky.auth.repository import get_user
from stocky.auth.schemas import Principal
from stocky.backup import service
from stocky.backup.store import Store
from stocky.config import Config
from stocky.db import Database
from stocky.errors import OutOfSpace
from stocky.jobs.jobs import Jobs
from stocky.jobs.repository import NewJob, add_job, claim_job
from stocky.jobs.schedule import Schedule
from stocky.worker.workspace import sweep
from tests.backup.dumps import done, finished
from tests.backup.test_dump import ignore_progress
from tests.inventory import get, made

pytestmark = pytest.mark.one_server


@pytest.fixture
async def moved(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Moves the clock: `moved(hours)`."""
    real, ahead = clock.now, timedelta()

    def now() -> datetime:
        return real() + ahead

    monkeypatch.setattr(clock, "now", now)

    def move(hours: float) -> None:
        nonlocal ahead
        ahead += timedelta(hours=hours)

    return move


async def all_ended(admin: AsyncClient, app: Litestar) -> None:
    """Queues due jobs and waits for their end."""
    await app.state.schedule.look()
    for job in await get(admin, "/jobs", kind="backup.scheduled"):
        await finished(admin, job["id"])


async def scheduled(admin: AsyncClient, app: Litestar) -> list[dict[str, Any]]:
    """The scheduled backups, after due jobs have ended."""
    await all_ended(admin, app)
    return [backup for backup in await get(admin, "/system/backup/list") if backup["reason"] == "scheduled"]


async def test_backup_is_made_daily_verified_and_rotated(app: Litestar, admin: AsyncClient, moved: Any) -> None:
    assert await scheduled(admin, app) == []
    change = {"backup_schedule_enabled": True, "backup_keep": 2, "backup_schedule_kind": "sql"}
    made(await admin.patch("/settings", json=change))
    assert await scheduled(admin, app) == [], "03:00 was before anyone asked for it"
    for day in range(1, 5):
        moved(24)
        backups = await scheduled(admin, app)
        assert len(backups) == min(day, 2)
        assert all(backup["is_good"] for backup in backups)
        assert await scheduled(admin, app) == backups, "once a day"
    assert all(datetime.fromisoformat(backup["created_at"]).tzinfo is not None for backup in backups)


async def test_increments_continue_a_whole_backup_for_some_days(app: Litestar, admin: AsyncClient, moved: Any) -> None:
    change = {"backup_schedule_enabled": True, "backup_keep": 2, "backup_schedule_kind": "sql"}
    made(await admin.patch("/settings", json=change | {"backup_incremental": True, "backup_base_days": 3}))
    # Those that are stored after each day, the newest first: the last two, and what they need.
    base, increment = False, True
    for wanted in (
        [base],
        [increment, base],
        [increment, increment, base],
        [base, increment, increment, base],
        [increment, base],
        [increment, increment, base],
    ):
        moved(24)
        backups = await scheduled(admin, app)
        assert [each["is_increment"] for each in backups] == wanted
        assert all(each["is_good"] for each in backups)


async def test_archives_are_whole_whatever_the_settings(app: Litestar, admin: AsyncClient, moved: Any) -> None:
    change = {"backup_schedule_enabled": True, "backup_schedule_kind": "archive", "backup_incremental": True}
    made(await admin.patch("/settings", json=change))
    for _ in range(2):
        moved(24)
        assert not any(each["is_increment"] for each in await scheduled(admin, app))


async def test_missed_backup_is_made_at_the_next_start(
    app: Litestar, admin: AsyncClient, config: Config, moved: Any
) -> None:
    made(await admin.patch("/settings", json={"backup_schedule_enabled": True}))
    moved(24 * 10)
    (backup,) = await scheduled(admin, app)
    assert backup["kind"] == "archive"


async def test_two_processes_make_one_backup(app: Litestar, admin: AsyncClient, config: Config, moved: Any) -> None:
    if config.dialect == "sqlite":
        pytest.skip("only one process can serve a SQLite file")
    made(await admin.patch("/settings", json={"backup_schedule_enabled": True}))
    moved(24)
    other = create_app(config)
    async with other.lifespan():
        await asyncio.gather(*(each.state.schedule.look() for each in (app, other) * 3))
        assert len(await scheduled(admin, app)) == 1
    assert len(await get(admin, "/jobs", kind="backup.scheduled")) == 1


async def test_failure_raises_an_alert_until_a_backup_succeeds(
    app: Litestar, admin: AsyncClient, config: Config, moved: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocky.jobs.kinds.LONGEST_DELAY", timedelta(0))
    made(await admin.patch("/settings", json={"backup_schedule_enabled": True}))
    if config.backup_dir.is_dir():
        config.backup_dir.rmdir()
    # A file in place of the directory: no user can write there.
    config.backup_dir.write_text("in the way")
    for _ in range(2):
        moved(24)
        await all_ended(admin, app)
    (alert,) = [each for each in await get(admin, "/alerts/") if each["alert_type"] == "backup_failed"]
    assert "backup" in alert["message"]
    config.backup_dir.unlink()
    moved(24)
    (backup,) = await scheduled(admin, app)
    assert backup["is_good"]
    assert [each for each in await get(admin, "/alerts/") if each["alert_type"] == "backup_failed"] == []


async def test_interrupted_scheduled_backup_is_made_the_same_day(
    app: Litestar, admin: AsyncClient, config: Config, database: Database, moved: Any
) -> None:
    made(await admin.patch("/settings", json={"backup_schedule_enabled": True, "backup_schedule_kind": "sql"}))
    moved(24)
    # As left by the schedule of a killed process.
    other = Jobs(database)
    await app.state.jobs.close()
    due = Schedule(other)
    due.daily("backup.scheduled", app.state.schedule._daily["backup.scheduled"])
    await due.look()
    claimed = await database.run(claim_job, "gone", clock.now() - timedelta(minutes=1), ["backup.scheduled"])
    assert claimed is not None
    app.state.jobs.start()
    (backup,) = await scheduled(admin, app)
    assert backup["is_good"]


@pytest.mark.parametrize(
    ("kind", "alert_type"),
    [("backup.scheduled", "backup_failed"), ("documents.collect", "document_cleanup_failed")],
)
async def test_repeatedly_interrupted_duty_raises_an_alert(
    app: Litestar, admin: AsyncClient, database: Database, kind: str, alert_type: str
) -> None:
    lost = NewJob(kind=kind, max_attempts=1, owner="gone", lease_until=clock.now() - timedelta(minutes=1))
    id = await database.run(add_job, lost)
    assert id is not None
    await finished(admin, id)
    (alert,) = [each for each in await get(admin, "/alerts/") if each["alert_type"] == alert_type]
    assert "interrupted" in alert["message"]


async def test_manual_backups_expire(app: Litestar, admin: AsyncClient, config: Config, moved: Any) -> None:
    made(await admin.post("/backup/create/full"))
    upkeep = app.state.backups.backups.store
    moved(23)
    assert upkeep.remove_expired() == []
    moved(2)
    assert len(upkeep.remove_expired()) == 1
    assert await get(admin, "/system/backup/list") == []


async def test_backup_kept_while_it_is_tested_stays(
    app: Litestar, admin: AsyncClient, moved: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(await admin.post("/backup/create/full"))
    backups = app.state.backups.backups
    (backup,) = await backups.list_backups()
    verify_file = service.verify_file

    async def slowly(*given: Any, **options: Any) -> service.Verification:
        moved(25)
        assert backups.store.remove_expired() == []
        await backups.keep_backup(backup.id)
        return await verify_file(*given, **options)

    monkeypatch.setattr(service, "verify_file", slowly)
    assert (await backups.verify(backup.id, ignore_progress)).is_good
    (backup,) = await backups.list_backups()
    assert backup.is_good
    assert backup.expires_at is None


@pytest.mark.parametrize("used", ["restored", "compared", "imported"])
async def test_backup_does_not_expire_while_it_is_used(
    app: Litestar, admin: AsyncClient, moved: Any, monkeypatch: pytest.MonkeyPatch, used: str
) -> None:
    id = made(await admin.post("/backup/create/full"))["backup_id"]
    administration = app.state.backups
    async with app.state.database.read() as read:
        by = Principal(await get_user(read, 1))
    name = "add" if used == "imported" else "replace"
    use = getattr(administration.restores, name)

    async def slowly(*given: Any, **options: Any) -> Any:
        moved(25)
        assert administration.backups.store.remove_expired() == []
        return await use(*given, **options)

    monkeypatch.setattr(administration.restores, name, slowly)
    if used == "imported":
        started = await administration.start_import(id, by, force=True, tables=[], accept_edited=False)
    else:
        started = await administration.start_restore(
            id, by, force=True, dry_run=used == "compared", accept_edited=False
        )
    job = await finished(admin, started.job_id)
    assert job["status"] == "done", job
    assert [each.id for each in administration.backups.store.remove_expired()] == [id]


async def test_scheduled_backups_with_problems_are_removed_too(
    app: Litestar, admin: AsyncClient, moved: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(
        await admin.patch(
            "/settings", json={"backup_schedule_enabled": True, "backup_keep": 2, "backup_schedule_kind": "sql"}
        )
    )
    moved(24)
    (good,) = await scheduled(admin, app)

    async def lacking(*given: Any, **options: Any) -> service.Verification:
        return service.Verification({}, ["The file of the document datasheet.pdf is missing"], [])

    monkeypatch.setattr(service, "verify_file", lacking)
    for _ in range(5):
        moved(24)
        newest, *earlier = await scheduled(admin, app)
        assert not newest["is_good"]
    assert [each["is_good"] for each in (newest, *earlier)] == [False, False, True]
    assert earlier[-1]["timestamp"] == good["timestamp"]
    (alert,) = [each for each in await get(admin, "/alerts/") if each["alert_type"] == "backup_failed"]
    assert alert["message"].startswith("The test restore of the scheduled backup ")
    assert alert["message"].endswith(" found problems: The file of the document datasheet.pdf is missing")


async def test_scheduled_backups_that_cannot_be_tested_are_removed_too(
    app: Litestar, admin: AsyncClient, moved: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocky.jobs.kinds.LONGEST_DELAY", timedelta(0))
    change = {"backup_schedule_enabled": True, "backup_keep": 2, "backup_schedule_kind": "sql"}
    made(await admin.patch("/settings", json=change))
    moved(24)
    (good,) = await scheduled(admin, app)

    async def full(*given: Any, **options: Any) -> service.Verification:
        raise OutOfSpace

    monkeypatch.setattr(service, "verify_file", full)
    for _ in range(2):
        moved(24)
        backups = await scheduled(admin, app)
        # Each attempt made one.
        assert [each["is_good"] for each in backups] == [False, False, True]
        assert backups[-1]["timestamp"] == good["timestamp"]
    (alert,) = [each for each in await get(admin, "/alerts/") if each["alert_type"] == "backup_failed"]
    assert "The scheduled backup failed" in alert["message"]


async def test_backups_before_restores_are_removed_without_a_schedule(admin: AsyncClient) -> None:
    made(await admin.patch("/settings", json={"backup_keep": 2}))
    id = made(await admin.post("/backup/create/full"))["backup_id"]
    safety = []
    for _ in range(4):
        result = await done(admin, await admin.post(f"/system/backup/{id}/restore?force=true"))
        safety.append(result["safety_backup"])
    stored = [each for each in await get(admin, "/system/backup/list") if each["reason"] == "before_restore"]
    assert [each["timestamp"] for each in stored] == safety[:1:-1]


async def test_restore_is_done_though_old_backups_cannot_be_removed(
    admin: AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    id = made(await admin.post("/backup/create/full"))["backup_id"]

    def fail(*given: Any) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr(Store, "keep_last", fail)
    await done(admin, await admin.post(f"/system/backup/{id}/restore?force=true"))
    assert "Old backups made before restores were not removed" in caplog.text


async def test_newest_verified_backup_is_in_the_metrics(
    app: Litestar, admin: AsyncClient, root: AsyncClient, moved: Any
) -> None:
    made(await admin.patch("/settings", json={"backup_schedule_enabled": True}))
    moved(24)
    (backup,) = await scheduled(admin, app)
    text = (await root.get("/metrics")).text
    line = next(each for each in text.splitlines() if each.startswith("stocky_backup_verified_timestamp_seconds "))
    made_at = datetime.fromisoformat(backup["created_at"]).astimezone(UTC)
    assert float(line.split()[1]) == pytest.approx(made_at.timestamp(), abs=1)
    assert "stocky_backups_stored 1.0" in text


def test_leftovers_of_a_killed_backup_are_removed_at_start(config: Config) -> None:
    left = config.backup_dir / ".work-abandoned"
    left.mkdir(parents=True)
    (left / "owner").touch()
    (left / "copy.db").write_bytes(b"x" * 100)
    assert sweep(config.backup_dir) == 1
    assert list(config.backup_dir.iterdir()) == []
