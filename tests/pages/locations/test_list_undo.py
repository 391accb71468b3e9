"""Undo of what a form changed on a shopping list: filling it, taking an entry off, and deleting the list."""

from __future__ import annotations

import html
import re
from collections.abc import Awaitable, Callable

import pytest
from httpx import AsyncClient, Response

from tests.inventory import Json, get, made, new_item, new_location, total
from tests.merging.merges import merge
from tests.pages.conftest import Browser
from tests.shopping.lists import log_of, new_list, on, put_on

pytestmark = pytest.mark.one_server
Browse = Callable[[str], Awaitable[Browser]]
UNDO = re.compile(r'action="(/lists/1/(?:delete/)?undo)".*?(?:name="batch_id" value="(\w+)"|<button)', re.DOTALL)


@pytest.fixture
async def weekly(member: AsyncClient) -> Json:
    return await new_list(member)


async def undo(browser: Browser, answer: Response) -> Response:
    """Presses Undo in the message of the page to which a form has led."""
    page = (await browser.show(html.unescape(answer.headers["location"]))).text
    found = UNDO.search(page)
    assert found is not None, page
    return await browser.submit(found[1], {"batch_id": found[2]} if found[2] else {})


async def test_filling_is_undone(browse: Browse, member: AsyncClient, weekly: Json) -> None:
    await new_item(member, "Milk", min_quantity=5)
    await new_item(member, "Tea", min_quantity=3)
    await put_on(member, weekly, await new_item(member, "Rice", min_quantity=4), 1)
    await put_on(member, weekly, await new_item(member, "Salt", min_quantity=1), 2)
    browser = await browse("member")
    await browser.show("/lists/1")
    answer = await browser.submit("/lists/1/fill", {"target": ""})
    assert await on(member, weekly) == {"Rice": 4, "Salt": 2, "Milk": 5, "Tea": 3}
    undone = await undo(browser, answer)
    assert await on(member, weekly) == {"Rice": 1, "Salt": 2}
    page = (await browser.show(undone.headers["location"])).text
    assert "Undone" in page
    # Only what can be undone has a button.
    assert not UNDO.search(page)
    again = await undo(browser, answer)
    assert again.status_code == 409
    assert "undone already" in again.text
    assert await on(member, weekly) == {"Rice": 1, "Salt": 2}
    changes = [(each["action_type"], each["details"]["name"]) for each in (await log_of(member, weekly))[:3]]
    assert sorted(changes) == [("item_removed", "Milk"), ("item_removed", "Tea"), ("item_updated", "Rice")]
    log = (await browser.show("/lists/1/log")).text
    assert "undone" in log
    assert not UNDO.search(log)


async def test_filling_is_undone_from_the_log(browse: Browse, member: AsyncClient, weekly: Json) -> None:
    await new_item(member, "Milk", min_quantity=5)
    await new_item(member, "Tea", min_quantity=3)
    browser = await browse("member")
    await browser.show("/lists/1")
    await browser.submit("/lists/1/fill", {"target": ""})
    (entry,) = [each["id"] for each in (await get(member, "/shopping-lists/1"))["items"] if each["quantity"] == 5]
    await browser.submit(f"/lists/1/entries/{entry}/remove")
    log = (await browser.show("/lists/1/log")).text
    assert "Undo this change" in log
    assert "Undo these 2 changes together" in log
    removal, filling = re.findall(r'name="batch_id" value="(\w+)"', log)
    await browser.submit("/lists/1/undo", {"batch_id": filling})
    assert await on(member, weekly) == {}
    await browser.submit("/lists/1/undo", {"batch_id": removal})
    assert await on(member, weekly) == {"Milk": 5}


async def test_undo_of_filling_leaves_what_was_changed_since(browse: Browse, member: AsyncClient, weekly: Json) -> None:
    for name in ("Milk", "Tea", "Rice"):
        await new_item(member, name, min_quantity=5)
    browser = await browse("member")
    await browser.show("/lists/1")
    answer = await browser.submit("/lists/1/fill", {"target": ""})
    entries = {each["item"]["name"]: each["id"] for each in (await get(member, "/shopping-lists/1"))["items"]}
    await browser.submit(f"/lists/1/entries/{entries['Milk']}", {"quantity": "9"})
    await browser.submit(f"/lists/1/entries/{entries['Tea']}/remove")
    undone = await undo(browser, answer)
    assert await on(member, weekly) == {"Milk": 9}
    assert "except for entries that were changed since" in (await browser.show(undone.headers["location"])).text


async def test_entry_taken_off_is_put_back(browse: Browse, member: AsyncClient, weekly: Json) -> None:
    await put_on(member, weekly, await new_item(member, "Milk"), 2.5)
    await put_on(member, weekly, "Birthday candles", 12)
    browser = await browse("member")
    await browser.show("/lists/1")
    first, second = [each["id"] for each in (await get(member, "/shopping-lists/1"))["items"]]
    answers = [await browser.submit(f"/lists/1/entries/{entry}/remove") for entry in (first, second)]
    assert await on(member, weekly) == {}
    for answer in answers:
        await undo(browser, answer)
    assert await on(member, weekly) == {"Milk": 2.5, "Birthday candles": 12}


