"""The administrator's work by keyboard only: first start, back up, restore, sign in; and what is done with backups."""

from __future__ import annotations

import re
from pathlib import Path

from tests.browsers import in_a_browser
from tests.pages.browser.conftest import Opener, OwnSites
from tests.pages.browser.keyboard import IS_FOCUSED, Keys
from tests.people import PASSWORD

pytestmark = in_a_browser

NAMES = "() => fetch('/api/v1/items').then((answer) => answer.json()).then((items) => items.map((each) => each.name))"


async def test_administrator_story(own_site: OwnSites, opener: Opener, tmp_path: Path) -> None:
    site = own_site(empty=True)
    page = await opener("/", None, at=site)
    code = re.search(r"enter the code (\S+),", site.log)
    assert code is not None
    keys = Keys(page)
    await keys.start("/")
    await page.locator("[name=code]:focus").wait_for()
    await keys.type(code[1])
    await keys.fill(page.get_by_label("Username"), "ada")
    await keys.fill(page.get_by_label("E-mail address"), "ada@example.org")
    await keys.fill(page.get_by_label("Password"), PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/first-start/data")
    await keys.go("i")
    await page.wait_for_url("**/items")
    await keys.shortcut("n")
    await page.wait_for_url("**/items/new")
    await keys.fill(page.get_by_label("Name"), "Storied beans")
    await page.keyboard.press("Enter")
    await page.wait_for_url(re.compile(r"/items/\d+\?"))

    await keys.go("k")
    await keys.press(page.get_by_role("button", name="Back up now").first)
    await page.wait_for_url("**/backups?job=*")
    # The card of the running job follows its stream; then the result is shown.
    await page.get_by_text("The backup is good").wait_for()
    async with page.expect_download() as downloading:
        await keys.press(page.get_by_role("link", name=re.compile("^Download, ")))
    download = await downloading.value
    await download.save_as(tmp_path / "backup.zip")
    assert (tmp_path / "backup.zip").read_bytes()[:2] == b"PK"

    await keys.search("storied")
    await keys.press(page.get_by_role("link", name="Edit"))
    await page.wait_for_url("**/edit")
    await keys.fill(page.get_by_label("Name"), "Oh no")
    await page.keyboard.press("Enter")
    await page.locator("h1", has_text="Oh no").wait_for()
    assert await page.evaluate(NAMES) == ["Oh no"]

    await keys.go("k")
    await keys.press(page.get_by_role("button", name="Restore…").first)
    await page.get_by_text("Oh no → Storied beans").first.wait_for()
    assert await page.locator("tr", has_text="Items").locator('[data-label="Changed"]').first.inner_text() == "1"
    word = page.get_by_label("Type restore to continue")
    await keys.press(word)
    assert await word.evaluate("each => each.matches(':invalid')"), "nothing is sent without the word"
    await keys.type("restore")
    await page.keyboard.press("Enter")

    await page.wait_for_url("**/sign-in?*reason=restored*")
    await page.get_by_text("sign in again, to see the result").wait_for()
    opener.problems[:] = [each for each in opener.problems if not each.startswith("503 ")]
    await keys.fill(page.get_by_label("Username"), "ada")
    await keys.fill(page.get_by_label("Password"), PASSWORD)
    await page.keyboard.press("Enter")
    await page.get_by_text("Full restore completed").wait_for()
    await page.get_by_role("button", name="Go back to before the restore…").wait_for()
    assert await page.evaluate(NAMES) == ["Storied beans"]


async def test_uploaded_backups_by_keyboard(opener: Opener, tmp_path: Path) -> None:
    page = await opener("/backups", "admin")
    keys = Keys(page)
    await keys.start("/backups")
    # A file that is no backup is refused in the job's words.
    (tmp_path / "wrong.sql.gz").write_bytes(b"GIF89a")
    async with page.expect_file_chooser() as chooser:
        await keys.press(page.get_by_label("Choose a file or drop it here"))
    await (await chooser.value).set_files(tmp_path / "wrong.sql.gz")
    await keys.press(page.get_by_role("button", name="Upload and compare"))
    await page.get_by_text("Invalid gzip file").wait_for()

    # Deleting asks in a dialog, which gives the focus back.
    await keys.press(page.get_by_role("link", name="Choose another backup"))
    delete = page.get_by_role("link", name=re.compile("^Delete uploaded-"))
    await keys.press(delete)
    dialog = page.get_by_role("dialog")
    await dialog.get_by_text("cannot be undone").wait_for()
    await page.keyboard.press("Escape")
    assert await delete.evaluate(IS_FOCUSED)
    await page.keyboard.press("Enter")
    await keys.press(dialog.get_by_role("button", name="Delete"))
    await page.get_by_text("The backup is deleted.").wait_for()


async def test_a_dump_is_downloaded_as_often_as_one_presses(opener: Opener) -> None:
    page = await opener("/backups", "admin")
    download = page.get_by_role("button", name="Download at once")
    for _ in range(2):
        async with page.context.expect_event("response", lambda response: response.url.endswith("/backups/stream")):
            await download.click()
