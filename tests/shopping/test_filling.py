"""Filling a list from low stock adds missing quantities once."""

from __future__ import annotations

import asyncio
from typing import Any

from httpx import AsyncClient

from tests.inventory import Json, get, made, new_item, new_location, new_stock, refused
from tests.shopping.lists import log_of, new_list, on, put_on


async def fill(client: AsyncClient, a_list: Json, **body: Any) -> dict[str, float]:
    """The added quantities, by name."""
    answer = made(await client.post(f"/shopping-lists/{a_list['id']}/fill-low-stock", json=body))
    assert answer["is_complete"] is True
    return {entry["item"]["name"]: entry["quantity"] for entry in answer["added"]}


async def test_fill_adds_what_is_missing_to_the_minimum(member: AsyncClient) -> None:
    a_list, shelf, cellar = await new_list(member), await new_location(member), await new_location(member, "Cellar")
    below = await new_item(member, "Below", min_quantity=5)
    await new_stock(member, below, shelf, 1.25)
    await new_stock(member, below, cellar, 1)
    await new_stock(member, await new_item(member, "At", min_quantity=2), shelf, 2)
    await new_stock(member, await new_item(member, "Above", min_quantity=2), shelf, 2.001)
    await new_item(member, "Never there", min_quantity=3)
    await new_item(member, "No minimum")
    gone = await new_item(member, "Gone", min_quantity=3)
    assert (await member.delete(f"/items/{gone['id']}")).status_code == 204
    answer = made(await member.post(f"/shopping-lists/{a_list['id']}/fill-low-stock"))
    added = {entry["item"]["name"]: entry["quantity"] for entry in answer["added"]}
    # At its minimum nothing is missing, but the item is low, so one is added.
    assert added == {"At": 1, "Below": 2.75, "Never there": 3}
    assert answer["added"] == (await get(member, f"/shopping-lists/{a_list['id']}"))["items"]
    log = await log_of(member, a_list, action_type="item_added")
    assert [each["details"]["name"] for each in log] == ["Never there", "Below", "At"]
    assert {each["details"]["because"] for each in log} == {"low_stock"}


async def test_fill_adds_nothing_twice(member: AsyncClient) -> None:
    a_list = await new_list(member)
    first = await new_item(member, "First", min_quantity=5)
    await new_item(member, "Second", min_quantity=5)
    await put_on(member, a_list, first, 1)
    assert await fill(member, a_list) == {"Second": 5}
    assert await fill(member, a_list) == {}
    assert await on(member, a_list) == {"First": 1, "Second": 5}
    assert await fill(member, await new_list(member, "Another")) == {"First": 5, "Second": 5}


async def test_fill_reaches_a_target_above_the_minimum(member: AsyncClient) -> None:
    a_list, shelf = await new_list(member), await new_location(member)
    await new_stock(member, await new_item(member, "Little", min_quantity=2), shelf, 1)
    await new_stock(member, await new_item(member, "Much", min_quantity=20), shelf, 1)
    await new_stock(member, await new_item(member, "Enough", min_quantity=2), shelf, 3)
    assert await fill(member, a_list, target=10.5) == {"Little": 9.5, "Much": 19}
    for target in (-1, 0.0001, "much"):
        path = f"/shopping-lists/{a_list['id']}/fill-low-stock"
        refused(await member.post(path, json={"target": target}), 422, "target")


async def test_concurrent_fills_count_once(member: AsyncClient) -> None:
    a_list = await new_list(member)
    items = [await new_item(member, f"Thing {number}", min_quantity=2) for number in range(5)]
    path = f"/shopping-lists/{a_list['id']}"
    answers = await asyncio.gather(
        *(member.post(f"{path}/fill-low-stock") for _ in range(5)),
        *(member.post(f"{path}/items", json={"item_id": item["id"], "quantity": 9}) for item in items),
    )
    assert {answer.status_code for answer in answers} <= {200, 201, 409}
    assert sum(len(answer.json().get("added", [])) for answer in answers[:5]) == sum(
        answer.status_code == 409 for answer in answers[5:]
    )
    assert len(await on(member, a_list)) == 5
    assert len(await log_of(member, a_list, action_type="item_added")) == 5
