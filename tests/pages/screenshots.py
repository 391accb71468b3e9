"""`make screenshots`: pictures of every page with demo data, at two widths and in two themes, in docs/screenshots.

Only the small ones for the README are kept in the repository; `--readme` takes no others. They are of the demo data
alone, after some scans and a backup; the others also show one of everything that tests need.
"""

from __future__ import annotations

import asyncio
import io
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from stocky.app import make_routes
from tests.browsers import MISSING, add_demo, chromium, make_demo, make_samples, served, sign_in, watch
from tests.pages.test_every_page import address, shown
from tests.serving import ROOT

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

DIRECTORY = ROOT / "docs" / "screenshots"
WIDTHS = {1280: 800, 360: 740}
THEMES = ("light", "dark")
ITEMS, EVENTS = 320, 4_000
# For the README: the page, the width and the theme of each; every picture is made small enough to be kept.
README = {
    "home": ("/", 1280, "light"),
    "item": ("/items/{item}", 1280, "dark"),
    "scan": ("/scan", 360, "dark"),
    "backups": ("/backups", 1280, "light"),
}
MOST_README_BYTES = 60_000
# The item of the picture, and what is scanned before it is taken: the mode, the location and the items.
ITEM = "Spaghetti, 500 g"
SCANS = [
    ("add", "Cellar shelf", ["Rice, risotto", "Lentils, red", ITEM, ITEM, ITEM]),
    ("remove", "Pantry, top shelf", ["Flour, wheat", "Sugar, white", "Rice, basmati"]),
    ("add", "Kitchen counter", ["Salt, table", "Oats, rolled", ITEM, ITEM]),
]


def main() -> int:
    """Returns the exit status."""
    if MISSING:
        print(f"No screenshots: {MISSING}", file=sys.stderr)
        return 1
    problems = []
    if "--readme" not in sys.argv:
        _remove_earlier()
        with TemporaryDirectory(prefix="stocky-screenshots-") as directory:
            data = Path(directory)
            samples = make_samples(data)
            add_demo(data, ITEMS, EVENTS)
            with served(None, data) as server:
                problems += asyncio.run(take_all(server.url, samples))
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="stocky-screenshots-") as directory:
        data = Path(directory)
        make_demo(data, ITEMS, EVENTS)
        with served(None, data) as server:
            problems += asyncio.run(take_readme(server.url))
    print(f"{len(list(DIRECTORY.iterdir()))} pictures in {DIRECTORY.relative_to(ROOT)}")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


async def take_all(url: str, samples: dict[str, object]) -> list[str]:
    """Takes every picture; returns what the console showed."""
    problems: list[str] = []
    async with chromium() as browser:
        page = await _open(browser, problems)
        for path in ("/sign-in",):
            await _take(page, url, path)
        await sign_in(page, url, "admin")
        for path in sorted({address(route, samples) for route in shown(make_routes())}):
            # A page that leads on, or a file, has no picture.
            if (await page.request.get(url + path, max_redirects=0)).status == 200:
                await _take(page, url, path)
    return problems


async def take_readme(url: str) -> list[str]:
    """Takes the pictures for the README; returns what the console showed."""
    problems: list[str] = []
    async with chromium() as browser:
        page = await _open(browser, problems)
        await sign_in(page, url, "admin")
        await page.goto(url + "/backups")
        for button in ("Back up the database", "Back up now", "Test"):
            await page.locator("main button", has_text=re.compile(f"^{button}")).first.click()
            await page.locator(".notice.good").wait_for(timeout=60_000)
            await page.goto(url + "/backups")
        await page.set_viewport_size({"width": 360, "height": WIDTHS[360]})
        for mode, location, names in SCANS:
            found = await _find(page, url, "locations", location)
            await page.goto(f"{url}/scan?mode={mode}&location_id={found['id']}&amount=1")
            await page.locator("#scan-form[data-ready]").wait_for()
            for name in names:
                await page.keyboard.insert_text((await _find(page, url, "items", name))["upc"])
                await page.keyboard.press("Enter")
            await page.locator("#result[data-mode=sending]").wait_for(state="detached")
        values = {"item": (await _find(page, url, "items", ITEM))["id"]}
        # The scan page shows what has just been scanned: it comes first, and is not loaded again.
        for name in sorted(README, reverse=True):
            path, width, theme = README[name]
            await _show(page, url, path.format(**values), width, theme)
            _keep_small(await page.screenshot(), DIRECTORY / f"readme-{name}.png")
    return problems


async def _find(page: Page, url: str, kind: str, name: str) -> dict[str, Any]:
    """The first item or location with this name."""
    found = await (await page.request.get(f"{url}/api/v1/{kind}/", params={"search": name, "limit": 200})).json()
    first: dict[str, Any] = next(each for each in found if each["name"].startswith(name))
    return first


async def _open(browser: Browser, problems: list[str]) -> Page:
    context = await browser.new_context(reduced_motion="reduce", locale="en-GB", timezone_id="UTC")
    watch(context, problems)
    return await context.new_page()


async def _take(page: Page, url: str, path: str) -> None:
    name = re.sub(r"[^\w]+", "-", path).strip("-") or "home"
    for width in WIDTHS:
        for theme in THEMES:
            await _show(page, url, path, width, theme)
            await page.screenshot(path=DIRECTORY / f"{name}-{width}-{theme}.png", full_page=True)


async def _show(page: Page, url: str, path: str, width: int, theme: str) -> None:
    await page.set_viewport_size({"width": width, "height": WIDTHS[width]})
    await page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    if page.url.partition("?")[0] != url + path:
        await page.goto(url + path)
    await page.wait_for_load_state("networkidle" if "data-live" not in await page.content() else "load")


def _remove_earlier() -> None:
    """All but the pictures of the README, which are not taken anew."""
    for file in DIRECTORY.glob("*.png"):
        if not file.name.startswith("readme-"):
            file.unlink()


def _keep_small(picture: bytes, file: Path) -> None:
    """Writes a picture with fewer colours, and smaller if that is not enough."""
    from PIL import Image

    image = Image.open(io.BytesIO(picture)).convert("RGB")
    colours = 256
    while True:
        image.quantize(colours).save(file, optimize=True)
        if file.stat().st_size <= MOST_README_BYTES:
            return
        colours = max(32, colours // 2)
        if colours == 32:
            image = image.resize((image.width * 9 // 10, image.height * 9 // 10), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    sys.exit(main())
