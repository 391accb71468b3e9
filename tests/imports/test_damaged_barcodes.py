"""Barcodes that a spreadsheet changed: repaired and reported where the check digit confirms it, else refused."""

from __future__ import annotations

import pytest
from httpx import AsyncClient

from stocky.imports.barcode_repair import Repaired, repair
from stocky.imports.cell_values import Unreadable
from tests.imports.importing import counts, imported, table
from tests.imports.test_questions import answer_to, asked
from tests.inventory import get, new_item

pytestmark = pytest.mark.one_server

# A text, and the barcode: None if it is not changed, "" if it is refused.
TEXTS = {
    "4006381333931": None,
    "36000291452": "036000291452",
    "36000291453": None,
    "1234565": "01234565",
    "4252614": "04252614",
    "1234567": None,
    "4006381333931.0": "4006381333931",
    "4006381333931,00": "4006381333931",
    "36000291452.0": "036000291452",
    "4006381333932.0": "",
    "12345.0": None,
    "4.006381333931E+12": "4006381333931",
    "4,006381333931e12": "4006381333931",
    "3.6000291452E+10": "036000291452",
    "4.00638E+12": "",
    "4.006381333932E+12": "",
    "4E+12": "",
    '="036000291452"': "036000291452",
    '="36000291452"': "036000291452",
    "BC547": None,
    "٣٦٠٠٠٢٩١٤٥٢": None,
}


@pytest.mark.parametrize("text", TEXTS)
def test_barcode_is_repaired_only_with_its_check_digit(text: str) -> None:
    expected = TEXTS[text]
    if expected == "":
        with pytest.raises(Unreadable):
            repair(text, adds_zeros=True)
    else:
        repaired = repair(text, adds_zeros=True)
        assert (None if repaired is None else repaired.barcode) == expected
    if text.isdigit():
        assert repair(text, adds_zeros=False) is None


def test_reason_is_named() -> None:
    assert repair("36000291452", adds_zeros=True) == Repaired("036000291452", "without its leading zero")


async def test_damaged_barcodes_are_repaired_and_reported(member: AsyncClient) -> None:
    content = (
        "name,barcode,barcodes\n"
        "Cola,36000291452,4006381333948.0*6; 40063819\n"
        "Tea,4.006381333931E+12,\n"
        "Rice,4.00638E+12,\n"
        "Salt,4006381333950.0,\n"
        "Milk,5449000000996,\n"
    )
    report = await imported(member, content, partial="true")
    assert counts(report) == (3, 0, 0, 2)
    assert report["repaired"] == 2
    assert {item["name"]: item["upc"] for item in await get(member, "/items/")} == {
        "Cola": "036000291452",
        "Tea": "4006381333931",
        "Milk": "5449000000996",
    }
    rows = await table(member, f"/imports/{report['job_id']}/report.csv")
    assert "36000291452 was without its leading zero: 036000291452" in rows[0]["message"]
    assert "4006381333948.0 was written with decimals: 4006381333948" in rows[0]["message"]
    assert "format its column as text" in rows[2]["message"]
    assert [error["column"] for error in report["errors"]] == ["barcode", "barcode"]
    again = await imported(member, content, partial="true")
    assert counts(again) == (0, 0, 3, 2)


async def test_own_numbers_of_eleven_digits_are_asked_about(member: AsyncClient) -> None:
    content = "name,barcode\nCola,36000291452\nBolt,36000291453\n"
    problem = await asked(member, content)
    (question,) = problem["results"]["questions"]
    assert (question["option"], question["columns"]) == ("repair_barcodes", ["barcode"])
    assert [each["options"] for each in question["answers"]] == [{"repair_barcodes": True}, {"repair_barcodes": False}]
    await imported(member, content, repair_barcodes="false")
    assert [item["upc"] for item in await get(member, "/items/")] == ["36000291452", "36000291453"]


async def test_answer_repairs_what_the_check_digit_confirms(member: AsyncClient) -> None:
    content = "name,barcode\nCola,36000291452\nBolt,36000291453\n"
    options = {name: str(value).lower() for name, value in answer_to(await asked(member, content), 0).items()}
    await imported(member, content, **options)
    assert [item["upc"] for item in await get(member, "/items/")] == ["036000291452", "36000291453"]


async def test_own_numbers_alone_are_kept(member: AsyncClient) -> None:
    report = await imported(member, "name,barcode\nBolt,36000291453\nNut,1234567\n")
    assert (counts(report), report["repaired"]) == ((2, 0, 0, 0), 0)
    assert [item["upc"] for item in await get(member, "/items/")] == ["36000291453", "1234567"]


async def test_barcode_that_an_item_has_is_not_changed(member: AsyncClient) -> None:
    await new_item(member, "Bolt", upc="36000291452")
    for content in ("name,barcode\nBolt,36000291452\n", "name,barcodes\nBolt,36000291452\n"):
        report = await imported(member, content)
        assert (counts(report), report["repaired"]) == ((0, 0, 1, 0), 0), report["changes"]
    exported = (await member.get("/exports/items.csv")).content
    assert counts(await imported(member, exported)) == (0, 0, 1, 0)
