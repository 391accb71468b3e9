"""Bags find one item by their part numbers, alone and in a batch alike, and book no quantity that cannot be read."""

from __future__ import annotations

import pytest
from httpx import AsyncClient

from stocky.config import Config
from stocky.stock.consistency import find_faults
from tests.inventory import Json, get, made, new_item, new_location, total
from tests.scanner.conftest import Scan

GS, RS, EOT = "\x1d", "\x1e", "\x04"


@pytest.fixture
async def shelf(member: AsyncClient, set_state: Scan) -> None:
    await set_state("add", await new_location(member))


def bag(*fields: str) -> str:
    return f"[)>{RS}06{''.join(GS + field for field in fields)}{RS}{EOT}"


def add(text: str) -> Json:
    return {"type": "add", "item": {"upc": text}, "location": {"id": 1}, "quantity": 1}


async def booked(scanner: AsyncClient, *texts: str) -> list[int]:
    """The items of scans in one request."""
    answer = made(
        await scanner.post("/events/", params={"details": True}, json={"events": [add(text) for text in texts]})
    )
    return [result["details"]["item_id"] for result in answer["results"]]


async def test_part_number_is_found_in_any_case_of_its_ascii_letters(
    member: AsyncClient, scan: Scan, shelf: None
) -> None:
    for part, scanned in (("10µF-x", "10µF-X"), ("Straße-1", "STRAßE-1"), ("Äé-10", "Äé-10"), ("ŉ-1", "ŉ-1")):
        item = await new_item(member, part, manufacturer_code=part)
        for text in (part, scanned):
            assert (await scan(bag(f"1P{text}", "Q5")))["item"]["id"] == item["id"], text
    assert (await scan(bag("1PäÉ-10", "Q5")))["item"]["name"] == "äÉ-10"


@pytest.mark.parametrize(
    "quantity", ["123456789", "-5", "2.5", "5 KPCS", "1,00", "1,000,00", "0,500", "1e3", "9" * 300]
)
async def test_unreadable_quantity_books_nothing(
    member: AsyncClient, scanner: AsyncClient, scan: Scan, set_state: Scan, shelf: None, quantity: str
) -> None:
    text = bag("1PBC547B", "Q100")
    item = (await scan(text))["item"]
    unreadable = bag("1PBC547B", f"Q{quantity}")
    [result] = made(await scanner.post("/events/", json={"events": [add(unreadable)]}))["results"]
    assert (result["status"], "cannot be read; book it by its part number" in result["reason"]) == ("rejected", True)
    await set_state("count", {"id": 1})
    for read in (unreadable, f"{{pc:C1,pm:BC547B,qty:{quantity}}}"):
        answer = await scan(read)
        assert (answer["success"], "cannot be read" in answer["message"]) == (False, True)
    assert await total(member, item) == 100


async def test_quantity_may_have_thousands_and_a_unit(member: AsyncClient, scan: Scan, shelf: None) -> None:
    for quantity, counted in (("1,000", 1000), ("12,345,678", 12345678), ("0005 pcs", 5), ("7EA", 7), ("3.00", 3)):
        assert (await scan(bag("1PBC547B", f"Q{quantity}")))["event"]["delta"] == counted


# Bags of one test, and those of them that are the same item.
MIXES = {
    "one number of the seller": ([("PSAME", "1PAAA-1"), ("PSAME", "1PBBB-1"), ("PSAME", "1PCCC-1")], [0, 1, 2]),
    "its first bag first": ([("PSAME", "1PZZZ-1"), ("PSAME", "1PAAA-1"), ("PSAME",), ("SAME",)], [0, 1, 0, 0]),
    "cases": ([("1Plow-1",), ("1PLOW-1",), ("1PLow-1", "PS-1"), ("S-1",)], [0, 0, 0, 3]),
    "cases and a seller": ([("1Plow-1", "PS-1"), ("1PLOW-1", "PS-2"), ("PS-1",), ("PS-2",)], [0, 0, 0, 3]),
    "the seller's number alone": ([("PZED",), ("PZED", "1PMMM"), ("PZED", "1POTHER")], [0, 0, 0]),
    "two numbers of sellers": ([("PY", "1PAAA"), ("1PBBB",), ("30PX", "PY")], [0, 1, 0]),
    "plain": ([("low-1",), ("1Plow-1",), ("PX", "1Plow-1"), ("LOW-1",)], [0, 0, 0, 3]),
    "not ASCII": ([("1P10µf",), ("1P10µF",), ("1P10ΜF",)], [0, 0, 2]),
}


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("size", [1, 2, 10])
async def test_bags_are_the_same_items_in_any_batching(
    member: AsyncClient, scanner: AsyncClient, shelf: None, config: Config, mix: str, size: int
) -> None:
    bags, same = MIXES[mix]
    # A text with an identifier is a bag, any other a plain barcode.
    texts = [fields[0] if not fields[0].startswith(("1P", "P", "30P")) else bag(*fields) for fields in bags]
    items: list[int] = []
    for start in range(0, len(texts), size):
        items += await booked(scanner, *texts[start : start + size])
    assert [items.index(item) for item in items] == same
    # And once more, all of them known.
    assert await booked(scanner, *texts) == items
    assert len(await get(member, "/items/")) == len(set(items))
    assert await find_faults(config) == []


async def test_seller_number_finds_no_item_of_another_maker(member: AsyncClient, scan: Scan, shelf: None) -> None:
    known = await new_item(member, "Diode", manufacturer_code="AAA-1", barcodes=[{"barcode": "SAME"}])
    assert (await scan(bag("PSAME", "1PCCC-1")))["item"]["id"] != known["id"]
    assert (await scan(bag("PSAME", "1Paaa-1")))["item"]["id"] == known["id"]
    assert (await scan(bag("PSAME")))["item"]["id"] == known["id"]


async def test_policy_that_a_person_set_stays_when_the_item_is_named(
    member: AsyncClient, scan: Scan, shelf: None
) -> None:
    item = await new_item(member, "BC547B", barcodes=[{"barcode": "BC547B"}], oversell_policy="allow")
    assert (await member.delete(f"/items/{item['id']}")).is_success
    again = (await scan("BC547B"))["item"]
    assert (again["id"], again["needs_review"]) == (item["id"], True)
    named = made(await member.patch(f"/items/{item['id']}", json={"name": "Transistor"}))
    assert (named["needs_review"], named["oversell_policy"]) == (False, "allow")


@pytest.mark.parametrize("text", ["XYZ-1", bag("1PXYZ-1"), bag("PXYZ-1"), bag("PXYZ-1-ND"), "{pc:C7,qty:2}"])
async def test_policy_of_a_stub_ends_when_it_is_named(member: AsyncClient, scan: Scan, shelf: None, text: str) -> None:
    stub = (await scan(text))["item"]
    assert (stub["needs_review"], stub["oversell_policy"]) == (True, "allow")
    named = made(await member.patch(f"/items/{stub['id']}", json={"name": "Transistor"}))
    assert (named["needs_review"], named["oversell_policy"]) == (False, "reject")
