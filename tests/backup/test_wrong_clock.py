"""The clock was a year ahead and went back: no new backup is lost, no schedule is silent, and somebody is told."""

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
from stocky.auth import tokens
from stocky.backup.store import ID_FORMAT, Kind, Reason, Store, StoredBackup
from stocky.errors import Unauthorized
from tests.backup.dumps import finished
from tests.inventory import get, made

pytestmark = pytest.mark.one_postgres
Move = Callable[[timedelta], None]
YEAR, DAY = timedelta(days=365), timedelta(days=1)
KEY = "a key for tests only, long enough for all"


@pytest.fixture
def move(monkeypatch: pytest.MonkeyPatch) -> Move:
    """Sets the clock ahead, or back with less than nothing. `tests.faults clock` puts a whole process under one."""
    real, ahead = clock.now, timedelta()

    def set_ahead(by: timedelta) -> None:
        nonlocal ahead
        ahead += by

    monkeypatch.setattr(clock, "now", lambda: real() + ahead)
    return set_ahead


def add(store: Store, reason: Reason = Reason.SCHEDULED, expires_at: datetime | None = None) -> StoredBackup:
    """A backup of now, as `Backups.create` and `verify` leave it."""
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
def test_the_backup_just_made_stays_and_those_of_the_future_go_first(
    tmp_path: Path, move: Move, reason: Reason
) -> None:
    store = Store(tmp_path)
    move(YEAR)
    of_the_future = [add(store, reason) for _ in range(3)]
    move(-YEAR)
    new = []
    for day in range(3):
        move(DAY)
        new.insert(0, add(store, reason))
        store.keep_last(2)
        kept = [each.id for each in store.list_backups()]
        assert kept[: day + 1] == [each.id for each in new[:2]]
        assert len(kept) == 2
    assert {each.id for each in of_the_future}.isdisjoint(kept)


def test_a_clock_that_is_behind_does_not_cost_the_backup_just_made(tmp_path: Path, move: Move) -> None:
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


def test_what_expires_is_not_kept_for_the_year_that_never_came(tmp_path: Path, move: Move) -> None:
    store = Store(tmp_path)
    move(YEAR)
    add(store, Reason.MANUAL, expires_at=clock.now() + timedelta(hours=1))
    move(-YEAR)
    assert store.remove_expired() == []
    move(timedelta(hours=2))
    assert len(store.remove_expired()) == 1


async def ended(admin: AsyncClient, app: Litestar) -> list[dict[str, Any]]:
    """The scheduled backups after everything that is due has been done."""
    await app.state.clock_watch.look()
    await app.state.schedule.look()
    for job in await get(admin, "/jobs", kind="backup.scheduled"):
        await finished(admin, job["id"])
    return [each for each in await get(admin, "/system/backup/list") if each["reason"] == "scheduled"]


async def test_a_schedule_that_was_enabled_and_done_in_the_future_is_done_again_each_day(
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


async def test_the_same_day_comes_twice_and_is_done_twice(app: Litestar, admin: AsyncClient, move: Move) -> None:
    made(await admin.patch("/settings", json={"backup_schedule_enabled": True, "backup_schedule_kind": "sql"}))
    move(2 * DAY)
    assert len(await ended(admin, app)) == 1
    move(-2 * DAY)
    await ended(admin, app)
    move(2 * DAY)
    assert len(await ended(admin, app)) == 2


async def test_a_job_that_was_queued_in_the_future_is_done_now(app: Litestar, admin: AsyncClient, move: Move) -> None:
    done = asyncio.Event()

    async def write_metadata(parameters: dict[str, Any], report: object) -> None:
        done.set()

    move(YEAR)
    # Not one that this process does, so that it waits.
    id = await app.state.jobs.enqueue("later", {})
    move(-YEAR)
    app.state.jobs.register("later", write_metadata)
    await app.state.clock_watch.look()
    app.state.jobs.look_now()
    async with asyncio.timeout(30):
        await done.wait()
    assert (await finished(admin, id))["status"] == "done"


async def test_the_log_and_the_alert_say_it_once(
    app: Litestar, admin: AsyncClient, move: Move, caplog: pytest.LogCaptureFixture
) -> None:
    await app.state.clock_watch.look()
    assert [each for each in await get(admin, "/alerts/") if each["alert_type"] == "clock_went_back"] == []
    move(-DAY)
    for _ in range(3):
        await app.state.clock_watch.look()
    told = [each.getMessage() for each in caplog.records if "clock of this server went back" in each.getMessage()]
    assert len(told) == 1
    assert len([each for each in await get(admin, "/alerts/") if each["alert_type"] == "clock_went_back"]) == 1


@pytest.mark.parametrize("ahead", [-5, 5, 20])
def test_two_servers_take_each_others_tokens(move: Move, ahead: int) -> None:
    move(timedelta(seconds=ahead))
    token = tokens.make_access_token(KEY, 1, "sign-in", clock.now() + timedelta(minutes=30))
    move(timedelta(seconds=-ahead))
    assert tokens.sign_in_of(KEY, token) == "sign-in"


def test_a_token_from_far_ahead_and_one_that_has_ended_are_refused(move: Move) -> None:
    ended = tokens.make_access_token(KEY, 1, "sign-in", clock.now() - timedelta(seconds=1))
    move(timedelta(hours=1))
    early = tokens.make_access_token(KEY, 1, "sign-in", clock.now() + timedelta(minutes=30))
    move(timedelta(hours=-1))
    for token in (ended, early):
        with pytest.raises(Unauthorized):
            tokens.sign_in_of(KEY, token)
