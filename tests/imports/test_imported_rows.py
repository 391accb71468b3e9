"""Rows of an import: the item they identify, the changes to it and its stock, and the messages of refused rows."""

from __future__ import annotations

import pytest
from httpx import AsyncClient

from stocky.barcodes.codes import with_check_digit
from stocky.imports.fields import FIELDS, About
from stocky.imports.row_parser import CLEARED
from tests.imports.importing import begin, counts, ended, imported, stock_of
from tests.inventory import get, made, new_item, new_location, new_stock, total

pytestmark = pytest.mark.one_server


REFUSALS = {
    "Nothing,,Shelf,,": ("quantity", "no quantity"),
    "Nothing,,,3,": ("where", "no location"),
    ",,Shelf,3,": (None, "names no item"),
    "Tea,,Shelf,-1,": ("quantity", "below 0"),
    "Tea,,Shelf,1.2345,": ("quantity", "three decimals"),
    'Tea,,Shelf,"1,234",': ("quantity", "1234 (decimal=point) or 1.234 (decimal=comma)"),
    "Tea,,Shelf,1e9,": ("quantity", "not a number"),
    "Tea,,Shelf,1e-400,": ("quantity", "not a number"),
    "Tea,,Shelf,1.0000000000000001,": ("quantity", "three decimals"),
    "Tea,,Shelf,9999999999,": ("quantity", "too large"),
    f"Tea,,Shelf,{'9' * 20},": ("quantity", "too large"),
    f"Tea,,Shelf,{'9' * 5000},": ("quantity", "too large"),
    f"Tea,,Shelf,0.{'0' * 30}1,": ("quantity", "three decimals"),
    "Tea,,Shelf,1,12.2030.31": ("expires", "2026-12-31"),
    "Tea,,Shelf,1,2030-02-30": ("expires", "is not a date"),
    f"{'x' * 201},,Shelf,1,": ("name", "200"),
    "Salt,4.00638E+12,Shelf,1,": ("barcode", "shortened"),
    "Salt,40063813,Shelf,1,": ("barcode", "belongs to Tea"),
    "Tea,,Shelf,1,,too much": (None, "6 cells"),
    'Tea,,"Sh"elf,1,': (None, "quotation mark"),
}


@pytest.mark.parametrize("row", REFUSALS)
async def test_refused_row_is_reported_with_line_column_and_message(row: str, member: AsyncClient) -> None:
    await new_item(member, "Tea", upc="40063813")
    column, words = REFUSALS[row]
    content = f"name,barcode,where,quantity,expires\nSugar,,Shelf,1,\n{row}\n"
    report = await imported(member, content, key="name" if "40063813" in row else "auto")
    (error,) = report["errors"]
    assert error["line"] == 3
    assert error["column"] == column
    assert words in error["message"]
    assert [item["name"] for item in await get(member, "/items/")] == ["Tea"]


async def test_unit_with_line_break_is_refused(member: AsyncClient) -> None:
    report = await imported(member, 'name,location,quantity,unit\nTea,Shelf,1,"k\ng"\n')
    assert [error["column"] for error in report["errors"]] == ["unit"]
    assert "is not a unit" in report["errors"][0]["message"]


async def test_contradicting_rows_are_refused(member: AsyncClient) -> None:
    content = (
        "code,name,barcode,description,location,quantity\n"
        "TEAA,Tea,40063813,Green,Shelf,1\n"
        "TEAA,,,,Cellar,1\n"
        "TEAA,Coffee,,,Attic,1\n"
        "TEAA,,,,Shelf,2\n"
        ",Salt,40063813,,,\n"
        "SALT,Salt,40063813,,,\n"
        "MAYB,Twin,,,,\nTWIN,Twin,,,,\n,Twin,,new,,\n"
    )
    report = await imported(member, content, dry_run="true")
    assert [(error["line"], error["column"]) for error in report["errors"]] == [
        (4, "name"),
        (5, "quantity"),
        (6, "name"),
        (7, "barcode"),
        (10, "name"),
    ]
    assert "Row 2 is about the same item" in report["errors"][0]["message"]
    assert "Row 2 counts the same stock" in report["errors"][1]["message"]


