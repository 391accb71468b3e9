"""Prices in CSV files and in backups: exported, imported once, rolled back, and checked."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import AsyncClient

from stocky.imports import applier, rollback, row_changes
from stocky.imports.cell_values import Unreadable, price_of
from tests.backup.dumps import as_json, take, text_of
from tests.backup.test_partial import lines, send
from tests.faults.backup_hostile import altered
from tests.imports.importing import counts, imported, table
from tests.imports.test_presets import content_of
from tests.inventory import get, made, new_item, new_location, new_stock, refused
from tests.prices.test_prices import last_price, prices, worth

pytestmark = pytest.mark.one_server

HEADER = "name,seller,location,quantity,unit,unit_price\n"


async def test_price_of_the_opening_stock(member: AsyncClient) -> None:
    report = await imported(member, f"{HEADER}Tea,Shop,Shelf,4,pack,2.49\nFlour,,Shelf,1.5,kg,€0.80\n")
    assert counts(report) == (2, 0, 0, 0), report["errors"]
    tea = (await get(member, "/items/", search="Tea"))[0]
    (price,) = await prices(member, tea)
    assert (price["unit_price"], price["unit"], price["seller"]) == (2.49, "pack", "Shop")
    assert price["event_id"] is not None
    assert await worth(member) == (9.96 + 1.2, 0)
    # Another price of the same stock books nothing; the price per g is the one per kg.
    again = f"{HEADER}Tea,Shop,Shelf,4,pack,2.59\nFlour,,Shelf,1500,g,0.0008\n"
    report = await imported(member, again)
    assert (counts(report), report["written"]["stock_events"]) == ((0, 1, 1, 0), 0), report["changes"]
    assert "price 2.59" in report["changes"][0]["message"]
    assert await last_price(member, tea) == (2.59, "pack")
    assert counts(await imported(member, again, import_key="again")) == (0, 0, 2, 0)
    exported = await table(member, "/exports/stock.csv")
    assert [row["unit_price"] for row in exported] == ["2.59", "0.8"]
    # A delivery has its own price, although it is the same.
    await imported(member, f"{HEADER}Tea,,Shelf,1,pack,2.59\n", stock="add")
    assert len(await prices(member, tea)) == 3
    refusals = f"{HEADER}Tea,,Shelf,4,pack,-1\nTea,,,,,2\nTea,,Shelf,4,pack,free\n"
    report = await imported(member, refusals, partial="true")
    words = ["A price is at least 0", "It has no stock", "is not a price"]
    assert [word in each["message"] for word, each in zip(words, report["errors"], strict=True)] == [True] * 3


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("text", "decimal", "price"),
    [
        ("CHF 1'234.50", None, (1_234_500_000, None)),
        ("1.234,50 €", None, (1_234_500_000, None)),
        ("0,04", ".", (40_000, None)),
        ("0.000001", None, (1, None)),
        ("US$5", None, (5_000_000, None)),
        ("Rs. 5", None, (5_000_000, None)),
        ("5 Kč", None, (5_000_000, None)),
        ("2,49 €/kg", None, (2_490_000, "kg")),
        ("€0.80 per Pack", None, (800_000, "Pack")),
        *((text, None, None) for text in ("1,234", "1.0000001", "two", "1000000001", "5 kg", "12K", "1.5M", "5%")),
        *((text, None, None) for text in ("2 for €5", "1E-5", "2 €/100 g", "5 € 6", "2 €€")),
    ],
)
def test_prices_are_read_with_their_currency(text: str, decimal: str | None, price: tuple[int, str] | None) -> None:
    if price is not None:
        assert price_of(text, decimal) == price
        return
    with pytest.raises(Unreadable):
        price_of(text, decimal)


async def test_price_of_another_unit_than_the_row(member: AsyncClient) -> None:
    rows = "Flour,,Shelf,500,g,2.49 €/kg\nGold,,Shelf,1,g,1234567.891234\nBeans,,Shelf,2,Cans,1.29 per Can\n"
    report = await imported(member, HEADER + rows)
    assert counts(report) == (3, 0, 0, 0), report["errors"]
    for change, words in zip(report["changes"], ("price 2.49 per kg", "price 1234567.891234", "1.29"), strict=True):
        assert words in change["message"]
    assert await worth(member) == (pytest.approx(1.245 + 1_234_567.891234 + 2.58), 0)
    report = await imported(member, f"{HEADER}Flour,,Shelf,500,g,2 €/l\nEgg,,Shelf,1,,2 €/kg\n", partial="true")
    assert [each["message"].rpartition(" ")[2] for each in report["errors"]] == ["g", "piece"]
    grocy = "Product\tAmount\tDue date\tLocation\tPrice\nRye\t500 g\t2999-12-31\tShelf\t€0.80 per kg\n"
    await imported(member, grocy, preset="grocy")
    (rye,) = await get(member, "/items/", search="Rye")
    assert await last_price(member, rye) == (0.8, "kg")


async def test_count_of_stock_that_costs_as_much_records_no_price(member: AsyncClient) -> None:
    tea, shelf = await new_item(member, "Tea"), await new_location(member)
    await new_stock(member, tea, shelf, 1, lot="A")
    await new_stock(member, tea, shelf, 1, lot="B", unit_price=2)
    # The file has the item's last price for A.
    file = (await member.get("/exports/stock.csv")).text.lstrip("\ufeff")
    assert counts(await imported(member, file)) == (0, 0, 2, 0)
    await new_stock(member, tea, shelf, 1, lot="C", unit_price=9)
    assert await worth(member) == (9 + 2 + 9, 0)


async def test_rolled_back_import_leaves_no_price(member: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    tea, shelf = await new_item(member, "Tea"), await new_location(member)
    await new_stock(member, tea, shelf, 1, unit_price=2)
    monkeypatch.setattr(applier, "CHUNK_ROWS", 1)
    write_row = applier.Applier._write_row

    async def refuse_last(self: applier.Applier, tx: Any, line: Any, found: Any) -> Any:
        if line.values["name"] == "Salt":
            raise row_changes.RowRejected("refused late")
        return await write_row(self, tx, line, found)

    monkeypatch.setattr(applier.Applier, "_write_row", refuse_last)
    report = await imported(member, f"{HEADER}Tea,,Shelf,1,,3\nRice,,Shelf,1,,4\nSalt,,Shelf,1,,5\n")
    assert (report["applied"], report["taken_back"]["left"]) == (False, [])
    assert [each["unit_price"] for each in await prices(member, tea)] == [2]
    assert await worth(member) == (2, 0)
    # One that was corrected meanwhile stays.
    restore = rollback.ImportRollback._restore

    async def restore_later(self: rollback.ImportRollback, report: Any) -> None:
        price = (await prices(member, tea))[0]
        made(await member.patch(f"/prices/{price['id']}", json={"unit_price": 3.5}))
        await restore(self, report)

    monkeypatch.setattr(rollback.ImportRollback, "_restore", restore_later)
    report = await imported(member, f"{HEADER}Tea,,Shelf,1,,3\nSalt,,Shelf,1,,5\n")
    (left,) = report["taken_back"]["left"]
    assert "corrected meanwhile" in left
    assert [each["unit_price"] for each in await prices(member, tea)] == [3.5, 2]


@pytest.mark.parametrize(
    ("preset", "name", "price"),
    [
        ("homebox", "Cordless drill", 149.99),
        ("grocy", "Flour", 1.29),
        ("partdb", "BC547", 0.04),
        ("snipeit-assets", "Work laptop", 1266.13),
        ("sortly", "Tonic water", 1.5),
    ],
)
async def test_price_of_another_program(preset: str, name: str, price: float, member: AsyncClient) -> None:
    options = {"decimal": "point"} if preset == "partdb" else {}
    program = preset.partition("-")[0]
    await imported(member, content_of(preset), preset=program, **options)
    (item,) = await get(member, "/items/", search=name)
    last = await last_price(member, item)
    assert last is not None
    assert last[0] == price
    (row,) = [each for each in await table(member, "/exports/stock.csv?preset=sortly") if each["Entry Name"] == name]
    assert row["Price"] == f"{price:g}"


async def test_prices_in_dumps_are_checked(admin: AsyncClient) -> None:
    tea, shelf = await new_item(admin, "Tea"), await new_location(admin)
    other = await new_item(admin, "Other")
    await new_stock(admin, tea, shelf, 3, unit_price=2)
    (row,) = await lines(admin, "price")
    (price,) = await prices(admin, tea)
    made(await admin.delete(f"/prices/{price['id']}"))
    wrong = row.replace(f"VALUES(1,{tea['id']},", f"VALUES(1,{other['id']},")
    refused(await send(admin, [wrong]), 400, "price 1 would name another item")
    assert made(await send(admin, [row]))["tables_affected"] == ["prices"]
    assert await worth(admin) == (6, 0)
    assert await lines(admin, "price") == [row]
    made(await admin.delete(f"/prices/{price['id']}"))
    whole = as_json(altered(text_of(await take(admin)), wrong), force=True)
    refused(await admin.post("/backup/import/full", json=whole), 400, "1 prices name another item")


async def test_prices_in_a_bill_of_materials_are_left_out(member: AsyncClient) -> None:
    rows = "Reference,Value,Footprint,Qty,Unit price\nR1,10k,0805,1,on request\n"
    report = await imported(member, rows, preset="kicad", project="Lamp", unmatched="text")
    assert report["refused"] == 0, report["errors"]
    report = await imported(member, "name,quantity,unit price\nNut,2,on request\n", project="Lamp 2", unmatched="text")
    assert report["refused"] == 0, report["errors"]
