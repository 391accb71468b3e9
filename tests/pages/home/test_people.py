"""Accounts and scanners on pages: what the API allows an admin, with what was typed kept when it is refused."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest
from httpx import AsyncClient

from tests.inventory import get, made, new_location
from tests.pages.conftest import Browser
from tests.pages.markup import typed_fields

pytestmark = pytest.mark.one_server
Browse = Callable[[str], Awaitable[Browser]]


async def id_of(admin: AsyncClient, username: str) -> int:
    """The id of an account."""
    return next(each["id"] for each in (await admin.get("/users/")).json() if each["username"] == username)


async def test_an_account(browse: Browse, browser: Browser, admin: AsyncClient) -> None:
    boss = await browse("admin")
    await boss.show("/people/new")
    new = {"username": "ada", "email": "ada@example.org", "password": "correct horse", "role": "member"}
    refused = await boss.submit("/people/new", {**new, "password": "short", "role": "read_only"})
    assert refused.status_code == 422
    assert "must have at least 8 characters" in refused.text
    assert 'value="read_only" checked' in refused.text
    taken = await boss.submit("/people/new", {**new, "username": "MEMBER"})
    assert taken.status_code == 400
    assert "A user with this username exists already" in taken.text
    added = await boss.submit("/people/new", new)
    path = added.headers["location"].partition("?")[0]
    assert "The account is added" in (await boss.show(added.headers["location"])).text
    await browser.sign_in("ada", "correct horse")

    assert (await boss.submit(path, {**new, "username": "ada.l", "role": "read_only"})).status_code == 303
    assert "ada.l" in (await boss.show(path)).text
    assert (await boss.submit(f"{path}/password", {"new_password": ""})).status_code == 422
    assert (await boss.submit(f"{path}/password", {"new_password": "another horse"})).status_code == 303
    assert (await browser.get("/me")).status_code == 303, "a new password ends the sessions"

    wrong = await boss.submit(f"{path}/keys", {"name": "door", "expires_at": "2000-01-01"})
    assert wrong.status_code == 422
    assert "must be in the future" in wrong.text
    assert 'value="2000-01-01"' in wrong.text
    created = await boss.submit(f"{path}/keys", {"name": "door", "expires_at": "2099-12-31"})
    assert 'id="new-key">stk_' in created.text
    assert 'id="new-key"' not in (await boss.show(path)).text, "shown once"

    assert (await boss.submit(f"{path}/deactivate")).status_code == 303
    page = (await boss.show(path)).text
    assert "Deactivated" in page
    assert "door" not in page, "its keys are revoked"
    assert (await boss.submit(f"{path}/activate")).status_code == 303


async def test_old_form_of_an_account_does_not_give_a_role_back(browse: Browse, admin: AsyncClient) -> None:
    boss, other = await browse("admin"), await browse("admin")
    path = f"/people/{await id_of(admin, 'member')}"
    old = typed_fields((await boss.show(path)).text, path)
    shown = typed_fields((await other.show(path)).text, path)
    assert (await other.submit(path, shown | {"role": ["read_only"]})).status_code == 303
    refused = await boss.submit(path, old | {"email": "nobody"})
    assert refused.status_code == 422
    fields = typed_fields(refused.text, path) | {"email": "new@example.org"}
    assert (await boss.submit(path, fields)).status_code == 303
    [person] = [each for each in await get(admin, "/users/") if each["username"] == "member"]
    assert (person["role"], person["email"]) == ("read_only", "new@example.org")


async def test_oneself(browse: Browse, admin: AsyncClient) -> None:
    boss = await browse("admin")
    own = f"/people/{await id_of(admin, 'admin')}"
    page = (await boss.show(own)).text
    assert 'action="/people' in page
    assert f'action="{own}/password"' not in page
    assert (await boss.submit(f"{own}/deactivate")).status_code == 400
    last = {"username": "admin", "email": "admin@example.org", "role": "member"}
    refused = await boss.submit(own, last)
    assert refused.status_code == 409, "the last admin"
    assert 'value="member" checked' in refused.text
    for empty in ({"username": " "}, {"email": ""}):
        assert (await boss.submit(own, last | empty)).status_code == 422, empty


async def test_a_scanner(browse: Browse, admin: AsyncClient) -> None:
    await new_location(admin, "Top shelf")
    boss = await browse("admin")
    await boss.show("/scanners")
    path = "/scanners/door%2F1"
    given = {"mode": "remove", "location_id_text": "Top shelf", "location_id": "", "user_id": ""}
    refused = await boss.submit(path, {**given, "location_id_text": "Cellar"})
    assert refused.status_code == 422
    assert "There is no location" in refused.text
    assert 'value="Cellar"' in refused.text
    person = await id_of(admin, "member")
    answer = await boss.submit(path, {**given, "user_id": person})
    assert answer.headers["location"] == f"{path}?done=changed"
    state = made(await admin.get("/scanner/status/door%2F1"))
    assert (state["mode"], state["location_name"], state["associated_user"]) == ("remove", "Top shelf", "member")
    assert 'href="/scanners/door%2F1"' in (await boss.show("/scanners")).text
    assert (await boss.submit(f"{path}/reset")).status_code == 303
    assert made(await admin.get("/scanner/status/door%2F1"))["mode"] == "add"
    assert (await boss.submit(path, {**given, "user_id": ""})).status_code == 303
    assert made(await admin.get("/scanner/status/door%2F1"))["associated_user"] is None


async def test_old_form_of_a_scanner_changes_only_what_was_chosen(browse: Browse, admin: AsyncClient) -> None:
    kitchen, cellar = await new_location(admin, "Kitchen"), await new_location(admin, "Cellar")
    state, path = "/scanner/s1/state", "/scanners/s1"
    made(await admin.put(state, json={"mode": "add", "location_id": kitchen["id"]}))
    boss = await browse("admin")
    page = (await boss.show(path)).text
    was = dict(re.findall(r'name="(was-[^"]+)" value="([^"]*)"', page))
    assert was == {
        "was-mode": "add", "was-location_id": str(kitchen["id"]), "was-location_id_text": "Kitchen", "was-user_id": ""
    }  # fmt: skip
    form = was | {name.removeprefix("was-"): value for name, value in was.items()}
    # The device goes on meanwhile.
    made(await admin.put(state, json={"mode": "remove", "location_id": cellar["id"]}))
    person = await id_of(admin, "member")
    assert (await boss.submit(path, form | {"user_id": str(person)})).status_code == 303
    now = made(await admin.get("/scanner/status/s1"))
    assert (now["mode"], now["location_name"], now["associated_user"]) == ("remove", "Cellar", "member")
    assert (await boss.submit(path, form | {"mode": "count"})).status_code == 303
    now = made(await admin.get("/scanner/status/s1"))
    assert (now["mode"], now["location_name"], now["associated_user"]) == ("count", "Cellar", "member")
    # As a script sends it: another location, then none.
    for chosen, text, name in ((kitchen["id"], "Kitchen", "Kitchen"), ("", "", None)):
        shown = form | {"was-location_id": str(cellar["id"]), "was-location_id_text": "Cellar"}
        answer = await boss.submit(path, shown | {"location_id": str(chosen), "location_id_text": text})
        assert answer.status_code == 303
        now = made(await admin.get("/scanner/status/s1"))
        assert (now["mode"], now["location_name"]) == ("count", name)


async def test_commands_to_print(browse: Browse, admin: AsyncClient) -> None:
    page = (await (await browse("admin")).show("/scanners/codes")).text
    # Five modes, eight numbers, undo and the own user.
    assert page.count("data:image/svg+xml;base64,") == 15
    await new_location(admin, "Top shelf")
    assert "Top shelf" in (await (await browse("admin")).show("/scanners/codes")).text