async def test_entry_that_was_added_again_is_not_put_back(browse: Browse, member: AsyncClient, weekly: Json) -> None:
    milk = await new_item(member, "Milk")
    entry = await put_on(member, weekly, milk, 2)
    browser = await browse("member")
    await browser.show("/lists/1")
    answer = await browser.submit(f"/lists/1/entries/{entry['id']}/remove")
    await put_on(member, weekly, milk, 7)
    await undo(browser, answer)
    assert await on(member, weekly) == {"Milk": 7}


async def test_filling_is_undone_after_a_merge(browse: Browse, member: AsyncClient, weekly: Json) -> None:
    milk, drink = await new_item(member, "Milk", min_quantity=5), await new_item(member, "Drink")
    browser = await browse("member")
    await browser.show("/lists/1")
    answer = await browser.submit("/lists/1/fill", {"target": ""})
    await merge(member, milk, drink)
    assert await on(member, weekly) == {"Drink": 5}
    await undo(browser, answer)
    assert await on(member, weekly) == {}


@pytest.mark.parametrize("is_listed", [False, True])
async def test_entry_taken_off_is_put_back_after_a_merge(
    is_listed: bool, browse: Browse, member: AsyncClient, weekly: Json
) -> None:
    milk, drink = await new_item(member, "Milk"), await new_item(member, "Drink")
    entry = await put_on(member, weekly, milk, 2)
    browser = await browse("member")
    await browser.show("/lists/1")
    answer = await browser.submit(f"/lists/1/entries/{entry['id']}/remove")
    await merge(member, milk, drink)
    if is_listed:
        await put_on(member, weekly, drink, 7)
    await undo(browser, answer)
    assert await on(member, weekly) == {"Drink": 7 if is_listed else 2}


@pytest.mark.parametrize("is_listed", [False, True])
async def test_purchase_is_undone_after_a_merge(
    is_listed: bool, browse: Browse, member: AsyncClient, weekly: Json
) -> None:
    milk, drink = await new_item(member, "Milk"), await new_item(member, "Drink")
    shelf = await new_location(member)
    await put_on(member, weekly, milk, 2)
    bought = {"location": {"id": shelf["id"]}}
    made(await member.post(f"/shopping-lists/1/items/{milk['id']}/bought", json=bought))
    await merge(member, milk, drink)
    browser = await browse("member")
    (path,) = re.findall(r'action="(/lists/1/purchases/\d+/undo)"', (await browser.show("/lists/1")).text)
    if is_listed:
        # There is nothing to put back.
        await put_on(member, weekly, drink, 7)
        assert path not in (await browser.show("/lists/1")).text
    assert (await browser.submit(path)).status_code == (404 if is_listed else 303)
    assert await on(member, weekly) == {"Drink": 7 if is_listed else 2}
    assert await total(member, drink) == (2 if is_listed else 0)


async def test_deleted_list_comes_back(browse: Browse, member: AsyncClient, admin: AsyncClient, weekly: Json) -> None:
    await put_on(member, weekly, "Birthday candles", 12)
    browser = await browse("member")
    assert "Its 1 entry is deleted too." in (await browser.show("/lists/1/edit")).text
    answer = await browser.submit("/lists/1/delete")
    assert (await member.get("/shopping-lists/1")).status_code == 404
    undone = await undo(browser, answer)
    assert "The list is back" in (await browser.show(undone.headers["location"])).text
    assert await on(member, weekly) == {"Birthday candles": 12}
    assert "Deletion undone" in (await browser.show("/lists/1/log")).text
    # It is there: nothing to undo.
    assert (await browser.submit("/lists/1/delete/undo")).status_code == 404


async def test_nobody_undoes_on_a_private_list_of_another(browse: Browse, admin: AsyncClient) -> None:
    secret = await new_list(admin, "Secret")
    await new_item(admin, "Milk", min_quantity=5)
    theirs = await browse("admin")
    await theirs.show("/lists/1")
    filled = await theirs.submit("/lists/1/fill", {"target": ""})
    found = UNDO.search((await theirs.show(html.unescape(filled.headers["location"]))).text)
    assert found is not None
    browser = await browse("member")
    await browser.show("/lists")
    assert (await browser.submit("/lists/1/undo", {"batch_id": found[2]})).status_code == 404
    await theirs.submit("/lists/1/delete")
    assert (await browser.submit("/lists/1/delete/undo")).status_code == 404
    assert (await admin.get("/shopping-lists/1")).status_code == 404
    await theirs.submit("/lists/1/delete/undo")
    assert await on(admin, secret) == {"Milk": 5}
    for batch_id in ("", "0" * 32, "x" * 65):
        assert (await theirs.submit("/lists/1/undo", {"batch_id": batch_id})).status_code in (404, 422)
