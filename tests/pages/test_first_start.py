"""The first start: an admin by the code in the log, once; then demo data or a clean start."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator

import pytest
from litestar import Litestar

from stocky.app import attach
from stocky.config import load
from stocky.db.migrate import migrate
from stocky.services import Services
from tests.conftest import _make_routes_once, started
from tests.pages.conftest import Browser
from tests.pages.markup import Page

CODE = re.compile(r"enter the code ([A-Z2-9]{4}(?:-[A-Z2-9]{4}){2}),")
ADMIN = {"username": "ada", "email": "ada@example.org", "password": "correct horse battery"}


# Without script, the page reloads automatically.
_RELOADS = 'http-equiv="refresh" content="2"'


@pytest.fixture
async def app(empty_environ: dict[str, str], caplog: pytest.LogCaptureFixture) -> AsyncIterator[Litestar]:
    """The application on a database that has no users."""
    caplog.set_level(logging.WARNING)
    config = load(empty_environ)
    migrate(config)
    async with started(attach(_make_routes_once(config.allowed_origins), Services(config))) as app:
        yield app


@pytest.fixture
async def browser(app: Litestar) -> AsyncIterator[Browser]:
    async with Browser(app) as browser:
        yield browser


@pytest.fixture
async def code(app: Litestar, caplog: pytest.LogCaptureFixture) -> str:
    """The code in the log."""
    await app.state.first_start.offer("http://127.0.0.1:8000")
    assert "Open http://127.0.0.1:8000/first-start in a browser" in caplog.text
    (code,) = CODE.findall(caplog.text)
    assert isinstance(code, str)
    return code


async def test_every_page_leads_to_the_first_start(browser: Browser, code: str) -> None:
    for path in ("/", "/me", "/sign-in", "/first-start/data"):
        answer = await browser.get(path, follow_redirects=True)
        assert answer.url.path == "/first-start", path
        page = Page(answer.text)
        assert page.faults == []
        assert page.forms[0].names == ["code", "username", "email", "password"]
    assert code not in answer.text


async def test_code_makes_one_admin_and_signs_it_in(
    app: Litestar, browser: Browser, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    for wrong in ("", "AAAA-AAAA-AAAA", code[:-1], "ä"):
        answer = await browser.submit("/first-start", {**ADMIN, "code": wrong})
        assert answer.status_code in (400, 422), wrong
        assert 'value="ada@example.org"' in answer.text
        assert ADMIN["password"] not in answer.text
    invalid = await browser.submit("/first-start", {**ADMIN, "code": code, "username": "x", "password": "short"})
    assert invalid.status_code == 422
    assert invalid.text.count('class="error" id=') == 2
    invalid = await browser.submit("/first-start", {**ADMIN, "code": code, "password": "short"})
    assert re.findall(r'<input id="f-(\w+)"[^>]* autofocus', invalid.text) == ["password"], (
        "not the code, the usual one"
    )
    answer = await browser.submit("/first-start", {**ADMIN, "code": f" {code.lower().replace('-', ' ')} "})
    assert (answer.status_code, answer.headers["location"]) == (303, "/first-start/data")
    me = (await browser.get("/api/v1/auth/me")).json()
    assert (me["username"], me["role"]) == ("ada", "admin")
    page = await browser.show("/first-start/data")
    assert Page(page.text).faults == []
    assert "Add demo data" in page.text
    # The code is void.
    async with Browser(app) as other:
        again = await other.submit("/first-start", {**ADMIN, "username": "eve", "email": "eve@x.org", "code": code})
        assert again.status_code == 409
        assert (await other.get("/first-start")).headers["location"] == "/"
        assert "/sign-in" in str((await other.get("/", follow_redirects=True)).url)
    caplog.clear()
    await app.state.first_start.offer()
    assert CODE.findall(caplog.text) == []


async def test_of_two_at_once_one_becomes_the_admin(app: Litestar, code: str) -> None:
    async with Browser(app) as one, Browser(app) as other:
        answers = await asyncio.gather(
            one.submit("/first-start", {**ADMIN, "code": code}),
            other.submit("/first-start", {**ADMIN, "username": "eve", "email": "eve@example.org", "code": code}),
        )
        assert sorted(answer.status_code for answer in answers) == [303, 409]
        winner = one if answers[0].status_code == 303 else other
        assert len((await winner.get("/api/v1/users/")).json()) == 1


async def test_guesses_are_throttled(browser: Browser, code: str) -> None:
    for _ in range(10):
        assert (await browser.submit("/first-start", {**ADMIN, "code": "AAAA-AAAA-AAAA"})).status_code == 400
    answer = await browser.submit("/first-start", {**ADMIN, "code": code})
    assert answer.status_code == 429
    assert "Too many failed sign-ins" in answer.text


async def test_form_of_another_site_is_refused(browser: Browser, code: str) -> None:
    answer = await browser.post("/first-start", data={**ADMIN, "code": code}, headers={"Origin": "https://x.example"})
    assert answer.status_code == 403


async def test_no_code_fits_before_one_is_made(browser: Browser) -> None:
    answer = await browser.submit("/first-start", {**ADMIN, "code": ""})
    assert answer.status_code in (400, 422)


async def test_demo_data(browser: Browser, code: str) -> None:
    await browser.submit("/first-start", {**ADMIN, "code": code})
    browser.take_token(await browser.show("/first-start/data"))
    answer = await browser.submit("/first-start/data")
    assert (answer.status_code, answer.headers["location"]) == (303, "/first-start/data")
    page = await browser.show("/first-start/data")
    assert _RELOADS in page.text
    assert "<progress" in page.text
    assert (await browser.submit("/first-start/data")).status_code == 409, "one at a time"
    for _ in range(600):
        page = await browser.show("/first-start/data")
        if _RELOADS not in page.text:
            break
        await asyncio.sleep(0.2)
    assert "Add demo data" not in page.text
    assert "There are items to look at" in page.text
    assert len((await browser.get("/api/v1/items/?limit=1000")).json()) == 320
    assert (await browser.submit("/first-start/data")).status_code == 409


async def test_new_admin_of_the_command_line_voids_the_code(app: Litestar, browser: Browser, code: str) -> None:
    from stocky.auth.service import create_admin

    await create_admin(app.state.database, "root", "root@example.org", "correct horse battery")
    answer = await browser.submit("/first-start", {**ADMIN, "code": code})
    assert answer.status_code == 409
    assert (await browser.get("/sign-in")).status_code == 200
