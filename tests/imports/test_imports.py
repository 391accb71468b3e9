"""Imports of items and stock: all rows or none, booked once however often the file is sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient

from stocky.config import Config
from stocky.errors import Unavailable
from stocky.imports import repository
from stocky.jobs import kinds
from stocky.stock.consistency import find_faults
from tests.architecture.schema import run_beside
from tests.imports.importing import KITCHEN, begin, counts, ended, failed, imported, stock_of, table
from tests.inventory import get, made, new_item, new_location, new_stock, refused, total
from tests.people import PASSWORD

pytestmark = pytest.mark.one_server


async def test_import_creates_items_and_stock(member: AsyncClient, config: Config) -> None:
    report = await imported(member, KITCHEN)
    assert report["applied"] is True, report
    assert counts(report) == (3, 1, 0, 0)
    assert report["new_locations"] == ["Shelf", "Fridge"]
    assert report["written"] == {"items_created": 3, "items_changed": 0, "locations_created": 2, "stock_events": 4}
    items = {item["name"]: item for item in await get(member, "/items/")}
    assert items["Tea"]["upc"] == "40063813"
    assert items["Tea"]["tags"] == ["dry", "hot"]
    assert await stock_of(member, "Milk") == [("Fridge", 1.5, "2030-01-31"), ("Fridge", 2, "2030-02-28")]
    assert await stock_of(member, "Salt") == [("Shelf", 0.125, None)]
    events = (await get(member, "/events", item_id=items["Tea"]["id"]))["events"]
    assert [(event["type"], event["delta"], event["note"]) for event in events] == [("set", 3, "import, row 2")]
    assert await find_faults(config) == []


async def test_repeated_import_changes_nothing(member: AsyncClient, scanner: AsyncClient) -> None:
    await imported(member, KITCHEN)
    tea = (await get(member, "/items/search", q="Tea"))[0]
    location = (await get(member, "/locations/name/Shelf"))["id"]
    scan = {"upc": "40063813", "scanner_id": "s1", "location_hint": location}
    made(await scanner.post("/scanner/scan", json=scan))
    again = await imported(member, KITCHEN)
    assert counts(again) == (0, 0, 4, 0)
    assert again["already_imported"] == 4
    assert again["written"]["stock_events"] == 0
    assert await total(member, tea) == 4, "what was scanned since is not counted away"
    another = await imported(member, KITCHEN, import_key="the count of May")
    assert counts(another) == (0, 1, 3, 0)
    assert await total(member, tea) == 3, "under another name it is another count"


@pytest.mark.parametrize("repeats", [0, 2])
async def test_undone_import_can_be_repeated(repeats: int, member: AsyncClient, config: Config) -> None:
    report = await imported(member, KITCHEN)
    for _ in range(repeats):
        assert "booked before" in (await imported(member, KITCHEN))["message"]
    undone = made(await member.post(f"/events/batches/{report['batch_id']}/undo"))
    assert len(undone["events"]) == 4
    assert await stock_of(member, "Tea") == [("Shelf", 0, None)]
    again = await imported(member, KITCHEN)
    assert counts(again) == (0, 4, 0, 0)
    assert await stock_of(member, "Tea") == [("Shelf", 3, None)]
    assert await find_faults(config) == []


async def test_added_stock_is_booked_once(member: AsyncClient) -> None:
    delivery = "name,location,quantity\nTea,Shelf,3\nTea,Shelf,2\n"
    for _ in range(2):
        await imported(member, delivery, stock="add")
        assert await stock_of(member, "Tea") == [("Shelf", 5, None)]
    await imported(member, delivery, stock="ADD", import_key="next week")
    assert await stock_of(member, "Tea") == [("Shelf", 10, None)]


async def test_dry_run_reports_and_writes_nothing(member: AsyncClient) -> None:
    tea = await new_item(member, "Tea", upc="40063813")
    await new_stock(member, tea, await new_location(member, "Shelf"), 1)
    table_ = "code,name,barcode,location,quantity\n" + (
        f"{tea['code']},Green tea,40063813,Shelf,2.5\n,Salt,,Cellar,1\n,,40063813,,\n,Pepper,,Cellar,lots\n"
    )
    report = await imported(member, table_, dry_run="true", partial="true")
    assert counts(report) == (1, 1, 1, 1)
    assert report["applied"] is False
    assert [(change["line"], change["outcome"], change["message"]) for change in report["changes"]] == [
        (2, "changed", "name: Tea → Green tea; 2.5 at Shelf instead of 1"),
        (3, "created", "new item Salt; 1 at Cellar"),
    ]
    assert report["errors"] == [
        {"line": 5, "outcome": "refused", "item": "Pepper", "column": "quantity", "message": "'lots' is not a number"}
    ]
    assert report["new_locations"] == ["Cellar"]
    assert [item["name"] for item in await get(member, "/items/")] == ["Tea"]
    assert await stock_of(member, "Tea") == [("Shelf", 1, None)]
    rows = await table(member, f"/imports/{report['job_id']}/report.csv")
    assert [(row["line"], row["outcome"]) for row in rows] == [
        ("2", "changed"),
        ("3", "created"),
        ("4", "unchanged"),
        ("5", "refused"),
    ]
    assert "Green tea" in rows[0]["message"]


async def test_report_of_one_row_is_singular(member: AsyncClient) -> None:
    report = await imported(member, KITCHEN + "Rice,,Shelf,many,kg,,\n", partial="true")
    assert report["message"] == "4 rows were imported, 1 refused"
    assert (await imported(member, "name\nSugar\n"))["message"] == "1 row was imported, 0 refused"


async def test_one_refused_row_refuses_the_file(member: AsyncClient) -> None:
    report = await imported(member, KITCHEN + "Rice,,Shelf,many,kg,,\n")
    assert report["applied"] is False
    assert "1 of 5 rows" in report["message"]
    assert await get(member, "/items/") == []
    assert await get(member, "/locations/") == []


async def test_partial_import_returns_refused_rows(member: AsyncClient) -> None:
    report = await imported(member, KITCHEN + 'Rice,,Shelf,"many; ""more""",kg,,=1+1\n', partial="true")
    assert report["applied"] is True
    assert counts(report) == (3, 1, 0, 1)
    assert len(await get(member, "/items/")) == 3
    answer = await member.get(f"/imports/{report['job_id']}/refused.csv")
    (row,) = await table(member, f"/imports/{report['job_id']}/refused.csv")
    assert row["name"] == "Rice"
    assert row["quantity"] == 'many; "more"'
    assert row["tags"] == "'=1+1", "also what is given back is no formula"
    assert row["import_problem"].startswith("quantity: ")
    mended = answer.content.decode("utf-8-sig").replace('"many; ""more"""', "2")
    assert counts(await imported(member, mended)) == (1, 0, 0, 0)


