"""Removing more than the stock: each item's policy holds under concurrent removals."""

from __future__ import annotations

from httpx import AsyncClient

from stocky.alerts.repository import list_alerts
from stocky.alerts.schemas import Alert
from tests.inventory import made, new_item, new_location, new_stock
from tests.stock.stockroom import Stockroom, at_once, event, leave, second_stockroom


async def alerts(stockroom: Stockroom, *, active_only: bool = False) -> list[Alert]:
    async with stockroom.database.read() as read:
        return await list_alerts(read, skip=0, limit=100, active_only=active_only)


async def test_reject_allows_exactly_the_stock(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item("reject"), await stockroom.location()
    await stockroom.one(event("add", rice, shelf, 10))
    results = await at_once([lambda: stockroom.one(event("remove", rice, shelf, 3))] * 8)
    assert [result.status for result in results].count("applied") == 3
    assert results[-1].reason is not None
    assert results[-1].reason.startswith("Only 1 of item")
    assert await stockroom.total(rice) == 1


async def test_clamp_takes_the_rest_and_returns_how_much(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item("clamp"), await stockroom.location()
    await stockroom.one(event("add", rice, shelf, 10))
    results = await at_once([lambda: stockroom.one(event("remove", rice, shelf, 4))] * 5)
    assert [result.status for result in results] == ["applied"] * 3 + ["rejected"] * 2
    assert [row.delta for row in await stockroom.history(rice)] == [10, -4, -4, -2]
    assert await stockroom.total(rice) == 0


async def test_allow_books_everything_and_raises_one_alert(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item("allow"), await stockroom.location()
    await at_once([lambda: stockroom.one(event("remove", rice, shelf, 0.125))] * 16)
    await stockroom.one(event("remove", rice, shelf, 1))
    assert await stockroom.total(rice) == -3
    assert [(alert.alert_type, alert.item_id, alert.is_active) for alert in await alerts(stockroom)] == [
        ("negative_stock", rice, True)
    ]


async def test_alert_is_resolved_by_new_stock_and_raised_again(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item("allow"), await stockroom.location()
    taken = await stockroom.one(event("remove", rice, shelf, 2))
    await stockroom.one(event("add", rice, shelf, 1.999))
    assert len(await alerts(stockroom, active_only=True)) == 1
    await stockroom.one(event("add", rice, shelf, 0.001))
    assert await alerts(stockroom, active_only=True) == []
    await stockroom.post(event("remove", rice, shelf, 5), event("add", rice, shelf, 5))
    assert len(await alerts(stockroom)) == 1
    await stockroom.one(event("remove", rice, shelf, 1))
    await stockroom.undo(event=taken.id)
    assert [alert.is_active for alert in await alerts(stockroom)] == [False, False]


async def test_two_processes_do_not_oversell(stockroom: Stockroom) -> None:
    rice, shelf = await stockroom.item("reject"), await stockroom.location()
    await stockroom.one(event("add", rice, shelf, 25))
    other = await second_stockroom(stockroom.config)
    results = await at_once([lambda: stockroom.one(event("remove", rice, shelf, 1)),
                             lambda: other.one(event("remove", rice, shelf, 1))] * 20)  # fmt: skip
    await leave(other)
    assert [result.status for result in results].count("applied") == 25
    assert await stockroom.total(rice) == 0
    await stockroom.check()


async def test_rejected_scan_returns_the_current_stock(stockroom: Stockroom, scanner: AsyncClient) -> None:
    shelf = await stockroom.location()
    await stockroom.item("reject", packs={"4006381333931": 6})
    await stockroom.one(event("add", "4006381333931", shelf, 0.5))
    await scanner.put("/scanner/door/state", json={"location_id": shelf, "mode": "remove"})
    answer = await scanner.post("/scanner/scan", json={"upc": "4006381333931", "scanner_id": "door", "event_id": "s"})
    assert answer.status_code == 200
    assert (answer.json()["success"], answer.json()["event"]) == (False, None)
    assert [sku["quantity"] for sku in answer.json()["skus"]] == [3]
    assert answer.json()["item"]["total_quantity"] == 3
    assert "Only 3 of" in answer.json()["message"]


async def test_move_to_where_all_of_it_is(member: AsyncClient) -> None:
    item, shelf, cellar = await new_item(member), await new_location(member), await new_location(member, "Cellar")
    await new_stock(member, item, shelf, 2)
    event = {"type": "move", "item": {"id": item["id"]}, "to_location": {"id": shelf["id"]}, "quantity": 1}
    result = made(await member.post("/events", json={"events": [event]}))["results"][0]
    assert (result["status"], result["reason"]) == ("rejected", f"All of {item['name']} is at that location already")
    event["to_location"] = {"id": cellar["id"]}
    assert made(await member.post("/events", json={"events": [event]}))["results"][0]["status"] == "applied"
