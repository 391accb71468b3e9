"""Undoing a merge returns barcodes, documents and pictures, also through a chain and after a restore."""

from __future__ import annotations

import json
from typing import Any

from httpx import AsyncClient

from stocky.config import Config
from stocky.stock.consistency import find_faults
from tests.architecture import schema
from tests.documents.files import picture, uploaded
from tests.inventory import Json, get, made, new_item, new_location, new_stock, refused, total
from tests.merging.merges import merge, unmerge
from tests.shopping.lists import new_list, on, put_on


async def test_undoing_a_chain_returns_barcodes_documents_and_pictures(member: AsyncClient, config: Config) -> None:
    first = await new_item(member, "X1", upc="44556677", barcodes=[{"barcode": "X1-2", "pack_quantity": 3}])
    second = await new_item(member, "X2", barcodes=[{"barcode": "X2-2", "pack_quantity": 4}])
    third = await new_item(member, "X3", upc="96385074")
    items = [first, second, third]
    for item in items:
        photo = await uploaded(member, item, picture(), "photo.png")
        if item is not second:
            made(await member.patch(f"/items/{item['id']}", json={"image_document_id": photo["id"]}))

    async def everything() -> list[tuple[Any, ...]]:
        return [await what_it_has(member, item) for item in items]

    before = await everything()
    await merge(member, first, second)
    merged_once = await everything()
    assert merged_once[1][0] == "44556677"
    await merge(member, second, third)
    assert len((await everything())[2][1]) == 4
    await unmerge(member, second)
    assert await everything() == merged_once
    await unmerge(member, first)
    assert await everything() == before
    assert await find_faults(config) == []


async def test_barcode_moved_since_is_not_returned(member: AsyncClient, config: Config) -> None:
    source, target, third = [await new_item(member, name) for name in ("A", "B", "C")]
    made(await member.patch(f"/items/{source['id']}", json={"upc": "44556677"}))
    await merge(member, source, target)
    made(await member.patch(f"/items/{target['id']}", json={"upc": None}))
    made(await member.patch(f"/items/{third['id']}", json={"upc": "44556677"}))
    assert (await unmerge(member, source))["barcodes"] == []
    assert (await get(member, "/items/upc/44556677"))["id"] == third["id"]
    assert await find_faults(config) == []


async def test_restore_from_before_the_merge_has_no_merge(admin: AsyncClient, config: Config) -> None:
    shelf = await new_location(admin)
    source, target = await new_item(admin, "A", upc="44556677"), await new_item(admin, "B")
    await new_stock(admin, source, shelf, 3)
    backup = await admin.post("/backup/create/full/download")
    await merge(admin, source, target)
    file = {"file": ("backup.sql.gz", backup.content)}
    made(await admin.post("/backup/upload/import/full", params={"force": "true"}, files=file))
    assert await get(admin, f"/items/{source['id']}/merges") == []
    body = {"upc": "44556677", "scanner_id": "s1", "location_hint": shelf["id"]}
    assert made(await admin.post("/scanner/scan", json=body))["item"]["id"] == source["id"]
    assert (await merge(admin, source, target))["total_quantity"] == 4
    await unmerge(admin, source)
    assert await total(admin, source) == 4
    assert await find_faults(config) == []


async def test_merge_only_in_the_journal_ends_when_undone(member: AsyncClient, config: Config) -> None:
    source, target = await new_item(member, "A", upc="44556677"), await new_item(member, "B", upc="96385074")
    food = await new_list(member)
    for item, quantity in [(source, 2), (target, 3)]:
        await put_on(member, food, item, quantity)
    columns = "source_id, target_id, batch_id, moved, merged_at"
    moved = json.dumps(
        {
            "barcodes": [{"code": "96385074", "is_primary": True}],
            "list_entries": [{"parent_id": food["id"], "quantity_milli": 2000}],
        }
    )
    values = f"{source['id']}, {target['id']}, 'b', '{moved}', '2026-01-01T00:00:00.000000Z'"
    await schema.run_beside(config, f"INSERT INTO item_merge ({columns}) VALUES ({values})")
    (fault,) = await find_faults(config)
    assert f"POST /items/{source['id']}/unmerge" in fault.message
    again = await member.post(f"/items/{source['id']}/merge", json={"into": target["id"]})
    refused(again, 409, "has a merge that is not undone")
    assert (await unmerge(member, source))["upc"] == "44556677"
    assert await on(member, food) == {"A": 2, "B": 3}
    assert await find_faults(config) == []
    await merge(member, source, target)


async def what_it_has(client: AsyncClient, item: Json) -> tuple[Any, ...]:
    """The parts of an item that a merge moves, apart from stock."""
    now = await get(client, f"/items/{item['id']}")
    barcodes = sorted((each["barcode"], each["pack_quantity"]) for each in now["barcodes"])
    documents = sorted(each["id"] for each in await get(client, f"/items/{item['id']}/documents"))
    return now["upc"], barcodes, now["image_document_id"], documents
