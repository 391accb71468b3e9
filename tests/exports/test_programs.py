"""Exports in the columns of other programs, imported again by Stocky's own presets for those programs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient

from stocky.app import create_app
from stocky.config import load
from stocky.exports import service
from stocky.exports.programs import Program, columns_of
from stocky.imports.fields import plain
from stocky.imports.presets import BY_NAME
from tests.conftest import ORIGIN, TestDatabases, settings
from tests.imports.importing import counts, imported, stock_of, table
from tests.inventory import Json, get, made, new_item, new_location, new_stock, refused

pytestmark = pytest.mark.one_server
PROGRAMS = [program.value for program in Program]
# What each program has no column for that its preset reads.
LOST: dict[str, set[str]] = {
    "homebox": {"type_name", "seller_link", "unit", "expiry_date", "further"},
    "partdb": {"seller_link", "expiry_date", "notes"},
    "inventree": {"type_name", "tags", "seller", "seller_link", "min_quantity", "further"},
    "snipeit": {"description", "tags", "seller_link", "unit", "expiry_date", "further"},
    "sortly": {"description", "type_name", "manufacturer_code", "seller"},
}
# InvenTree has a file of its own for what is not stock.
LOST_OF_ITEMS = LOST | {"inventree": {"seller", "seller_link", "further"}}


async def fill(member: AsyncClient) -> None:
    kind = made(await member.post("/types/", json={"name": "Parts / Resistors"}))
    garage = await new_location(member, "Garage")
    shelf = await new_location(member, "Shelf 2", parent_id=garage["id"])
    resistor = await new_item(
        member,
        "Resistor, 10k",
        description="5 % carbon",
        upc="4006381333931",
        barcodes=[{"barcode": "603-10K"}],
        min_quantity=2.5,
        manufacturer_code="RC0402",
        type_id=kind["id"],
        tags=["smd", "small part"],
        seller="Corner shop",
        seller_link="https://example.org/r",
    )
    await new_stock(member, resistor, shelf, 150, unit="pcs", notes="left", expiry_date="2030-01-31", unit_price=0.0042)
    await new_stock(member, await new_item(member, "Solder"), garage, 2.5)
    await new_item(member, "Without stock")


def shown(items: list[Json], skus: list[Json], lost: set[str]) -> list[Any]:
    """What a file brings back, without what the program has no column for."""
    of_item = {"name", "description", "upc", "min_quantity", "manufacturer_code", "type_name", "tags", "seller"}
    of_stock = {"quantity", "unit", "expiry_date", "notes"}
    found: list[Any] = []
    for item in items:
        further = [] if "further" in lost else [each["barcode"] for each in item["barcodes"][1:]]
        found.append(([repr(item[name]) for name in sorted(of_item - lost)], further))
        if "seller_link" not in lost:
            found.append(([item["seller_link"]], [item["name"]]))
    found += [([sku["location"]["path"]], [repr(sku[name]) for name in sorted(of_stock - lost)]) for sku in skus]
    return sorted(found)


@asynccontextmanager
async def elsewhere(dialect: str, databases: TestDatabases, directory: Path) -> AsyncIterator[AsyncClient]:
    """A member of an installation without items."""
    await asyncio.to_thread(directory.mkdir)
    with databases.copy(dialect, directory) as url:
        app = create_app(load(settings(url, directory)))
        key = {"X-API-Key": databases.keys[dialect]["member"]}
        transport = ASGITransport(app=app)
        async with (
            app.lifespan(),
            AsyncClient(transport=transport, base_url=f"{ORIGIN}/api/v1", headers=key) as other,
        ):
            yield other


async def test_every_program_has_a_preset(member: AsyncClient, reader: AsyncClient) -> None:
    for program in Program:
        read = {plain(header) for take in BY_NAME[program.value].takes for header in take.headers}
        for of_stock in (False, True):
            columns = columns_of(program, of_stock=of_stock)
            ignored = {"HB.import_ref", "Link", "notes", "Entry Type"}
            assert {plain(header) for header in columns.keys() - ignored} <= read
    for name in ("items", "stock"):
        problem = refused(await reader.get(f"/exports/{name}.csv", params={"preset": "excel"}), 422)
        assert problem["errors"][0]["field"] == "preset"
        assert (await reader.get(f"/exports/{name}.csv", params={"preset": "Homebox"})).status_code == 200


@pytest.mark.parametrize("program", PROGRAMS)
async def test_stock_makes_the_round_trip(
    program: str, member: AsyncClient, dialect: str, databases: TestDatabases, tmp_path: Path
) -> None:
    await fill(member)
    items = [each for each in await get(member, "/items/") if each["name"] != "Without stock"]
    before = shown(items, await get(member, "/skus/", expand="location"), LOST[program])
    content = (await member.get("/exports/stock.csv", params={"preset": program})).content
    assert not content.startswith(service.BYTE_ORDER_MARK), "it would be a part of the first header"
    async with elsewhere(dialect, databases, tmp_path / "elsewhere") as other:
        report = await imported(other, content, preset=program)
        assert counts(report) == (2, 0, 0, 0), report["errors"]
        skus = await get(other, "/skus/", expand="location")
        assert shown(await get(other, "/items/"), skus, LOST[program]) == before
        assert await get(other, "/stock-value") == await get(member, "/stock-value")


@pytest.mark.parametrize("program", PROGRAMS)
async def test_stock_that_is_used_up_makes_the_round_trip(
    program: str, member: AsyncClient, dialect: str, databases: TestDatabases, tmp_path: Path
) -> None:
    item, shelf = await new_item(member, "Fuse", upc="4006381333931"), await new_location(member, "Shelf")
    sku = await new_stock(member, item, shelf, 1)
    made(await member.put(f"/skus/{sku['id']}/quantity", json={"quantity": 0}))
    content = (await member.get("/exports/stock.csv", params={"preset": program})).content
    async with elsewhere(dialect, databases, tmp_path / "elsewhere") as other:
        report = await imported(other, content, preset=program)
        assert counts(report) == (1, 0, 0, 0), report["errors"]
        assert [each["upc"] for each in await get(other, "/items/")] == ["4006381333931"]


@pytest.mark.parametrize("program", PROGRAMS)
async def test_items_make_the_round_trip(
    program: str, member: AsyncClient, dialect: str, databases: TestDatabases, tmp_path: Path
) -> None:
    await fill(member)
    lost = LOST_OF_ITEMS[program]
    before = shown(await get(member, "/items/"), [], lost)
    content = (await member.get("/exports/items.csv", params={"preset": program})).content
    # A consumable of Snipe-IT has a quantity, and that is somewhere.
    options = {"location": "Garage"} if program == "snipeit" else {}
    async with elsewhere(dialect, databases, tmp_path / "elsewhere") as other:
        report = await imported(other, content, preset=program, **options)
        assert counts(report) == (3, 0, 0, 0), report["errors"]
        assert shown(await get(other, "/items/"), [], lost) == before
        assert await stock_of(other, "Resistor, 10k") == ([("Garage", 0, None)] if options else [])


async def test_filters_and_formulas(member: AsyncClient) -> None:
    await new_item(member, "=Tea", upc="40063813")
    await new_item(member, "Green tea", upc="A-0000001")
    await new_item(member, "Coffee")
    rows = await table(member, "/exports/items.csv?preset=homebox&search=tea")
    assert [(row["HB.name"], row["HB.asset_id"]) for row in rows] == [("'=Tea", "40063813"), ("Green tea", "")]
    assert len({row["HB.import_ref"] for row in rows}) == 2
    assert await table(member, "/exports/items.csv?preset=sortly&search=nothing") == []


async def test_deep_locations_of_sortly(member: AsyncClient) -> None:
    location: Json | None = None
    for level in range(7):
        location = await new_location(member, f"L{level}", parent_id=location["id"] if location else None)
    assert location is not None
    await new_stock(member, await new_item(member, "Tea"), location, 1)
    (row,) = await table(member, "/exports/stock.csv?preset=sortly")
    assert (row["Primary Folder"], row["Subfolder-level4"]) == ("L0", "L4 / L5 / L6")
    report = await imported(member, (await member.get("/exports/stock.csv?preset=sortly")).content, preset="sortly")
    assert counts(report) == (0, 0, 1, 0), report
