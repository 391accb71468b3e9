"""Alerts on a page: by kind, acknowledged and resolved together, raised by hand."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest
from httpx import AsyncClient

from stocky.alerts.schemas import AlertCause, ServiceAlert
from stocky.app import attach, make_routes
from stocky.config import load
from stocky.services import Services
from tests.conftest import started
from tests.inventory import made
from tests.pages.conftest import Browser

pytestmark = pytest.mark.one_server


async def test_alerts(browse: Callable[[str], Awaitable[Browser]], admin: AsyncClient) -> None:
    ids = [
        made(await admin.post("/alerts/", json={"alert_type": kind, "message": f"About {kind}"}))["id"]
        for kind in ("fridge", "fridge", "door")
    ]
    browser = await browse("member")
    page = (await browser.show("/alerts?kind=fridge")).text
    assert page.count("About fridge</b>") == 2
    assert "About door</b>" not in page
    answer = await browser.submit("/alerts/acknowledge", {"id": ids[:2], "back": "/alerts?kind=fridge"})
    assert answer.headers["location"] == "/alerts?kind=fridge&done=acknowledge&count=2"
    assert "2 alerts acknowledged" in (await browser.show(answer.headers["location"])).text
    assert (await browser.submit("/alerts/resolve", {"id": ids})).status_code == 303
    assert "No alerts" in (await browser.show("/alerts")).text
    assert "About door</b>" in (await browser.show("/alerts?all=true")).text
    for wrong in ({}, {"id": "x"}):
        assert (await browser.submit("/alerts/resolve", wrong)).status_code == 422
    assert (await browser.submit("/alerts/delete", {"id": ids})).status_code == 422
    assert (await browser.submit("/alerts/resolve", {"id": "99999"})).status_code == 404


async def test_a_page_that_was_emptied_shows_what_is_left(
    browse: Callable[[str], Awaitable[Browser]], admin: AsyncClient
) -> None:
    ids = [
        made(await admin.post("/alerts/", json={"alert_type": "note", "message": f"About {number}"}))["id"]
        for number in range(51)
    ]
    browser = await browse("member")
    # The oldest is alone on the last page.
    answer = await browser.submit("/alerts/resolve", {"id": ids[0], "back": "/alerts?skip=50"})
    page = (await browser.show(answer.headers["location"])).text
    assert "About 50</b>" in page
    assert "No alerts" not in page
    assert 'name="back" value="/alerts"' in page


async def test_each_kind_has_its_own_filter(browse: Callable[[str], Awaitable[Browser]], admin: AsyncClient) -> None:
    for kind in ("fridge", "fridge", "door"):
        made(await admin.post("/alerts/", json={"alert_type": kind, "message": f"About the {kind}"}))
    browser = await browse("member")
    page = (await browser.show("/alerts")).text
    filters = re.findall(r'href="(/alerts\?kind=[^"]+)"', page)
    assert filters == ["/alerts?kind=door", "/alerts?kind=fridge"]
    for path, count in zip(filters, (1, 2), strict=True):
        assert (await browser.show(path)).text.count("</b><div>") == count, path


async def test_types_of_stocky_have_names(browse: Callable[[str], Awaitable[Browser]], admin: AsyncClient) -> None:
    types = [each.value for each in (*AlertCause, *ServiceAlert)]
    for each in types:
        made(await admin.post("/alerts/", json={"alert_type": each, "message": "x"}))
    page = (await (await browse("member")).show("/alerts")).text
    names = re.findall(r'class="flag \w+"><svg.+?</svg>([^<]+)</span>', page)
    assert len(names) == len(types)
    assert set(names) & set(types) == set()
    assert set(re.findall(r'href="/alerts\?kind=\w+"[^>]*>\s*(\w+)', page)) & set(types) == set()


async def test_acknowledging_returns_below_a_base_path(environ: dict[str, str]) -> None:
    config = load(environ | {"STOCKY_BASE_PATH": "/at/stocky"})
    async with started(attach(make_routes(), Services(config))) as app, Browser(app, "/at/stocky") as browser:
        await browser.sign_in("member")
        await browser.submit("/alerts", {"alert_type": "fridge", "message": "About the fridge"})
        page = (await browser.show("/alerts?kind=fridge")).text
        (back,) = set(re.findall(r'name="back" value="([^"]+)"', page))
        ids = re.findall(r'name="id" value="(\d+)"', page)
        answer = await browser.submit("/alerts/acknowledge", {"id": ids[:1], "back": back})
        assert answer.headers["location"] == "/at/stocky/alerts?kind=fridge&done=acknowledge&count=1"


async def test_very_long_numbers_are_no_numbers(browse: Callable[[str], Awaitable[Browser]]) -> None:
    browser = await browse("member")
    await browser.show(f"/alerts?done=resolve&count={'9' * 5000}")
    assert (await browser.submit("/alerts/resolve", {"id": "9" * 5000})).status_code == 422


async def test_raised_by_hand(browse: Callable[[str], Awaitable[Browser]]) -> None:
    browser = await browse("member")
    await browser.show("/alerts")
    refused = await browser.submit("/alerts", {"alert_type": "note", "message": ""})
    assert refused.status_code == 422
    assert "<dialog open" in refused.text or 'open=""' in refused.text, "the form shows with what is wrong"
    script = {"X-Requested-With": "fetch"}
    refused = await browser.submit("/alerts", {"alert_type": "note", "message": ""}, headers=script)
    assert [each["field"] for each in refused.json()["errors"]] == ["message"]
    assert (await browser.submit("/alerts", {"alert_type": "note", "message": "Buy a lamp"})).status_code == 303
    assert "Buy a lamp" in (await browser.show("/alerts")).text
