"""Merging two items moves everything, keeps the history, and can be undone for a day."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from httpx import AsyncClient

from stocky import clock
from stocky.config import Config
from stocky.db import Database
from stocky.merging.repository import lock_merges
from stocky.stock.consistency import find_faults
from tests.documents.files import pdf, picture, uploaded
from tests.inventory import Json, get, made, new_item, new_location, new_stock, refused, total
from tests.merging.merges import merge, unmerge


async def scan(client: AsyncClient, barcode: str, shelf: Json, quantity: float = 1) -> Json:
    body = {"upc": barcode, "scanner_id": "s1", "location_hint": shelf["id"], "quantity": quantity}
    answer = made(await client.post("/scanner/scan", json=body))
    assert answer["success"], answer
    return answer


async def history(client: AsyncClient, item: Json) -> list[tuple[str, int, float]]:
    events = (await get(client, f"/items/{item['id']}/events"))["events"]
    return [(event["type"], event["item_id"], event["delta"]) for event in events]


async def test_a_stub_is_merged_with_its_barcode_stock_and_history(
    member: AsyncClient, scanner: AsyncClient, config: Config
) -> None:
    shelf = await new_location(member)
    tea = await new_item(member, "Tea", barcodes=[{"barcode": "TEA-1", "pack_quantity": 6}], upc="TEA-0000")
    await scan(scanner, "TEA-1", shelf)
    stub = (await scan(scanner, "NEW-1", shelf, 2))["item"]
    assert stub["needs_review"]
    merged = await merge(member, stub, tea)
    assert merged["total_quantity"] == 8
    assert merged["upc"] == "TEA-0000"
    assert {each["barcode"] for each in merged["barcodes"]} == {"TEA-0000", "TEA-1", "NEW-1"}
    assert merged["version"] > tea["version"]
    assert (await scan(scanner, "NEW-1", shelf))["item"]["id"] == tea["id"]
    assert await total(member, tea) == 9
    # The stub's scans keep their events, and are part of the item's history.
    assert await history(member, tea) == [
        ("add", tea["id"], 1),
        ("move", tea["id"], 2),
        ("move", stub["id"], -2),
        ("add", stub["id"], 2),
        ("add", tea["id"], 6),
    ]
    gone = await get(member, f"/items/{stub['id']}")
    assert (gone["is_active"], gone["merged_into_id"], gone["barcodes"]) == (False, tea["id"], [])
    assert await get(member, "/items/review") == []
    assert await find_faults(config) == []


async def test_merged_history_is_paged_as_one(member: AsyncClient, scanner: AsyncClient) -> None:
    shelf = await new_location(member)
    tea = await new_item(member, "Tea", upc="TEA-0000")
    for code in ("NEW-1", "TEA-0000", "NEW-2", "NEW-1", "TEA-0000"):
        await scan(scanner, code, shelf)
    for code in ("NEW-1", "NEW-2"):
        await merge(member, await get(member, f"/items/upc/{code}"), tea)
    whole = [each["id"] for each in (await get(member, "/events"))["events"]]
    for limit in (1, 2, 4):
        seen: list[int] = []
        cursor: Json = {}
        while cursor != {"cursor": None}:
            page = await get(member, f"/items/{tea['id']}/events", limit=limit, **cursor)
            seen += [each["id"] for each in page["events"]]
            cursor = {"cursor": page["next_cursor"]}
        assert seen == whole == sorted(whole, reverse=True)


async def test_lots_and_negative_stock_are_preserved(member: AsyncClient, scanner: AsyncClient, config: Config) -> None:
    shelf, cellar = await new_location(member, "Shelf"), await new_location(member, "Cellar")
    source = await new_item(member, "Milk, 1 l", oversell_policy="allow")
    target = await new_item(member, "Milk")
    await new_stock(member, source, shelf, 2, expiry_date="2030-01-01")
    await new_stock(member, target, shelf, 1, expiry_date="2030-01-01")
    taken = {"type": "remove", "item": {"id": source["id"]}, "location": {"id": cellar["id"]}, "quantity": 3}
    made(await scanner.post("/events", json={"events": [taken]}))
    assert (await merge(member, source, target))["total_quantity"] == 0
    skus = await get(member, "/skus/", item_id=target["id"])
    assert {(sku["location_id"], sku["expiry_date"], sku["quantity"]) for sku in skus} == {
        (shelf["id"], "2030-01-01", 3),
        (cellar["id"], None, -3),
    }
    alerts = await get(member, "/alerts/")
    assert [(alert["alert_type"], alert["item_id"]) for alert in alerts if alert["alert_type"] == "negative_stock"] == [
        ("negative_stock", target["id"])
    ]
    assert await find_faults(config) == []


async def test_references_to_the_merged_item_resolve_to_the_target(
    member: AsyncClient, scanner: AsyncClient, config: Config
) -> None:
    shelf = await new_location(member)
    old, new = await new_item(member, "Old"), await new_item(member, "New")
    await merge(member, old, new)
    events = [
        {"type": "add", "item": reference, "location": {"id": shelf["id"]}, "quantity": 1}
        for reference in ({"id": old["id"]}, {"code": old["code"]}, {"upc": old["code"]}, {"id": new["id"]})
    ]
    assert made(await scanner.post("/events", json={"events": events}))["applied"] == 4
    assert (await scan(scanner, old["code"], shelf))["item"]["id"] == new["id"]
    assert await total(member, new) == 5
    assert await total(member, old) == 0
    assert (await get(member, f"/items/code/{old['code']}"))["id"] == new["id"]
    assert await find_faults(config) == []


async def test_merge_is_undone_within_a_day(member: AsyncClient, scanner: AsyncClient, config: Config) -> None:
    shelf = await new_location(member)
    target = await new_item(member, "Tea")
    source = await new_item(member, "Teh", upc="44556677", barcodes=[{"barcode": "T-2", "pack_quantity": 4}])
    await new_stock(member, source, shelf, 3, expiry_date="2030-01-01", notes="open")
    await new_stock(member, target, shelf, 1)
    before = await get(member, f"/items/{source['id']}")
    await merge(member, source, target)
    await scan(scanner, "T-2", shelf)
    (merge_entry,) = await get(member, f"/items/{target['id']}/merges")
    assert (merge_entry["source_name"], merge_entry["undone_at"]) == ("Teh", None)
    assert merge_entry["undoable_until"]
    back = await unmerge(member, source)
    same = {"name", "upc", "barcodes", "total_quantity", "is_active", "merged_into_id"}
    assert {name: back[name] for name in same} == {name: before[name] for name in same}
    # Scans in between were booked on the target of that time.
    assert await total(member, target) == 5
    assert (await get(member, f"/items/{target['id']}"))["barcodes"] == []
    assert (await scan(scanner, "T-2", shelf))["item"]["id"] == source["id"]
    (merge_entry,) = await get(member, f"/items/{source['id']}/merges")
    assert (merge_entry["undoable_until"], bool(merge_entry["undone_at"])) == (None, True)
    refused(await member.post(f"/items/{source['id']}/unmerge"), 409, "not merged")
    # The merge can be repeated.
    await merge(member, source, target)
    assert await find_faults(config) == []


async def test_merge_cannot_be_undone_after_a_day(member: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = await new_item(member, "A"), await new_item(member, "B")
    await merge(member, source, target)
    later = datetime.now(UTC) + timedelta(days=1, minutes=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    (merge_entry,) = await get(member, f"/items/{source['id']}/merges")
    assert merge_entry["undoable_until"] is None
    refused(await member.post(f"/items/{source['id']}/unmerge"), 409, "more than a day ago")


async def test_merge_is_not_undone_when_its_stock_is_gone(member: AsyncClient, config: Config) -> None:
    shelf = await new_location(member)
    source, target = await new_item(member, "A", upc="44556677"), await new_item(member, "B")
    await new_stock(member, source, shelf, 3)
    await merge(member, source, target)
    (sku,) = await get(member, "/skus/", item_id=target["id"])
    taken = made(await member.post(f"/skus/{sku['id']}/adjust", json={"delta": -1}))
    assert taken["quantity"] == 2
    refused(await member.post(f"/items/{source['id']}/unmerge"), 409, "would leave -1", "undo that first")
    assert await total(member, target) == 2
    assert (await get(member, f"/items/{source['id']}"))["merged_into_id"] == target["id"]
    assert (await get(member, "/items/upc/44556677"))["id"] == target["id"]
    assert await find_faults(config) == []


async def test_repeated_merge_changes_nothing(member: AsyncClient) -> None:
    shelf = await new_location(member)
    source, target = await new_item(member, "A"), await new_item(member, "B")
    await new_stock(member, source, shelf, 3)
    first = await merge(member, source, target)
    assert await merge(member, source, target) == first
    assert len(await history(member, target)) == 3


async def test_rejected_merges_have_a_reason(member: AsyncClient) -> None:
    one, other, third = [await new_item(member, name) for name in ("One", "Other", "Third")]
    refused(await member.post(f"/items/{one['id']}/merge", json={"into": one["id"]}), 422, "itself")
    refused(await member.post(f"/items/{one['id']}/merge", json={"into": 999}), 404)
    refused(await member.post("/items/999/merge", json={"into": one["id"]}), 404)
    refused(await member.post(f"/items/{one['id']}/merge", json={}), 422)
    refused(await member.post(f"/items/{one['id']}/unmerge"), 409, "not merged")
    await merge(member, one, other)
    refused(await member.post(f"/items/{one['id']}/merge", json={"into": third["id"]}), 409, "merged into")
    refused(await member.post(f"/items/{third['id']}/merge", json={"into": one["id"]}), 409, "merged into")
    refused(await member.patch(f"/items/{one['id']}", json={"name": "x"}), 409, "merged into")
    refused(await member.patch(f"/items/{one['id']}", json={"is_active": True}), 409, "merged into")
    assert (await member.delete(f"/items/{third['id']}")).status_code == 200
    refused(await member.post(f"/items/{third['id']}/merge", json={"into": other["id"]}), 409, "in use")


async def test_a_chain_of_merges_is_undone_from_its_end(
    member: AsyncClient, scanner: AsyncClient, config: Config
) -> None:
    shelf = await new_location(member)
    first, second, third = [await new_item(member, name, barcodes=[{"barcode": name}]) for name in ("X1", "X2", "X3")]
    for item in (first, second, third):
        await new_stock(member, item, shelf, 1)
    await merge(member, first, second)
    await merge(member, second, third)
    assert (await scan(scanner, "X1", shelf))["item"]["id"] == third["id"]
    events = [{"type": "add", "item": {"id": first["id"]}, "location": {"id": shelf["id"]}, "quantity": 1}]
    assert made(await scanner.post("/events", json={"events": events}))["applied"] == 1
    assert await total(member, third) == 5
    assert len(await history(member, third)) == 9
    refused(await member.post(f"/items/{first['id']}/unmerge"), 409, "undo that merge first")
    await unmerge(member, second)
    assert [await total(member, item) for item in (first, second, third)] == [0, 2, 3]
    await unmerge(member, first)
    assert [await total(member, item) for item in (first, second, third)] == [1, 1, 3]
    assert (await scan(scanner, "X1", shelf))["item"]["id"] == first["id"]
    assert await find_faults(config) == []


async def test_stock_in_two_units_is_not_merged(member: AsyncClient, config: Config) -> None:
    shelf = await new_location(member)
    source, target = await new_item(member, "Rice, loose"), await new_item(member, "Rice")
    await new_stock(member, source, shelf, 500, unit="g")
    await new_stock(member, target, shelf, 3, unit="bag")
    refused(await member.post(f"/items/{source['id']}/merge", json={"into": target["id"]}), 409, "g and Rice in bag")
    assert (await total(member, source), await total(member, target)) == (500, 3)
    # Units ignore case.
    loose = await new_item(member, "Rice in bags")
    await new_stock(member, loose, shelf, 2, unit="Bag")
    assert (await merge(member, loose, target))["total_quantity"] == 5
    assert await find_faults(config) == []


async def test_documents_and_the_picture_move(member: AsyncClient) -> None:
    source, target = await new_item(member, "A"), await new_item(member, "B")
    photo = await uploaded(member, source, picture(), "photo.png")
    manual = await uploaded(member, source, pdf(), "manual.pdf")
    own = await uploaded(member, target, picture(colour="red"), "own.png")
    made(await member.patch(f"/items/{source['id']}", json={"image_document_id": photo["id"]}))

    async def documents(item: Json) -> tuple[set[int], int | None]:
        ids = {each["id"] for each in await get(member, f"/items/{item['id']}/documents")}
        return ids, (await get(member, f"/items/{item['id']}"))["image_document_id"]

    assert (await merge(member, source, target))["image_document_id"] == photo["id"]
    assert await documents(target) == ({photo["id"], manual["id"], own["id"]}, photo["id"])
    assert await documents(source) == (set(), None)
    refused(await member.post("/documents/links", json={"item_id": source["id"], "url": "https://a.example"}), 409)
    assert (await member.delete(f"/documents/{manual['id']}")).status_code == 204
    await unmerge(member, source)
    assert await documents(target) == ({own["id"]}, None)
    assert await documents(source) == ({photo["id"]}, photo["id"])


async def test_target_keeps_its_own_picture(member: AsyncClient) -> None:
    source, target = await new_item(member, "A"), await new_item(member, "B")
    images = []
    for item in (source, target):
        image = await uploaded(member, item, picture(), "photo.png")
        made(await member.patch(f"/items/{item['id']}", json={"image_document_id": image["id"]}))
        images.append(image["id"])
    assert (await merge(member, source, target))["image_document_id"] == images[1]
    assert (await unmerge(member, source))["image_document_id"] == images[0]
    assert (await get(member, f"/items/{target['id']}"))["image_document_id"] == images[1]


async def test_stubs_wait_for_review_with_what_was_scanned(member: AsyncClient, scanner: AsyncClient) -> None:
    shelf = await new_location(member)
    assert await get(member, "/items/review") == []
    for barcode in ("N-1", "N-2", "N-1"):
        await scan(scanner, barcode, shelf)
    first, second = await get(member, "/items/review")
    assert [each["barcode"] for each in first["item"]["barcodes"]] == ["N-1"]
    assert (first["event_count"], second["event_count"]) == (2, 1)
    assert first["last_seen"] >= second["last_seen"]
    made(await member.post(f"/events/{first['last_event_id']}/undo"))
    first, second = await get(member, "/items/review")
    assert (first["event_count"], first["scan_count"]) == (3, 2), "an undo is no scan"
    made(await member.patch(f"/items/{first['item']['id']}", json={"name": "Known"}))
    assert await get(member, "/items/review") == [second]


async def test_merging_while_both_are_scanned_loses_nothing(members: list[AsyncClient], config: Config) -> None:
    member = members[0]
    shelf = await new_location(member)
    items = [await new_item(member, name, barcodes=[{"barcode": name}]) for name in ("M-1", "M-2")]
    source, target = items
    counted = 0
    stop = asyncio.Event()

    async def keep_scanning(client: AsyncClient, name: str) -> None:
        nonlocal counted
        while not stop.is_set():
            body = {"upc": name, "scanner_id": name, "location_hint": shelf["id"]}
            answer = await client.post("/scanner/scan", json=body)
            if answer.status_code == 503:
                continue
            assert made(answer)["success"], answer.text
            counted += 1

    scanning = [
        asyncio.create_task(keep_scanning(client, name))
        for client in members
        for name in ("M-1", "M-2", source["code"])
    ]
    done = 0
    for _ in range(12):
        answer = await member.post(f"/items/{source['id']}/merge", json={"into": target["id"]})
        assert answer.status_code in (200, 503), answer.text
        await asyncio.sleep(0.02)
        answer = await member.post(f"/items/{source['id']}/unmerge")
        assert answer.status_code in (200, 409, 503), answer.text
        done += answer.status_code == 200
        await asyncio.sleep(0.02)
    stop.set()
    await asyncio.gather(*scanning)
    assert done > 6
    assert await total(member, source) + await total(member, target) == counted
    assert await find_faults(config) == []


async def test_merges_waiting_for_an_import_do_not_block_scans(
    member: AsyncClient, scanner: AsyncClient, config: Config, database: Database
) -> None:
    if config.dialect == "sqlite":
        pytest.skip("SQLite has one writer")
    shelf = await new_location(member)
    target = await new_item(member, "Tea", barcodes=[{"barcode": "TEA-1"}])
    sources = [await new_item(member, f"Tea {number}") for number in range(11)]
    async with database.transaction() as importing:
        await lock_merges(importing)
        merging = [
            asyncio.create_task(member.post(f"/items/{source['id']}/merge", json={"into": target["id"]}))
            for source in sources
        ]
        while not any(task.done() for task in merging):
            await scan(scanner, "TEA-1", shelf)
        for answer in await asyncio.gather(*merging, member.post(f"/items/{target['id']}/unmerge")):
            refused(answer, 503, "an import", "send it again")
            assert int(answer.headers["Retry-After"]) > 0
    for source in sources:
        await merge(member, source, target)
    assert await find_faults(config) == []
