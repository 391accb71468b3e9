"""What the pages of home, activity, imports and accounts do by script: live lines, undo in place, progress, keys."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from tests.browsers import in_a_browser
from tests.pages.browser.conftest import Opener, OwnSites
from tests.people import PASSWORD
from tests.serving import Server

pytestmark = in_a_browser


def api(site: Server) -> httpx.Client:
    """The API as the member."""
    answer = httpx.post(f"{site.api}/auth/login-json", json={"username": "member", "password": PASSWORD})
    return httpx.Client(base_url=site.api, headers={"Authorization": f"Bearer {answer.json()['access_token']}"})


async def test_find_leads_into_the_search(opener: Opener) -> None:
    page = await opener("/", "member", width=360)
    await page.locator("a.tile", has_text="Find").click()
    await page.locator("#q:focus").wait_for()
    assert await page.evaluate("document.documentElement.scrollTop") == 0


@pytest.mark.parametrize(("path", "name"), [("/", "now"), ("/activity", "ledger")])
async def test_what_others_book_shows_by_itself(path: str, name: str, opener: Opener, site: Server) -> None:
    page = await opener(path, "member")
    lines = page.locator(f'[data-fragment="{name}"] .event')
    await lines.first.wait_for()
    with api(site) as client:
        item = client.post("/items/", json={"name": f"Live in {name}"}).json()
        location = client.get("/locations/").json()[0]
        body = {"item_id": item["id"], "location_id": location["id"], "quantity": 3}
        client.post("/skus/", json=body).raise_for_status()
    first = lines.first
    await first.get_by_text(f"Live in {name}").wait_for()
    await first.get_by_role("button", name=f"Undo: Live in {name}").click()
    await page.locator("#toasts").get_by_text("Undone").wait_for()
    await page.locator(f'[data-fragment="{name}"] .event.undone').get_by_text(f"Live in {name}").wait_for()
    assert page.url.endswith(path), "nothing was left"


@pytest.mark.parametrize("path", ["/activity", "/items/{item_id}"])
async def test_the_focus_stays_on_the_undo_of_the_same_event(path: str, opener: Opener, site: Server) -> None:
    with api(site) as client:
        item = client.post("/items/", json={"name": f"Undone on {path}"}).json()
        location = client.get("/locations/").json()[0]
        body = {"item_id": item["id"], "location_id": location["id"], "quantity": 1}
        sku = client.post("/skus/", json=body).raise_for_status().json()

        def add() -> int:
            client.post(f"/skus/{sku['id']}/adjust", json={"delta": 1}).raise_for_status()
            return int(client.get("/events", params={"item_id": item["id"]}).json()["events"][0]["id"])

        events = [add() for _ in range(3)]
        page = await opener(path.format(item_id=item["id"]), "member")
        oldest, middle = (page.locator(f'form[action$="/{each}/undo"] button') for each in events[:2])
        await oldest.focus()
        newest = add()
        await page.locator(f'form[action$="/{newest}/undo"]').wait_for()
        assert await oldest.evaluate("(button) => button === document.activeElement")
    await middle.press("Enter")
    await middle.wait_for(state="detached")
    await page.locator(f"#event-{events[1]}.undone:focus").wait_for()


async def test_a_table_is_imported_with_progress(opener: Opener, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text(
        "What,name,quantity,location\n" + "".join(f"x,Imported {n},1,Cellar\n" for n in range(40)), "utf-8"
    )
    page = await opener("/import", "member", width=360)
    await page.set_input_files('input[type="file"]', table)
    await page.wait_for_url("**/import/files/*")
    assert await page.get_by_label("What", exact=True).input_value() == ""
    assert await page.get_by_label("quantity").input_value() == "quantity"
    await page.get_by_role("button", name="Dry run").click()
    await page.get_by_role("heading", name="All rows can be imported").wait_for()
    await page.get_by_role("button", name="Import now").click()
    await page.get_by_role("heading", name="40 rows are imported").wait_for()
    back = page.get_by_role("link", name="Undo")
    shown = await back.element_handle()
    await back.focus()
    await page.keyboard.press("Enter")
    await page.get_by_role("dialog").get_by_role("button", name="Undo").wait_for()
    await page.keyboard.press("Escape")
    assert await back.evaluate("(link) => link === document.activeElement"), "the focus is given back"
    # The stream ends with the import; when the browser opens it again, nothing is read into an open dialog.
    await page.wait_for_timeout(4_000)
    assert shown is not None
    assert await shown.evaluate("(link) => link.isConnected")
    await back.click()
    await page.get_by_role("dialog").get_by_role("button", name="Undo").click()
    await page.get_by_text("of this import are undone").wait_for()


async def test_upload_renews_an_old_token(opener: Opener, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("name,quantity,location\nTea,1,Cellar\n", "utf-8")
    page = await opener("/import", "member")
    await page.evaluate(
        """() => {
            document.querySelector('meta[name="csrf"]').content = "old";
            for (const field of document.querySelectorAll('input[name="csrf"]')) field.value = "old";
        }"""
    )
    await page.set_input_files('input[type="file"]', table)
    await page.wait_for_url("**/import/files/*")


async def test_the_theme_is_chosen_for_the_device(opener: Opener) -> None:
    page = await opener("/me", "reader")
    await page.get_by_label("Dark").check()
    await page.locator("html[data-theme=dark]").wait_for()
    await page.goto("/items")
    assert await page.evaluate("document.documentElement.dataset.theme") == "dark"
    await page.goto("/me")
    assert await page.get_by_label("Dark").is_checked()
    await page.get_by_label("Same as the device").check()
    await page.locator("html:not([data-theme])").wait_for()


async def test_themes_are_tried_by_keyboard(opener: Opener) -> None:
    page = await opener("/me", "reader")
    await page.get_by_label("Same as the device").focus()
    async with page.expect_response(lambda response: "dark" in (response.request.post_data or "")):
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("ArrowDown")
    await page.locator("html[data-theme=dark]").wait_for()
    assert await page.get_by_label("Dark").evaluate("(input) => input === document.activeElement")
    await page.reload()
    assert await page.get_by_label("Dark").is_checked()


@pytest.mark.parametrize(("label", "change"), [("Dark", "html[data-theme=dark]"), ("Deutsch", "html[lang=de]")])
async def test_stored_pages_follow_theme_and_language(
    label: str, change: str, own_site: OwnSites, opener: Opener
) -> None:
    stored = "(path) => caches.match(path).then(Boolean)"
    page = await opener("/scan", at=own_site())
    await page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    await page.goto("/me")
    await page.wait_for_function(stored, arg="/scan")
    # Without a network nothing changes, and the pages stay.
    await page.context.set_offline(True)
    await page.get_by_label("Light").check()
    await page.locator(".toast.bad").wait_for()
    assert await page.evaluate(stored, "/scan")
    await page.context.set_offline(False)
    if label == "Dark":
        async with page.expect_response(lambda response: response.request.method == "POST"):
            await page.get_by_label(label).check()
    else:
        await page.locator("[name=language]").select_option(label=label)
        await page.locator("form[action='/me/language'] button").click()
        await page.locator(change).wait_for()
    await page.goto("/scan")
    await page.locator(change).wait_for()
    await page.goto("/items")
    for path in ("/scan", "/offline"):
        await page.wait_for_function(stored, arg=path)
    await page.context.set_offline(True)
    for path in ("/scan", "/activity"):
        await page.goto(path)
        await page.locator(change).wait_for()
    opener.problems.clear()


async def test_sound_is_switched_off_on_the_device(opener: Opener) -> None:
    page = await opener("/me")
    assert await page.get_by_label("Sound for scans").is_checked()
    await page.get_by_label("Sound for scans").uncheck()
    await page.wait_for_function("localStorage.getItem('sound') === 'off'")
    await page.goto("/scan")
    await page.locator("#sound-switch:not(:checked)").wait_for()


async def test_the_theme_is_chosen_without_script(opener: Opener) -> None:
    page = await opener("/me", "reader", script=False)
    await page.get_by_label("Dark").check()
    await page.locator("form[action='/me/theme'] button").click()
    await page.locator("html[data-theme=dark]").wait_for()


async def test_a_key_is_shown_once_and_copied(opener: Opener) -> None:
    page = await opener("/me", "reader", permissions=["clipboard-read", "clipboard-write"])
    await page.get_by_text("New key", exact=True).click()
    await page.get_by_label("Name of the new key").fill("phone")
    await page.get_by_role("button", name="Create a key").click()
    key = await page.locator("#new-key").inner_text()
    await page.get_by_role("button", name="Copy").click()
    await page.get_by_text("Copied").wait_for()
    assert await page.evaluate("navigator.clipboard.readText()") == key
    await page.goto("/me")
    assert await page.locator("#new-key").count() == 0
    line = page.locator(".line", has_text="phone")
    await line.get_by_role("link", name="Revoke").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    await page.get_by_text("The key is revoked").wait_for()


async def test_first_start(opener: Opener, own_site: OwnSites) -> None:
    new = own_site(empty=True)
    page = await opener("/", None, at=new)
    code = re.search(r"enter the code (\S+),", new.log)
    assert code is not None
    for name, value in {"Username": "ada", "E-mail address": "ada@example.org", "Password": PASSWORD}.items():
        await page.get_by_label(name).fill(value)
    await page.get_by_label("Code").fill(code[1])
    await page.get_by_label("Password").fill("short")
    await page.get_by_role("button", name="Create the account").click()
    await page.locator("#f-password[aria-invalid]:focus").wait_for()
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_label("Code").fill("AAAA-BBBB-CCCC")
    await page.get_by_role("button", name="Create the account").click()
    await page.get_by_text("The code is wrong").wait_for()
    await page.get_by_label("Code").fill(code[1].lower())
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Create the account").click()
    await page.wait_for_url("**/first-start/data")
    for step in ("Add a location", "Add an item", "Scan something"):
        assert await page.get_by_role("link", name=step).count() == 1
    await page.goto("/")
    await page.get_by_role("heading", name="First steps").wait_for()
