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
    assert (await member.delete(f"/items/{gone['id']}")).status_code == 200
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
    assert await on(member, a_list) == {"First": 5, "Second": 5}
    assert await fill(member, await new_list(member, "Another")) == {"First": 5, "Second": 5}


async def test_fill_raises_entries_that_have_less(member: AsyncClient) -> None:
    a_list = await new_list(member)
    await put_on(member, a_list, await new_item(member, "Less", min_quantity=5), 1)
    await put_on(member, a_list, await new_item(member, "More", min_quantity=5), 7)
    await put_on(member, a_list, await new_item(member, "Not low"), 1)
    path = f"/shopping-lists/{a_list['id']}/fill-low-stock"
    answer = made(await member.post(path))
    assert answer["added"] == []
    assert [(each["item"]["name"], each["quantity"]) for each in answer["raised"]] == [("Less", 5)]
    assert await on(member, a_list) == {"Less": 5, "More": 7, "Not low": 1}
    [log] = await log_of(member, a_list, action_type="item_updated")
    assert (log["details"]["quantity"], log["details"]["because"]) == ({"from": 1, "to": 5}, "low_stock")
    assert made(await member.post(path))["raised"] == []


async def test_fill_buys_multiples_of_the_reorder_quantity(member: AsyncClient) -> None:
    a_list, shelf = await new_list(member), await new_location(member)
    for name, minimum, at_once, stock in (
        ("Below", 5, 6, 2),  # 3 are missing, and 6 are bought at a time
        ("At", 6, 6, 6),
        ("Far below", 20, 6, 1),  # with 18 more it would still be low
        ("Exactly", 7, 6, 1),  # so it would with 6 more
        ("By weight", 2, 2.5, 0.5),
    ):
        item = await new_item(member, name, min_quantity=minimum, reorder_quantity=at_once)
        await new_stock(member, item, shelf, stock)
    assert await fill(member, a_list) == {"Below": 6, "At": 6, "Far below": 24, "Exactly": 12, "By weight": 2.5}
    assert await fill(member, await new_list(member, "Party"), target=30) == {
        "Below": 30, "At": 24, "Far below": 30, "Exactly": 30, "By weight": 30
    }  # fmt: skip


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
