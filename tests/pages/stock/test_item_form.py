"""New and changed items by their forms: a name is enough, and nothing that was typed is lost."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from httpx import AsyncClient

from stocky.catalogue import location_repository
from stocky.catalogue.schemas import Location
from stocky.db import Connection
from stocky.pages.views import item_form
from tests.inventory import get, made, new_item, new_location, total
from tests.pages.conftest import Browser
from tests.pages.markup import Page

Browse = Callable[[str], Awaitable[Browser]]


@pytest.fixture
async def editor(browse: Browse) -> Browser:
    return await browse("member")


async def test_a_name_is_enough(editor: Browser, admin: AsyncClient) -> None:
    assert Page((await editor.show("/items/new")).text).faults == []
    answer = await editor.submit("/items/new", {"name": "Tea"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/items/1?done=added"), answer.text
    assert (await get(admin, "/items/1"))["name"] == "Tea"


async def test_everything_at_once(editor: Browser, admin: AsyncClient) -> None:
    await new_location(admin)
    fields = {
        "name": "Tea",
        "barcode": "4006381333931",
        "location_id_text": "shelf",
        "quantity": "2,5",
        "unit": "kg",
        "expiry_date": "2030-01-31",
        "lot": "A17",
        "default_storage_type": "counter",
        "min_quantity": "1",
        "type_id_text": "Drinks",
        "tags": "hot,  breakfast , hot",
        "seller": "Mill",
        "oversell_policy": "clamp",
    }
    answer = await editor.submit("/items/new", fields)
    assert answer.status_code == 303, answer.text
    item = await get(admin, "/items/1")
    assert (item["upc"], item["type_name"], item["tags"]) == ("4006381333931", "Drinks", ["breakfast", "hot"])
    assert (item["total_quantity"], item["unit"], item["oversell_policy"]) == (2.5, "kg", "clamp")
    [sku] = await get(admin, "/skus/")
    assert (sku["lot"], sku["expiry_date"]) == ("A17", "2030-01-31")
    # Two pieces cannot have one serial number: neither is the item added.
    drill = {"name": "Drill", "location_id_text": "shelf", "quantity": "2", "serial": "X1"}
    answer = await editor.submit("/items/new", drill, headers={"Accept-Language": "de"})
    assert (answer.status_code, "ist ein Stück" in answer.text, 'value="X1"' in answer.text) == (409, True, True)
    assert (await editor.submit("/items/new", {**drill, "quantity": "1"})).status_code == 303
    assert [each["serial"] for each in await get(admin, "/skus/")] == ["", "X1"]
    # A short code is a barcode, too.
    await editor.submit("/items/new", {"name": "Screw", "barcode": "S-7"})
    assert [each["barcode"] for each in (await get(admin, "/items/3"))["barcodes"]] == ["S-7"]


async def test_new_item_with_stock_is_added_once(editor: Browser, admin: AsyncClient) -> None:
    shelf = await new_location(admin)
    tea = {"name": "Tea", "location_id": shelf["id"], "quantity": "2", "event_id": "first"}
    for _ in range(2):
        # The first answer was lost.
        answer = await editor.submit("/items/new", tea, headers={"X-Requested-With": "fetch"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/items/1?done=added"), answer.text
    assert [(each["name"], each["total_quantity"]) for each in await get(admin, "/items/")] == [("Tea", 2)]
    # The next one has an id of its own.
    await editor.submit("/items/new", tea | {"event_id": "second"})
    assert len(await get(admin, "/items/")) == 2


async def test_new_item_without_stock_is_added_once(editor: Browser, browse: Browse, admin: AsyncClient) -> None:
    tea = {"name": "Tea", "event_id": "form-7f3a"}
    for _ in range(2):
        answer = await editor.submit("/items/new", tea)
        assert answer.headers["location"] == "/items/1?done=added"
    await editor.submit("/items/new", tea | {"event_id": "second"})
    boss = await browse("admin")
    await boss.submit("/items/new", tea)
    assert [each["name"] for each in await get(admin, "/items/")] == ["Tea"] * 3
    page = (await boss.show("/audit?subject=item")).text
    assert "form-7f3a" not in page


@pytest.mark.parametrize("quantity", ["", "2"])
async def test_new_item_that_was_changed_before_it_is_sent_again_is_refused(
    quantity: str, editor: Browser, admin: AsyncClient
) -> None:
    shelf = await new_location(admin)
    tea = {"name": "Tea", "location_id": shelf["id"], "quantity": quantity, "event_id": "first"}
    assert (await editor.submit("/items/new", tea)).status_code == 303
    for change in ({"name": "Green tea"}, {"quantity": "3"}):
        answer = await editor.submit("/items/new", tea | change)
        assert answer.status_code == 409
        assert "This form was sent before and added Tea" in answer.text
    assert [(each["name"], each["total_quantity"]) for each in await get(admin, "/items/")] == [
        ("Tea", float(quantity or 0))
    ]


async def test_a_refused_new_item_leaves_nothing_for_the_next_one(editor: Browser, admin: AsyncClient) -> None:
    shelf = await new_location(admin)
    drill = {"name": "Drill", "location_id": shelf["id"], "quantity": "2", "serial": "X1"}
    assert (await editor.submit("/items/new", drill)).status_code == 409
    # SQLite gives the next item the same id.
    event = {"type": "add", "item": {"upc": "4006381333931"}, "location": {"id": shelf["id"]}, "quantity": 1}
    [result] = made(await admin.post("/events?details=true", json={"events": [event]}))["results"]
    [item] = await get(admin, "/items/")
    shown = result["details"]
    assert (shown["item_code"], shown["item_name"], shown["needs_review"]) == (item["code"], item["name"], True)


async def test_an_item_whose_stock_cannot_be_booked_is_not_added(
    editor: Browser, admin: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, shelf = await new_location(admin, "Attic"), await new_location(admin)
    assert (await admin.delete(f"/locations/{closed['id']}")).status_code in (200, 204)
    answer = await editor.submit("/items/new", {"name": "Tea", "location_id": closed["id"], "quantity": "1"})
    assert answer.status_code == 422
    assert "Attic is no longer in use" in answer.text
    assert await get(admin, "/items/") == []

    async def find_location(read: Connection, form: Any, name: str) -> Location:
        """The location as it was before somebody put it out of use."""
        found = await location_repository.get_location(read, closed["id"])
        return msgspec.structs.replace(found, is_active=True)

    monkeypatch.setattr(item_form, "find_location", find_location)
    assert (await editor.submit("/items/new", {"name": "Tea", "location_id": shelf["id"], "quantity": "1"})).is_error
    assert await get(admin, "/items/") == []


async def test_save_and_next_keeps_the_location(editor: Browser, admin: AsyncClient) -> None:
    location = await new_location(admin, "Fridge door", storage_type="refrigerator")
    page = await editor.show(f"/items/new?location_id={location['id']}")
    assert 'value="Fridge door"' in page.text
    assert '<option value="refrigerator" selected>' in page.text
    fields = {"name": "Milk", "location_id": location["id"], "quantity": "1", "next": "true", "unit": "l"}
    answer = await editor.submit("/items/new", fields)
    assert answer.status_code == 303
    page = await editor.show(answer.headers["location"])
    assert "“Milk” is added" in page.text
    assert 'value="Fridge door"' in page.text
    assert await total(admin, {"id": 1}) == 1


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"name": ""}, 422, "is required"),
        ({"name": "x" * 201}, 422, "at most 200"),
        ({"name": "Tea", "quantity": "1"}, 422, "is required"),
        ({"name": "Tea", "quantity": "1", "location_id_text": "nowhere"}, 422, "There is no location"),
        ({"name": "Tea", "min_quantity": "-1"}, 422, "at least 0"),
        ({"name": "Tea", "seller_link": "javascript:alert(1)"}, 422, "must be an address"),
        ({"name": "Tea", "default_storage_type": "attic"}, 422, "must be one of"),
        ({"name": "Tea", "barcode": "4006381333931"}, 409, "already belongs to Coffee"),
        ({"name": "Tea", "tags": "x" * 51}, 422, "at most 50"),
    ],
)
async def test_wrong_input_is_kept(
    editor: Browser, admin: AsyncClient, fields: dict[str, str], status: int, words: str
) -> None:
    await new_item(admin, "Coffee", upc="4006381333931")
    answer = await editor.submit("/items/new", fields)
    assert answer.status_code == status, answer.text
    assert words in answer.text
    page = Page(answer.text)
    assert page.faults == []
    assert f'value="{fields["name"]}"' in answer.text
    assert len(await get(admin, "/items/")) == 1


async def test_change_by_two_is_reported(editor: Browser, admin: AsyncClient) -> None:
    item = await new_item(admin, "Tea", min_quantity=1.5, tags=["hot"])
    page = await editor.show("/items/1/edit")
    assert 'value="1.5"' in page.text
    fields = {"name": "Green tea", "version": item["version"], "tags": "hot, green", "min_quantity": "0"}
    assert (await editor.submit("/items/1/edit", fields)).status_code == 303
    item = await get(admin, "/items/1")
    assert (item["name"], item["tags"], item["min_quantity"]) == ("Green tea", ["green", "hot"], 0)
    answer = await editor.submit("/items/1/edit", fields | {"name": "Black tea"})
    assert answer.status_code == 412
    assert "Somebody else has changed this item" in answer.text
    assert 'value="Black tea"' in answer.text
    assert (await get(admin, "/items/1"))["name"] == "Green tea"
    assert (await editor.submit("/items/1/edit", {"name": ""})).status_code == 422
    answer = await editor.submit("/items/1/edit", fields | {"name": "  ", "version": item["version"]})
    assert (answer.status_code, 'id="f-name-error"' in answer.text) == (422, True)


async def test_saving_a_stub_unchanged_does_not_name_it(
    editor: Browser, admin: AsyncClient, samples: dict[str, object]
) -> None:
    stub = (await get(admin, "/items/review"))[0]["item"]
    fields = {"name": stub["name"], "version": stub["version"], "description": "blue box"}
    assert (await editor.submit(f"/items/{stub['id']}/edit", fields)).status_code == 303
    changed = await get(admin, f"/items/{stub['id']}")
    assert (changed["needs_review"], changed["description"]) == (True, "blue box")


@pytest.mark.parametrize("quantity", ["0.0001", "-1", "abc", "1e9"])
async def test_wrong_first_stock_is_shown_as_typed(editor: Browser, admin: AsyncClient, quantity: str) -> None:
    shelf = await new_location(admin)
    fields = {"name": "Tea", "location_id": shelf["id"], "quantity": quantity}
    answer = await editor.submit("/items/new", fields)
    assert answer.status_code == 422
    page = Page(answer.text)
    assert page.faults == []
    assert f'value="{quantity}"' in answer.text
    assert await get(admin, "/items/") == []


async def test_fields_of_the_type_are_filled_in(editor: Browser, admin: AsyncClient) -> None:
    for name in ("Parts", "Cables"):
        made(await admin.post("/types", json={"name": name}))
    for field in ({"name": "Voltage", "kind": "number", "unit": "V"}, {"name": "Bought", "kind": "date"}):
        made(await admin.post("/types/1/fields", json=field))
    made(await admin.post("/types/1/fields", json={"name": "Package", "kind": "choice", "choices": ["TO-92", "SMD"]}))
    made(await admin.post("/types/2/fields", json={"name": "Length", "kind": "number"}))
    assert 'name="field-' not in (await editor.show("/items/new")).text
    page = await editor.show("/items/new?type_id=1")
    assert Page(page.text).faults == []
    inputs = [page.text.index(f'name="field-{number}"') for number in (1, 2, 3)]
    assert inputs == sorted(inputs)
    # Without script a button shows the fields of the type that was chosen or typed; nothing is saved.
    answer = await editor.submit("/items/new", {"name": "BC547", "type_id_text": "cables", "show_fields": "true"})
    assert (answer.status_code, await get(admin, "/items/")) == (200, [])
    assert 'name="field-4"' in answer.text
    assert 'value="BC547"' in answer.text
    part = await editor.get("/items/new?type_id=2", headers={"X-Fragment": "fields"})
    assert ('name="field-4"' in part.text, 'name="field-1"' in part.text) == (True, False)
    filled = {"name": "BC547", "type_id": "1", "field-1": "4,7", "field-2": "", "field-3": "SMD", "field-4": "9"}
    wrong = await editor.submit("/items/new", {**filled, "field-1": "much"})
    assert wrong.status_code == 422
    assert "must be a number" in wrong.text
    assert 'value="much"' in wrong.text
    assert (await editor.submit("/items/new", filled)).status_code == 303
    (item,) = await get(admin, "/items/")
    assert item["fields"] == {"Voltage": 4.7, "Package": "SMD"}
    page = await editor.show("/items/1")
    assert "4.7 V" in page.text
    page = await editor.show("/items/1/edit")
    assert 'value="4.7"' in page.text
    changed = {"name": "BC547", "type_id": "1", "version": item["version"], "field-1": "", "field-2": "2026-01-31"}
    assert (await editor.submit("/items/1/edit", changed)).status_code == 303
    assert (await get(admin, "/items/1"))["fields"] == {"Bought": "2026-01-31", "Package": "SMD"}
    other = {"name": "BC547", "type_id": "2", "version": item["version"] + 1, "field-4": "0.0000047"}
    assert (await editor.submit("/items/1/edit", other)).status_code == 303
    assert (await get(admin, "/items/1"))["fields"] == {"Length": 0.0000047}
    # A text may have several lines, which browsers send back with CR LF.
    made(await admin.post("/types/2/fields", json={"name": "Pins"}))
    for text in ("1 red\n2 blue", "1 red\r\n2 blue"):
        sent = made(await admin.patch("/items/1", json={"fields": {"Pins": text}}))
        assert '<dd class="as-typed">1 red\n2 blue</dd>' in (await editor.show("/items/1")).text.replace("\r", "")
        page = await editor.show("/items/1/edit")
        assert re.search(r'<textarea [^>]*name="field-5" rows="2" [^>]*>\n1 red\r?\n2 blue</textarea>', page.text)
        same = {"name": "BC547", "type_id": "2", "version": sent["version"], "field-5": "1 red\r\n2 blue"}
        assert (await editor.submit("/items/1/edit", same)).status_code == 303
        assert (await get(admin, "/items/1")) == sent
    assert (await editor.submit("/items/1/edit", {**same, "field-5": "1 red\r\n2 green"})).status_code == 303
    assert (await get(admin, "/items/1"))["fields"]["Pins"] == "1 red\n2 green"
