"""Scans of distributors' bags, of labels without FNC1, and of numbers that were misread."""

from __future__ import annotations

import pytest
from httpx import AsyncClient

from stocky.barcodes.gs1 import NO_FNC1
from stocky.config import Config
from stocky.stock.consistency import find_faults
from tests.inventory import get, made, new_item, new_location, new_stock, total
from tests.scanner.conftest import Scan

GS, RS, EOT = "\x1d", "\x1e", "\x04"
DIGIKEY = f"[)>{RS}06{GS}P1N4148W-TPMSCT-ND{GS}1P1N4148W-TP{GS}1K712{GS}Q25{GS}1TLOT-1{GS}9D2143{RS}{EOT}"
MOUSER = f">[)>06{GS}KPO-7{GS}14K002{GS}1P1N4148W-TP{GS}Q500{GS}11K012{GS}1VMCC"
LCSC = "{pbn:PICK2009291337,on:SO20,pc:C312270,pm:ST-1-102,qty:2,mc:,cc:1,pdi:34421807}"
LABEL = "0104006381333931"


@pytest.fixture
async def shelf(member: AsyncClient, set_state: Scan) -> None:
    await set_state("add", await new_location(member))


async def test_bags_of_one_part_are_one_stub(member: AsyncClient, scan: Scan, shelf: None, config: Config) -> None:
    first = await scan(DIGIKEY)
    stub = first["item"]
    assert (stub["name"], stub["manufacturer_code"], stub["seller"]) == ("1N4148W-TP", "1N4148W-TP", "DigiKey")
    assert [each["barcode"] for each in stub["barcodes"]] == ["1N4148W-TP", "1N4148W-TPMSCT-ND"]
    assert (stub["upc"], stub["needs_review"], stub["oversell_policy"]) == ("1N4148W-TP", True, "allow")
    assert (first["event"]["delta"], first["event"]["note"]) == (25, "order 712, lot LOT-1, date code 2143")
    assert "misread" not in first["message"]
    other = DIGIKEY.replace("Q25", "Q1000").replace("1K712", "1K713")
    for text, counted in (
        (other, 1000),
        (f"{DIGIKEY}\r\n", 25),
        (MOUSER, 500),
        ("1N4148W-TPMSCT-ND", 1),
        ("1n4148", 1),
    ):
        answer = await scan(text)
        assert (answer["item"]["id"] == stub["id"]) == (text != "1n4148"), text
        assert answer["event"]["delta"] == counted
    assert await total(member, stub) == 25 + 1000 + 25 + 500 + 1
    [review] = [each for each in await get(member, "/items/review") if each["item"]["id"] == stub["id"]]
    assert review["misread"] == []
    named = made(await member.patch(f"/items/{stub['id']}", json={"name": "Diode"}))
    assert (named["needs_review"], named["oversell_policy"]) == (False, "reject")
    assert await find_faults(config) == []


async def test_bag_is_found_by_what_the_item_has(member: AsyncClient, scan: Scan, shelf: None) -> None:
    """By the maker's part number in its field, and by a barcode with the maker's or the seller's."""
    by_field = await new_item(member, "Connector", manufacturer_code="st-1-102")
    assert (await scan(LCSC))["item"]["id"] == by_field["id"]
    made(await member.patch(f"/items/{by_field['id']}", json={"manufacturer_code": ""}))
    by_seller = await new_item(member, "Another", barcodes=[{"barcode": "C312270", "pack_quantity": 10}])
    answer = await scan(LCSC, quantity=3)
    assert (answer["item"]["id"], answer["event"]["delta"]) == (by_seller["id"], 6), "pieces, not packs"
    by_maker = await new_item(member, "Third", barcodes=[{"barcode": "ST-1-102"}])
    assert (await scan(LCSC))["item"]["id"] == by_maker["id"]
    assert (await get(member, "/items/upc/%7Bpc:C312270,qty:9%7D"))["id"] == by_seller["id"]


async def test_part_number_of_several_items_is_left_to_the_review(member: AsyncClient, scan: Scan, shelf: None) -> None:
    first, second = [await new_item(member, name, manufacturer_code="ST-1-102") for name in ("A", "B")]
    stub = (await scan(LCSC))["item"]
    assert stub["id"] not in (first["id"], second["id"])
    assert stub["needs_review"] is True
    assert (await scan(LCSC))["item"]["id"] == stub["id"]


