"""Files of other programs and sellers, written from their public descriptions: each is imported as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient

from stocky.imports.presets import BY_NAME, PRESETS, detect
from tests.imports.importing import counts, imported, stock_of, table
from tests.imports.test_questions import answer_to, asked
from tests.inventory import Json, get, new_item, refused

pytestmark = pytest.mark.one_postgres

FILES = Path(__file__).parent / "files"
# A file of each preset: what it is, the options besides the preset, and the rows that are created, changed, skipped.
CASES = {
    "homebox": ("homebox", {}, (4, 0, 1)),
    "grocy": ("grocy", {}, (3, 1, 0)),
    "partdb": ("partdb", {"decimal": "point"}, (4, 0, 0)),
    "inventree": ("inventree", {}, (2, 1, 0)),
    "inventree-parts": ("inventree", {}, (2, 0, 0)),
    "snipeit-consumables": ("snipeit", {}, (2, 0, 0)),
    "snipeit-assets": ("snipeit", {}, (2, 0, 0)),
    "sortly": ("sortly", {}, (2, 0, 1)),
    "digikey": ("digikey", {"location": "Parts"}, (2, 0, 2)),
    "mouser": ("mouser", {"location": "Parts"}, (2, 0, 0)),
    "lcsc": ("lcsc", {"location": "Parts"}, (2, 0, 0)),
}


def content_of(name: str) -> bytes:
    return (FILES / f"{name}.csv").read_bytes()


async def items(member: AsyncClient) -> dict[str, Json]:
    return {item["name"]: item for item in await get(member, "/items/")}


@pytest.mark.parametrize("name", CASES)
async def test_file_is_recognised_and_imported_as_it_is(name: str, member: AsyncClient) -> None:
    preset, options, (created, changed, skipped) = CASES[name]
    problem = await asked(member, content_of(name))
    (question,) = problem["results"]["questions"]
    assert question["option"] == "preset"
    assert BY_NAME[preset].title in question["message"]
    assert [each["options"]["preset"] for each in question["answers"]] == [preset, "none"]
    for dry_run in ("true", "false"):
        report = await imported(member, content_of(name), **answer_to(problem, 0), **options, dry_run=dry_run)
        assert report["refused"] == 0, report["errors"]
        assert (counts(report)[:2], report["skipped"]) == ((created, changed), skipped)
        assert len(await get(member, "/items/")) == (0 if dry_run == "true" else created)
    again = await imported(member, content_of(name), preset=preset, **options)
    assert again["written"]["stock_events"] == 0


def test_every_preset_has_a_file() -> None:
    assert {preset for preset, _, _ in CASES.values()} == {each.name for each in PRESETS if each.about != "parts"}
    for preset in PRESETS:
        for sign in preset.signs:
            assert detect([*sign, "Another column"]) is preset


async def test_homebox(member: AsyncClient) -> None:
    report = await imported(member, content_of("homebox"), preset="homebox")
    drill = (await items(member))["Cordless drill"]
    assert (drill["description"], drill["upc"], drill["manufacturer_code"], drill["seller"]) == (
        "Makes holes, quietly", "000-001", "GSR 12V-15", "Hardware shop",
    )  # fmt: skip
    assert ([each["barcode"] for each in drill["barcodes"]], drill["tags"]) == (["000-001"], ["tools", "valuable"])
    assert await stock_of(member, "Cordless drill") == [("House / Garage / Shelf 2", 1, None)]
    assert (await items(member))["Screws 4x40"]["min_quantity"] == 50
    assert await stock_of(member, "Chair") == [("House / Kitchen", 1, None)] * 2
    rows = await table(member, f"/imports/{report['job_id']}/report.csv")
    assert [row["message"] for row in rows if row["outcome"] == "skipped"] == ["archived in Homebox"]
    notes = {sku["notes"] for sku in await get(member, "/skus/")}
    assert notes == {"", "Charger in drawer 2", "-wobbles"}


async def test_grocy(member: AsyncClient) -> None:
    await imported(member, content_of("grocy"), preset="Grocy")
    assert await stock_of(member, "Flour") == [("Pantry", 4, "2027-02-28")]
    assert await stock_of(member, "Milk") == [("Fridge", 1.5, "2026-06-01")]
    assert await stock_of(member, "Salt") == [("Pantry", 2, None)]
    assert (await items(member))["Milk"]["unit"] == "l"


@pytest.mark.parametrize(
    ("amount", "quantity", "unit"),
    [
        ("2 500g Packs", 2, "500g Packs"),
        ("3 1.5l Bottles", 3, "1.5l Bottles"),
        ("1 234 Packs", 1234, "Packs"),
        ("7", 7, ""),
    ],
)
async def test_unit_of_grocy_may_begin_with_a_digit(
    amount: str, quantity: float, unit: str, member: AsyncClient
) -> None:
    await imported(member, f"Product,Amount,Due date,Location\nFlour,{amount},,Pantry\n", preset="grocy")
    assert await stock_of(member, "Flour") == [("Pantry", quantity, None)]
    assert (await items(member))["Flour"]["unit"] == (unit or "piece")


async def test_only_assets_of_snipeit_are_one_piece_without_a_quantity(member: AsyncClient) -> None:
    header = "Name,Category,QTY,Location,Min Amount"
    await imported(member, f"{header}\nToner,Printing,,Closet,2\n", preset="snipeit")
    assert await stock_of(member, "Toner") == []


async def test_partdb(member: AsyncClient) -> None:
    await imported(member, content_of("partdb"), preset="partdb", decimal="point")
    found = await items(member)
    assert (found["BC547"]["type_name"], found["BC547"]["tags"]) == (
        "Semiconductors / Transistors",
        ["NPN", "Transistor"],
    )
    assert (found["BC547"]["manufacturer_code"], found["BC547"]["seller"]) == ("BC547B", "Reichelt")
    assert (found["BC547"]["min_quantity"], found["BC557"]["upc"]) == (10, "P-0002")
    assert [each["barcode"] for name in ("BC547", "BC557") for each in found[name]["barcodes"]] == ["BC 547B", "P-0002"]
    assert await stock_of(member, "BC547") == [("Room 1 / Shelf 1 / Box 2", 25, None)]
    assert (await stock_of(member, "Copper wire"), found["Copper wire"]["unit"]) == (
        [("Room 1 / Drawer", 2.5, None)],
        "Meter",
    )
    assert await stock_of(member, "Datasheet only") == []


async def test_inventree(member: AsyncClient) -> None:
    await imported(member, content_of("inventree-parts"), preset="inventree")
    assert await get(member, "/skus/") == []
    report = await imported(member, content_of("inventree"), preset="inventree")
    assert counts(report)[0] == 0, report["changes"]
    resistor = (await items(member))["R_10K_0805"]
    assert (resistor["type_name"], resistor["tags"], resistor["min_quantity"]) == (
        "Resistors",
        ["resistor", "smd"],
        200,
    )
    assert resistor["manufacturer_code"] == "RC0805FR-0710KL"
    assert [each["barcode"] for each in resistor["barcodes"]] == ["RES-0001", "603-RC0805FR-0710KL"]
    assert await stock_of(member, "R_10K_0805") == [("Lab / Cabinet / Drawer 3", 150, None)]
    assert await stock_of(member, "Solder paste") == [("Lab / Fridge", 2.5, "2027-01-31")]


async def test_snipeit(member: AsyncClient) -> None:
    for name in ("snipeit-consumables", "snipeit-assets"):
        await imported(member, content_of(name), preset="snipeit")
    found = await items(member)
    assert (found["Toner black"]["upc"], found["Toner black"]["min_quantity"]) == ("4977766788885", 2)
    assert await stock_of(member, "Toner black") == [("Office", 4, None)]
    assert [each["barcode"] for each in found["ThinkPad X1"]["barcodes"]] == ["TAG-0002"]
    assert await stock_of(member, "Work laptop") == [("Office", 1, None)]


async def test_sortly(member: AsyncClient) -> None:
    await imported(member, content_of("sortly"), preset="sortly")
    tonic = (await items(member))["Tonic water"]
    assert (tonic["tags"], tonic["seller_link"]) == (["drinks", "mixers"], "https://example.org/tonic")
    assert [each["barcode"] for each in tonic["barcodes"]] == ["4006381333931", "SCAN-2", "SB01T0002"]
    assert await stock_of(member, "Tonic water") == [("Garage / Shelf 2", 12, "2027-08-28")]
    assert await stock_of(member, "T-shirt, Size: L") == [("House / Wardrobe", 3, None)]


ORDERS: dict[str, Any] = {
    "digikey": ("LM60430DRPKR", "296-LM60430DRPKRCT-ND", "DigiKey", 500),
    "mouser": ("ATTINY3216-SNR", "579-ATTINY3216-SNR", "Mouser", 10),
    "lcsc": ("VEJ101M1VTT-0607L", "C7442639", "LCSC", 50),
}


@pytest.mark.parametrize("name", ORDERS)
async def test_order_is_added_to_the_stock_of_its_parts(name: str, member: AsyncClient) -> None:
    part, number, seller, quantity = ORDERS[name]
    known = await new_item(member, "Known part", manufacturer_code=part.lower(), description="mine")
    refused(
        await member.post("/imports", files={"file": ("x.csv", content_of(name))}, data={"preset": name}),
        422,
        "location",
    )
    report = await imported(member, content_of(name), preset=name, location="Parts")
    assert counts(report) == (1, 1, 0, 0), report["errors"]
    found = await items(member)
    now = found["Known part"]
    assert (now["id"], now["description"], now["seller"]) == (known["id"], "mine", "")
    assert [each["barcode"] for each in now["barcodes"]] == [number]
    assert await stock_of(member, "Known part") == [("Parts", quantity, None)]
    new = next(item for item in found.values() if item["name"] != "Known part")
    assert (new["seller"], new["name"]) == (seller, new["manufacturer_code"])
    assert new["total_quantity"] in (1250, 1000, 20)


async def test_what_is_on_backorder_has_not_arrived(member: AsyncClient) -> None:
    content = content_of("digikey").replace(b",500,0,", b",500,120,")
    await imported(member, content, preset="digikey", location="Parts")
    assert await stock_of(member, "LM60430DRPKR") == [("Parts", 380, None)]


async def test_preset_is_checked(member: AsyncClient) -> None:
    files = {"file": ("x.csv", b"name\nTea\n")}
    for options, words in (
        ({"preset": "excel"}, ("excel", "homebox")),
        ({"preset": "homebox"}, ("Homebox", "HB.name")),
        ({"preset": "homebox", "mapping": '{"name": "name"}'}, ("leave one",)),
    ):
        refused(await member.post("/imports", files=files, data=options), 422, *words)
    content = content_of("snipeit-consumables")
    report = await imported(member, content, preset="none", dry_run="true", mapping='{"Name": "name"}')
    assert counts(report) == (2, 0, 0, 0)


async def test_presets_are_listed(member: AsyncClient) -> None:
    listed = {each["name"]: each for each in await get(member, "/imports/presets")}
    assert listed.keys() == BY_NAME.keys()
    assert listed["homebox"]["columns"]["tags"] == ["HB.tags", "HB.labels"]
    assert listed["digikey"]["options"]["stock"] == "add"


async def test_options_override_those_of_a_preset(member: AsyncClient) -> None:
    await imported(member, content_of("lcsc"), preset="lcsc", location="Parts", stock="set", update_items="true")
    await imported(member, content_of("lcsc"), preset="lcsc", location="Parts", stock="set", import_key="again")
    assert await stock_of(member, "SWPA6045S101MT") == [("Parts", 20, None)]
