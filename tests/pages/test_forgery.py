"""Unsafe requests by cookie need the token of a page and our origin; keys and bearer tokens need neither."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import pytest
from httpx import ASGITransport, AsyncClient, Response
from litestar import Litestar

from stocky.app import attach, make_routes
from stocky.auth import forgery
from stocky.config import load
from stocky.services import Services
from tests.auth.conftest import bearer
from tests.conftest import ORIGIN, SECRET_KEY, started
from tests.inventory import made, new_item
from tests.pages.conftest import Browser
from tests.people import PASSWORD

OTHER = "https://evil.example"
ORIGINS = {"ours": ORIGIN, "foreign": OTHER, "opaque": "null", "none": None}
SITES = ["same-origin", "same-site", "cross-site", "none", None]


class Sender(NamedTuple):
    """A way to send an unsafe request with a credential; `token` is that of a page."""

    client: AsyncClient
    token: str


@pytest.fixture
async def senders(app: Litestar, browse: Callable[[str], Awaitable[Browser]], keys: dict[str, str]) -> Any:
    browser = await browse("admin")
    transport = ASGITransport(app=app)
    async with (
        AsyncClient(transport=transport, base_url=ORIGIN) as by_key,
        AsyncClient(transport=transport, base_url=ORIGIN) as by_token,
    ):
        by_key.headers["X-API-Key"] = keys["admin"]
        login = made(await by_token.post("/api/v1/auth/login-json", json={"username": "admin", "password": PASSWORD}))
        by_token.headers.update(bearer(login["access_token"]))
        yield {
            "cookie": Sender(browser, browser.csrf),
            "key": Sender(by_key, browser.csrf),
            "bearer": Sender(by_token, browser.csrf),
        }


async def test_every_combination(senders: dict[str, Sender], browse: Callable[[str], Awaitable[Browser]]) -> None:
    other = await browse("member")
    tokens = {"none": None, "wrong": "x" * 86, "of another session": other.csrf, "cut": None, "right": None}
    for (how, sender), (name, _), (origin_name, origin), site in itertools.product(
        senders.items(), tokens.items(), ORIGINS.items(), SITES
    ):
        token = {"right": sender.token, "cut": sender.token[:-4]}.get(name, tokens[name])
        headers = {"X-CSRF-Token": token, "Origin": origin, "Sec-Fetch-Site": site}
        sent = {name: value for name, value in headers.items() if value is not None}
        answer = await sender.client.post("/api/v1/tags/", json={"name": "x"}, headers=sent)
        is_ours = origin_name in ("ours", "none") and site in ("same-origin", None) and name == "right"
        allowed = how != "cookie" or is_ours
        case = (how, name, origin_name, site)
        assert answer.status_code == 403 if not allowed else answer.status_code in (200, 201, 409), (case, answer.text)
        if not allowed:
            assert answer.json()["detail"].startswith("Access denied"), case


async def test_reading_needs_no_token(senders: dict[str, Sender]) -> None:
    for sender in senders.values():
        assert (await sender.client.get("/api/v1/items/")).status_code == 200
        assert (await sender.client.head("/api/v1/items/")).status_code == 200


async def test_token_in_a_form(senders: dict[str, Sender]) -> None:
    client, token = senders["cookie"]
    assert (await client.post("/me/language", data={"language": ""})).status_code == 403
    assert (await client.post("/me/language", data={"language": "", "csrf": token})).status_code == 303
    files: dict[str, Any] = {"csrf": (None, token), "language": (None, "de")}
    assert (await client.post("/me/language", files=files)).status_code == 303
    files = {"language": (None, "de"), "csrf": (None, token)}
    assert (await client.post("/me/language", files=files)).status_code == 403, "the token has to come first"
    files = {"csrf": ("token.txt", token), "language": (None, "de")}
    assert (await client.post("/me/language", files=files)).status_code == 403, "a file is no token"
    query = await client.post(f"/me/language?csrf={token}", data={"language": ""})
    assert query.status_code == 403, "an address is logged and sent on"


async def test_upload_with_the_token_before_its_file(senders: dict[str, Sender]) -> None:
    """What is read of the body to find the token is still there for the handler."""
    client, token = senders["cookie"]
    table = "name,description\n" + "".join(f"Tea {number},{'x' * 500}\n" for number in range(300))
    for more in ({}, {"X-CSRF-Token": token}):
        files: list[tuple[str, Any]] = [("file", ("a.csv", table, "text/csv"))]
        if not more:
            files.insert(0, ("csrf", (None, token)))
        answer = await client.post("/api/v1/imports", files=files, headers=more)
        assert answer.status_code == 202, answer.text
        job = answer.json()["job_id"]
        async with client.stream("GET", f"/api/v1/imports/{job}/events") as events:
            await events.aread()
        report = (await client.get(f"/api/v1/imports/{job}")).json()
        assert report["status"] == "done", report
        assert report["result"]["applied"], report
    answer = await client.post("/api/v1/imports", files={"file": ("a.csv", table, "text/csv")})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "body", [b"", b"--x\r\n", b"--x", b"nonsense", b'--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\nabc']
)
async def test_damaged_form_is_refused(senders: dict[str, Sender], body: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await senders["cookie"].client.post("/me/language", content=body, headers=headers)
    assert answer.status_code in (400, 403), answer.text
    answer = await senders["cookie"].client.post(
        "/me/language", content=body, headers={"Content-Type": "multipart/form-data"}
    )
    assert answer.status_code == 403


async def test_scans_by_cookie_need_the_token(senders: dict[str, Sender], admin: AsyncClient) -> None:
    """The fast path of a scan hands them on."""
    await new_item(admin, "Tea", upc="4006381333931")
    scan = {"upc": "4006381333931", "scanner_id": "browser"}
    client, token = senders["cookie"]
    assert (await client.post("/api/v1/scanner/scan", json=scan)).status_code == 403
    assert (await client.post("/api/v1/scanner/scan", json=scan, headers={"X-CSRF-Token": token})).status_code == 200
    assert (await senders["key"].client.post("/api/v1/scanner/scan", json=scan)).status_code == 200
    assert (await senders["bearer"].client.post("/api/v1/scanner/scan", json=scan)).status_code == 200


async def test_key_or_bearer_counts_before_the_cookie(
    browse: Callable[[str], Awaitable[Browser]], keys: dict[str, str]
) -> None:
    browser = await browse("member")
    with_key = await browser.post("/api/v1/tags/", json={"name": "y"}, headers={"X-API-Key": keys["admin"]})
    assert with_key.status_code in (200, 201)
    assert (await browser.get("/api/v1/auth/me", headers={"X-API-Key": "wrong"})).status_code == 401
    assert (await browser.get("/api/v1/auth/me", headers={"Authorization": "Bearer wrong"})).status_code == 401
    # A proxy's own password is not for Stocky.
    answer = await browser.get("/api/v1/auth/me", headers={"Authorization": "Basic YTpi"})
    assert answer.json()["username"] == "member"


def test_tokens_are_masked_and_belong_to_a_session() -> None:
    tokens = {forgery.make_token(SECRET_KEY, "a sign-in") for _ in range(50)}
    assert len({token[:6] for token in tokens}) == 50
    for token in tokens:
        assert forgery.is_token(SECRET_KEY, "a sign-in", token)
        assert not forgery.is_token(SECRET_KEY, "another", token)
        assert not forgery.is_token(SECRET_KEY[::-1], "a sign-in", token)
    for wrong in ("", "x", "ä", "=", "A" * 85, "A" * 87, "A" * 10_000, next(iter(tokens)) + "x"):
        assert not forgery.is_token(SECRET_KEY, "a sign-in", wrong), wrong


@pytest.fixture
async def behind_proxy(environ: dict[str, str]) -> AsyncIterator[Litestar]:
    config = load(environ | {"STOCKY_TRUSTED_PROXIES": "127.0.0.1"})
    async with started(attach(make_routes(), Services(config))) as app:
        yield app


@pytest.mark.one_database
async def test_origin_behind_a_proxy(behind_proxy: Litestar) -> None:
    forwarded = {"X-Forwarded-Host": "stock.example.org", "X-Forwarded-Proto": "https"}
    async with AsyncClient(transport=ASGITransport(app=behind_proxy), base_url="http://10.0.0.2:8000") as client:

        async def sign_in(**headers: str) -> Response:
            fields = {"username": "member", "password": PASSWORD}
            return await client.post("/sign-in", data=fields, headers={"Accept": "text/html", **headers})

        answer = await sign_in(**forwarded, Origin="https://stock.example.org")
        assert answer.status_code == 303
        assert "Secure" in answer.headers["set-cookie"]
        assert (await sign_in(**forwarded, Origin="https://evil.example")).status_code == 403
        assert (await sign_in(Origin="https://stock.example.org")).status_code == 403


@pytest.mark.one_database
async def test_allowed_origins_have_no_part_in_the_session(environ: dict[str, str]) -> None:
    """They call the API with keys and tokens of their own."""
    config = load(environ | {"STOCKY_ALLOWED_ORIGINS": "https://shop.example"})
    services = Services(config)
    async with started(attach(make_routes(config.allowed_origins), services)) as app, Browser(app) as browser:
        await browser.sign_in("member")
        headers = {"Origin": "https://shop.example", "X-CSRF-Token": browser.csrf}
        assert (await browser.post("/api/v1/tags/", json={"name": "x"}, headers=headers)).status_code == 403
