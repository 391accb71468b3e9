"""Importing a table on pages: a file, its columns, the dry run, the import, taking it back; and exports."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from httpx import AsyncClient, Response

from stocky.config import Config
from stocky.imports import drafts
from tests.conftest import ORIGIN
from tests.imports.test_presets import content_of
from tests.inventory import get, made, new_item
from tests.pages.conftest import Browser

pytestmark = pytest.mark.one_server
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
    for words in ("Minimum", "Box number", "Slot number", "Kept in"):
        assert f">{words}</option>" in page, "the words of the forms"
    refused = await browser.submit(draft, {**COLUMNS, "column-0": ""})
    assert refused.status_code == 422
    assert "No column holds" in refused.text
    assert '<option value="quantity" selected>' in refused.text, "what was chosen is kept"

    tried = await browser.submit(draft, {**COLUMNS, "decimal": "comma"})
    assert tried.status_code == 303, tried.text
    dry = await ended(browser, tried.headers["location"])
    assert "1 row is refused" in dry
    assert "is not a number" in dry
    assert "<b>Birnen</b>" in dry
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


async def test_columns_are_explained_in_german(browse: Browse) -> None:
    text = (await (await browse("member")).show("/import", headers={"Accept-Language": "de"})).text
    assert "Die Seriennummer eines einzelnen Stücks" in text


async def test_a_file_is_its_senders(browse: Browse) -> None:
    draft = (await upload(await browse("member"), b"name\nTea\n")).headers["location"]
    other = await browse("admin")
    assert (await other.get(draft)).headers["location"] == "/import?gone=1"
    assert "no longer stored" in (await other.show("/import?gone=1")).text
    assert (await other.submit(draft, {"column-0": "name"})).status_code == 404


@pytest.mark.parametrize("damaged", [b'{"id":"\xf7"}', b'{"x":' + b"[" * 100_000], ids=["bytes", "nested"])
async def test_a_file_whose_description_is_damaged_is_gone(browse: Browse, config: Config, damaged: bytes) -> None:
    browser = await browse("member")
    draft = (await upload(browser, b"name\nTea\n")).headers["location"]
    (description,) = (config.data_dir / "imports").glob("*/draft.json")
    description.write_bytes(damaged)
    assert (await browser.get(draft)).headers["location"] == "/import?gone=1"


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


async def test_columns_that_may_hold_one_field_are_a_question(browse: Browse, admin: AsyncClient) -> None:
    browser = await browse("member")
    draft = (await upload(browser, b"Item,location,On hand,Count\nScrews,Shelf,5,1001\n")).headers["location"]
    page = (await browser.show(draft)).text
    for words in ("Which column is “Amount”?", "Which column is “Name”?", "None of them", ">On hand</label>", "1001"):
        assert words in page
    chosen = {"column-1": "location", "answer-name": "0", "create_locations": "true"}
    refused = await browser.submit(draft, chosen)
    assert refused.status_code == 422
    assert "is required" in refused.text
    assert 'name="answer-name" type="radio" value="0" checked' in refused.text, "what was chosen is kept"
    tried = await browser.submit(draft, {**chosen, "answer-quantity": "2"})
    assert tried.status_code == 303, tried.text
    assert "All rows can be imported" in await ended(browser, tried.headers["location"])
    again = (await browser.show(f"{draft}?tried={tried.headers['location'].rpartition('/')[2]}")).text
    assert "Which column" not in again
    await ended(browser, (await browser.submit(f"{tried.headers['location']}/go")).headers["location"])
    assert [each["quantity"] for each in (await admin.get("/skus/")).json()] == [5]


async def test_questions_about_the_whole_file_are_beside_their_choices(browse: Browse, admin: AsyncClient) -> None:
    browser = await browse("member")
    draft = (await upload(browser, b"name,quantity,best before\nTea,5,01/02/2027\n")).headers["location"]
    chosen = {"column-0": "name", "column-1": "quantity", "column-2": "expiry_date", "create_locations": "true"}
    refused = await browser.submit(draft, chosen)
    assert refused.status_code == 422
    dates = "Choose the order of the dates: 01/02/2027 is 2027-02-01; 01/02/2027 is 2027-01-02"
    for words in (dates, "name the location of all rows"):
        assert words in refused.text
    german = (await browser.submit(draft, chosen, headers={"Accept-Language": "de"})).text
    assert "der Datumsangaben wählen: 01/02/2027 ist 2027-02-01; 01/02/2027 ist 2027-01-02" in german
    assert ">seiner Herstellernummer</option>" in german
    tried = await browser.submit(draft, {**chosen, "dates": "dmy", "location": "Shelf"})
    assert tried.status_code == 303, tried.text
    await ended(browser, tried.headers["location"])
    again = (await browser.show(f"{draft}?tried={tried.headers['location'].rpartition('/')[2]}")).text
    assert '<option value="dmy" selected>' in again
    await ended(browser, (await browser.submit(f"{tried.headers['location']}/go")).headers["location"])
    assert [each["expiry_date"] for each in (await admin.get("/skus/")).json()] == ["2027-02-01"]


async def test_dates_in_different_orders_are_a_question_in_german(browse: Browse) -> None:
    browser = await browse("member")
    table = b"name,best before\nTea,13/02/2027\nMilk,02/13/2027\n"
    draft = (await upload(browser, table)).headers["location"]
    chosen = {"column-0": "name", "column-1": "expiry_date"}
    refused = await browser.submit(draft, chosen, headers={"Accept-Language": "de"})
    assert "der Datumsangaben wählen: Tag, Monat, Jahr; Monat, Tag, Jahr" in refused.text


async def test_barcodes_that_may_lack_a_zero_are_a_question(browse: Browse, admin: AsyncClient) -> None:
    browser = await browse("member")
    draft = (await upload(browser, b"name,barcode\nCola,36000291452\nBolt,36000291453\n")).headers["location"]
    chosen = {"column-0": "name", "column-1": "barcode"}
    refused = await browser.submit(draft, chosen)
    assert "Some barcodes may lack a leading zero: 36000291452 is 036000291452" in refused.text
    german = (await browser.submit(draft, chosen, headers={"Accept-Language": "de"})).text
    assert "36000291452 ist 036000291452; 36000291452 ist 36000291452" in german
    tried = (await browser.submit(draft, {**chosen, "repair_barcodes": "true"})).headers["location"]
    assert "1 row with a barcode that a spreadsheet changed" in await ended(browser, tried)
    # One alone is repaired without a question: the dry run says so, and it can be left as it is.
    draft = (await upload(browser, b"name,barcode\nCola,36000291452\n")).headers["location"]
    tried = (await browser.submit(draft, chosen)).headers["location"]
    page = await ended(browser, tried)
    assert "1 row has a barcode that is repaired" in page
    assert "36000291452 was without its leading zero: 036000291452" in page
    again = (await browser.submit(f"{tried}/go", {"as_written": "true"})).headers["location"]
    page = await ended(browser, again)
    assert ("Dry run" in page, "is repaired" in page, await get(admin, "/items/")) == (True, False, [])
    await ended(browser, (await browser.submit(f"{again}/go")).headers["location"])
    [item] = await get(admin, "/items/")
    assert [each["barcode"] for each in item["barcodes"]] == ["36000291452"]


async def test_encodings_are_chosen_by_their_text(browse: Browse, admin: AsyncClient) -> None:
    browser = await browse("member")
    draft = (await upload(browser, "name\nŻółw\n".encode("cp1250"))).headers["location"]
    page = (await browser.show(draft)).text
    assert "Which text is right?" in page
    assert "Żółw" in page
    assert "¯ó³w" in page
    assert 'value="cp1250" checked' in page
    tried = await browser.submit(draft, {"column-0": "name", "encoding": "cp1250"})
    await ended(browser, tried.headers["location"])
    await ended(browser, (await browser.submit(f"{tried.headers['location']}/go")).headers["location"])
    assert [item["name"] for item in (await admin.get("/items/")).json()] == ["Żółw"]


async def test_file_of_another_program_is_read_as_it_is(browse: Browse, admin: AsyncClient) -> None:
    browser = await browse("member")
    draft = (await upload(browser, content_of("sortly"))).headers["location"]
    page = (await browser.show(draft)).text
    assert "This looks like a file of Sortly" in page
    assert 'name="column-0"' not in page
    assert 'name="preset" value="sortly"' in page
    own = (await browser.show(f"{draft}?preset=none")).text
    assert 'name="column-0"' in own
    assert "Read it as one" in own
    chosen = {"preset": "sortly", "create_locations": "true", "update_items": "true", "stock": "set"}
    tried = (await browser.submit(draft, chosen)).headers["location"]
    assert "All rows can be imported" in await ended(browser, tried)
    assert "a folder, not an item" in (await browser.show(f"{tried}?outcome=skipped")).text
    again = (await browser.show(f"{draft}?tried={tried.rpartition('/')[2]}")).text
    assert 'name="preset" value="sortly"' in again
    await ended(browser, (await browser.submit(f"{tried}/go")).headers["location"])
    assert {item["name"] for item in (await admin.get("/items/")).json()} == {"Tonic water", "T-shirt, Size: L"}


async def test_order_asks_for_its_location(browse: Browse, admin: AsyncClient) -> None:
    browser = await browse("member")
    draft = (await upload(browser, content_of("lcsc"))).headers["location"]
    page = (await browser.show(draft)).text
    assert 'value="add" checked' in page
    assert '<option value="manufacturer_code" selected>' in page
    chosen = {"preset": "lcsc", "create_locations": "true", "stock": "add", "key": "manufacturer_code"}
    refused = await browser.submit(draft, chosen)
    assert "name the location of all rows" in refused.text
    assert 'name="preset" value="lcsc"' in refused.text
    assert (await browser.submit(draft, {**chosen, "location": "Parts"})).status_code == 303
    assert (await browser.get(f"{draft}?preset=excel")).status_code == 422


async def test_bill_of_materials_from_the_page_of_a_project(browse: Browse, admin: AsyncClient) -> None:
    timer = await new_item(admin, "Timer", manufacturer_code="NE555P")
    made(await admin.post("/projects/", json={"name": "Blinker"}))
    browser = await browse("member")
    assert "/import?project_id=1" in (await browser.show("/projects/1")).text
    assert "What the project needs" in (await browser.show("/import?project_id=1")).text
    assert (await browser.get("/import?project_id=99")).status_code == 404
    fields = {"csrf": (None, browser.csrf), "file": ("a.csv", content_of("kicad"), "text/csv")}
    answer = await browser.post("/import?project_id=1", files=fields, headers={"Origin": ORIGIN})
    draft = answer.headers["location"].partition("?")[0]
    assert answer.headers["location"] == f"{draft}?project_id=1"
    page = (await browser.show(answer.headers["location"])).text
    assert "This looks like a file of KiCad" in page
    assert '<option value="1" selected>Blinker</option>' in page
    assert "A quantity is" not in page, "nothing is booked"
    chosen = {"preset": "kicad", "project_id": "1", "project": "not a new one", "unmatched": "text"}
    tried = (await browser.submit(draft, chosen)).headers["location"]
    dry = await ended(browser, tried)
    assert "All rows can be imported" in dry
    assert "not populated (DNP)" in dry
    again = (await browser.show(f"{draft}?tried={tried.rpartition('/')[2]}")).text
    assert 'value="text" checked' in again
    done = (await browser.submit(f"{tried}/go")).headers["location"]
    page = await ended(browser, done)
    assert "4 rows are imported" in page
    assert "/projects/1" in page
    needed = (await admin.get("/projects/1")).json()["items"]
    assert [each["quantity"] for each in needed if each["item"] and each["item"]["id"] == timer["id"]] == [1]
    assert len(needed) == 4


async def test_bill_of_materials_into_a_new_project(browse: Browse, admin: AsyncClient) -> None:
    browser = await browse("member")
    draft = (await upload(browser, content_of("altium"))).headers["location"]
    assert "The project that needs these parts" in (await browser.show(draft)).text
    answer = await browser.submit(draft, {"preset": "altium", "project_id": "", "project": "", "unmatched": "create"})
    assert answer.status_code == 422
    assert "Choose the project that needs the parts, or name a new one" in answer.text
    chosen = {"preset": "altium", "project_id": "", "project": "Amplifier", "unmatched": "create"}
    tried = (await browser.submit(draft, chosen)).headers["location"]
    await ended(browser, tried)
    await ended(browser, (await browser.submit(f"{tried}/go")).headers["location"])
    assert [each["name"] for each in (await admin.get("/projects/")).json()] == ["Amplifier"]
    assert len((await admin.get("/items/")).json()) == 2


async def test_any_table_of_a_project_stays_one(browse: Browse, admin: AsyncClient) -> None:
    for name in ("First", "Second"):
        made(await admin.post("/projects/", json={"name": name}))
    browser = await browse("member")
    draft = (await upload(browser, b"Part\nFlour\n")).headers["location"]
    page = (await browser.show(f"{draft}?project_id=1")).text
    assert page.index(">Second</option>") < page.index('<option value="1" selected>First</option>'), "the newest first"
    answer = await browser.submit(draft, {"project_id": "1", "project": "", "unmatched": "text", "header_row": "x"})
    assert answer.status_code == 422
    assert '<option value="1" selected>First</option>' in answer.text
    chosen = {"project_id": "1", "project": "", "unmatched": "text", "column-0": "name"}
    tried = (await browser.submit(draft, chosen)).headers["location"]
    await ended(browser, tried)
    await ended(browser, (await browser.submit(f"{tried}/go")).headers["location"])
    assert [each["text"] for each in (await admin.get("/projects/1")).json()["items"]] == ["Flour"]


async def test_exports_for_other_programs(browse: Browse) -> None:
    browser = await browse("reader")
    text = (await browser.show("/export")).text
    assert '<option value="partdb">Part-DB</option>' in text
    # The filters are folded away, so that the buttons are in sight.
    assert text.count('<details class="disclosure">') == 3
    assert re.search(r'name="needs_review".*?</details>.*?name="preset".*?Download the items', text, re.DOTALL)
    for name in ("items", "stock"):
        answer = await browser.get(f"/export/{name}?preset=homebox")
        assert answer.headers["location"] == f"/api/v1/exports/{name}.csv?preset=homebox"
        assert (await browser.get(f"/export/{name}?preset=")).headers["location"] == f"/api/v1/exports/{name}.csv"
