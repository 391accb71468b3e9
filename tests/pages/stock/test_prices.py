"""The pages of prices without script: what was paid when stock is added, corrections, and the value of a day."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from httpx import AsyncClient

from tests.inventory import get, made
from tests.pages.conftest import Browser
from tests.pages.markup import Page

pytestmark = pytest.mark.one_server

Browse = Callable[[str], Awaitable[Browser]]


async def test_prices_on_pages(browse: Browse, admin: AsyncClient, samples: dict[str, object]) -> None:
    editor = await browse("member")
    made(await admin.patch("/settings", json={"currency": "CHF"}))
    new = {"location_id": "1", "quantity": "2", "lot": "L7", "unit_price": "1,2345", "seller": "Market"}
    assert (await editor.submit("/items/1/stock/new", new)).status_code == 303
    added = {"how": "add", "quantity": "1", "unit_price": "3"}
    assert (await editor.submit("/items/1/stock/1/amount", added)).status_code == 303
    wrong = await editor.submit("/items/1/stock/1/amount", added | {"how": "remove"})
    assert (wrong.status_code, "is for what is added" in wrong.text) == (422, True)
    entry = next(each for each in (await get(admin, "/shopping-lists/1"))["items"] if each["item"]["id"])
    bought = {"item_id": "1", "location_id": "1", "quantity": "1", "unit_price": "4.000", "seller": ""}
    german = {"Accept-Language": "de"}
    assert (await editor.submit(f"/lists/1/entries/{entry['id']}/buy", bought, headers=german)).status_code == 422
    assert (await editor.submit(f"/lists/1/entries/{entry['id']}/buy", bought)).status_code == 303
    assert (await editor.submit("/items/1/prices", {"unit_price": "5", "paid_on": "2026-01-31"})).status_code == 303
    found = await get(admin, "/items/1/prices")
    assert sorted(each["unit_price"] for each in found) == [1.2345, 2.49, 3, 4, 5]
    page = (await editor.show("/items/1")).text
    assert "CHF4.00" in page.replace("\N{NO-BREAK SPACE}", "")
    assert "CHF1.2345" in page.replace("\N{NO-BREAK SPACE}", "")
    first = next(each for each in found if each["unit_price"] == 5)
    change = {"unit_price": "6.5", "unit": "piece", "seller": "Farm", "paid_on": "2026-02-01"}
    assert (await editor.submit(f"/items/1/prices/{first['id']}", change)).status_code == 303
    changed = await get(admin, f"/prices/{first['id']}")
    assert (changed["unit_price"], changed["seller"], changed["paid_at"][:10]) == (6.5, "Farm", "2026-02-01")
    assert (await editor.submit("/items/2/prices", {"unit_price": "x"})).status_code == 422
    # A form shows the price as it reads it, and again what was typed.
    url = f"/items/1/prices/{first['id']}"
    assert 'value="6,5"' in (await editor.show(url, headers=german)).text
    unclear = await editor.submit(url, change | {"unit_price": "1.500"}, headers=german)
    assert (unclear.status_code, 'value="1.500"' in unclear.text, "1500 oder 1,500" in unclear.text) == (
        422,
        True,
        True,
    )
    assert (await editor.submit(f"/items/2/prices/{first['id']}/delete")).status_code == 404
    assert (await editor.submit(f"/items/1/prices/{first['id']}/delete")).status_code == 303
    listed = await editor.show("/items/1/prices")
    assert Page(listed.text).faults == []
    assert listed.text.count("L7") == 1


async def test_value_page(browse: Browse, admin: AsyncClient, samples: dict[str, object]) -> None:
    reader = await browse("reader")
    total = await get(admin, "/stock-value")
    for query in ("", "?by_location=true", "?without_price=true", "?day=2020-01-01", "?location_id=1", "?day="):
        page = await reader.show(f"/value{query}")
        assert Page(page.text).faults == [], query
    page = await reader.show("/value", headers={"Accept-Language": "de"})
    assert "9,96\N{NO-BREAK SPACE}€" in page.text
    assert (total["value"], total["without_price"]) == (9.96, 3)
    assert "Cups" in (await reader.show("/value?without_price=true")).text
    assert "Coffee" not in (await reader.show("/value?without_price=true")).text.partition("<main")[2]
