"""Lists read page by page with `cursor`, the last id of the page before: nothing is missing or comes twice."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import AsyncClient

from tests.inventory import Json, get, new_item, new_location, new_stock, refused

LISTS: list[tuple[str, dict[str, Any]]] = [
    ("/items/", {}),
    ("/items/", {"search": "salt"}),
    ("/items/", {"tag": "white"}),
    ("/items/", {"is_active": "false"}),
    ("/skus/", {}),
    ("/skus/", {"location_id": 1}),
    ("/skus/", {"item_id": 1}),
    ("/skus/", {"low_stock": "true"}),
    ("/skus/", {"search": "salt"}),
    ("/skus/", {"as_of": "2999-01-01T00:00:00Z"}),
]


@pytest.fixture
async def filled(member: AsyncClient) -> None:
    shelves = [await new_location(member, f"Shelf {number}") for number in range(3)]
    for number in range(7):
        item = await new_item(member, f"Salt {number}", tags=["white"], min_quantity=5)
        for shelf in shelves[: 1 + number % 3]:
            await new_stock(member, item, shelf, 1)
    for shelf in shelves[1:]:
        await new_stock(member, {"id": 1}, shelf, 1)
    for number in range(5):
        item = await new_item(member, f"Dust {number}")
        await member.delete(f"/items/{item['id']}")


@pytest.mark.parametrize(("path", "query"), LISTS)
async def test_pages_by_cursor_are_the_whole_list(
    member: AsyncClient, filled: None, path: str, query: dict[str, Any]
) -> None:
    whole: list[Json] = await get(member, path, **query, limit=1000)
    assert len(whole) >= 3
    for limit in (1, 2, 1000):
        pages: list[Json] = []
        cursor = 0
        while page := await get(member, path, **query, limit=limit, cursor=cursor):
            assert len(page) <= limit
            pages += page
            cursor = page[-1]["id"]
        assert pages == whole


async def test_item_added_between_two_pages_does_not_shift_them(member: AsyncClient, filled: None) -> None:
    first = await get(member, "/items/", limit=3)
    await member.delete(f"/items/{(await new_item(member, 'Gone'))['id']}")
    second = await get(member, "/items/", limit=3, cursor=first[-1]["id"])
    assert [item["name"] for item in first + second] == [f"Salt {number}" for number in range(6)]
    # What skip counts begins after the cursor.
    assert await get(member, "/items/", limit=2, cursor=first[-1]["id"], skip=1) == second[1:]


@pytest.mark.parametrize("path", ["/items/", "/skus/"])
@pytest.mark.parametrize("cursor", ["-1", "x", "1.5", str(2**63)])
async def test_cursor_is_an_id(member: AsyncClient, path: str, cursor: str) -> None:
    refused(await member.get(path, params={"cursor": cursor}), 422, "cursor")
