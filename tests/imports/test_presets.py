"""Files of other programs and sellers, written from their public descriptions: each is imported as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient

from stocky.imports.presets import BY_NAME, PRESETS, detect
from tests.imports.importing import counts, imported, stock_of, table
from tests.imports.test_questions import answer_to, asked
from tests.inventory import Json, get, new_item, new_location, new_stock, refused

pytestmark = pytest.mark.one_server

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


@pytest.mark.parametrize(
    "path", [b"House/Garage/Shelf 2", "House → Garage → Shelf 2".encode(), b"House->Garage->Shelf 2"]
)
async def test_path_of_a_location_has_any_of_the_usual_separators(path: bytes, member: AsyncClient) -> None:
    await imported(member, content_of("homebox").replace(b"House / Garage / Shelf 2", path), preset="homebox")
    assert await stock_of(member, "Cordless drill") == [("House / Garage / Shelf 2", 1, None)]


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


async def _counted(member: AsyncClient) -> list[tuple[float, str]]:
    """The stock of the beans, with the unit of each SKU."""
    skus = await get(member, "/skus/", search="Beans", sort="id")
    return [(sku["quantity"], sku["unit"]) for sku in skus]


GROCY = "Product,Amount,Due date,Location,Price\n"


@pytest.mark.parametrize("amounts", [("1 Can", "3 Cans"), ("3 Cans", "1 Can")])
@pytest.mark.parametrize("dates", [("2027-01-01", "2027-06-01"), ("2027-01-01", "2027-01-01")])
async def test_plural_of_grocy_is_the_same_unit(
    amounts: tuple[str, str], dates: tuple[str, str], member: AsyncClient
) -> None:
    # The second row about the beans is in another transaction than the first.
    others = "".join(f"Thing {number},1 Piece,,Pantry,\n" for number in range(30))
    rows = [f"Beans,{amount},{date},Pantry,1.20 per Can\n" for amount, date in zip(amounts, dates, strict=True)]
    for between in ("", others):
        content = GROCY + between.join(rows)
        for dry_run in ("true", "false"):
            report = await imported(member, content, preset="grocy", dry_run=dry_run)
            assert report["refused"] == 0, report["errors"]
    (first, unit), (second, other) = (amount.split() for amount in amounts)
    expected = [(8, unit)] if dates[0] == dates[1] else [(2 * float(first), unit), (2 * float(second), unit)]
    assert await _counted(member) == expected
    assert (await items(member))["Beans"]["total_quantity"] == 8
    # Of the item, and of the SKU.
    for location in ("Cellar", "Pantry"):
        report = await imported(member, f"{GROCY}Beans,5 {other},2027-01-01,{location},\n", preset="grocy")
        assert report["refused"] == 0, report["errors"]
        assert {each for _, each in await _counted(member)} == {unit}


async def test_plural_is_the_unit_that_is_there_in_any_file(member: AsyncClient) -> None:
    sku = await new_stock(member, await new_item(member, "Beans"), await new_location(member, "Pantry"), 1, unit="Can")
    header = "name,location,quantity,unit\n"
    report = await imported(member, f"{header}Beans,Pantry,5,Cans\nPeas,Pantry,1,Cans\nPeas,Cellar,1,Can\n")
    assert counts(report) == (1, 2, 0, 0), report["errors"]
    assert await _counted(member) == [(5, "Can")]
    assert [each["unit"] for each in await get(member, "/skus/", search="Peas")] == ["Cans", "Cans"]
    # Another spelling, or another word.
    for unit in ("can", "Tin"):
        await imported(member, f"{header}Beans,Pantry,5,{unit}\n")
        assert (await get(member, f"/skus/{sku['id']}"))["unit"] == unit


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


@pytest.mark.parametrize("quantity", ["0", "0.0"])
async def test_added_quantity_of_zero_is_an_item_without_stock(quantity: str, member: AsyncClient) -> None:
    content = f"Part.Name,Quantity,Location.Path,Notes\nFuse,{quantity},Lab/Shelf,empty\nDiode,5,Lab,\n"
    report = await imported(member, content, preset="inventree")
    assert counts(report) == (2, 0, 0, 0), report["errors"]
    assert (await stock_of(member, "Fuse"), await stock_of(member, "Diode")) == ([], [("Lab", 5, None)])
    again = await imported(member, content, preset="inventree", stock="set", import_key="counted")
    assert again["refused"] == 0
    assert await stock_of(member, "Fuse") == [("Lab / Shelf", 0, None)]
    less = await imported(member, content.replace(quantity, "-1"), preset="inventree")
    assert less["errors"][0]["message"] == "The quantity to add must be more than 0"


async def test_snipeit(member: AsyncClient) -> None:
    for name in ("snipeit-consumables", "snipeit-assets"):
        await imported(member, content_of(name), preset="snipeit")
    found = await items(member)
    assert (found["Toner black"]["upc"], found["Toner black"]["min_quantity"]) == ("4977766788885", 2)
    assert await stock_of(member, "Toner black") == [("Office", 4, None)]
    assert [each["barcode"] for each in found["ThinkPad X1"]["barcodes"]] == ["TAG-0002"]
    assert await stock_of(member, "Work laptop") == [("Office", 1, None)]


@pytest.mark.parametrize(
    ("preset", "header", "row"),
    [
        ("partdb", "name,footprint,storage_location,minamount,quantity", "Fuse,,Lab,{},0"),
        ("inventree", "Name,IPN,Minimum Stock", "Fuse,F-1,{}"),
        ("snipeit", "Name,Category,QTY,Min Amount,Location", "Fuse,Parts,0,{},Lab"),
        ("sortly", "Entry Type,Entry Name,Min Level,Quantity,Primary Folder", "Item,Fuse,{},0,Lab"),
    ],
)
async def test_minimum_of_zero_is_none(preset: str, header: str, row: str, member: AsyncClient) -> None:
    for minimum, expected in (("0", None), ("0.000", None), ("0.5", 0.5), ("10", 10)):
        name = f"Fuse {minimum}"
        content = f"{header}\n{row.format(minimum).replace('Fuse', name).replace('F-1', name)}\n"
        report = await imported(member, content, preset=preset)
        assert counts(report) == (1, 0, 0, 0), report["errors"]
        assert (await items(member))[name]["min_quantity"] == expected
    low = [each["message"] for each in await get(member, "/alerts/")]
    assert not any(message.startswith("Fuse 0 ") for message in low)


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


async def test_overlong_backorder_refuses_only_its_row(member: AsyncClient) -> None:
    content = content_of("digikey").replace(b",500,0,", b",500,%b," % (b"9" * 5000))
    report = await imported(member, content, preset="digikey", location="Parts", partial="true")
    assert report["refused"] == 1
    assert await stock_of(member, "10132797-013100LF") == [("Parts", 1250, None)]


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
