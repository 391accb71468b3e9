"""Projects and the reorganisation on pages, without script."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import pytest
from httpx import AsyncClient, Response

from tests.inventory import get, made, new_item, new_location, new_stock, total
from tests.pages.conftest import Browser

pytestmark = pytest.mark.one_server
Browse = Callable[[str], Awaitable[Browser]]


async def filled(member: AsyncClient) -> set[int]:
    """The locations that hold something."""
    return {each["location_id"] for each in await get(member, "/skus/") if each["quantity"]}


async def proposal(browser: Browser, path: str) -> Response:
    """The page of a proposal when it is made; until then the browser loads it again and again."""
    async with asyncio.timeout(30):
        page = await browser.show(path)
        while "refresh" in page.headers:
            assert "The proposal is being made" in page.text
            await asyncio.sleep(0.05)
            page = await browser.show(path)
    return page


async def test_project_from_its_needs_to_the_withdrawal_and_back(browse: Browse, member: AsyncClient) -> None:
    flour, shelf = await new_item(member, "Flour"), await new_location(member)
    await new_stock(member, flour, shelf, 1)
    browser = await browse("member")
    assert (await browser.submit("/projects/new", {"name": "", "notes": "kept"})).status_code == 422
    answer = await browser.submit("/projects/new", {"name": "Cake", "notes": "for Sunday"})
    assert answer.headers["location"] == "/projects/1"
    await browser.submit("/projects/1/entries", {"item_id": "", "item_id_text": "flour", "quantity": "3"})
    await browser.submit("/projects/1/entries", {"item_id": "", "item_id_text": "Borrowed form", "quantity": "1"})
    assert (await browser.submit("/projects/1/entries", {"item_id": flour["id"], "quantity": "1"})).status_code == 409
    page = (await browser.show("/projects/1")).text
    assert "2 things are missing" in page
    answer = await browser.submit("/projects/1/withdraw")
    assert answer.status_code == 409
    assert "2 of Flour missing" in answer.text
    answer = await browser.submit("/projects/1/list", {"list_id": "", "name": "For the cake"})
    assert "2 entries are on the list" in (await browser.show(answer.headers["location"])).text
    answer = await browser.submit("/projects/1/list", {"list_id": "1", "name": ""})
    assert "done=same" in answer.headers["location"]
    # The dialog begins with a list that is there; a name makes another one.
    answer = await browser.submit("/projects/1/list", {"list_id": "1", "name": "Another cake"})
    assert "number=2&list=2" in answer.headers["location"]
    assert (await get(member, "/shopping-lists/2"))["name"] == "Another cake"
    flour_id, words_id = [each["id"] for each in (await get(member, "/projects/1"))["items"]]
    assert (await browser.submit(f"/projects/1/entries/{flour_id}", {"quantity": "none"})).status_code == 422
    await browser.submit(f"/projects/1/entries/{flour_id}", {"quantity": "1"})
    await browser.submit(f"/projects/1/entries/{words_id}/remove")
    assert "All of it is there" in (await browser.show("/projects/1")).text
    for _ in range(2):
        answer = await browser.submit("/projects/1/withdraw", {"event_id": "w1", "note": ""})
        assert answer.headers["location"] == "/projects/1?done=withdrawn"
    assert await total(member, flour) == 0
    assert "Taken from stock" in (await browser.show("/projects/1")).text
    await browser.submit("/projects/1/undo")
    assert await total(member, flour) == 1
    await browser.submit("/projects/1/edit", {"name": "Big cake", "notes": ""})
    assert "Big cake" in (await browser.show("/projects?q=big")).text
    assert (await browser.submit("/projects/1/edit", {"name": ""})).status_code == 422
    await browser.submit("/projects/1/delete")
    assert "Big cake" not in (await browser.show("/projects")).text


async def test_scripts_get_the_reason_of_a_refused_project(browse: Browse, member: AsyncClient) -> None:
    flour = await new_item(member, "Flour")
    made(await member.post("/projects/", json={"name": "Cake", "items": [{"item_id": flour["id"], "quantity": 3}]}))
    browser = await browse("member")
    script = {"X-Requested-With": "fetch"}
    answer = await browser.submit("/projects/1/withdraw", headers=script)
    assert answer.status_code == 409
    assert "3 of Flour missing" in answer.json()["detail"]
    answer = await browser.submit("/projects/1/list", {"name": "x" * 1000}, headers=script)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["name"]


async def test_proposal_is_made_applied_once_and_undone(browse: Browse, member: AsyncClient) -> None:
    item = await new_item(member, "Nuts", default_storage_type="other")
    first, second = await new_location(member, "First"), await new_location(member, "Second")
    await new_stock(member, item, first, 5)
    await new_stock(member, item, second, 2)
    browser = await browse("member")
    assert (await browser.submit("/plan", {"max_moves": "0", "valid_days": "7"})).status_code == 422
    answer = await browser.submit("/plan", {"max_moves": "10", "valid_days": "7"})
    assert re.fullmatch(r"/plan/1\?job=\d+", answer.headers["location"])
    page = await proposal(browser, answer.headers["location"])
    assert "1 move" in page.text
    assert "Second" in page.text
    german = (await browser.show("/plan/1", headers={"Accept-Language": "de"})).text
    assert "5 davon sind schon in First" in german
    for _ in range(2):
        assert (await browser.submit("/plan/1/apply")).status_code == 303
    assert "now carry the things" in (await browser.show("/plan/1")).text
    assert await filled(member) == {first["id"]}
    assert (await browser.submit("/plan/1/discard")).status_code == 409
    assert (await browser.submit("/plan/1/undo")).status_code == 303
    assert "undone" in (await browser.show("/plan")).text
    assert {each["location_id"] for each in await get(member, "/skus/") if each["quantity"]} == {
        first["id"],
        second["id"],
    }


async def test_proposal_that_the_stock_forbids_says_why(browse: Browse, member: AsyncClient) -> None:
    item = await new_item(member, "Nuts", default_storage_type="other")
    first, second = await new_location(member, "First"), await new_location(member, "Second")
    await new_stock(member, item, first, 5)
    await new_stock(member, item, second, 2)
    assert (await member.post("/reorg/plans", json={})).status_code == 202
    browser = await browse("member")
    await proposal(browser, "/plan/1")
    await new_stock(member, item, second, 1, expiry_date="2027-01-31")
    answer = await browser.submit("/plan/1/apply")
    assert answer.status_code == 409
    assert "Nothing was moved" in answer.text
    assert (await browser.submit("/plan/1/discard")).headers["location"] == "/plan?done=discarded"
    assert "discarded" in (await browser.show("/plan/1")).text
    made(await member.post("/locations/", json={"name": "Third"}))
    assert (await browser.submit("/plan/1/undo")).status_code == 409
