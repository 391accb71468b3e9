"""The location on the scan page in a browser: a scan is booked only where a person chose, or typed a whole name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browsers import in_a_browser
from tests.pages.browser.conftest import Opener
from tests.pages.browser.keyboard import Keys
from tests.pages.browser.scanning import (
    QUEUE,
    READY,
    call,
    go_to_scan,
    hold_back,
    new_barcode,
    new_item,
    scan,
    scan_new_item,
    total,
)

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = in_a_browser


async def test_typed_location_is_the_one_of_that_name(opener: Opener) -> None:
    from playwright.async_api import expect

    page = await opener("/scan")
    item_id, barcode = await new_item(page)
    await go_to_scan(page, "?mode=add")
    await page.locator("#f-location_id").fill("nosuchplace")
    await page.locator("#f-code").focus()
    await scan(page, barcode)
    await expect(page.locator("#refused li")).to_contain_text("nosuchplace")
    assert await total(page, item_id) == 0
    # The same while the focus is still in the field of the location.
    await go_to_scan(page, "?mode=add&location_id=1")
    await page.locator("#f-location_id").fill("elsewhere")
    await Keys(page).scan(barcode)
    await expect(page.locator("#refused li").first).to_contain_text("elsewhere")
    assert await total(page, item_id) == 0
    await page.locator("#f-location_id").fill("pantry, TOP shelf")
    await page.locator("#f-code").focus()
    await scan(page, barcode)
    await expect(page.locator("#session .event").first).to_contain_text("1 at Pantry, top shelf")


async def test_a_new_location_is_offered_only_where_stock_can_be_added(opener: Opener) -> None:
    page = await opener("/scan")
    await go_to_scan(page, "?mode=remove")
    options = page.locator("#f-location_id-options")
    await page.locator("#f-location_id").fill("Attic shelf 9")
    await options.get_by_text("No location found").wait_for()
    assert await options.get_by_text("as a new location").count() == 0
    await page.get_by_role("radio", name="Add").check(force=True)
    await page.locator("#f-location_id").fill("Attic shelf 8")
    await options.get_by_text("as a new location").wait_for()
    await page.get_by_role("radio", name="Take").check(force=True)
    await page.locator("#f-location_id").fill("Attic shelf 7")
    await options.get_by_text("No location found").wait_for()


@pytest.mark.parametrize("path", ["/scan?mode=add&location_id=1", "/items/new?location_id=1"])
async def test_location_typed_before_its_list_is_loaded(opener: Opener, path: str) -> None:
    page = await opener("/scan", service_workers="block")
    item_id, barcode = await new_item(page)
    is_typed = await hold_back(page, "picker.js")
    await page.goto(path, wait_until="commit")
    if path.startswith("/scan"):
        await page.locator(READY).wait_for()
    await page.locator("#f-location_id").fill("elsewhere")
    is_typed.set()
    await page.locator("#f-location_id[data-ready]").wait_for()
    # The id in the page belongs to the text before.
    assert await page.locator("input[name=location_id]").input_value() == ""
    if path.startswith("/scan"):
        await Keys(page).scan(barcode)
        await page.locator("#refused li", has_text="elsewhere").wait_for()
        assert await total(page, item_id) == 0
    # The worker, from whose cache the list would come, is refused with an error on the console.
    assert [each for each in opener.problems if "service worker" not in each.lower()] == []
    opener.problems.clear()


async def test_what_is_at_no_location_asks_for_one(opener: Opener) -> None:
    page, item_id, barcode = await scan_new_item(opener, "?mode=add&amount=1")
    await page.locator("#refused li", has_text="Choose where it goes").wait_for()
    await page.locator("#result", has_text="Choose where it goes").wait_for()
    await page.locator("#f-location_id:focus").wait_for()
    # A text that is left in the field is no choice.
    await page.keyboard.insert_text("pan")
    await page.locator("#f-location_id-options [role=option]").nth(1).wait_for()
    await page.locator("#f-amount").click()
    await page.locator("#f-location_id").click()
    await page.keyboard.insert_text("pantry, top")
    await page.locator("#f-location_id-options [role=option]").first.click()
    # The choice is the answer: the scan is booked there, once.
    await page.locator("#session .sign[data-mode=add]").wait_for()
    await page.locator("#refused").wait_for(state="hidden")
    assert await total(page, item_id) == 1
    await page.locator("#f-location_id").fill("pantry")
    await page.locator("#f-location_id-options [role=option]").nth(1).click()
    await scan(page, barcode)
    await page.locator("#session .sign[data-mode=add]").nth(1).wait_for()
    assert await total(page, item_id) == 2


async def test_location_of_another_mode_is_no_answer(opener: Opener) -> None:
    page, item_id, barcode = await scan_new_item(opener, "?mode=add&amount=1")
    await page.locator("#refused li", has_text="Choose where it goes").wait_for()
    await page.get_by_role("radio", name="Move").check(force=True)
    await page.locator("#f-location_id").fill("pantry, top")
    await page.locator("#f-location_id-options [role=option]").first.click()
    await page.get_by_role("radio", name="Add").check(force=True)
    await scan(page, barcode)
    await page.locator("#session .sign[data-mode=add]").wait_for()
    assert await total(page, item_id) == 1
    assert await page.locator("#refused li").count() == 1


async def test_scan_at_an_unknown_location_goes_to_the_one_chosen_next(opener: Opener) -> None:
    page, item_id, barcode = await scan_new_item(opener, "?mode=add&amount=1")
    await page.locator("#refused li", has_text="Choose where it goes").wait_for()
    await page.locator("#refused [data-drop]").click()
    await page.locator("#f-location_id").fill("nowhere")
    await page.locator("#f-location_id-options", has_text="as a new location").wait_for()
    await page.locator("#f-code").fill(barcode)
    await page.keyboard.press("Enter")
    await page.locator("#refused li", has_text="There is no active location named").wait_for()
    await page.locator("#f-location_id").fill("pantry, top")
    await page.locator("#f-location_id-options [role=option]").first.click()
    await page.locator("#session .sign[data-mode=add]").wait_for()
    assert await total(page, item_id) == 1


async def test_refused_removal_is_taken_from_where_the_rest_is(opener: Opener) -> None:
    page = await opener("/scan")
    item_id, barcode = await new_item(page)
    await call(page, "POST", "/skus/", {"item_id": item_id, "location_id": 2, "quantity": 4})
    there = (await call(page, "GET", "/locations/2"))["path"]
    await go_to_scan(page, "?mode=add&location_id=1&amount=1")
    # The location stays from one mode to the next.
    await page.get_by_role("radio", name="Take").check(force=True)
    await page.locator("#f-code").focus()
    await scan(page, barcode)
    await page.locator("#result", has_text=f"4 at {there}").wait_for()
    await page.get_by_role("button", name=f"Take 1 from {there}").click()
    await page.locator("#result", has_text=f"3 at {there}").wait_for()
    await page.locator("#refused").wait_for(state="hidden")
    assert await page.locator("[data-offer]").count() == 0
    assert await total(page, item_id) == 3


async def _refused_removal(opener: Opener) -> tuple[Page, int, str, list[str]]:
    """A page with a removal that was refused; its item, where that is, and the requests for that."""
    page = await opener("/scan", service_workers="block")
    item_id, barcode = await new_item(page)
    await call(page, "POST", "/skus/", {"item_id": item_id, "location_id": 2, "quantity": 4})
    there = (await call(page, "GET", "/locations/2"))["path"]
    await go_to_scan(page, "?mode=remove&location_id=1&amount=1")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/scan/elsewhere") else None)
    await scan(page, barcode)
    return page, item_id, there, asked


async def test_offer_stays_in_its_place(opener: Opener) -> None:
    page, item_id, there, asked = await _refused_removal(opener)
    take = page.get_by_role("button", name=f"Take 1 from {there}")
    await take.focus()
    # Any change of a scan draws the card again.
    for _ in range(2):
        await page.evaluate(f"async () => {{ {QUEUE} await queue.save(await queue.list()); }}")
    await page.wait_for_timeout(300)
    assert await take.evaluate("(button) => button === document.activeElement")
    shown = await page.locator("#result button:visible").all_inner_texts()
    assert [text.strip() for text in shown] == ["Try again", f"Take 1 from {there}"]
    assert len(asked) == 1
    await page.keyboard.press("Enter")
    await page.locator("#result", has_text=f"3 at {there}").wait_for()
    assert await page.locator("#f-code").evaluate("(field) => field === document.activeElement")
    assert await total(page, item_id) == 3
    assert [each for each in opener.problems if "service worker" not in each.lower()] == []
    opener.problems.clear()


async def test_offer_without_a_session_leaves_the_page(opener: Opener) -> None:
    page = await opener("/scan", service_workers="block")
    body = '{"title": "Not signed in"}'
    await page.route(
        "**/scan/elsewhere",
        lambda route: route.fulfill(status=401, content_type="application/problem+json", body=body),
    )
    _, barcode = await new_item(page)
    await go_to_scan(page, "?mode=remove&location_id=1&amount=1")
    await page.evaluate("window.isSame = true")
    async with page.expect_response("**/scan/elsewhere"):
        await scan(page, barcode)
    await page.wait_for_timeout(500)
    await page.locator("#refused li").wait_for()
    assert await page.evaluate("window.isSame")
    opener.problems.clear()


async def test_only_a_rejected_scan_goes_elsewhere(opener: Opener) -> None:
    """After a refusal of the whole request an earlier attempt may be booked: its content must not change."""
    page, _, _, _ = await _refused_removal(opener)
    await page.locator("#refused li").wait_for()
    await page.route("**/api/v1/events?details=true", lambda route: route.abort())
    sent = await page.evaluate(
        f"""async () => {{ {QUEUE}
            const [record] = await queue.list();
            await queue.save([{{ ...record, isRejected: false }}]);
            await queue.again(record, {{ id: 2, name: "Elsewhere" }});
            return [record, (await queue.list())[0]].map((each) => [each.event.event_id, each.event.location]); }}"""
    )
    assert sent[0] == sent[1]
    opener.problems.clear()


async def test_location_that_was_pressed_is_added(opener: Opener) -> None:
    page = await opener("/scan", service_workers="block")
    await go_to_scan(page, "?mode=add&amount=1")
    is_typed = await hold_back(page, "locations.js")
    name = f"Garret {new_barcode()}"
    await page.locator("#f-location_id").fill(name)
    await page.locator("#f-location_id-options [data-value=new]", has_text=name).click()
    # Before the module is there.
    await page.locator("#f-location_id").fill("pan")
    async with page.expect_response("**/scan/location"):
        is_typed.set()
    names = [each["name"] for each in await call(page, "GET", "/locations/")]
    assert name in names
    assert "pan" not in names
    assert await page.locator("#f-location_id").input_value() == "pan"
    assert [each for each in opener.problems if "service worker" not in each.lower()] == []
    opener.problems.clear()


async def test_unknown_location_is_added(opener: Opener) -> None:
    page, item_id, barcode = await scan_new_item(opener, "?mode=add&amount=1")
    await page.locator("#refused li", has_text="Choose where it goes").wait_for()
    name = f"Loft {barcode}"
    await page.locator("#f-location_id").fill(name)
    offer = page.locator("#f-location_id-options [data-value=new]", has_text=f"Add “{name}")
    await offer.click()
    # It is the answer to the card, and the location of what is scanned next.
    await page.locator("#result", has_text=f"1 at {name}").wait_for()
    await scan(page, barcode)
    await page.locator("#result", has_text=f"2 at {name}").wait_for()
    assert await total(page, item_id) == 2
    # A scan at a name that is only typed opens the offer.
    await page.locator("#f-location_id").fill(f"{name} / Box")
    await page.locator("#f-code").fill(barcode)
    await page.keyboard.press("Enter")
    await page.locator("#refused li", has_text="There is no active location named").wait_for()
    await page.locator("#f-location_id[aria-invalid=true]:focus").wait_for()
    await offer.filter(has_text="Box").click()
    await page.locator("#result", has_text="1 at Box").wait_for()
    await page.locator("#refused").wait_for(state="hidden")
    assert await page.locator("#f-location_id").get_attribute("aria-invalid") is None
