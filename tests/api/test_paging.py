"""Every list takes `skip` and `limit`, or `page` and `size`, with and without a trailing slash in the path."""

from __future__ import annotations

import pytest
from httpx import AsyncClient

from tests.inventory import get, made, new_item, new_location, new_stock, refused

LISTS = [
    "/items/", "/items/search?q=thing", "/locations/", "/locations/search?q=location", "/boxes/", "/skus/",
    "/skus/search?q=thing", "/skus/low-stock", "/scanner/", "/alerts/", "/users/",
    "/api-keys/", "/projects/", "/audit/", "/logs/", "/log/",
]  # fmt: skip


@pytest.fixture
async def three_of_each(admin: AsyncClient) -> None:
    me = (await get(admin, "/auth/me"))["id"]
    for name in "abc":
        made(await admin.post("/boxes/", json={"name": name, "capacity": 1}))
        item = await new_item(admin, f"Thing {name}", min_quantity=9)
        await new_stock(admin, item, await new_location(admin, f"Location {name}"), 1)
        made(await admin.post("/scanner/associate", json={"scanner_id": name, "user_id": me}))
        made(await admin.post("/alerts/", json={"alert_type": "other", "message": name}))
        made(await admin.post("/api-keys/", json={"name": name}))
        made(await admin.post("/projects/", json={"name": name}))


@pytest.mark.usefixtures("three_of_each")
async def test_every_list_supports_both_ways_of_paging(admin: AsyncClient) -> None:
    for path in LISTS:
        bare, _, query = path.partition("?")
        ask = dict([query.split("=")]) if query else {}
        rows = await get(admin, bare, **ask)
        assert len(rows) >= 3 or "log" in path, path
        if "log" not in path:
            assert await get(admin, bare.rstrip("/"), **ask) == rows, path
            assert await get(admin, bare, **ask, skip=1, limit=1) == rows[1:2], path
            assert await get(admin, bare, **ask, page=2, size=2) == rows[2:4], path
            assert await get(admin, bare, **ask, page=2, limit=2) == rows[2:4], path
        for wrong in ({"limit": 1001}, {"limit": 0}, {"size": 1001}, {"skip": -1}, {"page": 0}, {"limit": "all"}):
            problem = refused(await admin.get(bare, params={**ask, **wrong}), 422)
            assert [error["field"] for error in problem["errors"]] == list(wrong), (path, problem)
