"""Columns of custom fields: exported after all others, and imported by their names."""

from __future__ import annotations

import csv
from io import StringIO
from typing import Any

import pytest
from httpx import AsyncClient

from stocky.exports import service
from stocky.imports import applier, row_changes
from tests.catalogue.test_fields import fields_of, new_type, part
from tests.imports.importing import counts, imported
from tests.inventory import Json, get, made, new_item, refused

pytestmark = pytest.mark.one_server


async def exported(client: AsyncClient, query: str = "") -> list[dict[str, str]]:
    answer = await client.get(f"/exports/items.csv{query}")
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(StringIO(answer.content.decode("utf-8-sig"), newline="")))


async def parts(member: AsyncClient) -> tuple[Json, Json]:
    """Two types with items that have values."""
    kind = await new_type(member, "Parts", Capacity="number", Note="text", Bought="date")
    other = await new_type(member, "Cables", NOTE="text", Length="number")
    await part(member, kind, "One", Capacity=-0.0000047, Note="=1+1", Bought="2026-01-31")
    await part(member, other, "Two", Note='say "hi"', Length=1e20)
    await new_item(member, "Three")
    return kind, other


async def test_items_are_exported_with_a_column_for_each_field(
    member: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, _ = await parts(member)
    names = ("field.NOTE", "field.Length", "field.Capacity", "field.Bought")
    for page in (service.PAGE_ROWS, 2):
        monkeypatch.setattr(service, "PAGE_ROWS", page)
        rows = await exported(member)
        assert tuple(rows[0]) == (*service.ITEM_COLUMNS, *names)
        assert [[row[name] for name in names] for row in rows] == [
            ["'=1+1", "", "-0.0000047", "2026-01-31"],
            ['say "hi"', "100000000000000000000", "", ""],
            ["", "", "", ""],
        ]
    rows = await exported(member, f"?type_id={kind['id']}")
    assert tuple(rows[0])[len(service.ITEM_COLUMNS) :] == ("field.Capacity", "field.Note", "field.Bought")
    assert [row["name"] for row in await exported(member, "?field.Length=5..")] == ["Two"]
    refused(await member.get("/exports/items.csv?field.x=5"), 422, "field.x")


async def test_exported_fields_are_imported_again(member: AsyncClient) -> None:
    await parts(member)
    before, file = await get(member, "/items/"), (await member.get("/exports/items.csv")).content
    report = await imported(member, file)
    assert counts(report) == (0, 0, 3, 0), report
    for item in before:
        made(await member.patch(f"/items/{item['id']}", json={"fields": dict.fromkeys(item["fields"])}))
    assert [item["fields"] for item in await get(member, "/items/")] == [{}, {}, {}]
    report = await imported(member, file, import_key="again")
    assert counts(report) == (0, 2, 1, 0), report
    assert "Capacity: nothing → -0.0000047" in report["changes"][0]["message"]
    assert [item["fields"] for item in await get(member, "/items/")] == [item["fields"] for item in before]


async def test_columns_are_recognised_by_the_exact_name(member: AsyncClient) -> None:
    await new_type(member, "Parts", Voltage="number", Bought="date", Package=["TO-92"])
    content = "name;type;FIELD.voltage;Voltage;field.Bought;Gehäuse\nA;Parts;4,5;7;31 Jan 2026;to-92\n"
    report = await imported(member, content)
    assert counts(report) == (1, 0, 0, 0), report
    (item,) = await get(member, "/items/")
    assert item["fields"] == {"Voltage": 4.5, "Bought": "2026-01-31"}
    mapping = '{"name": "name", "Gehäuse": "field.Package", "field.Bought": null}'
    report = await imported(member, content, mapping=mapping)
    assert counts(report) == (0, 1, 0, 0), report
    assert (await get(member, "/items/"))[0]["fields"] == {"Voltage": 4.5, "Bought": "2026-01-31", "Package": "TO-92"}
    cleared = "name,field.Bought,field.Voltage\nA,,5\n"
    assert counts(await imported(member, cleared)) == (0, 1, 0, 0)
    assert (await get(member, "/items/"))[0]["fields"]["Bought"] == "2026-01-31"
    assert counts(await imported(member, cleared, empty="clear")) == (0, 1, 0, 0)
    assert (await get(member, "/items/"))[0]["fields"] == {"Voltage": 5, "Package": "TO-92"}
    answer = await member.post(
        "/imports", files={"file": ("x.csv", b"name\nA\n", "text/csv")}, data={"mapping": '{"name": "feld.x"}'}
    )
    refused(answer, 422, "is not a field", "field.")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("A,Parts,5 V,", "is not a number"),
        ('A,Parts,"1,234",', "set decimal"),
        ("A,Parts,,SMD", "must be one of TO-92"),
        ("A,Cables,5,", "The type Cables has no field 'voltage'"),
        ("A,New,5,", "The type New has no field 'voltage'"),
        ("A,,5,", "It needs a type"),
    ],
)
async def test_values_that_do_not_fit_refuse_their_row(member: AsyncClient, row: str, words: str) -> None:
    await new_type(member, "Parts", Voltage="number", Package=["TO-92"])
    await new_type(member, "Cables")
    content = f"name,type,field.Voltage,field.Package\n{row}\nB,Parts,5,TO-92\n"
    report = await imported(member, content, partial="true")
    assert counts(report) == (1, 0, 0, 1), report
    (error,) = report["errors"]
    assert words in error["message"], error
    assert error["column"] in ("field.Voltage", "field.Package")


async def test_custom_fields_are_among_those_of_columns(member: AsyncClient) -> None:
    await parts(member)
    names = [field["name"] for field in await get(member, "/imports/fields")]
    assert names[-4:] == ["field.NOTE", "field.Length", "field.Capacity", "field.Bought"]
    assert names[0] == "code"


async def test_rows_about_one_item_have_the_same_values(member: AsyncClient) -> None:
    await new_type(member, "Parts", Voltage="number")
    content = "name,type,field.Voltage\nA,Parts,5\nA,Parts,6\n"
    report = await imported(member, content, partial="true")
    assert counts(report) == (1, 0, 0, 1), report
    assert "another value" in report["errors"][0]["message"]


async def test_rolled_back_import_restores_the_values(member: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = await new_type(member, "Parts", Voltage="number", Note="text")
    item = await part(member, kind, "A", Note="old")
    monkeypatch.setattr(applier, "CHUNK_ROWS", 1)

    write_row = applier.Applier._write_row

    async def refuse_second(self: applier.Applier, tx: Any, line: Any, found: Any) -> Any:
        if line.values["name"] == "B":
            raise row_changes.RowRejected("refused late")
        return await write_row(self, tx, line, found)

    monkeypatch.setattr(applier.Applier, "_write_row", refuse_second)
    report = await imported(member, "name,type,field.Voltage,field.Note\nA,Parts,5,new\nB,Parts,6,\n")
    assert (report["applied"], report["taken_back"]["items"], report["taken_back"]["left"]) == (False, 1, [])
    assert (await get(member, f"/items/{item['id']}"))["fields"] == {"Note": "old"}
    assert list(await fields_of(member, kind)) == ["Voltage", "Note"]
