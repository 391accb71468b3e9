"""Users: permissions, unique names, and the last admin."""

from __future__ import annotations

import asyncio

import pytest
from httpx import AsyncClient

from tests.auth.conftest import SignIn, bearer
from tests.people import PASSWORD

ADA = {"username": "ada", "email": "ada@example.org", "password": "difference engine", "role": "ADMIN"}


async def test_an_admin_adds_a_user_who_can_then_sign_in(signed_in_admin: AsyncClient, sign_in: SignIn) -> None:
    created = await signed_in_admin.post("/users/", json=ADA)
    assert created.status_code == 201
    user = created.json()
    assert set(user) == {"id", "username", "email", "role", "is_active", "created_at", "updated_at"}
    assert (user["role"], user["is_active"]) == ("admin", True)
    assert user["created_at"].endswith("Z")
    assert (await signed_in_admin.get(f"/users/{user['id']}")).json() == user
    assert user in (await signed_in_admin.get("/users")).json()
    assert (await sign_in("ada", "difference engine"))["user_id"] == user["id"]


async def test_a_duplicate_names_its_field(signed_in_admin: AsyncClient, client: AsyncClient, sign_in: SignIn) -> None:
    member = client
    member.headers.update(bearer((await sign_in())["access_token"]))
    own = (await member.get("/auth/me")).json()
    for field, taken in (("username", "ADMIN"), ("email", "Admin@Example.org")):
        change = {field: taken}
        answers = [
            await signed_in_admin.post("/users/", json=ADA | change),
            await member.put(f"/users/{own['id']}", json=change),
        ]
        for answer in answers:
            assert answer.status_code == 400
            assert answer.json()["errors"][0]["field"] == field
            assert field in answer.json()["detail"]
    assert (await member.get("/auth/me")).json() == own


async def test_a_wrong_field_is_named(admin: AsyncClient) -> None:
    wrong = {
        "username": ["ab", "a" * 51, " ada", "a\nda"],
        "email": ["nowhere", "a@b\n", "a@" + "b" * 253],
        "password": ["seven77"],
        "role": ["king"],
    }
    for field, values in wrong.items():
        for value in values:
            answer = await admin.post("/users/", json=ADA | {field: value})
            assert answer.status_code == 422, value
            assert answer.json()["errors"][0]["field"] == field


@pytest.mark.parametrize("name", ["\u3164" * 3, "\u2800\u2800\u2800", "\u115f\u200b\u00ad", "   "])
async def test_invisible_username_is_refused(admin: AsyncClient, name: str) -> None:
    for answer in (
        await admin.post("/users", json={**ADA, "username": name}),
        await admin.put("/users/1", json={"username": name}),
    ):
        assert answer.status_code == 422
        assert [(each["field"], each["message"]) for each in answer.json()["errors"]] == [
            ("username", "must not be blank")
        ]


async def test_lists_take_skip_and_limit_and_page_and_size(admin: AsyncClient) -> None:
    everyone = (await admin.get("/users/")).json()
    assert [user["username"] for user in everyone] == ["admin", "member", "scanner", "reader"]
    assert (await admin.get("/users/?skip=1&limit=2")).json() == everyone[1:3]
    assert (await admin.get("/users/?page=2&size=3")).json() == everyone[3:]
    assert (await admin.get("/users/?limit=1001")).status_code == 422


async def test_a_user_sees_and_changes_itself_but_not_its_role_or_active_flag(
    client: AsyncClient, sign_in: SignIn
) -> None:
    member = client
    member.headers.update(bearer((await sign_in())["access_token"]))
    own = (await member.get("/auth/me")).json()
    path = f"/users/{own['id']}"
    assert (await member.get(path)).json() == own
    changed = await member.put(path, json={"email": "new@example.org", "role": "member", "is_active": None})
    assert (changed.status_code, changed.json()["email"]) == (200, "new@example.org")
    for change in ({"role": "admin"}, {"is_active": False}):
        answer = await member.put(path, json=change)
        assert answer.status_code == 403
        assert answer.json()["detail"].startswith("Access denied")
    now = (await member.get("/auth/me")).json()
    assert (now["role"], now["is_active"], now["email"]) == ("member", True, "new@example.org")


async def test_only_admins_see_and_change_other_users(member: AsyncClient, admin: AsyncClient) -> None:
    other = (await admin.get("/auth/me")).json()["id"]
    answers = [
        await member.get("/users/"),
        await member.post("/users/", json=ADA),
        await member.get(f"/users/{other}"),
        await member.put(f"/users/{other}", json={"email": "taken@example.org"}),
        await member.delete(f"/users/{other}"),
    ]
    assert [answer.status_code for answer in answers] == [403] * 5
    assert (await admin.get("/auth/me")).json()["email"] == "admin@example.org"
    assert (await admin.get("/users/4711")).status_code == 404
    assert (await admin.put("/users/4711", json={})).status_code == 404
    assert (await admin.delete("/users/4711")).status_code == 404


