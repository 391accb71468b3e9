"""Daily tasks: due at their time of day, once a day, and not for times before they were configured."""

from __future__ import annotations

import os
import time as clock_of_the_system
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from stocky import clock
from stocky.db import Database
from stocky.jobs.jobs import Jobs
from stocky.jobs.repository import list_jobs
from stocky.jobs.schedule import Due, Schedule, last_due


@pytest.fixture
def in_berlin() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    clock_of_the_system.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    clock_of_the_system.tzset()


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "now", "moment", "key"),
    [
        ("03:00", "2026-01-10 01:59", "2026-01-09 02:00", "2026-01-09T03:00"),
        ("03:00", "2026-01-10 02:00", "2026-01-10 02:00", "2026-01-10T03:00"),
        ("23:30", "2026-01-10 22:31", "2026-01-10 22:30", "2026-01-10T23:30"),
        # 00:30 there is still the previous day in UTC.
        ("00:30", "2026-01-09 23:45", "2026-01-09 23:30", "2026-01-10T00:30"),
        # The night that skips 02:30, and the one that repeats it.
        ("02:30", "2026-03-29 06:00", "2026-03-29 01:30", "2026-03-29T02:30"),
        ("02:30", "2026-10-25 06:00", "2026-10-25 00:30", "2026-10-25T02:30"),
    ],
)
def test_daily_time_uses_the_system_zone(in_berlin: None, at: str, now: str, moment: str, key: str) -> None:
    assert last_due(time.fromisoformat(at), utc(now)) == (utc(moment), key)


@pytest.mark.parametrize(
    ("at", "now", "moment", "key"),
    [
        ("03:00", "2026-01-10 01:59", "2026-01-09 02:00", "2026-01-09T03:00"),
        ("03:00", "2026-07-10 01:00", "2026-07-10 01:00", "2026-07-10T03:00"),
        ("02:30", "2026-03-29 06:00", "2026-03-29 01:30", "2026-03-29T02:30"),
        ("02:30", "2026-10-25 06:00", "2026-10-25 00:30", "2026-10-25T02:30"),
    ],
)
def test_configured_zone_overrides_the_system_zone(at: str, now: str, moment: str, key: str) -> None:
    zone = ZoneInfo("Europe/Berlin")
    assert last_due(time.fromisoformat(at), utc(now), zone) == (utc(moment), key)
    start = utc("2026-01-01 12:00")
    keys = {last_due(time(2, 30), start + timedelta(hours=step), zone)[1] for step in range(365 * 24)}
    assert len(keys) == 366


def test_every_day_of_a_year_has_one_key(in_berlin: None) -> None:
    start = utc("2026-01-01 12:00")
    keys = {last_due(time(2, 30), start + timedelta(minutes=20 * step))[1] for step in range(365 * 72)}
    assert len(keys) == 366


async def test_daily_task_is_queued_once_a_day(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    now = utc("2026-05-05 12:00")
    monkeypatch.setattr(clock, "now", lambda: now)
    since = utc("2026-05-05 11:00")

    async def due() -> Due:
        return Due(time.fromisoformat("12:30"), since)

    schedules = []
    for _ in range(2):
        schedules.append(Schedule(Jobs(database)))
        schedules[-1].daily("duty", due)

    async def look() -> int:
        for schedule in schedules:
            await schedule.look()
        async with database.read() as read:
            return len(await list_jobs(read, skip=0, limit=100))

    assert await look() == 0, "yesterday's was before anyone asked for it"
    for day in range(3):
        now = utc("2026-05-05 13:00") + timedelta(days=day)
        assert await look() == day + 1
        assert await look() == day + 1
    # After a week without polling, only the last missed task is queued.
    now += timedelta(days=7)
    assert await look() == 4
