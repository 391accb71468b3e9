"""Entries per day: each event on its local day, whatever the time zone and its clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky import clock
from stocky.stock import activity
from stocky.stock.activity import Activity, DayEntries
from tests.inventory import Json, made, new_item, new_location

NOW = datetime(2026, 4, 2, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets the clock."""
    monkeypatch.setattr(clock, "now", lambda: NOW)


async def _post(
    client: AsyncClient, item: Json, shelf: Json, moment: datetime, type: str = "add", **more: object
) -> None:
    event = {"type": type, "item": {"id": item["id"]}, "location": {"id": shelf["id"]}, "quantity": 2, **more}
    [result] = made(await client.post("/events", json={"events": [event | {"occurred_at": moment.isoformat()}]}))[
        "results"
    ]
    assert result["status"] == "applied", result


async def _days(app: Litestar, zone: tzinfo = UTC, item_id: int | None = None) -> list[DayEntries]:
    async with app.state.database.read() as read:
        return await Activity(app.state.database, zone).list_days(read, item_id)


def _busy(days: list[DayEntries]) -> dict[str, int]:
    return {f"{each.day:%m-%d}": each.total for each in days if each.total}


async def test_kinds_are_counted_apart_and_a_move_once(app: Litestar, member: AsyncClient) -> None:
    item, other = await new_item(member), await new_item(member, "Tea")
    shelf, cellar = await new_location(member), await new_location(member, "Cellar")
    yesterday = NOW - timedelta(days=1)
    await _post(member, item, shelf, yesterday)
    await _post(member, other, shelf, yesterday)
    await _post(member, item, shelf, yesterday, "remove", quantity=1)
    await _post(member, item, shelf, NOW, "move", quantity=1, to_location={"id": cellar["id"]})
    await _post(member, item, cellar, NOW, "set", quantity=7)
    undone = made(await member.post("/events/4/undo"))["events"]
    assert len(undone) == 2
    days = await _days(app)
    assert [each.day for each in days] == [date(2026, 3, 6) + timedelta(days=number) for number in range(28)]
    assert days[-2] == DayEntries(date(2026, 4, 1), add=2, remove=1)
    assert days[-1] == DayEntries(date(2026, 4, 2), move=1, set=1, undo=1)
    assert all(each.total == 0 for each in days[:-2])
    of_item = await _days(app, item_id=item["id"])
    assert of_item[-2:] == [DayEntries(date(2026, 4, 1), add=1, remove=1), days[-1]]
    assert [each.day for each in of_item] == [each.day for each in days]
    assert _busy(await _days(app, item_id=other["id"])) == {"04-01": 1}
    assert _busy(await _days(app, item_id=999)) == {}


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("UTC", {"03-28": 1, "03-29": 2, "03-30": 1}),
        # 29 March has 23 hours here.
        ("Europe/Berlin", {"03-29": 3, "03-30": 1}),
        # 5:45 ahead, no whole number of hours.
        ("Asia/Kathmandu", {"03-29": 1, "03-30": 3}),
        ("America/St_Johns", {"03-28": 1, "03-29": 3}),
    ],
)
async def test_days_are_those_of_the_time_zone(
    app: Litestar, member: AsyncClient, zone: str, expected: dict[str, int]
) -> None:
    item, shelf = await new_item(member), await new_location(member)
    for moment in ("2026-03-28T23:00:00", "2026-03-29T18:15:00", "2026-03-29T21:59:59.999999", "2026-03-30T00:00:00"):
        await _post(member, item, shelf, datetime.fromisoformat(moment).replace(tzinfo=UTC))
    assert _busy(await _days(app, ZoneInfo(zone))) == expected
    assert _busy(await _days(app, ZoneInfo(zone), item["id"])) == expected


async def test_events_outside_of_the_four_weeks_are_left_out(app: Litestar, member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    first = datetime(2026, 3, 6, tzinfo=UTC)
    for moment in (first - timedelta(microseconds=1), first, datetime(2026, 4, 3, tzinfo=UTC)):
        await _post(member, item, shelf, moment)
    for item_id in (None, item["id"]):
        assert _busy(await _days(app, item_id=item_id)) == {"03-06": 1}


async def test_stock_of_merged_items_counts_for_the_target(app: Litestar, member: AsyncClient) -> None:
    source, target = await new_item(member, "Cofee"), await new_item(member, "Coffee")
    shelf = await new_location(member)
    await _post(member, source, shelf, NOW)
    await _post(member, target, shelf, NOW - timedelta(days=2))
    made(await member.post(f"/items/{source['id']}/merge", json={"into": target["id"]}))
    assert (await _days(app, item_id=target["id"]))[-1] == DayEntries(NOW.date(), add=1, move=1)
    assert (await _days(app))[-1] == DayEntries(NOW.date(), add=1, move=1)


async def test_earlier_days_are_cached_for_a_minute_and_today_is_not(
    app: Litestar, member: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    item, shelf = await new_item(member), await new_location(member)
    own = Activity(app.state.database, UTC)

    async def busy() -> dict[str, int]:
        async with app.state.database.read() as read:
            return _busy(await own.list_days(read))

    assert await busy() == {}
    await _post(member, item, shelf, NOW)
    await _post(member, item, shelf, NOW - timedelta(days=1))
    assert await busy() == {"04-02": 1}
    own._clear()
    assert await busy() == {"04-01": 1, "04-02": 1}
    await _post(member, item, shelf, NOW - timedelta(days=1))
    later = activity.time.monotonic() + activity.CACHED_SECONDS + 1
    monkeypatch.setattr(activity.time, "monotonic", lambda: later)
    assert await busy() == {"04-01": 2, "04-02": 1}
