"""Fixtures for tests of pages in Chromium: demo data on a free port, signed-in pages by role, collected problems.

A module has `pytestmark = in_a_browser` of `tests.browsers`; its tests are async and use Playwright's async API.
A test fails at its end when the console showed an error, or the CSP a report.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from tests.browsers import WAIT_MILLISECONDS, chromium, make_demo, served, sign_in, watch
from tests.serving import Server

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, StorageState


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with demo data and the people of `tests.people`; servers get copies of it."""
    directory: Path = tmp_path_factory.mktemp("demo")
    # In a thread, because the loop of the tests may run in this one.
    with ThreadPoolExecutor(1) as threads:
        threads.submit(make_demo, directory).result()
    return directory


@pytest.fixture(scope="session")
def site(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server that all tests share: a test changes only what it made, or what nobody else looks at."""
    with served(demo, tmp_path_factory.mktemp("site")) as server:
        yield server


class OwnSites:
    """Servers for one test alone, which may restore, restart and delete as it likes."""

    def __init__(self, demo: Path, directories: pytest.TempPathFactory) -> None:
        self._demo = demo
        self._directories = directories
        self._stack = ExitStack()

    def __call__(self, *, empty: bool = False, **settings: str) -> Server:
        """A server with a copy of the demo data, or with nothing; `settings` are STOCKY_… variables."""
        directory = self._directories.mktemp("own")
        return self._stack.enter_context(served(None if empty else self._demo, directory, **settings))

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def own_site(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnSites]:
    """`own_site()` is a server for this test alone; `own_site(empty=True)` waits for its first administrator."""
    sites = OwnSites(demo, tmp_path_factory)
    yield sites
    sites.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chrome() -> AsyncIterator[Browser]:
    """The browser that all tests share."""
    async with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def sessions() -> dict[tuple[str, str], StorageState]:
    """The cookies of those who signed in, by server and username."""
    return {}


class Opener:
    """Opens pages, each in a context of its own, and collects what goes wrong in them in `problems`."""

    def __init__(self, chrome: Browser, site: Server, sessions: dict[tuple[str, str], StorageState]) -> None:
        self._chrome = chrome
        self._site = site
        self._sessions = sessions
        self._stack = AsyncExitStack()
        self.problems: list[str] = []

    async def __call__(
        self,
        path: str = "/",
        username: str | None = "member",
        *,
        at: Server | None = None,
        width: int = 1280,
        height: int = 900,
        theme: str = "light",
        script: bool = True,
        **options: Any,
    ) -> Page:
        """A page at `path`, signed in as admin, member, scanner, reader, or as nobody (None).

        `at` is a server of `own_site`; `options` are those of Playwright's `new_context`, such as `has_touch=True`.
        """
        url = (at or self._site).url
        if username is not None and (url, username) not in self._sessions:
            context = await self._chrome.new_context()
            await sign_in(await context.new_page(), url, username)
            self._sessions[url, username] = await context.storage_state()
            await context.close()
        context = await self._chrome.new_context(
            base_url=url,
            viewport={"width": width, "height": height},
            color_scheme=theme,
            java_script_enabled=script,
            storage_state=self._sessions[url, username] if username is not None else None,
            reduced_motion="reduce",
            locale="en-GB",
            timezone_id="UTC",
            **options,
        )
        self._stack.push_async_callback(context.close)
        context.set_default_timeout(WAIT_MILLISECONDS)
        watch(context, self.problems)
        page = await context.new_page()
        await page.goto(path)
        return page

    async def close(self) -> None:
        await self._stack.aclose()


@pytest_asyncio.fixture(loop_scope="session")
async def opener(chrome: Browser, site: Server, sessions: dict[tuple[str, str], StorageState]) -> AsyncIterator[Opener]:
    """`page = await opener("/items", "member", width=360)`; problems fail the test, unless it clears the list."""
    opener = Opener(chrome, site, sessions)
    yield opener
    await asyncio.sleep(0)
    problems = list(opener.problems)
    await opener.close()
    assert problems == []