TWO_LOCATIONS = "name,location,quantity\nRice,Shelf,5\nSalt,Cellar,3\n"


@pytest.mark.parametrize("mode", ["set", "add"])
@pytest.mark.parametrize("first_location", ["Shelf", "Attic"], ids=["one row taken", "no row taken"])
async def test_refused_rows_are_booked_once_when_sent_again(
    first_location: str, mode: str, member: AsyncClient, config: Config
) -> None:
    await new_location(member, first_location)
    taken = int(first_location == "Shelf")
    for _ in range(2):
        report = await imported(member, TWO_LOCATIONS, partial="true", create_locations="false", stock=mode)
        assert report["refused"] == 2 - taken
    assert report["already_imported"] == taken
    for events in (2 - taken, 0):
        again = await imported(member, TWO_LOCATIONS, stock=mode)
        assert again["written"]["stock_events"] == events
        assert again["already_imported"] == 2 - events
        assert ("booked before" in again["message"]) == (events < 2)
        assert await stock_of(member, "Rice") == [("Shelf", 5, None)]
        assert await stock_of(member, "Salt") == [("Cellar", 3, None)]
    assert await find_faults(config) == []


async def test_equal_stock_is_not_set_again_by_a_repeated_import(
    member: AsyncClient,
) -> None:
    shelf = await new_location(member, "Shelf")
    await new_stock(member, await new_item(member, "Rice"), shelf, 5)
    report = await imported(member, TWO_LOCATIONS, partial="true", create_locations="false")
    assert (counts(report), report["written"]["stock_events"]) == ((0, 0, 1, 1), 0)
    await new_stock(member, (await get(member, "/items/search", q="Rice"))[0], shelf, 1)
    again = await imported(member, TWO_LOCATIONS)
    assert (counts(again), again["already_imported"]) == ((1, 0, 1, 0), 1)
    assert await stock_of(member, "Rice") == [("Shelf", 6, None)]
    assert await stock_of(member, "Salt") == [("Cellar", 3, None)]


