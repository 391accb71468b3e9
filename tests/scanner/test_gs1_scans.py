"""Scans of GS1 codes: the lot, weight and count of the label are booked."""

from __future__ import annotations

import pytest
from httpx import AsyncClient

from stocky.config import Config
from stocky.stock.consistency import find_faults
from tests.inventory import Json, get, made, new_item, new_location, new_stock, refused, total
from tests.scanner.conftest import Scan

EAN = "4006381333931"
GTIN = "04006381333931"
WRONG = "(01)04006381333932(17)301231"


def lots(answer: Json) -> dict[str | None, float]:
    """Quantities by expiry date."""
    return {sku["expiry_date"]: sku["quantity"] for sku in answer["skus"]}


async def test_label_books_its_lot(member: AsyncClient, scan: Scan, set_state: Scan, config: Config) -> None:
    item, shelf = await new_item(member, upc=EAN), await new_location(member)
    await set_state("add", shelf)
    answer = await scan(f"]d201{GTIN}1730123110B42\x1d21777", event_id="e1")
    assert (answer["success"], answer["item"]["id"], lots(answer)) == (True, item["id"], {"2030-12-31": 1})
    assert answer["event"]["note"] == "lot B42, serial 777"
    assert (await scan(f"(01){GTIN}(17)310100", quantity=3))["item"]["total_quantity"] == 4
    assert lots(await scan(EAN)) == {"2030-12-31": 1, "2031-01-31": 3, None: 1}
    again = await scan(f"]d201{GTIN}1730123110B42\x1d21777", event_id="e1")
    assert (again["duplicate"], again["event"]["note"]) == (True, "lot B42, serial 777")
    await set_state("remove", shelf)
    assert lots(await scan(f"(01){GTIN}(17)310100")) == {"2030-12-31": 1, "2031-01-31": 2, None: 1}
    gone = await scan(f"(01){GTIN}(17)290101")
    assert (gone["success"], lots(gone)) == (False, {"2030-12-31": 1, "2031-01-31": 2, None: 1})
    await set_state("count", shelf)
    assert lots(await scan(f"(01){GTIN}(17)310100", quantity=7))["2031-01-31"] == 7
    cellar = await new_location(member, "Cellar")
    await set_state("move", cellar)
    moved = await scan(f"https://id.gs1.org/01/{GTIN}?17=310100", quantity=2)
    there = [(sku["expiry_date"], sku["quantity"]) for sku in moved["skus"] if sku["location_id"] == cellar["id"]]
    assert there == [("2031-01-31", 2)]
    assert await total(member, item) == 9
    assert await find_faults(config) == []


async def test_first_scan_of_a_label_creates_an_item(member: AsyncClient, scan: Scan, set_state: Scan) -> None:
    await set_state("add", await new_location(member))
    stub = (await scan(f"]C101{GTIN}10X"))["item"]
    assert (stub["upc"], stub["name"], stub["needs_review"]) == (EAN, f"Unknown {EAN}", True)
    for form in (EAN, GTIN, f"https://id.gs1.org/01/{GTIN}/10/Y", f"(01) {GTIN}"):
        assert (await scan(form))["item"]["id"] == stub["id"], form
    assert await total(member, stub) == 5
    assert (await get(member, "/items/upc/(01)04006381333931(17)301231"))["id"] == stub["id"]
    link = f"https://id.gs1.org/01/{GTIN}/10/{'x' * 20}?{'&'.join(f'linkType{n}=gs1%3Apip' for n in range(8))}"
    assert len(link) > 128
    assert (await scan(link))["item"]["id"] == stub["id"]


@pytest.mark.parametrize(
    ("unit", "element", "counted"),
    [
        ("kg", "(3103)001250", 1.25),
        ("KG", "(3103)001250", 1.25),
        ("g", "(3103)001250", 1250),
        ("lb", "(3202)000125", 1.25),
        ("oz", "(3571)000125", 12.5),
        ("kg", "(3202)000125", 0.567),
        # Stock in pieces counts one piece, whatever its weight, or the label's count.
        ("piece", "(3103)001250", 1),
        ("piece", "(3103)001250(30)3", 3),
    ],
)
@pytest.mark.one_server
async def test_weight_is_converted_into_the_unit_of_the_stock(
    member: AsyncClient, scan: Scan, set_state: Scan, unit: str, element: str, counted: float
) -> None:
    item, shelf = await new_item(member, upc=EAN), await new_location(member)
    await new_stock(member, item, shelf, 2000, unit=unit)
    await set_state("add", shelf)
    answer = await scan(f"(01){GTIN}{element}")
    assert (answer["event"]["delta"], answer["skus"][0]["unit"]) == (counted, unit)
    assert (await scan(f"(01){GTIN}{element}", quantity=2))["event"]["delta"] == 2 * counted
    await set_state("remove", shelf)
    assert (await scan(f"(01){GTIN}{element}"))["message"] == (
        f"Coffee: {counted:g} taken, {2000 + 2 * counted:.7g} in stock"
    )


async def test_first_weighed_stock_is_in_kilograms(member: AsyncClient, scan: Scan, set_state: Scan) -> None:
    shelf = await new_location(member)
    await set_state("add", shelf)
    first = await scan("]C1019400638133393431030012501530010010L7")
    assert [(sku["quantity"], sku["unit"], sku["expiry_date"]) for sku in first["skus"]] == [(1.25, "kg", "2030-01-31")]
    made(await member.patch(f"/items/{first['item']['id']}", json={"name": "Beef", "oversell_policy": "clamp"}))
    await set_state("remove", shelf)
    short = await scan("(01)94006381333934(3103)002000(15)300100")
    assert short["message"] == "Beef: 1.25 taken, all that was left, 0 in stock"


