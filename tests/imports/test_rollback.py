"""The rollback of an import whose last row the ledger refuses: item types go too, unless they are used or changed."""

from __future__ import annotations

import pytest
from httpx import AsyncClient

from stocky.config import Config
from stocky.imports import applier
from stocky.stock.consistency import find_faults
from tests.imports.importing import before_chunk, imported
from tests.inventory import Json, get, made, new_item, new_location, new_stock

pytestmark = pytest.mark.one_server

# The sum of the last row would be larger than Stocky can count.
ROWS = "name,type,location,quantity,unit\nNut,Hardware,Pantry,1,piece\nFlour,,Pantry,1000000000,kg\n"


@pytest.fixture
async def flour(member: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> Json:
    """The item of the last row, which is written after the first is committed."""
    monkeypatch.setattr(applier, "CHUNK_ROWS", 1)
    item = await new_item(member, "Flour")
    await new_stock(member, item, await new_location(member, "Pantry"), 5, unit="g")
    return item


@pytest.mark.usefixtures("flour")
async def test_rollback_removes_created_item_types(member: AsyncClient, config: Config) -> None:
    report = await imported(member, ROWS, stock="add")
    assert (report["applied"], report["taken_back"]["left"]) == (False, [])
    assert [item["name"] for item in await get(member, "/items/")] == ["Flour"]
    assert await get(member, "/types/") == []
    assert (await imported(member, ROWS.replace("1000000000", "1"), stock="add"))["applied"] is True
    assert [kind["name"] for kind in await get(member, "/types/")] == ["Hardware"]
    assert await find_faults(config) == []


@pytest.mark.usefixtures("flour")
async def test_rollback_leaves_items_their_type_of_before(member: AsyncClient) -> None:
    hardware = made(await member.post("/types/", json={"name": "Hardware"}))
    report = await imported(member, ROWS, stock="add")
    assert (report["applied"], report["taken_back"]["left"]) == (False, [])
    (nut,) = await get(member, "/items/", is_active=False)
    assert (nut["name"], nut["type_id"]) == ("Nut", hardware["id"])


@pytest.mark.parametrize("change", ["item", "description", "field"])
async def test_rollback_leaves_item_types_in_use(
    change: str, member: AsyncClient, flour: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def use_the_type() -> None:
        (hardware,) = await get(member, "/types/")
        path = f"/types/{hardware['id']}"
        if change == "item":
            made(await member.put(f"/items/{flour['id']}", json={"type_id": hardware["id"]}))
        elif change == "description":
            made(await member.put(path, json={"description": "of metal"}))
        else:
            made(await member.post(f"{path}/fields", json={"name": "Thread", "kind": "text"}))

    before_chunk(monkeypatch, 2, use_the_type)
    report = await imported(member, ROWS, stock="add")
    assert report["taken_back"]["left"][-1].startswith("item_type 1: ")
    assert [kind["name"] for kind in await get(member, "/types/")] == ["Hardware"]
