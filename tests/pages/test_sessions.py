"""The session of a browser: it begins by the form without script, and ends with the sign-in that its cookie names."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http.cookies import SimpleCookie
from typing import Any

import jwt
import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.app import attach, make_routes
from stocky.auth.sessions import COOKIE
from stocky.config import Config, load
from stocky.pages.problems import own_path
from stocky.services import Services
from tests.architecture import schema
from tests.auth.conftest import bearer
from tests.conftest import SECRET_KEY, started
from tests.inventory import made
from tests.pages.conftest import Browser
from tests.pages.markup import Page
from tests.people import PASSWORD

Browse = Callable[[str], Awaitable[Browser]]


def token_of(browser: Browser) -> str:
    """The session token in a browser's cookie."""
    token = browser.cookies[COOKIE]
    assert isinstance(token, str)
    return token


async def test_signing_in_leads_to_the_page_that_was_asked_for(browser: Browser) -> None:
    answer = await browser.get("/me?done=key")
    assert answer.headers["location"] == "/sign-in?next=%2Fme%3Fdone%3Dkey"
    form = await browser.show(answer.headers["location"])
    assert 'value="/me?done=key"' in form.text
    assert [each.names for each in Page(form.text).forms] == [["next", "username", "password", "remember_me"]]
    answer = await browser.submit("/sign-in", {"username": "member", "password": PASSWORD, "next": "/me?done=key"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/me?done=key")
    assert "member@example.org" in (await browser.show("/me?done=key")).text
    again = await browser.get("/sign-in?next=/me")
    assert (again.status_code, again.headers["location"]) == (303, "/me"), "signed in already"


@pytest.mark.parametrize(("fields", "days"), [({}, 7), ({"remember_me": "true"}, 30)])
async def test_cookie(browser: Browser, config: Config, fields: dict[str, str], days: int) -> None:
    answer = await browser.submit("/sign-in", {"username": "member", "password": PASSWORD, **fields})
    assert answer.headers["cache-control"] == "no-store"
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    assert cookie.key == COOKIE
    assert (cookie["path"], cookie["samesite"].lower(), bool(cookie["secure"])) == ("/", "lax", False)
    assert cookie["httponly"] is True
    assert abs(int(cookie["max-age"]) - days * 86_400) <= 2
    claims = jwt.decode(cookie.value, SECRET_KEY, ["HS256"])
    assert claims["typ"] == "session"
    assert abs(claims["exp"] - time.time() - days * 86_400) < 60


@pytest.mark.one_database
async def test_cookie_over_tls_and_below_a_base_path(environ: dict[str, str]) -> None:
    config = load(environ | {"STOCKY_BASE_PATH": "/at/stocky"})
    async with started(attach(make_routes(), Services(config))) as app, Browser(app, "/at/stocky") as browser:
        browser.base_url = "https://stocky.test/at/stocky"
        page = await browser.show("/sign-in")
        assert all(link.startswith("/at/stocky/") for link in Page(page.text).links if link != "#main")
        fields = {"username": "member", "password": PASSWORD, "next": "/me"}
        answer = await browser.post("/sign-in", data=fields, headers={"Origin": "https://stocky.test"})
        assert answer.headers["location"] == "/at/stocky/me"
        assert "Path=/at/stocky" in answer.headers["set-cookie"]
        assert "Secure" in answer.headers["set-cookie"]
        page = await browser.show("/me")
        links = [link for link in Page(page.text).links if not link.startswith("#")]
        assert len(links) > 5
        assert all(link.startswith("/at/stocky/") for link in links), links
        for path in ("/sw.js", "/manifest.webmanifest"):
            assert (await browser.get(path)).status_code in (200, 404), path
        answer = await browser.get("/nothing")
        assert answer.status_code == 404
        assert all(link.startswith("/at/stocky/") for link in Page(answer.text).links if not link.startswith("#"))


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("/items?q=a&b=ä", "/items?q=a&b=ä"),
        ("/", "/"),
        ("", "/"),
        ("items", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("/\n/evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("\\/evil.example", "/"),
    ],
)
def test_the_way_after_signing_in_leads_nowhere_else(given: str, path: str) -> None:
    assert own_path(given) == path


async def test_wrong_passwords(browser: Browser) -> None:
    fields = {"username": "member", "password": "wrong", "next": "/me"}
    answer = await browser.submit("/sign-in", fields)
    assert answer.status_code == 401
    assert "www-authenticate" not in answer.headers
    page = Page(answer.text)
    assert page.faults == []
    assert "Incorrect username or password" in answer.text
    assert 'value="member"' in answer.text, "what was typed is kept"
    assert 'value="/me"' in answer.text
    assert "wrong" not in answer.text, "except the password"
    for _ in range(9):
        await browser.submit("/sign-in", fields)
    answer = await browser.submit("/sign-in", {**fields, "password": PASSWORD})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert COOKIE not in browser.cookies
    missing = await browser.submit("/sign-in", {"username": "member"})
    assert missing.status_code == 422
    assert "is required" in missing.text


async def test_sign_in_by_another_site_is_refused(browser: Browser) -> None:
    fields = {"username": "member", "password": PASSWORD}
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = await browser.post("/sign-in", data=fields, headers=headers)
        assert answer.status_code == 403
        assert "Not allowed" in answer.text


async def test_signing_out(browser: Browser) -> None:
    await browser.sign_in("member")
    token = token_of(browser)
    answer = await browser.submit("/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?reason=signed-out")
    assert COOKIE not in browser.cookies
    assert "You are signed out" in (await browser.show(answer.headers["location"])).text
    stolen = await browser.get("/me", headers={"Cookie": f"{COOKIE}={token}"})
    assert stolen.headers["location"] == "/sign-in?next=%2Fme&reason=expired"
    again = await browser.submit("/sign-out", headers={"Cookie": f"{COOKIE}={token}"})
    assert again.status_code == 303, "without a session there is nothing to end"


async def test_two_tabs_and_two_browsers(browse: Browse) -> None:
    one, other = await browse("member"), await browse("member")
    first, second = await one.show("/me"), await one.show("/me")
    for tab in (first, second, first):
        one.take_token(tab)
        assert (await one.submit("/me/language", {"language": ""})).status_code == 303
    await one.submit("/sign-out")
    assert (await one.get("/me")).status_code == 303
    assert (await other.get("/me")).status_code == 200


async def test_new_password_ends_the_other_sessions(browse: Browse, client: AsyncClient) -> None:
    one, other = await browse("member"), await browse("member")
    login = {"username": "member", "password": PASSWORD}
    tokens = made(await client.post("/auth/login-json", json=login))
    wrong = await one.submit("/me/password", {"current_password": "no", "new_password": "short"})
    assert wrong.status_code == 422
    assert "must have at least 8 characters" in wrong.text
    wrong = await one.submit("/me/password", {"current_password": "not this", "new_password": "a new password"})
    assert wrong.status_code == 400
    assert "The current password is wrong" in wrong.text
    done = await one.submit("/me/password", {"current_password": PASSWORD, "new_password": "a new password"})
    assert (done.status_code, done.headers["location"]) == (303, "/me?done=password")
    assert "The password is changed" in (await one.show(done.headers["location"])).text
    assert (await other.get("/me")).headers["location"] == "/sign-in?next=%2Fme&reason=expired"
    assert (await client.get("/auth/me", headers=bearer(tokens["access_token"]))).status_code == 401
    assert "Your session has ended" in (await other.show("/sign-in?reason=expired")).text


async def test_ending_another_session(browse: Browse) -> None:
    one, other, stranger = await browse("member"), await browse("member"), await browse("reader")
    page = Page((await one.show("/me")).text)
    (action,) = [form.action for form in page.forms if form.action.startswith("/me/sign-ins/")]
    assert (await stranger.submit(action)).status_code == 404
    assert (await other.get("/me")).status_code == 200
    assert (await one.submit(action)).status_code == 303
    assert (await other.get("/me")).status_code == 303
    assert (await one.submit(action)).status_code == 404


async def test_deactivated_user_is_signed_out(browse: Browse, admin: AsyncClient) -> None:
    browser = await browse("member")
    me = (await browser.get("/api/v1/auth/me")).json()
    made(await admin.put(f"/users/{me['id']}", json={"is_active": False}))
    assert (await browser.get("/me")).status_code == 303


async def test_expired_session(browse: Browse, app: Litestar, config: Config) -> None:
    browser = await browse("member")
    claims = jwt.decode(token_of(browser), SECRET_KEY, ["HS256"])
    past = jwt.encode({**claims, "exp": int(time.time()) - 1, "iat": int(time.time()) - 9}, SECRET_KEY, "HS256")
    answer = await browser.get("/me", headers={"Cookie": f"{COOKIE}={past}"})
    assert answer.headers["location"] == "/sign-in?next=%2Fme&reason=expired"
    moment = f"{datetime.fromtimestamp(time.time() - 1, UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    await schema.run_beside(config, f"UPDATE sign_in SET expires_at = '{moment}'")
    async with app.state.identities.changing():
        pass
    assert (await browser.get("/me")).status_code == 303


async def test_only_session_tokens_are_cookies_and_only_access_tokens_are_bearers(
    browse: Browse, client: AsyncClient
) -> None:
    browser = await browse("member")
    tokens = made(await client.post("/auth/login-json", json={"username": "member", "password": PASSWORD}))
    session = token_of(browser)
    claims = jwt.decode(session, SECRET_KEY, ["HS256"])
    assert (await client.get("/auth/me", headers=bearer(session))).status_code == 401
    assert (await client.post("/auth/refresh", headers=bearer(session))).status_code == 401
    wrong: dict[str, Any] = {
        "an access token": tokens["access_token"],
        "a refresh token": tokens["refresh_token"],
        "another key": jwt.encode(claims, SECRET_KEY[::-1], "HS256"),
        "no signature": jwt.encode(claims, None, "none"),
        "of no sign-in": jwt.encode({**claims, "sid": "none"}, SECRET_KEY, "HS256"),
        "nothing": "",
        "garbage": "x.y.z",
    }
    for name, token in wrong.items():
        answer = await client.get("/auth/me", headers={"Cookie": f"{COOKIE}={token}"})
        assert answer.status_code == 401, name
    good = {"Cookie": f"theme=dark; {COOKIE}={session}; {COOKIE}=other"}
    assert (await client.get("/auth/me", headers=good)).status_code == 200
    assert (await client.get("/auth/me", headers={"Cookie": f"x{COOKIE}={session}"})).status_code == 401


@pytest.mark.one_database
async def test_restore_ends_every_session_and_says_why(browse: Browse, admin: AsyncClient) -> None:
    browser = await browse("member")
    await browser.submit("/me/language", {"language": "de"})
    backup = await admin.post("/backup/create/full/download")
    files = {"file": ("backup.sql.gz", backup.content, "application/gzip")}
    restored = await admin.post("/backup/upload/import/full?force=true", files=files, timeout=60)
    assert restored.status_code == 200, restored.text
    answer = await browser.get("/me")
    assert answer.headers["location"] == "/sign-in?next=%2Fme&reason=restored"
    assert "restored from a backup" in (await browser.show(answer.headers["location"])).text
    await browser.sign_in("member")
    assert Page((await browser.show("/me")).text).language == "de", "the backup has the language too"


async def test_scripts_ask_for_the_session(browse: Browse, browser: Browser) -> None:
    member = await browse("member")
    headers = {"Accept": "*/*"}
    session = (await member.get("/session", headers=headers)).json()
    assert session["user"]["username"] == "member"
    assert session["user"]["role"] == "member"
    assert session["language"] == "en"
    token = {"X-CSRF-Token": session["csrf"]}
    assert (await member.post("/api/v1/tags/", json={"name": "x"}, headers=token)).status_code in (200, 201)
    answer = await browser.get("/session")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


async def test_language_of_the_account(browse: Browse, browser: Browser) -> None:
    german = {"Accept-Language": "de-DE,de;q=0.9"}
    page = await browser.show("/sign-in", headers=german)
    assert Page(page.text).language == "de"
    assert "Anmelden" in page.text
    member = await browse("member")
    assert Page((await member.show("/me", headers=german)).text).language == "de"
    assert (await member.submit("/me/language", {"language": "en"})).status_code == 303
    assert Page((await member.show("/me", headers=german)).text).language == "en"
    assert (await member.submit("/me/language", {"language": "de"})).status_code == 303
    page = await member.show("/me")
    assert Page(page.text).language == "de"
    assert "Mein Konto" in page.text
    assert (await member.get("/session")).json()["language"] == "de"
    wrong = await member.submit("/me/password", {"current_password": "x", "new_password": "y"})
    assert "muss mindestens 8 Zeichen haben" in wrong.text
    assert (await member.submit("/me/language", {"language": "xx"})).status_code == 422
    assert (await member.submit("/me/language", {"language": ""})).status_code == 303
    assert Page((await member.show("/me")).text).language == "en"


async def test_own_keys(browse: Browse, client: AsyncClient) -> None:
    member = await browse("member")
    answer = await member.submit("/me/keys", {"name": "scanner at the door"})
    assert answer.status_code == 200
    key = answer.text.partition('id="new-key">')[2].partition("<")[0]
    assert (await client.get("/auth/me", headers={"X-API-Key": key})).status_code == 200
    page = await member.show("/me")
    assert "scanner at the door" in page.text
    assert key not in page.text
    actions = [form.action for form in Page(page.text).forms if form.action.endswith("/revoke")]
    for action in actions:
        assert (await member.submit(action)).status_code == 303
    assert (await client.get("/auth/me", headers={"X-API-Key": key})).status_code == 401
    empty = await member.submit("/me/keys", {"name": " "})
    assert empty.status_code == 422
    assert "is required" in empty.text
