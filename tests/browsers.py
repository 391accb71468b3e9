"""Chromium driven by Playwright, and a served Stocky with demo data for it; whatever is missing is said by name."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import io
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from httpx import ASGITransport, AsyncClient

from stocky.app import attach, make_routes
from stocky.config import Config, load
from stocky.db import make_database
from stocky.db.migrate import migrate
from stocky.demo_data import fill
from stocky.services import Services
from tests import serving
from tests.people import PASSWORD, add_people, cheap_hash

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Response

# The shell has no window of its own, which takes half of the processor time of a test.
PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
PROGRAM = next(filter(None, map(shutil.which, PROGRAMS)), None)
MISSING = (
    "playwright is not installed (make browser)"
    if importlib.util.find_spec("playwright") is None
    else "chromium is not installed (apt-get install chromium-headless-shell)"
    if PROGRAM is None
    else None
)
SECRET_KEY = "a key for browsers only, long enough for all"
DEMO_ITEMS, DEMO_EVENTS = 120, 600
# Browsers stop waiting for a condition after this; on a busy machine a page may take seconds.
WAIT_MILLISECONDS = 30_000

# The summary of the run says why the tests are skipped.
needs_chromium = pytest.mark.skipif(MISSING is not None, reason=MISSING or "")
# Marks the tests of a module: they share one browser and one server, so they run in one loop; `tests.conftest` keeps
# them in one process.
in_a_browser = [
    needs_chromium,
    pytest.mark.asyncio(loop_scope="session"),
]


def make_demo(directory: Path, items: int = DEMO_ITEMS, events: int = DEMO_EVENTS) -> None:
    """Makes a SQLite database with demo data and the people of `tests.people` in `directory`; outside any loop."""
    config = load(environ(directory))
    with contextlib.redirect_stderr(io.StringIO()):
        migrate(config)
    asyncio.run(add_people(config, cheap_hash()))
    add_demo(directory, items, events)


def add_demo(directory: Path, items: int = DEMO_ITEMS, events: int = DEMO_EVENTS) -> None:
    """Adds demo data to the database in `directory`; outside any loop."""
    asyncio.run(_fill(load(environ(directory)), items, events))


async def _fill(config: Config, items: int, events: int) -> None:
    database = make_database(config)
    await database.open()
    try:
        await fill(
            database, items=items, events=events, seed=1, introduce=lambda demo: None, progress=lambda recorded: None
        )
    finally:
        await database.close()


def make_samples(directory: Path) -> dict[str, object]:
    """Makes a database with what the addresses of pages are tried with, all with the id 1; outside any loop."""
    # They import this module.
    from tests.conftest import ORIGIN, started
    from tests.pages.conftest import ANYWHERE, make_samples

    config = load(environ(directory) | ANYWHERE)
    with contextlib.redirect_stderr(io.StringIO()):
        migrate(config)

    async def make() -> dict[str, object]:
        keys = await add_people(config, cheap_hash())
        async with started(attach(make_routes(), Services(config))) as app:
            admin, member = (
                AsyncClient(
                    transport=ASGITransport(app=app), base_url=f"{ORIGIN}/api/v1", headers={"X-API-Key": keys[each]}
                )
                for each in ("admin", "member")
            )
            async with admin, member:
                return await make_samples(admin, member, config.backup_dir)

    return asyncio.run(make())


def environ(directory: Path) -> dict[str, str]:
    """The settings of a Stocky whose data is in `directory`."""
    return {
        "STOCKY_DATABASE_URL": f"sqlite:///{directory / 'stocky.db'}",
        "STOCKY_DATA_DIR": str(directory),
        "STOCKY_SECRET_KEY": SECRET_KEY,
    }


@contextmanager
def served(template: Path | None, directory: Path, **more: str) -> Iterator[serving.Server]:
    """A served copy of the data in `template`, or an empty Stocky; `more` are further settings."""
    directory.mkdir(parents=True, exist_ok=True)
    if template is not None:
        shutil.copytree(template, directory, dirs_exist_ok=True)
    with serving.serve(environ(directory) | more, directory) as server:
        yield server


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A headless Chromium."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            await browser.close()


async def sign_in(page: Page, url: str, username: str) -> None:
    """Signs in by the form."""
    await page.goto(f"{url}/sign-in")
    await page.get_by_label("Username").fill(username)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.locator('main button[type="submit"]').click()
    await page.wait_for_url(lambda address: "/sign-in" not in address)


def watch(context: BrowserContext, problems: list[str]) -> None:
    """Collects what must not happen: errors in the console, reports of the CSP, exceptions, assets that are missing.

    Answers of 4xx to documents and to requests of scripts are part of flows, as is a network that is gone.
    """

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            problems.append(f"console {message.type}: {message.text}")

    def answered(response: Response) -> None:
        is_asset = response.request.resource_type in ("script", "stylesheet", "image", "font", "manifest", "media")
        if response.status >= 500 or (response.status >= 400 and is_asset):
            problems.append(f"{response.status} for {response.request.method} {response.url}")

    context.on("console", heard)
    context.on("weberror", lambda error: problems.append(f"exception: {error.error}"))
    context.on("response", answered)
