"""The page of an item without script: its stock is booked, moved and undone, and what belongs to it is changed."""

from __future__ import annotations

import io
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient
from PIL import Image

from stocky import clock
from tests.conftest import ORIGIN
from tests.inventory import get, new_item, new_location, new_stock, total
from tests.pages.conftest import Browser
from tests.pages.markup import Page

Browse = Callable[[str], Awaitable[Browser]]


@pytest.fixture
async def editor(browse: Browse, samples: dict[str, object]) -> Browser:
    """A member, with one of everything there."""
    return await browse("member")


async def test_stepper_books_and_comes_back(editor: Browser, admin: AsyncClient) -> None:
    answer = await editor.submit("/items/1/step", {"sku_id": 1, "delta": "-1", "event_id": "press"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/items/1")
    again = {"sku_id": 1, "delta": "-1", "event_id": "press"}
    answer = await editor.submit("/items/1/step", again, headers={"X-Fragment": "stock"})
    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert await total(admin, {"id": 1}) == 3
    answer = await editor.submit("/items/1/step", {"sku_id": 1, "delta": "-9"})
    assert answer.status_code == 409
    german = {"X-Fragment": "stock", "Accept-Language": "de"}
    for headers, words in (({"X-Fragment": "stock"}, "Shelf: Only 3 of"), (german, "Shelf: Nur 3 von")):
        answer = await editor.submit("/items/1/step", {"sku_id": 1, "delta": "-9"}, headers=headers)
        assert answer.json()["detail"].startswith(words), answer.text
        assert answer.json()["type"] == "/problems/oversell"
    answer = await editor.submit("/items/1/step", {"sku_id": 1, "delta": "x"}, headers={"X-Fragment": "stock"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "delta"


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({"how": "set", "quantity": "7,5"}, 7.5),
        ({"how": "add", "quantity": "2"}, 6),
        ({"how": "remove", "quantity": "4", "unit": "piece"}, 0),
    ],
)
async def test_any_amount(editor: Browser, admin: AsyncClient, fields: dict[str, Any], left: float) -> None:
    answer = await editor.submit("/items/1/stock/1/amount", fields)
    assert (answer.status_code, answer.headers.get("location")) == (303, "/items/1?booked=true"), answer.text
    assert await total(admin, {"id": 1}) == left
    # The page tells what was booked, with a way to undo it.
    page = await editor.show("/items/1?booked=true")
    assert page.text.count("data-toast") == 1
    assert Page(page.text).faults == []


@pytest.mark.parametrize(
    ("path", "fields", "status", "words"),
    [
        ("amount", {"how": "set", "quantity": "many"}, 422, "must be a number"),
        ("amount", {"how": "add", "quantity": "0"}, 422, "must be more than 0"),
        ("amount", {"how": "remove", "quantity": "99"}, 409, "Only 4"),
        ("amount", {"how": "set", "quantity": "1", "unit": "kg"}, 422, "counted in piece"),
        ("amount", {"how": "add", "quantity": "0.0001"}, 422, "three decimals"),
        ("move", {"quantity": "1"}, 422, "is required"),
        ("move", {"quantity": "1", "to_location_text": "Shelf"}, 422, "already at this location"),
        ("details", {"unit": "piece", "expiry_date": "soon", "version": "1"}, 422, "must be a date"),
        ("details", {"unit": "piece", "notes": "x", "version": "99"}, 412, "changed since"),
    ],
)
async def test_wrong_amounts_are_shown_as_typed(
    editor: Browser, path: str, fields: dict[str, Any], status: int, words: str
) -> None:
    answer = await editor.submit(f"/items/1/stock/1/{path}", fields)
    assert answer.status_code == status, answer.text
    assert words in answer.text
    assert Page(answer.text).faults == []
    if "quantity" in fields:
        assert f'value="{fields["quantity"]}"' in answer.text
    answer = await editor.submit(f"/items/1/stock/1/{path}", fields, headers={"X-Fragment": "stock"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.text


async def test_stock_moves_is_written_off_and_comes_back(editor: Browser, admin: AsyncClient) -> None:
    cellar = (await new_location(admin, "Cellar"))["id"]
    answer = await editor.submit("/items/1/stock/1/move", {"quantity": "3", "to_location_text": "cell"})
    assert answer.status_code == 303
    skus = await get(admin, "/skus/", item_id=1)
    assert [(sku["location_id"], sku["quantity"]) for sku in skus] == [(1, 1), (cellar, 3)]
    page = await editor.show("/items/1")
    assert "Shelf → Cellar" in page.text
    assert (await editor.submit("/items/1/stock/1/write-off")).status_code == 303
    assert await total(admin, {"id": 1}) == 3
    shown = (await editor.show("/items/1/history")).text
    # What is left is named for all who read it, not for screen readers only.
    assert '<span class="after">then 1</span>' in shown
    history = Page(shown)
    undo = next(form.action for form in history.forms if form.action.endswith("/undo"))
    answer = await editor.submit(undo, {"back": "history"})
    assert answer.headers["location"] == "/items/1/history?done=undone"
    assert await total(admin, {"id": 1}) == 4
    assert (await editor.submit(undo)).status_code == 409
    [sku] = (await get(admin, "/skus/", item_id=1))[:1]
    for notes in ("open", ""):
        # As a browser sends it, with its empty fields.
        fields = {"unit": "piece", "expiry_date": "", "notes": notes, "version": str(sku["version"])}
        assert (await editor.submit("/items/1/stock/1/details", fields)).status_code == 303
        sku = await get(admin, "/skus/1")
        assert (sku["expiry_date"], sku["notes"]) == (None, notes)
    assert (await editor.submit("/items/1/stock/1/details", fields | {"unit": " "})).status_code == 422
    details = {"unit": "piece", "expiry_date": "2030-01-31", "notes": "open", "version": "4"}
    version = (await get(admin, "/skus/1"))["version"]
    answer = await editor.submit("/items/1/stock/1/details", details | {"version": str(version)})
    assert answer.status_code == 303, answer.text
    assert (await get(admin, "/skus/1"))["expiry_date"] == "2030-01-31"


async def test_details_with_an_error_do_not_overwrite_a_change(editor: Browser, admin: AsyncClient) -> None:
    sku = await get(admin, "/skus/1")
    assert (await admin.patch("/skus/1", json={"notes": "behind the tea"})).status_code == 200
    fields = {"unit": "piece", "expiry_date": "soon", "notes": "", "version": str(sku["version"])}
    answer = await editor.submit("/items/1/stock/1/details", fields)
    assert answer.status_code == 422
    assert f'name="version" value="{sku["version"]}"' in answer.text
    answer = await editor.submit("/items/1/stock/1/details", fields | {"expiry_date": ""})
    assert answer.status_code == 412
    assert (await get(admin, "/skus/1"))["notes"] == "behind the tea"


async def test_writing_off_an_empty_lot_offers_no_undo(editor: Browser, admin: AsyncClient) -> None:
    await editor.submit("/items/1/stock/1/amount", {"how": "set", "quantity": "0"})
    answer = await editor.submit("/items/1/stock/1/write-off")
    assert answer.headers["location"] == "/items/1?done=saved"
    await editor.submit("/items/1/stock/new", {"location_id": "1", "location_id_text": "Shelf", "quantity": "2"})
    [sku] = await get(admin, "/skus/", item_id=1)
    answer = await editor.submit(f"/items/1/stock/{sku['id']}/write-off")
    assert answer.headers["location"] == "/items/1?booked=true"


async def test_stock_elsewhere(editor: Browser, admin: AsyncClient) -> None:
    assert 'value="Shelf"' in (await editor.show("/items/1/stock/new?location_id=1")).text
    answer = await editor.submit("/items/1/stock/new", {"location_id_text": "nowhere", "quantity": "2"})
    assert answer.status_code == 422
    assert "There is no location" in answer.text
    answer = await editor.submit("/items/1/stock/new", {"location_id": "1", "quantity": "2", "unit": "piece"})
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == "/items/1?booked=true"
    assert await total(admin, {"id": 1}) == 6


async def test_stock_of_none_offers_no_undo_of_an_earlier_event(editor: Browser, admin: AsyncClient) -> None:
    cellar, before = await new_location(admin, "Cellar"), await total(admin, {"id": 1})
    answer = await editor.submit("/items/1/stock/new", {"location_id": cellar["id"], "quantity": "0"})
    assert answer.headers["location"] == "/items/1?done=stocked"
    assert await total(admin, {"id": 1}) == before


async def test_move_of_stock_without_a_date_takes_that(editor: Browser, admin: AsyncClient) -> None:
    """The first lot to expire stays, although an event without a lot would take it."""
    item, shelf, cellar = {"id": 1}, {"id": 1}, await new_location(admin, "Cellar")
    sku = await new_stock(admin, item, shelf, 3)
    await editor.submit(f"/items/1/stock/{sku['id']}/move", {"quantity": "2", "to_location": cellar["id"]})
    there = [each for each in await get(admin, "/skus/", item_id=1) if each["location_id"] == cellar["id"]]
    assert [(each["quantity"], each["expiry_date"]) for each in there] == [(2, None)]


async def test_lot_and_serial_number(editor: Browser, admin: AsyncClient) -> None:
    fields = {"location_id": "1", "quantity": "1", "unit": "piece", "lot": " L1 ", "serial": "S1", "expiry_date": ""}
    answer = await editor.submit("/items/1/stock/new", fields)
    assert answer.status_code == 303, answer.text
    [sku] = await get(admin, "/skus/", serial="S1")
    assert (sku["lot"], sku["quantity"]) == ("L1", 1)
    assert (await editor.submit("/items/1/stock/new", fields)).status_code == 409
    for path in ("/items/1", f"/items/1/stock/{sku['id']}", "/locations/1", "/activity?lot=L1&serial="):
        page = await editor.show(path)
        assert "lot L1 · serial number S1" in page.text, path
        assert Page(page.text).faults == [], path
    details = {"unit": "piece", "expiry_date": "", "lot": "L2", "serial": "", "version": str(sku["version"])}
    answer = await editor.submit(f"/items/1/stock/{sku['id']}/details", details)
    assert answer.status_code == 303, answer.text
    changed = await get(admin, f"/skus/{sku['id']}")
    assert (changed["lot"], changed["serial"]) == ("L2", "")
    two = await new_stock(admin, {"id": 1}, {"id": 1}, 2, lot="L3")
    wrong = details | {"serial": "S2", "version": str(two["version"])}
    assert (await editor.submit(f"/items/1/stock/{two['id']}/details", wrong)).status_code == 409
    assert (await editor.show("/activity?lot=L9")).text.count('<li class="event') == 0


async def test_stock_is_opened(editor: Browser, admin: AsyncClient) -> None:
    days = {"name": "Coffee", "shelf_life_days": "30", "opened_days": "3", "default_storage_type": "pantry"}
    version = (await get(admin, "/items/1"))["version"]
    answer = await editor.submit("/items/1/edit", days | {"version": str(version)})
    assert answer.status_code == 303, answer.text
    changed = await get(admin, "/items/1")
    assert (changed["shelf_life_days"], changed["opened_days"]) == (30, 3)
    page = await editor.show("/items/1/stock/1")
    assert Page(page.text).faults == []
    # Without script each form has its amount.
    assert all(
        label in page.text for label in (">Amount</label>", ">Amount to move</label>", ">Amount to open</label>")
    )
    answer = await editor.submit("/items/1/stock/1/open", {"quantity": "0.5"})
    assert (answer.status_code, answer.headers.get("location")) == (303, "/items/1?booked=true"), answer.text
    opened = next(sku for sku in await get(admin, "/skus/", item_id=1) if sku["opened_on"])
    assert opened["quantity"] == 0.5
    for path, words in (("/items/1", "opened on"), ("/items/1/history", "opened"), ("/activity", "opened")):
        page = await editor.show(path)
        assert words in page.text, path
        assert Page(page.text).faults == [], path
    for sku_id, quantity in ((opened["id"], "0.5"), (1, "99")):
        answer = await editor.submit(f"/items/1/stock/{sku_id}/open", {"quantity": quantity})
        assert answer.status_code in (409, 422)
    assert 'name="expiry_date" type="date" value="2' in (await editor.show("/items/1/stock/new")).text


async def test_barcodes(editor: Browser, admin: AsyncClient) -> None:
    answer = await editor.submit("/items/1/barcodes", {"barcode": "96385074", "pack_quantity": "6"})
    assert answer.status_code == 303, answer.text
    assert [each["barcode"] for each in (await get(admin, "/items/1"))["barcodes"]] == ["4006381333931", "96385074"]
    other = await new_item(admin, "Tea")
    answer = await editor.submit(f"/items/{other['id']}/barcodes", {"barcode": "96385074", "pack_quantity": "1"})
    assert answer.status_code == 409
    assert "already belongs to Coffee" in answer.text
    assert (await editor.submit("/items/1/barcodes/remove", {"barcode": "96385074"})).status_code == 303
    assert len((await get(admin, "/items/1"))["barcodes"]) == 1


async def test_shopping_list(editor: Browser, admin: AsyncClient) -> None:
    answer = await editor.submit("/items/1/list", {"name": "Mine", "quantity": "2"})
    assert answer.status_code == 303, answer.text
    lists = (await get(admin, "/shopping-lists/"))["items"]
    assert [each["name"] for each in lists] == ["Weekly", "Mine"]
    mine = lists[1]["id"]
    await editor.submit("/items/1/list", {"list_id": mine, "quantity": "5"})
    assert [each["quantity"] for each in (await get(admin, f"/shopping-lists/{mine}"))["items"]] == [5]
    # One of the lists is always chosen in the form; a name makes a new one.
    answer = await editor.submit("/items/1/list", {"list_id": mine, "name": "Party", "quantity": "7"})
    assert answer.status_code == 303, answer.text
    lists = (await get(admin, "/shopping-lists/"))["items"]
    [party] = [each["id"] for each in lists if each["name"] == "Party"]
    assert [each["quantity"] for each in (await get(admin, f"/shopping-lists/{party}"))["items"]] == [7]
    assert [each["quantity"] for each in (await get(admin, f"/shopping-lists/{mine}"))["items"]] == [5]
    for fields in ({"quantity": "2"}, {"list_id": mine, "quantity": "0"}):
        answer = await editor.submit("/items/1/list", fields)
        assert answer.status_code == 422, fields
        assert Page(answer.text).faults == []


async def test_hidden_and_shown(editor: Browser, admin: AsyncClient) -> None:
    # What would be refused is not offered.
    assert ">Hide</span>" not in (await editor.show("/items/1/hide")).text
    answer = await editor.submit("/items/1/hide")
    assert answer.status_code == 409
    assert "still holds stock" in answer.text
    item = await new_item(admin, "Tea")
    assert ">Hide</span>" in (await editor.show(f"/items/{item['id']}/hide")).text
    assert (await editor.submit(f"/items/{item['id']}/hide")).status_code == 303
    assert "This item is hidden" in (await editor.show(f"/items/{item['id']}")).text
    assert (await editor.submit(f"/items/{item['id']}/show")).status_code == 303
    assert (await get(admin, f"/items/{item['id']}"))["is_active"]


async def test_a_label_leads_to_the_item(editor: Browser, samples: dict[str, object]) -> None:
    answer = await editor.get(f"/i/{str(samples['code']).lower()}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/items/1")
    assert (await editor.get("/i/!!!!")).status_code == 404


async def test_photos_and_links(editor: Browser, admin: AsyncClient) -> None:
    photo = io.BytesIO()
    Image.new("RGB", (640, 320), (120, 90, 40)).save(photo, "JPEG")
    # A browser sends the token first, as the form has it.
    fields = {"csrf": (None, editor.csrf), "file": ("bag.jpg", photo.getvalue(), "image/jpeg")}
    answer = await editor.post("/items/1/documents", files=fields, headers={"Origin": ORIGIN})
    assert answer.status_code == 303, answer.text
    picture = (await get(admin, "/items/1"))["image_document_id"]
    page = await editor.show("/items/1")
    assert f'/documents/{picture}/thumbnail" alt="bag.jpg" width="160" height="80"' in page.text
    path = f"/items/1/documents/{picture}"
    assert (await editor.submit(path, {"name": "Front"})).status_code == 303
    answer = await editor.submit(path, {"name": ""})
    assert answer.status_code == 422
    assert (await editor.submit(f"{path}/picture")).status_code == 303
    assert (await editor.submit(f"/items/2/documents/{picture}/delete")).status_code == 404
    assert (await editor.submit(f"{path}/delete")).status_code == 303
    assert (await get(admin, "/items/1"))["image_document_id"] is None
    answer = await editor.submit("/items/1/link", {"url": "javascript:alert(1)"})
    assert answer.status_code == 422
    assert (await editor.submit("/items/1/link", {"url": "https://example.org/x", "name": ""})).status_code == 303
    fields = {"csrf": (None, editor.csrf), "file": ("bag.txt", b"text", "text/plain")}
    answer = await editor.post("/items/1/documents", files=fields, headers={"Origin": ORIGIN})
    assert answer.status_code == 415


async def test_stock_at_a_new_location(editor: Browser, admin: AsyncClient) -> None:
    cellar = await new_location(admin, "Cellar")
    form = {"location_id": "new", "quantity": "1", "unit": "piece"}
    too_long = f"Attic / {201 * 'x'}"
    for text, words in (("Cellar /", "not be empty"), ("/ Attic", "not be empty"), (too_long, "at most 200")):
        answer = await editor.submit("/items/1/stock/new", form | {"location_id_text": text})
        assert (answer.status_code, words in answer.text) == (422, True), text
    assert (await editor.submit("/items/999/stock/new", form | {"location_id_text": "Nowhere"})).status_code == 404
    for _ in range(2):
        for text in (" cellar  / Shelf 1", "Attic / Chest / Drawer"):
            answer = await editor.submit("/items/1/stock/new", form | {"location_id_text": text})
            assert answer.status_code == 303, answer.text
    found = {each["path"]: each for each in await get(admin, "/locations/")}
    added = {"Cellar / Shelf 1", "Attic", "Attic / Chest", "Attic / Chest / Drawer"}
    assert added <= found.keys()
    assert not [path for path in found if path.startswith(("Nowhere", "/")) or path.endswith("/")]
    assert found["Cellar / Shelf 1"]["parent_id"] == cellar["id"]
    for path in ("Cellar / Shelf 1", "Attic / Chest / Drawer"):
        assert (await get(admin, "/skus/", location_id=found[path]["id"]))[0]["quantity"] == 2


async def test_merging_and_its_undo(editor: Browser, admin: AsyncClient) -> None:
    item = await new_item(admin, "Coffee beans", upc="96385074")
    await new_stock(admin, item, await new_location(admin, "Cellar"), 3)
    for fields, words in (({}, "is required"), ({"into_text": "xyzzy"}, "There is no item"), ({"into": "1"}, "itself")):
        answer = await editor.submit("/items/1/merge", fields)
        assert answer.status_code == 422
        assert words in answer.text
    answer = await editor.submit(f"/items/{item['id']}/merge", {"into_text": "4006381333931"})
    merged = f"/items/1?done=merged&source={item['id']}"
    assert (answer.status_code, answer.headers["location"]) == (303, merged), answer.text
    assert "Coffee beans" in (await editor.show("/items/1")).text
    # Its confirmation and its line below the item can undo it.
    undo = f'action="/items/{item["id"]}/unmerge"'
    assert [(await editor.show(path)).text.count(undo) for path in (merged, f"/items/1?source={item['id']}")] == [2, 1]
    assert "was merged into" in (await editor.show(f"/items/{item['id']}")).text
    # Not event by event.
    moved = [each["id"] for each in (await get(admin, "/events", item_id=1))["events"] if each["transfer_id"]]
    paths = ("/activity", "/items/1/history", f"/items/{item['id']}/history")
    pages = [(await editor.show(path)).text for path in paths]
    assert moved
    # Each of the two items has its side.
    assert [re.findall(r'data-mode="move">([^<]+)<', page)[:1] for page in pages[1:]] == [["+3"], ["\u22123"]]
    assert not [each for each in moved for page in pages if f"/{each}/undo" in page]
    assert (await editor.submit(f"/items/{item['id']}/unmerge")).status_code == 303
    assert (await get(admin, f"/items/{item['id']}"))["is_active"]


async def test_readers_see_no_forms(browse: Browse, samples: dict[str, object]) -> None:
    reader = await browse("reader")
    page = Page((await reader.show("/items/1")).text)
    assert {form.action for form in page.forms} == {"/items", "/sign-out"}


async def test_empty_stock_is_apart(editor: Browser, admin: AsyncClient) -> None:
    item = await new_item(admin, "Candles")
    path = f"/items/{item['id']}"
    await new_stock(admin, item, await new_location(admin, "Attic"), 2)
    assert "Nothing left at" not in (await editor.show(path)).text
    bay = await new_location(admin, "Bay")
    await new_stock(admin, item, bay, 0)
    page = (await editor.show(path)).text
    assert page.index(">Attic<") < page.index("Nothing left at</h3>") < page.index(">Bay<")
    # It may have been moved away, or counted.
    assert "Nothing left here" in (await editor.show(f"/locations/{bay['id']}")).text


async def test_stock_that_is_empty_for_long_is_shown_on_demand(
    editor: Browser, admin: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    item, shelf = await new_item(admin, "Candles"), await new_location(admin, "Top shelf")
    await new_stock(admin, item, shelf, 0)
    path = f"/items/{item['id']}"
    assert "Top shelf" in (await editor.show(path)).text
    today = clock.local_today()
    monkeypatch.setattr(clock, "today", lambda: today + timedelta(days=91))
    page = (await editor.show(path)).text
    assert "Nothing in stock" in page
    assert "Show 1 that has long been empty" in page
    page = (await editor.show(f"{path}?emptied=1")).text
    assert "Top shelf" in page
    assert f'data-src="{path}?emptied=1"' in page, "it stays when the page is read again"
    assert "long been empty" not in page
    assert "Candles" not in (await editor.show(f"/locations/{shelf['id']}")).text


async def test_link_beside_no_barcodes_stands_apart(editor: Browser, admin: AsyncClient) -> None:
    bare = await new_item(admin, "Without a barcode")
    assert re.search(
        r"none</span>\s+<a class=\"link\"[^>]*>Add or remove<", (await editor.show(f"/items/{bare['id']}")).text
    )
