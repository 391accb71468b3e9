"""Shopping lists on pages, without script: ticking, undoing, filling, and what is done with a list as a whole."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest
from httpx import AsyncClient

from stocky import clock
from tests.inventory import Json, get, made, new_item, new_location, new_stock, total
from tests.pages.conftest import Browser
from tests.pages.markup import typed_fields

pytestmark = pytest.mark.one_server
Browse = Callable[[str], Awaitable[Browser]]


@pytest.fixture
async def weekly(member: AsyncClient) -> Json:
    return made(await member.post("/shopping-lists/", json={"name": "Weekly"}))


async def put(member: AsyncClient, weekly: Json, **entry: object) -> Json:
    return made(await member.post(f"/shopping-lists/{weekly['id']}/items", json=entry))


def plain(page: str) -> str:
    """The words of a page, without its elements."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


async def names(member: AsyncClient, weekly: Json) -> list[str]:
    entries = (await get(member, f"/shopping-lists/{weekly['id']}"))["items"]
    return [entry["text"] or entry["item"]["name"] for entry in entries]


async def test_lists_are_made_shared_copied_and_deleted(
    browse: Browse, member: AsyncClient, admin: AsyncClient
) -> None:
    browser = await browse("member")
    assert (await browser.submit("/lists", {"name": ""})).status_code == 422
    answer = await browser.submit("/lists", {"name": "Party"})
    assert answer.headers["location"] == "/lists/1"
    assert not (await get(member, "/shopping-lists/1"))["is_public"]
    await browser.submit("/lists/1/edit", {"name": "Big party", "is_public": "true"})
    assert (await get(member, "/shopping-lists/1"))["is_public"]
    await browser.submit("/lists/1/edit", {"name": "Big party"})
    assert not (await get(member, "/shopping-lists/1"))["is_public"]
    assert (await browser.submit("/lists/1/edit", {"name": " "})).status_code == 422
    answer = await browser.submit("/lists/1/duplicate", {"name": ""})
    assert answer.headers["location"].startswith("/lists/2")
    assert (await get(member, "/shopping-lists/2"))["name"] == "Big party (copy)"
    assert "Copied from Big party" in (await browser.show("/lists/2/log")).text
    made(await member.post("/shopping-lists/1/duplicate", json={"name": "Shop", "is_public": True}))
    page = (await browser.show("/lists/3/log")).text
    assert "Copied from a private list" in page
    assert "Big party" not in page
    await browser.submit("/lists/1/delete")
    assert (await browser.get("/lists/1")).status_code == 404
    page = (await browser.show("/lists")).text
    assert "Big party (copy)" in page


async def test_tick_books_stock_once(browse: Browse, member: AsyncClient, weekly: Json) -> None:
    item, shelf = await new_item(member, "Milk"), await new_location(member)
    await new_stock(member, item, shelf, 1)
    await new_stock(member, item, await new_location(member, "Fridge"), 0.5)
    entry = await put(member, weekly, item_id=item["id"], quantity=2)
    browser = await browse("member")
    page = (await browser.show("/lists/1")).text
    assert "goes to Shelf · 1 there" in page
    path = f"/lists/1/entries/{entry['id']}/tick"
    tick = {"item_id": item["id"], "location_id": shelf["id"], "event_id": "t1"}
    answer = await browser.submit(path, tick)
    assert answer.headers["location"] == "/lists/1"
    # The answer was lost: the same again changes nothing.
    answer = await browser.submit(path, tick, headers={"X-Fragment": "entries"})
    assert answer.status_code == 200
    assert "Bought just now" in answer.text
    # At once, with its undo, which is below the other entries.
    [toast] = re.findall(r'class="toast.*?</form>', answer.text, re.DOTALL)
    assert "“Milk” is bought: 2 at Shelf" in toast
    assert re.search(r'action="/lists/1/purchases/\d+/undo"', toast)
    page = (await browser.show("/lists/1")).text
    assert "is bought" not in page
    assert "<s>Milk</s><small>2 at Shelf · member" in page
    assert "<small>2 at Shelf · member" in (await browser.show("/lists/1/log")).text
    assert await total(member, item) == 3.5
    assert await names(member, weekly) == []


