"""Refused rows that are sent again: corrected or not, alone or in their file, they are booked once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient

from stocky import clock
from stocky.config import Config
from stocky.db import Database
from stocky.errors import Unavailable
from stocky.imports.applier import Applier
from stocky.jobs import kinds
from stocky.stock.consistency import find_faults
from tests.imports.importing import counts, imported, stock_of, table
from tests.inventory import Json, get, made, new_item, new_location, new_stock

pytestmark = pytest.mark.one_server

DELIVERY = "name,location,quantity\nRice,Shelf,5\nSalt,Cellar,3\nTea,Cellar,2\n"


async def refused_csv(member: AsyncClient, report: Json) -> str:
    """The text of refused.csv."""
    answer = await member.get(f"/imports/{report['job_id']}/refused.csv")
    return answer.content.decode("utf-8-sig")


async def sent(member: AsyncClient, mode: str, content: str = DELIVERY) -> Json:
    """The report of an import that creates no locations."""
    return await imported(member, content, partial="true", create_locations="false", stock=mode)


@pytest.mark.parametrize("mode", ["set", "add"])
@pytest.mark.parametrize("whole_first", [False, True], ids=["refused.csv first", "the file first"])
async def test_refused_rows_alone_and_in_their_file_are_booked_once(
    whole_first: bool, mode: str, member: AsyncClient, config: Config
) -> None:
    await new_location(member, "Shelf")
    rows = await refused_csv(member, await sent(member, mode))
    cellar = await new_location(member, "Cellar")
    for content in [DELIVERY, rows] if whole_first else [rows, DELIVERY]:
        report = await sent(member, mode, content)
        assert report["refused"] == 0
        assert await stock_of(member, "Salt") == [("Cellar", 3, None)]
    assert report["written"]["stock_events"] == 0
    # A repeated file does not set stock again.
    await new_stock(member, (await get(member, "/items/search", q="Salt"))[0], cellar, 1)
    for content in (rows, DELIVERY):
        report = await sent(member, mode, content)
        assert report["already_imported"] == report["lines"]
    assert await stock_of(member, "Salt") == [("Cellar", 4, None)]
    assert await find_faults(config) == []


async def test_refused_rows_with_equal_stock_count_as_booked(member: AsyncClient) -> None:
    await new_location(member, "Shelf")
    rows = await refused_csv(member, await sent(member, "set"))
    cellar = await new_location(member, "Cellar")
    salt = await new_item(member, "Salt")
    await new_stock(member, salt, cellar, 3)
    assert (await sent(member, "set", rows))["written"]["stock_events"] == 1
    await new_stock(member, salt, cellar, 1)
    report = await sent(member, "set")
    assert (report["already_imported"], report["written"]["stock_events"]) == (3, 0)
    assert await stock_of(member, "Salt") == [("Cellar", 4, None)]


async def test_rows_refused_twice_keep_their_origin(member: AsyncClient, config: Config) -> None:
    await new_location(member, "Shelf")
    first = await refused_csv(member, await sent(member, "add"))
    second = await refused_csv(member, await sent(member, "add", first))
    assert second == first
    broken = await sent(member, "add", first.replace("Cellar,3,", "Cellar,many,"))
    rows = await table(member, f"/imports/{broken['job_id']}/refused.csv")
    assert [row["import_row"] for row in rows] == [line.rsplit(",", 1)[1] for line in first.splitlines()[1:]]
    await new_location(member, "Cellar")
    assert (await sent(member, "add", second))["written"]["stock_events"] == 2
    assert (await sent(member, "add"))["written"]["stock_events"] == 0
    assert await find_faults(config) == []


async def test_rows_of_a_refused_file_keep_their_origin(member: AsyncClient) -> None:
    await new_location(member, "Shelf")
    report = await imported(member, DELIVERY, create_locations="false", stock="add")
    assert report["applied"] is False
    rows = await refused_csv(member, report)
    await new_location(member, "Cellar")
    assert (await sent(member, "add", rows))["written"]["stock_events"] == 2
    report = await sent(member, "add")
    assert (report["written"]["stock_events"], report["already_imported"]) == (1, 2)


async def test_undone_refused_rows_are_booked_with_their_file(member: AsyncClient, config: Config) -> None:
    await new_location(member, "Shelf")
    rows = await refused_csv(member, await sent(member, "add"))
    await new_location(member, "Cellar")
    corrected = await sent(member, "add", rows)
    made(await member.post(f"/events/batches/{corrected['batch_id']}/undo"))
    for events in (2, 0):
        assert (await sent(member, "add"))["written"]["stock_events"] == events
        assert await stock_of(member, "Salt") == [("Cellar", 3, None)]
    assert (await sent(member, "add", rows))["written"]["stock_events"] == 0
    assert await find_faults(config) == []


async def test_second_row_with_the_same_origin_is_refused(member: AsyncClient) -> None:
    await new_location(member, "Shelf")
    rows = await refused_csv(member, await sent(member, "add"))
    await new_location(member, "Cellar")
    header, salt, _ = rows.splitlines()
    in_two = [salt.replace(",3,", ",1,"), salt.replace(",3,", ",2,")]
    report = await sent(member, "add", "\n".join([header, *in_two]))
    assert (report["refused"], report["errors"][0]["message"]) == (
        1,
        "Row 2 has the same import_row; empty it in one of the two to book both",
    )
    in_two[1] = in_two[1].rsplit(",", 1)[0] + ","
    assert (await sent(member, "add", "\n".join([header, *in_two])))["written"]["stock_events"] == 1
    assert await stock_of(member, "Salt") == [("Cellar", 3, None)]


async def test_invalid_origin_is_refused(member: AsyncClient) -> None:
    report = await imported(member, "name,location,quantity,import_row\nSalt,Cellar,3,12\n")
    assert report["applied"] is False
    (error,) = report["errors"]
    assert (error["column"], error["message"].partition(";")[0]) == ("import_row", "It names no row of an import")
    # The origin of another Stocky's import is unknown here.
    foreign = f"name,location,quantity,import_row\nSalt,Cellar,3,{'a' * 32}:{'b' * 32}:12\n"
    for events in (1, 0):
        assert (await imported(member, foreign))["written"]["stock_events"] == events


async def test_row_refused_after_restart_counts_as_refused(
    member: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await new_location(member, "Shelf")
    await new_location(member, "Cellar")
    await new_item(member, "Salt")
    write, tried = Applier.run, list[str]()

    async def break_off_once(self: Applier, *asked: Any) -> Any:
        tried.append("once")
        if len(tried) == 1:
            # Now the name is ambiguous.
            await new_item(member, "Salt")
            raise Unavailable("the database is away")
        return await write(self, *asked)

    monkeypatch.setattr(Applier, "run", break_off_once)
    monkeypatch.setattr(kinds, "LONGEST_DELAY", timedelta())
    report = await sent(member, "add")
    assert counts(report) == (2, 0, 0, 1)
    assert report["message"] == "2 rows were imported, 1 refused"
    assert [error["line"] for error in report["errors"]] == [3]


# Two rows: the ledger refuses the second, because the sum would be larger than it can count.
TOO_MUCH = """name,description,type,location,quantity,unit,notes
Sugar,sweet,,Pantry,2,g,
Flour,CHANGED,Kind,Pantry,1000000000,kg,CHANGED
"""


async def too_much(member: AsyncClient) -> Json:
    """The item of the second row of TOO_MUCH, with some stock."""
    pantry = await new_location(member, "Pantry")
    await new_item(member, "Sugar")
    item = await new_item(member, "Flour")
    await new_stock(member, item, pantry, 5, unit="g", notes="dry")
    return item


async def test_row_refused_by_the_ledger_changes_nothing(member: AsyncClient, config: Config) -> None:
    item = await too_much(member)
    report = await sent(member, "add", TOO_MUCH)
    assert counts(report) == (0, 1, 0, 1), report["errors"]
    assert [(error["line"], "larger than Stocky" in error["message"]) for error in report["errors"]] == [(3, True)]
    now = await get(member, f"/items/{item['id']}")
    assert (now["description"], now["type_name"], now["version"]) == ("", None, item["version"])
    assert await get(member, "/types/") == []
    assert [sku["notes"] for sku in await get(member, "/skus/", item_id=item["id"])] == ["dry"]
    assert (await get(member, "/items/search", q="Sugar"))[0]["description"] == "sweet"
    assert await stock_of(member, "Sugar") == [("Pantry", 2, None)]
    assert await find_faults(config) == []


@pytest.mark.parametrize("is_stored", [False, True], ids=["now", "by an earlier version"])
async def test_corrected_row_refused_by_the_ledger_is_booked_once(
    is_stored: bool, member: AsyncClient, database: Database, config: Config
) -> None:
    await too_much(member)
    rows = await refused_csv(member, await sent(member, "add", TOO_MUCH))
    if is_stored:
        key, _, number = rows.strip().rpartition(",")[2].split(":")
        stored = {"event_id": f"csv:{key}:{number}", "fingerprint": "f", "refusal": "invalid", "reason": "Too much"}
        async with database.transaction() as tx:
            await tx.execute("add_refusals", **stored, recorded_at=clock.now())
    corrected = rows.replace("1000000000,kg", "3,g")
    for events in (1, 0):
        report = await sent(member, "add", corrected)
        assert (report["refused"], report["written"]["stock_events"]) == (0, events), report
        assert await stock_of(member, "Flour") == [("Pantry", 8, None)]
    report = await sent(member, "add", TOO_MUCH)
    assert (report["already_imported"], report["written"]["stock_events"]) == (2, 0)
    assert await find_faults(config) == []


async def test_extra_cells_are_returned_and_refused_again(member: AsyncClient) -> None:
    await new_location(member, "Shelf")
    rows = await refused_csv(member, await sent(member, "add", "name,location,quantity\nRice,Shelf,1,5\n"))
    assert rows.splitlines()[1].endswith(",5")
    again = await sent(member, "add", rows)
    assert (again["refused"], again["message"]) == (1, "0 rows were imported, 1 refused")
    assert (await refused_csv(member, again)).splitlines()[1].split(",")[:3] == ["Rice", "Shelf", "1"]


async def test_header_of_refused_rows_is_no_formula(member: AsyncClient) -> None:
    content = "name,location,quantity,=1+1\nTea,Nowhere,1,x\n"
    rows = await refused_csv(member, await sent(member, "set", content))
    assert rows.startswith("name,location,quantity,'=1+1,")
    await new_location(member, "Nowhere")
    assert counts(await sent(member, "set", rows)) == (1, 0, 0, 0)


@pytest.mark.parametrize(
    ("content", "delimiter"),
    [
        ("name;location;quantity\nRice;Shelf;2,5\nSalt;Shelf;1.234\n", ";"),
        ("name\tlocation\tquantity\nRice\tShelf\t2\nSalt\tShelf\t1.234\n", "\t"),
        ("sep=^\nname^location^quantity\nRice^Shelf^2\nSalt^Shelf^1.234\n", ";"),
        ('name,location,quantity\nRice,Shelf,"2,5"\nSalt,Shelf,1.234\n', ";"),
        ('name,location,quantity\nRice,Shelf,2.5\nSalt,Shelf,"1,234"\n', ","),
    ],
    ids=["semicolon", "tab", "another delimiter", "comma with decimal commas", "comma"],
)
async def test_ambiguous_number_is_refused_again(content: str, delimiter: str, member: AsyncClient) -> None:
    await new_location(member, "Shelf")
    rows = await refused_csv(member, await sent(member, "set", content))
    header, row = rows.splitlines()
    assert header.split(delimiter)[:3] == ["name", "location", "quantity"]
    assert row.startswith("Salt")
    again = await sent(member, "set", rows)
    assert (again["refused"], again["errors"][0]["column"]) == (1, "quantity")
    assert (await refused_csv(member, again)).splitlines() == [header, row]
    for wrong, right in (("1.234", "1234"), ('"1,234"', "1234")):
        rows = rows.replace(f"Salt{delimiter}Shelf{delimiter}{wrong}", f"Salt{delimiter}Shelf{delimiter}{right}")
    assert counts(await sent(member, "set", rows)) == (1, 0, 0, 0)
    assert await stock_of(member, "Salt") == [("Shelf", 1234, None)]