async def test_pallet_counts_its_contents(member: AsyncClient, scan: Scan, set_state: Scan) -> None:
    await new_item(member, barcodes=[{"barcode": EAN, "pack_quantity": 6}])
    await set_state("add", await new_location(member))
    assert (await scan(f"]C10010614141234567890802{GTIN}3724"))["event"]["delta"] == 144
    assert (await scan(f"]C102{GTIN}3724", quantity=2))["event"]["delta"] == 288


async def test_label_with_a_quantity_of_zero_or_too_large_books_nothing(
    member: AsyncClient, scan: Scan, set_state: Scan, config: Config
) -> None:
    item, shelf = await new_item(member, upc=EAN), await new_location(member)
    await new_stock(member, item, shelf, 3, unit="kg")
    for mode in ("add", "remove", "count"):
        await set_state(mode, shelf)
        for element, words in (
            ("(30)0", "a count of 0"),
            ("(37)000", "a count of 0"),
            ("(3103)000000", "a weight of 0"),
            ("(3105)000004", "less than 0.001 kg"),
            ("(30)99999999", "larger than Stocky can count" if mode != "remove" else "Only 3"),
        ):
            answer = await scan(f"(01){GTIN}{element}", quantity=10**9)
            assert (answer["success"], answer["event"]) == (False, None), (mode, element)
            assert words in answer["message"], (mode, element)
    assert await total(member, item) == 3
    assert await find_faults(config) == []


async def test_wrong_check_digit_is_reported_and_creates_nothing(
    member: AsyncClient, scanner: AsyncClient, scan: Scan, set_state: Scan
) -> None:
    shelf = await new_location(member)
    for mode, location in (("add", shelf), ("add", None), ("lookup", shelf), ("count", shelf)):
        await set_state(mode, location)
        answer = await scan(WRONG)
        assert (answer["success"], answer["item"], answer["event"]) == (False, None, None)
        assert "check digit" in answer["message"]
    await set_state("add", shelf)
    for _ in range(2):
        assert (await scan(WRONG, event_id="e1"))["success"] is False
    event = {"type": "add", "item": {"upc": WRONG}, "location": {"id": shelf["id"]}, "quantity": 1}
    good = {**event, "item": {"upc": EAN}}
    results = made(await scanner.post("/events", json={"events": [event, good]}))["results"]
    assert [result["status"] for result in results] == ["rejected", "applied"]
    assert "check digit" in results[0]["reason"]
    refused(await scanner.post("/events", json={"events": [good, event], "atomic": True}), 409, "check digit")
    assert made(await scanner.post(f"/scanner/lookup/{WRONG}"))["success"] is False
    refused(await member.get(f"/items/upc/{WRONG}"), 422, "check digit")
    assert [item["upc"] for item in await get(member, "/items/")] == [EAN]


async def test_events_use_the_lot_of_the_code_by_default(
    member: AsyncClient, scanner: AsyncClient, config: Config
) -> None:
    shelf = await new_location(member)
    code = f"(01){GTIN}(17)301231(10)B42"
    events = [
        {"type": "add", "item": {"upc": code}, "location": {"id": shelf["id"]}, "quantity": 2, **more}
        for more in ({}, {"lot": "2031-01-01"}, {"note": "from the market"}, {"item": {"upc": EAN}})
    ]
    results = made(await scanner.post("/events", json={"events": events}))["results"]
    assert [result["quantity_after"] for result in results] == [2, 2, 4, 2]
    recorded = [await get(member, f"/events/{result['id']}") for result in results]
    assert [event["note"] for event in recorded] == ["lot B42", "lot B42", "from the market, lot B42", None]
    skus = [await get(member, f"/skus/{result['sku_id']}") for result in results]
    assert [sku["expiry_date"] for sku in skus] == ["2030-12-31", "2031-01-01", "2030-12-31", None]
    assert await find_faults(config) == []


async def test_text_entered_as_a_barcode_is_found_exactly(member: AsyncClient, scan: Scan, set_state: Scan) -> None:
    item = await new_item(member, barcodes=[{"barcode": f"]C101{GTIN}10X"}])
    await set_state("add", await new_location(member))
    assert (await scan(f"]C101{GTIN}10X"))["item"]["id"] == item["id"]
    assert (await scan(f"]C101{GTIN}10Y"))["item"]["id"] != item["id"]


@pytest.mark.parametrize("blank", ["%20", "%09", "%C2%A0", "%1D"])
async def test_blank_barcode_is_rejected(blank: str, scanner: AsyncClient) -> None:
    refused(await scanner.post(f"/scanner/lookup/{blank}"), 422, "barcode is blank")


async def test_too_long_barcode_is_rejected(scanner: AsyncClient, member: AsyncClient) -> None:
    for text, status in (("x" * 501, 422), ("]C1" + "x" * 998, 422)):
        refused(await scanner.post("/scanner/scan", json={"upc": text}), status)
        refused(await scanner.post(f"/scanner/lookup/{text}"), status)
        event = {"type": "add", "item": {"upc": text}, "quantity": 1}
        [result] = made(await scanner.post("/events", json={"events": [event]}))["results"]
        assert (result["status"], "characters" in result["reason"]) == ("rejected", True)
    answer = made(await scanner.post("/scanner/scan", json={"upc": "]C1" + "x" * 600}))
    assert (answer["success"], "500" in answer["message"]) == (False, True)
    assert await get(member, "/items/") == []
