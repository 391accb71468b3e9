"""The queue of scans on a device: after a restore, in two tabs, with a wrong clock, and with a lost store."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.browsers import in_a_browser
from tests.pages.browser.conftest import Opener, OwnSites
from tests.pages.browser.scanning import QUEUE, READY, call, go_to_scan, new_item, scan, scan_new_item, total
from tests.serving import Server

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

pytestmark = in_a_browser

EVENTS = "**/api/v1/events?details=true"
UNDO = "**/scan/events/*/undo"


async def add_stock(page: Page, item_id: int, quantity: int) -> int:
    """Books it by the API; the id of the event. A negative quantity is removed."""
    event = {"type": "add", "item": {"id": item_id}, "location": {"id": 1}, "quantity": abs(quantity)}
    if quantity < 0:
        event["type"] = "remove"
    [result] = (await call(page, "POST", "/events", {"events": [event]}))["results"]
    assert result["status"] == "applied"
    found: int = result["id"]
    return found


async def test_undo_reverses_only_the_scan_itself(opener: Opener) -> None:
    """After a restore the row with the id of a scan may be another event."""
    page, item_id, _ = await scan_new_item(opener, "?mode=add&location_id=1&amount=2")
    await page.locator("#session [data-undo]").wait_for()
    other = await add_stock(page, item_id, 5)
    await page.evaluate(
        f"async (id) => {{ {QUEUE} await queue.save((await queue.list()).map((each) => ({{ ...each, id }}))); }}", other
    )
    await page.locator("#session [data-undo]").click()
    await page.locator(".toast", has_text="a backup was restored").wait_for()
    assert await total(page, item_id) == 7
    assert await page.locator("#session .event.undone").count() == 0


async def test_late_response_leaves_a_scan_that_was_sent_again(opener: Opener) -> None:
    """Two tabs without locks, as on plain http, send the same scan."""
    page = await opener("/scan")
    await page.context.add_init_script("Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })")
    item_id, barcode = await new_item(page)
    await go_to_scan(page, "?mode=remove&location_id=1&amount=1")
    is_late = asyncio.Event()

    async def answer_late(route: Route) -> None:
        response = await route.fetch()
        await is_late.wait()
        await route.fulfill(response=response)

    await page.route(EVENTS, answer_late)
    await scan(page, barcode)
    await page.locator("#session .sign[data-mode=waiting]").wait_for()
    tab = await page.context.new_page()
    await go_to_scan(tab)
    await tab.locator("#refused li", has_text="Only 0 of").wait_for()
    await add_stock(tab, item_id, 5)
    await tab.locator("#refused [data-again]").click()
    await tab.locator("#session .sign[data-mode=remove]").wait_for()
    assert await total(tab, item_id) == 4
    async with page.expect_response(EVENTS):
        is_late.set()
    await page.wait_for_timeout(300)
    for each in (page, tab):
        await go_to_scan(each)
        await each.locator("#session .sign[data-mode=remove]").wait_for()
        assert await each.locator("#refused [data-again]").count() == 0
    assert await total(tab, item_id) == 4


async def test_refused_undo_can_succeed_later(opener: Opener) -> None:
    page, item_id, _ = await scan_new_item(opener, "?mode=add&location_id=1&amount=2")
    await page.locator("#session [data-undo]").wait_for()
    await add_stock(page, item_id, -2)
    await page.locator("#session [data-undo]").click()
    await page.locator(".toast", has_text="the stock was removed").wait_for()
    await add_stock(page, item_id, 3)
    await page.locator("#session [data-undo]").click()
    await page.locator("#session .event.undone").wait_for()
    assert await total(page, item_id) == 1


async def test_undo_is_done_only_by_an_answer_of_stocky(opener: Opener) -> None:
    """The sign-in page of a network answers everything with a page of its own."""
    page, item_id, barcode = await scan_new_item(opener, "?mode=add&location_id=1&amount=2")
    await page.locator("#session [data-undo]").wait_for()
    sent: list[str | None] = []

    async def answer(route: Route) -> None:
        sent.append(route.request.post_data)
        # The first one is booked; the response is lost.
        if len(sent) == 1:
            await route.fetch(max_redirects=0)
        await route.fulfill(content_type="text/html", body="<p>Welcome to our hotel")

    await page.route(UNDO, answer)
    for _ in range(2):
        async with page.expect_response(UNDO):
            await page.locator("#session [data-undo]").click()
        await page.locator(".toast").first.wait_for()
        assert await page.locator("#session .event.undone").count() == 0
    await page.unroute(UNDO)
    await page.locator("#session [data-undo]").click()
    await page.locator("#session .event.undone").wait_for()
    assert sent[0] == sent[1]
    assert await total(page, item_id) == 0
    # A look-up says so, too.
    await page.route("**/scan/look-up", lambda route: route.fulfill(content_type="text/html", body="<p>Welcome"))
    await go_to_scan(page, "?mode=lookup")
    await scan(page, barcode)
    await page.locator("#result[data-mode=refused]", has_text="Not looked up").wait_for()


async def test_scan_of_a_wrong_clock_is_booked_when_the_clock_is_right(opener: Opener) -> None:
    page = await opener("/scan")
    item_id, barcode = await new_item(page)
    await go_to_scan(page, "?mode=add&location_id=1&amount=1")
    await page.clock.set_fixed_time(datetime.now(UTC) + timedelta(days=2))
    await scan(page, barcode)
    await page.locator("#refused li", has_text="set the scanner's clock").wait_for()
    await page.clock.set_fixed_time(datetime.now(UTC))
    await page.locator("#refused [data-again]").click()
    await page.locator("#session .sign[data-mode=add]").wait_for()
    assert await total(page, item_id) == 1


async def test_lost_connection_to_the_store_is_opened_again(opener: Opener) -> None:
    page, item_id, barcode = await scan_new_item(opener, "?mode=add&location_id=1&amount=1")
    await page.locator("#session .sign[data-mode=add]").wait_for()
    await page.evaluate(
        """() => {
            const { transaction } = IDBDatabase.prototype;
            IDBDatabase.prototype.transaction = function (...given) {
                IDBDatabase.prototype.transaction = transaction;
                this.close();
                return this.transaction(...given);
            };
        }"""
    )
    await scan(page, barcode)
    await page.locator("#session .sign[data-mode=add]").nth(1).wait_for()
    assert await total(page, item_id) == 2
    # The number of waiting scans is read after a scan is stored: without it, the scan counts all the same.
    await page.evaluate(
        """() => {
            const { getAll } = IDBObjectStore.prototype;
            IDBObjectStore.prototype.getAll = () => {
                IDBObjectStore.prototype.getAll = getAll;
                throw new Error("Not now");
            };
        }"""
    )
    await scan(page, barcode)
    await page.locator("#session .sign[data-mode=add]").nth(2).wait_for()
    assert await total(page, item_id) == 3


async def test_stockies_below_two_paths_share_nothing(own_site: OwnSites, opener: Opener) -> None:
    """What is stored on the device has the base path in its name: users, items and locations have the same ids."""
    site = own_site(STOCKY_BASE_PATH="/kitchen")
    site = Server(f"{site.url}/kitchen", site.process, site.log_file)
    page = await opener("/kitchen/scan", at=site)
    await page.locator(READY).wait_for()
    await page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    # The other one is at the root. Its scan waits, and it has another version of its files.
    await page.evaluate(
        """async () => {
            const registration = await navigator.serviceWorker.ready;
            await registration.unregister();
            for (const name of ["stocky-files-/static/1", "stocky-files-/kitchen/static/1"]) await caches.open(name);
            const opened = indexedDB.open("stocky", 1);
            opened.onupgradeneeded = () =>
                opened.result.createObjectStore("scans", { keyPath: "seq", autoIncrement: true });
            const store = await new Promise((done) => { opened.onsuccess = () => done(opened.result); });
            const user = Number(document.querySelector('meta[name="csrf"]').dataset.user);
            const at = new Date().toISOString();
            const item = { upc: "4006381333931" };
            const event = { type: "add", item, quantity: 5, event_id: "of-another", occurred_at: at };
            const record = { user, at, event, shown: { mode: "add", text: "Theirs" }, state: "waiting", tried: false };
            const transaction = store.transaction("scans", "readwrite");
            transaction.objectStore("scans").add(record);
            await new Promise((done) => { transaction.oncomplete = done; });
            store.close();
            localStorage.setItem(`waiting-${user}`, "1");
            localStorage.setItem("scan", JSON.stringify({ mode: "remove", place: null, places: [], amount: "3" }));
        }"""
    )
    await page.goto("/kitchen/scan")
    await page.locator(READY).wait_for()
    assert await page.locator("#f-amount").input_value() == "1"
    assert await page.locator("#waiting").is_hidden()
    await page.evaluate(
        """async () => {
            for (let tries = 0; tries < 100 && (await caches.has("stocky-files-/kitchen/static/1")); tries += 1) {
                await new Promise((done) => setTimeout(done, 50));
            }
        }"""
    )
    await page.context.set_offline(True)
    await scan(page, "4006381333931")
    await page.locator("#session .sign[data-mode=waiting]").wait_for()
    assert await page.locator("#session li").count() == 1
    databases, caches, stored = await page.evaluate(
        """async () => [(await indexedDB.databases()).map((each) => each.name).sort(), await caches.keys(),
                         Object.keys(localStorage).filter((name) => /^(waiting|scan)/.test(name)).sort()]"""
    )
    assert databases == ["stocky", "stocky/kitchen"]
    assert "stocky-files-/static/1" in caches
    assert "stocky-files-/kitchen/static/1" not in caches
    assert "stocky-pages" not in caches
    user = await page.locator("meta[name=csrf]").get_attribute("data-user")
    assert stored == ["scan", "scan/kitchen", f"waiting-{user}", f"waiting-{user}/kitchen"]
