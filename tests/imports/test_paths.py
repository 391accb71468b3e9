"""Imports name locations by path or by name, and create what is missing of a path from the top down."""

from __future__ import annotations

from httpx import AsyncClient

from tests.imports.importing import imported, table
from tests.inventory import get, new_box, new_item, new_location, new_stock


async def stocked(member: AsyncClient) -> list[tuple[str, float]]:
    """The stock by the paths of its locations."""
    skus = await get(member, "/skus/", expand="location", limit=1000)
    return sorted((sku["location"]["path"], sku["quantity"]) for sku in skus)


async def test_path_creates_the_locations_that_are_missing(member: AsyncClient) -> None:
    garage = await new_location(member, "Garage", storage_type="garage")
    content = (
        "name,location,quantity,location_storage_type\n"
        "Tea,Garage / Shelf 2 / Left,1,pantry\n"
        "Rice,garage / shelf 2,2,\n"
        "Salt,Cellar / Rack,3,refrigerator\n"
        "Oil,rack,4,\n"
        "Nuts,Cellar,5,\n"
    )
    report = await imported(member, content, dry_run=True)
    expected = ["Garage / Shelf 2", "Garage / Shelf 2 / Left", "Cellar", "Cellar / Rack"]
    assert (report["new_locations"], report["errors"]) == (expected, [])
    assert len(await get(member, "/locations/")) == 1
    report = await imported(member, content)
    assert (report["applied"], report["written"]["locations_created"]) == (True, 4), report
    assert await stocked(member) == [
        ("Cellar", 5), ("Cellar / Rack", 3), ("Cellar / Rack", 4), ("Garage / Shelf 2", 2),
        ("Garage / Shelf 2 / Left", 1),
    ]  # fmt: skip
    found = {each["path"]: each for each in await get(member, "/locations/")}
    assert found["Garage / Shelf 2"]["parent_id"] == garage["id"]
    kinds = {path: each["storage_type"] for path, each in found.items()}
    assert kinds == {
        "Garage": "garage", "Garage / Shelf 2": "other", "Garage / Shelf 2 / Left": "pantry", "Cellar": "other",
        "Cellar / Rack": "refrigerator",
    }  # fmt: skip
    report = await imported(member, content)
    assert report["new_locations"] == []


async def test_kind_of_a_location_is_the_same_in_all_rows(member: AsyncClient) -> None:
    await new_location(member, "Anna", kind="person")
    content = (
        "name,location,quantity,location_kind\n"
        "Tea,Anna,1,place\nRice,Anna,2,person\nSalt,anna,3,\nOil,Ben,4,person\nNuts,ben,5,place\nPeas,Ben,6,person\n"
    )
    report = await imported(member, content, partial="true")
    assert [(each["line"], each["column"], each["message"]) for each in report["errors"]] == [
        (2, "location_kind", "Anna is a person, not a place; name another location"),
        (6, "location_kind", "Ben is a person, not a place; name another location"),
    ]
    assert await stocked(member) == [("Anna", 2), ("Anna", 3), ("Ben", 4), ("Ben", 6)]
    loans = await get(member, "/loans/")
    assert {(each["person_path"], each["from_path"], each["due_on"]) for each in loans} == {
        ("Anna", None, None), ("Ben", None, None),
    }  # fmt: skip


async def test_name_with_a_slash_of_an_existing_location_is_no_path(member: AsyncClient) -> None:
    flat = await new_location(member, "Garage / left")
    report = await imported(member, "name,location,quantity\nTea,GARAGE / Left,1\nRice,Garage / left / Bin,2\n")
    assert report["applied"], report["errors"]
    assert await stocked(member) == [("Garage / left", 1), ("Garage / left / Bin", 2)]
    [child] = await get(member, "/locations/", parent_id=flat["id"])
    assert child["name"] == "Bin"


async def test_path_column_comes_before_the_name(member: AsyncClient) -> None:
    garage, cellar = await new_location(member, "Garage"), await new_location(member, "Cellar")
    for each in (garage, cellar):
        await new_location(member, "Shelf", parent_id=each["id"])
    content = "name,location,path,quantity\nTea,Shelf,cellar / shelf,1\nRice,Shelf,,2\nSalt,Shelf,x /  / y,1\n"
    report = await imported(member, content, partial=True)
    assert await stocked(member) == [("Cellar / Shelf", 1)]
    problems = {each["line"]: (each["column"], each["message"]) for each in report["errors"]}
    assert problems[3] == (
        "location",
        "'Shelf' names 2 locations: 'Cellar / Shelf', 'Garage / Shelf'; use the path of one of them",
    )
    assert (problems[4][0], "not a path" in problems[4][1]) == ("path", True)


async def test_path_names_no_location_elsewhere(member: AsyncClient) -> None:
    content = "name,location_path,quantity\nTea,Garage / Shelf 2,1\nRice,Shelf 2,2\n"
    for _ in range(2):
        report = await imported(member, content)
        assert report["applied"], report["errors"]
        assert await stocked(member) == [("Garage / Shelf 2", 1), ("Shelf 2", 2)]
    # The other column may have a name.
    report = await imported(member, "name,location,quantity\nSalt,Garage / Bin,1\nOil,Bin,2\n")
    assert report["new_locations"] == ["Garage / Bin"], report


async def test_name_that_the_file_gives_two_locations_is_refused(member: AsyncClient) -> None:
    content = "name,location,quantity\nTea,A / Shelf,1\nRice,B / Shelf,2\nSalt,shelf,3\n"
    report = await imported(member, content, dry_run=True)
    assert [each["line"] for each in report["errors"]] == [4]
    assert "'A / Shelf', 'B / Shelf'" in report["errors"][0]["message"]
    again = await imported(member, content, partial=True)
    assert [each["line"] for each in again["errors"]] == [4]
    assert await stocked(member) == [("A / Shelf", 1), ("B / Shelf", 2)]


async def test_exported_stock_names_its_locations_by_path(member: AsyncClient) -> None:
    garage = await new_location(member, "Garage")
    shelf = await new_location(member, "Shelf", parent_id=garage["id"])
    [place] = await new_box(member, 1, name="Screws", parent_id=garage["id"])
    box = await get(member, "/boxes/1")
    item = await new_item(member)
    for each in (shelf, place, {"id": box["location_id"]}):
        await new_stock(member, item, each, 1)
    content = (await member.get("/exports/stock.csv")).text
    paths = ["Garage / Shelf", "Garage / Screws / 1", "Garage / Screws"]
    assert [row["location_path"] for row in await table(member, "/exports/stock.csv")] == paths
    assert [row["location_path"] for row in await table(member, "/exports/events.csv")] == paths
    report = await imported(member, content)
    assert (report["unchanged"], report["errors"]) == (3, [])


async def test_rollback_hides_created_locations_from_the_bottom_up(member: AsyncClient) -> None:
    report = await imported(member, "name,location,quantity\nTea,A / B / C,1\nTea,A / B / C,2\n")
    assert report["applied"] is False, report
    report = await imported(member, "name,barcode,location,quantity\nTea,,A / B,1\nRice,,A / B / C,-5\n")
    assert report["applied"] is False
    assert await get(member, "/locations/") == []