@pytest.mark.parametrize("how", ["put", "delete"])
async def test_deactivated_user_is_rejected_at_the_next_request(
    client: AsyncClient, admin: AsyncClient, sign_in: SignIn, keys: dict[str, str], how: str
) -> None:
    tokens = await sign_in()
    credentials = [{"X-API-Key": keys["member"]}, bearer(tokens["access_token"])]
    for headers in credentials:
        assert (await client.get("/auth/me", headers=headers)).status_code == 200
    path = f"/users/{tokens['user_id']}"
    gone = await (admin.delete(path) if how == "delete" else admin.put(path, json={"is_active": False}))
    assert gone.status_code == 200
    assert how == "put" or gone.json() == {"message": f"User {tokens['user_id']} deactivated"}
    for headers in credentials:
        assert (await client.get("/auth/me", headers=headers)).status_code == 401
    assert (await client.post("/auth/refresh", headers=bearer(tokens["refresh_token"]))).status_code == 401
    assert not (await admin.get(path)).json()["is_active"]


async def test_reactivated_user_has_no_earlier_session_or_key(
    client: AsyncClient, admin: AsyncClient, sign_in: SignIn, keys: dict[str, str]
) -> None:
    tokens = await sign_in()
    path = f"/users/{tokens['user_id']}"
    assert (await admin.delete(path)).status_code == 200
    assert (await admin.put(path, json={"is_active": True})).status_code == 200
    for headers in ({"X-API-Key": keys["member"]}, bearer(tokens["access_token"])):
        assert (await client.get("/auth/me", headers=headers)).status_code == 401
    await sign_in()


async def test_password_set_by_an_admin_ends_the_users_sessions(
    client: AsyncClient, signed_in_admin: AsyncClient, sign_in: SignIn
) -> None:
    tokens = await sign_in()
    headers = bearer(tokens["access_token"])
    assert (await client.get("/auth/me", headers=headers)).status_code == 200
    changed = await signed_in_admin.put(f"/users/{tokens['user_id']}", json={"password": "given by an admin"})
    assert changed.status_code == 200
    assert (await client.get("/auth/me", headers=headers)).status_code == 401
    await sign_in("member", "given by an admin")


async def test_new_role_applies_at_the_next_request(member: AsyncClient, signed_in_admin: AsyncClient) -> None:
    own = (await member.get("/auth/me")).json()["id"]
    assert (await member.get("/users/")).status_code == 403
    assert (await signed_in_admin.put(f"/users/{own}", json={"role": "admin"})).status_code == 200
    assert (await member.get("/users/")).status_code == 200


async def test_users_cannot_remove_themselves_nor_the_last_admin(signed_in_admin: AsyncClient) -> None:
    own = (await signed_in_admin.get("/auth/me")).json()["id"]
    assert (await signed_in_admin.delete(f"/users/{own}")).status_code == 400
    for change in ({"role": "member"}, {"is_active": False}):
        assert (await signed_in_admin.put(f"/users/{own}", json=change)).status_code == 409
    second = (await signed_in_admin.post("/users/", json=ADA)).json()["id"]
    assert (await signed_in_admin.put(f"/users/{own}", json={"role": "member"})).status_code == 200
    assert (await signed_in_admin.delete(f"/users/{second}")).status_code == 403


async def test_two_admins_demoting_each_other_leave_one(
    client: AsyncClient, signed_in_admin: AsyncClient, sign_in: SignIn, elsewhere: AsyncClient
) -> None:
    first = (await signed_in_admin.get("/auth/me")).json()["id"]
    second = (await signed_in_admin.post("/users/", json=ADA)).json()["id"]
    headers = bearer((await sign_in("ada", ADA["password"]))["access_token"])
    for known in (client, elsewhere):
        assert (await known.get("/auth/me", headers=headers)).status_code == 200
    answers = await asyncio.gather(
        signed_in_admin.put(f"/users/{second}", json={"role": "member"}),
        elsewhere.put(f"/users/{first}", json={"role": "member"}, headers=headers),
    )
    assert sorted(answer.status_code for answer in answers) in ([200, 403], [200, 409])
    roles = [
        (await client.get("/auth/me", headers=each)).json()["role"] for each in (headers, dict(signed_in_admin.headers))
    ]
    assert sorted(roles) == ["admin", "member"]


