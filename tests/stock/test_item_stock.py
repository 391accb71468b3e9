"""Items with their stock by location: the same items as `GET /items` and the same stock as `GET /skus`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky import clock
from stocky.alerts.schemas import AlertCause
from stocky.catalogue.repository import ItemFilter
from stocky.db import Database
from stocky.schema import StorageType
from stocky.stock.item_stock import StockedItem, get_stocked_items, list_stocked_items
from tests.inventory import get, made, new_box, new_item, new_location, new_stock

FILTERS: list[tuple[ItemFilter, dict[str, Any]]] = [
    (ItemFilter(), {}),
    (ItemFilter(search="salt"), {"search": "salt"}),
    (ItemFilter(tag="white"), {"tag": "white"}),
    (ItemFilter(storage_type=StorageType.FREEZER), {"storage_type": "freezer"}),
    (ItemFilter(is_active=False), {"is_active": "false"}),
    (ItemFilter(needs_review=True), {"needs_review": "true"}),
    (ItemFilter(after=2), {"cursor": 2}),
]
CAUSES = {
    AlertCause.LOW_STOCK: ["Salt"],
    AlertCause.EXPIRED: ["Milk"],
    AlertCause.EXPIRING: ["Peas", "Milk"],
    AlertCause.NEGATIVE_STOCK: ["Unknown 4006381333931"],
    AlertCause.STORAGE_MISMATCH: ["Peas"],
    # Those of loans are in tests/lending.
    AlertCause.OVERDUE: [],
}


@pytest.fixture
async def filled(member: AsyncClient) -> None:
    shelf = await new_location(member, "shelf")
    fridge = await new_location(member, "Fridge", storage_type="refrigerator")
    second = (await new_box(member, 2, storage_type="pantry"))[1]
    salt = await new_item(member, "Salt", tags=["white"], min_quantity=5)
    await new_stock(member, salt, shelf, 1)
    await new_stock(member, salt, second, 2.5, notes="opened")
    milk = await new_item(member, "Milk", tags=["white"])
    today = clock.local_today()
    await new_stock(member, milk, fridge, 1, expiry_date=str(today + timedelta(days=3)))
    await new_stock(member, milk, fridge, 2, expiry_date=str(today - timedelta(days=1)))
    empty = await new_stock(member, milk, fridge, 1, expiry_date="2020-01-31")
    made(await member.put(f"/skus/{empty['id']}/quantity", json={"quantity": 0}))
    await new_stock(member, milk, shelf, 4)
    peas = await new_item(member, "Peas", default_storage_type="freezer")
    await new_stock(member, peas, shelf, 3, expiry_date=str(today), unit="kg")
    await new_stock(member, peas, second, 500, expiry_date="2999-01-31", unit="g")
    await new_item(member, "Salty crackers")
    await member.delete(f"/items/{(await new_item(member, 'Salt that is gone'))['id']}")
    taken = {"type": "remove", "item": {"upc": "4006381333931"}, "location": {"id": shelf["id"]}, "quantity": 1}
    made(await member.post("/events", json={"events": [taken]}))


async def _page(database: Database, wanted: ItemFilter, skip: int = 0, limit: int = 50) -> list[StockedItem]:
    async with database.read() as read:
        return await list_stocked_items(read, wanted, skip=skip, limit=limit)


def _names(page: list[StockedItem]) -> list[str]:
    return [each.item.name for each in page]


@pytest.mark.parametrize(("wanted", "query"), FILTERS)
async def test_page_has_the_items_of_the_api(
    app: Litestar, member: AsyncClient, filled: None, wanted: ItemFilter, query: dict[str, Any]
) -> None:
    for skip, limit in ((0, 50), (1, 2)):
        items = await get(member, "/items/", **query, skip=skip, limit=limit)
        page = await _page(app.state.database, wanted, skip, limit)
        assert [msgspec.json.decode(msgspec.json.encode(each.item)) for each in page] == items
    assert items or query.get("is_active") or query.get("storage_type") or query.get("needs_review")


async def test_stock_is_that_of_the_api_by_location(app: Litestar, member: AsyncClient, filled: None) -> None:
    skus = {sku["id"]: sku for sku in await get(member, "/skus/")}
    locations = {location["id"]: location for location in await get(member, "/locations/")}
    page = await _page(app.state.database, ItemFilter())
    rows = [row for each in page for row in each.stock]
    assert len(rows) == len(skus) == 9
    for row in rows:
        sku, location = skus[row.sku_id], locations[row.location_id]
        assert row.item_id == sku["item_id"]
        assert row.location_id == sku["location_id"]
        assert (row.quantity, row.unit, row.notes) == (sku["quantity"], sku["unit"], sku["notes"])
        assert str(row.expiry_date) == str(sku["expiry_date"])
        assert row.location_path == location["path"]
        assert row.storage_type.value == location["storage_type"]
        assert (row.box_no, row.loc_no) == (location["box_no"], location["loc_no"])
    salt, milk, peas, crackers, unknown = page
    assert [(row.location_path, row.quantity) for row in salt.stock] == [("Box 1 / 2", 2.5), ("shelf", 1)]
    assert [(row.location_path, row.quantity) for row in milk.stock] == [
        ("Fridge", 0), ("Fridge", 2), ("Fridge", 1), ("shelf", 4)
    ]  # fmt: skip
    assert crackers.stock == []
    assert [each.is_low for each in page] == [True, False, False, False, False]
    assert milk.nearest_expiry == clock.local_today() - timedelta(days=1)
    assert peas.nearest_expiry == clock.local_today()
    assert (salt.nearest_expiry, unknown.nearest_expiry) == (None, None)
    assert (peas.item.total_quantity, peas.item.unit) == (3.5, "kg")


@pytest.mark.parametrize("cause", list(AlertCause))
async def test_items_with_a_cause_of_alerts_are_listed(
    app: Litestar, member: AsyncClient, filled: None, cause: AlertCause
) -> None:
    assert _names(await _page(app.state.database, ItemFilter(cause=cause))) == CAUSES[cause]
    for alert in await get(member, "/alerts/"):
        made(await member.patch(f"/alerts/{alert['id']}/resolve"))
    assert _names(await _page(app.state.database, ItemFilter(cause=cause))) == CAUSES[cause]
    found = _names(await _page(app.state.database, ItemFilter(cause=cause, search="MIL")))
    assert found == [name for name in CAUSES[cause] if name == "Milk"]
    assert _names(await _page(app.state.database, ItemFilter(cause=cause, tag="white", after=1))) == found


async def _expiring(database: Database, cause: AlertCause, **more: Any) -> list[tuple[str, int, int]]:
    """A page of what expires: the name, the SKU, and in how many days it expires."""
    paging = {name: more.pop(name) for name in ("skip", "limit") if name in more}
    page = await _page(database, ItemFilter(cause=cause, **more), **paging)
    lots = [(each.item.name, each.expiring) for each in page]
    return [(name, lot.sku_id, (lot.expiry_date - clock.local_today()).days) for name, lot in lots if lot is not None]


async def test_what_expires_is_listed_by_date(app: Litestar, member: AsyncClient) -> None:
    shelf, database = await new_location(member), app.state.database
    days = {"Late": [7, 3000], "Both": [4, -4], "Soon": [1], "Today": [6, 0], "Long ago": [-9, 6], "Never": [3000]}
    for name, lots in days.items():
        item = await new_item(member, name)
        await new_stock(member, item, shelf, 1)
        for number in lots:
            await new_stock(member, item, shelf, 1, expiry_date=str(clock.local_today() + timedelta(days=number)))
    soon = await _expiring(database, AlertCause.EXPIRING)
    assert [(name, number) for name, _, number in soon] == [
        ("Today", 0), ("Soon", 1), ("Both", 4), ("Long ago", 6), ("Late", 7)
    ]  # fmt: skip
    past = await _expiring(database, AlertCause.EXPIRED)
    assert [(name, number) for name, _, number in past] == [("Long ago", -9), ("Both", -4)]
    for cause, whole in ((AlertCause.EXPIRING, soon), (AlertCause.EXPIRED, past)):
        pages: list[tuple[str, int, int]] = []
        while page := await _expiring(
            database,
            cause,
            after=pages[-1][1] if pages else 0,
            after_day=clock.local_today() + timedelta(days=pages[-1][2]) if pages else None,
            limit=2,
        ):
            pages += page
        assert pages == whole
        assert await _expiring(database, cause, skip=1, limit=2) == whole[1:3]
    # A page begins after its position also when what was there is used up.
    made(await member.put(f"/skus/{soon[1][1]}/quantity", json={"quantity": 0}))
    position = {"after": soon[1][1], "after_day": clock.local_today() + timedelta(days=1)}
    assert await _expiring(database, AlertCause.EXPIRING, **position) == soon[2:]


async def test_lots_of_one_date_are_listed_once_each(app: Litestar, member: AsyncClient) -> None:
    shelf, today = await new_location(member), str(clock.local_today())
    items = [await new_item(member, f"Item {number}") for number in range(3)]
    for lot in ("A", "B"):
        for item in reversed(items):
            await new_stock(member, item, shelf, 1, expiry_date=today, lot=lot)
    seen: list[tuple[str, int, int]] = []
    while page := await _expiring(
        app.state.database,
        AlertCause.EXPIRING,
        after=seen[-1][1] if seen else 0,
        after_day=clock.local_today() if seen else None,
        limit=1,
    ):
        seen += page
    assert [name for name, _, _ in seen] == ["Item 2", "Item 1", "Item 0"]


async def test_items_are_found_by_their_ids_in_the_given_order(
    app: Litestar, member: AsyncClient, filled: None
) -> None:
    async with app.state.database.read() as read:
        found = await get_stocked_items(read, [3, 999, 1])
        assert await get_stocked_items(read, []) == []
    assert _names(found) == ["Peas", "Salt"]
    assert [len(each.stock) for each in found] == [2, 2]
