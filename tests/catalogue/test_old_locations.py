"""The migration to locations within locations: boxes become locations, and none is renamed, merged or lost."""

from __future__ import annotations

import asyncio
import json

from httpx import AsyncClient
from litestar import Litestar

from stocky.config import Config
from stocky.db.migrate import migrate, rollback
from stocky.stock.consistency import find_faults
from tests.architecture import schema
from tests.cli.running import stocky
from tests.inventory import get, made, new_box, new_item, new_location, new_stock, refused

NOW = "2026-01-31T12:00:00.000000Z"


async def before(config: Config) -> None:
    """Rolls back. In a thread: it may wait for a transaction that the application ends on the loop."""
    await asyncio.to_thread(rollback, config, "0025")


async def after(config: Config) -> None:
    await asyncio.to_thread(migrate, config)
    assert await find_faults(config) == []


def old_location(config: Config, name: str) -> None:
    schema.run(
        config,
        "INSERT INTO location (name, storage_type, created_at, updated_at)"
        f" VALUES ('{name}', 'pantry', '{NOW}', '{NOW}')",
    )


async def test_boxes_become_locations_with_their_places_in_them(
    app: Litestar, member: AsyncClient, config: Config
) -> None:
    places = await new_box(member, 2, name="Screws", description="M3", storage_type="garage")
    await new_box(member, 1)
    made(await member.patch(f"/locations/{places[0]['id']}", json={"name": "Left"}))
    await new_stock(member, await new_item(member), places[1], 3)
    assert (await member.delete("/boxes/2")).status_code == 204
    boxes = await get(member, "/boxes/"), await get(member, "/boxes/", is_active=False)
    was = await get(member, "/locations/", box_no=1)
    await before(config)
    columns = await asyncio.to_thread(
        schema.run, config, "SELECT box_no, name, description, capacity FROM box ORDER BY 1"
    )
    assert columns == [(1, "Screws", "M3", 2), (2, "Box 2", "", 1)]
    await after(config)
    # The rows of the boxes themselves are new ones.
    again = await get(member, "/boxes/"), await get(member, "/boxes/", is_active=False)
    assert [[each | {"location_id": 0} for each in boxes] for boxes in again] == [
        [each | {"location_id": 0} for each in boxes] for boxes in boxes
    ]
    box = again[0][0]
    assert await get(member, "/locations/", box_no=1) == [each | {"parent_id": box["location_id"]} for each in was]
    assert {each["path"] for each in was} == {"Screws / Left", "Screws / 2"}


async def test_names_that_count_as_one_now_are_kept_and_listed(
    app: Litestar, member: AsyncClient, scanner: AsyncClient, config: Config, environ: dict[str, str]
) -> None:
    await before(config)
    for name in ("Äpfel", "äpfel", "Shelf", " shelf ", "Resistors", "Alone"):
        await asyncio.to_thread(old_location, config, name)
    await asyncio.to_thread(
        schema.run,
        config,
        "INSERT INTO box (box_no, name, storage_type, capacity, created_at, updated_at)"
        f" VALUES (1, 'Resistors', 'garage', 1, '{NOW}', '{NOW}')",
    )
    await after(config)
    pairs = [("äpfel", "Äpfel"), ("Resistors", "Resistors"), ("shelf", "Shelf")]
    listed = await get(member, "/locations/duplicates")
    assert sorted((each["path"], each["same_path"]) for each in listed) == sorted(pairs)
    answer = await asyncio.to_thread(stocky, environ, "check")
    assert (answer.returncode, answer.stdout.count("note: ")) == (0, 3), answer.stdout
    assert len(json.loads((await asyncio.to_thread(stocky, environ, "check", "--json")).stdout)["notes"]) == 3
    # Each is still found by its name as it is written, the older one of two that are written the same.
    for number, name in enumerate(("Äpfel", "äpfel", "Shelf"), 1):
        assert (await get(member, f"/locations/name/{name}"))["id"] == number
    assert (await get(member, "/locations/name/Resistors"))["id"] == 5
    refused(await member.get("/locations/name/ÄPFEL"), 409, "'Äpfel', 'äpfel'")
    # A further one is refused; one that is renamed counts as a duplicate no longer.
    refused(await member.post("/locations/", json={"name": "ÄPFEL"}), 409, "same place")
    made(await member.patch("/locations/1", json={"name": "Apples"}))
    assert {each["path"] for each in await get(member, "/locations/duplicates")} == {"Resistors", "shelf"}
    refused(await member.post("/locations/", json={"name": "ÄPFEL"}), 409, "same place")
    refused(await member.patch("/locations/1", json={"name": "äpfel"}), 409, "same place")
    assert (await member.delete("/locations/3")).status_code == 200
    made(await member.patch("/boxes/1", json={"name": "Box 1"}))
    assert await get(member, "/locations/duplicates") == []
    refused(await member.patch("/locations/3", json={"is_active": True}), 409, "same place")


async def test_rollback_keeps_every_location_and_its_stock(app: Litestar, member: AsyncClient, config: Config) -> None:
    garage, cellar = await new_location(member, "Garage"), await new_location(member, "Cellar")
    shelves = [await new_location(member, "Shelf", parent_id=each["id"]) for each in (garage, cellar)]
    await new_box(member, 1)
    box = await get(member, "/boxes/1")
    item = await new_item(member)
    for each in (*shelves, {"id": box["location_id"]}):
        await new_stock(member, item, each, 1)
    await before(config)
    names = await asyncio.to_thread(schema.run, config, "SELECT name FROM location WHERE is_active ORDER BY name")
    assert [name for (name,) in names] == [
        "Box 1", "Box 1 / 1", "Cellar", "Cellar / Shelf", "Garage", "Garage / Shelf",
    ]  # fmt: skip
    await after(config)
    assert len(await get(member, "/skus/")) == 3
