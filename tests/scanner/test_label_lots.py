"""Scans of labels with lots and serial numbers: they reach the SKU, and what was booked without them is found."""

from __future__ import annotations

import pytest
from httpx import AsyncClient

from stocky.config import Config
from stocky.stock.consistency import find_faults
from tests.inventory import Json, get, made, new_item, new_location, new_stock, total
from tests.scanner.conftest import Scan

EAN = "4006381333931"
GTIN = "04006381333931"
GS = "\x1d"


def label(lot: str = "", serial: str = "", expiry: str = "") -> str:
    """A label as a scanner sends it."""
    parts = [f"01{GTIN}", f"17{expiry}" if expiry else "", f"10{lot}" if lot else "", f"21{serial}" if serial else ""]
    return "]d2" + GS.join(filter(None, parts))


def stock(answer: Json) -> dict[tuple[str | None, str, str], float]:
    """Quantities by expiry date, lot and serial number, without empty SKUs."""
    return {
        (sku["expiry_date"], sku["lot"], sku["serial"]): sku["quantity"] for sku in answer["skus"] if sku["quantity"]
    }


@pytest.fixture
async def shelf(member: AsyncClient, set_state: Scan) -> Json:
    """A location to which scanner `s1` adds, and an item."""
    await new_item(member, upc=EAN)
    shelf = await new_location(member)
    await set_state("add", shelf)
    return shelf


async def test_label_reaches_the_sku(scan: Scan, set_state: Scan, shelf: Json, config: Config) -> None:
    first = await scan(label("L1", "S1", "301231"))
    assert stock(first) == {("2030-12-31", "L1", "S1"): 1}
    assert (first["event"]["lot"], first["event"]["serial"]) == ("L1", "S1")
    assert stock(await scan(label("L1"), quantity=3)) == {("2030-12-31", "L1", "S1"): 1, ("2030-12-31", "L1", ""): 3}
    twice = await scan(label("L1", "S1", "301231"))
    assert (twice["success"], "in stock already" in twice["message"]) == (False, True)
    await set_state("remove", shelf)
    assert stock(await scan(label("L1", "S1", "301231"))) == {("2030-12-31", "L1", ""): 3}
    # Without the label, the earliest first.
    assert stock(await scan(EAN)) == {("2030-12-31", "L1", ""): 2}
    assert await find_faults(config) == []


async def test_labels_of_two_lots_are_counted_apart_where_nothing_is(scan: Scan, set_state: Scan, shelf: Json) -> None:
    await scan(label(expiry="301231"), quantity=2)
    await set_state("remove", shelf)
    await scan(EAN, quantity=2)
    await set_state("count", shelf)
    await scan(label("L1", expiry="301231"), quantity=4)
    answer = await scan(label("L2", expiry="301231"), quantity=3)
    assert stock(answer) == {("2030-12-31", "L1", ""): 4, ("2030-12-31", "L2", ""): 3}


async def test_label_finds_stock_that_was_booked_without_it(
    member: AsyncClient, scan: Scan, set_state: Scan, shelf: Json, config: Config
) -> None:
    item = (await get(member, "/items/"))[0]
    await new_stock(member, item, shelf, 5, expiry_date="2030-12-31")
    await new_stock(member, item, shelf, 5, expiry_date="2030-12-31", lot="L2")
    await set_state("count", shelf)
    assert stock(await scan(label("L1", expiry="301231"), quantity=4))[("2030-12-31", "", "")] == 4
    await set_state("remove", shelf)
    taken = await scan(label("L1", "S1", "301231"), quantity=2)
    assert stock(taken) == {("2030-12-31", "", ""): 2, ("2030-12-31", "L2", ""): 5}
    short = await scan(label("L1", expiry="301231"), quantity=3)
    assert (short["success"], await total(member, item)) == (False, 7)
    await set_state("move", await new_location(member, "Cellar"))
    moved = await scan(label("L1", expiry="301231"))
    assert {(sku["lot"], sku["quantity"]) for sku in moved["skus"] if sku["location_id"] != shelf["id"]} == {("", 1)}
    assert await find_faults(config) == []


async def test_shortage_of_a_labelled_piece_is_that_of_the_item(
    member: AsyncClient, scan: Scan, set_state: Scan, shelf: Json, config: Config
) -> None:
    item = (await get(member, "/items/"))[0]
    made(await member.patch(f"/items/{item['id']}", json={"oversell_policy": "allow"}))
    await set_state("remove", shelf)
    assert stock(await scan(label("L1", "S1"))) == {(None, "L1", ""): -1}
    assert stock(await scan(label("L1", "S2"))) == {(None, "L1", ""): -2}
    assert await find_faults(config) == []


async def test_serial_number_of_several_or_of_a_weight_is_only_noted(
    member: AsyncClient, scan: Scan, shelf: Json, config: Config
) -> None:
    several = await scan(label("L1", "S1"), quantity=6)
    assert (stock(several), several["event"]["note"]) == ({(None, "L1", ""): 6}, "lot L1, serial S1")
    meat = await new_item(member, "Meat", upc="9506000134352")
    await new_stock(member, meat, shelf, 1, unit="kg")
    weighed = await scan("(01)09506000134352(3103)001250(21)S1")
    assert (weighed["event"]["delta"], weighed["event"]["serial"]) == (1.25, "")
    assert await find_faults(config) == []


async def test_piece_moves_from_where_it_is(
    member: AsyncClient, scan: Scan, set_state: Scan, shelf: Json, config: Config
) -> None:
    cellar, attic = await new_location(member, "Cellar"), await new_location(member, "Attic")
    await scan(label("L1", "S1"))
    await set_state("add", cellar)
    await scan(label("L1", "S2"))
    await set_state("move", attic)
    moved = await scan(label("L1", "S2"))
    places = {sku["serial"]: sku["location_id"] for sku in moved["skus"] if sku["quantity"]}
    assert places == {"S1": shelf["id"], "S2": attic["id"]}
    assert await find_faults(config) == []


async def test_events_use_the_lot_and_serial_number_of_the_code(scanner: AsyncClient, member: AsyncClient) -> None:
    shelf = await new_location(member)
    event = {"type": "add", "item": {"upc": label("L1", "S1")}, "location": {"id": shelf["id"]}, "quantity": 1}
    sent = [event, {**event, "serial": "S2"}, {**event, "lot": "L9", "serial": "S3"}, {**event, "type": "remove"}]
    results = made(await scanner.post("/events", json={"events": sent}))["results"]
    assert [each["status"] for each in results] == ["applied"] * 4
    recorded = [await get(member, f"/events/{each['id']}") for each in results]
    assert [(each["lot"], each["serial"]) for each in recorded] == [
        ("L1", "S1"), ("L1", "S2"), ("L9", "S3"), ("L1", "S1"),
    ]  # fmt: skip