async def test_tick_books_the_amount_that_the_page_showed(browse: Browse, member: AsyncClient, weekly: Json) -> None:
    item, shelf = await new_item(member, "Milk"), await new_location(member)
    entry = await put(member, weekly, item_id=item["id"], quantity=1.125)
    browser = await browse("member")
    await browser.submit("/me/language", {"language": "de"})
    page = (await browser.show("/lists/1")).text
    [form] = re.findall(r"<form[^>]* data-tick=.*?</form>", page, re.DOTALL)
    tick = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
    tick |= {"location_id": str(shelf["id"]), "event_id": "t1"}
    # Somebody needs more meanwhile.
    await member.put(f"/shopping-lists/1/items/{item['id']}", json={"quantity": 6})
    path = f"/lists/1/entries/{entry['id']}/tick"
    for _ in range(2):
        answer = await browser.submit(path, tick, headers={"X-Fragment": "entries"})
        assert answer.status_code == 200
    assert await total(member, item) == 1.125
    [left] = (await get(member, "/shopping-lists/1"))["items"]
    assert (left["id"], left["quantity"]) == (entry["id"], 4.875)
    # A page from before has no amount: the whole entry is bought.
    tick = {"item_id": item["id"], "location_id": shelf["id"], "event_id": "t2"}
    await browser.submit(path, tick, headers={"X-Fragment": "entries"})
    assert await total(member, item) == 6
    assert await names(member, weekly) == []


async def test_tick_is_of_its_own_time_and_never_of_the_future(
    browse: Browse, member: AsyncClient, weekly: Json
) -> None:
    item, shelf = await new_item(member, "Milk"), await new_location(member)
    entry = await put(member, weekly, item_id=item["id"], quantity=2)
    browser = await browse("member")
    path = f"/lists/1/entries/{entry['id']}/tick"
    began = clock.now()
    for event_id, since in (("t1", -timedelta(hours=3)), ("t2", timedelta(days=400))):
        at = (began + since).isoformat()
        tick = {"item_id": item["id"], "location_id": shelf["id"], "event_id": event_id, "quantity": "1"}
        for _ in range(2):
            answer = await browser.submit(path, tick | {"occurred_at": at}, headers={"X-Fragment": "entries"})
            assert answer.status_code == 200, answer.text
    assert await total(member, item) == 2
    events = {each["event_id"]: each for each in (await get(member, "/events/"))["events"]}
    first, second = (datetime.fromisoformat(events[event_id]["occurred_at"]) for event_id in ("t1", "t2"))
    assert first == began - timedelta(hours=3)
    assert began <= second <= clock.now()


async def test_what_was_ticked_can_be_put_back(browse: Browse, member: AsyncClient, weekly: Json) -> None:
    item, shelf = await new_item(member, "Milk"), await new_location(member)
    entry = await put(member, weekly, item_id=item["id"], quantity=2)
    words = await put(member, weekly, text="Candles", quantity=3)
    browser = await browse("member")
    await browser.submit(f"/lists/1/entries/{entry['id']}/tick", {"item_id": item["id"], "location_id": shelf["id"]})
    await browser.submit(f"/lists/1/entries/{words['id']}/tick")
    assert await names(member, weekly) == []
    page = (await browser.show("/lists/1")).text
    undos = re.findall(r'action="(/lists/1/purchases/\d+/undo)"', page)
    assert len(undos) == 2
    for path in undos:
        assert (await browser.submit(path)).status_code == 303
    assert sorted(await names(member, weekly)) == ["Candles", "Milk"]
    assert {each["quantity"] for each in (await get(member, "/shopping-lists/1"))["items"]} == {2, 3}
    assert await total(member, item) == 0
    assert (await browser.submit(undos[0])).status_code == 404


async def test_what_was_bought_is_shown_beside_what_was_planned(
    browse: Browse, member: AsyncClient, weekly: Json
) -> None:
    item, shelf = await new_item(member, "Milk"), await new_location(member)
    browser = await browse("member")

    async def buy(quantity: str, planned: int) -> None:
        entry = next(iter((await get(member, "/shopping-lists/1"))["items"]), None)
        entry = entry or await put(member, weekly, item_id=item["id"], quantity=planned)
        form = {"item_id": item["id"], "location_id": shelf["id"], "quantity": quantity}
        assert (await browser.submit(f"/lists/1/entries/{entry['id']}/buy", form)).status_code == 303

    await buy("3", planned=1)
    text = plain((await browser.show("/lists/1")).text)
    assert "Bought just now Milk 3 at Shelf · 1 planned · member" in text
    assert "Bought: Milk 3 at Shelf · 1 planned · member" in plain((await browser.show("/lists/1/log")).text)
    [log] = (await get(member, "/shopping-lists/1/logs", action_type="item_removed"))["items"]
    assert (log["details"]["bought"], log["details"]["quantity"]) == (3, 1)
    # Put back, all of it leaves the stock, and the list has what was planned.
    await browser.submit(f"/lists/1/purchases/{log['id']}/undo")
    assert await total(member, item) == 0
    [entry] = (await get(member, "/shopping-lists/1"))["items"]
    assert entry["quantity"] == 1
    await browser.submit(f"/lists/1/entries/{entry['id']}", {"quantity": "6"})
    await buy("2", planned=6)
    await buy("4", planned=6)
    assert "Bought just now Milk 4 at Shelf · member" in plain((await browser.show("/lists/1")).text)
    text = plain((await browser.show("/lists/1/log")).text)
    assert "Bought: Milk 4 at Shelf · member" in text
    assert "Bought: Milk 2 at Shelf · on the list: 6 → 4 · member" in text


