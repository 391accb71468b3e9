"""Sheets of labels over HTTP, and the sheets that an installation keeps."""

from __future__ import annotations

import asyncio
import re
import threading
from typing import Any

import pytest
import zxingcpp
from httpx import AsyncClient

from stocky.barcodes.command_codes import make_short_code
from stocky.labels import drawing, handlers, layout
from tests.inventory import Json, get, made, new_item, new_location, refused
from tests.labels.pdf_reading import read_pdf

OWN: Json = {"width": 62, "height": 30, "columns": 2, "rows": 1, "label_width": 30, "label_height": 29, "gap_x": 1}


def codes(content: bytes) -> list[str]:
    """The codes on the sheets of a PDF."""
    return [
        each.text
        for sheet in read_pdf(content)
        for each in zxingcpp.read_barcodes(sheet.picture(12), text_mode=zxingcpp.TextMode.Plain)
    ]


async def test_sheets_are_drawn(member: AsyncClient) -> None:
    item, shelf = await new_item(member, upc="4006381333931"), await new_location(member)
    other = await new_item(member, "Tea")
    query: dict[str, Any] = {"items": f"{other['id']}, {item['id']}", "locations": shelf["id"], "copies": 2}
    drawn = await member.get("/labels", params=query)
    assert drawn.headers["content-type"] == "application/pdf"
    assert drawn.headers["x-total-count"] == "1"
    assert 'filename="labels.pdf"' in drawn.headers["content-disposition"]
    wanted = [other["code"], item["code"], make_short_code("LOC", shelf["id"])]
    assert sorted(codes(drawn.content)) == sorted(wanted * 2)
    svg = await member.get("/labels", params=query | {"format": "svg", "barcode": True})
    assert svg.headers["content-type"] == "image/svg+xml"
    assert svg.text.count("<g ") == 6
    assert svg.text.count("<path ") == 8, "two labels have the item's own barcode, too"
    assert 'width="210mm" height="297mm"' in svg.text
    commands = await member.get("/labels/", params={"commands": True, "counts": True, "locations": "all", "used": 20})
    assert commands.headers["x-total-count"] == "2"
    assert len(codes(commands.content)) == 7 + 8 + 1
    second = await member.get("/labels/", params={"commands": True, "used": 20, "format": "svg", "page": 2})
    assert second.text.count("<g ") == 3


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ({}, 422, "Choose what to print"),
        ({"items": "9"}, 404, "no item with id 9"),
        ({"locations": "9"}, 404, "no location with id 9"),
        ({"items": "x"}, 422, "is not an id"),
        ({"items": "0"}, 422, "is not an id"),
        ({"items": "9" * 40}, 422, "is not an id"),
        ({"commands": True, "sheet": "nowhere"}, 404, "no sheet nowhere"),
        ({"commands": True, "used": 24}, 422, "used"),
        ({"commands": True, "copies": 51}, 422, "copies"),
        ({"commands": True, "format": "png"}, 422, "format"),
        ({"commands": True, "format": "svg", "page": 2}, 404, "no sheet 2"),
    ],
)
@pytest.mark.one_server
async def test_wrong_requests_are_refused(member: AsyncClient, query: Json, status: int, words: str) -> None:
    refused(await member.get("/labels", params=query), status, words)


async def test_all_locations_are_printed_or_none(member: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (handlers, layout):
        monkeypatch.setattr(module, "MOST_LABELS", 2)
    for number in range(3):
        await new_location(member, f"Shelf {number}")
        if number == 1:
            assert (await member.get("/labels", params={"locations": "all"})).status_code == 200
    refused(await member.get("/labels", params={"locations": "all"}), 422, "At most 2 labels")


async def test_own_sheets_are_kept(member: AsyncClient, reader: AsyncClient) -> None:
    presets = await get(reader, "/labels/sheets")
    assert [each["name"] for each in presets][:2] == ["a4-3x8", "a4-3x7"]
    assert all(each["is_preset"] for each in presets)
    kept = made(await member.put("/labels/sheets/Small%20ones", json=OWN))
    assert kept == {**OWN, "left": 0, "top": 0, "gap_y": 0, "name": "Small ones", "is_preset": False}
    made(await member.put("/labels/sheets/%C3%84pfel", json=OWN | {"top": 0.5}))
    assert [each["name"] for each in await get(reader, "/labels/sheets")][len(presets) :] == ["Small ones", "Äpfel"]
    made(await member.put("/labels/sheets/Small%20ones", json=OWN | {"label_width": 29.5}))
    drawn = await member.get("/labels", params={"commands": True, "sheet": "Small ones"})
    sheets = read_pdf(drawn.content)
    assert len(sheets) == 4
    assert (sheets[0].width, sheets[0].height) == pytest.approx((62, 30), abs=0.01)
    refused(await member.put("/labels/sheets/a4-3x8", json=OWN), 409, "choose another name")
    refused(await member.put("/labels/sheets/own", json=OWN), 409, "choose another name")
    refused(await member.put("/labels/sheets/x", json=OWN | {"columns": 3}), 422, "labels need")
    refused(await member.put("/labels/sheets/x", json=OWN | {"label_width": 5}), 422, "at least 10 mm")
    refused(await member.put("/labels/sheets/x", json={"width": 1}), 422, "is required")
    refused(await member.put(f"/labels/sheets/{'x' * 61}", json=OWN), 422)
    refused(await reader.put("/labels/sheets/x", json=OWN), 403)
    refused(await member.delete("/labels/sheets/a4-3x8"), 409)
    refused(await member.delete("/labels/sheets/x"), 404)
    assert (await member.delete("/labels/sheets/Small%20ones")).status_code == 204
    assert [each["name"] for each in await get(reader, "/labels/sheets")][len(presets) :] == ["Äpfel"]


async def test_kept_sheets_are_no_settings(admin: AsyncClient, member: AsyncClient) -> None:
    before = await get(admin, "/settings")
    made(await member.put("/labels/sheets/x", json=OWN))
    assert await get(admin, "/settings") == before
    assert [(each["action"], each["subject_id"]) for each in await get(admin, "/audit/", subject="label_sheet")] == [
        ("created", "x")
    ]


@pytest.mark.one_server
@pytest.mark.parametrize("text", ["0" * 16 + "1" + "0" * 4_400, "0" * 16 + "1" * 4_384, "1" * 30, "0" * 17 + "1"])
@pytest.mark.parametrize("field", ["items", "locations"])
async def test_number_with_too_many_digits_is_no_id(field: str, text: str, member: AsyncClient) -> None:
    refused(await member.get("/labels", params={field: text}), 422, field, "is not an id")


async def test_few_requests_wait_for_their_turn(member: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()
    monkeypatch.setattr(drawing, "MOST_WAITING", 2)
    real = drawing.lay_out

    def slow(*arguments: Any, **more: Any) -> Any:
        free.wait(30)
        return real(*arguments, **more)

    monkeypatch.setattr(drawing, "lay_out", slow)
    first = [asyncio.create_task(member.get("/labels", params={"commands": True})) for _ in range(2)]
    for _ in range(1_000):
        if drawing._waiting == 2:
            break
        await asyncio.sleep(0.01)
    busy = await member.get("/labels", params={"commands": True})
    refused(busy, 503, "send it again")
    assert busy.headers["retry-after"] == "5"
    # The others go on meanwhile.
    assert (await member.get("/items/")).status_code == 200
    free.set()
    assert [(await each).status_code for each in first] == [200, 200]
    assert re.match(rb"%PDF", (await member.get("/labels", params={"commands": True})).content)
