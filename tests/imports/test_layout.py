"""What stands around the table of a file: a line for Excel, text above the header, totals below the rows."""

from __future__ import annotations

import pytest
from httpx import AsyncClient

from tests.imports.importing import begin, counts, ended, imported, stock_of, table
from tests.inventory import get, refused

pytestmark = pytest.mark.one_server

TABLE = "name;location;quantity\nTea;Shelf;1,5\nSalt;Shelf;2\n"


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"', "sep=;\r"])
async def test_line_for_excel_names_the_delimiter(line: str, member: AsyncClient) -> None:
    started = await begin(member, f"{line}\n{TABLE}")
    assert (started["delimiter"], started["header_row"]) == (";", 2)
    assert counts((await ended(member, started["job_id"]))["result"]) == (2, 0, 0, 0)


async def test_line_for_excel_overrides_detection_but_not_the_option(member: AsyncClient) -> None:
    content = "sep=^\nname^location^quantity^tags\nTea^Shelf^1^a; b; c\n"
    assert (await begin(member, content, dry_run="true"))["delimiter"] == "^"
    assert (await begin(member, f"sep=,\n{TABLE}", delimiter="semicolon", dry_run="true"))["delimiter"] == ";"


PREAMBLES = {
    "a title": ("Inventory, as of 1 May 2026\n", 2),
    "a title and a blank line": ("Inventory\n\n", 3),
    "properties": ("Report;Stock\nLocation;All\nPrinted;2026-05-01\n\n", 5),
    "a quoted title": ('"Inventory\nof the kitchen"\n', 3),
    "the line for Excel and a title": ("sep=;\nInventory\n", 3),
    "blank cells": (";;\nInventory;;\n;;\n", 4),
}


@pytest.mark.parametrize("preamble", PREAMBLES)
async def test_header_is_found_below_other_text(preamble: str, member: AsyncClient) -> None:
    text, line = PREAMBLES[preamble]
    started = await begin(member, text + TABLE + "Rice;Shelf;many\n", partial="true")
    assert (started["header_row"], started["delimiter"]) == (line, ";")
    report = (await ended(member, started["job_id"]))["result"]
    assert counts(report) == (2, 0, 0, 1)
    assert report["errors"][0]["line"] == line + 3
    assert await stock_of(member, "Tea") == [("Shelf", 1.5, None)]


async def test_header_of_unknown_columns_is_found_by_its_width(member: AsyncClient) -> None:
    content = "Bestandsliste\nArtikel;Menge;Wo\nTee;1;Regal\nSalz;2;Regal\n"
    mapping = '{"Artikel": "name", "Menge": "quantity", "Wo": "location"}'
    started = await begin(member, content, mapping=mapping)
    assert started["header_row"] == 2
    assert counts((await ended(member, started["job_id"]))["result"]) == (2, 0, 0, 0)
    answer = await member.post("/imports", files={"file": ("x.csv", content.encode())})
    assert [each["columns"] for each in answer.json()["results"]["questions"]] == [["Artikel", "Wo"], ["Menge"]]


async def test_header_row_is_named(member: AsyncClient) -> None:
    content = "name,quantity\nlast year,7\nname,description\nTea,Green\n"
    started = await begin(member, content, header_row="3")
    assert (started["header_row"], started["columns"]) == (3, {"name": "name", "description": "description"})
    assert counts((await ended(member, started["job_id"]))["result"]) == (1, 0, 0, 0)
    files = {"file": ("x.csv", content.encode())}
    for text, words in {"9": "no row 9", "0": "from 1", "x": "from 1"}.items():
        refused(await member.post("/imports", files=files, data={"header_row": text}), 422, words)


async def test_first_row_stays_the_header(member: AsyncClient) -> None:
    for content in ("name\nTea\nSalt\n", "name,Colour\nTea,title\n", "\nname,tags\nTea,x\n"):
        started = await begin(member, content, dry_run="true")
        assert started["header_row"] == (2 if content.startswith("\n") else 1)


TRAILERS = "Subtotal;;3,5\n;;\nTotal:;;3,50 €\n;Grand total;1.234,50 EUR\nSumme;;3;4;5;\nInsgesamt;57\nTotal: 57\n"


async def test_totals_are_skipped_and_reported(member: AsyncClient) -> None:
    report = await imported(member, TABLE + TRAILERS)
    assert report["applied"] is True, report["errors"]
    assert counts(report) == (2, 0, 0, 0)
    assert report["skipped"] == 6
    assert "6 rows about no item were skipped" in report["message"]
    rows = await table(member, f"/imports/{report['job_id']}/report.csv")
    skipped = [(row["line"], row["message"]) for row in rows if row["outcome"] == "skipped"]
    assert [line for line, _ in skipped] == ["4", "6", "7", "8", "9", "10"]
    assert skipped[0][1] == "Subtotal: a total, not an item"
    assert [item["name"] for item in await get(member, "/items/")] == ["Tea", "Salt"]


async def test_items_named_like_a_total_are_imported(member: AsyncClient) -> None:
    content = (
        "name,barcode,location,quantity\nTotal,40063813,Shelf,1\nSum,,Shelf,2\nTotal recall,,,\nTotal,,,\nTotal 4x,,,\n"
    )
    report = await imported(member, content, key="name", dry_run="true")
    assert (report["skipped"], report["lines"]) == (0, 5)
