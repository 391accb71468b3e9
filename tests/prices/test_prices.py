"""What was paid: recorded with what is added, once, and following its stock through undo, merge, packs and units."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import AsyncClient

from stocky.money import to_micro
from stocky.pages.forms import parse_form
from stocky.pages.views.prices import TypedPrice
from stocky.prices import summary
from tests.inventory import Json, get, made, new_item, new_location, new_stock, refused

pytestmark = pytest.mark.one_server

TODAY = datetime.now(UTC).date()
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)


async def add(client: AsyncClient, item: Json, location: Json, quantity: float, **fields: Any) -> Json:
    """The result of an event of the type add."""
    reference = {"id": item["id"]} if "upc" not in fields else {"upc": fields.pop("upc")}
    event = {"type": "add", "item": reference, "location": {"id": location["id"]}, "quantity": quantity, **fields}
    (result,) = made(await client.post("/events", json={"events": [event]}))["results"]
    return dict(result)


async def prices(client: AsyncClient, item: Json) -> list[Json]:
    return list(await get(client, f"/items/{item['id']}/prices"))


async def last_price(client: AsyncClient, item: Json) -> tuple[float, str] | None:
    last = (await get(client, f"/items/{item['id']}", expand="price"))["last_price"]
    return None if last is None else (last["unit_price"], last["unit"])


async def worth(client: AsyncClient, **query: Any) -> tuple[float, int]:
    """The value of the stock, and how many SKUs have no price."""
    value = await get(client, "/stock-value", **query)
    return value["value"], value["without_price"]


async def test_what_is_added_has_its_price_once(member: AsyncClient) -> None:
    coffee, shelf = await new_item(member, seller="Corner shop"), await new_location(member)
    assert await last_price(member, coffee) is None
    first = await add(member, coffee, shelf, 2, unit_price=2.49, event_id="receipt")
    again = await add(member, coffee, shelf, 2, unit_price=2.49, event_id="receipt")
    other = await add(member, coffee, shelf, 2, unit_price=2.5, event_id="receipt")
    assert [each["status"] for each in (first, again, other)] == ["applied", "duplicate", "rejected"]
    (price,) = await prices(member, coffee)
    assert (price["unit_price"], price["unit"], price["seller"], price["event_id"], price["sku_id"]) == (
        2.49, "piece", "Corner shop", first["id"], first["sku_id"],
    )  # fmt: skip
    assert await worth(member) == (4.98, 0)
    # A gift has the price 0, which is one.
    made(await member.post(f"/skus/{first['sku_id']}/adjust", json={"delta": 1, "unit_price": 0, "seller": "Aunt"}))
    await new_stock(member, coffee, shelf, 1, unit_price=3.000001)
    assert [each["unit_price"] for each in await prices(member, coffee)] == [3.000001, 0, 2.49]
    assert await last_price(member, coffee) == (3.000001, "piece")
    scan = {"upc": coffee["code"], "scanner_id": "till", "location_hint": "Shelf", "unit_price": 4}
    made(await member.post("/scanner/scan", json={**scan, "event_id": "scan"}))
    made(await member.post("/scanner/scan", json={**scan, "event_id": "scan"}))
    assert await last_price(member, coffee) == (4, "piece")
    for wrong, words in (
        ({"unit_price": -1}, "unit_price"),
        ({"unit_price": 1.0000001}, "six decimals"),
        ({"unit_price": 2e9}, "unit_price"),
        ({"type": "remove", "unit_price": 1}, "type add"),
        ({"seller": "Aunt"}, "needs unit_price"),
    ):
        result = await add(member, coffee, shelf, 1, **wrong)
        assert result["status"] == "rejected"
        assert words in result["reason"]
    none = {"item_id": coffee["id"], "location_id": shelf["id"], "unit_price": 1}
    refused(await member.post("/skus/", json=none), 422, "needs a quantity")
    refused(
        await member.post(f"/skus/{first['sku_id']}/adjust", json={"delta": -1, "unit_price": 1}), 422, "unit_price"
    )
    assert len(await prices(member, coffee)) == 4


async def test_price_of_a_pack_and_of_another_unit(member: AsyncClient) -> None:
    shelf = await new_location(member)
    egg = await new_item(member, "Egg", barcodes=[{"barcode": "EGGS", "pack_quantity": 6}])
    await add(member, egg, shelf, 2, upc="EGGS", unit_price=1)
    # A sixth of 1 is not exact: twelve pieces cost exactly 2 all the same.
    assert await last_price(member, egg) == (0.166667, "piece")
    assert await worth(member) == (2, 0)
    grain = await new_item(member, "Grain", barcodes=[{"barcode": "GRAIN", "pack_quantity": 0.001}])
    grains = await add(member, grain, shelf, 1, upc="GRAIN", unit_price=1_000_000_000)
    assert (grains["status"], "would be above" in grains["reason"]) == ("rejected", True)
    flour = await new_item(member, "Flour")
    stock = await new_stock(member, flour, shelf, 1.5, unit="kg", unit_price=2)
    await add(member, flour, shelf, 500, unit="g", unit_price=0.003)
    assert await last_price(member, flour) == (0.003, "g")
    assert (await get(member, f"/skus/{stock['id']}", expand="price"))["price"] == {
        "unit_price": 3, "currency": "EUR", "is_of_lot": True,
    }  # fmt: skip
    assert await worth(member) == (2 + 6, 0)
    # The number stays, so 2 kg become 2 g; as pieces they have no price.
    made(await member.patch(f"/skus/{stock['id']}", json={"unit": "g"}))
    assert await worth(member) == (2.006, 0)
    made(await member.patch(f"/skus/{stock['id']}", json={"unit": "piece"}))
    assert await worth(member) == (2, 1)
    (named,) = await get(member, "/stock-value/items", without_price="true")
    assert (named["item_name"], named["value"], named["without_price"]) == ("Flour", 0, 1)
    # A purchase is in the main unit, whatever the unit at the location is.
    milk, fridge = await new_item(member, "Milk"), await new_location(member, "Fridge")
    await new_stock(member, milk, shelf, 1, unit="l")
    await new_stock(member, milk, fridge, 100, unit="ml")
    shopping = made(await member.post("/shopping-lists", json={"name": "Market"}))
    made(await member.post(f"/shopping-lists/{shopping['id']}/items", json={"item_id": milk["id"], "quantity": 2}))
    bought = {"location": {"id": fridge["id"]}, "unit_price": 1.2, "seller": " Farm ", "event_id": "bought"}
    for _ in range(2):
        made(await member.post(f"/shopping-lists/{shopping['id']}/items/{milk['id']}/bought", json=bought))
    (price,) = await prices(member, milk)
    assert (price["unit_price"], price["unit"], price["seller"]) == (1.2, "l", "Farm")
    assert await worth(member, within=fridge["id"]) == (2.52, 0)


async def test_lot_keeps_its_price(member: AsyncClient) -> None:
    milk, cellar = await new_item(member, "Milk", opened_days=3), await new_location(member, "Cellar")
    kitchen = await new_location(member, "Kitchen")
    dear = await new_stock(member, milk, cellar, 2, expiry_date="2040-01-31", unit_price=2)
    await new_stock(member, milk, cellar, 2, expiry_date="2040-02-28", lot="L2", unit_price=1)
    plain = await new_stock(member, milk, cellar, 1)
    assert await worth(member) == (4 + 2 + 1, 0)
    assert (await get(member, f"/skus/{plain['id']}", expand="price"))["price"]["is_of_lot"] is False
    # Moved, then opened there, which gives it an earlier date, and a corrected date: it is the same lot.
    moved = made(await member.patch(f"/skus/{dear['id']}", json={"location_id": kitchen["id"]}))
    opened = made(await member.post(f"/skus/{moved['id']}/open", json={"quantity": 1}))
    assert opened["expiry_date"] < "2040-01-31"
    made(await member.patch(f"/skus/{moved['id']}", json={"expiry_date": "2041-01-31"}))
    listed = {each["id"]: each["price"] for each in await get(member, "/skus", expand="price")}
    assert [listed[sku["id"]]["unit_price"] for sku in (moved, opened)] == [2, 2]
    assert await worth(member, within=kitchen["id"]) == (4, 0)
    by_location = await get(member, "/stock-value/locations")
    assert [(each["location_path"], each["value"]) for each in by_location] == [("Kitchen", 4), ("Cellar", 3)]


async def test_undone_receipt_does_not_count(member: AsyncClient) -> None:
    coffee, shelf = await new_item(member), await new_location(member)
    await add(member, coffee, shelf, 1, unit_price=2)
    wrong = await add(member, coffee, shelf, 1, unit_price=200)
    assert await worth(member) == (400, 0)
    made(await member.post(f"/events/{wrong['id']}/undo"))
    assert await last_price(member, coffee) == (2, "piece")
    assert await worth(member) == (2, 0)
    assert [each["is_undone"] for each in await prices(member, coffee)] == [True, False]
    assert (await get(member, f"/items/{coffee['id']}/prices", sort="paid_at", limit=1))[0]["unit_price"] == 2


async def test_prices_follow_a_merge_and_back(member: AsyncClient) -> None:
    coffee, shelf = await new_item(member), await new_location(member)
    other = await new_item(member, "Coffee again")
    await add(member, coffee, shelf, 1, unit_price=2, lot="A")
    await add(member, other, shelf, 1, unit_price=5, lot="B")
    made(await member.post(f"/items/{other['id']}/merge", json={"into": coffee["id"]}))
    assert await last_price(member, coffee) == (5, "piece")
    assert [each["lot"] for each in await prices(member, coffee)] == ["B", "A"]
    assert await worth(member) == (7, 0)
    assert [each["item_id"] for each in await get(member, "/stock-value/items")] == [coffee["id"]]
    made(await member.post(f"/items/{other['id']}/unmerge"))
    assert (await last_price(member, coffee), await last_price(member, other)) == ((2, "piece"), (5, "piece"))
    assert await worth(member) == (7, 0)


async def test_value_as_of_a_day(member: AsyncClient) -> None:
    coffee, shelf = await new_item(member), await new_location(member)
    tea = await new_item(member, "Tea")
    at = {day: (NOON - timedelta(days=day)).isoformat() for day in (1, 2, 3, 10)}
    await add(member, coffee, shelf, 4, unit_price=2, occurred_at=at[10])
    await add(member, tea, shelf, 1, occurred_at=at[3])
    await add(member, coffee, shelf, 6, unit_price=3, occurred_at=at[2])
    taken = {"type": "remove", "item": {"id": coffee["id"]}, "location": {"id": shelf["id"]}, "quantity": 10}
    made(await member.post("/events", json={"events": [{**taken, "occurred_at": at[1]}]}))
    days = [(TODAY - timedelta(days=day)).isoformat() for day in (11, 10, 3, 2, 1, 0)]
    assert [await worth(member, as_of=day) for day in days] == [(0, 0), (8, 0), (8, 1), (30, 1), (0, 1), (0, 1)]
    then = await get(member, "/stock-value", as_of=days[3])
    assert (then["as_of"], then["currency"], then["item_count"], then["sku_count"]) == (days[3], "EUR", 2, 2)
    answer = await member.get("/stock-value/items", params={"as_of": days[3], "limit": 1})
    assert [(each["item_id"], each["value"]) for each in answer.json()] == [(coffee["id"], 30)]
    assert answer.headers["x-total-count"] == "2"
    by_name = await get(member, "/stock-value/items", as_of=days[3], sort="-item_name")
    assert [each["item_name"] for each in by_name] == ["Tea", "Coffee"]
    file = await member.get("/exports/value.csv", params={"as_of": days[3]})
    header, first, second = file.text.lstrip("\ufeff").splitlines()
    assert header.endswith("quantity,unit,unit_price,value,currency")
    assert (first.split(",")[-5:], second.split(",")[-5:]) == (
        ["10", "piece", "3", "30", "EUR"],
        ["1", "piece", "", "", "EUR"],
    )


async def test_past_values_stay_as_they_were(member: AsyncClient) -> None:
    """After a merge, a later purchase of a lot that was relabelled, and a change of a unit."""
    shelf, old = await new_location(member), (NOON - timedelta(days=5)).isoformat()
    tea, again = await new_item(member, "Tea"), await new_item(member, "Tea again")
    await add(member, tea, shelf, 10, unit_price=2, occurred_at=old)
    await add(member, again, shelf, 1, unit_price=100, occurred_at=old)
    then = (TODAY - timedelta(days=2)).isoformat()
    assert await worth(member, as_of=then) == (120, 0)
    made(await member.post(f"/items/{tea['id']}/merge", json={"into": again["id"]}))
    assert await worth(member, as_of=then) == (120, 0)
    assert [each["item_id"] for each in await get(member, "/stock-value/items", as_of=then)] == [again["id"], tea["id"]]
    moment = (NOON - timedelta(days=2)).isoformat()
    listed = await get(member, "/skus", as_of=moment, expand="price")
    assert [(each["quantity"], each["price"]["unit_price"]) for each in listed] == [(10, 2), (1, 100)]
    # What is bought today has not the price of that day.
    await add(member, again, shelf, 1, unit_price=300)
    listed = await get(member, "/skus", as_of=moment, expand="price")
    assert [each["price"]["unit_price"] for each in listed] == [2, 100]
    assert await worth(member) == (12 * 300, 0)
    # The number stays, its unit then is not recorded.
    bag = await new_item(member, "Flour")
    flour = await add(member, bag, shelf, 2, unit="kg", unit_price=10, occurred_at=old)
    assert await worth(member, as_of=then) == (140, 0)
    made(await member.patch(f"/skus/{flour['sku_id']}", json={"unit": "g"}))
    assert await worth(member, as_of=then) == (120, 1)
    assert await worth(member) == (12 * 300 + 0.02, 0)
    assert (await get(member, "/skus", as_of=moment, item_id=bag["id"], expand="price"))[0]["price"] is None
    file = await member.get("/exports/value.csv", params={"as_of": then})
    assert file.text.splitlines()[-1].endswith(",2,,,,EUR")


async def test_moved_lot_keeps_the_price_it_was_moved_at(member: AsyncClient) -> None:
    milk, cellar = await new_item(member, "Milk", opened_days=3), await new_location(member, "Cellar")
    kitchen = await new_location(member, "Kitchen")
    lot = {"expiry_date": "2040-01-31"}
    bought = await new_stock(member, milk, cellar, 3, **lot, unit_price=2)
    moved = made(await member.post(f"/skus/{bought['id']}/open", json={"quantity": 1}))
    moved = made(await member.patch(f"/skus/{moved['id']}", json={"location_id": kitchen["id"]}))
    await add(member, milk, cellar, 1, **lot, unit_price=9)
    assert await worth(member, within=kitchen["id"]) == (2, 0)
    assert await worth(member, within=cellar["id"]) == (27, 0)


async def test_value_is_computed_once_for_all_pages(member: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf, read, value_stock = await new_location(member), [], summary.value_stock
    for name, price in (("Tea", 1), ("Salt", 2)):
        await new_stock(member, await new_item(member, name), shelf, 1, unit_price=price)

    async def counted(*arguments: Any) -> Any:
        read.append(arguments)
        return await value_stock(*arguments)

    async def is_cached(path: str, **query: Any) -> bool:
        """Whether a second request reads nothing; a task of the server may write between two on Postgres."""
        for _ in range(5):
            await get(member, path, **query)
            before = len(read)
            await get(member, path, **query)
            if len(read) == before:
                return True
        return False

    monkeypatch.setattr(summary, "value_stock", counted)
    assert await is_cached("/stock-value/items", limit=1)
    assert await is_cached("/stock-value/locations", within=shelf["id"])
    await new_stock(member, await new_item(member, "Rice"), shelf, 1, unit_price=4)
    assert [each["value"] for each in await get(member, "/stock-value/items")] == [4, 2, 1]
    # Nothing that is large is stored.
    monkeypatch.setattr(summary, "MOST_GROUPS", 3)
    made(await member.patch("/prices/1", json={"unit_price": 8}))
    assert await worth(member) == (14, 0)
    assert not await is_cached("/stock-value/items")


async def test_large_products_are_exact(member: AsyncClient) -> None:
    gold, shelf = await new_item(member, "Gold"), await new_location(member)
    await add(member, gold, shelf, 1_000_000_000, unit_price=9_000_000)
    await add(member, gold, shelf, 0.001, unit_price=9_000_000)
    assert await worth(member) == (9_000_000_000_009_000, 0)
    assert (await get(member, "/stock-value/items"))[0]["value"] == 9_000_000_000_009_000


async def test_prices_are_recorded_corrected_and_deleted(
    member: AsyncClient, reader: AsyncClient, admin: AsyncClient
) -> None:
    coffee, tea = await new_item(member, seller="Shop"), await new_item(member, "Tea")
    shelf = await new_location(member)
    stock = await new_stock(member, coffee, shelf, 3, lot="L1")
    path = f"/items/{coffee['id']}/prices"
    refused(await reader.post(path, json={"unit_price": 2}), 403)
    refused(await member.post(path, json={"unit_price": 2, "paid_at": "1969-01-01T00:00:00Z"}), 422, "between 1970")
    refused(
        await member.post(f"/items/{tea['id']}/prices", json={"unit_price": 2, "sku_id": stock["id"]}),
        422,
        "another item",
    )
    plain = made(await member.post(path, json={"unit_price": 2, "paid_at": "2026-01-31T12:00:00Z"}))
    lot = made(await member.post(path, json={"unit_price": 4, "sku_id": stock["id"], "seller": ""}))
    assert (plain["seller"], plain["event_id"], lot["lot"]) == ("Shop", None, "L1")
    assert await worth(member) == (12, 0)
    url = f"/prices/{lot['id']}"
    changed = made(await member.patch(url, json={"unit_price": 5, "seller": "Market"}, headers={"If-Match": "1"}))
    assert (changed["unit_price"], changed["seller"], changed["version"]) == (5, "Market", 2)
    refused(await member.patch(url, json={"unit_price": 6}, headers={"If-Match": "1"}), 412)
    refused(await reader.delete(url), 403)
    assert await worth(member) == (15, 0)
    made(await member.delete(url))
    refused(await member.get(url), 404)
    # The last price of the item counts for a lot without its own.
    assert await worth(member) == (6, 0)
    trail = await get(admin, "/audit", subject="price")
    assert [each["action"] for each in trail] == ["deleted", "changed", "created", "created"]
    assert trail[1]["details"]["before"] == {"unit_price": 4, "seller": "Shop"}


@pytest.mark.one_database
def test_only_residue_of_a_price_is_rounded() -> None:
    assert [to_micro(price) for price in (0.1 + 0.2, 123456789.30000001, 999999999.123456, 0.000001, 0)] == [
        300_000, 123_456_789_300_000, 999_999_999_123_456, 1, 0,
    ]  # fmt: skip
    for price in (1e-10, 0.0000004, 1.0000001, 123456789.1234567):
        with pytest.raises(ValueError, match="six decimals"):
            to_micro(price)


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("language", "typed", "price"),
    [
        ("de", "1.234,50", 1234.5),
        ("de", "1.234.567", 1_234_567),
        ("de", "1.50", 1.5),
        ("de", "0.125", 0.125),
        ("de", "1.500", None),
        ("de", "1,234.50", None),
        ("en", "1,234.50", 1234.5),
        ("en", "1,5", 1.5),
        ("en", "1,500", None),
    ],
)
def test_prices_are_typed_as_pages_show_them(language: str, typed: str, price: float | None) -> None:
    form = parse_form({"unit_price": [typed]}, TypedPrice, language=language)
    assert (None if form.errors else form.data.unit_price) == price


async def test_currency_is_a_setting(admin: AsyncClient, member: AsyncClient) -> None:
    coffee, shelf = await new_item(member), await new_location(member)
    await add(member, coffee, shelf, 1, unit_price=2)
    for wrong in ("ABC", "eur", "EURO"):
        refused(await admin.patch("/settings", json={"currency": wrong}), 422, "currency")
    assert made(await admin.patch("/settings", json={"currency": "CHF"}))["currency"] == "CHF"
    assert await last_price(member, coffee) == (2, "piece")
    assert (await get(member, f"/items/code/{coffee['code']}", expand="price"))["last_price"]["currency"] == "CHF"
    assert (await get(member, "/stock-value"))["currency"] == "CHF"
