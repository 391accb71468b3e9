"""Stock of one item in several units: exact conversion within a kind, rejection with a reason otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import AsyncClient

from stocky.config import Config
from stocky.stock.consistency import find_faults
from stocky.stock.ledger import LIMIT_MILLI
from tests.architecture import schema
from tests.imports.importing import imported
from tests.inventory import Json, get, made, new_item, new_location, new_stock, refused, total
from tests.merging.merges import merge, unmerge
from tests.projects.plans import missing, new_project
from tests.shopping.lists import new_list, on, put_on

EAN = "4006381333931"
GTIN = "04006381333931"


@pytest.fixture
async def cellar(member: AsyncClient) -> Json:
    return await new_location(member, "Cellar")


@pytest.fixture
async def kitchen(member: AsyncClient) -> Json:
    return await new_location(member, "Kitchen")


@pytest.fixture
async def flour(member: AsyncClient, cellar: Json, kitchen: Json) -> Json:
    """5 kg in the cellar and, newer, 100 g in the kitchen."""
    item = await new_item(member, "Flour", upc=EAN)
    await new_stock(member, item, cellar, 5, unit="kg")
    await new_stock(member, item, kitchen, 100, unit="g")
    return item


@pytest.fixture(autouse=True)
async def the_ledger_is_whole(config: Config) -> Any:
    yield
    assert await find_faults(config) == []


async def stock(member: AsyncClient, item: Json) -> list[tuple[float, str]]:
    """Quantities with their units, oldest SKU first."""
    return [(sku["quantity"], sku["unit"]) for sku in await get(member, "/skus/", item_id=item["id"])]


async def post(client: AsyncClient, type: str, item: Json, quantity: float, **fields: Any) -> Json:
    """The result of one event; locations by their JSON."""
    for name in ("location", "to_location"):
        if name in fields:
            fields[name] = {"id": fields[name]["id"]}
    event = {"type": type, "item": {"id": item["id"]}, "quantity": quantity, **fields}
    result: Json = made(await client.post("/events", json={"events": [event]}))["results"][0]
    return result


async def scan(client: AsyncClient, mode: str, location: Json, upc: str, **fields: Any) -> Json:
    made(await client.put("/scanner/s1/state", json={"mode": mode, "location_id": location["id"]}))
    return made(await client.post("/scanner/scan", json={"upc": upc, "scanner_id": "s1", **fields}))


async def test_item_total_is_in_its_main_unit(member: AsyncClient, flour: Json) -> None:
    found = await get(member, f"/items/{flour['id']}")
    assert (found["total_quantity"], found["unit"]) == (5.1, "kg")
    (listed,) = await get(member, "/items/")
    assert (listed["total_quantity"], listed["unit"]) == (5.1, "kg")
    (row,) = await get(member, "/search", q="Flour")
    assert row["total_quantity"] == 5.1
    assert (await new_item(member, "Salt"))["unit"] is None


async def test_move_is_booked_on_each_side_in_its_own_unit(
    member: AsyncClient, flour: Json, cellar: Json, kitchen: Json
) -> None:
    moved = await post(member, "move", flour, 2, location=cellar, to_location=kitchen)
    assert moved["status"] == "applied"
    assert await stock(member, flour) == [(3, "kg"), (2100, "g")]
    assert await total(member, flour) == 5.1
    made(await member.post(f"/events/{moved['id']}/undo"))
    assert await stock(member, flour) == [(5, "kg"), (100, "g")]
    # The move back is in grams.
    assert (await post(member, "move", flour, 40, location=kitchen, to_location=cellar))["status"] == "applied"
    assert await stock(member, flour) == [(5.04, "kg"), (60, "g")]


async def test_nothing_is_rounded(member: AsyncClient, flour: Json, cellar: Json, kitchen: Json) -> None:
    refusal = await post(member, "move", flour, 0.5, location=kitchen, to_location=cellar)
    assert refusal["status"] == "rejected"
    assert "0.5 g of Flour would be 0.0005 kg, which has more than three decimals" in refusal["reason"]
    refusal = await post(member, "add", flour, 1.5, unit="mg", location=cellar)
    assert "nothing is rounded" in refusal["reason"]
    assert await stock(member, flour) == [(5, "kg"), (100, "g")]
    assert (await post(member, "add", flour, 500, unit="mg", location=kitchen))["quantity_after"] == 100.5


async def test_named_unit_is_converted_everywhere(
    member: AsyncClient, flour: Json, cellar: Json, kitchen: Json
) -> None:
    assert (await post(member, "add", flour, 500, unit="g", location=cellar))["quantity_after"] == 5.5
    assert (await post(member, "remove", flour, 0.05, unit="kg", location=kitchen))["quantity_after"] == 50
    assert (await post(member, "set", flour, 0.2, unit="KG", location=kitchen))["quantity_after"] == 200
    _, in_kitchen = await get(member, "/skus/", item_id=flour["id"])
    adjust = f"/skus/{in_kitchen['id']}/adjust"
    assert made(await member.post(adjust, json={"delta": -0.1, "unit": "kg"}))["quantity"] == 100
    body = {"item_id": flour["id"], "location_id": cellar["id"], "quantity": 500, "unit": "g"}
    assert made(await member.post("/skus/", json=body))["quantity"] == 6
    refused(await member.post(adjust, json={"delta": 1, "unit": "piece"}), 409, "counted in g there, not in piece")
    for kind in ("add", "remove", "set"):
        assert "not in l" in (await post(member, kind, flour, 1, unit="l", location=cellar))["reason"], kind


async def test_weighed_scan_is_converted_into_the_unit_of_the_stock(
    member: AsyncClient, scanner: AsyncClient, flour: Json, cellar: Json, kitchen: Json
) -> None:
    label = f"(01){GTIN}(3103)001500"
    answer = await scan(scanner, "add", kitchen, label)
    assert answer["event"]["delta"] == 1500
    assert answer["message"] == "Flour: 1500 g added, 6.6 kg in stock"
    assert (await scan(scanner, "add", cellar, label))["event"]["delta"] == 1.5
    # A new lot gets the unit of the stock there.
    fresh = await scan(scanner, "add", kitchen, f"{label}(17)301231")
    assert (fresh["event"]["delta"], fresh["event"]["quantity_after"]) == (1500, 1500)
    # Earliest expiry first, and 1.5 kg is all of that lot.
    assert (await scan(scanner, "remove", kitchen, label))["message"] == "Flour: 1500 g taken, 8.1 kg in stock"
    assert await stock(member, flour) == [(6.5, "kg"), (1600, "g"), (0, "g")]
    moved = await scan(scanner, "move", kitchen, label, location_hint="Cellar")
    assert moved["message"] == "Flour: 1500 g moved here"
    counted = await scan(scanner, "count", cellar, label, quantity=2)
    assert counted["message"] == "Flour: counted 3 kg"


async def test_weight_of_a_label_is_exact_or_rejected(
    member: AsyncClient, scanner: AsyncClient, flour: Json, cellar: Json, kitchen: Json
) -> None:
    fine = f"(01){GTIN}(3104)012345"
    answer = await scan(scanner, "add", cellar, fine)
    assert answer["success"] is False
    assert "1.2345 kg, which has more than three decimals" in answer["message"]
    assert (await scan(scanner, "add", kitchen, fine))["event"]["delta"] == 1234.5
    # Pounds are not a whole number of grams: the event's note has the label's figure.
    pounds = await scan(scanner, "add", cellar, f"(01){GTIN}(3202)000250")
    assert (pounds["event"]["delta"], pounds["event"]["note"]) == (1.134, "2.5 lb")
    assert await stock(member, flour) == [(6.134, "kg"), (1334.5, "g")]


async def test_lots_in_several_units_are_taken_by_expiry(member: AsyncClient, cellar: Json) -> None:
    rice = await new_item(member, "Rice")
    await new_stock(member, rice, cellar, 5, unit="kg", expiry_date="2030-03-01")
    await new_stock(member, rice, cellar, 100, unit="g", expiry_date="2030-02-01")
    taken = await post(member, "remove", rice, 1, location=cellar)
    assert taken["status"] == "applied"
    assert await stock(member, rice) == [(4.1, "kg"), (0, "g")]
    made(await member.post(f"/events/{taken['id']}/undo"))
    assert await stock(member, rice) == [(5, "kg"), (100, "g")]
    too_much = await post(member, "remove", rice, 6, location=cellar)
    assert too_much["reason"] == "Only 5.1 kg of Rice in stock; 6 kg requested"
    made(await member.patch(f"/items/{rice['id']}", json={"oversell_policy": "clamp"}))
    short = await post(member, "remove", rice, 6000, unit="g", location=cellar)
    assert short["status"] == "applied"
    assert await stock(member, rice) == [(0, "kg"), (0, "g")]


async def test_units_of_two_kinds_are_not_mixed(
    member: AsyncClient, scanner: AsyncClient, cellar: Json, kitchen: Json
) -> None:
    eggs = await new_item(member, "Eggs", upc=EAN)
    await new_stock(member, eggs, cellar, 10, unit="piece", expiry_date="2030-03-01")
    await new_stock(member, eggs, cellar, 2, unit="kg", expiry_date="2030-02-01")
    refusal = await post(member, "remove", eggs, 3, location=cellar)
    assert "Eggs is counted in piece and in kg there; name the unit" in refusal["reason"]
    assert (await scan(scanner, "remove", cellar, EAN))["success"] is False
    assert (await post(member, "remove", eggs, 3, unit="pieces", location=cellar))["quantity_after"] == 7
    assert (await scan(scanner, "remove", cellar, f"(01){GTIN}(3103)000500"))["success"] is True
    assert (await scan(scanner, "remove", cellar, EAN, unit="piece", quantity=2))["success"] is True
    assert await stock(member, eggs) == [(5, "piece"), (1.5, "kg")]
    found = await get(member, f"/items/{eggs['id']}")
    assert (found["total_quantity"], found["unit"]) == (5, "piece")
    await new_stock(member, eggs, kitchen, 1, unit="kg", expiry_date="2030-03-01")
    refusal = await post(member, "move", eggs, 1, location=cellar, to_location=kitchen, lot="2030-03-01")
    assert "cannot be converted from piece into kg" in refusal["reason"]


async def test_pieces_and_packs_are_converted_by_the_pack_of_the_barcode(
    member: AsyncClient, scanner: AsyncClient, cellar: Json, kitchen: Json
) -> None:
    barcodes = [{"barcode": "CAN"}, {"barcode": "SIX", "pack_quantity": 6}]
    cola = await new_item(member, "Cola", barcodes=barcodes)
    await new_stock(member, cola, kitchen, 3, unit="piece")
    await new_stock(member, cola, cellar, 4, unit="pack")
    assert await total(member, cola) == 27
    assert (await scan(scanner, "add", cellar, "SIX"))["event"]["delta"] == 1
    assert (await scan(scanner, "add", kitchen, "SIX"))["event"]["delta"] == 6
    can = await scan(scanner, "add", cellar, "CAN")
    assert can["success"] is False
    assert "three decimals" in can["message"]
    assert (await post(member, "move", cola, 2, location=cellar, to_location=kitchen))["status"] == "applied"
    assert await stock(member, cola) == [(21, "piece"), (3, "pack")]
    # Two pack sizes count as no pack size.
    barcodes.append({"barcode": "CRATE", "pack_quantity": 24})
    made(await member.patch(f"/items/{cola['id']}", json={"barcodes": barcodes}))
    refusal = await post(member, "move", cola, 1, location=cellar, to_location=kitchen)
    assert "cannot be converted from pack into piece; set the pack_quantity" in refusal["reason"]
    assert await total(member, cola) == 21


async def test_projects_lists_and_minimums_use_the_main_unit(
    member: AsyncClient, flour: Json, cellar: Json, kitchen: Json
) -> None:
    made(await member.patch(f"/items/{flour['id']}", json={"min_quantity": 5.05}))
    assert await get(member, "/skus/low-stock") == []
    assert await get(member, "/alerts/") == []
    bread = await new_project(member, (flour, 5.2))
    assert await missing(member, bread) == {"Flour": 0.1}
    refused(await member.post(f"/projects/{bread['id']}/withdraw"), 409, "0.1 of Flour missing")
    await post(member, "remove", flour, 60, location=kitchen)
    (alert,) = await get(member, "/alerts/")
    assert alert["alert_type"] == "low_stock"
    assert len(await get(member, "/skus/low-stock")) == 2
    a_list = await new_list(member)
    made(await member.post(f"/shopping-lists/{a_list['id']}/fill-low-stock", json={"target": 7}))
    assert await on(member, a_list) == {"Flour": 1.96}
    # A purchase is in the main unit at any location.
    at = f"/shopping-lists/{a_list['id']}/items/{flour['id']}/bought"
    bought = made(await member.post(at, json={"quantity": 0.96, "location": {"id": kitchen["id"]}}))
    assert (bought["event"]["delta"], bought["entry"]["quantity"]) == (960, 1)
    assert await get(member, "/alerts/") == []
    withdrawn = made(await member.post(f"/projects/{bread['id']}/withdraw"))
    assert await stock(member, flour) == [(0, "kg"), (800, "g")]
    made(await member.post(f"/events/batches/{withdrawn['batch_id']}/undo"))
    assert await stock(member, flour) == [(5, "kg"), (1000, "g")]


async def test_merged_stock_is_converted_and_returned_exactly(
    member: AsyncClient, flour: Json, cellar: Json, kitchen: Json
) -> None:
    loose = await new_item(member, "Flour, loose")
    wrong = await new_stock(member, loose, cellar, 250, unit="g")
    event = (await get(member, f"/items/{loose['id']}/events"))["events"][0]["id"]
    assert (await merge(member, loose, flour))["total_quantity"] == 5.35
    assert await stock(member, flour) == [(5.25, "kg"), (100, "g")]
    # The source's stock is taken back from the target's stock in kilograms.
    made(await member.post(f"/events/{event}/undo"))
    assert await stock(member, flour) == [(5, "kg"), (100, "g")]
    await unmerge(member, loose)
    assert (await stock(member, flour), await stock(member, loose)) == ([(5, "kg"), (100, "g")], [(0, "g")])
    assert wrong["unit"] == "g"
    # Stock that cannot be converted exactly is not merged.
    made(await member.post(f"/skus/{wrong['id']}/adjust", json={"delta": 0.5}))
    refused(await member.post(f"/items/{loose['id']}/merge", json={"into": flour["id"]}), 422, "three decimals")
    made(await member.post(f"/skus/{wrong['id']}/adjust", json={"delta": 0.5}))
    await put_on(member, await new_list(member), loose, 500)
    refused(await member.post(f"/items/{loose['id']}/merge", json={"into": flour["id"]}), 409, "shopping lists in g")


async def test_import_does_not_change_the_unit_of_stock(member: AsyncClient, flour: Json) -> None:
    row = f"code,location,quantity,unit\n{flour['code']},Cellar,{{}}\n"
    await imported(member, row.format("500,g"), stock="add")
    assert await stock(member, flour) == [(5.5, "kg"), (100, "g")]
    await imported(member, row.format("6000,g"), stock="set")
    assert await stock(member, flour) == [(6, "kg"), (100, "g")]
    report = await imported(member, row.format("3,piece"), stock="add")
    assert report["errors"][0]["column"] == "unit"
    assert "counted in kg; piece cannot be converted" in report["errors"][0]["message"]
    report = await imported(member, row.format("0.5,g"), stock="add")
    assert "0.0005 kg" in report["errors"][0]["message"]
    assert await stock(member, flour) == [(6, "kg"), (100, "g")]


async def test_event_with_a_unit_has_other_content(member: AsyncClient, flour: Json, cellar: Json) -> None:
    first = await post(member, "add", flour, 1, location=cellar, event_id="e1")
    assert (await post(member, "add", flour, 1, location=cellar, event_id="e1", unit=None))["id"] == first["id"]
    other = await post(member, "add", flour, 1, location=cellar, event_id="e1", unit="g")
    assert "other content" in other["reason"]


async def test_item_total_never_overflows(member: AsyncClient, config: Config, cellar: Json) -> None:
    gold = await new_item(member, "Gold")
    await new_stock(member, gold, cellar, 1)
    moment = "2026-01-01T00:00:00.000000Z" if config.dialect == "sqlite" else "2026-01-01 00:00:00+00"
    numbers = """
        WITH RECURSIVE number (n) AS (SELECT 10 UNION ALL SELECT n + 1 FROM number WHERE n < 9320)"""
    named = "'Location ' || n" if config.dialect == "sqlite" else "'Location ' || n::text"
    for statement in (
        f"""INSERT INTO location (id, name, path, storage_type, created_at, updated_at)
            {numbers} SELECT n, {named}, {named}, 'other', '{moment}', '{moment}' FROM number""",
        f"""INSERT INTO sku (id, item_id, location_id, quantity_milli, created_at, updated_at)
            {numbers} SELECT n, {gold["id"]}, n, {LIMIT_MILLI}, '{moment}', '{moment}' FROM number""",
        f"""INSERT INTO stock_event (id, kind, item_id, location_id, sku_id, delta_milli, quantity_after_milli,
                                     occurred_at, recorded_at)
            {numbers} SELECT n, 'set', {gold["id"]}, n, n, {LIMIT_MILLI}, {LIMIT_MILLI}, '{moment}', '{moment}'
              FROM number""",
    ):
        await schema.run_beside(config, statement)
    # As exact as a double.
    assert await total(member, gold) == 9311 * 10**12
    assert (await get(member, "/items/"))[0]["total_quantity"] > 9 * 10**15
    assert await get(member, "/skus/low-stock") == []
    assert await get(member, "/search", q="Gold")
    made(await member.patch(f"/items/{gold['id']}", json={"min_quantity": 1}))
    assert await get(member, "/alerts/") == []
    ring = await new_project(member, (gold, 2))
    assert await missing(member, ring) == {}
    made(await member.post(f"/shopping-lists/{(await new_list(member))['id']}/fill-low-stock"))
