"""Locations and shopping lists in a browser: rapid steps, and ticks that survive a network that is gone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tests.browsers import in_a_browser
from tests.pages.browser.conftest import Opener, OwnSites

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page, Route

pytestmark = in_a_browser
expect = pytest.importorskip("playwright.async_api").expect


async def call(page: Page, path: str, body: object = None, method: str = "POST") -> Any:
    """The API's answer, as the person of the page."""
    return await page.evaluate(
        """async ([path, body, method]) => {
            const token = document.querySelector('meta[name="csrf"]').content;
            const more = body === null ? {} : { method, body: JSON.stringify(body) };
            const headers = { "content-type": "application/json", "x-csrf-token": token };
            const answer = await fetch(`/api/v1${path}`, { headers, ...more });
            return answer.json();
        }""",
        [path, body, method],
    )


async def new_list(page: Page, *names: str) -> tuple[int, dict[str, int]]:
    """A list of new items that are in stock once, and words: those in lower case."""
    made = await call(page, "/shopping-lists/", {"name": "Errands"})
    shelf = await call(page, "/locations/", {"name": f"Shelf of {made['id']}"})
    ids = {}
    for name in names:
        entry = {"text": name}
        if not name.islower():
            item = await call(page, "/items/", {"name": f"{name} {made['id']}"})
            await call(page, "/skus/", {"item_id": item["id"], "location_id": shelf["id"], "quantity": 1})
            ids[name] = item["id"]
            entry = {"item_id": item["id"]}
        await call(page, f"/shopping-lists/{made['id']}/items", entry)
    return made["id"], ids


async def total(page: Page, item_id: int) -> float:
    """How much of an item there is."""
    quantity: float = (await call(page, f"/items/{item_id}"))["total_quantity"]
    return quantity


def portal(status: int) -> Callable[[Route], Awaitable[None]]:
    """Answers as the sign-in of a network, or a proxy, does."""

    async def answer(route: Route) -> None:
        await route.fulfill(status=status, content_type="text/html", body="<p>Portal")

    return answer


async def test_ticks_wait_for_the_network_and_are_booked_once(opener: Opener) -> None:
    page = await opener("/lists", "member", width=360)
    list_id, ids = await new_list(page, "Milk", "candles", "Bread", "Eggs")
    # The clock of the device is wrong.
    await page.add_init_script("const now = Date.now; Date.now = () => now() + 3600000;")
    await page.goto(page.url.replace("/lists", f"/lists/{list_id}"))
    tick = page.locator(".ticks .tick")
    await expect(tick).to_have_count(4)
    lost = []

    async def lose(route: Route) -> None:
        # The first tick reaches the server, and its answer is lost; nothing gets through after it.
        if not lost:
            lost.append(await route.fetch())
        await route.abort()

    await page.route("**/tick", lose)
    await tick.filter(has_text="Milk").click()
    await tick.filter(has_text="candles").click()
    await tick.filter(has_text="Bread").click()
    await expect(page.locator("#ticks")).to_be_visible()
    await expect(page.locator("#ticks [data-count]")).to_have_text("3")
    await expect(page.locator(".ticks .ticked")).to_have_count(3)
    # The page is opened anew, still without the network for ticks.
    await page.route("**/session", portal(200), times=1)
    await page.reload()
    await expect(page.locator("#ticks")).to_be_visible()
    assert await total(page, ids["Bread"]) == 1
    await page.unroute("**/tick")
    # What others than the server answer says nothing about the ticks.
    for status in (404, 200):
        await page.route("**/tick", portal(status), times=1)
        async with page.expect_response("**/tick"):
            await page.evaluate("dispatchEvent(new Event('online'))")
        await expect(page.locator("#ticks [data-count]")).to_have_text("3")
        await expect(page.locator("#refused .notice")).to_have_count(0)
        await expect(page.get_by_text("Portal")).to_have_count(0)
    await page.evaluate("dispatchEvent(new Event('online'))")
    await expect(page.locator("#ticks")).to_be_hidden()
    await expect(tick).to_have_count(1)
    await expect(page.locator(".done .line")).to_have_count(3)
    assert [await total(page, ids[name]) for name in ("Milk", "Bread", "Eggs")] == [2, 2, 1]
    await page.locator(".done .line").filter(has_text="Bread").get_by_role("button").click()
    await expect(tick).to_have_count(2)
    assert await total(page, ids["Bread"]) == 1
    assert await page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('stocky.tick'))") == []


