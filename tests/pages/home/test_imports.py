"""Importing a table on pages: a file, its columns, the dry run, the import, taking it back; and exports."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from httpx import AsyncClient, Response

from stocky.imports import drafts
from tests.conftest import ORIGIN
from tests.inventory import new_item
from tests.pages.conftest import Browser

pytestmark = pytest.mark.one_postgres
Browse = Callable[[str], Awaitable[Browser]]

TABLE = "Artikel;Menge;Wo\nÄpfel;1,5;Keller\nBirnen;viel;Keller\n"
COLUMNS = {
    "column-0": "name",
    "column-1": "quantity",
    "column-2": "location",
    "create_locations": "true",
    "encoding": "cp1252",
}


async def upload(browser: Browser, content: bytes, name: str = "a.csv") -> Response:
    """Chooses a file, as a browser without script sends it: the token comes before the file."""
    await browser.show("/import")
    fields = {"csrf": (None, browser.csrf), "file": (name, content, "text/csv")}
    return await browser.post("/import", files=fields, headers={"Origin": ORIGIN})


async def ended(browser: Browser, path: str) -> str:
    """The page of an import when it has ended: it reloads itself until then."""
    for _ in range(600):
        page = (await browser.show(path)).text
        if 'http-equiv="refresh"' not in page:
            return page
        await asyncio.sleep(0.05)
    raise AssertionError(page)


async def test_from_file_to_stock_and_back(browse: Browse, admin: AsyncClient) -> None:
    browser = await browse("member")
    answer = await upload(browser, TABLE.encode("cp1252"))
    assert answer.status_code == 303, answer.text
    draft = answer.headers["location"]
    page = (await browser.show(draft)).text
    assert "Äpfel" in page, "the encoding is found"
    refused = await browser.submit(draft, {**COLUMNS, "column-0": ""})
    assert refused.status_code == 422
    assert "No column holds" in refused.text
    assert '<option value="quantity" selected>' in refused.text, "what was chosen is kept"

    tried = await browser.submit(draft, {**COLUMNS, "decimal": "comma"})
    assert tried.status_code == 303, tried.text
    dry = await ended(browser, tried.headers["location"])
    assert "1 row is refused" in dry
    assert "is not a number" in dry
    assert (await admin.get("/items/")).json() == [], "nothing is written yet"
    again = (await browser.show(f"{draft}?tried={tried.headers['location'].rpartition('/')[2]}")).text
    assert again.count("selected>") >= 4, "the columns of the dry run"

    started = await browser.submit(f"{tried.headers['location']}/go", {"partial": "true"})
    done = started.headers["location"]
    page = await ended(browser, done)
    assert "1 row is imported" in page
    assert [each["quantity"] for each in (await admin.get("/skus/")).json()] == [1.5]
    assert "Äpfel" in (await browser.show(f"{done}?outcome=created")).text
    taken = await browser.submit(f"{done}/undo")
    assert taken.status_code == 303, taken.text
    assert [each["quantity"] for each in (await admin.get("/skus/")).json()] == [0]
    assert (await browser.submit(f"{done}/undo")).status_code == 409


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"PK\x03\x04....", "workbook"), (b"name,name\nx,y\n", "twice"), (b"\x00\x01\x02", "UTF-16")],
)
async def test_what_is_no_table(content: bytes, reason: str, browse: Browse) -> None:
    browser = await browse("member")
    answer = await upload(browser, content)
    assert answer.status_code == 422
    assert reason in answer.text
    none = await browser.post("/import", files={"csrf": (None, browser.csrf)}, headers={"Origin": ORIGIN})
    assert none.status_code == 400


async def test_a_file_is_its_senders(browse: Browse) -> None:
    draft = (await upload(await browse("member"), b"name\nTea\n")).headers["location"]
    other = await browse("admin")
    assert (await other.get(draft)).headers["location"] == "/import?gone=1"
    assert "not there any more" in (await other.show("/import?gone=1")).text
    assert (await other.submit(draft, {"column-0": "name"})).status_code == 404


async def test_a_file_that_cannot_be_read_as_chosen(browse: Browse) -> None:
    browser = await browse("member")
    draft = (await upload(browser, "Größe\nTee\n".encode("cp1252"))).headers["location"]
    answer = await browser.submit(draft, {"column-0": "name", "encoding": "utf-8"})
    assert answer.status_code == 422
    assert '<option value="utf-8" selected>' in answer.text, "the form, as it was sent"
    assert "Größe" in answer.text
    assert (await browser.get(f"{draft}?tried=1{'0' * 30}")).status_code == 422


async def test_the_oldest_file_makes_room(browse: Browse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "MOST_DRAFTS", 2)
    admin, browser = await browse("admin"), await browse("member")
    of_admin = (await upload(admin, b"name\nTea\n")).headers["location"]
    own = [(await upload(browser, b"name\nTea\n")).headers["location"] for _ in range(3)]
    await admin.show(of_admin)
    assert [(await browser.get(each)).status_code for each in own] == [303, 200, 200]


async def test_an_imported_file_is_removed(browse: Browse) -> None:
    browser = await browse("member")
    draft = (await upload(browser, b"name\nTea\n")).headers["location"]
    tried = (await browser.submit(draft, {"column-0": "name"})).headers["location"]
    await ended(browser, tried)
    await browser.show(draft)
    await ended(browser, (await browser.submit(f"{tried}/go")).headers["location"])
    assert (await browser.get(draft)).headers["location"] == "/import?gone=1"


async def test_exports_lead_to_the_files(browse: Browse, admin: AsyncClient) -> None:
    await new_item(admin, "Tea")
    browser = await browse("reader")
    for path, wanted in {
        "/export/items?search=te&storage_type=&type_id=&tag=": "/api/v1/exports/items.csv?search=te",
        "/export/stock?item_id=&item_id_text=tea&low_stock=true": "/api/v1/exports/stock.csv?item_id=1&low_stock=true",
        "/export/events?since=2026-01-31&type=": r"/api/v1/exports/events.csv\?since=2026-01-3\d",
    }.items():
        answer = await browser.get(path)
        assert answer.status_code == 303, answer.text
        location: str = answer.headers["location"]
        assert location == wanted or re.match(wanted, location), location
        file = await browser.get(location)
        assert file.headers["content-type"].startswith("text/csv"), file.text
    missing: Any = await browser.get("/export/stock?item_id_text=nothing")
    assert missing.status_code == 422
