"""Items in a browser: search as one types, the stepper, dialogs, select mode and new items, also by the keyboard."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.browsers import in_a_browser
from tests.pages.browser.conftest import Opener
from tests.pages.browser.keyboard import Keys
from tests.pages.browser.scanning import call

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page, Route

pytestmark = in_a_browser
expect = pytest.importorskip("playwright.async_api").expect

# Longer than a picker waits for the next key.
PICKER_WAIT = 300


async def new_item(page: Page, name: str, **fields: str) -> None:
    """Makes an item with stock on the first location; its page shows then."""
    await page.goto("/items/new?location_id=1")
    await page.get_by_label("Name").fill(name)
    for field, value in fields.items():
        await page.locator(f"#f-{field}").fill(value)
    await page.get_by_role("button", name="Save", exact=True).click()
    await page.wait_for_url(re.compile(r"/items/\d+\?"))


async def shows(locator: Locator, text: str) -> None:
    """Waits until an element has the text."""
    await locator.filter(has_text=text).first.wait_for()


async def test_search_from_every_page_by_keyboard(opener: Opener) -> None:
    page = await opener("/me")
    await page.keyboard.press("/")
    await page.locator("#q:focus").wait_for()
    await page.keyboard.type("flor wheat")
    first = page.locator("#found .lead > a").first
    await shows(first, "Flour")
    await page.keyboard.press("ArrowDown")
    await page.locator("#found .lead > a:focus").wait_for()
    await page.keyboard.press("Enter")
    await page.wait_for_url(re.compile(r"/items/\d+$"))
    await shows(page.locator("h1"), "Flour")


async def test_new_item_at_a_new_location(opener: Opener) -> None:
    page = await opener("/items/new")
    await page.get_by_label("Name").fill("Drum of cable")
    location = page.locator("#f-location_id")
    await location.fill("Cable loft")
    offer = page.locator("#f-location_id-options [data-value=new]")
    await shows(offer, "Add “Cable loft” as a new location")
    # Neither Tab nor one Enter adds anything.
    await location.press("Enter")
    await page.locator("#f-location_id-options [data-value=new][aria-selected=true]").wait_for()
    await location.press("Tab")
    assert await page.locator("[name=location_id]").input_value() == ""
    await location.fill("Cable lofts")
    await shows(offer, "Cable lofts")
    await offer.click()
    await page.locator("#f-quantity").fill("2")
    await page.get_by_role("button", name="Save", exact=True).click()
    await page.wait_for_url(re.compile(r"/items/\d+\?"))
    await shows(page.locator('[data-fragment="stock"]'), "Cable lofts")


async def test_focus_after_an_error_opens_the_suggestions(opener: Opener) -> None:
    page = await opener("/items/new")
    await page.get_by_label("Name").fill("Reel of rope")
    await page.locator("#f-quantity").fill("2")
    location = page.locator("#f-location_id")
    await location.fill("Rope loft")
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Save", exact=True).click()
    # The form came back with the focus in the field, which has a mistake.
    await page.locator("#f-location_id[aria-invalid=true]:focus").wait_for()
    offer = page.locator("#f-location_id-options [data-value=new]")
    await shows(offer, "Add “Rope loft” as a new location")
    await page.keyboard.press("Tab")
    await offer.wait_for(state="hidden")
    await location.focus()
    await shows(offer, "Rope loft")


async def test_enter_opens_the_result_that_is_meant(opener: Opener) -> None:
    page = await opener("/me")
    await new_item(page, "Lantern of brass")
    await new_item(page, "Lantern of tin")
    await page.goto("/me")
    await page.locator("#q").fill("lantern")
    await page.locator("#found .lead > a").nth(1).wait_for()
    await page.keyboard.press("Enter")
    await page.locator("#found .lead > a:focus").wait_for()
    await page.locator("#q").fill("lantern tin")
    await page.locator("#q").press("Enter")
    await page.wait_for_url(re.compile(r"/items/\d+$"))
    await shows(page.locator("h1"), "Lantern of tin")


async def test_list_is_searched_and_filtered_in_place(opener: Opener) -> None:
    page = await opener("/items")
    await page.locator("#q").fill("rice")
    await page.wait_for_url(re.compile(r"q=rice"))
    await page.locator('[data-fragment="results"] .lead > a', has_text="Rice").first.wait_for()
    await page.goto("/items")
    await page.get_by_role("link", name=re.compile("^Low")).click()
    await page.wait_for_url(re.compile("cause=low_stock"))
    await page.locator('.chip[aria-current="true"]', has_text="Low").wait_for()
    await page.get_by_role("link", name="Filter").click()
    await page.locator('#filter input[name="cause"]').wait_for(state="attached")
    await page.locator("#filter-kept").select_option("freezer")
    await page.get_by_role("button", name="Show", exact=True).click()
    await page.wait_for_url(re.compile("storage_type=freezer"))
    await page.locator("#filter:not([open])").wait_for(state="attached")
    await page.go_back()
    await page.wait_for_url(re.compile(r"cause=low_stock$"))


async def test_a_search_on_a_later_page_begins_at_the_first(opener: Opener) -> None:
    later = "page=2&cursor=3&cursor_day=2026-01-31&back=0"
    page = await opener(f"/items?cause=expired&{later}&done=moved&count=2&batch=none")
    await page.locator("#q").fill("rice")
    await page.wait_for_url(re.compile("q=rice"))
    assert page.url.endswith("/items?cause=expired&q=rice")


async def test_stepper_keeps_the_focus_and_loses_no_press(opener: Opener) -> None:
    page = await opener("/items")
    await new_item(page, "Stepped thing", quantity="5")
    plus = page.get_by_role("button", name=re.compile("^Add 1"))
    for _ in range(4):
        await plus.press("Enter")
    await page.locator(".stepper", has_text="9").wait_for()
    # In one look: the live page may be rendered anew between two.
    await page.locator('.stepper button[value="1"]:focus').wait_for()
    await page.get_by_role("button", name=re.compile("^Undo")).first.click()
    await page.locator(".stepper", has_text="8").wait_for()
    await shows(page.locator(".undone"), "undone")


async def test_message_of_a_refusal_goes_when_the_next_attempt_succeeds(opener: Opener) -> None:
    page = await opener("/items")
    await new_item(page, "Scarce thing", quantity="1")
    minus = page.get_by_role("button", name=re.compile("^Take 1"))
    await minus.press("Enter")
    await page.locator(".stepper", has_text="0").wait_for()
    await minus.press("Enter")
    await page.locator(".toast.bad", has_text="Only 0").wait_for()
    # It stays while it is pointed at.
    await page.locator(".toast.bad").hover()
    await page.get_by_role("button", name=re.compile("^Add 1")).press("Enter")
    await page.locator(".stepper", has_text="1").wait_for()
    await page.locator(".toast.bad").wait_for(state="detached")


async def test_a_corrected_form_is_not_sent_again_by_going_back(opener: Opener) -> None:
    page = await opener("/items")
    await page.goto("/items/new?location_id=1")
    await page.get_by_label("Name").fill("Corrected thing")
    await page.locator("#f-quantity").fill("many")
    save = page.get_by_role("button", name="Save", exact=True)
    await save.click()
    await page.locator('#f-quantity[aria-invalid="true"]:focus').wait_for()
    await page.locator("#f-quantity-error").wait_for()
    await page.locator("#f-quantity").fill("2")
    await page.locator("#f-quantity:not([aria-invalid])").wait_for()
    assert await page.locator("#f-quantity-error").count() == 0
    # In a folded part of the form, which opens: what the browser refuses, and what Stocky does.
    await page.locator("summary", has_text="More").click()
    await page.locator("#f-seller_link").fill("nowhere")
    await page.locator("summary", has_text="More").click()
    await save.click()
    await page.locator("#f-seller_link:focus").fill("ftp://example.org")
    await page.locator("summary", has_text="More").click()
    await save.click()
    await page.locator('#f-seller_link[aria-invalid="true"]:focus').wait_for()
    assert await page.locator('#f-quantity[aria-invalid="true"]').count() == 0
    await page.locator("#f-seller_link").fill("")
    await save.click()
    await page.wait_for_url(re.compile(r"/items/\d+\?"))
    await page.go_back()
    await page.wait_for_url(re.compile(r"/items/new\?location_id=1$"))
    await page.get_by_label("Name").wait_for()
    assert await page.locator("[data-error]").count() == 0


async def test_amount_in_the_dialog(opener: Opener) -> None:
    page = await opener("/items")
    await new_item(page, "Counted thing", quantity="5")
    await page.locator(".stepper > a").click()
    amount = page.locator("#amount")
    await amount.fill("many")
    await page.get_by_role("button", name="Count", exact=True).click()
    await shows(page.locator("#act .error"), "must be a number")
    # More than there is: what is corrected is another booking.
    await amount.fill("999")
    await page.get_by_role("button", name="Take", exact=True).click()
    await page.locator("#act [data-error]", has_not_text="must be a number").wait_for()
    await amount.fill("12,5")
    await page.get_by_role("button", name="Count", exact=True).click()
    await page.locator("#act:not([open])").wait_for(state="attached")
    await page.locator(".stepper", has_text="12.5").wait_for()
    await page.locator(".toast").get_by_role("button", name="Undo").click()
    await page.locator(".stepper > a", has_text=re.compile(r"^5")).wait_for()

    await page.locator(".stepper > a").click()
    # What is typed above is also what moves, in the unit of the stock, unless another amount is typed there.
    moving, opening = page.locator("#move-quantity"), page.locator("#open-quantity")
    await expect(moving).to_have_value("5")
    await amount.press_sequentially("32")
    await expect(moving).to_have_value("32")
    await expect(opening).to_have_value("32")
    await page.locator("#amount-unit").fill("kg")
    await expect(moving).to_have_value("5")
    await expect(opening).to_have_value("1")
    await page.locator("#amount-unit").fill("piece")
    await amount.fill("3")
    await expect(moving).to_have_value("3")
    await page.locator("#act summary", has_text="Move").click()
    await page.get_by_role("combobox", name="To").fill("shelf")
    await page.locator('#act [role="option"]').first.click()
    await moving.fill("2")
    await amount.fill("4")
    await expect(opening).to_have_value("4")
    await expect(moving).to_have_value("2")
    await page.get_by_role("button", name="Move", exact=True).click()
    await page.locator(".stepper > a", has_text=re.compile(r"^2")).wait_for()
    await page.locator(".stepper > a", has_text=re.compile(r"^3")).wait_for()


async def test_several_are_selected_on_a_phone(opener: Opener) -> None:
    page = await opener("/items?q=resistor", width=360, height=780)
    assert not await page.locator(".selection-bar").is_visible()
    await page.get_by_role("button", name="Select", exact=True).click()
    boxes = page.locator('td.check input[name="id"]')
    await boxes.nth(0).check()
    await boxes.nth(1).check()
    await shows(page.locator("[data-count]"), "2")
    await page.locator(".selection-bar").get_by_role("button", name="Tag").click()
    await page.wait_for_url(re.compile("action=tag"))
    await page.get_by_role("combobox", name="Tag").fill("passive")
    await page.get_by_role("button", name="Add the tag").click()
    await shows(page.locator(".toast"), "2 items have the tag")


async def test_all_are_selected_on_a_phone(opener: Opener) -> None:
    page = await opener("/items?q=resistor", width=360, height=780)
    await page.get_by_role("button", name="Select", exact=True).click()
    every, boxes = page.get_by_text("All on this page", exact=True), page.locator('td.check input[name="id"]')
    number = await boxes.count()
    assert number > 1
    await every.click()
    await shows(page.locator("[data-count]"), str(number))
    assert all([await box.is_checked() for box in await boxes.all()])
    await every.click()
    await shows(page.locator("[data-count]"), "0")
    # The head of the table has one on a wide screen.
    await page.set_viewport_size({"width": 1000, "height": 780})
    assert not await every.is_visible()
    assert await page.locator("th.check input").is_visible()


async def test_nothing_is_cut_off_on_a_phone(opener: Opener) -> None:
    page = await opener("/items?q=resistor", width=360, height=780)
    await page.get_by_role("button", name="Select", exact=True).click()
    await page.locator(".selection-bar").wait_for()
    for button in await page.locator(".selection-bar .button").all():
        box = await button.bounding_box()
        assert box
        assert 0 <= box["x"] <= box["x"] + box["width"] <= 360, await button.inner_text()
    marked = "([cell]) => getComputedStyle(cell, '::before').content !== 'none'"
    assert not await page.locator("tr.shelf > .check").evaluate_all(marked), "the mark is not over the check boxes"
    assert await page.locator("tr.shelf > .lead").evaluate_all(marked), "but at the edge of the row"
    await page.goto("/items?q=flour")
    await page.locator(".lead > a").first.click()
    await page.locator(".stepper > a").first.click()
    unit = page.locator("#amount-unit")
    await unit.fill("piece")
    assert await unit.evaluate("(field) => field.scrollWidth <= field.clientWidth")


async def test_signs_stay_in_their_badges_on_a_phone(opener: Opener) -> None:
    page = await opener("/", width=360, height=780)
    for amount, unit in ((3, "pack"), (1.5, "kg"), (12345.125, "teaspoons")):
        # Of its own: other tests merge items of the demo data, which needs units that fit.
        item = (await call(page, "POST", "/items", {"name": f"Thing in {unit}"}))["id"]
        where = {"item": {"id": item}, "location": {"id": 1}}
        event = {"type": "set", **where, "quantity": amount, "unit": unit}
        await call(page, "POST", "/events", {"events": [event]})
    for path in ("/", "/activity", f"/items/{item}/history"):
        await page.goto(path)
        signs = page.locator(".event > .sign")
        assert await signs.count()
        wide = "(all) => all.filter((sign) => sign.scrollWidth > sign.clientWidth).map((sign) => sign.textContent)"
        assert await signs.evaluate_all(wide) == [], path


async def test_stub_is_merged_and_comes_back(opener: Opener) -> None:
    page = await opener("/items")
    await new_item(page, "Merged thing", barcode="2999999999998")
    await page.get_by_role("link", name="Merge", exact=True).click()
    box = page.get_by_role("combobox", name="Merge into")
    await box.fill("flour whole")
    # Chosen before the answers to these words are there: the list stays closed when they would come.
    await page.locator('[role="option"]').first.click()
    await page.wait_for_timeout(PICKER_WAIT)
    assert await box.get_attribute("aria-expanded") == "false"
    await page.get_by_role("button", name="Merge", exact=True).click()
    await shows(page.locator(".card"), "Merged into this item")
    await page.locator("li", has_text="Merged thing").get_by_role("button", name="Undo", exact=True).wait_for()
    # The confirmation is nearer.
    await page.locator(".toast", has_text="The items are merged").get_by_role("button", name="Undo").click()
    await shows(page.locator("h1"), "Merged thing")


async def test_a_double_click_opens_a_dialog(opener: Opener) -> None:
    page = await opener("/items")
    await new_item(page, "Clicked thing")

    async def late(route: Route) -> None:
        await asyncio.sleep(0.3)
        # The browser gave up the first request.
        with suppress(Exception):
            await route.continue_()

    await page.route("**/list", late)
    await page.get_by_role("link", name="Add to a shopping list").evaluate("(link) => { link.click(); link.click(); }")
    await page.locator("dialog[open] .dialog-body form").wait_for()


async def test_the_dialog_of_hiding_asks(opener: Opener) -> None:
    page = await opener("/items")
    await new_item(page, "Hidden thing")
    await page.get_by_role("link", name="Hide", exact=True).click()
    await page.get_by_role("dialog", name="Hide Hidden thing?").wait_for()


async def test_what_was_scanned_by_mistake_is_discarded_by_keyboard(opener: Opener) -> None:
    page = await opener("/scan?mode=add&location_id=1&amount=1")
    await page.locator("#scan-form[data-ready]").wait_for()
    keys = Keys(page)
    await keys.scan("2999999999981")
    await page.locator("#session [data-name]").wait_for()
    await keys.start("/review")
    await keys.press(page.get_by_role("link", name="Discard…"))
    await keys.press(page.get_by_role("dialog").get_by_role("button", name="Discard"))
    await shows(page.locator(".toast"), "“Unknown 2999999999981” is discarded")
    await keys.press(page.locator(".toast").get_by_role("button", name="Undo"))
    await shows(page.locator(".toast"), "The item is shown again")
    await shows(page.locator("main"), "Unknown 2999999999981")


async def test_nothing_scrolls_sideways(opener: Opener) -> None:
    page = await opener("/items", width=320)
    for path in ("/items", "/items/1", "/items/1/stock/new", "/items/new", "/items/1/edit", "/review", "/vocabulary"):
        await page.goto(path)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


async def test_save_of_the_long_form_is_in_view_and_covers_no_field(opener: Opener) -> None:
    page = await opener("/items/new", "member", width=390, height=844)
    save = page.get_by_role("button", name="Save", exact=True)
    await save.wait_for()
    is_free = """(element) => {
        const { left, top, width, height } = element.getBoundingClientRect();
        return element.contains(document.elementFromPoint(left + width / 2, top + height / 2));
    }"""
    assert await save.evaluate(is_free)
    for label in ("Serial number", "Keeps once opened", "Tags"):
        field = page.get_by_label(label)
        await field.focus()
        assert await field.evaluate(is_free), label
        assert await save.evaluate(is_free), label
