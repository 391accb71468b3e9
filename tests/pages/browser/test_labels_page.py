"""The labels page in a browser: what is chosen shows at once, and paper has the size of the sheet."""

from __future__ import annotations

import re

from tests.browsers import in_a_browser
from tests.pages.browser.conftest import Opener

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
