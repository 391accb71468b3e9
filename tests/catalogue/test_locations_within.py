"""Locations within locations over HTTP: paths, moves of whole subtrees, counts, and names unique in one place."""

from __future__ import annotations

import asyncio
from typing import Any

from httpx import AsyncClient
from litestar import Litestar

from stocky.catalogue.location_repository import list_locations_inside
from tests.inventory import Json, get, made, new_box, new_item, new_location, new_stock, refused


async def tree(client: AsyncClient, *paths: str) -> dict[str, Json]:
    """Locations by their paths, each created in the one above it."""
    found: dict[str, Json] = {}
    for path in paths:
        above, _, name = path.rpartition(" / ")
        fields = {"parent_id": found[above]["id"]} if above else {}
        found[path] = await new_location(client, name, **fields)
    return found


async def paths(client: AsyncClient, **query: Any) -> list[str]:
    return [each["path"] for each in await get(client, "/locations/", sort="path", **query)]


async def test_location_says_what_it_is_in(member: AsyncClient, reader: AsyncClient) -> None:
    made_ = await tree(member, "Garage", "Garage / Shelf 2", "Garage / Shelf 2 / Left")
    garage, shelf, left = made_.values()
    assert (garage["parent_id"], garage["path"], garage["counts"]) == (None, "Garage", None)
    assert (left["parent_id"], left["path"], left["name"]) == (shelf["id"], "Garage / Shelf 2 / Left", "Left")
    assert await get(reader, f"/locations/{left['id']}") == left
    refused(await member.post("/locations/", json={"name": "x", "parent_id": 999}), 404, "999", "put it in")
    refused(await member.post("/locations/", json={"name": "x", "parent_id": 0}), 422, "parent_id")


async def test_locations_are_listed_by_what_they_are_in(member: AsyncClient) -> None:
    garage, shelf, *_ = (await tree(member, "Garage", "Garage / Shelf", "Garage / Shelf / Left", "Attic")).values()
    assert await paths(member) == ["Attic", "Garage", "Garage / Shelf", "Garage / Shelf / Left"]
    assert await paths(member, parent_id=0) == ["Attic", "Garage"]
    assert await paths(member, parent_id=garage["id"]) == ["Garage / Shelf"]
    assert await paths(member, within=garage["id"]) == ["Garage / Shelf", "Garage / Shelf / Left"]
    assert await paths(member, within=shelf["id"], search="LEFT") == ["Garage / Shelf / Left"]
    assert await paths(member, search="garage / sh") == ["Garage / Shelf", "Garage / Shelf / Left"]
    assert await paths(member, search="garage") == ["Garage"]
    assert await paths(member, within=999) == []
    refused(await member.get("/locations/", params={"parent_id": -1}), 422, "parent_id")


async def test_what_is_inside_passes_through_the_places_of_boxes(app: Litestar, member: AsyncClient) -> None:
    cellar = await new_location(member, "Cellar")
    first, second, _ = await new_box(member, 3, name="Crate", parent_id=cellar["id"])
    for name, around in (("Bag", second), ("Tin", first), ("Tray", {"id": first["parent_id"]})):
        await new_location(member, name, parent_id=around["id"])
    hidden = await new_location(member, "Gone", parent_id=first["id"])
    assert (await member.delete(f"/locations/{hidden['id']}")).status_code == 200
    async with app.state.database.read() as read:
        of_cellar = await list_locations_inside(read, {cellar["id"]}, limit=10)
        of_both = await list_locations_inside(read, {cellar["id"], first["parent_id"]}, limit=10)
        few = await list_locations_inside(read, {first["parent_id"]}, limit=1)
    crate = "Cellar / Crate"
    tree = [f"{crate} / 2 / Bag", crate, f"{crate} / 1 / Tin", f"{crate} / Tray", f"{crate} / 1", f"{crate} / 2"]
    assert [each.path for each in of_cellar] == [each.path for each in of_both] == tree
    assert [each.path for each in few] == tree[:1]