async def test_key_option_selects_the_identifying_column(member: AsyncClient) -> None:
    tea = await new_item(member, "Tea", upc="40063813")
    by_name = await imported(member, "name,barcode,description\nTea,40063820,Green\n", key="name")
    assert counts(by_name) == (0, 1, 0, 0)
    now = await get(member, f"/items/{tea['id']}")
    assert (now["upc"], [each["barcode"] for each in now["barcodes"]]) == ("40063813", ["40063813", "40063820"])
    by_second_barcode = await imported(member, "ean,name\n40063820,Green tea\n")
    assert counts(by_second_barcode) == (0, 1, 0, 0)
    now = await get(member, f"/items/{tea['id']}")
    assert (now["name"], now["upc"], now["description"]) == ("Green tea", "40063813", "Green")
    by_code = await imported(member, f"code,min stock,order quantity\n{tea['code'].lower()},2,6\n")
    assert counts(by_code) == (0, 1, 0, 0)
    now = await get(member, f"/items/{tea['id']}")
    assert (now["min_quantity"], now["reorder_quantity"]) == (2, 6)
    none_at_a_time = await imported(member, f"code,reorder_quantity\n{tea['code']},0\n")
    assert none_at_a_time["errors"][0]["column"] == "reorder_quantity"
    unnamed = await imported(member, "name,barcode\nTea,\n", key="barcode")
    assert unnamed["errors"][0]["column"] == "barcode"


async def test_new_item_gets_the_code_of_its_row(member: AsyncClient) -> None:
    await imported(member, "code,name\nkzma,Tea\n")
    assert (await get(member, "/items/code/KZMA"))["name"] == "Tea"


def test_empty_cell_can_clear_every_optional_field_of_an_item() -> None:
    required = {"code", "name", "barcode", "barcodes", "storage_type", "oversell_policy"}
    of_items = {field.name for field in FIELDS if field.about is About.ITEM}
    assert of_items - required == CLEARED.keys(), "imports/row_parser.py has the value that each gets"


async def test_empty_cell_clears_only_with_empty_clear(member: AsyncClient) -> None:
    tea = await new_item(member, "Tea", description="Green", min_quantity=3, tags=["hot"], seller="Shop")
    content = f"code,name,description,min_quantity,tags,seller\n{tea['code']},,,,,\n"
    assert counts(await imported(member, content)) == (0, 0, 1, 0)
    assert counts(await imported(member, content, empty="clear")) == (0, 1, 0, 0)
    now = await get(member, f"/items/{tea['id']}")
    assert (now["name"], now["description"], now["min_quantity"], now["tags"], now["seller"]) == (
        "Tea",
        "",
        None,
        [],
        "",
    )


async def test_mapping_assigns_columns(member: AsyncClient) -> None:
    content = "Artikel;Menge;Lagerort;Name;Bemerkung\nTee;1,5;Regal;ignored;x\n"
    mapping = '{"Artikel": "name", "Menge": "quantity", "Lagerort": "location", "Name": null}'
    started = await begin(member, content, mapping=mapping)
    assert started["delimiter"] == ";"
    assert started["columns"] == {
        "Artikel": "name",
        "Menge": "quantity",
        "Lagerort": "location",
        "Name": None,
        "Bemerkung": None,
    }
    await ended(member, started["job_id"])
    assert await stock_of(member, "Tee") == [("Regal", 1.5, None)]


async def test_import_fields_are_listed(member: AsyncClient) -> None:
    fields = {field["name"]: field for field in await get(member, "/imports/fields")}
    assert "ean" in fields["barcode"]["headers"]
    assert fields["quantity"]["about"] == "stock"
    content = ",".join(fields) + "\n" + ",".join(f'"{field["example"]}"' for field in fields.values()) + "\n"
    report = await imported(member, content, partial="true")
    assert [error["column"] for error in report["errors"]] == ["loc_no"], "only the box is missing"


async def test_box_location_is_identified_by_its_numbers(member: AsyncClient) -> None:
    report = await imported(member, "name,box,loc_no,quantity\nTea,3,7,1\n")
    assert "no location 7 in box 3" in report["errors"][0]["message"]


