"""The frame of the pages in a browser."""

from __future__ import annotations

import pytest

from tests.browsers import in_a_browser
from tests.pages.browser.conftest import Opener

pytestmark = in_a_browser


@pytest.mark.parametrize("script", [True, False])
async def test_signed_in(opener: Opener, script: bool) -> None:
    page = await opener("/me", "member", script=script)
    assert await page.locator("h1").count() == 1
    assert page.url.endswith("/me")


async def test_link_to_a_form_leads_to_its_field(opener: Opener) -> None:
    page = await opener("/lists")
    await page.get_by_role("link", name="New list", exact=True).click()
    await page.locator("#new-list input:focus").wait_for()
    await page.keyboard.type("To fill")
    await page.keyboard.press("Enter")
    await page.locator("h1", has_text="To fill").wait_for()
    await page.get_by_role("link", name="Add", exact=True).click()
    await page.locator("#add input[role=combobox]:focus").wait_for()


# All keys at once, with the times that a scanner would take.
PRESS = """([keys, pause]) => [...keys].forEach((key, index) => {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
  Object.defineProperty(event, "timeStamp", { value: performance.now() + index * pause });
  document.body.dispatchEvent(event);
})"""


@pytest.mark.parametrize("pause", [20, 90])
async def test_scanners_trigger_no_shortcuts(opener: Opener, pause: int) -> None:
    page = await opener("/items")
    for code in "gn/in", "ngsu", "?gi":
        await page.evaluate(PRESS, [code, pause])
        await page.wait_for_timeout(1500)
    assert page.url.endswith("/items")
    assert await page.evaluate("document.activeElement === document.body")
    # A person, however fast.
    await page.evaluate(PRESS, ["gm", pause])
    await page.wait_for_url("**/me")
