"""Forms that were opened before somebody else changed the same thing: only what was changed in them is saved."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from httpx import AsyncClient

from tests.inventory import get, made
from tests.pages.conftest import Browser
from tests.pages.markup import typed_fields

pytestmark = pytest.mark.one_server
Browse = Callable[[str], Awaitable[Browser]]


# The page of a form; the path in the API; what another user changes there; what is changed in the old form.
OLD_FORMS = {
    "project": ("/projects/1/edit", "/projects/1", {"notes": "for Sunday"}, {"name": "Pie"}),
    "settings": ("/settings", "/settings/", {"backup_schedule_enabled": True, "backup_keep": 30}, {"currency": "CHF"}),
    "loan": ("/lent/1", "/loans/1", {"due_on": "2126-01-31"}, {"note": "with its lid"}),
    "list": ("/lists/1/edit", "/shopping-lists/1", {"is_public": False}, {"name": "Monthly"}),
    "hook": (
        "/hooks/1",
        "/webhooks/1",
        {"event_types": ["alert.raised", "backup.failed"], "is_active": False},
        {"description": "Hall"},
    ),
    "channel": (
        "/notices/1",
        "/notices/channels/1",
        {"at_once": ["expired"], "recipients": ["anna@example.org", "ben@example.org"], "is_active": False},
        {"name": "Anna"},
    ),
    "type": ("/vocabulary/types/1", "/types/1", {"description": "to eat"}, {"name": "Groceries"}),
    "price": ("/items/1/prices/1", "/prices/1", {"seller": "Market"}, {"unit_price": 3.5}),
}


# A field in which a long text is an error, if it is not the name.
INVALID = {"settings": "currency", "loan": "note", "hook": "description", "price": "unit"}
# These are changed by PUT in the API.
PUT = ("project", "list")


@pytest.mark.usefixtures("samples")
@pytest.mark.parametrize("name", OLD_FORMS)
async def test_old_form_saves_only_what_was_changed_in_it(browse: Browse, admin: AsyncClient, name: str) -> None:
    page, path, theirs, ours = OLD_FORMS[name]
    browser = await browse("admin")
    old = typed_fields((await browser.show(page)).text, page)
    before = await get(admin, path)
    assert {each: before[each] for each in theirs} != theirs
    made(await admin.request("PUT" if name in PUT else "PATCH", path, json=theirs))
    # An error leaves the form as old as it was.
    wrong = INVALID.get(name, "name")
    refused = await browser.submit(page, old | ours | {wrong: "x" * 20_000})
    assert refused.status_code == 422
    again = typed_fields(refused.text, page) | {wrong: old[wrong]} | ours
    assert (await browser.submit(page, again)).status_code == 303
    after = await get(admin, path)
    assert {each: after[each] for each in theirs | ours} == theirs | ours
    # What was not changed at all changes nothing.
    assert (await browser.submit(page, typed_fields((await browser.show(page)).text, page))).status_code == 303
    assert (await get(admin, path) | {"updated_at": ""}) == (after | {"updated_at": ""})


@pytest.mark.usefixtures("samples")
@pytest.mark.parametrize("kind", ["shopping-lists", "projects"])
async def test_old_form_of_an_entry(browse: Browse, admin: AsyncClient, kind: str) -> None:
    browser = await browse("admin")
    made(await admin.post(f"/{kind}/1/items", json={"text": "Candles"}))
    entry = next(each for each in (await get(admin, f"/{kind}/1"))["items"] if each["text"] == "Candles")
    page = f"/{'lists' if kind == 'shopping-lists' else kind}/1/entries/{entry['id']}"
    german = {"Accept-Language": "de"}
    old = typed_fields((await browser.show(page, headers=german)).text, page)
    made(await admin.put(f"/{kind}/1/placeholders/{entry['id']}", json={"quantity": 2.5}))
    assert (await browser.submit(page, old | {"text": "Big candles"}, headers=german)).status_code == 303
    old = typed_fields((await browser.show(page, headers=german)).text, page)
    made(await admin.put(f"/{kind}/1/placeholders/{entry['id']}", json={"quantity": 3}))
    assert (await browser.submit(page, old | {"text": "Candles"}, headers=german)).status_code == 303
    [entry] = [each for each in (await get(admin, f"/{kind}/1"))["items"] if each["id"] == entry["id"]]
    assert (entry["text"], entry["quantity"]) == ("Candles", 3)
