"""Sign-in by form and JSON: one message for every failure, and throttled."""

from __future__ import annotations

import asyncio

import pytest
from httpx import AsyncClient, Response

from stocky.auth import credentials
from stocky.auth.throttle import Throttle
from stocky.errors import Throttled, Unauthorized, Unavailable
from tests.auth.conftest import SignIn, bearer
from tests.people import PASSWORD

REFUSED = "Incorrect username or password"


async def test_form_signs_in_with_the_expected_response(client: AsyncClient) -> None:
    answer = await client.post("/auth/login", data={"username": "member", "password": PASSWORD})
    assert answer.status_code == 200
    tokens = answer.json()
    assert set(tokens) == {"access_token", "token_type", "expires_in", "user_id", "role", "refresh_token"}
    assert (tokens["token_type"], tokens["role"]) == ("bearer", "member")
    assert 1790 <= tokens["expires_in"] <= 1800
    me = await client.get("/auth/me", headers=bearer(tokens["access_token"]))
    assert me.json()["id"] == tokens["user_id"]
    assert set(me.json()) == {"id", "username", "email", "role", "is_active", "created_at", "updated_at"}


async def test_a_multipart_form_signs_in_too(client: AsyncClient) -> None:
    fields = {"username": (None, "member"), "password": (None, PASSWORD), "remember_me": (None, "on")}
    answer = await client.post("/auth/login", files=fields)
    assert answer.status_code == 200
    assert "stocky_refresh" in answer.cookies


async def test_usernames_ignore_case(sign_in: SignIn) -> None:
    assert (await sign_in("MemBer"))["role"] == "member"


async def test_spaces_around_the_username_are_ignored(client: AsyncClient, sign_in: SignIn) -> None:
    # A phone adds one after a word that it completes.
    assert (await sign_in("member "))["role"] == "member"
    assert (await client.post("/auth/login", data={"username": " member", "password": PASSWORD})).status_code == 200


async def test_unknown_user_wrong_password_and_inactive_user_get_the_same_message(
    client: AsyncClient, admin: AsyncClient
) -> None:
    reader = next(user for user in (await admin.get("/users/")).json() if user["username"] == "reader")
    assert (await admin.put(f"/users/{reader['id']}", json={"is_active": False})).status_code == 200
    for username, password in (("nobody", PASSWORD), ("member", "wrong password"), ("reader", PASSWORD), ("", "")):
        answer = await client.post("/auth/login-json", json={"username": username, "password": password})
        assert answer.status_code == 401
        assert answer.json()["detail"] == REFUSED
        assert "WWW-Authenticate" in answer.headers


async def test_a_missing_field_is_named(client: AsyncClient) -> None:
    for field, fields in (("password", {"username": "member"}), ("username", {"password": PASSWORD})):
        answers = [
            await client.post("/auth/login", data=fields),
            await client.post("/auth/login-json", json=fields),
            await client.post("/auth/login", files={name: (None, value) for name, value in fields.items()}),
        ]
        for answer in answers:
            assert answer.status_code == 422
            assert field in answer.text


async def test_invalid_form_is_rejected(client: AsyncClient) -> None:
    forms = {
        "application/x-www-form-urlencoded": [
            b"",
            b"\xff",
            b"username=%FF%FE&password=x",
            b"username=a&username=b&password=c",
            b"username=%00&password=x",
        ],
        "multipart/form-data; boundary=x": [b"", b"--x\r\n", b"nonsense"],
        "multipart/form-data": [b"--x--"],
        "application/json": [b'{"username": "member", "password": "x"}'],
    }
    for kind, bodies in forms.items():
        for body in bodies:
            answer = await client.post("/auth/login", content=body, headers={"Content-Type": kind})
            assert answer.status_code in (400, 401, 422), body


async def test_guessing_one_users_password_is_throttled_without_affecting_others(
    client: AsyncClient, sign_in: SignIn
) -> None:
    async def guess(password: str) -> Response:
        return await client.post("/auth/login-json", json={"username": "member", "password": password})

    assert [(await guess(f"guess {n}")).status_code for n in range(10)] == [401] * 10
    answer = await guess(PASSWORD)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 300
    await sign_in("admin")


async def test_a_success_clears_the_failures_before_it(client: AsyncClient, sign_in: SignIn) -> None:
    for _ in range(2):
        for _ in range(9):
            await client.post("/auth/login-json", json={"username": "member", "password": "wrong"})
        await sign_in("member")


async def test_guessing_many_users_from_one_address_is_throttled(client: AsyncClient) -> None:
    async def guess(n: int) -> int:
        answer = await client.post("/auth/login-json", json={"username": f"user {n}", "password": "guess"})
        return answer.status_code

    assert {await guess(n) for n in range(50)} == {401}
    assert await guess(50) == 429


async def test_concurrent_guesses_are_counted_before_they_are_checked(client: AsyncClient) -> None:
    async def guess(n: int) -> int:
        answer = await client.post("/auth/login-json", json={"username": "member", "password": f"guess {n}"})
        return answer.status_code

    statuses = await asyncio.gather(*(guess(n) for n in range(30)))
    assert sorted(statuses) == [401] * 10 + [429] * 20


async def test_success_keeps_failures_of_other_users_and_addresses() -> None:
    throttle = Throttle()
    for address in ("10.0.0.1", "10.0.0.2"):
        for _ in range(4):
            with pytest.raises(Unauthorized):
                async with throttle.attempt("Member", address):
                    raise Unauthorized
    async with throttle.attempt("member", "10.0.0.1") as attempt:
        attempt.succeeded()
    # Four failures of the other address remain; attempts that end otherwise do not count.
    for _ in range(6):
        with pytest.raises(Unavailable):
            async with throttle.attempt("member", "10.0.0.1"):
                raise Unavailable("Too many people sign in")
    for _ in range(6):
        with pytest.raises(Unauthorized):
            async with throttle.attempt("MEMBER", "10.0.0.1"):
                raise Unauthorized
    with pytest.raises(Throttled):
        async with throttle.attempt("member", "10.0.0.1"):
            pass
    async with throttle.attempt("another", "10.0.0.1"):
        pass


async def test_every_name_has_a_count_of_its_own() -> None:
    """None that an attacker chooses shares the count of another, as names do that share a short hash."""
    throttle, names = Throttle(), 3000
    for number in range(names):
        with pytest.raises(Unauthorized):
            async with throttle.attempt(f"user-{number}", f"address-{number}"):
                raise Unauthorized
    assert [len(counts) for counts in (throttle._users, throttle._addresses)] == [names, names]


async def test_too_many_concurrent_sign_ins_get_retry_after(
    admin: AsyncClient, client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "MAX_WAITING_PASSWORDS", 4)
    # Stocky takes its time to check her password; those of the other users of the tests cost nothing.
    body = {"username": "ada", "password": PASSWORD}
    assert (await admin.post("/users/", json=body | {"email": "ada@example.org"})).status_code == 201
    answers = await asyncio.gather(*(client.post("/auth/login-json", json=body) for _ in range(9)))
    refused = [answer for answer in answers if answer.status_code == 503]
    assert refused
    assert all("Retry-After" in answer.headers for answer in refused)
    assert sum(answer.status_code == 200 for answer in answers) + len(refused) == 9