async def test_a_tick_books_what_the_page_showed_at_its_own_time(opener: Opener) -> None:
    page = await opener("/lists", "member", width=360)
    list_id, ids = await new_list(page, "Milk")
    entry = f"/shopping-lists/{list_id}/items/{ids['Milk']}"
    await call(page, entry, {"quantity": 2}, method="PUT")
    # A fast clock, of which every tick is an hour in the future.
    await page.add_init_script("const now = Date.now; Date.now = () => now() + 3600000;")
    await page.goto(page.url.replace("/lists", f"/lists/{list_id}"))
    tick = page.locator(".ticks .tick")
    await page.route("**/tick", lambda route: route.abort())
    # Somebody needs more, which the page cannot show without the network.
    await call(page, entry, {"quantity": 6}, method="PUT")
    await tick.click()
    await expect(page.locator("#ticks")).to_be_visible()
    await page.unroute("**/tick")
    await page.evaluate("dispatchEvent(new Event('online'))")
    await expect(tick.locator(".amount")).to_have_text("4")
    # The rest can be bought.
    await expect(tick).to_be_enabled()
    await expect(page.locator(".ticks .ticked")).to_have_count(0)
    assert await total(page, ids["Milk"]) == 3
    [event, _first] = (await call(page, f"/events/?item_id={ids['Milk']}"))["events"]
    assert event["delta"] == 2
    assert event["occurred_at"] <= event["recorded_at"]
    await tick.click()
    await expect(tick).to_have_count(0)
    assert await total(page, ids["Milk"]) == 7


async def test_a_tick_says_so_and_is_undone_at_once(opener: Opener) -> None:
    page = await opener("/lists", "member", width=390, height=844)
    list_id, ids = await new_list(page, "Milk", "candles")
    await page.goto(page.url.replace("/lists", f"/lists/{list_id}"))
    tick, toast = page.locator(".ticks .tick"), page.locator(".toast")
    for name in ("Milk", "candles"):
        await tick.filter(has_text=name).click()
        await expect(toast.filter(has_text=name)).to_contain_text("is bought")
        await expect(tick).to_have_count(1)
        await toast.filter(has_text=name).get_by_role("button", name="Undo").click()
        await expect(tick).to_have_count(2)
        await expect(toast).to_have_count(0)
    assert await total(page, ids["Milk"]) == 1
    # Without the network nothing is bought yet: the entry says that it waits.
    await page.context.set_offline(True)
    await tick.filter(has_text="Milk").click()
    await expect(page.locator(".ticks .ticked")).to_contain_text("waits to be sent")
    await expect(toast).to_have_count(0)
    await page.context.set_offline(False)
    await expect(toast).to_contain_text("is bought")
    assert await total(page, ids["Milk"]) == 2


async def test_units_of_a_list_show_on_a_phone(opener: Opener) -> None:
    page = await opener("/lists", "member", width=360)
    list_id, _ids = await new_list(page, "pins")
    item = await call(page, "/items/", {"name": f"Flour {list_id}"})
    stock = {"item_id": item["id"], "location_id": 1, "quantity": 4.22, "unit": "kg"}
    await call(page, "/skus/", stock)
    await call(page, f"/shopping-lists/{list_id}/items", {"item_id": item["id"], "quantity": 2})
    await page.goto(page.url.replace("/lists", f"/lists/{list_id}"))
    tick = page.locator(".ticks .tick").filter(has_text="Flour")
    await expect(tick.locator(".amount small")).to_be_visible()
    await expect(tick.locator(".amount")).to_have_text("2 kg")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_fields_of_a_purchase_fit_on_a_phone(opener: Opener) -> None:
    page = await opener("/lists", "member", width=360)
    list_id, _ids = await new_list(page, "Rice")
    [entry] = (await call(page, f"/shopping-lists/{list_id}"))["items"]
    await page.goto(page.url.replace("/lists", f"/lists/{list_id}/entries/{entry['id']}"))
    boxes = [await page.locator(f"#f-{name}").bounding_box() for name in ("lot", "serial", "unit_price", "seller")]
    for before, box in zip([None, *boxes], boxes, strict=False):
        assert box is not None
        assert box["width"] > 240
        # Each is below the one before it.
        assert before is None or box["y"] > before["y"] + before["height"]
    await page.set_viewport_size({"width": 1280, "height": 800})
    lot, serial = [await page.locator(f"#f-{name}").bounding_box() for name in ("lot", "serial")]
    assert lot is not None
    assert serial is not None
    assert (lot["y"], lot["width"]) == (serial["y"], serial["width"])


