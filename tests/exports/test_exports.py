"""Exports: all data in the columns of an import, without text that a spreadsheet would evaluate."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from io import StringIO

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.errors import Unavailable
from stocky.exports import service
from tests.inventory import made, new_item, new_location, new_stock, refused

pytestmark = pytest.mark.one_server


async def exported(client: AsyncClient, name: str, **query: object) -> list[dict[str, str]]:
    """The rows of an export, by header."""
    answer = await client.get(f"/exports/{name}.csv", params={key: str(value) for key, value in query.items()})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(StringIO(answer.content.decode("utf-8-sig"), newline="")))


async def test_items_are_exported_with_all_fields(member: AsyncClient, reader: AsyncClient) -> None:
    kind = made(await member.post("/types/", json={"name": "Semiconductors"}))
    await new_item(
        member,
        'Transistor "BC", small',
        description="two\r\nlines; and ümlauts",
        upc="40063813",
        barcodes=[{"barcode": "six*pack;x", "pack_quantity": 6}],
        min_quantity=2.5,
        reorder_quantity=10,
        shelf_life_days=14,
        opened_days=3,
        manufacturer_code="BC547B",
        type_id=kind["id"],
        tags=["npn", "small; part"],
        seller="Corner shop",
        seller_link="https://example.org/bc547",
        default_storage_type="garage",
    )
    (row,) = await exported(reader, "items")
    assert tuple(row) == service.ITEM_COLUMNS
    # A new column belongs here, and its value in the item above.
    assert row.pop("code").isalpha()
    assert row == {
        "name": 'Transistor "BC", small',
        "description": "two\r\nlines; and ümlauts",
        "barcode": "40063813",
        "barcodes": "six**pack\\;x*6",
        "storage_type": "garage",
        "min_quantity": "2.5",
        "oversell_policy": "reject",
        "manufacturer_code": "BC547B",
        "type": "Semiconductors",
        "tags": "npn; small\\; part",
        "seller": "Corner shop",
        "seller_link": "https://example.org/bc547",
        "reorder_quantity": "10",
        "shelf_life_days": "14",
        "opened_days": "3",
    }


async def test_stock_is_exported_to_the_thousandth(member: AsyncClient) -> None:
    tea, shelf = await new_item(member, "Tea"), await new_location(member, "Shelf", storage_type="pantry")
    await new_stock(member, tea, shelf, 0.125, expiry_date="2030-02-28", unit="kg", notes="top")
    await new_stock(member, tea, shelf, 1000000)
    first, second = await exported(member, "stock")
    assert tuple(first) == service.STOCK_COLUMNS
    assert (first["quantity"], first["expiry_date"], first["unit"], first["notes"]) == (
        "0.125",
        "2030-02-28",
        "kg",
        "top",
    )
    assert (first["code"], first["name"], first["location"]) == (tea["code"], "Tea", "Shelf")
    assert (second["quantity"], second["expiry_date"], second["location_storage_type"]) == ("1000000", "", "pantry")


async def test_ledger_is_exported_oldest_first_with_filters(member: AsyncClient) -> None:
    tea, salt, shelf = await new_item(member, "Tea"), await new_item(member, "Salt"), await new_location(member)
    sku = await new_stock(member, tea, shelf, 5)
    await new_stock(member, salt, shelf, 1)
    made(await member.post(f"/skus/{sku['id']}/adjust", json={"delta": -0.5, "note": "=spilt", "event_id": "e1"}))
    rows = await exported(member, "events")
    assert tuple(rows[0]) == service.EVENT_COLUMNS
    assert [(row["type"], row["name"], row["delta"]) for row in rows] == [
        ("add", "Tea", "5"),
        ("add", "Salt", "1"),
        ("remove", "Tea", "-0.5"),
    ]
    assert rows[2]["quantity_after"] == "4.5"
    assert rows[2]["note"] == "'=spilt"
    assert rows[2]["occurred_at"].endswith("Z")
    assert [row["name"] for row in await exported(member, "events", item_id=salt["id"])] == ["Salt"]
    assert [row["event_id"] for row in await exported(member, "events", type="REMOVE")] == ["e1"]
    assert await exported(member, "events", type="") == rows
    assert await exported(member, "events", until="2001-01-01T00:00:00Z") == []


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r", "'=", "''+"])
async def test_formula_text_gets_a_quote(begins: str, member: AsyncClient) -> None:
    name = f"{begins}cmd|' /C calc'!A0"
    item = await new_item(member, name)
    await new_stock(member, item, await new_location(member, f"{begins}1+1"), 1)
    assert (await exported(member, "items"))[0]["name"] == f"'{name}"
    assert (await exported(member, "stock"))[0]["location"] == f"'{begins}1+1"
    assert (await exported(member, "events"))[0]["name"] == f"'{name}"


async def test_export_filters_match_the_lists(member: AsyncClient) -> None:
    tea = await new_item(member, "Tea", default_storage_type="pantry", tags=["hot"], min_quantity=10)
    peas = await new_item(member, "Peas", default_storage_type="freezer")
    gone = await new_item(member, "Gone")
    assert (await member.delete(f"/items/{gone['id']}")).status_code == 200
    shelf, chest = await new_location(member, "Shelf"), await new_location(member, "Chest")
    await new_stock(member, tea, shelf, 1)
    await new_stock(member, peas, chest, 1, expiry_date="2020-01-01")
    items = {
        "all": {},
        "Tea": {"storage_type": "PANTRY"},
        "tagged": {"tag": "Hot"},
        "found": {"search": "ea"},
        "within": {"within": chest["id"]},
        "gone": {"is_active": False},
    }
    found = {name: [row["name"] for row in await exported(member, "items", **query)] for name, query in items.items()}
    assert found == {
        "all": ["Tea", "Peas"],
        "Tea": ["Tea"],
        "tagged": ["Tea"],
        "found": ["Tea", "Peas"],
        "within": ["Peas"],
        "gone": ["Gone"],
    }
    stock = ({"item_id": tea["id"]}, {"location_id": chest["id"]}, {"low_stock": True}, {"expiring_soon": True})
    assert [[row["name"] for row in await exported(member, "stock", **query)] for query in stock] == [
        ["Tea"],
        ["Peas"],
        ["Tea"],
        ["Peas"],
    ]
    refused(await member.get("/exports/items.csv", params={"storage_type": "attic"}), 422, "must be one of pantry")


async def test_export_of_many_pages_has_every_row_once(member: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PAGE_ROWS", 3)
    for count in range(7):
        assert len(await exported(member, "items")) == count
        await new_item(member, f"Item {count}")
    names = [row["name"] for row in await exported(member, "items")]
    assert names == [f"Item {count}" for count in range(7)]


async def test_export_has_a_file_name(member: AsyncClient) -> None:
    answer = await member.get("/exports/stock.csv")
    assert answer.headers["content-disposition"].startswith('attachment; filename="stocky_stock_')
    assert answer.headers["content-disposition"].endswith('.csv"')
    assert "no-store" in answer.headers["cache-control"]


def lot(number: int) -> str:
    """A different expiry date for each number."""
    return (date(2030, 1, 1) + timedelta(days=number)).isoformat()


async def fill(client: AsyncClient, rows: int) -> None:
    """SKUs of one item at one location, with `count` lots."""
    item, shelf = await new_item(client), await new_location(client)
    where = {"type": "add", "item": {"id": item["id"]}, "location": {"id": shelf["id"]}}
    events = [{**where, "quantity": 1, "lot": lot(number)} for number in range(rows)]
    assert made(await client.post("/events", json={"events": events}))["applied"] == rows


async def test_large_export_uses_a_child_process(member: AsyncClient, reader: AsyncClient, app: Litestar) -> None:
    rows = 2 * service.PAGE_ROWS + 7
    await fill(member, rows)
    exports: service.Exports = app.state.exports
    running = [await exports.start(service.StockFilter()) for _ in range(service.MAX_EXPORTS)]
    refusal = await reader.get("/exports/stock.csv")
    assert (refusal.status_code, refusal.headers["retry-after"]) == (503, "10")
    assert "4 large exports are running already" in refusal.json()["detail"]
    # A single page needs no child process.
    assert await exported(reader, "items", search="Nothing of this name") == []
    for each in running:
        await each.aclose()
    assert [row["expiry_date"] for row in await exported(reader, "stock")] == [lot(number) for number in range(rows)]
    assert len(await exported(reader, "events", type="add")) == rows
    assert exports.running == 0


async def test_disconnected_reader_ends_the_child_process(member: AsyncClient, app: Litestar) -> None:
    await fill(member, service.PAGE_ROWS + 1)
    exports: service.Exports = app.state.exports
    export = await exports.start(service.StockFilter())
    assert exports.running == 1
    # The first page, then the output of the child process.
    assert (await anext(export)).count(b"\n") == service.PAGE_ROWS + 1
    assert (await anext(export)).count(b"\n") == 1
    await export.aclose()
    await export.aclose()
    assert exports.running == 0


async def test_export_is_cut_off_by_a_restore(member: AsyncClient, app: Litestar) -> None:
    await fill(member, service.PAGE_ROWS + 1)
    exports: service.Exports = app.state.exports
    for pieces in (0, 1, 2):
        export = await exports.start(service.StockFilter())
        for _ in range(pieces):
            await anext(export)
        app.state.database.gate.data_replaced()
        # Only the end follows the second chunk.
        with pytest.raises(Unavailable, match="restored"):
            await anext(export)
        await export.aclose()
