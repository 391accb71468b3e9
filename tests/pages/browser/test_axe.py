"""Every page in Chromium: nothing that axe finds, no sideways scroll at 320 px, no small target, a silent console.

It walks the routes, as `test_every_page` does, so a new page is tested without being named here. Each page is loaded
once; the theme is changed by its attribute and the width by the window.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from stocky.app import make_routes
from tests.browsers import add_demo, in_a_browser, make_samples, served
from tests.pages.browser.conftest import Opener, OwnSites
from tests.pages.test_every_page import address, shown
from tests.serving import Server

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = in_a_browser

WIDTHS = (1280, 320)
PAGES_AT_ONCE = 2
SMALLEST_TARGET = 24
# What the colours decide; all else is the same in both themes.
COLOURS = ["color-contrast", "link-in-text-block"]

# Violations of rules, as their rule and the first elements.
FIND_FAULTS = """async (rules) => {
    const options = { resultTypes: ["violations"], ...(rules && { runOnly: rules }) };
    const { violations } = await axe.run(document, options);
    const shown = (nodes) => nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ");
    return violations.map((each) => `${each.id}: ${shown(each.nodes)}`);
}"""
TARGETS = "a, button, input, select, textarea, summary, [role=option]"
# A link within a text may be as small as its text.
FIND_SMALL = """([targets, smallest]) => [...document.querySelectorAll(targets)]
    .filter((each) => each.type !== "hidden" && each.checkVisibility({ visibilityProperty: true }))
    .filter((each) => getComputedStyle(each).display !== "inline" && !each.closest(".hidden, .skip"))
    .map((each) => [each, each.getBoundingClientRect()])
    .filter(([each, box]) => box.width > 0 && box.height > 0 && (box.width < smallest || box.height < smallest))
    .map(([each, box]) => `${Math.round(box.width)} x ${Math.round(box.height)} px: ${each.outerHTML.slice(0, 120)}`)"""


@pytest.fixture(scope="module")
def whole_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, object]]]:
    """A server with one of everything, all with the id 1, beside demo data."""
    directory: Path = tmp_path_factory.mktemp("whole")

    def make() -> dict[str, object]:
        samples = make_samples(directory)
        add_demo(directory, items=60, events=200)
        return samples

    with ThreadPoolExecutor(1) as threads:
        samples = threads.submit(make).result()
    with served(directory, tmp_path_factory.mktemp("served")) as server:
        yield server, samples


@pytest.mark.timeout(900)  # a slow machine takes seconds for each page
async def test_every_page(opener: Opener, whole_site: tuple[Server, dict[str, object]]) -> None:
    server, samples = whole_site
    paths = sorted({address(route, samples) for route in shown(make_routes())})
    wrong: list[str] = []

    async def walk(mine: list[str]) -> None:
        page = await opener("/", "admin", at=server)
        for path in mine:
            # Files that pages lead to have no page of their own.
            answer = await page.request.get(path, max_redirects=0)
            if answer.status == 303:
                continue
            opener.problems.clear()
            shown_page = await page.goto(path, wait_until="load")
            assert shown_page is not None
            assert shown_page.status == 200, path
            wrong.extend(f"{path} {fault}" for fault in [*await faults_of(page), *opener.problems])

    await asyncio.gather(*(walk(paths[start::PAGES_AT_ONCE]) for start in range(PAGES_AT_ONCE)))
    assert not wrong, "\n" + "\n".join(sorted(wrong))


async def test_pages_of_those_who_are_not_signed_in(opener: Opener, own_site: OwnSites) -> None:
    new = own_site(empty=True)
    for path, server in (("/sign-in?reason=expired", None), ("/nowhere", None), ("/first-start", new)):
        page = await opener(path, None, at=server)
        assert await faults_of(page) == [], path


async def faults_of(page: Page) -> list[str]:
    """What is wrong with the page in both themes and widths."""
    from axe_playwright_python.base import AXE_SCRIPT

    await page.evaluate(AXE_SCRIPT)
    faults: list[str] = []

    async def ask(what: str, script: str, argument: Any) -> None:
        faults.extend(f"{what}: {each}" for each in await page.evaluate(script, argument))

    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 800})
        await page.evaluate("document.documentElement.dataset.theme = 'light'")
        await ask(f"{width} px, light", FIND_FAULTS, None)
        await ask(f"{width} px", FIND_SMALL, [TARGETS, SMALLEST_TARGET])
        await page.evaluate("document.documentElement.dataset.theme = 'dark'")
        await ask(f"{width} px, dark", FIND_FAULTS, COLOURS)
        scroll = await page.evaluate("document.documentElement.scrollWidth")
        if scroll > width:
            faults.append(f"{width} px: scrolls sideways to {scroll} px")
    return faults
