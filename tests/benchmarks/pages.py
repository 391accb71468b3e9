"""W3 and W4: what a page costs the server beside the API's list, and how long a search takes from the last key.

Both over 100,000 items. The processor time is the server's, of all its threads, and every request differs, so that
nothing is answered from a cache. W4 types in Chromium, and counts from the end of the wait after the last key.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

import httpx

from tests import browsers
from tests.benchmarks import servers
from tests.benchmarks.data import sqlite_database
from tests.benchmarks.load import Unsound
from tests.benchmarks.machine import cpu_seconds
from tests.benchmarks.results import Plan, Result
from tests.people import PASSWORD
from tests.serving import Server

if TYPE_CHECKING:
    from playwright.async_api import Page

ITEMS = 100_000
REQUESTS = 150
SEARCHES = 60
PAGE = 50
# The pages, each with its goal in ms of processor time; their addresses differ by a random number.
PAGES: list[tuple[str, float, Callable[[int], str]]] = [
    ("/items", 5, lambda number: f"/items?cursor={number}"),
    ("/items/{id}", 5, lambda number: f"/items/{number + 1}"),
    ("/activity", 5, lambda number: f"/activity?cursor={number + 100}"),
    ("/scan", 5, lambda number: "/scan"),
    ("/", 6, lambda number: "/"),
]
# As stocky/pages/static/search.js has it.
WAIT_MS = 120
# Resolves with the ms from the last key to the change of the results.
_TIMED = """async text => {
    const box = document.getElementById("q"), part = document.querySelector('[data-fragment="results"]');
    box.focus();
    box.value = text;
    const started = performance.now();
    const changed = new Promise(resolve => {
        const watching = new MutationObserver(() => { watching.disconnect(); resolve(performance.now() - started); });
        watching.observe(part.parentElement, {childList: true, subtree: true});
    });
    box.dispatchEvent(new Event("input", {bubbles: true}));
    return changed;
}"""


def measure_pages(plan: Plan) -> list[Result]:
    """W3 and W4."""
    with sqlite_database(items=ITEMS, events=ITEMS) as database, servers.stocky(database) as server:
        with httpx.Client(base_url=server.url, headers={"X-API-Key": database.admin_key}) as api:
            listed = _cost(server, api, lambda number: f"/api/v1/items/?limit={PAGE}&cursor={number}", plan)
        with httpx.Client(base_url=server.url, headers={"Accept-Encoding": "gzip"}) as browser:
            _sign_in(browser, server.url)
            results = [
                Result(
                    id="W3",
                    what=f"{name} over {ITEMS:,} items: ms of processor time",
                    yardstick_is=f"GET /api/v1/items/?limit={PAGE}",
                    subject=_cost(server, browser, address, plan),
                    yardstick=listed,
                    goal=f"<= {goal:g}",
                )
                for name, goal, address in PAGES
            ]
        if browsers.MISSING is None:
            results.append(_typing(asyncio.run(_search(server.url))))
    return results


def _cost(server: Server, client: httpx.Client, address: Callable[[int], str], plan: Plan) -> float:
    """The median over the runs of ms of processor time a request."""
    some = random.Random(1)
    _get(client, address(1))
    costs = []
    for _ in range(plan.runs):
        before = cpu_seconds(server.process.pid) or 0
        for _ in range(REQUESTS):
            _get(client, address(some.randrange(ITEMS - PAGE)))
        costs.append(((cpu_seconds(server.process.pid) or 0) - before) / REQUESTS * 1000)
    return median(costs)


def _get(client: httpx.Client, address: str) -> None:
    answer = client.get(address)
    if answer.status_code != 200:
        raise Unsound(f"{address} answered {answer.status_code}")


def _sign_in(browser: httpx.Client, origin: str) -> None:
    answer = browser.post("/sign-in", data={"username": "admin", "password": PASSWORD}, headers={"Origin": origin})
    if answer.status_code != 303:
        raise Unsound(f"the sign-in answered {answer.status_code}")


async def _search(url: str) -> list[float]:
    """The ms from the end of the wait to the results, for searches that differ."""
    some = random.Random(2)
    async with browsers.chromium() as chromium:
        page: Page = await chromium.new_page()
        await browsers.sign_in(page, url, "admin")
        await page.goto(f"{url}/items")
        await _timed(page, "coffee")
        return [
            await _timed(page, text) - WAIT_MS
            for number in some.sample(range(1, ITEMS), SEARCHES // 3)
            for text in (f"coffee {number}", f"cofee smal {number}", f"tea {number % 1000}")
        ]


async def _timed(page: Page, text: str) -> float:
    took: Any = await page.evaluate(_TIMED, text)
    return float(took)


def _typing(milliseconds: list[float]) -> Result:
    return Result(
        id="W4",
        what=f"from the end of the wait after the last key to the results, {ITEMS:,} items: p95 in ms",
        yardstick_is="-",
        subject=quantiles(milliseconds, n=20)[-1],
        goal="<= 150",
        note=f"p50 {median(milliseconds):.0f} ms; in Chromium on the same machine",
        raw={"milliseconds": milliseconds},
    )
