"""The administrator's story by keyboard only: back up, download, change data, restore, sign in, data as before."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.browsers import in_a_browser
from tests.pages.browser.conftest import Opener, OwnSites
from tests.people import PASSWORD

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

pytestmark = in_a_browser

CHANGE = """async (name) => {
  const session = await (await fetch("/session", {headers: {accept: "application/json"}})).json();
  const headers = {"content-type": "application/json", "x-csrf-token": session.csrf};
  const answer = await fetch("/api/v1/items/1", name === null ? {} : {
    method: "PATCH", headers, body: JSON.stringify({name}),
  });
  return (await answer.json()).name;
}"""


async def press(page: Page, target: Locator) -> None:
    """Goes to an element by the Tab key, and presses Enter."""
    await target.wait_for()
    for _ in range(80):
        if await target.evaluate("each => each === document.activeElement"):
            await page.keyboard.press("Enter")
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"{target} cannot be reached by the Tab key")


async def test_back_up_and_restore_by_keyboard(own_site: OwnSites, opener: Opener, tmp_path: Path) -> None:
    site = own_site()
    page = await opener("/backups", "admin", at=site)
    name = await page.evaluate(CHANGE, None)
    await press(page, page.get_by_role("button", name="Back up now").first)
    await page.wait_for_url("**/backups?job=*")
    # The card of the running job follows its stream; then the end is told.
    await page.get_by_text("The backup is good").wait_for()
    async with page.expect_download() as downloading:
        await press(page, page.get_by_role("link", name=re.compile("^Download, ")))
    download = await downloading.value
    await download.save_as(tmp_path / "backup.zip")
    assert (tmp_path / "backup.zip").read_bytes()[:2] == b"PK"

    assert await page.evaluate(CHANGE, "Oh no") == "Oh no"
    await page.reload()
    await press(page, page.get_by_role("button", name="Restore…").first)
    await page.get_by_text(f"Oh no → {name}").first.wait_for()
    assert await page.locator("tr", has_text="Items").locator('[data-label="Changed"]').first.inner_text() == "1"
    word = page.get_by_label("Type restore to continue")
    await press(page, word)
    assert await word.evaluate("each => each.matches(':invalid')"), "nothing is sent without the word"
    await page.keyboard.type("restore")
    await page.keyboard.press("Enter")

    await page.wait_for_url("**/sign-in?*reason=restored*")
    await page.get_by_text("sign in again, to see the result").wait_for()
    opener.problems[:] = [each for each in opener.problems if not each.startswith("503 ")]
    await press_into(page, page.get_by_label("Username"), "admin")
    await press_into(page, page.get_by_label("Password"), PASSWORD)
    await page.keyboard.press("Enter")
    await page.get_by_text("Full restore completed").wait_for()
    assert await page.evaluate(CHANGE, None) == name

    await page.get_by_role("button", name="Go back to before the restore…").wait_for()

    # A file that is no backup is refused in the job's words.
    await page.goto("/backups")
    (tmp_path / "wrong.sql.gz").write_bytes(b"GIF89a")
    await page.get_by_label("Choose a file or drop it here").set_input_files(tmp_path / "wrong.sql.gz")
    await press(page, page.get_by_role("button", name="Upload and compare"))
    await page.get_by_text("Invalid gzip file").wait_for()

    # Deleting asks in a dialog, which gives the focus back.
    await press(page, page.get_by_role("link", name="Choose another backup"))
    delete = page.get_by_role("link", name=re.compile("^Delete uploaded-"))
    await press(page, delete)
    dialog = page.get_by_role("dialog")
    await dialog.get_by_text("cannot be undone").wait_for()
    await page.keyboard.press("Escape")
    assert await delete.evaluate("each => each === document.activeElement")
    await page.keyboard.press("Enter")
    await press(page, dialog.get_by_role("button", name="Delete"))
    await page.get_by_text("The backup is deleted.").wait_for()


async def press_into(page: Page, target: Locator, text: str) -> None:
    """Goes to a field by the Tab key and types."""
    for _ in range(20):
        if await target.evaluate("each => each === document.activeElement"):
            await page.keyboard.type(text)
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"{target} cannot be reached by the Tab key")