async def test_amounts_have_the_unit_of_the_item(browse: Browse, member: AsyncClient, weekly: Json) -> None:
    flour, shelf = await new_item(member, "Flour"), await new_location(member)
    await new_stock(member, flour, shelf, 4.22, unit="kg")
    await new_stock(member, flour, shelf, 500, unit="g", lot="opened bag")
    await new_stock(member, flour, cellar := await new_location(member, "Cellar"), 1, unit="g")
    entry = await put(member, weekly, item_id=flour["id"], quantity=2)
    await put(member, weekly, text="Candles", quantity=3)
    browser = await browse("member")
    text = plain((await browser.show("/lists/1")).text)
    # What is in two units at one location has no sum.
    assert "Flour goes to Shelf · 4.22 kg, 500 g there 2 kg" in text
    assert "Candles 3 " in text
    text = plain((await browser.show(f"/lists/1/entries/{entry['id']}")).text)
    assert "Shelf 4.22 kg" in text
    assert "Amount to buy kg" in text
    await browser.submit(f"/lists/1/entries/{entry['id']}", {"quantity": "3"})
    form = {"item_id": flour["id"], "location_id": shelf["id"], "quantity": "1.5"}
    await browser.submit(f"/lists/1/entries/{entry['id']}/buy", form)
    # A purchase is in the unit of the stock at its location, as its event is.
    form |= {"location_id": cellar["id"]}
    await browser.submit(f"/lists/1/entries/{entry['id']}/buy", form)
    text = plain((await browser.show("/lists/1")).text)
    assert "Bought just now Flour 1500 g at Cellar · 1.5 kg planned · member" in text
    text = plain((await browser.show("/lists/1/log")).text)
    for line in (
        "Added: Flour 2 kg",
        "Changed: Flour 2 kg → 3 kg",
        "Bought: Flour 1.5 kg at Shelf · on the list: 3 kg → 1.5 kg",
        "Bought: Flour 1500 g at Cellar · 1.5 kg planned",
        "Added: Candles 3",
    ):
        assert f"{line} · member" in text


async def test_price_names_the_amount_that_it_is_for(browse: Browse, member: AsyncClient, weekly: Json) -> None:
    flour, eggs, shelf = await new_item(member, "Flour"), await new_item(member, "Eggs"), await new_location(member)
    sku = await new_stock(member, flour, shelf, 4, unit="kg")
    browser = await browse("member")
    for item, hint in ((flour, "For one kg."), (eggs, "For one piece.")):
        entry = await put(member, weekly, item_id=item["id"])
        assert hint in plain((await browser.show(f"/lists/1/entries/{entry['id']}")).text)
    # Where the unit can be another one, the hint says so.
    form = {"location_id": shelf["id"], "quantity": "none", "unit": "g"}
    for item, unit in ((flour, "kg"), (eggs, "piece")):
        text = plain((await browser.show(f"/items/{item['id']}/stock/new")).text)
        assert f"For one {unit}, or for one of another unit" in text
        answer = await browser.submit(f"/items/{item['id']}/stock/new", form)
        assert "For one g, or for one of another unit" in plain(answer.text)
    text = plain((await browser.show(f"/items/{flour['id']}/stock/{sku['id']}")).text)
    assert "For one kg of what is added, or for one of another unit" in text


