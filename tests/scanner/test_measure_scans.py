"""Scans of variable-measure barcodes: a piece counts its weight or count, and a price is noted."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import AsyncClient

from stocky.barcodes.codes import with_check_digit
from stocky.config import Config
from stocky.stock.consistency import find_faults
from tests.inventory import Json, get, made, new_item, new_location, new_stock, refused, total
from tests.scanner.conftest import Scan

WEIGHT = {"prefix": "28", "item_digits": 5, "measure": "weight", "measure_digits": 5, "divisor": 1000}
PRICE = {"prefix": "22", "item_digits": 5, "measure": "price", "measure_digits": 5, "divisor": 100}
COUNT = {"prefix": "25", "item_digits": 5, "measure": "count", "measure_digits": 5}
NUMBER = with_check_digit("281234500000")
PRICED = with_check_digit("221234500000")


def piece(measure: int, prefix: str = "28", item: str = "12345") -> str:
    return with_check_digit(f"{prefix}{item}{measure:05}")


@pytest.fixture(autouse=True)
async def rules(admin: AsyncClient) -> None:
    made(await admin.patch("/settings", json={"measure_rules": [WEIGHT, PRICE, COUNT]}))


async def test_pieces_are_one_item_and_their_grams_its_quantity(
    member: AsyncClient, scan: Scan, set_state: Scan, config: Config
) -> None:
    shelf = await new_location(member)
    await set_state("add", shelf)
    first = await scan(piece(456), event_id="e1")
    stub = first["item"]
    assert (stub["upc"], stub["name"], stub["needs_review"]) == (NUMBER, f"Unknown {NUMBER}", True)
    assert [(sku["quantity"], sku["unit"]) for sku in first["skus"]] == [(0.456, "kg")]
    made(await member.patch(f"/items/{stub['id']}", json={"name": "Gouda"}))
    second = await scan(f"{piece(1044)}\r")
    assert (second["item"]["id"], second["message"]) == (stub["id"], "Gouda: 1.044 added, 1.5 in stock")
    assert (await scan(piece(456), event_id="e1"))["duplicate"] is True
    assert (await scan(piece(250), quantity=2))["item"]["total_quantity"] == 2
    await set_state("remove", shelf)
    assert (await scan(piece(500)))["message"] == "Gouda: 0.5 taken, 1.5 in stock"
    cellar = await new_location(member, "Cellar")
    await set_state("move", cellar)
    assert (await scan(piece(500)))["message"] == "Gouda: 0.5 moved here"
    await set_state("lookup")
    assert (await scan(piece(77)))["message"] == "Gouda: 1.5 in stock"
    # The item number has no measure: it is booked like any barcode.
    await set_state("add", shelf)
    assert (await scan(NUMBER, quantity=0.25))["item"]["total_quantity"] == 1.75
    assert len(await get(member, "/items/")) == 1
    assert await find_faults(config) == []


@pytest.mark.parametrize(("unit", "counted"), [("kg", 0.456), ("g", 456), ("piece", 1), ("lb", None)])
async def test_weight_is_booked_in_the_unit_of_the_stock(
    member: AsyncClient, scan: Scan, set_state: Scan, unit: str, counted: float | None
) -> None:
    item, shelf = await new_item(member, "Gouda", barcodes=[{"barcode": NUMBER}]), await new_location(member)
    await new_stock(member, item, shelf, 1000, unit=unit)
    await set_state("add", shelf)
    answer = await scan(piece(456))
    if counted is None:
        assert (answer["success"], "more than three decimals" in answer["message"]) == (False, True)
    else:
        assert (answer["event"]["delta"], answer["item"]["id"]) == (counted, item["id"])


async def test_count_is_booked(member: AsyncClient, scan: Scan, set_state: Scan) -> None:
    await set_state("add", await new_location(member))
    assert (await scan(piece(12, "25")))["item"]["total_quantity"] == 12
    assert (await scan(piece(30, "25"), quantity=2))["item"]["total_quantity"] == 72


async def test_price_is_noted_and_no_weight_is_guessed(
    member: AsyncClient, scan: Scan, set_state: Scan, scanner: AsyncClient
) -> None:
    shelf = await new_location(member)
    await set_state("add", shelf)
    answer = await scan(piece(499, "22"))
    assert (answer["event"]["delta"], answer["event"]["note"]) == (1, "price 4.99")
    assert answer["skus"][0]["unit"] == "piece"
    assert answer["item"]["upc"] == PRICED
    ham = await new_item(member, "Ham", barcodes=[{"barcode": piece(100, "22", "77777")}])
    await new_stock(member, ham, shelf, 2, unit="kg")
    label = piece(350, "22", "77777")
    for mode in ("add", "remove", "move"):
        await set_state(mode, shelf if mode != "move" else await new_location(member, "Cellar"))
        refusal = await scan(label)
        assert (refusal["success"], refusal["event"]) == (False, None), mode
        assert "states a price and no weight, and Ham is counted in kg there" in refusal["message"], mode
    await set_state("add", shelf)
    event: dict[str, Any] = {"type": "add", "item": {"upc": label}, "location": {"id": shelf["id"]}, "quantity": 1}
    [result] = made(await scanner.post("/events/", json={"events": [event]}))["results"]
    assert (result["status"], "states a price" in result["reason"]) == ("rejected", True)
    assert (await scan(label, quantity=0.35))["event"]["delta"] == 0.35
    assert (await scan(label, quantity=1, unit="kg"))["event"]["note"] == "price 3.50"
    assert await total(member, ham) == 3.35


async def test_piece_as_a_barcode_of_an_item_is_its_item_number(
    member: AsyncClient, scan: Scan, set_state: Scan
) -> None:
    item = await new_item(member, "Gouda", upc=piece(456))
    assert (item["upc"], [each["barcode"] for each in item["barcodes"]]) == (NUMBER, [NUMBER])
    refused(await member.post("/items/", json={"name": "Other", "upc": piece(789)}), 409, "Gouda")
    both = [{"barcode": piece(1)}, {"barcode": piece(2)}]
    refused(await member.post("/items/", json={"name": "Other", "barcodes": both}), 409, "listed twice")
    refused(await member.post(f"/items/{item['id']}/barcodes", json={"barcode": piece(3)}), 409, "listed twice")
    assert made(await member.patch(f"/items/{item['id']}", json={"upc": piece(4)}))["upc"] == NUMBER
    assert (await get(member, f"/items/upc/{piece(5)}"))["id"] == item["id"]
    found = await get(member, "/search", q=piece(6))
    assert [each["id"] for each in found] == [item["id"]]
    assert (await member.delete(f"/items/{item['id']}/barcodes/{piece(7)}")).is_success
    assert (await get(member, f"/items/{item['id']}"))["barcodes"] == []


async def test_barcode_from_before_the_rule_keeps_its_item(
    admin: AsyncClient, member: AsyncClient, scan: Scan, set_state: Scan
) -> None:
    made(await admin.patch("/settings", json={"measure_rules": []}))
    old = await new_item(member, "Old", barcodes=[{"barcode": piece(456)}])
    made(await admin.patch("/settings", json={"measure_rules": [WEIGHT]}))
    await set_state("add", await new_location(member))
    for form in (piece(456), f"0{piece(456)}", f"{piece(456)}\r", f"]E0{piece(456)}"):
        answer = await scan(form)
        assert (answer["item"]["id"], answer["event"]["delta"]) == (old["id"], 0.456), form
    assert (await scan(piece(457)))["item"]["id"] != old["id"]
    # It stays when the item's other barcodes change.
    changed: Json = made(await member.post(f"/items/{old['id']}/barcodes", json={"barcode": "X-1"}))
    assert [each["barcode"] for each in changed["barcodes"]] == [piece(456), "X-1"]
    assert (await member.delete(f"/items/{old['id']}/barcodes/{piece(456)}")).is_success
