"""A member's day by keyboard only: sign in, scan, find, book, undo, plan, shop; the ledger has each booking once."""

from __future__ import annotations

import re

import httpx

from tests.browsers import in_a_browser
from tests.pages.browser.conftest import Opener
from tests.pages.browser.keyboard import Keys
from tests.people import PASSWORD
from tests.serving import Server

pytestmark = in_a_browser

BARCODE = "2950000000017"


def api(site: Server) -> httpx.Client:
    """The API as the member."""
    answer = httpx.post(f"{site.api}/auth/login-json", json={"username": "member", "password": PASSWORD})
    return httpx.Client(base_url=site.api, headers={"Authorization": f"Bearer {answer.json()['access_token']}"})


async def test_member_story(opener: Opener, site: Server) -> None:
    with api(site) as client:
        item = client.post("/items/", json={"name": "Storied oolong", "barcodes": [{"barcode": BARCODE}]}).json()["id"]
        location = client.post("/locations/", json={"name": "Storied shelf"}).json()["id"]
        client.post("/skus/", json={"item_id": item, "location_id": location, "quantity": 2}).raise_for_status()

        def deltas() -> list[float]:
            """What was booked on the item, the last first; their sum is what the item says."""
            events = client.get(f"/items/{item}/events").json()["events"]
            found = [event["delta"] for event in events]
            assert client.get(f"/items/{item}").json()["total_quantity"] == sum(found)
            return found

        page = await opener("/sign-in", None)
        keys = Keys(page)
        await keys.start("/sign-in")
        await page.locator("[name=username]:focus").wait_for()
        await keys.type("member")
        await keys.fill(page.get_by_label("Password"), PASSWORD)
        await page.keyboard.press("Enter")
        await page.locator("h1", has_text="Home").or_(page.locator("#now, [data-fragment=now]")).first.wait_for()

        # The code field has the focus; then a button has it, which the scanner must not press.
        await keys.go("s")
        await page.locator("#scan-form[data-ready]").wait_for()
        await keys.scan(BARCODE)
        await page.locator("#session .sign[data-mode=add]").first.wait_for()
        await keys.reach(page.locator("#keyboard"))
        await keys.scan(BARCODE)
        await page.locator("#session .sign[data-mode=add]").nth(1).wait_for()
        assert deltas() == [1, 1, 2]

        await keys.search("storied ool")
        await page.wait_for_url(f"**/items/{item}")
        amount = page.locator(".stepper > a b")
        for name, after in ("Add 1", "5"), ("Take 1", "4"), ("Add 1", "5"):
            await keys.press(page.get_by_role("button", name=re.compile(f"^{name}")))
            await amount.filter(has_text=after).wait_for()
            assert name in await keys.focus()
        assert deltas() == [1, -1, 1, 1, 1, 2]
        await keys.press(page.get_by_role("button", name=re.compile("^Undo .1 at")).first)
        await amount.filter(has_text="4").wait_for()
        assert await keys.focus()
        assert deltas() == [-1, 1, -1, 1, 1, 1, 2]
        # Any other amount, in the dialog of the number; undone from the message.
        for undone in (True, False):
            await keys.press(page.locator(".stepper > a"))
            await page.locator("#amount:focus").wait_for()
            await keys.fill(page.locator("#amount"), "3")
            await keys.press(page.get_by_role("button", name="Count", exact=True))
            await amount.filter(has_text="3").wait_for()
            await page.locator('.stepper > a[title="Set another amount"]:focus').wait_for()
            assert "Set another amount" in await keys.focus()
            if undone:
                await keys.shortcut("u")
                await page.locator(".toast button:focus", has_text="Undo").wait_for()
                await page.keyboard.press("Enter")
                await amount.filter(has_text="4").wait_for()
                assert "Set another amount" in await keys.focus()
        assert deltas() == [-1, 1, -1, -1, 1, -1, 1, 1, 1, 2]

        await keys.go("p")
        await page.wait_for_url("**/projects")
        await keys.shortcut("n")
        await page.wait_for_url("**/projects/new")
        await keys.type("Storied party")
        await page.keyboard.press("Enter")
        await keys.fill(page.get_by_role("combobox", name="Item, or any words"), "storied oolong")
        await page.locator('[role="option"]', has_text="Storied oolong").wait_for()
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await keys.fill(page.get_by_label("Amount"), "5")
        await page.keyboard.press("Enter")
        await keys.press(page.get_by_role("link", name="Add to a shopping list"))
        dialog = page.get_by_role("dialog")
        if await dialog.get_by_label("List", exact=True).count():
            await keys.reach(dialog.get_by_label("List", exact=True))
            await page.keyboard.press("Home")
        await keys.fill(dialog.get_by_label("Name of a new list"), "Storied errands")
        await page.keyboard.press("Enter")
        await keys.press(page.get_by_role("link", name="Open the list"))

        await page.get_by_role("heading", name="Storied errands").wait_for()
        await keys.press(page.get_by_role("button", name=re.compile("^Bought: Storied oolong")))
        await page.locator(".done .line", has_text="Storied oolong").wait_for()
        assert await keys.focus()
        assert deltas()[0] == 2

        await keys.go("p")
        await keys.press(page.get_by_role("link", name="Storied party"))
        await keys.press(page.get_by_role("link", name="Take all"))
        await page.get_by_role("dialog").wait_for()
        await keys.press(page.get_by_role("dialog").get_by_role("button", name="Take all"))
        await page.get_by_role("button", name="Put it back").wait_for()
        assert deltas()[0] == -5
        assert sum(deltas()) == 0
