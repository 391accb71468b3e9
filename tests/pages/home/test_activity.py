"""The ledger on a page: filters, pages by cursor, moves as one line, undo of one event and of a batch."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from httpx import AsyncClient

from stocky.app import attach, make_routes
from stocky.config import load
from stocky.services import Services
from stocky.stock import repository
from tests.conftest import started
from tests.inventory import made, new_item, new_location, new_stock
from tests.pages.conftest import Browser

pytestmark = pytest.mark.one_server
Browse = Callable[[str], Awaitable[Browser]]


def signs(page: str) -> list[str]:
    """What the lines of a page say was done."""
    return re.findall(r'<span class="sign" data-mode="\w+">([^<]+)</span>', page)


@pytest.fixture
async def stock(admin: AsyncClient) -> dict[str, Any]:
    """Tea on a shelf: 5 added, 1 taken, 2 moved, then 9 counted."""
    item = await new_item(admin, "Tea")
    shelf, box = await new_location(admin, "Shelf"), await new_location(admin, "Fridge door")
    sku = await new_stock(admin, item, shelf, 5)
    made(await admin.post(f"/skus/{sku['id']}/adjust", json={"delta": -1}))
    move = {
        "type": "move", "item": {"id": item["id"]}, "location": {"id": shelf["id"]}, "to_location": {"id": box["id"]},
        "quantity": 2,
    }  # fmt: skip
    made(await admin.post("/events/", json={"events": [move]}))
    made(await admin.put(f"/skus/{sku['id']}/quantity", json={"quantity": 9}))
    return {"item": item, "shelf": shelf, "box": box, "sku": sku}


async def test_lines(browse: Browse, stock: dict[str, Any]) -> None:
    page = (await (await browse("reader")).show("/activity")).text
    assert signs(page) == ["= 9", "→ 2", "−1", "+5"]
    assert "Shelf → Fridge door" in page
    assert "/undo" not in page, "who reads only undoes nothing"


async def test_an_undo_says_so(browse: Browse, admin: AsyncClient, stock: dict[str, Any]) -> None:
    [counted] = (await admin.get("/events?type=set")).json()["events"]
    made(await admin.post(f"/events/{counted['id']}/undo"))
    browser = await browse("member")
    for path in ("/activity", "/"):
        page = (await browser.show(path)).text
        assert page.count(">Tea, undo</a>") == 1, path


async def test_notes_of_stocky_are_translated(browse: Browse, admin: AsyncClient, stock: dict[str, Any]) -> None:
    where = {"item": {"id": stock["item"]["id"]}, "location": {"id": stock["shelf"]["id"]}}
    for note in ("import, row 6", "stock-take", "stock-take of mine"):
        event = {"type": "add", **where, "quantity": 1, "note": note}
        made(await admin.post("/events/", json={"events": [event]}))
    browser = await browse("member")
    for path in ("/activity", "/", f"/items/{stock['item']['id']}/history"):
        page = (await browser.show(path, headers={"Accept-Language": "de"})).text
        assert "Import, Zeile 6" in page, path
        assert "· Zählung ·" in page, path
        assert "stock-take of mine" in page, path


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("type=remove", ["−1"]),
        ("type=", ["= 9", "→ 2", "−1", "+5"]),
        ("item_id_text=tea&type=set", ["= 9"]),
        ("item_id_text=tea&item_id=&user_id=&since=&until=&scanner_id=&type=add", ["+5"]),
        ("location_id_text=Fridge+door", ["+2"]),
        ("since=2000-01-01&until=2000-01-02", []),
        ("scanner_id=nowhere", []),
    ],
)
async def test_filters(query: str, found: list[str], browse: Browse, stock: dict[str, Any]) -> None:
    page = (await (await browse("member")).show(f"/activity?{query}")).text
    assert signs(page) == found
    if not found:
        assert "No events match" in page


@pytest.mark.parametrize("path", ["/activity", "/export/events", "/audit"])
async def test_days_at_the_ends_of_the_calendar(path: str, browse: Browse) -> None:
    browser = await browse("admin")
    answer = await browser.get(f"{path}?until=9999-12-31")
    assert (answer.status_code, "too far away" in answer.text) == (422, True)
    assert (await browser.get(f"{path}?since=0001-01-01")).status_code in (200, 303, 422)


async def test_only_admins_choose_from_all_accounts(browse: Browse, stock: dict[str, Any]) -> None:
    assert ">scanner</option>" in (await (await browse("admin")).show("/activity")).text
    for role in ("reader", "member"):
        page = (await (await browse(role)).show("/activity?user_id=1")).text
        assert "</option>" not in page
        assert 'name="user_id" value="1"' in page


async def test_pages(browse: Browse, admin: AsyncClient, stock: dict[str, Any]) -> None:
    for _ in range(50):
        made(await admin.post(f"/skus/{stock['sku']['id']}/adjust", json={"delta": 1}))
    browser = await browse("member")
    first = (await browser.show("/activity")).text
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following is not None
    second = (await browser.show(following[1])).text
    assert signs(second) == ["= 9", "→ 2", "−1", "+5"]
    assert "data-live" not in second, "an older page does not change"
    assert "data-live" in first


async def test_undo(browse: Browse, admin: AsyncClient, stock: dict[str, Any]) -> None:
    browser = await browse("member")
    await browser.show("/activity")
    counted = (await admin.get("/events/", params={"type": "set"})).json()["events"][0]["id"]
    answer = await browser.submit(f"/activity/{counted}/undo", {"back": "/activity?type=undo"})
    assert answer.headers["location"] == "/activity?type=undo&done=undone"
    assert signs((await browser.show("/activity?type=undo")).text) == ["−7"]
    again = await browser.submit(f"/activity/{counted}/undo", {"back": "//evil.example"})
    assert again.status_code == 409
    assert "undone already" in again.text


async def test_undo_returns_below_a_base_path(environ: dict[str, str], keys: dict[str, str]) -> None:
    config = load(environ | {"STOCKY_BASE_PATH": "/at/stocky"})
    async with started(attach(make_routes(), Services(config))) as app, Browser(app, "/at/stocky") as browser:
        browser.headers["X-API-Key"] = keys["admin"]
        item = made(await browser.post("/api/v1/items/", json={"name": "Tea"}))
        shelf = made(await browser.post("/api/v1/locations/", json={"name": "Shelf", "storage_type": "other"}))
        event = {"type": "add", "item": {"id": item["id"]}, "location": {"id": shelf["id"]}, "quantity": 1}
        batch = made(await browser.post("/api/v1/events/", json={"events": [event] * 4}))["batch_id"]
        del browser.headers["X-API-Key"]
        await browser.sign_in("member")
        for path in ("/", "/activity", "/activity?type=add", f"/activity/batches/{batch}"):
            page = (await browser.show(path)).text
            form = re.search(r'action="/at/stocky(/activity/\d+/undo)".*?name="back" value="([^"]+)"', page, re.DOTALL)
            assert form is not None, path
            assert form[2] == path
            answer = await browser.submit(form[1], {"back": form[2]})
            assert answer.headers["location"].startswith(f"/at/stocky{path}"), path
            assert (await browser.get(answer.headers["location"].removeprefix("/at/stocky"))).status_code == 200, path


async def test_undo_of_a_batch(browse: Browse, admin: AsyncClient, stock: dict[str, Any]) -> None:
    event = {"type": "add", "item": {"id": stock["item"]["id"]}, "location": {"id": stock["shelf"]["id"]}}
    events = [{**event, "quantity": 1}, {**event, "quantity": 2}]
    batch = made(await admin.post("/events/", json={"events": events}))["batch_id"]
    browser = await browse("member")
    assert f"/activity/batches/{batch}" in (await browser.show("/activity")).text
    assert signs((await browser.show(f"/activity/batches/{batch}")).text) == ["+1", "+2"]
    answer = await browser.submit(f"/activity/batches/{batch}/undo")
    assert answer.status_code == 303
    page = (await browser.show(answer.headers["location"])).text
    assert f'action="/activity/batches/{batch}/undo"' not in page
    assert (await browser.get("/activity/batches/none")).status_code == 404


async def test_long_batch_shows_its_first_events(
    browse: Browse, admin: AsyncClient, stock: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    event = {"type": "add", "item": {"id": stock["item"]["id"]}, "location": {"id": stock["shelf"]["id"]}}
    sent = {"events": [{**event, "quantity": number} for number in range(1, 61)]}
    answer = made(await admin.post("/events/", json=sent))
    batch = answer["batch_id"]
    monkeypatch.delattr(repository, "list_batch", raising=True)
    browser = await browse("member")
    for result in answer["results"][:50]:
        assert (await browser.submit(f"/activity/{result['id']}/undo")).status_code == 303
    page = (await browser.show(f"/activity/batches/{batch}")).text
    assert signs(page)[::49] == ["+1", "+50"]
    assert "60 events" in page
    assert "The first of them are shown" in page
    assert f'action="/activity/batches/{batch}/undo"' in page, "ten are left"


async def test_stock_at_a_moment(browse: Browse, stock: dict[str, Any]) -> None:
    browser = await browse("reader")
    assert "Which moment?" in (await browser.show("/activity/stock")).text
    assert "Nothing was in stock" in (await browser.show("/activity/stock?at=2000-01-01T10:00")).text
    now = (await browser.show("/activity/stock?at=2100-01-01T10:00&location_id_text=Fridge+door&item_id=")).text
    assert "Tea" in now
    assert "<b>2</b>" in now
    assert (await browser.get("/activity/stock?at=yesterday")).status_code == 422
