"""What needs attention: every count is the length of the list that its query opens."""

from __future__ import annotations

from datetime import timedelta

from httpx import AsyncClient
from litestar import Litestar

from stocky import clock
from stocky.alerts.attention import Attention, count_attention
from stocky.alerts.schemas import AlertCause
from tests.inventory import get, made, new_item, new_location, new_stock


async def _counts(app: Litestar) -> dict[str, int]:
    async with app.state.database.read() as read:
        return {each.name: each.count for each in await count_attention(read)}


async def test_nothing_needs_attention_at_first(app: Litestar) -> None:
    async with app.state.database.read() as read:
        found = await count_attention(read)
    assert [each.name for each in found] == [*(cause.value for cause in AlertCause), "needs_review", "unacknowledged"]
    assert {each.count for each in found} == {0}
    assert found[0] == Attention("low_stock", 0, {"cause": "low_stock"})


async def test_counts_are_of_items(app: Litestar, member: AsyncClient) -> None:
    today = clock.local_today()
    shelf = await new_location(member)
    milk = await new_item(member, "Milk", default_storage_type="refrigerator")
    for days in (-2, -1, 1):
        await new_stock(member, milk, shelf, 1, expiry_date=str(today + timedelta(days=days)))
    for name in ("Salt", "Rice"):
        await new_item(member, name, min_quantity=1)
    taken = {"type": "remove", "item": {"upc": "4006381333931"}, "location": {"id": shelf["id"]}, "quantity": 1}
    made(await member.post("/events", json={"events": [taken]}))
    made(await member.post("/alerts/", json={"alert_type": "maintenance", "message": "The seal is torn"}))
    alerts = await get(member, "/alerts/")
    made(await member.patch(f"/alerts/{alerts[0]['id']}/acknowledge"))
    assert await _counts(app) == {
        "low_stock": 2,
        "expired": 1,
        "expiring": 1,
        "negative_stock": 1,
        "storage_mismatch": 1,
        "overdue": 0,
        "needs_review": 1,
        "unacknowledged": len(alerts) - 1,
    }
    assert len(await get(member, "/items/", needs_review=True)) == 1


async def test_resolved_alert_of_a_lasting_cause_counts_as_a_cause_only(app: Litestar, member: AsyncClient) -> None:
    item = await new_item(member, min_quantity=1)
    [alert] = await get(member, "/alerts/")
    made(await member.patch(f"/alerts/{alert['id']}/resolve"))
    counts = await _counts(app)
    assert (counts["low_stock"], counts["unacknowledged"]) == (1, 0)
    await new_stock(member, item, await new_location(member), 2)
    assert (await _counts(app))["low_stock"] == 0
