"""How long an item keeps: additions without a date get one, and what is opened expires earlier and is used first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from httpx import AsyncClient

from stocky import clock
from stocky.config import Config
from stocky.stock.consistency import find_faults
from tests.inventory import Json, get, made, new_item, new_location, new_stock, refused, total
from tests.merging.merges import merge, unmerge
from tests.scanner.conftest import Scan

EAN = "4006381333931"


def days_from_now(days: int) -> str:
    return (clock.local_today() + timedelta(days=days)).isoformat()


@pytest.fixture
async def milk(member: AsyncClient) -> Json:
    return await new_item(member, "Milk", upc=EAN, shelf_life_days=10, opened_days=3)


async def book(client: AsyncClient, item: Json, location: Json, type: str, quantity: float, **fields: Any) -> Json:
    """The result of one event."""
    event = {"type": type, "item": {"id": item["id"]}, "location": {"id": location["id"]}, "quantity": quantity}
    [result] = made(await client.post("/events", json={"events": [event | fields]}))["results"]
    return dict(result)


async def stock(client: AsyncClient, item: Json) -> dict[tuple[str | None, str | None], float]:
    """Quantities by expiry date and the day of opening, without empty SKUs."""
    skus = await get(client, "/skus/", item_id=item["id"])
    return {(sku["expiry_date"], sku["opened_on"]): sku["quantity"] for sku in skus if sku["quantity"]}


async def test_scan_without_a_date_gets_one(member: AsyncClient, milk: Json, scan: Scan, set_state: Scan) -> None:
    await set_state("add", await new_location(member))
    await scan(EAN)
    await scan(f"(01)0{EAN}(17)301231")
    assert await stock(member, milk) == {(days_from_now(10), None): 1, ("2030-12-31", None): 1}
    made(await member.patch(f"/items/{milk['id']}", json={"shelf_life_days": None}))
    assert [sku["expiry_date"] for sku in (await scan(EAN))["skus"]].count(None) == 1


async def test_date_is_counted_from_when_it_was_scanned(member: AsyncClient, milk: Json) -> None:
    shelf = await new_location(member)
    await book(member, milk, shelf, "add", 1, occurred_at="2026-01-31T12:00:00Z")
    await book(member, milk, shelf, "add", 1, expiry_date=None)
    await book(member, milk, shelf, "add", 1, lot="2030-01-31")
    await book(member, milk, shelf, "set", 5, lot="2030-01-31")
    await new_stock(member, milk, shelf, 1)
    assert await stock(member, milk) == {("2026-02-10", None): 1, (None, None): 2, ("2030-01-31", None): 5}


async def test_opened_stock_expires_earlier_and_is_used_first(member: AsyncClient, milk: Json, config: Config) -> None:
    shelf = await new_location(member)
    closed = await new_stock(member, milk, shelf, 3, expiry_date="2030-01-31", lot="L1", notes="top")
    opened = made(await member.post(f"/skus/{closed['id']}/open", json={"quantity": 1}))
    today = clock.local_today().isoformat()
    assert (opened["quantity"], opened["opened_on"], opened["expiry_date"]) == (1, today, days_from_now(3))
    assert (opened["lot"], opened["location_id"]) == ("L1", shelf["id"])
    assert await stock(member, milk) == {("2030-01-31", None): 2, (days_from_now(3), today): 1}
    taking, giving = (await get(member, "/events", item_id=milk["id"], limit=2))["events"]
    assert (taking["type"], taking["delta"], taking["opened_on"]) == ("move", 1, today)
    assert (giving["type"], giving["delta"], giving["opened_on"]) == ("move", -1, None)
    assert taking["transfer_id"] == giving["transfer_id"] == giving["id"]
    await book(member, milk, shelf, "remove", 0.5)
    assert await stock(member, milk) == {("2030-01-31", None): 2, (days_from_now(3), today): 0.5}
    refused(await member.post(f"/skus/{opened['id']}/open", json={"quantity": 0.5}), 422, "opened already")
    refused(await member.post(f"/skus/{closed['id']}/open", json={"quantity": 3}), 409, "Only 2 of Milk")
    refused(await member.post(f"/events/{giving['id']}/undo"), 409, "would leave")
    assert await total(member, milk) == 2.5
    assert await find_faults(config) == []


async def test_opening_is_an_event_that_counts_once_and_is_undone(
    member: AsyncClient, milk: Json, config: Config
) -> None:
    shelf = await new_location(member)
    await book(member, milk, shelf, "add", 2, expiry_date="2030-01-31")
    sent = {"event_id": "e1", "occurred_at": "2026-02-01T09:00:00Z"}
    first = await book(member, milk, shelf, "open", 1, **sent)
    assert (await book(member, milk, shelf, "open", 1, **sent))["status"] == "duplicate"
    # Only what is closed.
    assert (await book(member, milk, shelf, "open", 2))["status"] == "rejected"
    assert await stock(member, milk) == {("2030-01-31", None): 1, ("2026-02-04", "2026-02-01"): 1}
    cellar = await new_location(member, "Cellar")
    await book(member, milk, shelf, "move", 1, to_location={"id": cellar["id"]})
    [there] = [sku for sku in await get(member, "/skus/", location_id=cellar["id"]) if sku["quantity"]]
    assert there["opened_on"] == "2026-02-01"
    moved = (await get(member, "/events", item_id=milk["id"], limit=1))["events"][0]
    made(await member.post(f"/events/{moved['id']}/undo"))
    made(await member.post(f"/events/{first['id']}/undo"))
    assert await stock(member, milk) == {("2030-01-31", None): 2}
    assert await find_faults(config) == []


@pytest.mark.parametrize(("expiry", "opened_days", "expected"), [
    ("2026-02-02", 3, "2026-02-02"), ("2030-01-31", None, "2030-01-31"), (None, 3, "2026-02-04"), (None, None, None),
])  # fmt: skip
@pytest.mark.one_server
async def test_opened_stock_expires_no_later_than_before(
    member: AsyncClient, expiry: str | None, opened_days: int | None, expected: str | None
) -> None:
    item, shelf = await new_item(member, opened_days=opened_days), await new_location(member)
    await book(member, item, shelf, "add", 1, expiry_date=expiry)
    await book(member, item, shelf, "open", 1, occurred_at="2026-02-01T09:00:00Z")
    assert await stock(member, item) == {(expected, "2026-02-01"): 1}


async def test_opened_piece_is_one_piece(member: AsyncClient, config: Config) -> None:
    item, shelf = await new_item(member), await new_location(member)
    piece = await new_stock(member, item, shelf, 1, serial="S1")
    opened = made(await member.post(f"/skus/{piece['id']}/open", json={"quantity": 1, "event_id": "e1"}))
    assert (opened["serial"], opened["quantity"]) == ("S1", 1)
    assert made(await member.post(f"/skus/{piece['id']}/open", json={"quantity": 1.0, "event_id": "e1"})) == opened
    target = await new_item(member, "Other")
    await merge(member, item, target)
    assert await stock(member, target) == {(None, clock.local_today().isoformat()): 1}
    await unmerge(member, item)
    assert await stock(member, item) == {(None, clock.local_today().isoformat()): 1}
    assert await find_faults(config) == []


async def test_label_of_a_package_names_what_was_opened_of_it(
    member: AsyncClient, milk: Json, scan: Scan, set_state: Scan, config: Config
) -> None:
    shelf, label = await new_location(member), f"]C101{EAN:0>14}1730123110L1"
    closed = await new_stock(member, milk, shelf, 2, expiry_date="2030-12-31", lot="L1")
    made(await member.post(f"/skus/{closed['id']}/open", json={"quantity": 1}))
    today = clock.local_today().isoformat()
    await set_state("remove", shelf)
    await scan(label)
    assert await stock(member, milk) == {("2030-12-31", None): 1}
    made(await member.post(f"/skus/{closed['id']}/open", json={"quantity": 1}))
    await set_state("count", shelf)
    await scan(label, quantity=0.5)
    assert await stock(member, milk) == {(days_from_now(3), today): 0.5}
    # More of the lot has its date, and not that of what is open.
    await book(member, milk, shelf, "add", 4, lot="L1")
    assert await stock(member, milk) == {("2030-12-31", None): 4, (days_from_now(3), today): 0.5}
    assert await find_faults(config) == []


async def test_count_of_an_opened_piece_counts_it(member: AsyncClient, config: Config) -> None:
    item, shelf = await new_item(member), await new_location(member)
    piece = await new_stock(member, item, shelf, 1, serial="S1")
    made(await member.post(f"/skus/{piece['id']}/open", json={"quantity": 1}))
    for quantity in (1, 0):
        result = await book(member, item, shelf, "set", quantity, serial="S1")
        assert (result["status"], await total(member, item)) == ("applied", quantity), result
    assert await find_faults(config) == []


@pytest.mark.parametrize("days", [0, -1, 36_501, 1.5, "many"])
@pytest.mark.one_server
async def test_days_are_whole_and_bounded(member: AsyncClient, milk: Json, days: Any) -> None:
    for field in ("shelf_life_days", "opened_days"):
        refused(await member.patch(f"/items/{milk['id']}", json={field: days}), 422, field)


async def test_days_are_those_of_the_configured_zone(
    member: AsyncClient, milk: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Fourteen hours ahead of UTC, eleven behind it: where it is another day than in UTC at this moment.
    name = "Pacific/Kiritimati" if clock.now().hour > 10 else "Pacific/Pago_Pago"
    monkeypatch.setattr(clock, "_zone", ZoneInfo(name))
    assert clock.local_today() != clock.today()
    shelf = await new_location(member)
    await book(member, milk, shelf, "add", 1)
    assert await stock(member, milk) == {(days_from_now(10), None): 1}
    [sku] = await get(member, "/skus/")
    opened = made(await member.post(f"/skus/{sku['id']}/open", json={"quantity": 1}))
    assert (opened["opened_on"], opened["expiry_date"]) == (days_from_now(0), days_from_now(3))
    for days in (-1, 0):
        cream = await new_item(member, "Cream")
        await new_stock(member, cream, shelf, 1, expiry_date=days_from_now(days))
        types = [each["alert_type"] for each in await get(member, "/alerts/") if each["item_id"] == cream["id"]]
        assert types == ["expired" if days < 0 else "expiring"]
    booked = {"type": "add", "item": {"id": milk["id"]}, "location": {"id": shelf["id"]}, "quantity": 1}
    made(await member.post("/events", json={"events": [booked | {"occurred_at": "2026-01-31T23:30:00+00:00"}]}))
    day = clock.local_date(datetime(2026, 1, 31, 23, 30, tzinfo=UTC))
    assert (day + timedelta(days=10)).isoformat() in [each["expiry_date"] for each in await get(member, "/skus/")]
