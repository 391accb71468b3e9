"""Alerts caused by the stock: raised and resolved once per cause, and not repeated after a person resolved them."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky import clock
from stocky.alerts import evaluate
from stocky.alerts.evaluate import DailyCheck
from stocky.jobs.jobs import Jobs
from tests.inventory import Json, get, made, new_item, new_location, new_stock

TODAY = date(2026, 6, 15)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> date:
    """Sets the current day."""
    monkeypatch.setattr(clock, "local_today", lambda: TODAY)
    return TODAY


async def _active(client: AsyncClient) -> list[tuple[str, int | None]]:
    """The types of the active alerts, each with its SKU."""
    alerts = await get(client, "/alerts/")
    return sorted((alert["alert_type"], alert["sku_id"]) for alert in alerts)


async def _count(client: AsyncClient, sku: Json, quantity: float) -> None:
    made(await client.put(f"/skus/{sku['id']}/quantity", json={"quantity": quantity}))


async def _move(client: AsyncClient, sku: Json, to: Json, quantity: float) -> None:
    move = {"type": "move", "item": {"id": sku["item_id"]}, "location": {"id": sku["location_id"]}}
    [result] = made(
        await client.post("/events", json={"events": [{**move, "to_location": {"id": to["id"]}, "quantity": quantity}]})
    )["results"]
    assert result["status"] == "applied", result


async def _look(app: Litestar) -> None:
    """Runs the daily check."""
    await DailyCheck(app.state.database, Jobs(app.state.database)).run({}, lambda *_: None)


async def test_item_at_its_minimum_has_an_alert(member: AsyncClient) -> None:
    item, shelf = await new_item(member, min_quantity=3), await new_location(member)
    [at_first] = await get(member, "/alerts/")
    assert (at_first["alert_type"], at_first["item_id"], at_first["sku_id"]) == ("low_stock", item["id"], None)
    assert (at_first["threshold_value"], at_first["message"]) == (3, "Coffee is at or below its minimum of 3")
    sku = await new_stock(member, item, shelf, 5)
    assert await _active(member) == []
    for quantity, is_low in ((4, False), (3, True), (1, True), (0, True), (3.001, False), (2, True)):
        await _count(member, sku, quantity)
        assert await _active(member) == ([("low_stock", None)] if is_low else []), quantity
    assert len(await get(member, "/alerts/", active_only=False)) == 3


async def test_minimum_counts_all_locations(member: AsyncClient) -> None:
    item = await new_item(member, min_quantity=3)
    sku = await new_stock(member, item, await new_location(member), 4)
    await _move(member, sku, await new_location(member, "Cellar"), 3)
    assert await _active(member) == []
    await _count(member, sku, 0)
    assert await _active(member) == [("low_stock", None)]


async def test_changed_minimum_changes_the_alert(member: AsyncClient) -> None:
    item = await new_item(member)
    await new_stock(member, item, await new_location(member), 4)
    path = f"/items/{item['id']}"
    expected: list[tuple[float | None, list[float]]] = [(4, [4]), (10, [10]), (3, []), (5, [5]), (None, [])]
    for minimum, thresholds in expected:
        made(await member.patch(path, json={"min_quantity": minimum}))
        assert [alert["threshold_value"] for alert in await get(member, "/alerts/")] == thresholds, minimum


async def test_inactive_item_has_no_low_stock_alert(member: AsyncClient) -> None:
    item = await new_item(member, min_quantity=1)
    assert await _active(member) == [("low_stock", None)]
    assert (await member.delete(f"/items/{item['id']}")).status_code < 300
    assert await _active(member) == []
    made(await member.patch(f"/items/{item['id']}", json={"is_active": True}))
    assert await _active(member) == [("low_stock", None)]


async def test_renamed_item_changes_the_alert(member: AsyncClient) -> None:
    item = await new_item(member, "Cofee", min_quantity=1)
    made(await member.patch(f"/items/{item['id']}", json={"name": "Coffee"}))
    [alert] = await get(member, "/alerts/")
    assert alert["message"].startswith("Coffee ")


async def test_resolved_alert_does_not_recur_for_the_same_cause(app: Litestar, member: AsyncClient) -> None:
    item, shelf = await new_item(member, min_quantity=3), await new_location(member)
    sku = await new_stock(member, item, shelf, 2)
    [alert] = await get(member, "/alerts/")
    made(await member.patch(f"/alerts/{alert['id']}/resolve"))
    await _count(member, sku, 1)
    made(await member.patch(f"/items/{item['id']}", json={"min_quantity": 4}))
    await _look(app)
    assert await _active(member) == []
    await _count(member, sku, 10)
    await _count(member, sku, 1)
    [again] = await get(member, "/alerts/")
    assert again["id"] != alert["id"]


@pytest.mark.parametrize(("days", "type"), [(-1, "expired"), (0, "expiring"), (7, "expiring"), (8, None)])
async def test_expiry_date_selects_the_alert(days: int, type: str | None, member: AsyncClient) -> None:
    item, shelf = await new_item(member, "Milk"), await new_location(member, "Door")
    sku = await new_stock(member, item, shelf, 2, expiry_date=str(TODAY + days * DAY))
    assert await _active(member) == ([(type, sku["id"])] if type else [])
    if type:
        [alert] = await get(member, "/alerts/")
        verb = {"expired": "expired", "expiring": "expires"}[type]
        assert alert["message"] == f"Milk at Door {verb} on {TODAY + days * DAY}"
    await _count(member, sku, 0)
    assert await _active(member) == []


async def test_removed_lot_resolves_its_alert(member: AsyncClient) -> None:
    item, shelf, door = await new_item(member), await new_location(member), await new_location(member, "Door")
    expiry = str(TODAY + DAY)
    sku = await new_stock(member, item, shelf, 2, expiry_date=expiry)
    await _move(member, sku, door, 2)
    [(type, moved)] = await _active(member)
    assert (type, moved == sku["id"]) == ("expiring", False)
    assert (await member.delete(f"/skus/{moved}")).status_code < 300
    assert await _active(member) == []


async def test_corrected_date_changes_the_alert(member: AsyncClient) -> None:
    sku = await new_stock(member, await new_item(member), await new_location(member), 2, expiry_date=str(TODAY - DAY))
    expected: list[tuple[date | None, list[str]]] = [
        (TODAY - DAY, ["expired"]),
        (TODAY + DAY, ["expiring"]),
        (TODAY + 3 * DAY, ["expiring"]),
        (TODAY + 30 * DAY, []),
        (TODAY - 3 * DAY, ["expired"]),
        (None, []),
    ]
    for expiry, types in expected:
        made(await member.patch(f"/skus/{sku['id']}", json={"expiry_date": expiry and str(expiry)}))
        alerts = await get(member, "/alerts/")
        assert [alert["alert_type"] for alert in alerts] == types, expiry
        assert all(alert["message"].endswith(str(expiry)) for alert in alerts)


async def test_lots_expire_over_time(app: Litestar, member: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "DAILY_ITEMS_AT_ONCE", 2)
    shelf = await new_location(member)
    skus = [
        await new_stock(member, await new_item(member, f"Item {days}"), shelf, 1, expiry_date=str(TODAY + days * DAY))
        for days in (20, 21, 22, 23, 40)
    ]
    assert await _active(member) == []
    expected = [(13, 1, 0), (16, 4, 0), (21, 3, 1), (24, 0, 4), (24, 0, 4)]
    for days, expiring, expired in expected:
        monkeypatch.setattr(clock, "local_today", lambda days=days: TODAY + days * DAY)
        await _look(app)
        types = [type for type, _ in await _active(member)]
        assert (types.count("expiring"), types.count("expired")) == (expiring, expired), days
    everything = await get(member, "/alerts/", active_only=False)
    assert len(everything) == 8
    assert {alert["sku_id"] for alert in everything} == {sku["id"] for sku in skus[:4]}


async def test_expiring_soon_days_is_a_setting(app: Litestar, admin: AsyncClient) -> None:
    item, shelf = await new_item(admin), await new_location(admin)
    sku = await new_stock(admin, item, shelf, 1, expiry_date=str(TODAY + 10 * DAY))
    for days, shown in ((14, [sku["id"]]), (3, [])):
        made(await admin.patch("/settings", json={"expiring_soon_days": days}))
        async with asyncio.timeout(60):
            # The change queues a check of all items.
            while [sku_id for _, sku_id in await _active(admin)] != shown:  # noqa: ASYNC110 - a job says when
                await asyncio.sleep(0.05)
        assert [each["id"] for each in await get(admin, "/skus/", expiring_soon=True)] == shown
    assert len(await get(admin, "/jobs", kind=evaluate.DAILY_KIND)) >= 2


@pytest.mark.parametrize(
    ("thing", "storage", "is_wrong"),
    [
        ("freezer", "freezer", False),
        ("freezer", "refrigerator", True),
        ("freezer", "pantry", True),
        ("freezer", "other", True),
        ("refrigerator", "refrigerator", False),
        ("refrigerator", "freezer", False),
        ("refrigerator", "counter", True),
        ("pantry", "freezer", False),
        ("other", "garage", False),
    ],
)
async def test_item_outside_cold_storage_has_an_alert(
    thing: str, storage: str, is_wrong: bool, member: AsyncClient
) -> None:
    item = await new_item(member, "Peas", default_storage_type=thing)
    where = await new_location(member, "Here", storage_type=storage)
    sku = await new_stock(member, item, where, 2)
    assert await _active(member) == ([("storage_mismatch", sku["id"])] if is_wrong else [])
    if is_wrong:
        [alert] = await get(member, "/alerts/")
        assert alert["message"] == f"Peas at Here belongs in the {thing}"


async def test_moving_to_cold_storage_resolves_the_alert(member: AsyncClient) -> None:
    item = await new_item(member, default_storage_type="freezer")
    pantry = await new_location(member, "Pantry", storage_type="pantry")
    freezer = await new_location(member, "Freezer", storage_type="freezer")
    sku = await new_stock(member, item, pantry, 2)
    await _move(member, sku, freezer, 1)
    assert await _active(member) == [("storage_mismatch", sku["id"])]
    await _move(member, sku, freezer, 1)
    assert await _active(member) == []


async def test_storage_type_change_reevaluates_alerts(member: AsyncClient) -> None:
    item, location = await new_item(member), await new_location(member)
    sku = await new_stock(member, item, location, 2)
    steps: list[tuple[str, Json, bool]] = [
        (f"/items/{item['id']}", {"default_storage_type": "freezer"}, True),
        (f"/locations/{location['id']}", {"storage_type": "freezer"}, False),
        (f"/locations/{location['id']}", {"storage_type": "garage"}, True),
        (f"/items/{item['id']}", {"default_storage_type": "pantry"}, False),
    ]
    for path, change, is_wrong in steps:
        made(await member.patch(path, json=change))
        assert await _active(member) == ([("storage_mismatch", sku["id"])] if is_wrong else []), change


async def test_location_is_as_cold_as_what_it_is_in(member: AsyncClient) -> None:
    freezer = await new_location(member, "Freezer", storage_type="freezer")
    fridge = await new_location(member, "Fridge", storage_type="refrigerator")
    drawer = await new_location(member, "Drawer", parent_id=freezer["id"])
    bag = await new_location(member, "Bag", parent_id=drawer["id"])
    peas = await new_stock(member, await new_item(member, "Peas", default_storage_type="freezer"), bag, 1)
    milk = await new_stock(member, await new_item(member, "Milk", default_storage_type="refrigerator"), bag, 1)
    wrong = {each["id"]: ("storage_mismatch", each["id"]) for each in (peas, milk)}
    assert await _active(member) == []
    made(await member.put(f"/locations/{drawer['id']}", json={"parent_id": fridge["id"]}))
    assert await _active(member) == [wrong[peas["id"]]]
    [alert] = await get(member, "/alerts/")
    assert alert["message"] == "Peas at Fridge / Drawer / Bag belongs in the freezer"
    made(await member.put(f"/locations/{drawer['id']}", json={"parent_id": None}))
    assert sorted(await _active(member)) == sorted(wrong.values())
    made(await member.put(f"/locations/{drawer['id']}", json={"storage_type": "refrigerator"}))
    assert await _active(member) == [wrong[peas["id"]]]
    made(await member.patch(f"/locations/{drawer['id']}", json={"parent_id": freezer["id"]}))
    assert await _active(member) == []


async def test_box_storage_type_change_reevaluates_alerts(member: AsyncClient) -> None:
    item = await new_item(member, default_storage_type="freezer")
    box = made(await member.post("/boxes", json={"name": "Ice", "capacity": 2, "storage_type": "freezer"}))
    location = {"box_no": box["box_no"], "loc_no": 2}
    add = {"type": "add", "item": {"id": item["id"]}, "location": location, "quantity": 1}
    [result] = made(await member.post("/events", json={"events": [add]}))["results"]
    for type, is_wrong in (("garage", True), ("freezer", False)):
        made(await member.patch(f"/boxes/{box['box_no']}", json={"storage_type": type}))
        assert await _active(member) == ([("storage_mismatch", result["sku_id"])] if is_wrong else []), type


async def test_merge_reevaluates_alerts(member: AsyncClient) -> None:
    stub, item = await new_item(member, "Stub", min_quantity=1), await new_item(member, min_quantity=3)
    await new_stock(member, stub, await new_location(member), 4)
    assert [alert["item_id"] for alert in await get(member, "/alerts/")] == [item["id"]]
    made(await member.post(f"/items/{stub['id']}/merge", json={"into": item["id"]}))
    assert await _active(member) == []


async def test_item_may_have_several_alerts(member: AsyncClient) -> None:
    item = await new_item(member, min_quantity=5, default_storage_type="freezer")
    sku = await new_stock(member, item, await new_location(member), 2, expiry_date=str(TODAY - DAY))
    id = sku["id"]
    assert await _active(member) == [("expired", id), ("low_stock", None), ("storage_mismatch", id)]
    await _count(member, sku, 0)
    assert await _active(member) == [("low_stock", None)]


async def test_rejected_batch_raises_no_alert(member: AsyncClient) -> None:
    item, shelf = await new_item(member, min_quantity=2), await new_location(member)
    await new_stock(member, item, shelf, 5)
    take = {"type": "remove", "item": {"id": item["id"]}, "location": {"id": shelf["id"]}, "quantity": 4}
    answer = await member.post("/events", json={"events": [take, take], "atomic": True})
    assert answer.status_code == 409
    assert await _active(member) == []