async def test_api_key_cannot_change_its_own_account(member: AsyncClient, admin: AsyncClient) -> None:
    for client in (member, admin):
        own = (await client.get("/auth/me")).json()
        path = f"/users/{own['id']}"
        for change in (
            {"password": "taken over", "current_password": PASSWORD},
            {"new_password": "taken over", "current_password": PASSWORD},
            {"email": "thief@example.org"},
            {"username": "thief"},
        ):
            answer = await client.put(path, json=change)
            assert answer.status_code == 403, change
            assert answer.json()["detail"].startswith("Access denied. An API key cannot change the account")
        by_form = {"current_password": PASSWORD, "new_password": "taken over"}
        assert (await client.post("/auth/change-password", json=by_form)).status_code == 403
        # Sending unchanged values changes nothing.
        same = await client.put(path, json={"email": own["email"], "username": own["username"], "role": own["role"]})
        assert same.status_code == 200
        assert {**same.json(), "updated_at": ""} == {**own, "updated_at": ""}


async def test_leaked_admin_key_cannot_create_an_admin(
    admin: AsyncClient, signed_in_admin: AsyncClient, sign_in: SignIn
) -> None:
    own = (await admin.get("/auth/me")).json()
    everyone = {user["username"]: user for user in (await admin.get("/users/")).json()}
    other = f"/users/{everyone['member']['id']}"
    answers = [
        await admin.post("/users/", json=ADA),
        await admin.put(other, json={"password": "taken over"}),
        await admin.put(other, json={"new_password": "taken over"}),
        await admin.put(other, json={"role": "admin"}),
        await admin.put(other, json={"role": "read_only"}),
        await admin.put(f"/users/{own['id']}", json={"role": "member"}),
    ]
    for answer in answers:
        assert answer.status_code == 403, answer.text
        assert answer.json()["detail"].startswith("Access denied. An API key cannot"), answer.text
        assert "sign in" in answer.json()["detail"]
    assert {user["username"]: user for user in (await admin.get("/users/")).json()} == everyone
    await sign_in("member")
    # Changes that create no admin are allowed by key.
    assert (await admin.post("/users/", json=ADA | {"role": "scanner"})).status_code == 201
    assert (await admin.put(other, json={"email": "new@example.org", "role": "member"})).status_code == 200
    assert (await admin.put(other, json={"is_active": False})).status_code == 200
    assert (await signed_in_admin.put(other, json={"is_active": True, "role": "admin"})).status_code == 200


@pytest.mark.parametrize("field", ["password", "new_password"])
async def test_own_password_requires_the_current_one(client: AsyncClient, sign_in: SignIn, field: str) -> None:
    tokens = await sign_in()
    path, headers = f"/users/{tokens['user_id']}", bearer(tokens["access_token"])
    for given in ({}, {"current_password": "wrong"}, {"current_password": None}):
        answer = await client.put(path, json={field: "another one", **given}, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "current_password")
    await sign_in()
    both = {"password": "another one", "new_password": "yet another", "current_password": PASSWORD}
    assert (await client.put(path, json=both, headers=headers)).status_code == 422
    changed = await client.put(path, json={field: "another one", "current_password": PASSWORD}, headers=headers)
    assert changed.status_code == 200
    await sign_in("member", "another one")


async def test_guesses_of_the_current_password_are_throttled(client: AsyncClient, sign_in: SignIn) -> None:
    tokens = await sign_in()
    path, headers = f"/users/{tokens['user_id']}", bearer(tokens["access_token"])
    guesses = [
        await client.put(path, json={"password": "another one", "current_password": f"guess {n}"}, headers=headers)
        for n in range(11)
    ]
    assert [answer.status_code for answer in guesses] == [400] * 10 + [429]


async def test_names_ignore_case_in_every_script(admin: AsyncClient, sign_in: SignIn) -> None:
    person = {"username": "ärger", "email": "ärger@example.org", "password": PASSWORD}
    assert (await admin.post("/users/", json=person)).status_code == 201
    for other, field in (
        ({"username": "ÄRGER", "email": "other@example.org"}, "username"),
        ({"username": "other", "email": "ÄRGER@EXAMPLE.ORG"}, "email"),
    ):
        answer = await admin.post("/users/", json={**other, "password": PASSWORD})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
    await sign_in("Ärger")
    own = (await admin.get("/users/?limit=1000")).json()[-1]
    renamed = await admin.put(f"/users/{own['id']}", json={"username": "Ärger"})
    assert (renamed.status_code, renamed.json()["username"]) == (200, "Ärger")