async def test_whole_subtree_moves_and_follows_names(member: AsyncClient) -> None:
    found = await tree(member, "Garage", "Garage / Shelf", "Garage / Shelf / Left", "House")
    garage, shelf, left, house = found.values()
    moved = made(await member.put(f"/locations/{shelf['id']}", json={"parent_id": house["id"]}))
    assert (moved["path"], moved["parent_id"]) == ("House / Shelf", house["id"])
    assert (await get(member, f"/locations/{left['id']}"))["path"] == "House / Shelf / Left"
    made(await member.patch(f"/locations/{house['id']}", json={"name": "Home", "parent_id": garage["id"]}))
    assert await paths(member) == ["Garage", "Garage / Home", "Garage / Home / Shelf", "Garage / Home / Shelf / Left"]
    made(await member.patch(f"/locations/{shelf['id']}", json={"parent_id": None}))
    assert (await get(member, f"/locations/{left['id']}"))["path"] == "Shelf / Left"


async def test_no_location_is_put_in_itself(member: AsyncClient) -> None:
    garage, shelf, left = (await tree(member, "Garage", "Garage / Shelf", "Garage / Shelf / Left")).values()
    refused(await member.put(f"/locations/{garage['id']}", json={"parent_id": garage["id"]}), 409, "in itself")
    for inside in (shelf, left):
        refused(await member.put(f"/locations/{garage['id']}", json={"parent_id": inside["id"]}), 409, "that is in it")
    refused(await member.put(f"/locations/{garage['id']}", json={"parent_id": 999}), 404, "999")
    assert await paths(member) == ["Garage", "Garage / Shelf", "Garage / Shelf / Left"]


