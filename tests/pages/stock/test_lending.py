"""The pages of what is lent: lending an item, the list, the return, another due date, and the page of the person."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from httpx import AsyncClient

from stocky import clock
from tests.inventory import get, made, new_item, new_location, new_stock
from tests.pages.conftest import Browser
from tests.pages.markup import Page


async def test_lending_and_returning(admin: AsyncClient, browse: Callable[[str], Awaitable[Browser]]) -> None:
    drill, shelf = await new_item(admin, "Drill"), await new_location(admin)
    sku = await new_stock(admin, drill, shelf, 3)
    browser = await browse("member")
    added = await browser.submit("/locations/new", {"name": "Anna", "kind": "person", "storage_type": "other"})
    anna = int(added.headers["location"].split("?")[0].rpartition("/")[2])
    path = f"/items/{drill['id']}/lend"
    assert "Shelf · 3" in (await browser.show(path)).text
    form = {"person_id_text": "Anna", "sku_id": sku["id"], "quantity": "2", "due_on": "", "note": "For a day"}
    refused = await browser.submit(path, form | {"person_id_text": "Shelf"})
    assert refused.status_code == 422
    assert "is a place; lend to a location of the kind person" in refused.text
    # A place that begins as the name of the person is not meant.
    await new_location(admin, "Bench")
    refused = await browser.submit(path, form | {"person_id_text": "Ben"})
    assert refused.status_code == 422
    assert "There is no person &#39;Ben&#39; yet; to add it, choose that in the list of suggestions" in refused.text
    for quantity, words in (("0", "must be more than 0"), ("0,0001", "three decimals")):
        refused = await browser.submit(path, form | {"quantity": quantity})
        assert (refused.status_code, words in refused.text) == (422, True), quantity
    other = await new_stock(admin, await new_item(admin, "Saw"), await new_location(admin, "Wall"), 1)
    refused = await browser.submit(path, form | {"sku_id": other["id"]})
    assert (refused.status_code, "choose one of the list" in refused.text) == (422, True)
    today, past = clock.local_today().isoformat(), "2026-01-31"
    assert f'min="{today}"' in (await browser.show(path)).text
    refused = await browser.submit(path, form | {"due_on": past})
    assert (refused.status_code, 'id="f-due_on-error"' in refused.text) == (422, True)
    assert "must not be in the past" in refused.text
    assert (await browser.submit(path, form | {"due_on": today})).status_code == 303
    [loan] = await get(admin, "/loans/")
    refused = await browser.submit("/lent/1", {"due_on": past, "note": ""})
    assert (refused.status_code, "must not be in the past" in refused.text) == (422, True)
    # What the API made overdue can have another note.
    made(await admin.patch("/loans/1", json={"due_on": past}))
    assert f'min="{past}"' in (await browser.show("/lent/1")).text
    assert (await browser.submit("/lent/1", {"due_on": past, "note": "For a week"})).status_code == 303
    refused = await browser.submit(path, form | {"sku_id": loan["sku_id"]})
    assert (refused.status_code, "choose one of the list" in refused.text) == (422, True)
    # What is selected moves without what is lent.
    selected = {"id": [drill["id"]], "to_location_text": "Wall"}
    assert (await browser.submit("/items/selected/move", selected)).status_code == 303
    assert [each["outstanding"] for each in await get(admin, "/loans/")] == [2]
    refused = await browser.submit("/items/selected/move", selected)
    assert (refused.status_code, "the rest is lent" in refused.text) == (422, True)
    assert "None of it is at hand" not in (await browser.show(path)).text
    for shown in ("/lent", "/lent?overdue=true", f"/locations/{anna}", f"/items/{drill['id']}"):
        assert "was due on" in (await browser.show(shown)).text, shown
    assert "/lent?overdue=true" in (await browser.show("/")).text
    assert (await browser.submit("/lent/1", {"due_on": "2999-01-31", "note": "For a year"})).status_code == 303
    page = await browser.show("/lent")
    assert "was due on" not in page.text
    assert "For a year" in page.text
    # The second page, of which all was returned.
    assert "For a year" in (await browser.show("/lent?page=2")).text
    part = {"quantity": "1,5", "location_id_text": "Shelf", "back": "/lent"}
    assert (await browser.submit("/lent/1/return", part)).headers["location"] == "/lent?done=returned"
    assert [each["outstanding"] for each in await get(admin, "/loans/")] == [0.5]
    refused = await browser.submit("/lent/1/return", {"quantity": "1"})
    assert refused.status_code == 409
    assert "Only 0.5 of this loan" in refused.text
    await browser.submit("/lent/1/return", {"back": f"/items/{drill['id']}"})
    assert "Nothing is lent" in (await browser.show("/lent")).text
    assert "Drill" in (await browser.show("/lent?returned=true")).text
    # Persons are proposed only by their names.
    assert "Anna" not in (await browser.show("/pick/locations", headers={"X-Fragment": "options"})).text
    assert "Anna" in (await browser.show("/pick/locations?q=an", headers={"X-Fragment": "options"})).text
    assert "Anna" in (await browser.show("/locations?person=true")).text


async def test_person_is_added_with_the_loan(admin: AsyncClient, browse: Callable[[str], Awaitable[Browser]]) -> None:
    drill, shelf = await new_item(admin, "Drill"), await new_location(admin)
    sku = await new_stock(admin, drill, shelf, 3)
    browser = await browse("member")
    answers = {"X-Fragment": "options"}
    assert "data-value=" not in (await browser.show("/pick/persons?q=Ben", headers=answers)).text
    offered = (await browser.show("/pick/persons?q=Ben++%3Cb%3E&may_add=true", headers=answers)).text
    assert 'data-value="new" data-text="Ben &lt;b&gt;"' in offered
    path = f"/items/{drill['id']}/lend"
    form = {"person_id": "new", "person_id_text": "Ben", "sku_id": sku["id"], "quantity": "1", "due_on": "2999-01-31"}
    # A refused amount still adds the person; sending the form again adds no second one.
    refused = await browser.submit(path, form | {"quantity": "9"})
    assert (refused.status_code, "Only 3 of Drill in stock" in refused.text) == (409, True)
    for _ in range(2):
        assert (await browser.submit(path, form)).status_code == 303
    assert [(each["person_path"], each["due_on"]) for each in await get(admin, "/loans/")] == [
        ("Ben", "2999-01-31")
    ] * 2
    assert [each["name"] for each in await get(admin, "/locations/", kind="person")] == ["Ben"]
    assert 'data-value="new"' not in (await browser.show("/pick/persons?q=ben&may_add=true", headers=answers)).text
    for name in ("", "x" * 201):
        refused = await browser.submit(path, form | {"person_id_text": name})
        assert (refused.status_code, 'id="f-person_id-error"' in refused.text) == (422, True), name
    # A place of the same name is not the person.
    house = await new_location(admin, "House")
    await new_location(admin, "Mia", parent_id=house["id"])
    assert (await browser.submit(path, form | {"person_id_text": "Mia"})).status_code == 303
    assert [each["person_path"] for each in await get(admin, "/loans/")].count("Mia") == 1
    # What came back is not shown as stock of the person.
    assert "Ben" in (await browser.show(f"/items/{drill['id']}")).text
    for loan in await get(admin, "/loans/"):
        await browser.submit(f"/lent/{loan['id']}/return", {"back": "/lent"})
    stock = (await browser.show(f"/items/{drill['id']}")).text.partition('data-fragment="stock"')[2]
    assert "Ben" not in stock.partition('id="history"')[0]
    assert "long been empty" not in stock


async def test_new_person_for_a_loan(admin: AsyncClient, browse: Callable[[str], Awaitable[Browser]]) -> None:
    drill, shelf = await new_item(admin, "Drill"), await new_location(admin)
    await new_stock(admin, drill, shelf, 1)
    browser = await browse("member")
    path = f"/items/{drill['id']}/lend"
    link = f"/locations/new?person=true&lend={drill['id']}"
    assert link.replace("&", "&amp;") in (await browser.show(path)).text
    page = await browser.show(link)
    assert Page(page.text).faults == []
    assert "New person</h1>" in page.text
    form = {"kind": "person", "storage_type": "other", "lend": drill["id"]}
    refused = await browser.submit("/locations/new", form | {"name": " "})
    assert (refused.status_code, "New person</h1>" in refused.text) == (422, True)
    assert f'name="lend" value="{drill["id"]}"' in refused.text
    added = await browser.submit("/locations/new", form | {"name": "Anna"})
    assert added.headers["location"].startswith(f"{path}?person_id=")
    assert 'value="Anna"' in (await browser.show(added.headers["location"])).text
    assert (await browser.submit("/locations/new", form | {"name": "Ben", "lend": "x"})).status_code == 303