@pytest.mark.parametrize("undone", [0, 1])
async def test_either_part_of_a_file_can_be_undone_and_repeated(
    undone: int, member: AsyncClient, config: Config
) -> None:
    await new_location(member, "Shelf")
    parts = [
        await imported(member, TWO_LOCATIONS, partial="true", create_locations="false"),
        await imported(member, TWO_LOCATIONS),
    ]
    made(await member.post(f"/events/batches/{parts[undone]['batch_id']}/undo"))
    # The stock of the other part has been used since.
    other, location = [("Salt", "Cellar"), ("Rice", "Shelf")][undone]
    item = (await get(member, "/items/search", q=other))[0]
    await new_stock(member, item, await get(member, f"/locations/name/{location}"), 1)
    used = await total(member, item)
    again = await imported(member, TWO_LOCATIONS)
    assert again["written"]["stock_events"] == again["already_imported"] == 1
    assert await total(member, item) == used
    assert {each["name"]: each["total_quantity"] for each in await get(member, "/items/")} == {
        "Rice": 5 + undone,
        "Salt": 4 - undone,
    }
    assert await find_faults(config) == []


async def test_only_refused_rows_of_many_are_booked_later(member: AsyncClient, config: Config) -> None:
    await new_location(member, "Shelf")
    # Several chunks; every third row and some adjacent ones have an unknown location, and some rows have no stock.
    rows = [(number, "Cellar" if number % 3 == 0 or 200 <= number < 230 else "Shelf") for number in range(1, 451)]
    delivery = "name,location,quantity\n" + "".join(
        f"Thing {number},{location},{number}\n" + (f"Picture {number},,\n" if number % 5 == 0 else "")
        for number, location in rows
    )
    missing = sum(location == "Cellar" for _, location in rows)
    report = await imported(member, delivery, partial="true", create_locations="false", stock="add")
    assert report["refused"] == missing
    again = await imported(member, delivery, stock="add")
    assert (again["written"]["stock_events"], again["already_imported"]) == (missing, 450 - missing)
    items = await get(member, "/items/", limit=1000, search="Thing")
    assert {item["name"]: item["total_quantity"] for item in items} == {f"Thing {number}": number for number, _ in rows}
    assert await find_faults(config) == []


