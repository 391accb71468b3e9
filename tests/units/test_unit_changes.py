"""An event booked before its SKU's unit changed is in the old unit, and is not undone in the new one."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient

from stocky import clock
from stocky.config import Config
from stocky.stock.consistency import find_faults
from tests.architecture import schema
from tests.backup.dumps import as_json, restore, take
from tests.db.postgres_session import session
from tests.imports.importing import imported
from tests.inventory import Json, get, made, new_item, new_location, new_stock, refused
from tests.merging.merges import merge, unmerge


@pytest.fixture
async def cellar(member: AsyncClient) -> Json:
    return await new_location(member, "Cellar")


@pytest.fixture
async def flour(member: AsyncClient) -> Json:
    return await new_item(member, "Flour")


@pytest.fixture(autouse=True)
async def the_ledger_is_whole(config: Config) -> Any:
    yield
    assert await find_faults(config) == []


async def stock(member: AsyncClient, item: Json) -> list[tuple[float, str]]:
    """Quantities with their units, oldest SKU first."""
    return [(sku["quantity"], sku["unit"]) for sku in await get(member, "/skus/", item_id=item["id"])]


async def last_event(member: AsyncClient, item: Json) -> Json:
    """The newest event of an item."""
    event: Json = (await get(member, f"/items/{item['id']}/events"))["events"][0]
    return event


async def change_unit(member: AsyncClient, sku: Json, unit: str) -> None:
    made(await member.patch(f"/skus/{sku['id']}", json={"unit": unit}))


async def test_undo_is_rejected_after_a_unit_change(member: AsyncClient, flour: Json, cellar: Json) -> None:
    sku = await new_stock(member, flour, cellar, 10, unit="kg")
    received = (await last_event(member, flour))["id"]
    await change_unit(member, sku, "g")
    words = (f"Event {received}", f"SKU {sku['id']} was changed to g", "event of type set")
    refused(await member.post(f"/events/{received}/undo"), 409, *words)
    # Any other change of the SKU keeps the time of the unit change.
    made(await member.patch(f"/skus/{sku['id']}", json={"notes": "top", "unit": "gram"}))
    refused(await member.post(f"/events/{received}/undo"), 409, "was changed to gram")
    assert await stock(member, flour) == [(10, "gram")]


async def test_batch_undo_is_rejected_after_a_unit_change(member: AsyncClient, flour: Json, cellar: Json) -> None:
    kitchen = await new_location(member, "Kitchen")
    adding = [
        {"type": "add", "item": {"id": flour["id"]}, "location": {"id": location["id"]}, "quantity": 4, "unit": "kg"}
        for location in (cellar, kitchen)
    ]
    answer = made(await member.post("/events", json={"events": adding}))
    await change_unit(member, (await get(member, "/skus/", item_id=flour["id"]))[0], "g")
    refused(await member.post(f"/events/batches/{answer['batch_id']}/undo"), 409, "was changed to g")
    assert await stock(member, flour) == [(4, "g"), (4, "kg")]
    # The event of the SKU with the unchanged unit is undone.
    made(await member.post(f"/events/{answer['results'][1]['id']}/undo"))
    assert await stock(member, flour) == [(4, "g"), (0, "kg")]


@pytest.mark.parametrize("side", [0, 1])
async def test_undo_of_a_move_is_rejected_after_a_unit_change_of_either_side(
    side: int, member: AsyncClient, flour: Json, cellar: Json
) -> None:
    kitchen = await new_location(member, "Kitchen")
    await new_stock(member, flour, cellar, 10, unit="kg")
    move = {"type": "move", "item": {"id": flour["id"]}, "quantity": 2}
    locations = {"location": {"id": cellar["id"]}, "to_location": {"id": kitchen["id"]}}
    made(await member.post("/events", json={"events": [move | locations]}))
    come, gone = (await get(member, f"/items/{flour['id']}/events"))["events"][:2]
    await change_unit(member, (await get(member, "/skus/", item_id=flour["id"]))[side], "g")
    for event in (come, gone):
        refused(await member.post(f"/events/{event['id']}/undo"), 409, "was changed to g")
    assert [quantity for quantity, _ in await stock(member, flour)] == [8, 2]


async def test_event_after_a_unit_change_is_undone(member: AsyncClient, flour: Json, cellar: Json) -> None:
    sku = await new_stock(member, flour, cellar, 10, unit="kg")
    await change_unit(member, sku, "g")
    made(await member.post(f"/skus/{sku['id']}/adjust", json={"delta": -3}))
    made(await member.post(f"/events/{(await last_event(member, flour))['id']}/undo"))
    assert await stock(member, flour) == [(10, "g")]


async def test_other_spelling_of_a_unit_is_no_change(member: AsyncClient, flour: Json, cellar: Json) -> None:
    sku = await new_stock(member, flour, cellar, 10, unit="kg")
    received = (await last_event(member, flour))["id"]
    for unit in ("KG", "kilogram", "kg"):
        await change_unit(member, sku, unit)
    made(await member.post(f"/events/{received}/undo"))
    assert await stock(member, flour) == [(0, "kg")]


async def test_count_with_no_difference_is_undone(member: AsyncClient, flour: Json, cellar: Json) -> None:
    sku = await new_stock(member, flour, cellar, 10, unit="kg")
    count = {"type": "set", "item": {"id": flour["id"]}, "location": {"id": cellar["id"]}, "quantity": 10}
    (counted,) = made(await member.post("/events", json={"events": [count]}))["results"]
    await change_unit(member, sku, "g")
    made(await member.post(f"/events/{counted['id']}/undo"))
    assert await stock(member, flour) == [(10, "g")]


async def test_undo_is_rejected_if_the_clock_was_ahead_at_the_unit_change(
    member: AsyncClient, flour: Json, cellar: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = clock.now
    with monkeypatch.context() as ahead:
        ahead.setattr(clock, "now", lambda: real() + timedelta(minutes=1))
        sku = await new_stock(member, flour, cellar, 10, unit="kg")
    await change_unit(member, sku, "g")
    event = (await last_event(member, flour))["id"]
    refused(await member.post(f"/events/{event}/undo"), 409, "was changed to g")


async def test_unit_change_by_an_import_counts(member: AsyncClient, flour: Json, cellar: Json) -> None:
    await new_stock(member, flour, cellar, 10, unit="piece")
    received = (await last_event(member, flour))["id"]
    await imported(member, f"code,location,quantity,unit\n{flour['code']},Cellar,7,bag\n")
    refused(await member.post(f"/events/{received}/undo"), 409, "was changed to bag")
    # The import's own event, too: the number it changed was in the old unit.
    refused(await member.post(f"/events/{(await last_event(member, flour))['id']}/undo"), 409, "was changed to bag")
    assert await stock(member, flour) == [(7, "bag")]


async def test_undo_of_a_merge_is_rejected_after_a_unit_change(member: AsyncClient, flour: Json, cellar: Json) -> None:
    loose = await new_item(member, "Flour, loose")
    await new_stock(member, loose, cellar, 4, unit="kg")
    sku = await new_stock(member, flour, cellar, 6, unit="kg")
    await merge(member, loose, flour)
    await change_unit(member, sku, "g")
    words = (f"SKU {sku['id']}", "Flour, loose was merged", "manually")
    refused(await member.post(f"/items/{loose['id']}/unmerge"), 409, *words)
    assert (await stock(member, flour), await stock(member, loose)) == ([(10, "g")], [])


async def test_undo_in_a_merged_item_is_rejected_after_a_unit_change(
    member: AsyncClient, flour: Json, cellar: Json
) -> None:
    loose = await new_item(member, "Flour, loose")
    await new_stock(member, loose, cellar, 4, unit="kg")
    received = (await last_event(member, loose))["id"]
    sku = await new_stock(member, flour, cellar, 6000, unit="kg")
    await merge(member, loose, flour)
    await change_unit(member, sku, "g")
    words = ("Flour, loose was merged", f"SKU {sku['id']} was changed to g", "event of type set")
    refused(await member.post(f"/events/{received}/undo"), 409, *words)
    assert await stock(member, flour) == [(6004, "g")]


async def test_merge_after_a_unit_change_is_undone(member: AsyncClient, flour: Json, cellar: Json) -> None:
    loose = await new_item(member, "Flour, loose")
    await change_unit(member, await new_stock(member, loose, cellar, 400, unit="kg"), "g")
    await change_unit(member, await new_stock(member, flour, cellar, 6, unit="g"), "kg")
    made(await member.post("/events", json={"events": [
        {"type": "add", "item": {"id": loose["id"]}, "location": {"id": cellar["id"]}, "quantity": 100},
    ]}))  # fmt: skip
    added = (await last_event(member, loose))["id"]
    await merge(member, loose, flour)
    made(await member.post(f"/events/{added}/undo"))
    assert await stock(member, flour) == [(6.4, "kg")]
    await unmerge(member, loose)
    assert (await stock(member, flour), await stock(member, loose)) == ([(6, "kg")], [(400, "g")])


async def test_restore_keeps_the_time_of_a_unit_change(
    admin: AsyncClient, flour: Json, cellar: Json, config: Config
) -> None:
    sku = await new_stock(admin, flour, cellar, 10, unit="kg")
    received = (await last_event(admin, flour))["id"]
    await change_unit(admin, sku, "g")
    await restore(admin, await take(admin))
    refused(await admin.post(f"/events/{received}/undo"), 409, "was changed to g")
    (await asyncio.to_thread(schema.run, config, "UPDATE sku SET unit_changed_at = '0999-12-31T12:00:00.000000Z'"))
    body = as_json(await take(admin), force=True)
    refused(await admin.post("/backup/import/full", json=body), 400, "unit_changed_at that is out of bounds")


async def test_undo_is_rejected_when_the_unit_changes_while_it_waits(
    member: AsyncClient, flour: Json, cellar: Json, config: Config, dialect: str
) -> None:
    if dialect == "sqlite":
        pytest.skip("one writer: nothing changes while an undo runs")
    sku = await new_stock(member, flour, cellar, 10, unit="kg")
    received = (await last_event(member, flour))["id"]
    async with session(config) as other:
        await other.execute(f"BEGIN; SELECT id FROM item WHERE id = {flour['id']} FOR UPDATE")
        undo = asyncio.create_task(member.post(f"/events/{received}/undo"))
        await other.blocked()
        await other.execute(
            f"UPDATE sku SET unit = 'g', unit_changed_at = now(), version = version + 1 WHERE id = {sku['id']}; COMMIT"
        )
        refused(await undo, 409, "was changed to g")
    assert await stock(member, flour) == [(10, "g")]
