"""The labels page in a browser: what is chosen shows at once, and paper has the size of the sheet."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.browsers import in_a_browser
from tests.pages.browser.conftest import Opener

if TYPE_CHECKING:
    from playwright.async_api import Route

pytestmark = in_a_browser


async def test_choose_and_print(opener: Opener) -> None:
    page = await opener("/labels?sheet=a4-3x8")
    assert await page.locator("#print").is_disabled()
    await page.get_by_role("combobox", name="Add a location").fill("pantry")
    await page.locator("#f-location_id-options [role=option]").first.click()
    await page.locator(".sheet .cell").wait_for()
    # The choice is in the address, and one more label keeps it.
    assert "location" in page.url
    await page.get_by_label("Scanner modes and commands").check()
    await page.locator(".sheet .cell").nth(7).wait_for()
    pdf = await page.pdf(prefer_css_page_size=True)
    sizes = re.findall(rb"/MediaBox ?\[0 0 (\d+)[\d.]* (\d+)", pdf)
    assert sizes == [(b"594", b"841")], "one page of A4"
    await page.locator("#f-sheet").select_option("roll-62")
    await page.locator(".sheet").nth(7).wait_for()
    sizes = re.findall(rb"/MediaBox ?\[0 0 (\d+)[\d.]* (\d+)", await page.pdf(prefer_css_page_size=True))
    assert sizes == [(b"175", b"82")] * 8, "eight labels of 62 x 29 mm"


async def test_pdf_has_the_copies_that_are_typed(opener: Opener) -> None:
    page = await opener("/labels?sheet=a4-3x8&commands=true")
    link = page.get_by_role("link", name="PDF")
    assert "copies=1" in (await link.get_attribute("href") or "")
    # Typed and not yet shown.
    await page.get_by_label("Copies of each").fill("3")
    assert "copies=3" in (await link.get_attribute("href") or "")
    assert "format=pdf" in (await link.get_attribute("href") or "")


async def test_answer_that_comes_while_an_option_is_pressed_does_not_replace_it(opener: Opener) -> None:
    page = await opener("/labels?sheet=a4-3x8")
    field = page.get_by_role("combobox", name="Add a location")
    await field.fill("pantry")
    option = page.locator("#f-location_id-options [role=option]").first
    await option.wait_for()
    came = asyncio.Event()

    async def late(route: Route) -> None:
        await asyncio.sleep(0.3)
        # The browser gave up the request, or takes the answer.
        with suppress(Exception):
            await route.continue_()
        came.set()

    await page.route("**/pick/locations?*", late)
    async with page.expect_request("**/pick/locations?*"):
        await field.press("Backspace")
    await option.hover()
    await page.mouse.down()
    await came.wait()
    await asyncio.sleep(0.3)
    await page.mouse.up()
    await page.locator(".sheet .cell").wait_for()
