"""Undoing a merge restores the SKUs of both items, including empty ones."""

from __future__ import annotations

from typing import Any

from httpx import AsyncClient

from stocky.config import Config
from stocky.stock.consistency import find_faults
from tests.inventory import Json, get, made, new_item, new_location, new_stock
from tests.merging.merges import merge, unmerge


async def skus(client: AsyncClient, item: Json) -> list[tuple[Any, ...]]:
    """The fields of an item's SKUs that a merge could change."""
    fields = ("id", "location_id", "expiry_date", "quantity", "unit", "notes")
    return [tuple(sku[name] for name in fields) for sku in await get(client, "/skus/", item_id=item["id"])]


async def test_empty_skus_are_returned(member: AsyncClient, config: Config) -> None:
    shelf, cellar = await new_location(member, "Shelf"), await new_location(member, "Cellar")
    source, target = await new_item(member, "A"), await new_item(member, "B")
    await new_stock(member, source, shelf, 3)
    await new_stock(member, source, cellar, 0, notes="behind the door", unit="bag")
    gone = await new_stock(member, source, cellar, 0, expiry_date="2030-01-01")
    assert (await member.delete(f"/skus/{gone['id']}")).status_code == 200
    await new_stock(member, target, cellar, 0, notes="on top")
    before = [await skus(member, item) for item in (source, target)]
    await merge(member, source, target)
    assert await skus(member, source) == []
    await unmerge(member, source)
    assert [await skus(member, item) for item in (source, target)] == before
    assert await find_faults(config) == []


async def test_skus_new_to_the_target_are_hidden_again(member: AsyncClient, config: Config) -> None:
    shelf, cellar, attic = [await new_location(member, name) for name in ("Shelf", "Cellar", "Attic")]
    source, target = await new_item(member, "A"), await new_item(member, "B")
    for location in (shelf, cellar, attic):
        await new_stock(member, source, location, 3)
    # One it never had, one written off, and one empty.
    written_off = await new_stock(member, target, cellar, 1)
    assert (await member.delete(f"/skus/{written_off['id']}")).status_code == 200
    await new_stock(member, target, attic, 0)
    before = await skus(member, target)
    assert len(before) == 1
    await merge(member, source, target)
    assert len(await skus(member, target)) == 3
    await unmerge(member, source)
    assert await skus(member, target) == before
    assert await find_faults(config) == []


async def test_skus_used_since_stay(member: AsyncClient, config: Config) -> None:
    shelf, cellar = await new_location(member, "Shelf"), await new_location(member, "Cellar")
    source, target = await new_item(member, "A"), await new_item(member, "B")
    for location in (shelf, cellar):
        await new_stock(member, source, location, 3)
    await merge(member, source, target)
    events = [
        {"type": kind, "item": {"id": target["id"]}, "location": {"id": shelf["id"]}, "quantity": 1}
        for kind in ("add", "remove")
    ]
    made(await member.post("/events", json={"events": events}))
    await unmerge(member, source)
    assert [(sku["location_id"], sku["quantity"]) for sku in await get(member, "/skus/", item_id=target["id"])] == [
        (shelf["id"], 0)
    ]
    assert await find_faults(config) == []