async def test_create_locations_false_refuses_unknown_locations(member: AsyncClient) -> None:
    content = "name,location,quantity,location_storage_type\nPeas,Chest,1,freezer\n"
    report = await imported(member, content, create_locations="false")
    assert report["errors"][0]["column"] == "location"
    await imported(member, content)
    assert (await get(member, "/locations/name/Chest"))["storage_type"] == "freezer"


async def test_unit_and_notes_change_without_event(member: AsyncClient) -> None:
    tea, shelf = await new_item(member, "Tea"), await new_location(member, "Shelf")
    sku = await new_stock(member, tea, shelf, 1, unit="piece")
    content = f"code,location,quantity,unit,notes\n{tea['code']},Shelf,1,pack,'=top\n"
    report = await imported(member, content)
    assert report["written"]["stock_events"] == 0
    now = await get(member, f"/skus/{sku['id']}")
    assert (now["unit"], now["notes"], now["quantity"]) == ("pack", "=top", 1)


async def test_import_reactivates_an_inactive_item(member: AsyncClient) -> None:
    tea = await new_item(member, "Tea", upc="40063813")
    assert (await member.delete(f"/items/{tea['id']}")).status_code == 200
    assert counts(await imported(member, "barcode,name,location,quantity\n40063813,Tea,Shelf,1\n")) == (0, 1, 0, 0)
    assert (await get(member, f"/items/{tea['id']}"))["is_active"] is True
    assert await stock_of(member, "Tea") == [("Shelf", 1, None)]


async def test_types_match_in_any_case_and_are_created(member: AsyncClient) -> None:
    made(await member.post("/types/", json={"name": "Semiconductors"}))
    report = await imported(member, "name,type\nBC547,SEMICONDUCTORS\nR1,Resistors\nR2,resistors\n")
    assert report["new_types"] == ["Resistors", "resistors"]
    assert [item["type_name"] for item in await get(member, "/items/")] == [
        "Semiconductors",
        "Resistors",
        "Resistors",
    ]


async def test_code_of_merged_item_finds_the_merge_target(member: AsyncClient) -> None:
    old, tea = await new_item(member, "Tee"), await new_item(member, "Tea")
    made(await member.post(f"/items/{old['id']}/merge", json={"into": tea["id"]}))
    report = await imported(member, f"code,location,quantity\n{old['code']},Shelf,2\n")
    assert counts(report) == (0, 1, 0, 0)
    assert await total(member, tea) == 2


async def test_forms_of_one_number_are_one_barcode(member: AsyncClient) -> None:
    tea = await new_item(member, "Tea", upc="036000291452")
    content = "barcode,name,location,quantity\n0036000291452,Tea,Shelf,1\n036000291452,Tea,Cellar,1\n"
    assert counts(await imported(member, content)) == (0, 2, 0, 0)
    assert [each["barcode"] for each in (await get(member, f"/items/{tea['id']}"))["barcodes"]] == ["036000291452"]
    assert await total(member, tea) == 2
    new = "barcode,barcodes,name\n4006381333931,04006381333931*6; x,Pen\n"
    report = await imported(member, new)
    (pen,) = await get(member, "/items/search", q="Pen")
    assert report["created"] == 1
    assert pen["barcodes"] == [
        {"barcode": "4006381333931", "pack_quantity": 6},
        {"barcode": "x", "pack_quantity": 1},
    ]


async def test_point_before_three_digits_is_refused_in_semicolon_file(
    member: AsyncClient,
) -> None:
    content = "name;location;quantity\nJalapeños;Küche;1.234\n"
    (error,) = (await imported(member, content))["errors"]
    assert (error["column"], error["message"]) == (
        "quantity",
        "1.234 may be 1234 (decimal=comma) or 1.234 (decimal=point); set decimal",
    )
    assert (await imported(member, content, decimal="comma"))["applied"] is True
    assert await stock_of(member, "Jalapeños") == [("Küche", 1234, None)]
    assert (await imported(member, content.replace(";", ",")))["applied"] is True
    assert await stock_of(member, "Jalapeños") == [("Küche", 1.234, None)]


