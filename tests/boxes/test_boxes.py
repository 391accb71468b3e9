"""`/boxes` over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any
from xml.etree import ElementTree

import pytest
from httpx import AsyncClient

from tests.inventory import Json, get, made, new_box, new_item, new_location, new_stock, refused

pytestmark = pytest.mark.one_server

SVG = "{http://www.w3.org/2000/svg}"


async def box(client: AsyncClient, capacity: int, **fields: Any) -> Json:
    return made(await client.post("/boxes/", json={"capacity": capacity, **fields}))


async def names(client: AsyncClient, box_no: int, **query: Any) -> list[str]:
    """The names of the active locations of a box, by number."""
    return [location["name"] for location in await get(client, f"/boxes/{box_no}/places", limit=1000, **query)]


async def test_box_has_a_number_and_its_locations(member: AsyncClient, reader: AsyncClient) -> None:
    first, second = await box(member, 2), await box(member, 3, name="Screws", storage_type="Garage")
    assert (first["box_no"], first["name"], first["storage_type"]) == (1, "Box 1", "other")
    assert (second["box_no"], second["name"], second["storage_type"]) == (2, "Screws", "garage")
    assert (second["capacity"], second["occupied"], second["free"], second["stock_rows"]) == (3, 0, 3, 0)
    assert second["is_active"]
    assert "id" not in second
    assert await get(reader, "/boxes/2") == second
    assert await get(reader, "/boxes") == [first, second]
    locations = await get(reader, "/locations/", box_no=2)
    assert [(location["name"], location["box_no"], location["loc_no"]) for location in locations] == [
        ("Box 2 / 1", 2, 1),
        ("Box 2 / 2", 2, 2),
        ("Box 2 / 3", 2, 3),
    ]
    assert {location["storage_type"] for location in locations} == {"garage"}
    refused(await reader.get("/boxes/3"), 404, "box 3")


async def test_boxes_are_listed_by_number_and_filtered(member: AsyncClient) -> None:
    await box(member, 1, name="Resistors")
    await box(member, 1, description="All the CAPACITORS", storage_type="garage")
    await box(member, 1)

    async def shown(**query: Any) -> list[int]:
        return [each["box_no"] for each in await get(member, "/boxes/", **query)]

    assert await shown() == [1, 2, 3]
    assert await shown(search="capac") == await shown(storage_type="GARAGE") == [2]
    assert await shown(search="resist") == [1]
    assert (await member.delete("/boxes/2")).status_code == 204
    assert await shown() == [1, 3]
    assert await shown(is_active=False) == [2]


async def test_box_counts_its_used_locations(member: AsyncClient) -> None:
    locations = await new_box(member, 4)
    screws, nuts = await new_item(member, "Screws"), await new_item(member, "Nuts")
    await new_stock(member, screws, locations[0], 5)
    await new_stock(member, nuts, locations[0], 2.5)
    await new_stock(member, nuts, locations[2], 1, expiry_date="2030-01-31")
    await new_stock(member, nuts, locations[3], 0)
    used = await get(member, "/boxes/1")
    assert (used["capacity"], used["occupied"], used["free"], used["stock_rows"]) == (4, 2, 2, 3)
    shown = await get(member, "/boxes/1/places")
    assert [
        [(row["name"], row["quantity"], row["expiry_date"]) for row in location["stock"]] for location in shown
    ] == [
        [("Nuts", 2.5, None), ("Screws", 5, None)],
        [],
        [("Nuts", 1, "2030-01-31")],
        [],
    ]
    assert shown[0]["stock"][1]["code"] == screws["code"]
    assert [location["loc_no"] for location in await get(member, "/boxes/1/places", skip=2, limit=1)] == [3]


async def test_events_name_box_locations_by_number(member: AsyncClient) -> None:
    await new_box(member, 12)
    await new_box(member, 12)
    item = await new_item(member)
    event = {"type": "add", "item": {"id": item["id"]}, "location": {"box_no": 2, "loc_no": 11}, "quantity": 3}
    answer = made(await member.post("/events", json={"events": [event]}))
    assert answer["applied"] == 1
    stocked = [location for location in await get(member, "/boxes/2/places") if location["stock"]]
    assert [(location["box_no"], location["loc_no"]) for location in stocked] == [(2, 11)]
    wrong = {**event, "location": {"box_no": 2, "loc_no": 13}}
    answer = made(await member.post("/events", json={"events": [wrong]}))
    assert "no location 13 in box 2" in answer["results"][0]["reason"]


async def test_growing_adds_locations_and_shrinking_removes_the_last(member: AsyncClient) -> None:
    await box(member, 2)
    grown = made(await member.patch("/boxes/1", json={"capacity": 4}))
    assert (grown["capacity"], grown["free"]) == (4, 4)
    assert await names(member, 1) == ["Box 1 / 1", "Box 1 / 2", "Box 1 / 3", "Box 1 / 4"]
    ids = {location["name"]: location["location_id"] for location in await get(member, "/boxes/1/places")}
    made(await member.put("/boxes/1", json={"capacity": 1}))
    assert await names(member, 1) == ["Box 1 / 1"]
    made(await member.put("/boxes/1", json={"capacity": 3}))
    again = {location["name"]: location["location_id"] for location in await get(member, "/boxes/1/places")}
    assert again.items() <= ids.items(), "a location that comes back is the one its labels name"


async def test_shrinking_is_rejected_while_a_removed_location_has_stock(member: AsyncClient) -> None:
    locations = await new_box(member, 20)
    item = await new_item(member)
    skus = [await new_stock(member, item, location, 0.001) for location in locations[4:]]
    problem = refused(await member.patch("/boxes/1", json={"capacity": 4}), 409, "Box 1 / 5, Box 1 / 6", "6 more")
    assert "Box 1 / 15" not in problem["detail"]
    refused(await member.patch("/boxes/1", json={"capacity": 19, "name": "x"}), 409, "Box 1 / 20.")
    refused(await member.delete("/boxes/1"), 409, "Box 1 / 5")
    assert (await get(member, "/boxes/1"))["name"] == "Box 1"
    for sku in skus:
        made(await member.put(f"/skus/{sku['id']}/quantity", json={"quantity": 0}))
    assert made(await member.patch("/boxes/1", json={"capacity": 4}))["capacity"] == 4


async def test_negative_stock_prevents_removing_the_box(member: AsyncClient) -> None:
    locations = await new_box(member, 2)
    item = await new_item(member, oversell_policy="allow")
    sku = await new_stock(member, item, locations[1], 1)
    made(await member.post(f"/skus/{sku['id']}/adjust", json={"delta": -3}))
    refused(await member.patch("/boxes/1", json={"capacity": 1}), 409, "Box 1 / 2")


async def test_removed_box_can_be_reactivated_and_keeps_its_number(member: AsyncClient) -> None:
    locations = await new_box(member, 2)
    await new_box(member, 1)
    for _ in range(2):
        assert (await member.delete("/boxes/2")).status_code == 204
    assert (await member.delete("/boxes/1")).status_code == 204
    assert await get(member, "/locations/") == []
    assert (await box(member, 1))["box_no"] == 3
    item = await new_item(member)
    body = {"item_id": item["id"], "location_id": locations[0]["id"], "quantity": 1}
    refused(await member.post("/skus/", json=body), 404, "no active location")
    made(await member.patch("/boxes/1", json={"is_active": True}))
    assert [location["location_id"] for location in await get(member, "/boxes/1/places")] == [
        each["id"] for each in locations
    ]
    made(await member.post("/skus/", json=body))


async def test_box_locations_are_changed_through_the_box(member: AsyncClient) -> None:
    locations = await new_box(member, 2, storage_type="pantry")
    path = f"/locations/{locations[0]['id']}"
    refused(await member.delete(path), 409, "box 1")
    refused(await member.patch(path, json={"storage_type": "freezer"}), 409, "box 1")
    named = made(await member.patch(path, json={"name": "Left front", "description": "M3"}))
    assert (named["name"], named["loc_no"]) == ("Left front", 1)
    made(await member.patch("/boxes/1", json={"storage_type": "freezer", "name": "Ice", "description": "cold"}))
    changed = await get(member, "/locations/", box_no=1)
    assert {location["storage_type"] for location in changed} == {"freezer"}
    made(await member.patch("/boxes/1", json={"capacity": 3}))
    assert {location["storage_type"] for location in await get(member, "/locations/", box_no=1)} == {"freezer"}


async def test_box_location_name_must_not_be_taken(member: AsyncClient) -> None:
    impostor = await new_location(member, "Box 1 / 3")
    refused(await member.post("/boxes/", json={"capacity": 3}), 409, "Box 1 / 1 to Box 1 / 3", "another name")
    assert await get(member, "/boxes/") == []
    assert await get(member, "/locations/") == [impostor]
    await box(member, 2)
    refused(await member.patch("/boxes/1", json={"capacity": 3}), 409, "Box 1 / 3")
    made(await member.patch(f"/locations/{impostor['id']}", json={"name": "Another"}))
    made(await member.patch("/boxes/1", json={"capacity": 3}))


async def test_box_changes_are_in_the_audit_log(member: AsyncClient, admin: AsyncClient) -> None:
    await box(member, 2)
    made(await member.patch("/boxes/1", json={"capacity": 3}))
    await member.delete("/boxes/1")
    trail = await get(admin, "/audit/", subject="box")
    assert [(entry["action"], entry["subject_id"], entry["details"]) for entry in trail] == [
        ("changed", "1", {"is_active": False}),
        ("changed", "1", {"capacity": 3}),
        ("created", "1", {"capacity": 2}),
    ]


@pytest.mark.one_database
async def test_invalid_box_is_rejected(member: AsyncClient) -> None:
    await box(member, 1)
    wrong: list[tuple[str, Any]] = [
        ("capacity", 0),
        ("capacity", 1001),
        ("capacity", 1.5),
        ("capacity", None),
        ("name", ""),
        ("name", "x" * 201),
        ("description", "x" * 1001),
        ("storage_type", "moon"),
    ]
    for field, value in wrong:
        for answer in (
            await member.post("/boxes/", json={"capacity": 1, field: value}),
            await member.patch("/boxes/1", json={field: value}),
        ):
            problem = refused(answer, 422)
            assert any(field in error["field"] for error in problem["errors"]), (field, value, problem)
    assert len(await get(member, "/boxes/")) == 1


async def test_concurrently_created_boxes_have_different_numbers(member: AsyncClient) -> None:
    made_boxes = await asyncio.gather(*(box(member, 3) for _ in range(8)))
    assert sorted(each["box_no"] for each in made_boxes) == list(range(1, 9))
    listed = await get(member, "/locations/", limit=1000)
    assert sorted(each["loc_no"] or 0 for each in listed) == [number for number in range(4) for _ in range(8)]


async def test_concurrent_growth_ends_with_one_of_the_capacities(member: AsyncClient) -> None:
    await box(member, 1)
    wanted = [5, 9, 3, 12, 2, 7]
    answers = await asyncio.gather(*(member.patch("/boxes/1", json={"capacity": each}) for each in wanted))
    assert {answer.status_code for answer in answers} == {200}
    capacity = (await get(member, "/boxes/1"))["capacity"]
    assert capacity in wanted
    assert await names(member, 1) == [f"Box 1 / {number}" for number in range(1, capacity + 1)]


async def test_no_stock_is_added_to_a_location_removed_concurrently(member: AsyncClient) -> None:
    item = await new_item(member)
    for _ in range(8):
        location = (await new_box(member, 2))[1]
        body = {"item_id": item["id"], "location_id": location["id"], "quantity": 1}
        shrunk, scanned = await asyncio.gather(
            member.patch(f"/boxes/{location['box_no']}", json={"capacity": 1}), member.post("/skus/", json=body)
        )
        assert {shrunk.status_code, scanned.status_code} in ({200, 404}, {409, 201}), (shrunk.text, scanned.text)
        is_active = (await get(member, f"/locations/{location['id']}"))["is_active"]
        stocked = await get(member, "/skus/", location_id=location["id"])
        assert is_active == bool(stocked)


@pytest.mark.one_database
async def test_labels_name_every_location_and_set_it_when_scanned(member: AsyncClient, scanner: AsyncClient) -> None:
    locations = await new_box(member, 30)
    made(await member.patch(f"/locations/{locations[0]['id']}", json={"name": "<script>&\x01" + "x" * 100}))
    answer = await scanner.get("/boxes/1/labels")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
    sheet = ElementTree.fromstring(answer.content)
    texts = [text.text for text in sheet.iter(f"{SVG}text")]
    assert len(texts) == len(list(sheet.iter(f"{SVG}path"))) == 28
    assert texts[0] == "<script>&" + "x" * 16 + "…"
    assert texts[1:] == [f"Box 1 / {number}" for number in range(2, 29)]
    rest = ElementTree.fromstring((await scanner.get("/boxes/1/labels", params={"sheet": 2})).content)
    assert [text.text for text in rest.iter(f"{SVG}text")] == ["Box 1 / 29", "Box 1 / 30"]
    refused(await scanner.get("/boxes/1/labels", params={"sheet": 3}), 404, "sheet 3")
    refused(await scanner.get("/boxes/9/labels"), 404, "box 9")
