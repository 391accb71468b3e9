"""A database with one of everything, so that an invalid request is invalid for one reason only."""

from __future__ import annotations

import pytest
from httpx import AsyncClient

from tests.inventory import made, new_item, new_location, new_stock


@pytest.fixture
async def one_of_each(admin: AsyncClient) -> None:
    """Item, location, SKU, event, box, alert, scanner, shopping list, project and placeholders: each has the id 1."""
    item = await new_item(admin, "Coffee", upc="40063813")
    sku = await new_stock(admin, item, await new_location(admin), 5, unit_price=2.49)
    made(await admin.post("/boxes/", json={"capacity": 2}))
    made(await admin.post("/alerts/", json={"alert_type": "other", "message": "Look", "sku_id": sku["id"]}))
    made(await admin.put("/scanner/s1/state", json={"mode": "lookup"}))
    a_list = made(await admin.post("/shopping-lists/", json={"name": "Weekly"}))
    placeholder = made(await admin.post(f"/shopping-lists/{a_list['id']}/items", json={"text": "Napkins"}))
    made(await admin.post(f"/shopping-lists/{a_list['id']}/items", json={"item_id": item["id"]}))
    needed = [{"text": "Patience"}, {"item_id": item["id"]}]
    project = made(await admin.post("/projects/", json={"name": "Cake", "items": needed}))
    assert (project["id"], project["items"][0]["id"]) == (1, 1)
    assert (item["id"], sku["id"], a_list["id"], placeholder["id"]) == (1, 1, 1, 1)
