"""Interrupted imports: by a kill, a scan or a conflicting change. All rows are imported or none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest
from httpx import AsyncClient

from stocky.config import Config
from stocky.errors import Unavailable
from stocky.imports import applier
from stocky.jobs import kinds
from stocky.stock.consistency import find_faults
from tests.imports.importing import before_chunk, begin, counts, ended, imported
from tests.inventory import Json, get, made, new_item, new_location, new_stock, refused, total
from tests.serving import Server

pytestmark = pytest.mark.one_server

ROWS = 120


def deliveries(rows: int = ROWS) -> str:
    """Rows that each create an item."""
    head = "name,barcode,location,quantity,description\n"
    return head + "".join(
        f"Thing {number},thing-{number:06},Shelf {number % 3},{number + 1},new\n" for number in range(rows)
    )


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slows an import down, to act between two chunks."""
    monkeypatch.setattr(applier, "CHUNK_ROWS", 5)
    monkeypatch.setattr(applier, "PAUSE_SECONDS", 0.05)


async def writing(client: AsyncClient, job_id: int, rows: int) -> Json:
    """The job after so many rows are written."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        job: Json = await get(client, f"/imports/{job_id}")
        assert job["status"] in ("queued", "running"), job
        if job["progress"]["phase"] == "writing" and job["progress"]["done"] >= rows:
            return job
        await asyncio.sleep(0.01)
    raise AssertionError(f"it does not write: {job}")


@pytest.mark.usefixtures("slowly")
async def test_late_failure_rolls_back_the_import(member: AsyncClient, config: Config) -> None:
    old, shelf = await new_item(member, "Old", upc="old-barcode"), await new_location(member, "Old shelf")
    sku = await new_stock(member, old, shelf, 7, unit="piece")
    content = deliveries().replace("new\n", "new\nOlder,old-barcode,Old shelf,9,changed\n", 1)
    started = await begin(member, content)
    await writing(member, started["job_id"], 20)
    thief = await new_item(member, "Thief", upc=f"thing-{ROWS - 1:06}")
    job = await ended(member, started["job_id"])
    report = job["result"]
    assert report["applied"] is False
    assert report["errors"][-1]["line"] == ROWS + 2
    assert "Thief" in report["errors"][-1]["message"]
    taken_back = report["taken_back"]
    assert taken_back["left"] == []
    assert taken_back["items"] > 20
    assert taken_back["stock_events"] == taken_back["items"], "one event each, the old item's among them"
    assert taken_back["locations"] == 3
    assert [item["id"] for item in await get(member, "/items/")] == [old["id"], thief["id"]]
    assert [location["name"] for location in await get(member, "/locations/")] == ["Old shelf"]
    now = await get(member, f"/items/{old['id']}")
    assert (now["name"], now["description"], now["total_quantity"]) == ("Old", "", 7)
    assert (await get(member, f"/skus/{sku['id']}"))["quantity"] == 7
    assert await find_faults(config) == []
    # The import can be repeated.
    assert (await member.delete(f"/items/{thief['id']}/barcodes/{thief['upc']}")).status_code == 204
    again = await imported(member, content)
    assert again["applied"] is True
    assert counts(again) == (ROWS, 1, 0, 0)
    assert await find_faults(config) == []


@pytest.mark.usefixtures("slowly")
async def test_rollback_keeps_unit_changed_meanwhile(member: AsyncClient, config: Config) -> None:
    old, shelf = await new_item(member, "Old", upc="old-barcode"), await new_location(member, "Old shelf")
    sku = await new_stock(member, old, shelf, 7, unit="piece")
    head, rest = deliveries().replace("description", "unit").replace(",new", ",piece").split("\n", 1)
    started = await begin(member, f"{head}\nOlder,old-barcode,Old shelf,9,bag\n{rest}")
    await writing(member, started["job_id"], 20)
    await new_item(member, "Thief", upc=f"thing-{ROWS - 1:06}")
    report = (await ended(member, started["job_id"]))["result"]
    assert report["applied"] is False
    event, unit = report["taken_back"]["left"]
    assert f"before the unit of SKU {sku['id']} was changed to bag" in event
    assert unit == f"sku {sku['id']}: its stock was not rolled back, so its unit stays bag; correct both by hand"
    now = await get(member, f"/skus/{sku['id']}")
    assert (now["quantity"], now["unit"]) == (9, "bag")
    assert (await get(member, f"/items/{old['id']}"))["name"] == "Old"
    assert await find_faults(config) == []


@pytest.mark.usefixtures("slowly")
async def test_rollback_lists_records_used_meanwhile(member: AsyncClient, scanner: AsyncClient, config: Config) -> None:
    started = await begin(member, deliveries())
    await writing(member, started["job_id"], 20)
    shelf = (await get(member, "/locations/name/Shelf 0"))["id"]
    scan = {"upc": "thing-000000", "scanner_id": "s1", "location_hint": shelf}
    assert made(await scanner.post("/scanner/scan", json=scan))["success"]
    await new_item(member, "Thief", upc=f"thing-{ROWS - 1:06}")
    report = (await ended(member, started["job_id"]))["result"]
    assert report["applied"] is False
    assert len(report["taken_back"]["left"]) == 2, "the item and the location of what was scanned"
    assert "Thing 0 still holds stock" in " ".join(report["taken_back"]["left"])
    (thing,) = await get(member, "/items/search", q="thing-000000")
    assert await total(member, thing) == 1, "the scan counts, and nothing but the scan"
    assert await find_faults(config) == []


@pytest.mark.usefixtures("slowly")
async def test_partial_import_continues_without_the_failed_row(member: AsyncClient, config: Config) -> None:
    started = await begin(member, deliveries(), partial="true")
    await writing(member, started["job_id"], 20)
    await new_item(member, "Thief", upc=f"thing-{ROWS - 1:06}")
    report = (await ended(member, started["job_id"]))["result"]
    assert report["applied"] is True
    assert counts(report) == (ROWS - 1, 0, 0, 1)
    assert report["written"]["items_created"] == ROWS - 1
    refused_rows = (await member.get(f"/imports/{started['job_id']}/refused.csv")).text
    assert "thing-000119" in refused_rows
    assert await find_faults(config) == []


@pytest.mark.usefixtures("slowly")
async def test_import_of_demoted_user_is_rejected(
    member: AsyncClient, admin: AsyncClient, signed_in_admin: AsyncClient
) -> None:
    me = await get(member, "/auth/me")
    made(await signed_in_admin.put(f"/users/{me['id']}", json={"role": "read_only"}))
    refused(await member.post("/imports", files={"file": ("x.csv", b"name\nTea\n")}), 403, "Access denied")
    assert await get(admin, "/imports") == []


@pytest.mark.usefixtures("slowly")
async def test_interrupted_import_of_demoted_user_is_rolled_back(
    member: AsyncClient, signed_in_admin: AsyncClient, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_off() -> None:
        me = await get(member, "/auth/me")
        made(await signed_in_admin.put(f"/users/{me['id']}", json={"role": "read_only"}))
        raise Unavailable("the database is away")

    monkeypatch.setattr(kinds, "LONGEST_DELAY", timedelta())
    before_chunk(monkeypatch, 3, break_off)
    job = await ended(signed_in_admin, (await begin(member, deliveries(30)))["job_id"])
    assert (job["status"], job["attempts"], job["error_status"]) == ("failed", 2, 403)
    assert await get(member, "/items/") == []
    assert await get(member, "/locations/") == []
    assert await find_faults(config) == []


@pytest.mark.slow
async def test_killed_import_resumes_and_books_once(
    keys: dict[str, str], config: Config, serve: Callable[..., AbstractContextManager[Server]]
) -> None:
    content = deliveries(1_500)
    headers = {"X-API-Key": keys["member"]}
    with serve() as server:
        async with AsyncClient(base_url=server.api, headers=headers, timeout=30) as client:
            started = await begin(client, content)
            before = await writing(client, started["job_id"], 300)
        server.kill()
    assert before["progress"]["done"] < 1_500
    with serve() as server:
        async with AsyncClient(base_url=server.api, headers=headers, timeout=30) as client:
            deadline = time.monotonic() + 150
            while (job := await get(client, f"/imports/{started['job_id']}"))["status"] not in ("done", "failed"):
                assert time.monotonic() < deadline, job
                await asyncio.sleep(0.2)
            report = job["result"]
            assert job["attempts"] == 2
            assert report["applied"] is True
            assert counts(report) == (1_500, 0, 0, 0), "the counts are those of the whole import"
            assert report["written"] == {
                "items_created": 1_500,
                "items_changed": 0,
                "locations_created": 3,
                "stock_events": 1_500,
            }
            items: list[Json] = []
            while page := await get(client, "/items/", skip=len(items), limit=1000):
                items += page
            assert sorted(item["total_quantity"] for item in items) == list(range(1, 1_501))
    assert await find_faults(config) == []
