"""Empty SKUs leave the lists after a while, and come back at their next event; history and exports have them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import AsyncClient

from stocky import clock
from tests.inventory import Json, get, made, new_item, new_location, new_stock, refused

pytestmark = pytest.mark.one_server


def later(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    today = datetime.now(UTC).date()
    monkeypatch.setattr(clock, "today", lambda: today + timedelta(days=days))


async def emptied_lot(member: AsyncClient) -> tuple[Json, Json, Json, Json]:
    """An item with two lots at a location, of which the first is empty."""
    milk, fridge = await new_item(member, "Milk", min_quantity=5), await new_location(member, "Fridge")
    empty = await new_stock(member, milk, fridge, 2, expiry_date="2030-01-31")
    full = await new_stock(member, milk, fridge, 1, expiry_date="2030-02-28")
    made(await member.post(f"/skus/{empty['id']}/adjust", json={"delta": -2}))
    return milk, fridge, empty, full


async def listed(member: AsyncClient, **query: Any) -> tuple[list[int], int]:
    """The ids of a list of SKUs, and its total."""
    answer = await member.get("/skus", params=query)
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()], int(answer.headers.get("x-total-count", -1))


async def test_lists_leave_out_what_is_empty_for_long(member: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    milk, fridge, empty, full = await emptied_lot(member)
    both = [empty["id"], full["id"]]
    filters: list[dict[str, Any]] = [
        {},
        {"item_id": milk["id"]},
        {"location_id": fridge["id"]},
        {"within": fridge["id"]},
        {"sort": "name"},
    ]
    later(monkeypatch, 90)
    for query in filters:
        assert await listed(member, **query) == (both, 2)
    later(monkeypatch, 91)
    for query in filters:
        assert await listed(member, **query) == ([full["id"]], 1), query
        assert await listed(member, **query, emptied="true") == (both, 2), query
    assert (await listed(member, search="milk"))[0] == [full["id"]]
    assert (await listed(member, search="milk", emptied="true"))[0] == both
    for emptied, wanted in (("false", [full["id"]]), ("true", both)):
        found = await get(member, "/skus/search", q="milk", emptied=emptied)
        assert [each["id"] for each in found] == wanted


async def test_history_exports_and_what_is_low_are_complete(
    member: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = clock.now()
    milk, _, empty, full = await emptied_lot(member)
    later(monkeypatch, 1000)
    assert (await get(member, f"/skus/{empty['id']}"))["quantity"] == 0
    assert len((await get(member, "/events", item_id=milk["id"]))["events"]) == 3
    for query in ({"low_stock": "true"}, {"low_stock": "true", "item_id": milk["id"]}):
        assert (await listed(member, **query))[0] == [empty["id"], full["id"]]
    assert len(await get(member, "/skus/low-stock")) == 2
    assert (await member.get("/exports/stock.csv")).text.count("Milk") == 2
    assert await get(member, "/skus", as_of=moment.isoformat()) == []
    then = await get(member, "/skus", as_of=clock.now().isoformat())
    assert [each["id"] for each in then] == [full["id"]]


async def test_the_next_event_brings_it_back(member: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, empty, full = await emptied_lot(member)
    later(monkeypatch, 91)
    assert (await listed(member))[0] == [full["id"]]
    made(await member.post(f"/skus/{empty['id']}/adjust", json={"delta": 1}))
    assert (await listed(member))[0] == [empty["id"], full["id"]]
    real = datetime.now(UTC)
    monkeypatch.setattr(clock, "now", lambda: real + timedelta(days=91))
    made(await member.post(f"/skus/{empty['id']}/adjust", json={"delta": -1}))
    assert (await listed(member))[0] == [empty["id"], full["id"]], "it has just been emptied"


async def test_days_are_a_setting(admin: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, empty, full = await emptied_lot(admin)
    later(monkeypatch, 2)
    made(await admin.patch("/settings", json={"emptied_days": 1}))
    assert (await listed(admin)) == ([full["id"]], 1)
    made(await admin.patch("/settings", json={"emptied_days": 0}))
    later(monkeypatch, 10_000)
    assert (await listed(admin)) == ([empty["id"], full["id"]], 2)
    refused(await admin.patch("/settings", json={"emptied_days": -1}), 422, "emptied_days")
