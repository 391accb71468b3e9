"""`/locations` over HTTP."""

from __future__ import annotations

from typing import Any

from httpx import AsyncClient

from tests.inventory import get, made, new_item, new_location, new_stock, refused


async def test_location_response_has_the_documented_fields(member: AsyncClient, reader: AsyncClient) -> None:
    answer = await member.post("/locations/", json={"name": "Kühlschrank", "storage_type": "Refrigerator"})
    assert answer.status_code == 201
    location = answer.json()
    assert set(location) >= {
        "id", "name", "description", "storage_type", "is_active", "box_no", "loc_no", "created_at", "updated_at",
    }  # fmt: skip
    assert (location["name"], location["description"], location["storage_type"]) == ("Kühlschrank", "", "refrigerator")
    assert (location["is_active"], location["box_no"], location["loc_no"]) == (True, None, None)
    assert location["created_at"].endswith("Z")
    for path in (f"/locations/{location['id']}", f"/locations/{location['id']}/", "/locations/name/K%C3%BChlschrank"):
        assert await get(reader, path) == location
    refused(await reader.get("/locations/999"), 404, "location", "999")
    refused(await reader.get("/locations/name/Attic"), 404, "Attic")


async def test_locations_are_listed_by_name_paged_and_filtered(member: AsyncClient) -> None:
    cellar = await new_location(member, "cellar", description="Down the stairs")
    attic = await new_location(member, "Attic", storage_type="other")
    bench = await new_location(member, "Bench", storage_type="garage")

    async def shown(path: str = "/locations/", **query: Any) -> list[int]:
        return [location["id"] for location in await get(member, path, **query)]

    ordered = [attic["id"], bench["id"], cellar["id"]]
    assert await shown() == await shown("/locations") == ordered
    assert await shown(skip=1, limit=1) == await shown(page=2, size=1) == [bench["id"]]
    assert await shown(storage_type="GARAGE") == [bench["id"]]
    assert await shown(search="STAIRS") == await shown("/locations/search", q="STAIRS") == [cellar["id"]]
    refused(await member.get("/locations/", params={"limit": 1001}), 422, "limit")
    refused(await member.get("/locations/", params={"storage_type": "moon"}), 422, "must be one of pantry")
    refused(await member.get("/locations/search", params={"q": ""}), 422, "q")


async def test_put_and_patch_change_what_is_sent(member: AsyncClient) -> None:
    shelf = await new_location(member, "Shelf", description="old")
    for method in (member.put, member.patch):
        changed = made(await method(f"/locations/{shelf['id']}", json={"storage_type": "PANTRY"}))
        assert (changed["name"], changed["description"], changed["storage_type"]) == ("Shelf", "old", "pantry")
    assert made(await member.patch(f"/locations/{shelf['id']}", json={"description": None}))["description"] == ""
    refused(await member.put("/locations/999", json={"name": "x"}), 404)


async def test_active_locations_have_unique_names(member: AsyncClient) -> None:
    first = await new_location(member, "Shelf")
    other = await new_location(member, "Other")
    refused(await member.post("/locations/", json={"name": "Shelf"}), 409, "name")
    refused(await member.patch(f"/locations/{other['id']}", json={"name": "Shelf"}), 409, "name")
    assert (await member.delete(f"/locations/{first['id']}")).status_code == 200
    again = await new_location(member, "Shelf")
    assert (await get(member, "/locations/name/Shelf"))["id"] == again["id"]
    refused(await member.patch(f"/locations/{first['id']}", json={"is_active": True}), 409, "name")


async def test_location_with_stock_cannot_be_deleted(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    sku = await new_stock(member, item, shelf, 0.001)
    refused(await member.delete(f"/locations/{shelf['id']}"), 409, "still holds stock")
    refused(await member.patch(f"/locations/{shelf['id']}", json={"is_active": False}), 409, "still holds stock")
    made(await member.put(f"/skus/{sku['id']}/quantity", json={"quantity": 0}))
    for _ in range(2):
        answer = await member.delete(f"/locations/{shelf['id']}")
        assert (answer.status_code, list(answer.json())) == (200, ["message"])
    assert (await get(member, f"/locations/{shelf['id']}"))["is_active"] is False
    assert await get(member, "/locations/") == []
    assert [each["id"] for each in await get(member, "/locations/", is_active=False)] == [shelf["id"]]


async def test_addition_at_an_inactive_location_is_rejected(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    await member.delete(f"/locations/{shelf['id']}")
    refused(await member.post("/skus/", json={"item_id": item["id"], "location_id": shelf["id"], "quantity": 1}), 404)
    assert await get(member, "/skus/") == []


async def test_invalid_location_is_rejected(member: AsyncClient) -> None:
    shelf = await new_location(member)
    wrong: list[tuple[str, Any]] = [
        ("name", ""),
        ("name", "x" * 201),
        ("name", None),
        ("description", "x" * 1001),
        ("storage_type", "moon"),
        ("storage_type", 1),
    ]
    for field, value in wrong:
        for answer in (
            await member.post("/locations/", json={"name": "x", field: value}),
            await member.patch(f"/locations/{shelf['id']}", json={field: value}),
        ):
            problem = refused(answer, 422)
            assert any(field in error["field"] for error in problem["errors"]), (field, value, problem)
    assert await get(member, "/locations/") == [shelf]
