"""Exported files imported again: nothing changes in the same database, and an empty one gets all data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient

from stocky.app import create_app
from stocky.catalogue.schemas import NewItem
from stocky.config import load
from stocky.stock.consistency import find_faults
from tests.conftest import ORIGIN, TestDatabases, settings
from tests.imports.importing import counts, imported
from tests.inventory import Json, get, made, new_item, new_location, new_stock

pytestmark = pytest.mark.one_server

NAMES = ["Tea", '=HYPERLINK("x")', "'quoted", "-minus", "a, b; c|d", 'say "hi"', "two\nlines", "茶 ☕", "1,234", "'=x"]


async def _fill(member: AsyncClient) -> None:
    kind = await _add_type(member)
    shelf = await new_location(member, "+Shelf, left")
    chest = await new_location(member, "Chest", storage_type="freezer", parent_id=shelf["id"])
    anna = await new_location(member, "Anna", kind="person")
    box = made(await member.post("/boxes/", json={"capacity": 2}))
    (location,) = [each for each in await get(member, "/locations/", search="") if each["loc_no"] == 1]
    for number, name in enumerate(NAMES):
        fields = {
            "name": name,
            "description": f"={name}\r\n;",
            "upc": f"BARCODE-{number}",
            "barcodes": [{"barcode": f"=*{number};\\", "pack_quantity": 0.5}, {"barcode": f"b{number}"}],
            "min_quantity": number / 8,
            "reorder_quantity": number + 0.25,
            "shelf_life_days": number + 1,
            "opened_days": 36_500,
            "tags": ["-a; b", name[:50].replace("\n", " ").strip()],
            "type_id": kind["id"],
            "manufacturer_code": f"-{number}",
            "fields": {"=length": number / 1024, "Note": f"={name[:100]}", "Bought": f"2026-01-{number + 1:02}"},
            "seller": "@home",
            "seller_link": f"https://example.org/={number}",
            "oversell_policy": "allow",
            "default_storage_type": "freezer",
        }
        assert fields.keys() == set(NewItem.__struct_fields__), (
            "give it a value here; if the import loses it, see CONTRIBUTING.md"
        )
        item = await new_item(member, **fields)
        await new_stock(member, item, shelf, number + 0.125, unit="kg", notes="=1+1", unit_price=number + 0.000001)
        await new_stock(member, item, chest, 2, expiry_date="2030-01-31", lot=f"={number}", unit="g", unit_price=0.5)
        await new_stock(member, item, anna, 1)
        await new_stock(member, item, chest, 1, expiry_date="2030-01-31", serial="S;1", lot="2030-01-31", unit="kit")
        await new_stock(member, item, location, 0)
        kit = await new_stock(member, item, location, 2, lot="kit")
        made(await member.post(f"/skus/{kit['id']}/open", json={"quantity": 0.5}))
    await new_item(member, "No barcode at all")
    await new_item(member, "Others only", barcodes=[{"barcode": "other", "pack_quantity": 3}])
    assert box["capacity"] == 2
    # Negative stock, by a policy that allows it.
    taken = {"type": "remove", "item": {"upc": "BARCODE-0"}, "location": {"id": shelf["id"]}, "quantity": 5}
    made(await member.post("/events", json={"events": [taken]}))


async def _add_type(member: AsyncClient) -> Json:
    """A type with fields, which imports do not add."""
    kind = made(await member.post("/types/", json={"name": "@kind"}))
    for name, of in (("=length", "number"), ("Note", "text"), ("Bought", "date")):
        made(await member.post(f"/types/{kind['id']}/fields", json={"name": name, "kind": of}))
    return kind


async def _content(member: AsyncClient) -> list[Any]:
    """The data, without ids that depend on the database."""
    items = await get(member, "/items/", limit=1000)
    skus = await get(member, "/skus/", limit=1000, expand="item,location")
    names = ("expiry_date", "lot", "serial", "opened_on", "quantity", "unit", "notes")
    own = ("id", "type_id", "version", "created_at", "updated_at")
    return [
        await get(member, "/stock-value"),
        sorted([repr(value) for name, value in sorted(item.items()) if name not in own] for item in items),
        sorted(
            (
                sku["item"]["code"],
                sku["location"]["path"],
                sku["location"]["kind"],
                *(repr(sku[name]) for name in names),
            )
            for sku in skus
        ),
    ]


def _place(location: Json) -> tuple[str, str]:
    return location["path"], location["kind"]


async def test_round_trip_into_the_same_database_changes_nothing(member: AsyncClient, admin: AsyncClient) -> None:
    await _fill(member)
    before, events = await _content(member), len((await get(member, "/events", limit=1000))["events"])
    for name in ("items", "stock"):
        content = (await member.get(f"/exports/{name}.csv")).content
        report = await imported(member, content)
        rows = report["lines"]
        assert counts(report) == (0, 0, rows, 0), report["changes"] + report["errors"]
        assert rows > len(NAMES)
    assert await _content(member) == before
    assert len((await get(member, "/events", limit=1000))["events"]) == events


async def test_round_trip_into_an_empty_database_is_complete(
    member: AsyncClient, dialect: str, databases: TestDatabases, tmp_path: Path
) -> None:
    await _fill(member)
    # Negative stock cannot be set; all other stock can.
    stock = (await get(member, "/skus/", limit=1000))[0]
    made(await member.post(f"/skus/{stock['id']}/adjust", json={"delta": 7}))
    before = await _content(member)
    files = [(await member.get(f"/exports/{name}.csv")).content for name in ("items", "stock")]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with databases.copy(dialect, elsewhere) as url:
        config = load(settings(url, elsewhere))
        app = create_app(config)
        key = databases.keys[dialect]["member"]
        async with (
            app.lifespan(),
            AsyncClient(
                transport=ASGITransport(app=app), base_url=f"{ORIGIN}/api/v1", headers={"X-API-Key": key}
            ) as other,
        ):
            made(await other.post("/boxes/", json={"capacity": 2}))
            await _add_type(other)
            for content in files:
                report = await imported(other, content)
                assert report["applied"], report["errors"]
            assert await _content(other) == before
        assert await find_faults(config) == []
