"""What tests of the scan page do in a browser: ask the API as the page's user, make items, and scan."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

    from tests.pages.browser.conftest import Opener

READY = "#scan-form[data-ready]"
# The module of the page, for a script.
QUEUE = """const source = document.querySelector('script[src*="/scan.js"]').src;
           const queue = await import(source.replace("/scan.js", "/queue.js"));"""
_numbers = count(1)


async def call(page: Page, method: str, path: str, body: Any = None) -> Any:
    """Asks the API as the page's user."""
    return await page.evaluate(
        """async ([method, path, body]) => {
            const token = document.querySelector('meta[name="csrf"]').content;
            const headers = { "content-type": "application/json", "x-csrf-token": token };
            const answer = await fetch(`/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
            if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
            return await answer.json();
        }""",
        [method, path, body],
    )


async def hold_back(page: Page, script: str) -> asyncio.Event:
    """Holds back a script of the page until the event is set."""
    released = asyncio.Event()

    async def wait(route: Route) -> None:
        await released.wait()
        await route.continue_()

    await page.route(f"**/{script}", wait)
    return released


def new_barcode() -> str:
    """A barcode that no item has."""
    return f"29{next(_numbers):010}"


async def new_item(page: Page) -> tuple[int, str]:
    """The id and the barcode of a new item."""
    barcode = new_barcode()
    item = await call(page, "POST", "/items", {"name": f"Thing {barcode}", "barcodes": [{"barcode": barcode}]})
    return item["id"], barcode


async def total(page: Page, item_id: int) -> float:
    found: float = (await call(page, "GET", f"/items/{item_id}"))["total_quantity"]
    return found


async def scan(page: Page, *codes: str) -> None:
    """What a scanner types into the field that has the focus."""
    for code in codes:
        await page.keyboard.insert_text(code)
        await page.keyboard.press("Enter")


async def go_to_scan(page: Page, query: str = "") -> None:
    await page.goto(f"/scan{query}")
    await page.locator(READY).wait_for()


async def scan_new_item(opener: Opener, query: str) -> tuple[Page, int, str]:
    """The scan page with this query, where a new item was scanned; its id and its barcode."""
    page = await opener("/scan")
    item_id, barcode = await new_item(page)
    await go_to_scan(page, query)
    await scan(page, barcode)
    return page, item_id, barcode


async def answer_once(page: Page, url: str, status: int, content_type: str) -> None:
    """What waits is sent again, and answered by somebody else than the server."""
    body = '{"title": "No"}' if "json" in content_type else "<p>No"

    async def answer(route: Route) -> None:
        await route.fulfill(status=status, content_type=content_type, body=body)

    await page.route(url, answer, times=1)
    async with page.expect_response(url):
        await page.evaluate("dispatchEvent(new Event('online'))")