async def test_restarted_import_recognises_its_own_events(
    member: AsyncClient, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The import is interrupted after all rows are written and before it is recorded."""
    await new_location(member, "Shelf")
    count, tried = repository.count_written, list[str]()

    async def count_later(*asked: Any) -> object:
        tried.append("once")
        if len(tried) == 1:
            raise Unavailable("the database is away")
        return await count(*asked)

    monkeypatch.setattr(repository, "count_written", count_later)
    monkeypatch.setattr(kinds, "LONGEST_DELAY", timedelta())
    content = TWO_LOCATIONS + "Tea,Shelf,2\n"
    report = await imported(member, content, partial="true", create_locations="false", stock="add")
    assert len(tried) == 2
    assert report["written"]["stock_events"] == 2
    # While the import is not undone as a whole, its singly undone events stay undone.
    rice = (await get(member, "/items/search", q="Rice"))[0]
    (event,) = (await get(member, "/events", item_id=rice["id"]))["events"]
    made(await member.post(f"/events/{event['id']}/undo"))
    assert (await imported(member, content, stock="add"))["written"]["stock_events"] == 1
    assert [await stock_of(member, name) for name in ("Rice", "Salt")] == [[("Shelf", 0, None)], [("Cellar", 3, None)]]
    made(await member.post(f"/events/batches/{report['batch_id']}/undo"))
    for events in (2, 0):
        assert (await imported(member, content, stock="add"))["written"]["stock_events"] == events
        assert await stock_of(member, "Rice") == [("Shelf", 5, None)]
        assert await stock_of(member, "Salt") == [("Cellar", 3, None)]
    assert await find_faults(config) == []


async def test_import_key_is_reusable_after_complete_refusal(member: AsyncClient) -> None:
    report = await imported(member, TWO_LOCATIONS, import_key="May", partial="true", create_locations="false")
    assert report["refused"] == 2
    mended = TWO_LOCATIONS.replace("Salt", "Sea salt")
    assert (await imported(member, mended, import_key="May"))["written"]["stock_events"] == 2
    job = await failed(member, TWO_LOCATIONS, import_key="May")
    assert job["error_status"] == 409


async def test_concurrent_imports_of_one_file_book_once(member: AsyncClient, config: Config) -> None:
    content = "name,location,quantity\n" + "".join(f"Item {number},Shelf,1\n" for number in range(120))
    started = [await begin(member, content, stock="add") for _ in range(2)]
    reports = [(await ended(member, each["job_id"]))["result"] for each in started]
    assert all(report["applied"] for report in reports), reports
    items = await get(member, "/items/", limit=1000)
    assert len(items) == 120
    assert {item["total_quantity"] for item in items} == {1}
    assert sum(report["written"]["stock_events"] for report in reports) == 120
    assert await find_faults(config) == []
    # Each import accounts for its own events.
    undone = next(report for report in reports if report["batch_id"])
    made(await member.post(f"/events/batches/{undone['batch_id']}/undo"))
    again = await imported(member, content, stock="add")
    assert again["written"]["stock_events"] == undone["written"]["stock_events"]
    assert {item["total_quantity"] for item in await get(member, "/items/", limit=1000)} == {1}
    assert await find_faults(config) == []


async def test_import_key_belongs_to_one_file(member: AsyncClient) -> None:
    await imported(member, "name,location,quantity\nTea,Shelf,1\n", import_key="May")
    job = await failed(member, "name,location,quantity\nTea,Shelf,2\n", import_key="May")
    assert job["error_status"] == 409
    assert await stock_of(member, "Tea") == [("Shelf", 1, None)]


async def test_concurrent_files_with_one_key_lose_no_row_silently(member: AsyncClient) -> None:
    tables = [
        "name,location,quantity\n" + "".join(f"{name} {row},Shelf,{row}\n" for row in range(1, 61))
        for name in ("Tea", "Salt")
    ]
    jobs = [(await begin(member, table, import_key="same"))["job_id"] for table in tables]
    jobs_ended = [await ended(member, job) for job in jobs]
    for name, job in zip(("Tea", "Salt"), jobs_ended, strict=True):
        is_applied = job["status"] == "done" and job["result"]["applied"]
        assert [len(await stock_of(member, f"{name} {row}")) for row in (1, 60)] == [is_applied] * 2, jobs_ended
    assert any(job["status"] == "done" and job["result"]["applied"] for job in jobs_ended)
    assert not all(job["status"] == "done" and job["result"]["applied"] for job in jobs_ended)


async def test_members_see_own_imports_and_admins_all(
    member: AsyncClient, admin: AsyncClient, scanner: AsyncClient
) -> None:
    own = await imported(member, "name\nTea\n")
    others = await imported(admin, "name\nSalt\n")
    assert [job["id"] for job in await get(member, "/imports")] == [own["job_id"]]
    assert [job["id"] for job in await get(admin, "/imports")] == [others["job_id"], own["job_id"]]
    for path in ("", "/events", "/report.csv", "/refused.csv"):
        refused(await member.get(f"/imports/{others['job_id']}{path}"), 404, "no import")
        assert (await admin.get(f"/imports/{own['job_id']}{path}")).status_code == 200
    backup = made(await admin.post("/backup/create/full"))
    assert backup
    jobs = [job["id"] for job in await get(admin, "/jobs") if job["kind"] != "import.csv"]
    refused(await admin.get(f"/imports/{jobs[0]}"), 404, "no import")


async def test_imports_stay_with_their_user_when_usernames_change(
    member: AsyncClient, signed_in_admin: AsyncClient
) -> None:
    own = await imported(member, "name\nTea\n")
    me = await get(member, "/auth/me")
    made(await signed_in_admin.put(f"/users/{me['id']}", json={"username": "renamed"}))
    assert [job["id"] for job in await get(member, "/imports")] == [own["job_id"]]
    assert (await get(member, f"/imports/{own['job_id']}"))["created_by"] == "member"
    new = {"username": "member", "email": "new@example.org", "password": PASSWORD, "role": "member"}
    user = made(await signed_in_admin.post("/users", json=new))
    key = made(await signed_in_admin.post(f"/users/{user['id']}/api-keys", json={"name": "tests"}))["api_key"]
    headers = {"X-API-Key": key}
    assert (await member.get("/imports", headers=headers)).json() == []
    refused(await member.get(f"/imports/{own['job_id']}/report.csv", headers=headers), 404, "no import")


async def test_import_is_not_of_a_later_user_with_the_same_id(
    member: AsyncClient, signed_in_admin: AsyncClient, config: Config
) -> None:
    own = await imported(member, "name\nTea\n")
    # A restore keeps jobs and replaces users: their ids are given again, to users who are newer than the job.
    await run_beside(config, f"UPDATE job SET created_at = '2000-01-01T00:00:00Z' WHERE id = {own['job_id']}")
    assert await get(member, "/imports") == []
    refused(await member.get(f"/imports/{own['job_id']}/report.csv"), 404, "no import")
    assert [job["id"] for job in await get(signed_in_admin, "/imports")] == [own["job_id"]]


async def test_import_is_in_the_audit_trail(member: AsyncClient, admin: AsyncClient) -> None:
    report = await imported(member, "name,location,quantity\nTea,Shelf,1\n", name="tea.csv")
    entries = await get(admin, "/audit", subject="import")
    assert entries[0]["details"]["filename"] == "tea.csv"
    assert entries[0]["request_id"] == report["import_id"]
    created = await get(admin, "/audit", subject="item", action="created")
    assert created[0]["request_id"] == report["import_id"]
