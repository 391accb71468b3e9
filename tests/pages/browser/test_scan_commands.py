"""Printed commands on the scan page: each is obeyed in its turn, and no scan behind it is lost or booked elsewhere."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from stocky.barcodes.command_codes import make_short_code
from tests.barcodes.layouts import typed
from tests.browsers import in_a_browser
from tests.pages.browser.conftest import Opener
from tests.pages.browser.keyboard import Keys
from tests.pages.browser.scanning import READY, call, go_to_scan, hold_back, new_item, scan, total

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

pytestmark = in_a_browser

EVENTS = "**/api/v1/events?details=true"


async def test_short_codes_of_labels_are_obeyed(opener: Opener) -> None:
    from playwright.async_api import expect

    page = await opener("/scan")
    item_id, barcode = await new_item(page)
    await go_to_scan(page, "?mode=remove&location_id=2&amount=1")
    mode = page.locator("input[name=mode]:checked")
    # As a scanner types them on a German computer, and slowly into another field.
    await scan(page, typed(make_short_code("PUT"), "German"), make_short_code("LOC", 1))
    await page.locator("#locations .chip").wait_for()
    assert await mode.get_attribute("value") == "add"
    await page.locator("#q").focus()
    await Keys(page).scan(make_short_code("NEXT", 12), 90)
    await page.locator("#result .result-title", has_text="The next scan counts 12").wait_for()
    assert await page.locator("#f-amount").input_value() == "12"
    await page.locator("#f-code").focus()
    await scan(page, barcode, barcode)
    await page.locator("#session .sign[data-mode=add]").nth(1).wait_for()
    assert await page.locator("#f-amount").input_value() == "1"
    assert await total(page, item_id) == 13
    await scan(page, make_short_code("UNDO"))
    await page.locator("#session .event.undone").wait_for()
    assert await total(page, item_id) == 12
    await scan(page, make_short_code("NEXT", 5), make_short_code("COUNT"))
    await expect(page.locator("#f-amount")).to_have_value("")
    # What another layout typed is refused by the server.
    await scan(page, make_short_code("PUT"), typed(make_short_code("OUT"), "Dvorak"))
    await page.locator("#refused li", has_text="keyboard layout").wait_for()
    assert await mode.get_attribute("value") == "add"


async def test_scans_wait_for_the_commands_before_them(opener: Opener) -> None:
    from playwright.async_api import expect

    page = await opener("/scan")
    item_id, barcode = await new_item(page)
    loaded = await hold_back(page, "commands.js*")
    await go_to_scan(page, "?mode=remove")
    await scan(page, make_short_code("PUT"), make_short_code("LOC", 2), make_short_code("NEXT", 7), barcode, barcode)
    loaded.set()
    await expect(page.locator("#session .sign[data-mode=add]")).to_have_count(2)
    await expect(page.locator("#session .event").first).to_contain_text("8 at Pantry, top shelf")
    assert await total(page, item_id) == 8


def never(_: Route) -> None:
    """The request is neither answered nor refused, as in a network that is associated but dead."""


async def stock_at(page: Page, item_id: int) -> dict[int, float]:
    """The quantities of an item by location."""
    skus = await call(page, "GET", f"/skus?item_id={item_id}")
    return {each["location_id"]: each["quantity"] for each in skus if each["quantity"]}


async def test_scans_behind_a_location_outlive_a_dead_network_and_the_page(opener: Opener) -> None:
    page = await opener("/scan")
    item_id, barcode = await new_item(page)
    await go_to_scan(page, "?mode=add&location_id=1")
    await page.route("**/scan/location*", never)
    await scan(page, make_short_code("LOC", 2), barcode, barcode)
    await page.locator("#result[data-mode=sending]", has_text=barcode).wait_for()
    await page.reload()
    await page.locator(READY).wait_for()
    await scan(page, barcode)
    await page.locator("#session .sign[data-mode=add]").nth(2).wait_for()
    assert await stock_at(page, item_id) == {2: 3}
    await page.reload()
    await page.locator("#session .sign[data-mode=add]").nth(2).wait_for()
    assert await stock_at(page, item_id) == {2: 3}, "what was booked waits no longer"


async def test_scans_behind_an_undo_outlive_a_dead_network(opener: Opener) -> None:
    page = await opener("/scan")
    item_id, barcode = await new_item(page)
    await go_to_scan(page, "?mode=add&location_id=1")
    await scan(page, barcode)
    await page.locator("#session .sign[data-mode=add]").wait_for()
    await page.route("**/scan/events/*/undo", never)
    await scan(page, make_short_code("UNDO"), barcode)
    await page.locator("#session .sign[data-mode=add]").nth(1).wait_for()
    assert await total(page, item_id) == 2
    # The scan before it was not undone as far as is known: it can be undone again, and counts once.
    await page.unroute("**/scan/events/*/undo")
    await page.locator("#session [data-undo]").nth(1).click()
    await page.locator("#session .event.undone").wait_for()
    assert await total(page, item_id) == 1


async def test_scans_behind_a_command_are_booked_when_it_fails(opener: Opener) -> None:
    page = await opener("/scan")
    item_id, barcode = await new_item(page)
    await go_to_scan(page, "?mode=add&location_id=1")
    await scan(page, barcode)
    await page.locator("#session .sign[data-mode=add]").wait_for()
    await page.evaluate(
        """() => {
            const { put } = IDBObjectStore.prototype;
            IDBObjectStore.prototype.put = () => {
                IDBObjectStore.prototype.put = put;
                throw new Error("The disk is full");
            };
        }"""
    )
    await scan(page, make_short_code("UNDO"), barcode)
    await page.locator("#session .sign[data-mode=add]").nth(1).wait_for()
    assert await total(page, item_id) == 2


async def test_scans_wait_for_what_a_command_means(opener: Opener) -> None:
    """The module of commands does not come: what was scanned waits for the next page."""
    page = await opener("/scan", service_workers="block")
    item_id, barcode = await new_item(page)
    await go_to_scan(page, "?mode=add&location_id=1")
    await page.route("**/commands.js*", never)
    await scan(page, make_short_code("LOC", 2), barcode)
    await page.locator("#result[data-mode=waiting]", has_text="Kept on this device").wait_for()
    assert await page.locator("#session li").count() == 0
    await page.unroute("**/commands.js*")
    await page.reload()
    await page.locator("#session .sign[data-mode=add]").wait_for()
    assert await stock_at(page, item_id) == {2: 1}
    assert all("Service Worker registration blocked" in each for each in opener.problems)
    opener.problems.clear()


@pytest.mark.parametrize("status", [401, 503])
async def test_location_is_set_while_stocky_is_unavailable(opener: Opener, status: int) -> None:
    page = await opener("/scan")
    item_id, barcode = await new_item(page)
    await go_to_scan(page, "?mode=add&location_id=1")
    content_type = "application/problem+json" if status == 401 else "text/html"
    scanned = asyncio.Event()

    async def answer(route: Route) -> None:
        await scanned.wait()
        await route.fulfill(status=status, content_type=content_type, body='{"title": "No"}')

    await page.route("**/scan/location*", answer)
    await scan(page, make_short_code("LOC", 2), barcode, barcode)
    scanned.set()
    await page.locator("#session .sign[data-mode=add]").nth(1).wait_for()
    assert await stock_at(page, item_id) == {2: 2}
    opener.problems.clear()


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        (make_short_code("LOC", 999_999), "no active location with id 999999"),
        ('{"command":"set_location","payload":{"name":"Nowhere"}}', "no active location named 'Nowhere'"),
    ],
)
async def test_scans_behind_an_unknown_location_are_refused(opener: Opener, label: str, reason: str) -> None:
    page = await opener("/scan")
    item_id, barcode = await new_item(page)
    await go_to_scan(page, "?mode=add&location_id=1")
    scanned = asyncio.Event()

    async def wait(route: Route) -> None:
        await scanned.wait()
        await route.continue_()

    await page.route("**/scan/location*", wait)
    await scan(page, label, barcode, barcode)
    scanned.set()
    await page.locator("#refused li", has_text=reason).nth(1).wait_for()
    assert await page.locator("#result").get_attribute("data-mode") == "refused"
    assert await total(page, item_id) == 0
    # What follows a label that was seen to be refused is for the location that the page shows.
    await scan(page, barcode)
    await page.locator("#session .sign[data-mode=add]").wait_for()
    assert await stock_at(page, item_id) == {1: 1}


@pytest.mark.parametrize("quantity", ["0", "null"])
async def test_next_amount_is_cleared(opener: Opener, quantity: str) -> None:
    from playwright.async_api import expect

    page = await opener("/scan?mode=add&location_id=1&amount=3")
    await page.locator(READY).wait_for()
    await scan(page, make_short_code("NEXT", 12))
    await expect(page.locator("#f-amount")).to_have_value("12")
    await scan(page, f'{{"command":"set_next_quantity","payload":{{"quantity":{quantity}}}}}')
    await page.locator("#result .result-title", has_text="The next scan counts as usual").wait_for()
    await expect(page.locator("#f-amount")).to_have_value("3")
