"""UPC-A, EAN-13, EAN-8 and GTIN-14 of one product, over HTTP: one barcode, returned as entered."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from httpx import AsyncClient

from tests.inventory import get, made, new_item, new_location, refused, total

UPC_A, EAN_13, GTIN_14 = FORMS = ("614141123452", "0614141123452", "00614141123452")
CARTON = "10614141123459"


async def test_item_is_found_by_every_form_of_its_barcode(member: AsyncClient, scanner: AsyncClient) -> None:
    for entered in FORMS:
        item = await new_item(member, upc=entered)
        for form in FORMS:
            found = await get(member, f"/items/upc/{form}")
            assert (found["id"], found["upc"]) == (item["id"], entered)
            looked_up = made(await scanner.post(f"/scanner/lookup/{form}"))
            assert looked_up["item"]["id"] == item["id"]
        refused(await member.get(f"/items/upc/{CARTON}"), 404, CARTON)
        assert (await member.delete(f"/items/{item['id']}/barcodes/{GTIN_14}")).status_code == 204
        refused(await member.get(f"/items/upc/{entered}"), 404)


async def test_other_form_of_a_barcode_already_belongs_to_its_item(member: AsyncClient) -> None:
    first = await new_item(member, upc=UPC_A)
    second = await new_item(member)
    for form in FORMS:
        refused(await member.post("/items/", json={"name": "x", "upc": form}), 409, form)
        refused(await member.post(f"/items/{second['id']}/barcodes", json={"barcode": form}), 409, form)
        twice = [{"barcode": UPC_A}, {"barcode": form}]
        if form != UPC_A:
            refused(await member.patch(f"/items/{first['id']}", json={"barcodes": twice}), 409, "twice")
    assert len(await get(member, "/items/")) == 2
    made(await member.post(f"/items/{second['id']}/barcodes", json={"barcode": CARTON, "pack_quantity": 12}))


async def test_barcode_can_change_to_its_other_form(member: AsyncClient) -> None:
    item = await new_item(member, upc=UPC_A, barcodes=[{"barcode": EAN_13, "pack_quantity": 6}, {"barcode": "x"}])
    assert item["barcodes"] == [{"barcode": UPC_A, "pack_quantity": 6}, {"barcode": "x", "pack_quantity": 1}]
    changed = made(await member.patch(f"/items/{item['id']}", json={"upc": GTIN_14}))
    assert changed["barcodes"] == [{"barcode": GTIN_14, "pack_quantity": 6}, {"barcode": "x", "pack_quantity": 1}]
    listed = [{"barcode": "x"}, {"barcode": EAN_13, "pack_quantity": 2}]
    changed = made(await member.patch(f"/items/{item['id']}", json={"barcodes": listed}))
    assert changed["upc"] == EAN_13
    assert changed["barcodes"] == [{"barcode": EAN_13, "pack_quantity": 2}, {"barcode": "x", "pack_quantity": 1}]


async def test_concurrent_first_scans_of_two_forms_create_one_item(member: AsyncClient, scanner: AsyncClient) -> None:
    shelf = await new_location(member)
    made(await scanner.put("/scanner/s1/state", json={"location_id": shelf["id"]}))
    scans = [{"upc": FORMS[number % 3], "scanner_id": "s1"} for number in range(9)]
    answers = await asyncio.gather(*(scanner.post("/scanner/scan", json=scan) for scan in scans))
    assert len({made(answer)["item"]["id"] for answer in answers}) == 1
    [stub] = await get(member, "/items/")
    assert stub["upc"] in FORMS
    assert (stub["needs_review"], await total(member, stub)) == (True, 9)


async def test_events_of_two_forms_in_one_request_have_one_item(member: AsyncClient, scanner: AsyncClient) -> None:
    shelf = await new_location(member)
    events = [
        {"type": "add", "item": {"upc": form}, "location": {"id": shelf["id"]}, "quantity": 2}
        for form in (EAN_13, UPC_A, "unlike any other")
    ]
    answer = made(await scanner.post("/events", json={"events": events}))
    assert [result["quantity_after"] for result in answer["results"]] == [2, 4, 2]
    assert [item["upc"] for item in await get(member, "/items/")] in (
        [EAN_13, "unlike any other"],
        ["unlike any other", EAN_13],
    )


async def test_names_and_barcodes_may_contain_a_slash(member: AsyncClient, scanner: AsyncClient) -> None:
    item = await new_item(member, barcodes=[{"barcode": code} for code in ("a/b", "/", "%2F", "//x/", "é/1")])
    location = await new_location(member, "Cellar / left")
    for path in ("a%2Fb", "a%2fb", "%2F", "%252F", "%2F%2Fx%2F", "%C3%A9%2F1"):
        assert (await get(member, f"/items/upc/{path}"))["id"] == item["id"], path
    assert made(await scanner.post("/scanner/lookup/a%2Fb"))["item"]["id"] == item["id"]
    assert (await get(member, "/locations/name/Cellar%20%2F%20left"))["id"] == location["id"]
    assert (await member.delete(f"/items/{item['id']}/barcodes/a%2Fb")).status_code == 204
    refused(await member.get("/items/upc/a%2Fb"), 404, "a/b")
    pen = await new_item(member, "Pen", upc="4006381333931")
    for link in (
        "https://id.gs1.org/01/04006381333931",
        "https://shop.example/de/01/04006381333931/10/A%2F1?17=301231",
    ):
        path = quote(link, safe="")
        assert (await get(member, f"/items/upc/{path}"))["id"] == pen["id"]
        assert made(await scanner.post(f"/scanner/lookup/{path}"))["item"]["id"] == pen["id"]
    refused(await member.get("/items/upc/a/b"), 404, "nothing at")
    refused(await member.get("/nowhere%2Fat/all"), 404, "nowhere/at/all")
    refused(await member.get(f"/items/{item['id']}%2F"), 404)
    refused(await member.get("/items/upc/a%2Fb%00"), 422, "NUL")
