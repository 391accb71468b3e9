"""The clock was a year ahead and went back: no new backup is lost, schedules run, and an alert is raised."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky import clock
from stocky.auth import credentials
from stocky.backup.store import ID_FORMAT, Kind, Reason, Store, StoredBackup
from stocky.errors import Unauthorized
from tests.backup.dumps import finished
from tests.inventory import get, made

pytestmark = pytest.mark.one_server
Move = Callable[[timedelta], None]
YEAR, DAY = timedelta(days=365), timedelta(days=1)
KEY = "a key for tests only, long enough for all"


@pytest.fixture
def move(monkeypatch: pytest.MonkeyPatch) -> Move:
    """Sets the clock ahead, or back when negative. `tests.faults clock` runs a whole process under a wrong clock."""
    real, ahead = clock.now, timedelta()

    def set_ahead(by: timedelta) -> None:
        nonlocal ahead
        ahead += by

    monkeypatch.setattr(clock, "now", lambda: real() + ahead)
    return set_ahead


def add(store: Store, reason: Reason = Reason.SCHEDULED, expires_at: datetime | None = None) -> StoredBackup:
    """A new backup, as `Backups.create` and `verify` store it."""
    now, file = clock.now(), store.directory / "made.partial"
    file.write_bytes(b"content")
    return store.add_backup(
        file,
        StoredBackup(
            id=store.reserve_id(),
            kind=Kind.SQL,
            filename="",
            size_bytes=7,
            created_at=now,
            reason=reason,
            verified_at=now,
            expires_at=expires_at,
        ),
    )


@pytest.mark.parametrize("reason", [Reason.SCHEDULED, Reason.BEFORE_RESTORE])
def test_new_backup_stays_and_future_ones_are_removed_first(tmp_path: Path, move: Move, reason: Reason) -> None:
    store = Store(tmp_path)
    move(YEAR)
    of_the_future = [add(store, reason) for _ in range(3)]
    move(-YEAR)
    new = []
    for day in range(3):
        move(DAY)
        new.insert(0, add(store, reason))
        store.keep_last(2)
        remaining = [each.id for each in store.list_backups()]
        assert remaining[: day + 1] == [each.id for each in new[:2]]
        assert len(remaining) == 2
    assert {each.id for each in of_the_future}.isdisjoint(remaining)


def test_backup_made_just_before_the_clock_goes_back_stays(tmp_path: Path, move: Move) -> None:
    store = Store(tmp_path)
    before = add(store)
    move(YEAR)
    made = add(store)
    move(-YEAR)
    store.keep_last(1)
    assert {each.id for each in store.list_backups()} == {before.id, made.id}


def test_slow_clock_does_not_remove_the_new_backup(tmp_path: Path, move: Move) -> None:
    store = Store(tmp_path)
    before = [add(store) for _ in range(2)]
    move(-YEAR)
    just_made = add(store)
    store.keep_last(2)
    assert just_made.id in {each.id for each in store.list_backups()}
    assert before[1].id in {each.id for each in store.list_backups()}


def test_names_do_not_stay_in_the_future(tmp_path: Path, move: Move) -> None:
    store = Store(tmp_path)
    move(YEAR)
    store.reserve_id()
    move(-YEAR)
    assert store.reserve_id() <= (clock.now() + DAY).strftime(ID_FORMAT)


def test_retention_is_corrected_after_a_fast_clock(tmp_path: Path, move: Move) -> None:
    store = Store(tmp_path)
    move(YEAR)
    add(store, Reason.MANUAL, expires_at=clock.now() + timedelta(hours=1))
    move(-YEAR)
    assert store.remove_expired() == []
    move(timedelta(hours=2))
    assert len(store.remove_expired()) == 1


async def ended(admin: AsyncClient, app: Litestar) -> list[dict[str, Any]]:
    """The scheduled backups after all due jobs have ended."""
    await app.state.clock_watch.look()
    await app.state.schedule.look()
    for job in await get(admin, "/jobs", kind="backup.scheduled"):
        await finished(admin, job["id"])
    return [each for each in await get(admin, "/system/backup/list") if each["reason"] == "scheduled"]


async def test_schedule_runs_daily_after_a_fast_clock(
    app: Litestar, admin: AsyncClient, root: AsyncClient, move: Move
) -> None:
    move(YEAR)
    change = {"backup_schedule_enabled": True, "backup_keep": 2, "backup_schedule_kind": "sql"}
    made(await admin.patch("/settings", json=change))
    move(DAY)
    (of_the_future,) = await ended(admin, app)
    move(-YEAR - DAY)
    assert await ended(admin, app) == [of_the_future], "03:00 was before it was asked for"
    text = (await root.get("/metrics")).text
    assert "stocky_backup_verified_timestamp_seconds 0.0" in text, "one of the future says nothing of now"
    for _ in range(3):
        move(DAY)
        backups = await ended(admin, app)
        assert backups[0]["timestamp"] <= clock.now().strftime(ID_FORMAT), "the new one is the first and is there"
        assert backups[0]["is_good"]
    assert of_the_future not in backups
    (alert,) = [each for each in await get(admin, "/alerts/") if each["alert_type"] == "clock_went_back"]
    assert "went back" in alert["message"]


async def test_repeated_day_runs_the_schedule_twice(app: Litestar, admin: AsyncClient, move: Move) -> None:
    made(await admin.patch("/settings", json={"backup_schedule_enabled": True, "backup_schedule_kind": "sql"}))
    move(2 * DAY)
    assert len(await ended(admin, app)) == 1
    move(-2 * DAY)
    await ended(admin, app)
    move(2 * DAY)
    assert len(await ended(admin, app)) == 2


async def test_job_queued_in_the_future_runs_now(app: Litestar, admin: AsyncClient, move: Move) -> None:
    done = asyncio.Event()

    async def write_metadata(parameters: dict[str, Any], report: object) -> None:
        done.set()

    move(YEAR)
    # A kind that this process does not run, so it stays queued.
    id = await app.state.jobs.enqueue("later", {})
    move(-YEAR)
    app.state.jobs.register("later", write_metadata)
    await app.state.clock_watch.look()
    app.state.jobs.look_now()
    async with asyncio.timeout(30):
        await done.wait()
    assert (await finished(admin, id))["status"] == "done"


async def test_clock_change_is_logged_and_alerted_once(
    app: Litestar, admin: AsyncClient, move: Move, caplog: pytest.LogCaptureFixture
) -> None:
    await app.state.clock_watch.look()
    assert [each for each in await get(admin, "/alerts/") if each["alert_type"] == "clock_went_back"] == []
    move(-DAY)
    for _ in range(3):
        await app.state.clock_watch.look()
    logged = [each.getMessage() for each in caplog.records if "clock of this server went back" in each.getMessage()]
    assert len(logged) == 1
    assert len([each for each in await get(admin, "/alerts/") if each["alert_type"] == "clock_went_back"]) == 1


@pytest.mark.parametrize("ahead", [-5, 5, 20])
def test_servers_accept_tokens_of_each_other(move: Move, ahead: int) -> None:
    move(timedelta(seconds=ahead))
    token = credentials.make_token("access", KEY, 1, "sign-in", clock.now() + timedelta(minutes=30))
    move(timedelta(seconds=-ahead))
    assert credentials.sign_in_of("access", KEY, token) == "sign-in"


def test_future_and_expired_tokens_are_rejected(move: Move) -> None:
    ended = credentials.make_token("access", KEY, 1, "sign-in", clock.now() - timedelta(seconds=1))
    move(timedelta(hours=1))
    early = credentials.make_token("access", KEY, 1, "sign-in", clock.now() + timedelta(minutes=30))
    move(timedelta(hours=-1))
    for token in (ended, early):
        with pytest.raises(Unauthorized):
            credentials.sign_in_of("access", KEY, token)
