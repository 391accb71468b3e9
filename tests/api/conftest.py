"""A stockroom with one of everything, so that a wrong request is wrong for one reason only."""

from __future__ import annotations

import pytest
from httpx import AsyncClient

from tests.inventory import made, new_item, new_location, new_stock


@pytest.fixture
async def one_of_each(admin: AsyncClient) -> None:
    """Item, location, SKU, event, alert and scanner, each with id 1 where it has one."""
    item = await new_item(admin, "Coffee", upc="40063813")
    sku = await new_stock(admin, item, await new_location(admin), 5)
    made(await admin.post("/alerts/", json={"alert_type": "other", "message": "Look", "sku_id": sku["id"]}))
    made(await admin.put("/scanner/s1/state", json={"mode": "lookup"}))
    assert (item["id"], sku["id"]) == (1, 1)
