"""`/items` over HTTP."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.catalogue import repository
from stocky.catalogue.repository import ItemRow
from stocky.catalogue.schemas import Item
from stocky.db import Connection
from stocky.demo_data import fill
from tests.inventory import get, made, new_item, new_location, new_stock, refused
from tests.merging.merges import merge

ITEM_FIELDS = {
    "id", "code", "name", "description", "upc", "default_storage_type", "is_active", "uda_fetched",
    "uda_fetch_attempted", "upc_data", "created_at", "updated_at", "min_quantity", "oversell_policy",
    "needs_review", "barcodes", "total_quantity", "version",
}  # fmt: skip


async def test_item_response_has_the_documented_fields(member: AsyncClient) -> None:
    answer = await member.post(
        "/items/",
        json={
            "name": "Café, gemahlen",
            "description": "500 g",
            "upc": "4006381333931",
            "default_storage_type": "PANTRY",
            "min_quantity": 1.5,
            "reorder_quantity": 6,
            "oversell_policy": "Clamp",
            "barcodes": [{"barcode": "4006381333948", "pack_quantity": 6}],
            "colour": "unknown fields are ignored",
        },
    )
    assert answer.status_code == 201
    item = answer.json()
    assert set(item) >= ITEM_FIELDS
    assert (item["name"], item["description"], item["upc"]) == ("Café, gemahlen", "500 g", "4006381333931")
    assert (item["default_storage_type"], item["oversell_policy"]) == ("pantry", "clamp")
    assert (item["min_quantity"], item["total_quantity"], item["version"]) == (1.5, 0, 1)
    assert item["reorder_quantity"] == 6
    assert item["barcodes"] == [
        {"barcode": "4006381333931", "pack_quantity": 1},
        {"barcode": "4006381333948", "pack_quantity": 6},
    ]
    assert item["is_active"] is True
    assert item["needs_review"] is item["uda_fetched"] is item["uda_fetch_attempted"] is False
    assert len(item["code"]) == 4
    assert item["code"].isascii()
    assert item["code"].isupper()
    assert item["created_at"].endswith("Z")
    assert await get(member, f"/items/{item['id']}") == item


async def test_listed_item_equals_the_single_item(member: AsyncClient) -> None:
    kind = made(await member.post("/types/", json={"name": "Semiconductors"}))
    shelf, fridge = await new_location(member, "Shelf"), await new_location(member, "Fridge")
    packs = [{"barcode": "z-10", "pack_quantity": 10}, {"barcode": "a-2.5", "pack_quantity": 2.5}]
    plain = await new_item(member, "Salt")
    full = await new_item(
        member, "Transistor", upc="4006381333931", barcodes=packs, tags=["npn", "Bipolar", "audio"], type_id=kind["id"]
    )
    packed = await new_item(member, "Tape", barcodes=[{"barcode": "tape-1"}], tags=["npn"])
    await new_stock(member, full, shelf, 1.5)
    await new_stock(member, full, fridge, 2)
    alone = [await get(member, f"/items/{item['id']}") for item in (plain, full, packed)]
    assert [item["tags"] for item in alone] == [[], ["audio", "Bipolar", "npn"], ["npn"]]
    assert [item["upc"] for item in alone] == [None, "4006381333931", None]
    assert alone[1]["total_quantity"] == 3.5
    assert await get(member, "/items/") == alone
    assert await get(member, "/items/", search="a", skip=1) == alone[1:]
    sku = (await get(member, "/skus/", item_id=full["id"], expand="item"))[0]
    assert sku["item"] == alone[1]


async def test_item_can_be_sent_back_as_read(app: Litestar, member: AsyncClient, scanner: AsyncClient) -> None:
    await fill(app.state.database, items=40, events=100, seed=7, introduce=lambda _: None, progress=lambda _: None)
    location = (await get(member, "/locations/"))[0]["id"]
    for barcode in ("7", "1234567", "a b", "é/1", "x" * 128, "https://example.org/thing"):
        scan = {"upc": barcode, "scanner_id": "s1", "location_hint": location}
        made(await scanner.post("/scanner/scan", json=scan))
    items = await get(member, "/items/", limit=1000)
    assert {item["upc"] for item in items if item["needs_review"]} >= {"7", "a b", "x" * 128}
    for item in items:
        again = made(await member.put(f"/items/{item['id']}", json=item))
        assert again | {"version": 0, "updated_at": ""} == item | {"version": 0, "updated_at": ""}


async def test_empty_upc_is_none(member: AsyncClient) -> None:
    item = await new_item(member, upc="")
    other = await new_item(member, "Tea", upc="")
    assert (item["upc"], item["barcodes"], other["upc"]) == (None, [], None)
    path = f"/items/{item['id']}"
    for method in ("PUT", "PATCH"):
        given = made(await member.request(method, path, json={"upc": "40063813"}))
        assert given["upc"] == "40063813"
        cleared = made(await member.request(method, path, json={**given, "upc": "", "barcodes": []}))
        assert (cleared["upc"], cleared["barcodes"]) == (None, [])
    for blank in (" ", "\n"):
        refused(await member.put(path, json={"upc": blank}), 422, "upc", "blank")
        refused(await member.post("/items/", json={"name": "x", "upc": blank}), 422, "upc")


async def test_new_upc_is_valid_or_a_barcode_of_the_item(member: AsyncClient) -> None:
    item = await new_item(member, upc="40063813", barcodes=[{"barcode": "short"}])
    for wrong, words in (("1234567", "at least 8"), ("x" * 21, "at most 20"), ("1234 5678", "without blanks")):
        problem = refused(await member.put(f"/items/{item['id']}", json={"upc": wrong}), 422, "upc", words)
        assert [error["field"] for error in problem["errors"]] == ["upc"]
    swapped = made(await member.patch(f"/items/{item['id']}", json={"upc": "short", "barcodes": item["barcodes"]}))
    assert [each["barcode"] for each in swapped["barcodes"]] == ["short", "40063813"]
    assert swapped["upc"] == "short"


async def test_item_needs_only_a_name(member: AsyncClient) -> None:
    item = await new_item(member, "Salt")
    assert (item["upc"], item["barcodes"], item["description"], item["min_quantity"]) == (None, [], "", None)
    assert (item["default_storage_type"], item["oversell_policy"]) == ("pantry", "reject")


async def test_concurrently_created_codes_differ(member: AsyncClient) -> None:
    items = await asyncio.gather(*(new_item(member, f"Thing {number}") for number in range(20)))
    assert len({item["code"] for item in items}) == 20


async def test_item_is_found_by_id_code_and_every_barcode(reader: AsyncClient, member: AsyncClient) -> None:
    item = await new_item(member, upc="40063813", barcodes=[{"barcode": "(01) pack+6%"}])
    for path in (
        f"/items/{item['id']}",
        f"/items/code/{item['code']}",
        f"/items/code/{item['code'].lower()}",
        "/items/upc/40063813",
        "/items/upc/(01)%20pack+6%25",
    ):
        assert (await get(reader, path))["id"] == item["id"], path
    refused(await reader.get("/items/999"), 404, "item", "999")
    refused(await reader.get("/items/code/ZZZZZ"), 404, "code")
    refused(await reader.get("/items/upc/12345678"), 404, "12345678")


async def test_lists_answer_with_and_without_a_slash(member: AsyncClient) -> None:
    item = await new_item(member)
    for path in ("/items", "/items/"):
        assert (await get(member, path))[0] == item
        assert (await member.post(path, json={"name": "More"})).status_code == 201
    for path in (f"/items/{item['id']}", f"/items/{item['id']}/"):
        assert (await member.get(path)).status_code == 200
        assert (await member.patch(path, json={"name": "Again"})).status_code == 200


async def test_lists_support_both_kinds_of_paging(member: AsyncClient) -> None:
    ids = [(await new_item(member, f"Item {number}"))["id"] for number in range(5)]

    async def shown(**query: int) -> list[int]:
        return [item["id"] for item in await get(member, "/items/", **query)]

    assert await shown() == ids
    assert await shown(skip=1, limit=2) == ids[1:3]
    assert await shown(page=1, size=2) == ids[:2]
    assert await shown(page=3, size=2) == ids[4:]
    assert await shown(page=2, limit=3) == ids[3:]
    assert await shown(skip=5) == []
    assert await shown(limit=1000, whatever=1) == ids
    for wrong in ({"limit": 1001}, {"limit": 0}, {"size": 1001}, {"skip": -1}, {"page": 0}, {"limit": "many"}):
        problem = refused(await member.get("/items/", params=wrong), 422)
        assert [error["field"] for error in problem["errors"]] == list(wrong)


async def test_lists_are_filtered(member: AsyncClient) -> None:
    coffee = await new_item(member, "Coffee, 100 % Arabica", upc="40063813", description="Ground")
    peas = await new_item(member, "Peas_frozen", default_storage_type="freezer")
    gone = await new_item(member, "Gone")
    assert (await member.delete(f"/items/{gone['id']}")).status_code == 200

    async def shown(path: str = "/items/", **query: Any) -> list[int]:
        return [item["id"] for item in await get(member, path, **query)]

    assert await shown() == [coffee["id"], peas["id"]]
    assert await shown(is_active=False) == [gone["id"]]
    assert await shown(storage_type="FREEZER") == [peas["id"]]
    for text in ("cOFFee", "% a", "ground", "4006", coffee["code"].lower()):
        assert await shown(search=text) == [coffee["id"]], text
        assert await shown("/items/search", q=text) == [coffee["id"]], text
    assert await shown(search="s_f") == [peas["id"]]
    assert await shown(search="o_f") == []
    assert await shown(search="") == [coffee["id"], peas["id"]]
    assert await shown("/items/search", q="e", limit=1) == [coffee["id"]]
    refused(await member.get("/items/", params={"storage_type": "attic"}), 422, "must be one of pantry", "freezer")
    refused(await member.get("/items/search"), 422, "q")


async def test_put_and_patch_change_what_is_sent(member: AsyncClient) -> None:
    item = await new_item(member, upc="40063813", min_quantity=2, reorder_quantity=6, description="old")
    for method in (member.put, member.patch):
        changed = made(await method(f"/items/{item['id']}", json={"name": "Tea", "default_storage_type": "Other"}))
        assert (changed["name"], changed["default_storage_type"]) == ("Tea", "other")
        assert (changed["upc"], changed["min_quantity"], changed["description"]) == ("40063813", 2, "old")
        assert changed["reorder_quantity"] == 6
    assert changed["version"] == item["version"] + 2
    assert changed["code"] == item["code"]
    cleared = made(await member.patch(f"/items/{item['id']}", json={"upc": None, "min_quantity": None}))
    assert (cleared["upc"], cleared["barcodes"], cleared["min_quantity"]) == (None, [], None)
    assert made(await member.patch(f"/items/{item['id']}", json={"reorder_quantity": None}))["reorder_quantity"] is None
    refused(await member.patch("/items/999", json={"name": "x"}), 404)


async def test_change_with_if_match(member: AsyncClient) -> None:
    item = await new_item(member)
    path = f"/items/{item['id']}"
    right = {"If-Match": f'"{item["version"]}"'}
    assert (await member.patch(path, json={"name": "First"}, headers=right)).status_code == 200
    refused(await member.patch(path, json={"name": "Second"}, headers=right), 412, "version 2", "read it again")
    assert (await get(member, path))["name"] == "First"
    assert (await member.put(path, json={"name": "Any"}, headers={"If-Match": "*"})).status_code == 200
    refused(await member.put(path, json={"name": "x"}, headers={"If-Match": "abc"}), 400, "If-Match")


async def test_barcode_belongs_to_one_item(member: AsyncClient) -> None:
    first = await new_item(member, upc="40063813", barcodes=[{"barcode": "six", "pack_quantity": 6}])
    second = await new_item(member)
    for taken in ("40063813", "six"):
        refused(await member.post("/items/", json={"name": "x", "barcodes": [{"barcode": taken}]}), 409, taken)
        refused(await member.patch(f"/items/{second['id']}", json={"barcodes": [{"barcode": taken}]}), 409, taken)
        refused(await member.post(f"/items/{second['id']}/barcodes", json={"barcode": taken}), 409, taken)
    # The error names the owner and the field.
    words = f"already belongs to {first['name']} ({first['code']})"
    for body, field in (({"upc": "40063813"}, "upc"), ({"barcodes": [{"barcode": "six"}]}, "barcodes")):
        problem = refused(await member.post("/items/", json={"name": "x", **body}), 409, words)
        assert [error["field"] for error in problem["errors"]] == [field]
    refused(await member.patch(f"/items/{second['id']}", json={"upc": "40063813"}), 409, "40063813")
    assert len(await get(member, "/items/")) == 2
    assert await get(member, f"/items/{first['id']}") == first
    assert await get(member, f"/items/{second['id']}") == second


async def test_barcodes_are_added_and_removed(member: AsyncClient) -> None:
    item = await new_item(member, upc="40063813")
    path = f"/items/{item['id']}/barcodes"
    more = made(await member.post(path, json={"barcode": "a+b c", "pack_quantity": 0.25}))
    assert more["barcodes"][1:] == [{"barcode": "a+b c", "pack_quantity": 0.25}]
    assert (await member.delete(f"{path}/a+b%20c")).status_code == 204
    assert (await get(member, f"/items/{item['id']}"))["barcodes"] == item["barcodes"]
    refused(await member.delete(f"{path}/a+b%20c"), 404, "a+b c")
    assert (await member.delete(f"{path}/40063813")).status_code == 204
    assert (await get(member, f"/items/{item['id']}"))["upc"] is None
    replaced = made(await member.patch(f"/items/{item['id']}", json={"barcodes": [{"barcode": "x"}, {"barcode": "y"}]}))
    assert [each["barcode"] for each in replaced["barcodes"]] == ["x", "y"]
    twice = [{"barcode": "z"}, {"barcode": "z"}]
    refused(await member.patch(f"/items/{item['id']}", json={"barcodes": twice}), 409, "twice")


async def test_item_with_stock_cannot_be_deleted(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    sku = await new_stock(member, item, shelf, 2)
    refused(await member.delete(f"/items/{item['id']}"), 409, "still holds stock")
    refused(await member.patch(f"/items/{item['id']}", json={"is_active": False}), 409, "still holds stock")
    assert (await get(member, f"/items/{item['id']}"))["is_active"] is True
    assert (await member.delete(f"/skus/{sku['id']}")).status_code == 200
    assert (await member.delete(f"/items/{item['id']}")).status_code == 200


async def test_deleted_item_is_hidden_and_can_be_reactivated(member: AsyncClient) -> None:
    item, shelf = await new_item(member, upc="40063813"), await new_location(member)
    sku = await new_stock(member, item, shelf, 2)
    await member.delete(f"/skus/{sku['id']}")
    for _ in range(2):
        answer = await member.delete(f"/items/{item['id']}")
        assert (answer.status_code, answer.json()) == (200, {"message": f"Item {item['id']} deleted"})
    assert await get(member, "/items/") == []
    assert (await get(member, f"/items/{item['id']}"))["is_active"] is False
    assert len((await get(member, f"/items/{item['id']}/events"))["events"]) == 2
    back = made(await member.patch(f"/items/{item['id']}", json={"is_active": True}))
    assert (back["is_active"], back["upc"]) == (True, "40063813")


WRONG: list[tuple[str, Any]] = [
    ("name", ""),
    ("name", "x" * 201),
    ("name", None),
    ("name", 7),
    ("description", "x" * 1001),
    ("upc", "1234567"),
    ("upc", "1" * 21),
    ("upc", "with space"),
    ("default_storage_type", "attic"),
    ("oversell_policy", "maybe"),
    ("min_quantity", -1),
    ("min_quantity", 0.0001),
    ("min_quantity", "some"),
    ("reorder_quantity", 0),
    ("reorder_quantity", 0.0001),
    ("barcodes", [{"barcode": ""}]),
    ("barcodes", [{"barcode": "x", "pack_quantity": 0}]),
    ("barcodes", [{"barcode": "x", "pack_quantity": 0.0001}]),
    ("barcodes", [{"barcode": "x" * 501}]),
    ("barcodes", [{"barcode": str(number)} for number in range(101)]),
]


async def test_invalid_item_is_rejected(member: AsyncClient) -> None:
    item = await new_item(member)
    for field, value in WRONG:
        for answer in (
            await member.post("/items/", json={"name": "x", field: value}),
            await member.patch(f"/items/{item['id']}", json={field: value}),
        ):
            problem = refused(answer, 422)
            assert any(field in error["field"] for error in problem["errors"]), (field, value, problem)
    assert await get(member, "/items/") == [item]


async def test_page_is_read_from_one_snapshot(member: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    tea = await new_item(member, "Tea", upc="4006381333931")
    other = await new_item(member, "Green tea")
    begun, go_on = threading.Event(), threading.Event()
    whole_items = repository.whole_items

    async def slowly(tx: Connection, rows: list[ItemRow]) -> list[Item]:
        def wait() -> None:
            begun.set()
            assert go_on.wait(10)

        await tx.compute(wait)
        return await whole_items(tx, rows)

    monkeypatch.setattr(repository, "whole_items", slowly)
    asked = asyncio.create_task(get(member, "/items/", search="Tea"))
    assert await asyncio.to_thread(begun.wait, 10)
    await merge(member, tea, other)
    go_on.set()
    (shown,) = [each for each in await asked if each["id"] == tea["id"]]
    assert shown["is_active"]
    assert shown["upc"] == "4006381333931"


async def test_concurrent_barcode_changes_are_all_applied(member: AsyncClient) -> None:
    tea = await new_item(member, "Tea")
    path = f"/items/{tea['id']}/barcodes"
    for code in range(4):
        made(await member.post(path, json={"barcode": f"old-{code}"}))
    answers = await asyncio.gather(
        *(member.post(path, json={"barcode": f"new-{code}"}) for code in range(4)),
        *(member.delete(f"{path}/old-{code}") for code in range(4)),
    )
    assert {answer.status_code for answer in answers} == {201, 204}
    barcodes = (await get(member, f"/items/{tea['id']}"))["barcodes"]
    assert {each["barcode"] for each in barcodes} == {f"new-{code}" for code in range(4)}


@pytest.mark.parametrize("name", [r"a\u0000b", r"a\\u0000b", "C:\\u0000"])
async def test_escaped_backslash_before_u0000_is_text(member: AsyncClient, name: str) -> None:
    item = await new_item(member, name)
    assert (await get(member, f"/items/{item['id']}"))["name"] == name
    refused(await member.post("/items/", content=rb'{"name": "a\\\u0000b"}'), 422, "NUL")


async def test_form_may_contain_backslash_u0000(client: AsyncClient) -> None:
    answer = await client.post("/auth/login", data={"username": r"a\u0000b", "password": "x" * 12})
    refused(answer, 401)


@pytest.mark.parametrize(
    "number", ["1_0", "+10", "%2B10", "١٠", "１０", "%2010", "10%20", "-10", "1e1", "0x0a", "10.0", "²"]
)
async def test_number_in_a_path_has_ascii_digits(member: AsyncClient, number: str) -> None:
    for index in range(10):
        item = await new_item(member, f"Thing {index}")
    assert item["id"] >= 10
    assert (await get(member, "/items/0010"))["id"] == 10
    answer = await member.get(f"/items/{number}")
    refused(answer, 404, "There is nothing at")
    refused(await member.get(f"/items/{number}/documents"), 404)
