"""Lots and serial numbers in files: rows of several lots, one piece for each number, and files from before lots."""

from __future__ import annotations

import pytest
from httpx import AsyncClient

from stocky.config import Config
from stocky.stock.consistency import find_faults
from tests.imports.importing import counts, imported
from tests.inventory import get

ROWS = """name,location,quantity,best before,lot number,serial number
Tea,Shelf,3,2030-01-31,L1,
Tea,Shelf,2,2030-01-31,L2,
Tea,Shelf,1,,L1,
Drill,Shelf,1,,2030-01-31,S1
Drill,Shelf,1,,,S2
"""


async def lots(client: AsyncClient) -> dict[tuple[str | None, str, str], float]:
    """Quantities by expiry date, lot and serial number."""
    return {(sku["expiry_date"], sku["lot"], sku["serial"]): sku["quantity"] for sku in await get(client, "/skus/")}


async def test_rows_are_of_lots_and_pieces(member: AsyncClient, config: Config) -> None:
    assert counts(await imported(member, ROWS))[3] == 0
    expected = {
        ("2030-01-31", "L1", ""): 3,
        ("2030-01-31", "L2", ""): 2,
        (None, "L1", ""): 1,
        (None, "2030-01-31", "S1"): 1,
        (None, "", "S2"): 1,
    }
    assert await lots(member) == expected
    again = await imported(member, ROWS)
    assert counts(again) == (0, 0, 5, 0), again
    less = await imported(member, "name,location,quantity,lot,expires\nTea,Shelf,1,L2,2030-01-31\n")
    assert "(lot L2, expiring 2030-01-31)" in less["changes"][0]["message"]
    assert await lots(member) == expected | {("2030-01-31", "L2", ""): 1}
    assert await find_faults(config) == []


async def test_serial_number_of_other_than_one_piece_is_refused(member: AsyncClient, config: Config) -> None:
    await imported(member, ROWS)
    rows = """name,location,quantity,unit,serial
Drill,Shelf,2,,S3
Drill,Cellar,1,,S1
Drill,Shelf,1,kg,S4
Drill,Shelf,0,,S2
"""
    report = await imported(member, rows, partial="true")
    assert [(error["line"], error["column"]) for error in report["errors"]] == [
        (2, "quantity"),
        (3, "serial"),
        (4, "unit"),
    ]
    assert (await lots(member))[None, "", "S2"] == 0
    added = await imported(
        member, "name,location,quantity,lot,expires,serial\nDrill,Shelf,1,2030-01-31,,S1\n", stock="add"
    )
    assert added["errors"][0]["column"] == "quantity"
    assert await find_faults(config) == []


@pytest.mark.parametrize("stock", ["set", "add"])
@pytest.mark.parametrize("second", ["Shelf", "Cellar"])
async def test_second_row_of_one_piece_is_refused(second: str, stock: str, member: AsyncClient) -> None:
    rows = f"name,location,quantity,serial\nDrill,Shelf,1,S1\nDrill,Cellar,1,S2\nDrill,{second},1,S1\n"
    for dry_run in ("true", "false"):
        report = await imported(member, rows, stock=stock, dry_run=dry_run)
        assert [error["line"] for error in report["errors"]] == [4], report
        assert "rolled back" not in report["message"]
    # A piece that is at one place may be said not to be at another one.
    rows = "name,location,quantity,serial\nDrill,Shelf,1,S1\nDrill,Cellar,0,S1\n"
    assert counts(await imported(member, rows, dry_run="true"))[3] == 0


async def test_serial_number_of_what_is_weighed_is_refused(member: AsyncClient) -> None:
    await imported(member, "name,location,quantity,unit\nWire,Shelf,5,m\nWire,Cellar,5,piece\nTape,Shelf,2,m\n")
    rows = "name,location,quantity,serial\nWire,Shelf,1,S1\nWire,Cellar,1,S2\nWire,Attic,1,S3\nTape,Attic,1,S4\n"
    for dry_run in ("true", "false"):
        report = await imported(member, rows, dry_run=dry_run)
        assert [(error["line"], error["column"]) for error in report["errors"]] == [
            (2, "serial"),
            (4, "serial"),
            (5, "serial"),
        ], report


async def test_lot_of_a_file_without_dates_may_be_one(member: AsyncClient) -> None:
    """As in files from before lots had numbers."""
    rows = "Tea,Shelf,1,2030-01-31\nTea,Shelf,2,31.12.2030\nTea,Shelf,3,L1\n"
    await imported(member, f"name,location,quantity,lot\n{rows}", dates="dmy")
    assert await lots(member) == {("2030-01-31", "", ""): 1, ("2030-12-31", "", ""): 2, (None, "L1", ""): 3}