async def test_refused_ticks_say_why(opener: Opener) -> None:
    page = await opener("/lists", "member")
    list_id, ids = await new_list(page, "Soap")
    await page.goto(page.url.replace("/lists", f"/lists/{list_id}"))
    # Somebody else has bought it meanwhile.
    await call(page, f"/shopping-lists/{list_id}/items/{ids['Soap']}/bought", {})
    await page.locator(".ticks .tick").click()
    refused = page.locator("#refused .notice")
    await expect(refused).to_contain_text("Soap")
    await expect(refused).to_contain_text("log shows")
    await refused.get_by_role("button").click()
    await expect(refused).to_have_count(0)
    await page.reload()
    await expect(page.locator("#refused .notice")).to_have_count(0)
    assert await total(page, ids["Soap"]) == 2


async def test_ticks_of_another_user_stay(opener: Opener) -> None:
    page = await opener("/lists", "member")
    list_id, _ids = await new_list(page, "pins")
    await page.goto(page.url.replace("/lists", f"/lists/{list_id}"))
    await page.evaluate("document.querySelector('[data-list]').dataset.user = '999'")
    stored = {"state": "waiting", "tries": 0, "fields": {}, "list": "1", "entry": "1", "at": 1, "url": "/x"}
    await page.evaluate("(tick) => localStorage.setItem('stocky.tick.999.1', JSON.stringify(tick))", stored)
    await page.locator(".ticks .tick").click()
    await expect(page.locator(".ticks .tick")).to_have_count(0)
    assert await page.evaluate("JSON.parse(localStorage.getItem('stocky.tick.999.1')).state") == "waiting"


async def test_what_is_sent_again_after_a_lost_answer_is_booked_once(opener: Opener) -> None:
    page = await opener("/lists", "member")
    shelf = await call(page, "/locations/", {"name": "Shelf of answers"})
    anna = await call(page, "/locations/", {"name": "Anna of answers", "kind": "person"})
    item = await call(page, "/items/", {"name": "Lamp of answers"})
    sku = await call(page, "/skus/", {"item_id": item["id"], "location_id": shelf["id"], "quantity": 9})
    [loan] = (await call(page, "/loans/", {"sku_id": sku["id"], "person_id": anna["id"], "quantity": 5}))["loans"]

    async def send_twice(path: str, button: Locator) -> None:
        """Presses a button whose first answer is lost, and once more."""

        async def lose(route: Route) -> None:
            await route.fetch(max_redirects=0)
            await route.abort()

        await page.route(path, lose, times=1)
        await button.click()
        await page.locator(".notice, .toast", has_text="cannot be reached").wait_for()
        async with page.expect_navigation():
            await button.click()

    origin = page.url.removesuffix("/lists")
    await page.goto(f"{origin}/lent/{loan['id']}")
    await page.get_by_label("Amount").fill("2")
    await send_twice("**/return", page.get_by_role("button", name="Return"))
    assert (await call(page, f"/loans/{loan['id']}"))["outstanding"] == 3
    await page.goto(f"{origin}/locations/{anna['id']}")
    await send_twice("**/return", page.locator(".loan").get_by_role("button", name="Return"))
    assert (await call(page, f"/loans/{loan['id']}"))["outstanding"] == 0
    await page.goto(f"{origin}/locations/{shelf['id']}")
    await page.get_by_role("combobox", name="Item").fill("Lamp of answers")
    await page.get_by_label("Amount").fill("4")
    await send_twice("**/stock", page.get_by_role("button", name="Add", exact=True))
    await page.goto(f"{origin}/items/new?location_id={shelf['id']}")
    await page.get_by_label("Name").fill("Lens of answers")
    await send_twice("**/items/new", page.get_by_role("button", name="Save", exact=True))
    assert await total(page, item["id"]) == 13
    assert len(await call(page, "/items/?search=Lens of answers")) == 1