async def test_pieces_of_a_shops_scale_are_one_item(admin: AsyncClient, member: AsyncClient) -> None:
    old = with_check_digit("281234500111")
    tea = await new_item(member, "Old", barcodes=[{"barcode": old}])
    rule = {"prefix": "28", "item_digits": 5, "measure": "weight", "measure_digits": 5, "divisor": 1000}
    made(await admin.patch("/settings", json={"measure_rules": [rule]}))
    gouda, brie = (f"2877777{grams:05}" for grams in (456, 789)), (f"2888888{grams:05}" for grams in (1, 2))
    lines = [f"{with_check_digit(each)},Gouda,Shelf,1" for each in gouda]
    content = "\n".join(["barcode,name,location,quantity", lines[0], lines[1].replace("Shelf", "Cellar"), ""])
    assert counts(await imported(member, content, dry_run="true")) == (1, 1, 0, 0)
    assert counts(await imported(member, content)) == (1, 1, 0, 0)
    [cheese] = [each for each in await get(member, "/items/") if each["name"] == "Gouda"]
    assert (cheese["upc"], cheese["total_quantity"]) == (with_check_digit("287777700000"), 2)
    assert counts(await imported(member, content, import_key="again")) == (0, 0, 2, 0)
    one, other = map(with_check_digit, brie)
    several = f"name,barcode,barcodes\nBrie,{one},{other}\n"
    assert counts(await imported(member, several)) == (1, 0, 0, 0)
    assert (await get(member, f"/items/upc/{other}"))["name"] == "Brie"
    # A barcode from before the rule stays what it is.
    assert counts(await imported(member, f"barcode,description\n{old},Older\n")) == (0, 1, 0, 0)
    assert [each["barcode"] for each in (await get(member, f"/items/{tea['id']}"))["barcodes"]] == [old]


async def test_location_option_is_that_of_all_rows_without_one(member: AsyncClient) -> None:
    content = "name,where,quantity\nTea,Shelf,1\nSalt,,2\nRice,,\n"
    await imported(member, content, location="Cellar")
    assert await stock_of(member, "Tea") == [("Shelf", 1, None)]
    assert await stock_of(member, "Salt") == [("Cellar", 2, None)]
    assert await stock_of(member, "Rice") == []


async def test_key_may_be_the_makers_part_number(member: AsyncClient) -> None:
    part = await new_item(member, "Transistor", manufacturer_code="BC547b", upc="40063813")
    content = "mpn,location,quantity\nbc547B,Drawer,5\n"
    await imported(member, content, stock="add")
    assert await stock_of(member, "Transistor") == [("Drawer", 5, None)]
    renamed = "name,mpn,barcode\nNPN transistor,BC547B,40063820\nLED,L-53HD,\nRed LED,l-53hd,\n"
    report = await imported(member, renamed, key="manufacturer_code", partial="true")
    assert counts(report) == (1, 1, 0, 1)
    assert report["errors"][0]["column"] == "name"
    now = await get(member, f"/items/{part['id']}")
    assert (now["name"], len(now["barcodes"])) == ("NPN transistor", 2)
    await new_item(member, "Another LED", manufacturer_code="L-53HD")
    report = await imported(member, "mpn,description\nL-53HD,red\n,blue\n", key="MANUFACTURER_CODE", partial="true")
    assert "2 items have the maker's part number" in report["errors"][0]["message"]
    assert report["errors"][1]["column"] == "mpn"


@pytest.mark.parametrize("barcode", ["B-1", "296-LM60430DRPKRCT-ND"])
async def test_item_without_barcodes_gets_one_of_any_length(barcode: str, member: AsyncClient) -> None:
    tea = await new_item(member, "Tea")
    assert counts(await imported(member, f"name,barcode\nTea,{barcode}\n", key="name")) == (0, 1, 0, 0)
    assert (await get(member, f"/items/{tea['id']}"))["upc"] == barcode


async def test_new_main_barcode_that_is_none_is_refused_in_the_plan(member: AsyncClient) -> None:
    await new_item(member, "Tea", upc="40063813")
    report = await imported(member, "name,barcode,barcodes\nTea,B-1,40063813\n", key="name", dry_run="true")
    assert [(error["column"], error["line"]) for error in report["errors"]] == [("barcode", 2)]