async def test_bags_of_one_batch_are_one_stub(member: AsyncClient, scanner: AsyncClient, shelf: None) -> None:
    event = {"type": "add", "item": {"upc": DIGIKEY}, "location": {"id": 1}, "quantity": 2}
    events = [event, {**event, "item": {"upc": MOUSER}, "quantity": 1}, {**event, "unit": "piece"}]
    answer = made(await scanner.post("/events/", params={"details": True}, json={"events": events}))
    assert [result["details"]["location"]["delta"] for result in answer["results"]] == [50, 500, 2]
    assert len({result["details"]["item_id"] for result in answer["results"]}) == 1


async def test_taking_a_bag_takes_its_pieces(member: AsyncClient, scan: Scan, set_state: Scan, shelf: None) -> None:
    item = await new_item(member, "Diode", manufacturer_code="1N4148W-TP")
    await new_stock(member, item, {"id": 1}, 600)
    await set_state("remove", {"id": 1})
    assert (await scan(MOUSER))["item"]["total_quantity"] == 100
    short = await scan(MOUSER)
    assert (short["success"], short["item"]["total_quantity"]) == (False, 100)


async def test_missing_fnc1_is_reported_once_for_each_scanner(
    member: AsyncClient, scanner: AsyncClient, scan: Scan, shelf: None
) -> None:
    item = await new_item(member, upc="4006381333931")
    first = await scan(f"{LABEL}10AB17301231")
    assert (first["item"]["id"], first["event"]["note"]) == (item["id"], "lot AB17301231")
    assert first["message"].endswith(f". {NO_FNC1}")
    assert NO_FNC1 not in (await scan(f"{LABEL}0912"))["message"]
    assert NO_FNC1 in (await scan(f"{LABEL}0912", scanner_id="s2", location_hint=1))["message"]
    event = {"type": "add", "item": {"upc": f"{LABEL}0912"}, "location": {"id": 1}, "quantity": 1}
    results = made(await scanner.post("/events/", json={"events": [event, event]}))["results"]
    assert [result.get("warning") for result in results] == [NO_FNC1, None]


async def test_wrong_check_digit_is_reported_and_marked_for_review(
    member: AsyncClient, scanner: AsyncClient, scan: Scan, shelf: None
) -> None:
    wrong = "4006381333932"
    answer = await scan(wrong)
    assert (answer["success"], answer["item"]["upc"], answer["event"]["delta"]) == (True, wrong, 1)
    assert "probably misread: its check digit is 2 and should be 1" in answer["message"]
    assert [each["misread"] for each in await get(member, "/items/review")] == [[wrong]]
    event = {"type": "add", "item": {"upc": wrong}, "location": {"id": 1}, "quantity": 1}
    [result] = made(await scanner.post("/events/", json={"events": [event]}))["results"]
    assert (result["status"], "misread" in result["warning"]) == ("applied", True)
    # A person who names it knows the number.
    made(await member.patch(f"/items/{answer['item']['id']}", json={"name": "Own number"}))
    assert "misread" not in (await scan(wrong))["message"]
    assert "warning" not in made(await scanner.post("/events/", json={"events": [event]}))["results"][0]
    unknown = made(await scanner.post("/scanner/lookup/96385075"))
    assert (unknown["item"], "misread" in unknown["message"]) == (None, True)


async def test_barcodes_and_codes_are_cleaned_wherever_they_are_entered(
    member: AsyncClient, scanner: AsyncClient, scan: Scan, shelf: None
) -> None:
    item = await new_item(member, upc="]E04006381333931\r\n", barcodes=[{"barcode": "\x02COLA\x03"}])
    assert [each["barcode"] for each in item["barcodes"]] == ["4006381333931", "COLA"]
    again = made(await member.post(f"/items/{item['id']}/barcodes", json={"barcode": "MORE\t"}))
    assert again["barcodes"][-1]["barcode"] == "MORE"
    changed = made(await member.patch(f"/items/{item['id']}", json={"upc": "\ufeff614141123452\r"}))
    assert changed["upc"] == "614141123452"
    for text in (
        "COLA\r",
        f"{item['code'].lower()}\r\n",
        f"]Q1{item['code']}",
        "https://stocky.test/i/" + item["code"],
    ):
        assert (await scan(text))["item"]["id"] == item["id"], text
    event = {"type": "add", "item": {"code": f"{item['code']}\r"}, "location": {"id": 1}, "quantity": 1}
    assert made(await scanner.post("/events/", json={"events": [event]}))["applied"] == 1
    assert (await get(member, f"/items/code/{item['code']}%0D"))["id"] == item["id"]
    assert (await member.delete(f"/items/{item['id']}/barcodes/MORE%0A")).status_code in (200, 204)
    assert [each["name"] for each in await get(member, "/search", q="]C1COLA")] == ["Coffee"]
    assert [each["name"] for each in await get(member, "/search", q=f"{LABEL}~10X")] == []
