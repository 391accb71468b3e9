"""Suggestions on the item's page and in the review, without script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.config import Config, load
from tests.assistance.model import KEY, MODEL, Model, ended, error, serving, suggestions, suggests
from tests.inventory import get, made, new_item, new_location
from tests.pages.conftest import Browser
from tests.pages.markup import Page

Browse = Callable[[str], Awaitable[Browser]]


@pytest.fixture
async def model() -> AsyncIterator[Model]:
    async with serving() as model:
        yield model


@pytest.fixture
def config(environ: dict[str, str], model: Model) -> Config:
    asking = {"STOCKY_AI_API_KEY": KEY, "STOCKY_AI_MODEL": MODEL, "STOCKY_AI_BASE_URL": f"{model.url}/v1"}
    return load(environ | asking)


async def test_item_page_asks_and_accepts(browse: Browse, member: AsyncClient, model: Model) -> None:
    made(await member.post("/types", json={"name": "Semiconductors"}))
    item = await new_item(member, "Transistor", manufacturer_code="BC5")
    path = f"/items/{item['id']}"
    model.usual = suggests(
        tags=["npn", "a & b"], type="Semiconductors", part_number="BC547B", datasheets=["https://example.org/b.pdf"]
    )
    browser = await browse("member")
    assert "Ask for suggestions" in (await browser.show(path)).text
    answer = await browser.submit(f"{path}/suggestions")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?done=asked")
    await ended(member, item)
    shown = await browser.show(path)
    assert Page(shown.text).faults == []
    for text in ("npn", "a &amp; b", "instead of BC5", "https://example.org/b.pdf"):
        assert text in shown.text
    tag, other, kind, code, _ = await suggestions(member, item)
    version = str(item["version"])
    answer = await browser.submit(f"/suggestions/{tag['id']}/accept", {"version": version})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?done=accepted")
    assert (await get(member, path))["tags"] == ["npn"]
    # The page is older than the item.
    answer = await browser.submit(f"/suggestions/{kind['id']}/accept", {"version": version})
    assert answer.status_code == 412
    assert (await browser.submit(f"/suggestions/{code['id']}/accept", {"version": "2"})).status_code == 303
    assert (await browser.submit(f"/suggestions/{other['id']}/reject")).status_code == 303
    assert (await get(member, path))["manufacturer_code"] == "BC547B"
    assert "a &amp; b" not in (await browser.show(path)).text
    part = await browser.get(path, headers={"X-Fragment": "suggestions"})
    assert part.status_code == 200
    assert "Semiconductors" in part.text
    assert "Ask for suggestions" not in (await (await browse("reader")).show(path)).text


async def test_failure_is_shown(browse: Browse, member: AsyncClient, model: Model) -> None:
    item = await new_item(member)
    model.usual = error(401, "<b>wrong</b>")
    browser = await browse("member")
    await browser.submit(f"/items/{item['id']}/suggestions")
    await ended(member, item)
    shown = (await browser.show(f"/items/{item['id']}")).text
    assert "refuses the key" in shown
    assert "<b>wrong</b>" not in shown


async def test_review_has_suggestions(
    app: Litestar, browse: Browse, member: AsyncClient, scanner: AsyncClient, model: Model
) -> None:
    location = await new_location(member)
    made(await scanner.put("/scanner/s1/state", json={"location_id": location["id"]}))
    stub = made(await scanner.post("/scanner/scan", json={"upc": "4006381333931", "scanner_id": "s1"}))["item"]
    model.usual = suggests(tags=["pen"])
    browser = await browse("member")
    assert "Ask for suggestions" in (await browser.show("/review")).text
    answer = await browser.submit(f"/items/{stub['id']}/suggestions", {"back": "review"})
    assert answer.headers["location"] == "/review?done=asked"
    await ended(member, stub)
    shown = await browser.show("/review")
    assert Page(shown.text).faults == []
    assert "pen" in shown.text
    [suggestion] = await suggestions(member, stub)
    answer = await browser.submit(f"/suggestions/{suggestion['id']}/accept", {"back": "review"})
    assert answer.headers["location"] == "/review?done=accepted"
    part = await browser.get("/review", headers={"X-Fragment": "suggestions"})
    assert part.status_code == 200


async def test_settings_show_what_was_asked(browse: Browse, member: AsyncClient, model: Model) -> None:
    item = await new_item(member)
    await member.post(f"/items/{item['id']}/suggestions")
    await ended(member, item)
    shown = (await (await browse("admin")).show("/settings")).text
    for text in (MODEL, "1 of 100", "321 of 500,000"):
        assert text in shown
    assert KEY not in shown


class TestOff:
    @pytest.fixture
    def config(self, environ: dict[str, str]) -> Config:
        return load(environ)

    async def test_pages_have_no_suggestions_without_a_key(self, browse: Browse, member: AsyncClient) -> None:
        item = await new_item(member)
        browser = await browse("admin")
        assert "suggestion" not in (await browser.show(f"/items/{item['id']}")).text.lower()
        assert "suggestion" not in (await browser.show("/review")).text.lower()
        assert "STOCKY_AI_API_KEY" in (await browser.show("/settings")).text
