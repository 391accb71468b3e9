"""A scan of a hidden item's barcode counts, and brings the item back into use for review."""

from __future__ import annotations

from httpx import AsyncClient

from tests.inventory import get, made, new_item, new_location, new_stock, refused, total
from tests.scanner.conftest import Scan

UPC = "4006381333931"


async def _hidden(admin: AsyncClient, **fields: object) -> dict[str, object]:
    item = await new_item(admin, "Oats", upc=UPC, **fields)
    assert (await admin.delete(f"/items/{item['id']}")).status_code == 200
    return item


def _event(event_id: str, kind: str, shelf: dict[str, object], **item: object) -> dict[str, object]:
    return {"event_id": event_id, "type": kind, "item": item, "location": {"id": shelf["id"]}, "quantity": 2}


async def test_scan_brings_a_hidden_item_back(admin: AsyncClient, scan: Scan, set_state: Scan) -> None:
    item, shelf = await _hidden(admin, min_quantity=5), await new_location(admin)
    await set_state("add", shelf)
    answer = await scan(UPC, event_id="e1")
    assert (answer["success"], answer["item"]["id"], answer["item"]["total_quantity"]) == (True, item["id"], 1)
    now = await get(admin, f"/items/{item['id']}")
    assert (now["is_active"], now["needs_review"], now["name"], now["total_quantity"]) == (True, True, "Oats", 1)
    assert answer["item"] == now
    assert [each["item"]["id"] for each in await get(admin, "/items/review")] == [item["id"]]
    assert [each["id"] for each in await get(admin, "/search", q="oats")] == [item["id"]]
    [alert] = [each for each in await get(admin, "/alerts") if each["item_id"] == item["id"]]
    assert (alert["alert_type"], alert["is_active"]) == ("low_stock", True)
    assert (await scan(UPC, event_id="e1"))["duplicate"]
    assert (await scan(UPC, event_id="e2"))["item"] | {"total_quantity": 1} == now
    assert await total(admin, item) == 2


async def test_event_by_barcode_brings_it_back_and_one_by_id_does_not(admin: AsyncClient) -> None:
    item, shelf = await _hidden(admin), await new_location(admin)
    sent = {"events": [_event("a", "add", shelf, id=item["id"]), _event("b", "add", shelf, upc=UPC)]}
    by_id, by_barcode = (await admin.post("/events", json=sent)).json()["results"]
    assert (by_id["status"], by_barcode["status"]) == ("rejected", "applied")
    assert "no longer in use" in by_id["reason"]
    assert await total(admin, item) == 2
    # The refusal is remembered: what was refused once is not booked later.
    again = (await admin.post("/events", json=sent)).json()["results"]
    assert [each["status"] for each in again] == ["rejected", "duplicate"]
    assert await total(admin, item) == 2


async def test_what_is_refused_or_books_nothing_leaves_it_hidden(
    admin: AsyncClient, scan: Scan, set_state: Scan
) -> None:
    item, shelf = await _hidden(admin), await new_location(admin)
    before = await get(admin, f"/items/{item['id']}")
    await set_state("remove", shelf)
    assert not (await scan(UPC))["success"]
    await set_state("lookup", shelf)
    await scan(UPC)
    await set_state("add", None)
    assert (await scan(UPC))["event"] is None
    batch = {
        "atomic": True,
        "events": [_event("a", "add", shelf, upc=UPC), _event("b", "remove", shelf, code="NONE")],
    }
    refused(await admin.post("/events", json=batch), 409)
    assert await get(admin, f"/items/{item['id']}") == before
    assert not before["is_active"]
    assert await get(admin, "/items/review") == []


async def test_barcode_of_a_merged_item_is_the_other_items(admin: AsyncClient, scan: Scan, set_state: Scan) -> None:
    merged, kept, shelf = (
        await new_item(admin, "Oat", upc=UPC),
        await new_item(admin, "Oats"),
        await new_location(admin),
    )
    await new_stock(admin, merged, shelf, 1)
    made(await admin.post(f"/items/{merged['id']}/merge", json={"into": kept["id"]}))
    await set_state("add", shelf)
    assert (await scan(UPC))["item"]["id"] == kept["id"]
    assert not (await get(admin, f"/items/{merged['id']}"))["is_active"]
    # The other one is hidden now, and its barcodes are scanned.
    made(
        await admin.put(
            f"/skus/{(await get(admin, '/skus', item_id=kept['id']))[0]['id']}/quantity", json={"quantity": 0}
        )
    )
    assert (await admin.delete(f"/items/{kept['id']}")).status_code == 200
    assert (await scan(UPC))["item"]["is_active"]
    assert await total(admin, kept) == 1
