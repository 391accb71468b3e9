"""Every change of a quantity goes through the ledger: after each call the sum of its rows is the quantity."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import AsyncClient

from tests.stock.stockroom import Stockroom, event


class Shelf:
    """An item at a location, changed over HTTP and checked against the ledger after each call."""

    def __init__(self, stockroom: Stockroom, client: AsyncClient, item: int, location: int) -> None:
        self._stockroom = stockroom
        self._client = client
        self.item = item
        self.location = location

    async def call(self, method: str, path: str, status: int, body: Any = None, **headers: str) -> Any:
        answer = await self._client.request(method, path, json=body, headers=headers)
        assert answer.status_code == status, answer.text
        history = await self._stockroom.history(self.item)
        assert round(sum(row.delta for row in history), 3) == await self._stockroom.total(self.item)
        await self._stockroom.check()
        return answer.json() if answer.content else None

    async def add(self, status: int = 201, **more: Any) -> Any:
        return await self.call("POST", "/skus/", status, {"item_id": self.item, "location_id": self.location, **more})

    async def deltas(self) -> list[float]:
        return [row.delta for row in await self._stockroom.history(self.item)]


@pytest.fixture
async def shelf(stockroom: Stockroom, member: AsyncClient) -> Shelf:
    return Shelf(stockroom, member, await stockroom.item(), await stockroom.location())


async def test_every_call_books_the_difference(shelf: Shelf) -> None:
    sku = await shelf.add(quantity=5.125, unit="kg", notes="top")
    assert (sku["quantity"], sku["unit"], sku["notes"], sku["version"]) == (5.125, "kg", "top", 2)
    path = f"/skus/{sku['id']}"
    assert (await shelf.add(200, quantity=1))["quantity"] == 6.125
    assert (await shelf.call("PUT", f"{path}/quantity", 200, {"quantity": 4}))["quantity"] == 4
    assert (await shelf.call("POST", f"{path}/adjust", 200, {"delta": 0.5, "note": "found"}))["quantity"] == 4.5
    assert (await shelf.call("POST", f"{path}/adjust", 200, {"delta": -1.5}))["quantity"] == 3
    assert (await shelf.call("PATCH", path, 200, {"quantity": 2, "notes": "moved"}))["notes"] == "moved"
    assert (await shelf.call("PUT", path, 200, {"quantity": 7}))["quantity"] == 7
    assert (await shelf.call("PATCH", path, 200, {"unit": "bag"}))["quantity"] == 7
    await shelf.call("DELETE", path, 200)
    assert await shelf.deltas() == [5.125, 1, -2.125, 0.5, -1.5, -1, 5, -7]
    await shelf.call("GET", path, 404)


async def test_sku_may_start_empty(shelf: Shelf) -> None:
    sku = await shelf.add(unit="roll")
    assert (sku["quantity"], sku["unit"]) == (0, "roll")
    assert (await shelf.add(200))["id"] == sku["id"]
    assert await shelf.deltas() == []


async def test_other_unit_is_rejected_and_same_unit_accepted(shelf: Shelf) -> None:
    sku = await shelf.add(quantity=5, unit="kg")
    adjust = f"/skus/{sku['id']}/adjust"
    for refusal in (
        await shelf.add(409, quantity=1, unit="piece"),
        await shelf.add(409, unit="piece"),
        await shelf.call("POST", adjust, 409, {"delta": 1, "unit": "piece"}),
        await shelf.call("POST", adjust, 409, {"delta": -1, "unit": "piece"}),
    ):
        message = "counted in kg there, not in piece. Send the quantity in kg, or change the SKU's unit first"
        assert message in refusal["detail"]
    assert (await shelf.add(200, quantity=1, unit="KG "))["quantity"] == 6
    assert (await shelf.call("POST", adjust, 200, {"delta": 1, "unit": "kg"}))["quantity"] == 7
    assert (await shelf.add(quantity=1, unit="piece", expiry_date="2030-01-01"))["unit"] == "piece", "another lot"
    await shelf.call("PATCH", f"/skus/{sku['id']}", 200, {"unit": "piece"})
    assert (await shelf.add(200, quantity=1, unit="piece"))["quantity"] == 8
    assert await shelf.deltas() == [5, 1, 1, 1, 1]


async def test_deleted_sku_is_reactivated_by_new_stock(shelf: Shelf) -> None:
    sku = await shelf.add(quantity=3)
    await shelf.call("DELETE", f"/skus/{sku['id']}", 200)
    again = await shelf.add(200, quantity=2)
    assert (again["id"], again["quantity"], again["is_active"]) == (sku["id"], 2, True)
    await shelf.call("DELETE", f"/skus/{sku['id']}", 200)
    assert "leave the unit out" in (await shelf.add(409, quantity=2, unit="kg"))["detail"]


async def test_each_lot_is_a_sku(shelf: Shelf) -> None:
    plain = await shelf.add(quantity=1)
    soon = await shelf.add(quantity=2, expiry_date="2026-06-01")
    assert soon["id"] != plain["id"]
    assert (await shelf.add(200, quantity=2, expiry_date="2026-06-01"))["quantity"] == 4
    await shelf.call("PATCH", f"/skus/{plain['id']}", 409, {"quantity": 9, "expiry_date": "2026-06-01"})
    assert await shelf.deltas() == [1, 2, 2]


async def test_if_match_needs_the_current_version(shelf: Shelf) -> None:
    sku = await shelf.add(quantity=3)
    path, version = f"/skus/{sku['id']}", sku["version"]
    now = await shelf.call("PUT", f"{path}/quantity", 200, {"quantity": 4}, **{"If-Match": f'"{version}"'})
    for method, where in (("PUT", f"{path}/quantity"), ("PATCH", path), ("PUT", path)):
        await shelf.call(method, where, 412, {"quantity": 9}, **{"If-Match": str(version)})
    await shelf.call("PATCH", path, 200, {"quantity": 5}, **{"If-Match": str(now["version"])})
    assert await shelf.deltas() == [3, 1, 1]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/skus/", {"item_id": 1, "location_id": 1, "quantity": -1}, 422),
        ("POST", "/skus/", {"item_id": 1, "location_id": 1, "quantity": 0.1234}, 422),
        ("POST", "/skus/", {"item_id": 10**15, "location_id": 1, "quantity": 1}, 404),
        ("POST", "/skus/", {"item_id": 1, "location_id": 10**15, "quantity": 1}, 404),
        ("POST", "/skus/", {"item_id": 10**19, "location_id": 1, "quantity": 1}, 422),
        ("PUT", "/skus/1/quantity", {"quantity": -0.001}, 422),
        ("PUT", "/skus/1/quantity", {"quantity": 2e9}, 422),
        ("PUT", "/skus/1/quantity", {}, 422),
        ("POST", "/skus/1/adjust", {"delta": 0}, 422),
        ("POST", "/skus/1/adjust", {"delta": -3.001}, 409),
        ("POST", "/skus/1/adjust", {"delta": 1, "note": "\0"}, 422),
        ("POST", "/skus/999/adjust", {"delta": 1}, 404),
        ("PATCH", "/skus/1", {"location_id": 2}, 404),
        ("PATCH", "/skus/1", {"item_id": 2}, 409),
        ("DELETE", "/skus/999", None, 404),
    ],
)
async def test_rejected_call_changes_nothing(shelf: Shelf, method: str, path: str, body: Any, status: int) -> None:
    sku = await shelf.add(quantity=3)
    assert (sku["id"], shelf.item, shelf.location) == (1, 1, 1)
    problem = await shelf.call(method, path, status, body)
    assert problem["detail"]
    assert await shelf.deltas() == [3]
    assert (await shelf.call("GET", "/skus/1", 200)) == sku


async def test_patch_that_fails_after_booking_books_nothing(shelf: Shelf) -> None:
    sku = await shelf.add(quantity=3)
    await shelf.call("PATCH", f"/skus/{sku['id']}", 404, {"quantity": 8, "location_id": 999})
    assert await shelf.deltas() == [3]


async def test_lists_agree_with_the_ledger(shelf: Shelf, stockroom: Stockroom) -> None:
    await shelf.add(quantity=3)
    await stockroom.one(event("remove", shelf.item, shelf.location, 1))
    (listed,) = await shelf.call("GET", f"/skus/?item_id={shelf.item}&expand=item,location", 200)
    assert listed["quantity"] == listed["item"]["total_quantity"] == 2
    assert listed["location"]["id"] == shelf.location