async def test_concurrent_moves_make_no_cycle(member: AsyncClient) -> None:
    for number in range(6):
        one = await new_location(member, f"One {number}")
        other = await new_location(member, f"Other {number}")
        answers = await asyncio.gather(
            member.put(f"/locations/{one['id']}", json={"parent_id": other["id"]}),
            member.put(f"/locations/{other['id']}", json={"parent_id": one["id"]}),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        above = {each["id"]: each["parent_id"] for each in await get(member, "/locations/", limit=100)}
        assert sorted([above[one["id"]] is None, above[other["id"]] is None]) == [False, True]


async def test_names_in_one_place_differ_by_more_than_case_and_blanks(member: AsyncClient) -> None:
    found = await tree(member, "Garage", "Garage / Äpfel", "House")
    garage, apples, house = found.values()
    for name in ("äpfel", "ÄPFEL", "  Äpfel ", "Äpfel"):
        body = {"name": name, "parent_id": garage["id"]}
        refused(await member.post("/locations/", json=body), 409, "name", "same place")
    refused(await member.post("/locations/", json={"name": " garage"}), 409, "same place")
    elsewhere = made(await member.post("/locations/", json={"name": "äpfel", "parent_id": house["id"]}))
    refused(await member.put(f"/locations/{elsewhere['id']}", json={"parent_id": garage["id"]}), 409, "same place")
    assert (await get(member, f"/locations/{elsewhere['id']}"))["path"] == "House / äpfel"
    renamed = made(await member.put(f"/locations/{apples['id']}", json={"name": "ÄPFEL "}))
    assert (renamed["name"], renamed["path"]) == ("ÄPFEL ", "Garage / ÄPFEL")
    made(await member.put(f"/locations/{elsewhere['id']}", json={"name": "Birnen", "parent_id": garage["id"]}))


async def test_a_path_names_one_location(member: AsyncClient) -> None:
    """Also where a name has a slash in it."""
    flat = await new_location(member, "Garage / Shelf")
    garage = await new_location(member, "Garage")
    refused(await member.post("/locations/", json={"name": "shelf", "parent_id": garage["id"]}), 409, "same place")
    shelf = await new_location(member, "Shelf")
    refused(await member.put(f"/locations/{shelf['id']}", json={"parent_id": garage["id"]}), 409)
    made(await member.patch(f"/locations/{flat['id']}", json={"name": "Old shelf"}))
    assert made(await member.put(f"/locations/{shelf['id']}", json={"parent_id": garage["id"]}))["path"] == (
        "Garage / Shelf"
    )


async def test_location_is_found_by_path_or_by_a_name_of_its_own(member: AsyncClient) -> None:
    found = await tree(member, "Garage", "Garage / Shelf 2", "Cellar", "Cellar / Shelf 2", "Cellar / Rack")

    async def named(text: str) -> str:
        path: str = (await get(member, f"/locations/name/{text.replace('/', '%2F')}"))["path"]
        return path

    assert await named("cellar / shelf 2") == await named(" Cellar / Shelf 2") == "Cellar / Shelf 2"
    assert await named("rack") == "Cellar / Rack"
    problem = refused(await member.get("/locations/name/Shelf 2"), 409, "'Cellar / Shelf 2', 'Garage / Shelf 2'")
    assert problem["type"].endswith("/ambiguous-name")
    refused(await member.get("/locations/name/Cellar %2F Shelf 3"), 404, "Cellar / Shelf 3")
    # A location in no other one is named by its name alone.
    await new_location(member, "Shelf 2")
    assert await named("shelf 2") == "Shelf 2"
    made(await member.delete(f"/locations/{found['Cellar / Rack']['id']}"))
    refused(await member.get("/locations/name/Rack"), 404)


async def test_location_with_others_in_it_is_not_hidden(member: AsyncClient) -> None:
    garage, shelf, left = (await tree(member, "Garage", "Garage / Shelf", "Garage / Shelf / Left")).values()
    for answer in (
        await member.delete(f"/locations/{garage['id']}"),
        await member.patch(f"/locations/{garage['id']}", json={"is_active": False}),
    ):
        refused(answer, 409, "Garage / Shelf, Garage / Shelf / Left", "hide them first")
    await new_stock(member, await new_item(member), left, 1)
    refused(await member.delete(f"/locations/{left['id']}"), 409, "holds stock")
    made(await member.put(f"/locations/{left['id']}", json={"parent_id": None}))
    for each in (shelf, garage):
        made(await member.delete(f"/locations/{each['id']}"))
    refused(await member.patch(f"/locations/{shelf['id']}", json={"is_active": True}), 409, "Garage is hidden")
    refused(await member.put(f"/locations/{left['id']}", json={"parent_id": shelf["id"]}), 409, "hidden")
    refused(await member.post("/locations/", json={"name": "x", "parent_id": shelf["id"]}), 409, "hidden")
    made(await member.patch(f"/locations/{shelf['id']}", json={"is_active": True, "parent_id": None}))
    assert await paths(member) == ["Left", "Shelf"]


async def test_hidden_locations_move_along_and_come_back_at_their_path(member: AsyncClient) -> None:
    garage, shelf, house = (await tree(member, "Garage", "Garage / Shelf", "House")).values()
    made(await member.delete(f"/locations/{shelf['id']}"))
    again = await new_location(member, "shelf", parent_id=garage["id"])
    refused(await member.patch(f"/locations/{shelf['id']}", json={"is_active": True}), 409, "same place")
    made(await member.put(f"/locations/{again['id']}", json={"parent_id": None}))
    made(await member.put(f"/locations/{garage['id']}", json={"parent_id": house["id"]}))
    assert made(await member.patch(f"/locations/{shelf['id']}", json={"is_active": True}))["path"] == (
        "House / Garage / Shelf"
    )


async def test_paths_have_a_bounded_length(member: AsyncClient) -> None:
    one = await new_location(member, "x" * 200)
    two = await new_location(member, "y" * 200, parent_id=one["id"])
    refused(await member.post("/locations/", json={"name": "z" * 95, "parent_id": two["id"]}), 422, "500", "501")
    three = await new_location(member, "z" * 94, parent_id=two["id"])
    assert len(three["path"]) == 500
    refused(await member.patch(f"/locations/{three['id']}", json={"name": "z" * 95}), 422, "500")
    other = await new_location(member, "o")
    refused(await member.put(f"/locations/{one['id']}", json={"parent_id": other["id"]}), 422, "504")
    # Without case it may be longer, and an index takes no key of any length.
    refused(await member.post("/locations/", json={"name": "ΐ" * 180}), 422, "540")


async def test_counts_are_with_and_without_what_is_inside(member: AsyncClient) -> None:
    found = await tree(member, "Garage", "Garage / Shelf", "Garage / Shelf / Left", "House")
    garage, shelf, left, _ = found.values()
    coffee, tea, salt = [await new_item(member, name) for name in ("Coffee", "Tea", "Salt")]
    await new_stock(member, coffee, garage, 1)
    await new_stock(member, coffee, left, 2)
    await new_stock(member, tea, left, 3)
    await new_stock(member, tea, left, 3, expiry_date="2030-01-31")
    await new_stock(member, salt, shelf, 0)

    async def counts(location: Json) -> tuple[int, int, int]:
        each = (await get(member, f"/locations/{location['id']}", counts="true"))["counts"]
        return each["items"], each["items_with_inside"], each["locations_inside"]

    assert [await counts(each) for each in found.values()] == [(1, 2, 2), (0, 2, 1), (2, 2, 0), (0, 0, 0)]
    listed = await get(member, "/locations/", counts="true", sort="path")
    assert [each["counts"]["items_with_inside"] for each in listed] == [2, 2, 2, 0]
    assert (await get(member, f"/locations/{garage['id']}"))["counts"] is None


async def test_lists_are_filtered_by_what_is_inside(member: AsyncClient, reader: AsyncClient) -> None:
    garage, shelf, left, house = (
        await tree(member, "Garage", "Garage / Shelf", "Garage / Shelf / Left", "House")
    ).values()
    coffee, tea, salt = [await new_item(member, name) for name in ("Coffee", "Tea", "Salt")]
    for item, location, quantity in (
        (coffee, garage, 1),
        (tea, left, 2),
        (salt, house, 3),
        (tea, house, 4),
        (salt, shelf, 0),
    ):
        await new_stock(member, item, location, quantity)

    async def skus(**query: Any) -> list[tuple[int, float]]:
        return [(each["item_id"], each["quantity"]) for each in await get(reader, "/skus/", **query)]

    async def names(**query: Any) -> list[str]:
        return [each["name"] for each in await get(reader, "/items/", **query)]

    async def events(**query: Any) -> list[float]:
        return [each["delta"] for each in (await get(reader, "/events", **query))["events"]]

    inside = [(coffee["id"], 1), (tea["id"], 2), (salt["id"], 0)]
    assert await skus(within=garage["id"]) == inside
    assert await skus(within=garage["id"], sort="-quantity") == [inside[1], inside[0], inside[2]]
    assert await skus(within=shelf["id"]) == inside[1:]
    assert (
        await skus(within=garage["id"], item_id=tea["id"])
        == await skus(within=shelf["id"], search="tea")
        == inside[1:2]
    )
    assert await skus(within=garage["id"], as_of="2100-01-01T00:00:00Z") == inside[:2]
    assert await skus(within=999) == []
    assert await skus(search="garage / shelf") == inside[1:]
    answer = await reader.get("/skus/", params={"within": garage["id"], "limit": 1})
    assert answer.headers["x-total-count"] == "3"
    assert await names(within=garage["id"]) == ["Coffee", "Tea"]
    assert await names(within=left["id"], search="te") == ["Tea"]
    assert (await reader.get("/items/", params={"within": garage["id"], "limit": 1})).headers["x-total-count"] == "2"
    assert await events(within=garage["id"]) == [2, 1]
    assert await events(within=garage["id"], limit=1) == [2]
    assert await events(within=garage["id"], item_id=coffee["id"]) == await events(within=garage["id"], cursor=2) == [1]
    assert await events(within=house["id"], type="add") == [4, 3]
    assert await events(within=garage["id"], since="2100-01-01T00:00:00Z") == []
    for path, rows in (("/exports/stock.csv", 3), ("/exports/events.csv", 2)):
        exported = (await reader.get(path, params={"within": garage["id"]})).text
        assert len(exported.strip().splitlines()) == 1 + rows, path
    refused(await reader.get("/skus/", params={"within": 0}), 422, "within")


async def test_moves_are_in_the_audit_log(member: AsyncClient, admin: AsyncClient) -> None:
    garage, house = (await tree(member, "Garage", "House")).values()
    shelf = await new_location(member, "Shelf", parent_id=garage["id"])
    made(await member.put(f"/locations/{shelf['id']}", json={"parent_id": house["id"]}))
    trail = await get(admin, "/audit/", subject="location", subject_id=shelf["id"])
    assert [(entry["action"], entry["details"]) for entry in trail] == [
        ("changed", {"parent_id": house["id"]}),
        ("created", {"name": "Shelf", "parent_id": garage["id"]}),
    ]


async def test_box_is_a_location_with_its_places_in_it(member: AsyncClient) -> None:
    garage = await new_location(member, "Garage")
    box = made(await member.post("/boxes/", json={"capacity": 2, "name": "Screws", "parent_id": garage["id"]}))
    assert (box["path"], box["parent_id"]) == ("Garage / Screws", garage["id"])
    own = await get(member, f"/locations/{box['location_id']}", counts="true")
    assert (own["name"], own["path"], own["box_no"], own["loc_no"]) == ("Screws", "Garage / Screws", 1, None)
    assert own["counts"]["locations_inside"] == 2
    places = await get(member, "/boxes/1/places")
    assert [(each["name"], each["path"]) for each in places] == [
        ("Box 1 / 1", "Garage / Screws / 1"),
        ("Box 1 / 2", "Garage / Screws / 2"),
    ]
    for text in ("Box 1 / 2", "garage %2F screws %2F 2"):
        found = await get(member, f"/locations/name/{text.replace(' / ', ' %2F ')}")
        assert found["id"] == places[1]["location_id"]
    made(await member.patch(f"/locations/{places[0]['location_id']}", json={"name": "M3"}))
    made(await member.put("/boxes/1", json={"parent_id": None, "name": "Box 1"}))
    assert [each["path"] for each in await get(member, "/boxes/1/places")] == ["Box 1 / M3", "Box 1 / 2"]
    # The location of a box is changed like any other, apart from what its places follow.
    changed = made(await member.put(f"/locations/{box['location_id']}", json={"name": "Bolts", "description": "old"}))
    assert changed["path"] == "Bolts"
    assert (await get(member, "/boxes/1"))["description"] == "old"
    refused(await member.put(f"/locations/{box['location_id']}", json={"storage_type": "freezer"}), 409, "box 1")
    refused(await member.delete(f"/locations/{box['location_id']}"), 409, "box 1")
    refused(await member.put(f"/locations/{places[0]['location_id']}", json={"parent_id": None}), 409, "move the box")


async def test_box_holds_stock_and_locations_besides_its_places(member: AsyncClient) -> None:
    [place] = await new_box(member, 1)
    box = await get(member, "/boxes/1")
    item = await new_item(member)
    sku = await new_stock(member, item, {"id": box["location_id"]}, 3)
    used = await get(member, "/boxes/1")
    assert (used["occupied"], used["free"], used["stock_rows"]) == (0, 1, 1)
    assert [each["stock_rows"] for each in await get(member, "/boxes")] == [1]
    refused(await member.delete("/boxes/1"), 409, "Box 1 still holds stock")
    made(await member.put(f"/skus/{sku['id']}/quantity", json={"quantity": 0}))
    bag = await new_location(member, "Bag", parent_id=place["id"])
    refused(await member.delete("/boxes/1"), 409, "Box 1 / 1 / Bag")
    made(await member.put(f"/locations/{bag['id']}", json={"parent_id": box["location_id"]}))
    refused(await member.delete("/boxes/1"), 409, "Box 1 / Bag")
    refused(await member.put("/boxes/1", json={"parent_id": bag["id"]}), 409, "that is in it")
    made(await member.delete(f"/locations/{bag['id']}"))
    assert (await member.delete("/boxes/1")).status_code == 204
    assert await get(member, "/locations/") == []
    assert made(await member.patch("/boxes/1", json={"is_active": True}))["free"] == 1


async def test_box_needs_a_name_that_is_free_where_it_is(member: AsyncClient) -> None:
    await new_location(member, "box 1")
    refused(await member.post("/boxes/", json={"capacity": 1}), 409, "Box 1", "another name")
    assert await get(member, "/boxes/") == []
    garage = await new_location(member, "Garage")
    made(await member.post("/boxes/", json={"capacity": 1, "parent_id": garage["id"]}))
    refused(await member.put("/boxes/1", json={"parent_id": None}), 409, "same place")
    refused(await member.post("/boxes/", json={"capacity": 1, "parent_id": 99}), 404, "99")
