"""Sessions: tokens rotate and expire; stolen or forged tokens are rejected."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from httpx import AsyncClient

from stocky.config import Config
from tests.auth.conftest import SignIn, bearer
from tests.conftest import ORIGIN
from tests.people import PASSWORD

INVALID = "The token is invalid or has expired"


async def refresh(client: AsyncClient, token: str) -> Any:
    return await client.post("/auth/refresh", json={"refresh_token": token})


async def test_a_refresh_token_works_once_and_gives_the_next(client: AsyncClient, sign_in: SignIn) -> None:
    first = await sign_in()
    second = (await refresh(client, first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert (await client.get("/auth/me", headers=bearer(second["access_token"]))).status_code == 200
    assert (await refresh(client, second["refresh_token"])).status_code == 200


async def test_a_refresh_token_used_again_ends_the_whole_session(client: AsyncClient, sign_in: SignIn) -> None:
    first, other = await sign_in(), await sign_in()
    second = (await refresh(client, first["refresh_token"])).json()
    again = await refresh(client, first["refresh_token"])
    assert (again.status_code, again.json()["detail"]) == (401, INVALID)
    assert (await client.get("/auth/me", headers=bearer(second["access_token"]))).status_code == 401
    assert (await refresh(client, second["refresh_token"])).status_code == 401
    assert (await client.get("/auth/me", headers=bearer(other["access_token"]))).status_code == 200


async def test_concurrent_use_of_a_refresh_token_ends_the_session(client: AsyncClient, sign_in: SignIn) -> None:
    token = (await sign_in())["refresh_token"]
    answers = await asyncio.gather(*(refresh(client, token) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 401]
    winner = next(answer for answer in answers if answer.status_code == 200).json()
    assert (await refresh(client, winner["refresh_token"])).status_code == 401


async def test_the_bearer_header_takes_a_refresh_token_or_an_access_token(client: AsyncClient, sign_in: SignIn) -> None:
    tokens = await sign_in()
    for token in (tokens["refresh_token"], tokens["access_token"]):
        answer = await client.post("/auth/refresh", headers=bearer(token))
        assert answer.status_code == 200
        assert (await client.get("/auth/me", headers=bearer(answer.json()["access_token"]))).status_code == 200


async def test_no_token_outlives_its_session(
    client: AsyncClient, sign_in: SignIn, statement: Any, config: Config
) -> None:
    tokens = await sign_in()
    soon = time.time() + 600
    await statement("UPDATE sign_in SET expires_at = :soon", soon=_moment(soon))
    for token in (tokens["refresh_token"], tokens["access_token"]):
        renewed = (await client.post("/auth/refresh", headers=bearer(token))).json()
        assert renewed["expires_in"] <= 600
        claims = jwt.decode(renewed["access_token"], config.secret_key, ["HS256"])
        assert claims["exp"] <= soon
    await statement("UPDATE sign_in SET expires_at = :past", past=_moment(time.time() - 1))
    assert (await client.post("/auth/refresh", headers=bearer(renewed["refresh_token"]))).status_code == 401


async def test_remembered_session_lasts_thirty_days_in_an_http_only_cookie(client: AsyncClient) -> None:
    login = {"username": "member", "password": PASSWORD, "remember_me": "true"}
    cookie = (await client.post("/auth/login", data=login)).headers["Set-Cookie"]
    for part in ("HttpOnly", "SameSite=strict", "Path=/api/v1/auth", f"Max-Age={30 * 86400 - 1}"):
        assert part in cookie
    assert "Secure" not in cookie
    answer = await client.post("/auth/refresh")
    assert answer.status_code == 200
    assert "stocky_refresh" in answer.cookies
    assert (await client.post("/auth/refresh")).status_code == 200


async def test_over_https_the_cookie_is_secure(client: AsyncClient) -> None:
    login = {"username": "member", "password": PASSWORD, "remember_me": True}
    answer = await client.post("https://stocky.test/api/v1/auth/login-json", json=login)
    assert "Secure" in answer.headers["Set-Cookie"]


async def test_a_session_that_is_not_remembered_lasts_seven_days_and_clears_the_cookie(
    client: AsyncClient, sign_in: SignIn
) -> None:
    await sign_in("admin", remember_me=True)
    await sign_in("member")
    assert (await client.post("/auth/refresh")).status_code == 401


async def test_foreign_site_cannot_use_the_cookie(client: AsyncClient, sign_in: SignIn) -> None:
    await sign_in(remember_me=True)
    for path in ("/auth/refresh", "/auth/logout"):
        answer = await client.post(path, headers={"Origin": "https://elsewhere.example"})
        assert answer.status_code == 403
        assert answer.json()["detail"].startswith("Access denied")
    assert (await client.post("/auth/refresh", headers={"Origin": ORIGIN})).status_code == 200


async def test_signing_out_ends_the_session_and_clears_the_cookie(client: AsyncClient, sign_in: SignIn) -> None:
    tokens = await sign_in(remember_me=True)
    assert (await client.get("/auth/me", headers=bearer(tokens["access_token"]))).status_code == 200
    assert (await client.post("/auth/logout", headers=bearer(tokens["access_token"]))).status_code == 200
    assert "stocky_refresh" not in client.cookies
    assert (await client.get("/auth/me", headers=bearer(tokens["access_token"]))).status_code == 401
    assert (await refresh(client, tokens["refresh_token"])).status_code == 401
    assert (await client.post("/auth/logout")).status_code == 401


async def test_a_new_password_ends_every_other_session(client: AsyncClient, sign_in: SignIn) -> None:
    mine, other = await sign_in(), await sign_in()
    body = {"current_password": PASSWORD, "new_password": "an even better one"}
    headers = bearer(mine["access_token"])
    assert (await client.get("/auth/me", headers=bearer(other["access_token"]))).status_code == 200
    assert (await client.post("/auth/change-password", json=body, headers=headers)).status_code == 200
    assert (await client.get("/auth/me", headers=headers)).status_code == 200
    assert (await refresh(client, mine["refresh_token"])).status_code == 200
    assert (await client.get("/auth/me", headers=bearer(other["access_token"]))).status_code == 401
    assert (await refresh(client, other["refresh_token"])).status_code == 401
    await sign_in("member", "an even better one")
    login = {"username": "member", "password": PASSWORD}
    assert (await client.post("/auth/login-json", json=login)).status_code == 401


async def test_new_password_requires_the_current_one(client: AsyncClient, sign_in: SignIn) -> None:
    headers = bearer((await sign_in())["access_token"])
    wrong = {"current_password": "a guess", "new_password": "an even better one"}
    answer = await client.post("/auth/change-password", json=wrong, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "current_password")
    short = {"current_password": PASSWORD, "new_password": "seven77"}
    assert (await client.post("/auth/change-password", json=short, headers=headers)).status_code == 422


async def test_token_without_a_claim_or_expired_is_rejected(
    client: AsyncClient, sign_in: SignIn, config: Config
) -> None:
    good = _claims((await sign_in())["access_token"])
    assert (await client.get("/auth/me", headers=bearer(_signed(good, config.secret_key)))).status_code == 200
    for name in good:
        await _is_refused(client, _signed({each: good[each] for each in good if each != name}, config.secret_key))
    for changed in ({"exp": 1}, {"typ": "refresh"}, {"sid": "somebody else's"}):
        await _is_refused(client, _signed(good | changed, config.secret_key))


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_token_with_another_signature_is_rejected(client: AsyncClient, sign_in: SignIn, config: Config) -> None:
    claims = _claims((await sign_in())["access_token"])
    await _is_refused(client, _signed(claims, "", "none"))
    await _is_refused(client, _signed(claims, "a" * 64))
    await _is_refused(client, _signed(claims, config.secret_key, "HS512"))


async def test_a_refresh_token_is_no_access_token(client: AsyncClient, sign_in: SignIn) -> None:
    await _is_refused(client, (await sign_in())["refresh_token"])


async def test_other_credentials_are_rejected(client: AsyncClient) -> None:
    for header in ("", "Bearer", "Basic bWVtYmVyOng=", "Bearer  ", "Bearer a.b.c", "Bearer \xff"):
        answer = await client.get("/auth/me", headers={"Authorization": header.encode("latin-1")})
        assert answer.status_code == 401, header
        assert "WWW-Authenticate" in answer.headers


async def _is_refused(client: AsyncClient, token: str) -> None:
    answer = await client.get("/auth/me", headers=bearer(token))
    assert (answer.status_code, answer.json()["detail"]) == (401, INVALID)


def _signed(claims: dict[str, Any], key: str, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, key, algorithm)


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