async def test_newest_words_of_a_filter_win(opener: Opener) -> None:
    page = await opener("/locations", "member")
    for name in ("Alcove one", "Alcove two"):
        await call(page, "/locations/", {"name": name})
    before = await page.evaluate("history.length")

    async def late(route: Route) -> None:
        await asyncio.sleep(1)
        # The browser gave up the request.
        with suppress(Exception):
            await route.continue_()

    await page.route(re.compile("q=Alcove$"), late)
    async with page.expect_request(re.compile("q=Alcove$")):
        await page.locator("#location-q").fill("Alcove")
    await page.locator("#location-q").fill("Alcove two")
    await page.wait_for_url(re.compile(r"q=Alcove\+two$"))
    found = page.locator('[data-fragment="locations"]')
    await expect(found).to_contain_text("Alcove two")
    await expect(found).not_to_contain_text("Alcove one")
    await expect(page.locator("form[aria-busy]")).to_have_count(0)
    assert await page.evaluate("history.length") == before


async def test_steps_and_adding_at_a_location(opener: Opener) -> None:
    page = await opener("/lists", "member")
    shelf = await call(page, "/locations/", {"name": "Stepping stone"})
    item = await call(page, "/items/", {"name": "Pebble, round"})
    await page.goto(page.url.replace("/lists", f"/locations/{shelf['id']}"))
    await page.get_by_role("combobox", name="Item").fill("pebb")
    await page.get_by_role("option").filter(has_text="Pebble, round").click()
    await page.get_by_label("Amount").fill("2")
    await page.get_by_role("button", name="Add", exact=True).click()
    plus = page.get_by_role("button", name=re.compile("^Add 1: Pebble"))
    await expect(plus).to_be_visible()
    for _ in range(5):
        await plus.click()
    await expect(page.locator(".stepper b")).to_have_text("7")
    await expect(plus).to_be_focused()
    assert await total(page, item["id"]) == 7


async def test_the_only_person_is_not_chosen_by_itself(own_site: OwnSites, opener: Opener) -> None:
    page = await opener("/me", at=own_site())
    people = await call(page, "/locations/?kind=person", method="GET")
    assert len(people) <= 1, "one suggestion is the case"
    if not people:
        await call(page, "/locations/", {"name": "Anna", "kind": "person"})
    shelf = await call(page, "/locations/", {"name": "Shelf to lend from"})
    item = await call(page, "/items/", {"name": "Thing to lend"})
    await call(page, "/skus/", {"item_id": item["id"], "location_id": shelf["id"], "quantity": 3})
    await page.goto(f"/items/{item['id']}/lend")
    person, options = page.get_by_role("combobox", name="To"), page.locator("#f-person_id-options")
    for way in ("press", "Enter"):
        await person.click()
        await options.get_by_role("option").first.wait_for()
        if way == "press":
            await page.get_by_role("button", name="Lend").click()
        else:
            await page.keyboard.press("Enter")
        assert await person.evaluate("(input) => input.validity.valueMissing")
        assert page.url.endswith("/lend")


async def test_counts_that_are_not_saved_are_asked_for(opener: Opener) -> None:
    page = await opener("/me")
    shelf = await call(page, "/locations/", {"name": "Shelf to count"})
    item = await call(page, "/items/", {"name": "Thing to count"})
    await call(page, "/skus/", {"item_id": item["id"], "location_id": shelf["id"], "quantity": 3})
    questions: list[str] = []

    async def stay(dialog: Any) -> None:
        questions.append(dialog.type)
        await dialog.dismiss()

    page.on("dialog", stay)
    await page.goto(f"/locations/{shelf['id']}/count")
    await page.get_by_label("Thing to count").fill("2")
    await page.locator("nav.rail a", has_text="Items").click()
    await expect(page.get_by_label("Thing to count")).to_have_value("2")
    assert questions == ["beforeunload"]
    # Saving and giving up need no question.
    await page.get_by_role("button", name="Save the count").click()
    await page.wait_for_url(f"**/locations/{shelf['id']}?done=*")
    await page.goto(f"/locations/{shelf['id']}/count")
    await page.get_by_label("Thing to count").fill("9")
    await page.get_by_role("link", name="Cancel").click()
    await page.wait_for_url(f"**/locations/{shelf['id']}")
    # Nor does a page on which nothing was typed.
    await page.goto(f"/locations/{shelf['id']}/count")
    await page.get_by_label("Thing to count").click()
    await page.locator("nav.rail a", has_text="Items").click()
    await page.wait_for_url("**/items")
    assert questions == ["beforeunload"]