async def test_tick_without_a_location_asks_for_one(browse: Browse, member: AsyncClient, weekly: Json) -> None:
    item, shelf = await new_item(member, "New"), await new_location(member, "Shelf")
    entry = await put(member, weekly, item_id=item["id"])
    browser = await browse("member")
    path = f"/lists/1/entries/{entry['id']}"
    answer = await browser.submit(f"{path}/tick", {"item_id": item["id"]})
    assert answer.headers["location"].startswith(f"{path}?why=")
    page = (await browser.show(answer.headers["location"])).text
    assert 'aria-invalid="true"' in page
    answer = await browser.submit(f"{path}/tick", {"item_id": item["id"]}, headers={"X-Fragment": "entries"})
    assert answer.status_code == 422
    assert answer.json()["detail"]
    form = {"item_id": item["id"], "location_id": "", "location_id_text": "Nowhere", "quantity": "0,5"}
    answer = await browser.submit(f"{path}/buy", form)
    assert answer.status_code == 422
    assert 'value="0,5"' in answer.text
    answer = await browser.submit(
        f"{path}/buy", form | {"location_id_text": "shelf", "expiry_date": "2027-01-31", "lot": "L1"}
    )
    assert answer.status_code == 303
    [sku] = await get(member, "/skus/")
    assert (sku["expiry_date"], sku["lot"]) == ("2027-01-31", "L1")
    assert (await get(member, "/shopping-lists/1"))["items"][0]["quantity"] == 0.5
    # From now on new things go to the shelf.
    other = await new_item(member, "Other")
    await put(member, weekly, item_id=other["id"])
    assert (await browser.submit("/lists/1/location", {"location_id_text": "Nowhere"})).status_code == 422
    await browser.submit("/lists/1/location", {"location_id": shelf["id"]})
    refused = await browser.submit("/lists/1/location", {"location_id": "", "location_id_text": "Nowhere"})
    again = typed_fields(refused.text, "/lists/1/location")
    assert again == {"location_id": "", "location_id_text": "Nowhere"}
    assert (await browser.show("/lists/1")).text.count("goes to Shelf") == 2


async def test_entries_are_added_changed_and_removed(browse: Browse, member: AsyncClient, weekly: Json) -> None:
    item = await new_item(member, "Milk")
    browser = await browse("member")
    path = "/lists/1/entries"
    await browser.submit(path, {"item_id": "", "item_id_text": "milk", "quantity": "2"})
    await browser.submit(path, {"item_id": "", "item_id_text": "Birthday candles", "quantity": "1"})
    assert await names(member, weekly) == ["Milk", "Birthday candles"]
    answer = await browser.submit(path, {"item_id": item["id"], "quantity": "2"})
    assert answer.status_code == 409
    answer = await browser.submit(path, {"item_id_text": "Cups", "quantity": "none"}, headers={"X-Fragment": "entries"})
    assert answer.json()["errors"] == [{"field": "quantity", "message": "must be a number"}]
    first, second = [entry["id"] for entry in (await get(member, "/shopping-lists/1"))["items"]]
    await browser.submit(f"{path}/{first}", {"quantity": "5"})
    await browser.submit(f"{path}/{second}", {"quantity": "6", "text": "Candles"})
    assert [entry["quantity"] for entry in (await get(member, "/shopping-lists/1"))["items"]] == [5, 6]
    answer = await browser.submit(f"{path}/{second}", {"quantity": "0", "text": "Candles"})
    assert answer.status_code == 422
    for entry in (first, second):
        await browser.submit(f"{path}/{entry}/remove")
    assert await names(member, weekly) == []
    log = (await browser.show("/lists/1/log")).text
    assert "Taken off: Candles" in log
    assert "5 → " not in log


async def test_list_is_filled_with_what_is_low(browse: Browse, member: AsyncClient, weekly: Json) -> None:
    item = await new_item(member, "Milk", min_quantity=2)
    await new_stock(member, item, await new_location(member), 1)
    browser = await browse("member")
    page = (await browser.show("/lists/1")).text
    assert "1 item is at or below its minimum" in page
    # However long the list is, what fills it is opened from above it.
    assert (
        0 < page.index('data-dialog="fill"') < page.index('data-fragment="entries"') < page.index('<dialog id="fill"')
    )
    answer = await browser.submit("/lists/1/fill", {"target": "x"})
    assert answer.status_code == 422
    assert re.search(r'<dialog id="fill"[^>]* open', answer.text)
    answer = await browser.submit("/lists/1/fill", {"target": "x"}, headers={"X-Requested-With": "fetch"})
    assert [each["field"] for each in answer.json()["errors"]] == ["target"]
    answer = await browser.submit("/lists/1/fill", {"target": "4"})
    assert "1 entry was added or raised" in (await browser.show(answer.headers["location"])).text
    assert (await get(member, "/shopping-lists/1"))["items"][0]["quantity"] == 3
    answer = await browser.submit("/lists/1/fill", {"target": ""})
    assert answer.headers["location"].startswith("/lists/1?done=full")


async def test_private_lists_of_others_are_not_there(browse: Browse, admin: AsyncClient) -> None:
    made(await admin.post("/shopping-lists/", json={"name": "Secret"}))
    browser = await browse("member")
    assert "Secret" not in (await browser.show("/lists")).text
    for path in ("/lists/1", "/lists/1/edit", "/lists/1/log"):
        assert (await browser.get(path)).status_code == 404
    for path in ("/lists/1/delete", "/lists/1/entries/1/tick", "/lists/1/purchases/1/undo"):
        assert (await browser.submit(path)).status_code == 404
