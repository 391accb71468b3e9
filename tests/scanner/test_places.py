"""What names a location on the way of a scan: its path, or a name of its own; a name that several have is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from httpx import AsyncClient

from stocky.db import Connection
from stocky.db.queries import load_queries
from stocky.resources import resource
from tests.inventory import Json, get, made, new_box, new_item, new_location, new_stock, total
from tests.scanner.conftest import Scan

UPC = "4006381333931"


@pytest.fixture
async def shelves(member: AsyncClient) -> list[Json]:
    """Two shelves of the same name in two locations, and a rack."""
    garage, cellar = await new_location(member, "Garage"), await new_location(member, "Cellar")
    return [
        await new_location(member, "Shelf 2", parent_id=garage["id"]),
        await new_location(member, "shelf 2", parent_id=cellar["id"]),
        await new_location(member, "Rack", parent_id=cellar["id"]),
    ]


async def test_hint_names_a_path_in_any_case(
    member: AsyncClient, scan: Scan, set_state: Scan, shelves: list[Json]
) -> None:
    await new_item(member, upc=UPC)
    await set_state("add", shelves[2])
    for hint, location in (
        ("Garage / Shelf 2", shelves[0]),
        (" garage / SHELF 2 ", shelves[0]),
        ("Cellar / Shelf 2", shelves[1]),
        ("rack", shelves[2]),
        (str(shelves[1]["id"]), shelves[1]),
    ):
        answer = await scan(UPC, location_hint=hint)
        assert answer["event"]["location_id"] == location["id"], hint
        assert answer["scanner_state"]["location_path"] == "Cellar / Rack"


async def test_name_of_several_locations_books_nothing_and_lists_their_paths(
    member: AsyncClient, scan: Scan, set_state: Scan, shelves: list[Json]
) -> None:
    item = await new_item(member, upc=UPC)
    await new_stock(member, item, shelves[0], 3)
    expected = "'Shelf 2' names 2 locations: 'Cellar / shelf 2', 'Garage / Shelf 2'; use the path of one of them"
    for mode in ("add", "remove", "move", "count"):
        await set_state(mode, shelves[2])
        answer = await scan(UPC, location_hint="Shelf 2", quantity=1)
        assert (answer["success"], answer["event"], answer["message"]) == (False, None, expected), mode
    await set_state("lookup", shelves[2])
    assert (await scan(UPC, location_hint="Shelf 2"))["message"] == "Coffee: 3 in stock"
    await set_state("add")
    unknown = await scan("96385074", location_hint="Shelf 2")
    assert (unknown["success"], unknown["item"]) == (False, None)
    assert len(await get(member, "/items/")) == 1, "no item is created for a scan that is not booked"
    assert await total(member, item) == 3


async def test_events_name_locations_by_path(member: AsyncClient, scanner: AsyncClient, shelves: list[Json]) -> None:
    item = await new_item(member)
    await new_box(member, 3, name="Bolts")
    made(await member.patch("/boxes/1", json={"parent_id": shelves[0]["parent_id"]}))

    async def post(name: str) -> Json:
        event = {"type": "add", "item": {"id": item["id"]}, "location": {"name": name}, "quantity": 1}
        [result] = made(await scanner.post("/events", json={"events": [event]}))["results"]
        return dict(result)

    assert (await post("cellar / shelf 2"))["status"] == "applied"
    assert (await post("Garage / Bolts / 3"))["status"] == (await post("Box 1 / 3"))["status"] == "applied"
    ambiguous = await post("SHELF 2")
    assert (ambiguous["status"], "'Cellar / shelf 2', 'Garage / Shelf 2'" in ambiguous["reason"]) == ("rejected", True)
    assert "no active location named 'Attic / Rack'" in (await post("Attic / Rack"))["reason"]
    stocked = {sku["location_id"]: sku["quantity"] for sku in await get(member, "/skus/")}
    [place] = [each for each in await get(member, "/boxes/1/places") if each["loc_no"] == 3]
    assert stocked == {shelves[1]["id"]: 1, place["location_id"]: 2}


async def test_command_names_a_location_by_path(scanner: AsyncClient, scan: Scan, shelves: list[Json]) -> None:
    answer = await scan(json.dumps({"command": "set_location", "payload": {"name": "cellar / shelf 2"}}))
    assert (answer["scanner_state"]["location_id"], answer["message"]) == (
        shelves[1]["id"],
        "Location: Cellar / shelf 2",
    )
    command = json.dumps({"command": "set_location", "payload": {"name": "Shelf 2"}})
    problem = (await scanner.post("/scanner/scan", json={"upc": command, "scanner_id": "s1"})).json()
    assert (problem["status"], "'Garage / Shelf 2'" in problem["detail"]) == (409, True)


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the queries that connections run."""
    names: list[str] = []

    def watch(cls: type[Connection]) -> None:
        for verb in ("one", "all", "value", "rows", "execute", "execute_many"):
            if verb in vars(cls) and not getattr(vars(cls)[verb], "__isabstractmethod__", False):
                monkeypatch.setattr(cls, verb, noting(vars(cls)[verb]))
        for below in cls.__subclasses__():
            watch(below)

    def noting(method: Any) -> Any:
        async def noted(self: Connection, query: str, *arguments: Any, **named: Any) -> Any:
            names.append(query)
            return await method(self, query, *arguments, **named)

        return noted

    watch(Connection)
    return names


async def test_a_scan_runs_no_query_more_for_a_path(
    member: AsyncClient, scan: Scan, set_state: Scan, shelves: list[Json], queries: list[str]
) -> None:
    await new_item(member, upc=UPC)
    await new_location(member, "Attic")
    await set_state("add", shelves[2])
    # Others, such as those of credentials, depend on the time.
    scanning = {"locations.sql", "scanner.sql", "stock.sql"}
    of_scans = {query.name for query in load_queries(resource("sql"), "sqlite").values() if query.source in scanning}
    ran = {}
    for hint in ("Attic", "Garage / Shelf 2", "Rack"):
        assert (await scan(UPC, location_hint=hint))["success"]
        queries.clear()
        assert (await scan(UPC, location_hint=hint))["success"]
        ran[hint] = sorted(name for name in queries if name in of_scans)
    assert ran["Attic"] == ran["Garage / Shelf 2"] == ran["Rack"]
    # One for the hints of the batch, one for what its operations name.
    assert ran["Attic"].count("find_locations") == 2
