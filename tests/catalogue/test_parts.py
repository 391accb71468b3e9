"""Types, tags, sellers and other fields of parts: names are equal in any case, and answers show the current one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.auth.repository import get_user
from stocky.auth.schemas import Principal
from stocky.catalogue import version_bumps
from stocky.catalogue.repository import add_item
from stocky.catalogue.schemas import NewItem
from tests.inventory import Json, get, made, new_item, new_location, refused

PART = {
    "manufacturer_code": "BC547B",
    "seller": "Corner shop",
    "seller_link": "https://example.org/bc547",
    "tags": ["npn", "Transistor"],
}


async def new_type(client: AsyncClient, name: str = "Semiconductors") -> Json:
    return made(await client.post("/types/", json={"name": name}))


async def test_item_has_part_fields(member: AsyncClient) -> None:
    kind = await new_type(member)
    item = await new_item(member, "Transistor", type_id=kind["id"], **PART)
    assert {name: item[name] for name in PART} == PART
    assert (item["type_id"], item["type_name"], item["image_document_id"]) == (kind["id"], "Semiconductors", None)
    assert await get(member, f"/items/{item['id']}") == item
    assert (await get(member, f"/types/{kind['id']}"))["item_count"] == 1


async def test_fields_not_sent_keep_their_values(member: AsyncClient) -> None:
    item = await new_item(member, "Transistor", type_id=(await new_type(member))["id"], **PART)
    changed = made(await member.patch(f"/items/{item['id']}", json={"seller": None, "tags": ["NPN"]}))
    assert changed["seller"] == ""
    # The first spelling of a tag stays.
    assert changed["tags"] == ["npn"]
    same = {"type_id", "type_name", "manufacturer_code", "seller_link", "name"}
    assert {name: changed[name] for name in same} == {name: item[name] for name in same}


@pytest.mark.parametrize(
    "wrong",
    [
        {"type_id": 999},
        {"type_id": 0},
        {"tags": [""]},
        {"tags": [" x"]},
        {"tags": ["x" * 51]},
        {"tags": [f"t{number}" for number in range(51)]},
        {"seller_link": "javascript:alert(1)"},
        {"seller_link": "https://example.org/a b"},
        {"seller_link": "https://example.org/" + "x" * 2000},
        {"seller": "x" * 201},
        {"manufacturer_code": "x" * 201},
    ],
)
async def test_invalid_part_fields_are_rejected(member: AsyncClient, wrong: Json) -> None:
    item = await new_item(member, "Transistor", **PART)
    refused(await member.post("/items/", json={"name": "Other", **wrong}), 422)
    refused(await member.patch(f"/items/{item['id']}", json=wrong), 422)
    assert await get(member, "/items/") == [item]
    assert [tag["name"] for tag in await get(member, "/tags/")] == ["npn", "Transistor"]


async def test_items_are_listed_by_type_and_by_tag_in_any_case(member: AsyncClient) -> None:
    kind = await new_type(member)
    first = await new_item(member, "First", type_id=kind["id"], tags=["Größe M"])
    second = await new_item(member, "Second", tags=["größe m", "other"])
    assert await get(member, "/items/", type_id=kind["id"]) == [first]
    assert await get(member, "/items/", tag="GRÖSSE  M") == [first, second]
    assert await get(member, "/items/", tag="other") == [second]
    assert await get(member, "/items/", tag="nobody") == []


async def test_names_that_differ_in_case_are_one(member: AsyncClient) -> None:
    await new_type(member, "Äpfel")
    refused(await member.post("/types/", json={"name": "ÄPFEL"}), 409, "item type with this name")
    made(await member.post("/tags/", json={"name": "Öl"}))
    refused(await member.post("/tags/", json={"name": "öl"}), 409)
    assert (await new_item(member, tags=["ÖL", "öl"]))["tags"] == ["Öl"]
    assert [tag["name"] for tag in await get(member, "/tags/", search="ÖL")] == ["Öl"]


async def test_new_type_or_tag_name_appears_in_every_answer(member: AsyncClient, scanner: AsyncClient) -> None:
    kind, shelf = await new_type(member), await new_location(member)
    item = await new_item(member, "Transistor", type_id=kind["id"], tags=["npn"], barcodes=[{"barcode": "B1"}])
    scan = {"upc": "B1", "scanner_id": "s1", "location_hint": shelf["id"]}

    async def scanned() -> tuple[Any, Any]:
        answer = made(await scanner.post("/scanner/scan", json=scan))["item"]
        return answer["type_name"], answer["tags"]

    assert await scanned() == ("Semiconductors", ["npn"])
    made(await member.put(f"/types/{kind['id']}", json={"name": "Silicon"}))
    (tag,) = await get(member, "/tags/")
    other = made(await member.post("/tags/", json={"name": "transistor"}))
    problem = refused(await member.put(f"/tags/{tag['id']}", json={"name": "Transistor"}), 409)
    assert problem["detail"].index("add the other tag") < problem["detail"].index("delete")
    assert (await member.delete(f"/tags/{other['id']}")).status_code == 204
    made(await member.put(f"/tags/{tag['id']}", json={"name": "NPN type"}))
    assert await scanned() == ("Silicon", ["NPN type"])
    assert (await member.delete(f"/tags/{tag['id']}")).status_code == 204
    assert await scanned() == ("Silicon", [])
    assert (await get(member, f"/items/{item['id']}"))["version"] == item["version"] + 3


async def test_many_items_of_a_renamed_tag_or_type_follow_in_a_job(
    member: AsyncClient, admin: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version_bumps, "AT_ONCE", 2)
    kind = await new_type(member)
    items = [await new_item(member, f"Transistor {n}", type_id=kind["id"], tags=["npn"]) for n in range(5)]
    (tag,) = await get(member, "/tags/")
    made(await member.put(f"/types/{kind['id']}", json={"name": "Silicon"}))
    made(await member.put(f"/tags/{tag['id']}", json={"name": "NPN type"}))
    found = await get(member, "/items/", tag="npn type")
    assert [(item["type_name"], item["tags"]) for item in found] == [("Silicon", ["NPN type"])] * 5
    jobs = await get(admin, "/jobs/", kind=version_bumps.KIND)
    assert len(jobs) == 2
    async with asyncio.timeout(10):
        while {job["status"] for job in jobs} != {"done"}:
            await asyncio.sleep(0.02)
            jobs = await get(admin, "/jobs/", kind=version_bumps.KIND)
    versions = {item["id"]: item["version"] for item in await get(member, "/items/")}
    assert versions == {item["id"]: item["version"] + 2 for item in items}


async def test_type_with_items_cannot_be_deleted(member: AsyncClient) -> None:
    kind = await new_type(member)
    item = await new_item(member, type_id=kind["id"])
    refused(await member.delete(f"/types/{kind['id']}"), 409, "another type")
    made(await member.patch(f"/items/{item['id']}", json={"type_id": None}))
    assert (await member.delete(f"/types/{kind['id']}")).status_code == 204
    refused(await member.get(f"/types/{kind['id']}"), 404)
    refused(await member.patch(f"/types/{kind['id']}", json={"name": "x"}), 404)
    refused(await member.delete("/tags/7"), 404)


async def test_sellers_are_listed_with_their_items(member: AsyncClient) -> None:
    for name, seller in [("A", "Shop"), ("B", "Shop"), ("C", "Market"), ("D", "")]:
        await new_item(member, name, seller=seller)
    assert await get(member, "/sellers/") == [{"name": "Market", "item_count": 1}, {"name": "Shop", "item_count": 2}]
    assert await get(member, "/sellers", search="SHO") == [{"name": "Shop", "item_count": 2}]


async def test_concurrent_use_of_the_same_new_tags(member: AsyncClient) -> None:
    tags = [f"tag {number}" for number in range(8)]
    items = await asyncio.gather(
        *(new_item(member, f"Item {number}", tags=tags[number % 2 :: 1][::-1]) for number in range(12))
    )
    assert {len(item["tags"]) for item in items} == {7, 8}
    assert len(await get(member, "/tags/")) == 8


async def test_item_that_gets_a_tag_while_it_is_renamed_shows_the_new_name(app: Litestar, member: AsyncClient) -> None:
    """The rename waits for the transaction that adds the item; the lists cache items by their version."""
    tag = made(await member.post("/tags/", json={"name": "white"}))
    kind = await new_type(member, "Spices")
    database = app.state.database
    async with database.read() as read:
        by = Principal(await get_user(read, 2))
    async with database.transaction() as tx:
        salt = await add_item(tx, NewItem(name="Salt", tags=["white"], type_id=kind["id"]), by)
        renames = [
            asyncio.create_task(member.put(f"/tags/{tag['id']}", json={"name": "pale"})),
            asyncio.create_task(member.put(f"/types/{kind['id']}", json={"name": "Herbs"})),
        ]
        await asyncio.sleep(0.3)
        assert not any(rename.done() for rename in renames)
    for rename in renames:
        made(await rename)
    (item,) = await get(member, "/items/")
    assert (item["tags"], item["type_name"]) == (["pale"], "Herbs")
    assert item["version"] == salt.version + 2
