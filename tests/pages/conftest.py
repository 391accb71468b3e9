"""Browsers without script: clients with cookies, signed in by the form, for each role."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient, Response
from litestar import Litestar

from tests.conftest import ORIGIN
from tests.people import PASSWORD

ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
TOKEN = re.compile(r'name="csrf" content="([\w-]+)"')


class Browser(AsyncClient):
    """A client that sends what browsers send, and has the token of the page that it got last."""

    def __init__(self, app: Litestar, base_path: str = "") -> None:
        transport = ASGITransport(app=app, raise_app_exceptions=False)
        super().__init__(transport=transport, base_url=f"{ORIGIN}{base_path}", headers={"Accept": ACCEPT})
        self.csrf = ""

    async def show(self, path: str, **more: Any) -> Response:
        """Gets a page, which must be there."""
        answer = await self.get(path, **more)
        assert answer.status_code == 200, (path, answer.status_code, answer.headers.get("location"), answer.text)
        self.take_token(answer)
        return answer

    def take_token(self, answer: Response) -> None:
        """Takes over the token of a page, if it has one."""
        if found := TOKEN.search(answer.text):
            self.csrf = found[1]

    async def submit(self, path: str, fields: dict[str, Any] | None = None, **more: Any) -> Response:
        """Sends a form of the page that it got last, as a browser does."""
        headers = {"Origin": ORIGIN, **more.pop("headers", {})}
        return await self.post(path, data={"csrf": self.csrf, **(fields or {})}, headers=headers, **more)

    async def sign_in(self, username: str, password: str = PASSWORD, **more: Any) -> Response:
        """Signs in by the form, and takes the token of the first page."""
        answer = await self.submit("/sign-in", {"username": username, "password": password, **more})
        assert answer.status_code == 303, answer.text
        self.take_token(await self.get("/me"))
        return answer


@pytest.fixture
async def browser(app: Litestar) -> AsyncIterator[Browser]:
    """A browser that is not signed in."""
    async with Browser(app) as browser:
        yield browser


@pytest.fixture
async def browse(app: Litestar) -> AsyncIterator[Callable[[str], Awaitable[Browser]]]:
    """`await browse("member")` is another browser, signed in."""
    browsers: list[Browser] = []

    async def browse(username: str) -> Browser:
        browser = Browser(app)
        browsers.append(browser)
        await browser.sign_in(username)
        return browser

    yield browse
    for browser in browsers:
        await browser.aclose()
