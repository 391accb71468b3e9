"""`python -m tests.pages.weights`: what /items and /scan load at the first view and at the next, with demo data.

A first view is one with an empty cache, by somebody who is signed in. What counts is all that the page asks for by
itself, until nothing more comes; a press may ask for more. What the service worker fetches after it, for when there is
no network, is listed apart. Sizes are those of bodies as they came, compressed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from tests.browsers import MISSING, chromium, make_demo, served, sign_in

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Request, StorageState

# The pages, and what each shows when it can be used.
PAGES = {"/items": "main table", "/scan": "#scan-form[data-ready]"}
# The page may ask for more for so long after it can be used.
QUIET_SECONDS = 1.0


class Load(NamedTuple):
    """An answer that came through the network, with the bytes of its body as they came."""

    name: str
    size: int


class Views(NamedTuple):
    """What came for the first view of a page, for the same again, and for the service worker after the first."""

    first: list[Load]
    again: list[Load]
    worker: list[Load]


async def measure(browser: Browser, url: str, state: StorageState, path: str) -> Views:
    """Shows a page twice; `state` has the cookies of who looks at it."""
    # Without the worker, whose answers would come between; the cache of the browser is that of plain http.
    context = await browser.new_context(base_url=url, storage_state=state, service_workers="block")
    page = await context.new_page()
    first = await _show(page, path)
    again = await _show(page, path)
    await context.close()
    # What the page has loaded, the worker finds in the cache of the browser; pages are not in it.
    has = {load for load in first if not load.name.startswith("/")}
    worker = [load for load in await _fetched_by_worker(browser, url, state, path) if load not in has]
    return Views(first, again, worker)


async def _show(page: Page, path: str) -> list[Load]:
    session = await page.context.new_cdp_session(page)
    cached: set[str] = set()
    answers: dict[str, dict[str, Any]] = {}
    session.on("Network.requestServedFromCache", lambda event: cached.add(event["requestId"]))
    session.on("Network.responseReceived", lambda event: answers.update({event["requestId"]: event["response"]}))
    await session.send("Network.enable")
    await page.goto(path)
    await page.locator(PAGES[path]).first.wait_for()
    await asyncio.sleep(QUIET_SECONDS)
    await session.detach()
    return [
        _load(each["url"], each["headers"])
        for id, each in answers.items()
        if id not in cached and not each["fromDiskCache"] and not each["url"].startswith("data:")
    ]


async def _fetched_by_worker(browser: Browser, url: str, state: StorageState, path: str) -> list[Load]:
    context = await browser.new_context(base_url=url, storage_state=state)
    asked: list[Request] = []
    context.on("requestfinished", lambda request: asked.append(request) if request.service_worker else None)
    page = await context.new_page()
    await page.goto(path)
    await page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    await asyncio.sleep(QUIET_SECONDS)
    found = []
    for request in asked:
        response = await request.response()
        if response is not None:
            found.append(_load(request.url, await response.all_headers()))
    await context.close()
    return found


def _load(url: str, headers: dict[str, str]) -> Load:
    sizes = {name.lower(): value for name, value in headers.items()}
    path = urlsplit(url).path
    return Load(path.rpartition("/")[2] if path.startswith("/static/") else path, int(sizes.get("content-length", 0)))


def total(loads: Iterable[Load]) -> int:
    """The bytes of all of them."""
    return sum(load.size for load in loads)


def table(path: str, views: Views) -> str:
    """What is printed for a page."""
    lines = []
    for title, loads in zip(("first view", "again", "then, by the service worker"), views, strict=True):
        lines.append(f"{path}, {title}: {total(loads):,} bytes, {len(loads)} requests")
        lines += [f"{load.size:>9,}  {load.name}" for load in sorted(loads, key=lambda load: -load.size)]
    return "\n".join(lines)


def main() -> int:
    """Returns the exit status."""
    if MISSING:
        print(f"Nothing is measured: {MISSING}", file=sys.stderr)
        return 1
    with TemporaryDirectory(prefix="stocky-weights-") as directory:
        data = Path(directory)
        make_demo(data)
        with served(None, data) as server:
            asyncio.run(_print_all(server.url))
    return 0


async def _print_all(url: str) -> None:
    async with chromium() as browser:
        context = await browser.new_context()
        await sign_in(await context.new_page(), url, "member")
        state = await context.storage_state()
        await context.close()
        for path in PAGES:
            print(table(path, await measure(browser, url, state, path)), end="\n\n")


if __name__ == "__main__":
    sys.exit(main())
