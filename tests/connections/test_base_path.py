"""With a base path, all returned addresses begin with it, whether or not the proxy strips it from requests."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from httpx import ASGITransport, AsyncClient
from litestar import Litestar

from stocky.app import attach
from stocky.config import Config, ConfigError, load
from stocky.services import Services
from tests.conftest import started
from tests.connections.conftest import make_routes_once
from tests.inventory import made
from tests.people import PASSWORD

pytestmark = pytest.mark.one_database

BASE = "/at/stocky"


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return environ | {"STOCKY_BASE_PATH": f"{BASE}/"}


@pytest.fixture
async def app(config: Config) -> AsyncIterator[Litestar]:
    async with started(attach(make_routes_once(), Services(config))) as app:
        yield app


@pytest.fixture(params=["", BASE], ids=["stripped", "left on"])
async def proxied(app: Litestar, keys: dict[str, str], request: pytest.FixtureRequest) -> AsyncIterator[AsyncClient]:
    """A client that sends requests like a proxy."""
    async with AsyncClient(
        transport=ASGITransport(app=app),
        base_url=f"http://stocky.test{request.param}",
        headers={"X-API-Key": keys["admin"]},
    ) as client:
        yield client


async def test_docs_page_loads_only_from_base_path(proxied: AsyncClient) -> None:
    page = (await proxied.get("/docs")).text
    links = re.findall(r'(?:href|src)="([^"]+)"', page)
    assert len(links) == 5
    for link in links:
        assert link.startswith(f"{BASE}/")
        assert (await proxied.get(link.removeprefix(BASE))).status_code == 200
    script = (await proxied.get("/docs/assets/docs_page.js")).text
    assert '"/' not in script


@pytest.mark.parametrize("path", ["/openapi.json", "/api/v1/openapi.json", "/schema/openapi.json"])
async def test_openapi_document_names_base_path(proxied: AsyncClient, path: str) -> None:
    assert (await proxied.get(path)).json()["servers"] == [{"url": BASE}]


async def test_cookie_is_limited_to_base_path(proxied: AsyncClient) -> None:
    credentials = {"username": "admin", "password": PASSWORD, "remember_me": True}
    answer = await proxied.post("/api/v1/auth/login-json", json=credentials)
    assert answer.status_code == 200
    assert f"Path={BASE}/api/v1/auth;" in answer.headers["set-cookie"] + ";"


async def test_links_to_pages_of_lists_begin_with_base_path(proxied: AsyncClient) -> None:
    for name in ("Tea", "Coffee", "Salt"):
        made(await proxied.post("/api/v1/items", json={"name": name}))
    links = (await proxied.get("/api/v1/items?limit=1&skip=1")).headers["link"]
    addresses = re.findall(r"<([^>]+)>", links)
    assert len(addresses) >= 2
    assert [each for each in addresses if not each.removeprefix("http://stocky.test").startswith(f"{BASE}/api/")] == []


async def test_addresses_in_responses_begin_with_base_path(proxied: AsyncClient) -> None:
    backup = (await proxied.post("/api/v1/system/backup", json={"kind": "sql"})).json()
    plan = (await proxied.post("/api/v1/reorg/plans", json={})).json()
    table = (await proxied.post("/api/v1/imports", files={"file": ("a.csv", "name\nTea\n", "text/csv")})).json()
    found = {name: value for answer in (backup, plan, table) for name, value in answer.items() if name.endswith("_url")}
    assert set(found) == {"status_url", "download_url", "plan_url", "events_url"}
    for address in found.values():
        assert address.startswith(f"{BASE}/api/v1/")
        assert (await proxied.get(address.removeprefix(BASE))).status_code in (200, 404)
    async with proxied.stream("GET", backup["status_url"].removeprefix(BASE) + "/events") as events:
        await events.aread()
    job = (await proxied.get(backup["status_url"].removeprefix(BASE))).json()
    assert job["result"]["download_url"] == backup["download_url"]
    listed = (await proxied.get("/api/v1/system/backup/list")).json()
    assert [each["download_url"] for each in listed] == [backup["download_url"]]
    assert (await proxied.get(backup["download_url"].removeprefix(BASE))).status_code == 200
    missing = await proxied.get("/nothing")
    assert missing.json()["detail"] == f"There is nothing at /nothing; see {BASE}/docs"


async def test_similar_text_in_path_is_not_stripped(proxied: AsyncClient) -> None:
    item = made(await proxied.post("/api/v1/items", json={"name": "Tea", "upc": "at/stocky"}))
    found = await proxied.get("/api/v1/items/upc/at%2Fstocky")
    assert found.json()["id"] == item["id"]


@pytest.mark.parametrize("path", ["/", "", "//"])
def test_root_is_an_empty_base_path(environ: dict[str, str], path: str) -> None:
    assert load(environ | {"STOCKY_BASE_PATH": path}).base_path == ""


@pytest.mark.parametrize("path", ["stocky", "/stocky", "/stocky/"])
def test_slashes_around_base_path_are_ignored(environ: dict[str, str], path: str) -> None:
    assert load(environ | {"STOCKY_BASE_PATH": path}).base_path == "/stocky"


@pytest.mark.parametrize(
    "path", ["/api", "/docs/x", "/a b", "/a//b", "/ä", "https://example.org/stocky", "/a?b", "/%41"]
)
def test_invalid_base_path_is_rejected(environ: dict[str, str], path: str) -> None:
    with pytest.raises(ConfigError, match="STOCKY_BASE_PATH"):
        load(environ | {"STOCKY_BASE_PATH": path})


async def test_types_of_problems_are_below_base_path(proxied: AsyncClient) -> None:
    kind = (await proxied.get("/api/v1/items/987654")).json()["type"]
    assert kind == f"{BASE}/problems/not-found"
    assert (await proxied.get(kind.removeprefix(BASE))).status_code == 200
    assert f'<a href="{kind}">' in (await proxied.get("/problems")).text
