"""The scan page in a browser: every scan counts once, whatever happens to the network, the page and the session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stocky.barcodes.command_codes import make_short_code
from tests.browsers import in_a_browser, sign_in
from tests.pages.browser.conftest import Opener, OwnSites
from tests.pages.browser.keyboard import Keys
from tests.pages.browser.scanning import (
    READY,
    answer_once,
    call,
    go_to_scan,
    new_barcode,
    new_item,
    scan,
    scan_new_item,
    total,
)
from tests.serving import Server

if TYPE_CHECKING:
    from playwright.async_api import Route

pytestmark = in_a_browser

EVENTS = "**/api/v1/events?details=true"
IS_KEPT = "caches.match('/scan').then(Boolean)"
CODE = "4006381333931"


async def test_fast_scans_at_a_slow_server_count_once(opener: Opener) -> None:
    page = await opener("/scan")
    item_id, barcode = await new_item(page)
    await go_to_scan(page, "?mode=add&location_id=1")

    async def slowly(route: Route) -> None:
        await page.wait_for_timeout(250)
        await route.continue_()

    await page.route(EVENTS, slowly)
    await scan(page, *[barcode] * 12)
    await page.locator("#session li .sign[data-mode=add]").nth(11).wait_for()
    assert await page.locator("#session li").count() == 12
    assert await page.locator("#waiting").is_hidden()
    assert await page.locator("#result").get_attribute("data-mode") == "add"
    assert "12" in await page.locator("#result [data-detail]").inner_text()
    assert await total(page, item_id) == 12


async def test_a_lost_answer_counts_once(opener: Opener) -> None:
    page = await opener("/scan")
    item_id, barcode = await new_item(page)
    await go_to_scan(page, "?mode=add&location_id=1")

    async def lose(route: Route) -> None:
        await route.fetch()
        await route.abort()

    await page.route(EVENTS, lose)
    await scan(page, barcode)
    await page.locator("#result[data-mode=waiting]").wait_for()
    assert await total(page, item_id) == 1, "it was booked, which the page does not know"
    # What may be booked cannot be dropped.
    assert await page.locator("#session [data-drop]").count() == 0
    await page.unroute(EVENTS)
    # A proxy that knows no Stocky says nothing about the scan.
    await answer_once(page, EVENTS, 404, "text/html")
    await page.locator("#stopped", has_text="Stocky is busy").wait_for()
    assert await page.locator("#refused li").count() == 0
    # Nor does Stocky, when it refuses the whole request: what is tried again is the same.
    await answer_once(page, EVENTS, 422, "application/problem+json")
    await page.locator("#refused [data-again]").click()
    await page.locator("#session .sign[data-mode=add]").wait_for()
    assert await total(page, item_id) == 1
    await page.reload()
    await page.locator("#session .sign[data-mode=add]").wait_for()
    assert await total(page, item_id) == 1
    assert await page.locator("#waiting").is_hidden()
    # A page from the back-forward cache may offer to drop what is booked since.
    assert await page.evaluate(
        """async () => {
            const source = document.querySelector('script[src*="/scan.js"]').src;
            const queue = await import(source.replace("/scan.js", "/queue.js"));
            const [record] = await queue.list();
            return [(await queue.drop(record.seq)).state, (await queue.list()).length];
        }"""
    ) == ["booked", 1]


async def test_scans_without_a_network_are_sent_later_in_order(opener: Opener) -> None:
    page = await opener("/scan")
    one, other = await new_item(page), await new_item(page)
    # The service worker keeps the page.
    await page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    await go_to_scan(page, "?mode=add&location_id=1")
    await page.context.set_offline(True)
    scanned = [(one, other)[number % 3 == 0] for number in range(100)]
    await scan(page, *[barcode for _, barcode in scanned[:50]])
    await page.locator("#session .sign[data-mode=waiting]").nth(49).wait_for()
    await page.reload()
    await page.locator(READY).wait_for()
    assert await page.locator("#waiting b").inner_text() == "50"
    await scan(page, *[barcode for _, barcode in scanned[50:]])
    await page.locator("#session .sign[data-mode=waiting]").nth(99).wait_for()
    # The page was kept as it was with another address.
    await go_to_scan(page, "?mode=remove&location_id=2&amount=3")
    settings = [await page.locator(f"#scan-form [name={name}]").input_value() for name in ("location_id", "amount")]
    assert settings == ["2", "3"]
    assert await page.locator("input[name=mode]:checked").get_attribute("value") == "remove"
    # Elsewhere there is no page, but the way back to this one.
    await page.goto("/me")
    await page.get_by_role("heading", name="Stocky cannot be reached").wait_for()
    await page.context.set_offline(False)
    await page.goto("/me")
    await page.locator("#waiting").wait_for(state="hidden")
    assert await total(page, one[0]) + await total(page, other[0]) == 100
    events = []
    for item_id, _ in (one, other):
        events += (await call(page, "GET", f"/items/{item_id}/events?limit=200"))["events"]
    events.sort(key=lambda event: event["id"])
    assert [event["item_id"] for event in events] == [item_id for item_id, _ in scanned]


@pytest.mark.parametrize("amount", ["abc", "-1", "0", "0.0001"])
async def test_a_wrong_amount_keeps_the_code(opener: Opener, amount: str) -> None:
    page = await opener("/scan?mode=add&location_id=1&amount=1")
    await page.locator(READY).wait_for()
    item, barcode = await new_item(page)
    await page.locator("#f-code").fill(barcode)
    await page.locator("#f-amount").fill(amount)
    await page.locator("#book").click()
    await page.locator('#f-amount[aria-invalid="true"]:focus').wait_for()
    assert "at most three decimals" in await page.locator("#result").inner_text()
    assert await page.locator("#f-code").input_value() == barcode
    await page.locator("#f-amount").fill("2")
    await page.keyboard.press("Enter")
    await page.locator("#session [data-undo]").wait_for()
    assert await total(page, item) == 2
    assert await page.locator("#f-code").input_value() == ""
    assert await page.locator("#f-amount[aria-invalid]").count() == 0
    # A code that was left there is replaced by the next scan.
    await page.locator("#f-code").fill("left")
    await page.locator("#f-amount").fill("0")
    await page.locator("#book").click()
    await page.locator('#f-amount[aria-invalid="true"]:focus').wait_for()
    await page.locator("#f-amount").fill("3")
    await page.locator("#f-code").focus()
    await scan(page, barcode)
    await page.locator("#session .event").nth(1).wait_for()
    await page.locator("#session .event [data-undo]").nth(1).wait_for()
    assert await total(page, item) == 5


async def test_an_amount_that_may_be_thousands_is_asked_for(own_site: OwnSites, opener: Opener) -> None:
    page = await opener("/me", at=own_site())
    item, barcode = await new_item(page)
    cases = [
        ("en", "1,500", "1500 or 1.500; write it without ,", "1.500", 1.5),
        ("de", "1.500", "1500 oder 1,500 sein; ohne . schreiben", "1,500", 3),
        ("de", "12.000", "12000 oder 12,000 sein", "12000", 12003),
    ]
    for language, amount, reason, clear, after in cases:
        await page.goto("/me")
        await page.locator("[name=language]").select_option(language)
        await page.locator("form[action='/me/language'] button").click()
        await page.locator(f"html[lang={language}]").wait_for()
        await go_to_scan(page, "?mode=add&location_id=1&amount=1")
        await page.locator("#f-code").fill(barcode)
        await page.locator("#f-amount").fill(amount)
        await page.locator("#book").click()
        await page.locator('#f-amount[aria-invalid="true"]:focus').wait_for()
        assert reason in await page.locator("#result").inner_text()
        await page.locator("#f-amount").fill(clear)
        await page.keyboard.press("Enter")
        await page.locator("#result[data-mode=add] [data-undo]").wait_for()
        assert await total(page, item) == after


async def test_mode_location_and_amount_are_remembered(opener: Opener) -> None:
    page = await opener("/scan")
    await go_to_scan(page)
    await page.locator("label[data-mode=remove]").click()
    await page.locator("#f-location_id").fill("pantry, top")
    await page.locator("#f-location_id-options [role=option]").first.click()
    name = await page.locator("#f-location_id").input_value()
    await page.locator("#f-amount").fill("0,5")
    await page.locator("#f-code").focus()
    await go_to_scan(page)
    assert await page.locator("input[name=mode]:checked").get_attribute("value") == "remove"
    assert await page.locator("#f-location_id").input_value() == name
    assert await page.locator("#f-amount").input_value() == "0,5"
    # What is no amount is not remembered.
    for wrong in ("abc", "0"):
        await page.locator("#f-amount").fill(wrong)
        await page.locator("#f-code").focus()
        await go_to_scan(page)
        assert await page.locator("#f-amount").input_value() == "1"
    await go_to_scan(page, "?amount=abc")
    assert await page.locator("#f-amount").input_value() == "1"
    # Printed commands set them as well, and the location before is one tap away.
    await scan(page, '{"command":"set_mode","payload":{"mode":"add"}}')
    await scan(page, '{"command":"set_location","payload":{"location_id":1}}')
    await page.locator("#locations .chip").wait_for()
    assert await page.locator("input[name=mode]:checked").get_attribute("value") == "add"
    assert await page.locator("#f-location_id").input_value() != name
    await page.get_by_role("button", name=name).click()
    assert await page.locator("#f-location_id").input_value() == name


async def test_amount_ends_with_the_mode_and_the_tab(opener: Opener) -> None:
    """An amount meant for one task would be booked silently in the next, perhaps by someone else at the same device."""
    page = await opener("/scan?mode=add&location_id=1")
    await page.locator(READY).wait_for()
    amount = page.locator("#f-amount")
    for leave in ("label[data-mode=remove]", "label[data-mode=lookup]", "label[data-mode=count]"):
        await page.locator("label[data-mode=add]").click()
        await amount.fill("6")
        await page.locator("#f-code").focus()
        await page.locator(leave).click()
        assert await amount.input_value() == ("" if "count" in leave else "1")
        await page.locator("label[data-mode=add]").click()
        assert await amount.input_value() == "1"
    await amount.fill("6")
    await page.locator("#f-code").focus()
    await go_to_scan(page, "?mode=add")
    assert await amount.input_value() == "6"
    await go_to_scan(page, "?mode=remove")
    assert await amount.input_value() == "1"
    # What the next scan counts was scanned for it, whichever card comes first.
    await scan(page, make_short_code("NEXT", 12))
    await scan(page, '{"command":"set_mode","payload":{"mode":"add"}}')
    await page.locator("input[name=mode][value=add]:checked").wait_for()
    assert await amount.input_value() == "12"
    await scan(page, '{"command":"set_next_quantity","payload":{"quantity":0}}')
    await page.locator("#result .result-title", has_text="The next scan counts as usual").wait_for()
    await amount.fill("6")
    await page.locator("#f-code").focus()
    other = await page.context.new_page()
    await go_to_scan(other)
    assert await other.locator("#f-amount").input_value() == "1"
    assert await other.locator("input[name=mode]:checked").get_attribute("value") == "add"


async def test_what_a_device_has_stored_is_read(opener: Opener) -> None:
    """These names are on devices: a queued scan is sent and the settings are used, also after an upgrade."""
    page = await opener("/scan")
    item_id, barcode = await new_item(page)
    await page.evaluate(
        """async (barcode) => {
            const place = { id: 2, name: "As it was called" };
            localStorage.setItem("scan", JSON.stringify({ mode: "remove", place, places: [place], amount: "3" }));
            const store = await new Promise((resolve, reject) => {
                const request = indexedDB.open("stocky", 1);
                request.onupgradeneeded = () =>
                    request.result.createObjectStore("scans", { keyPath: "seq", autoIncrement: true });
                request.onsuccess = () => resolve(request.result);
                request.onerror = () => reject(request.error);
            });
            const user = Number(document.querySelector('meta[name="csrf"]').dataset.user);
            const at = new Date().toISOString();
            const event = { type: "add", item: { upc: barcode }, quantity: 5, event_id: `old-${barcode}`,
                            occurred_at: at, location: { id: 2 } };
            const shown = { mode: "add", text: barcode, place: place.name };
            const record = { user, at, event, shown, state: "waiting", tried: false };
            const transaction = store.transaction("scans", "readwrite");
            transaction.objectStore("scans").add(record);
            await new Promise((resolve) => { transaction.oncomplete = resolve; });
            store.close();
        }""",
        barcode,
    )
    await go_to_scan(page)
    assert await page.locator("#f-location_id").input_value() == "As it was called"
    assert await page.locator("input[name=mode]:checked").get_attribute("value") == "remove"
    # Earlier versions stored the amount, too.
    assert await page.locator("#f-amount").input_value() == "1"
    await page.locator("#session .event", has_text="Thing").wait_for()
    assert await total(page, item_id) == 5


async def test_a_scanner_types_wherever_the_focus_is(opener: Opener) -> None:
    page = await opener("/scan")
    item_id, barcode = await new_item(page)
    await go_to_scan(page, "?mode=add&location_id=1&amount=1")
    for selector in ("#q", "#f-amount", "#camera-button", "label[data-mode=add] input"):
        before = await page.locator("#session .sign[data-mode=add]").count()
        await page.locator(selector).focus()
        await Keys(page).scan(barcode)
        await page.locator("#session .sign[data-mode=add]").nth(before).wait_for()
    assert await page.locator("#q").input_value() == ""
    assert await page.locator("#f-amount").input_value() == "1"
    assert await total(page, item_id) == 4


@pytest.mark.parametrize("pause", [20, 60, 90])
async def test_slow_scanners_differ_from_fast_typists(opener: Opener, pause: int) -> None:
    page = await opener("/scan")
    keys = Keys(page)
    await page.route(EVENTS, lambda route: route.abort())
    await go_to_scan(page, "?mode=remove&location_id=1&amount=1")
    codes = [CODE, "https://stocky.lan/i/ABCD", '{"command":"set_mode","payload":{"mode":"add"}}']
    for field in "#q", "#f-amount", "#f-code":
        await page.locator(field).focus()
        before = await page.locator(field).input_value()
        for code in codes if field == "#q" else codes[:1]:
            await keys.scan(code, pause, end="Tab" if field == "#f-code" else "Enter")
            assert await page.locator(f"{field}:focus").input_value() == before
    # Four letters into no field.
    await page.locator("#keyboard").focus()
    await keys.scan("WXYZ", pause)
    await page.locator("#session .event-title", has_text="WXYZ").wait_for()
    # The scanner pauses for too long: the rest of the code is not a code, and stays where it is.
    await page.locator("#f-amount").fill("")
    await keys.scan(CODE, pause, stall=200)
    assert await page.locator("#f-amount").input_value() == CODE
    titles = await page.locator("#session .event-title").all_inner_texts()
    assert titles[::-1] == [CODE, "ABCD", CODE, CODE, "WXYZ"]
    assert await page.locator("input[name=mode]:checked").get_attribute("value") == "add"
    # A person of 130 words a minute finds what was typed.
    await page.locator("#q").focus()
    await keys.scan("pantry12", 90)
    await page.wait_for_timeout(300)
    assert await page.locator("#q").input_value() == "pantry12"


async def test_tap_into_the_field_brings_the_keyboard(opener: Opener) -> None:
    page = await opener("/scan", width=360, height=740, has_touch=True)
    await page.locator("#scan-form[data-ready]").wait_for()
    await page.locator("#f-code[inputmode=none]:focus").wait_for()
    await page.locator("#f-code").tap()
    await page.locator("#f-code[inputmode=text]:focus").wait_for()
    assert await page.locator("#keyboard").get_attribute("aria-pressed") == "true"


async def test_by_keyboard_only(opener: Opener) -> None:
    page = await opener("/scan", "member")
    item_id, barcode = await new_item(page)
    await go_to_scan(page, "?mode=add&location_id=1&amount=3")
    await scan(page, barcode)
    await page.locator("#result[data-mode=add] [data-undo]").wait_for()
    # Back from the code: Open, Undo.
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Enter")
    await page.locator("#result[data-mode=undone]").wait_for()
    assert await total(page, item_id) == 0
    # Counting asks how many there are.
    await page.locator("input[name=mode]:checked").focus()
    for _ in range(3):
        await page.keyboard.press("ArrowRight")
    await page.locator("#f-code").focus()
    await scan(page, barcode)
    await page.locator("#f-amount:focus").wait_for()
    await scan(page, "12")
    await page.locator("#session .sign[data-mode=count]").wait_for()
    assert await total(page, item_id) == 12
    assert await page.evaluate("document.activeElement.id") == "f-code"


async def test_question_of_a_count_stays_until_it_is_answered(opener: Opener) -> None:
    page = await opener("/scan")
    (first, one), (second, two) = await new_item(page), await new_item(page)
    await go_to_scan(page, "?mode=count&location_id=1")
    title, cancel = page.locator("#result .result-title"), page.locator("#result [data-cancel]")
    await scan(page, one)
    await page.locator("#result .result-title", has_text="Thing").wait_for()
    # A hand scanner types anywhere, here into the amount.
    await page.locator("#f-amount:focus").wait_for()
    await Keys(page).scan(two)
    await page.locator(".toast", has_text=f"Not booked: {two}").wait_for()
    assert one in await title.inner_text()
    await scan(page, "7")
    await page.locator("#session .sign[data-mode=count]").wait_for()
    assert (await total(page, first), await total(page, second), await cancel.is_hidden()) == (7, 0, True)
    # Cancelled: the next one is asked for.
    for code in (one, two):
        await scan(page, code)
        await page.locator("#f-amount:focus").wait_for()
        await page.keyboard.press("Escape") if code == one else await cancel.click()
        await page.locator("#f-code:focus").wait_for()
        assert await title.inner_text() == "Ready to scan"
    assert await page.locator("#session li").count() == 1


async def test_look_up_has_a_time_limit(opener: Opener) -> None:
    page = await opener("/scan")
    _, barcode = await new_item(page)
    await go_to_scan(page, "?mode=lookup")
    # After a tenth of a second instead of the seconds that people wait.
    await page.evaluate("(limit => { AbortSignal.timeout = () => limit(100); })(AbortSignal.timeout.bind(AbortSignal))")
    await page.route("**/scan/look-up", lambda route: None)
    await scan(page, barcode)
    await page.locator("#result[data-mode=refused]", has_text="Not looked up").wait_for()
    await page.unroute("**/scan/look-up")
    await page.locator("#result [data-again]").click()
    await page.locator("#result[data-mode=lookup]", has_text=barcode).wait_for()
    assert await page.locator("#result [data-again]").is_hidden()


async def test_reasons_are_in_the_language_of_the_page(own_site: OwnSites, opener: Opener) -> None:
    page = await opener("/me", at=own_site())
    await page.locator("[name=language]").select_option("de")
    await page.locator("form[action='/me/language'] button").click()
    await page.locator("html[lang=de]").wait_for()
    item_id, barcode = await new_item(page)
    await go_to_scan(page, "?mode=remove&location_id=1&amount=2")
    await scan(page, barcode)
    await page.locator("#refused li", has_text="im Bestand").wait_for()
    # Without an answer the reason stays English, and the scan counts.
    await page.route("**/scan/messages", lambda route: route.fulfill(status=404))
    await go_to_scan(page, "?mode=remove&location_id=1&amount=3")
    await scan(page, barcode)
    await page.locator("#refused li", has_text="3 requested").wait_for()
    assert await total(page, item_id) == 0
    await page.unroute("**/scan/messages")
    # A warning, too.
    await call(page, "PATCH", f"/items/{item_id}", {"oversell_policy": "clamp"})
    await call(
        page,
        "POST",
        "/events",
        {"events": [{"type": "add", "item": {"id": item_id}, "location": {"id": 1}, "quantity": 1}]},
    )
    await scan(page, barcode)
    await page.locator("#result", has_text="alles davon wurde entnommen").wait_for()


async def test_what_was_refused_stays_with_its_reason(opener: Opener) -> None:
    page, item_id, barcode = await scan_new_item(opener, "?mode=remove&location_id=1&amount=2")
    # Elsewhere there may be enough.
    await page.locator("#refused li", has_text="Kitchen counter · Only 0 of").wait_for()
    assert await page.locator("#result").get_attribute("data-mode") == "refused"
    await page.reload()
    await page.locator("#refused li").wait_for()
    await call(
        page,
        "POST",
        "/events",
        {"events": [{"type": "add", "item": {"id": item_id}, "location": {"id": 1}, "quantity": 2}]},
    )
    await page.locator("#refused [data-again]").click()
    await page.locator("#session .sign[data-mode=remove]").wait_for()
    assert await total(page, item_id) == 0
    await scan(page, barcode)
    await page.locator("#refused [data-drop]").click()
    await page.locator("#refused").wait_for(state="hidden")
    await page.reload()
    await page.locator(READY).wait_for()
    assert await page.locator("#refused li").count() == 0


async def test_only_who_scanned_sends(opener: Opener, site: Server) -> None:
    page = await opener("/scan", "admin")
    item_id, barcode = await new_item(page)
    await page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    await go_to_scan(page, "?mode=add&location_id=1&amount=1")
    await page.context.set_offline(True)
    await scan(page, barcode)
    await page.locator("#session .sign[data-mode=waiting]").wait_for()
    await page.context.clear_cookies()
    await page.context.set_offline(False)
    # Somebody else signs in on the device: the pages that were kept are gone, the scan is not, and nobody sends it.
    await sign_in(page, site.url, "member")
    kept = await page.evaluate("caches.match('/scan').then((found) => found?.text())")
    assert kept is None or "Your account, member" in kept
    await go_to_scan(page)
    await page.locator("#others").wait_for()
    assert await page.locator("#session li").count() == 0
    assert await total(page, item_id) == 0
    await page.context.clear_cookies()
    await sign_in(page, site.url, "admin")
    await page.locator("#waiting").wait_for(state="hidden")
    await go_to_scan(page)
    await page.locator("#session .sign[data-mode=add]").wait_for()
    assert await total(page, item_id) == 1
    # Signing out deletes what was kept of pages, and nothing of the scans.
    assert await page.evaluate(IS_KEPT)
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url("**/sign-in*")
    assert not await page.evaluate(IS_KEPT)
    assert "stocky" in await page.evaluate("indexedDB.databases().then((found) => found.map((each) => each.name))")


async def test_a_page_of_somebody_else_sends_nothing(opener: Opener, site: Server) -> None:
    page = await opener("/scan", "admin")
    await go_to_scan(page, "?mode=lookup")
    other = await page.context.new_page()
    await page.context.clear_cookies()
    await sign_in(other, site.url, "member")
    user = await other.locator("meta[name=csrf]").get_attribute("data-user")
    await scan(page, CODE)
    # It becomes the page of who is signed in.
    await page.locator(f"meta[name=csrf][data-user='{user}']").wait_for(state="attached")


async def test_a_page_that_comes_after_signing_out_is_not_kept(opener: Opener) -> None:
    """The service worker with answers that come when the test wants."""
    page = await opener("/sign-in", None)
    source = await page.evaluate("fetch('/sw.js').then((answer) => answer.text())")
    asked, kept = await page.evaluate(
        """async (base) => {
            const hears = {}, stores = new Map(), asked = [];
            const self = { addEventListener: (type, hear) => { hears[type] = hear; }, clients: { claim() {} } };
            const caches = {
                keys: async () => [...stores.keys()],
                delete: async (name) => stores.delete(name),
                open: async (name) => {
                    if (!stores.has(name)) stores.set(name, new Map());
                    const store = stores.get(name);
                    return { match: async (key) => store.get(key), put: async (key, value) => store.set(key, value) };
                },
            };
            const fetch = (request) => new Promise((answer) => asked.push({ url: request.url ?? request, answer }));
            const page = () => new Response("of before", { headers: { "content-type": "text/html" } });
            const turn = () => new Promise((done) => setTimeout(done));
            ((self, caches, fetch) => { SOURCE })(self, caches, fetch);
            const done = [];
            const event = (url, method, mode) => ({
                request: { url: base + url, method, mode },
                respondWith: (answer) => done.push(answer),
                waitUntil: (work) => done.push(work),
            });
            // One is kept ahead, one is opened, and one comes while the session ends.
            hears.activate({ waitUntil: (work) => done.push(work) });
            hears.fetch(event("/lists", "GET", "navigate"));
            await turn();
            hears.fetch(event("/sign-out", "POST", "navigate"));
            await turn();
            hears.fetch(event("/lists/1", "GET", "navigate"));
            await turn();
            for (let sent = 0; sent < asked.length; sent += 1) {
                asked[sent].answer(page());
                await turn();
            }
            await Promise.all(done);
            return [asked.map(({ url }) => url.replace(base, "")), [...(stores.get("stocky-pages")?.keys() ?? [])]];
        }""".replace("SOURCE", source),
        page.url.removesuffix("/sign-in"),
    )
    assert sorted(asked) == ["/lists", "/lists/1", "/offline", "/scan", "/sign-out"]
    assert kept == []


async def test_an_unknown_code_is_booked_and_named(opener: Opener) -> None:
    page = await opener("/scan", has_touch=True, width=360, height=740)
    barcode = new_barcode()
    await go_to_scan(page, "?mode=add&location_id=1&amount=1")
    await scan(page, barcode)
    await page.locator("#result [data-name]").click()
    await page.locator("#f-new-name").fill(f"Named {barcode}")
    await page.keyboard.press("Enter")
    await page.get_by_text(f"Named {barcode}").first.wait_for()
    assert await page.locator("#session [data-name]").count() == 0
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_what_was_named_elsewhere_is_called_so(opener: Opener) -> None:
    page = await opener("/scan")
    barcodes = [new_barcode() for _ in range(2)]
    await go_to_scan(page, "?mode=add&location_id=1&amount=1")
    await scan(page, barcodes[0], *barcodes)
    await page.locator("#session [data-name]").nth(2).wait_for()
    stubs = {each["item"]["name"]: each["item"]["id"] for each in await call(page, "GET", "/items/review")}
    one, other = (stubs[f"Unknown {barcode}"] for barcode in barcodes)
    await call(page, "PATCH", f"/items/{one}", {"name": "Named elsewhere"})
    item_id, _ = await new_item(page)
    await call(page, "POST", f"/items/{other}/merge", {"into": item_id})
    name = (await call(page, "GET", f"/items/{item_id}"))["name"]
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await page.locator("#session .event-title", has_text=name).wait_for()
    await go_to_scan(page)
    assert await page.locator("#session .event-title").all_inner_texts() == [name] + ["Named elsewhere"] * 2
    assert await page.locator("#session [data-name]").count() == 0
