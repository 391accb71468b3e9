"""Entries of a merged item on lists and projects: moved, added up, returned, and logged."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import pytest
from httpx import AsyncClient

from stocky.config import Config
from tests.architecture import schema
from tests.inventory import Json, get, made, new_item, new_location
from tests.merging.merges import merge, unmerge
from tests.shopping.lists import log_of, new_list, on, put_on


async def test_shopping_lists_have_the_target(member: AsyncClient) -> None:
    source, target = await new_item(member, "A"), await new_item(member, "B")
    both, one = await new_list(member, "Both"), await new_list(member, "One")
    for a_list, item, quantity in [(both, source, 2), (both, target, 3), (one, source, 0.5)]:
        await put_on(member, a_list, item, quantity)
    await merge(member, source, target)
    assert (await on(member, both), await on(member, one)) == ({"B": 5}, {"B": 0.5})
    await unmerge(member, source)
    assert (await on(member, both), await on(member, one)) == ({"A": 2, "B": 3}, {"A": 0.5})


async def test_projects_need_the_target(member: AsyncClient) -> None:
    source, target, third = [await new_item(member, name) for name in ("A", "B", "C")]
    needs = [{"item_id": source["id"], "quantity": 2}, {"item_id": third["id"], "quantity": 3}]
    project = made(await member.post("/projects/", json={"name": "Lamp", "items": needs}))

    await merge(member, source, target)
    assert await needed(member, project) == {"B": 2, "C": 3}
    await merge(member, target, third)
    assert await needed(member, project) == {"C": 5}
    await unmerge(member, target)
    await unmerge(member, source)
    assert await needed(member, project) == {"A": 2, "C": 3}


async def test_quantity_bought_since_is_not_returned_to_the_list(member: AsyncClient) -> None:
    shelf = await new_location(member)
    source, target = await new_item(member, "A"), await new_item(member, "B")
    food, drinks, fruit = [await new_list(member, name) for name in ("Food", "Drinks", "Fruit")]
    for a_list in (food, drinks, fruit):
        for item in (source, target):
            await put_on(member, a_list, item, 2)
    await merge(member, source, target)
    for a_list, quantity in [(food, 4), (drinks, 1), (fruit, 3)]:
        bought = {"quantity": quantity, "location": {"id": shelf["id"]}}
        made(await member.post(f"/shopping-lists/{a_list['id']}/items/{target['id']}/bought", json=bought))
    await unmerge(member, source)
    # It was bought as the target, so the remaining quantity is first that of the source.
    assert [await on(member, a_list) for a_list in (food, drinks, fruit)] == [{}, {"A": 2, "B": 1}, {"A": 1}]


@pytest.mark.parametrize("had_both", [True, False])
async def test_older_merges_with_less_data_are_undone(had_both: bool, member: AsyncClient, config: Config) -> None:
    source, target = await new_item(member, "A"), await new_item(member, "B")
    food = await new_list(member)
    await put_on(member, food, source, 2)
    if had_both:
        await put_on(member, food, target, 3)
    await merge(member, source, target)
    entry = {"parent_id": food["id"], "entry_id": 1, "quantity_milli": 2000, "is_folded": had_both}
    await schema.run_beside(config, f"UPDATE item_merge SET moved = '{json.dumps({'list_entries': [entry]})}'")
    await unmerge(member, source)
    assert await on(member, food) == ({"A": 2, "B": 3} if had_both else {"A": 2})


async def test_entry_added_since_stays(member: AsyncClient) -> None:
    source, target = await new_item(member, "A"), await new_item(member, "B")
    food = await new_list(member)
    await put_on(member, food, source, 2)
    await merge(member, source, target)
    assert (await member.delete(f"/shopping-lists/{food['id']}/items/{target['id']}")).status_code == 204
    await put_on(member, food, target, 7)
    await unmerge(member, source)
    assert await on(member, food) == {"B": 7}


@pytest.mark.parametrize("order", ["AB", "BA"])
async def test_two_merges_into_one_item_each_return_their_own_entries(member: AsyncClient, order: str) -> None:
    items = {name: await new_item(member, name) for name in ("A", "B", "C")}
    leads_to = {name: name for name in items}
    own = {"A": 2, "B": 3, "C": 4}
    # One list and one project for each subset of the three.
    begun = [dict(some) for size in (1, 2, 3) for some in itertools.combinations(own.items(), size)]
    lists = [await new_list(member) for _ in begun]
    projects = []
    for a_list, wanted in zip(lists, begun, strict=True):
        for name, quantity in wanted.items():
            await put_on(member, a_list, items[name], quantity)
        needs = [{"item_id": items[name]["id"], "quantity": quantity} for name, quantity in wanted.items()]
        projects.append(made(await member.post("/projects/", json={"name": "Lamp", "items": needs})))

    async def all_is_as_it_must_be() -> None:
        for a_list, project, wanted in zip(lists, projects, begun, strict=True):
            expected: dict[str, float] = {}
            for name, quantity in wanted.items():
                expected[leads_to[name]] = expected.get(leads_to[name], 0) + quantity
            assert await on(member, a_list) == await needed(member, project) == expected
            assert _replayed(await log_of(member, a_list)) == expected

    for name in "AB":
        await merge(member, items[name], items["C"])
        leads_to[name] = "C"
    await all_is_as_it_must_be()
    for name in order:
        await unmerge(member, items[name])
        leads_to[name] = name
        await all_is_as_it_must_be()


async def test_undo_does_not_return_entries_of_a_later_merge(member: AsyncClient) -> None:
    first, second, target = [await new_item(member, name) for name in ("A", "B", "C")]
    food = await new_list(member)
    for item, quantity in [(first, 2), (second, 3)]:
        await put_on(member, food, item, quantity)
    await merge(member, first, target)
    assert (await member.delete(f"/shopping-lists/{food['id']}/items/{target['id']}")).status_code == 204
    await merge(member, second, target)
    await unmerge(member, first)
    assert await on(member, food) == {"C": 3}
    await unmerge(member, second)
    assert await on(member, food) == {"B": 3}


async def test_undoing_a_chain_returns_every_entry(member: AsyncClient) -> None:
    first, second, third = [await new_item(member, name) for name in ("X1", "X2", "X3")]
    some, all_of_them = await new_list(member, "Some"), await new_list(member, "All")
    before: list[dict[str, float]] = [{"X1": 1, "X3": 4}, {"X1": 1, "X2": 2, "X3": 4}]
    for a_list, quantities in zip((some, all_of_them), before, strict=True):
        for item in (first, second, third):
            if item["name"] in quantities:
                await put_on(member, a_list, item, quantities[item["name"]])
    await merge(member, first, second)
    await merge(member, second, third)
    assert [await on(member, a_list) for a_list in (some, all_of_them)] == [{"X3": 5}, {"X3": 7}]
    await unmerge(member, second)
    assert [await on(member, a_list) for a_list in (some, all_of_them)] == [{"X2": 1, "X3": 4}, {"X2": 3, "X3": 4}]
    await unmerge(member, first)
    assert [await on(member, a_list) for a_list in (some, all_of_them)] == before


async def test_list_log_has_the_merge_and_its_undo(member: AsyncClient) -> None:
    source, target = await new_item(member, "A"), await new_item(member, "B")
    both, one = await new_list(member, "Both"), await new_list(member, "One")
    for a_list, item, quantity in [(both, source, 2), (both, target, 3), (one, source, 0.5)]:
        await put_on(member, a_list, item, quantity)
    a, b = [{"item_id": item["id"], "name": item["name"]} for item in (source, target)]
    await merge(member, source, target)

    async def log_entries(a_list: Json) -> list[tuple[str, Json]]:
        rows = (await log_of(member, a_list))[:2]
        for each in rows:
            assert each["details"].pop("item_name") == each["details"]["name"]
            assert each["details"].pop("list_name") == a_list["name"]
        return [(each["action_type"], each["details"]) for each in rows]

    assert await log_entries(both) == [
        ("item_updated", {**b, "quantity": {"from": 3, "to": 5}, "merged": a}),
        ("item_removed", {**a, "quantity": 2, "merged_into": b}),
    ]
    assert await log_entries(one) == [
        ("item_added", {**b, "quantity": 0.5, "merged": a}),
        ("item_removed", {**a, "quantity": 0.5, "merged_into": b}),
    ]
    (newest, *_) = await log_of(member, one)
    assert newest["user"]["username"] == "member"
    assert (await get(member, f"/shopping-lists/{one['id']}"))["updated_at"] == newest["timestamp"]
    await unmerge(member, source)
    assert await log_entries(both) == [
        ("item_added", {**a, "quantity": 2, "unmerged_from": b}),
        ("item_updated", {**b, "quantity": {"from": 5, "to": 3}, "unmerged": a}),
    ]
    assert await log_entries(one) == [
        ("item_added", {**a, "quantity": 0.5, "unmerged_from": b}),
        ("item_removed", {**b, "quantity": 0.5, "unmerged": a}),
    ]


async def test_list_log_is_complete_under_concurrent_changes(members: list[AsyncClient]) -> None:
    member = members[0]
    source, target = await new_item(member, "A"), await new_item(member, "B")
    food = await new_list(member, is_public=True)
    path = f"/shopping-lists/{food['id']}/items"
    stop = asyncio.Event()
    changes = 0

    async def keep_changing(client: AsyncClient, item: Json) -> None:
        nonlocal changes
        while not stop.is_set():
            for method, where, body in [
                ("POST", path, {"item_id": item["id"], "quantity": 2}),
                ("PUT", f"{path}/{item['id']}", {"quantity": 3}),
                ("DELETE", f"{path}/{item['id']}", None),
            ]:
                answer = await client.request(method, where, json=body)
                assert answer.status_code in (200, 201, 204, 404, 409, 503), answer.text
                changes += answer.is_success

    changing = [asyncio.create_task(keep_changing(client, item)) for client in members for item in (source, target)]
    for _ in range(10):
        for path_of_merge, body in [("merge", {"into": target["id"]}), ("unmerge", None)]:
            answer = await member.post(f"/items/{source['id']}/{path_of_merge}", json=body)
            assert answer.status_code in (200, 409, 503), answer.text
            await asyncio.sleep(0.03)
    stop.set()
    await asyncio.gather(*changing)
    assert changes > 20
    assert _replayed(await log_of(member, food, limit=1000)) == await on(member, food)


async def needed(client: AsyncClient, project: Json) -> dict[str, float]:
    """The requirements of a project: quantities by name."""
    items = (await get(client, f"/projects/{project['id']}"))["items"]
    return {each["item"]["name"]: each["quantity"] for each in items}


def _replayed(log: list[Json]) -> dict[str, float]:
    """The entries of a list according to its log."""
    there: dict[str, Any] = {}
    for entry in reversed(log):
        name, quantity = entry["details"].get("name"), entry["details"].get("quantity")
        match entry["action_type"]:
            case "item_added":
                assert name not in there
                there[name] = quantity
            case "item_updated" if quantity is not None:
                assert there[name] == quantity["from"]
                there[name] = quantity["to"]
            case "item_removed":
                assert there.pop(name) == quantity
    return there
