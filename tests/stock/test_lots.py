"""Lots and serial numbers: what tells SKUs apart, from the request to the history, and the one place of a piece."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import AsyncClient

from stocky.config import Config
from stocky.stock.consistency import find_faults
from tests.inventory import Json, get, made, new_item, new_location, new_stock, refused, total
from tests.merging.merges import merge, unmerge

Place = tuple[Json, Json]


@pytest.fixture
async def place(member: AsyncClient) -> Place:
    """An item and a location."""
    return await new_item(member, "Drill"), await new_location(member)


async def book(client: AsyncClient, place: Place, type: str, quantity: float, **fields: Any) -> Json:
    """The result of one event."""
    item, location = place
    event = {"type": type, "item": {"id": item["id"]}, "location": {"id": location["id"]}, "quantity": quantity}
    [result] = made(await client.post("/events", json={"events": [event | fields]}))["results"]
    return dict(result)


async def stock(client: AsyncClient, **filters: Any) -> dict[tuple[str | None, str, str], float]:
    """Quantities by expiry date, lot and serial number, without empty SKUs."""
    skus = await get(client, "/skus/", **filters)
    return {(sku["expiry_date"], sku["lot"], sku["serial"]): sku["quantity"] for sku in skus if sku["quantity"]}


async def test_empty_lot_of_an_event_is_none(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    event = {"type": "add", "item": {"id": item["id"]}, "location": {"id": shelf["id"]}, "quantity": 2}
    answer = made(await member.post("/events", json={"events": [{**event, "lot": "", "serial": ""}, event]}))
    assert answer["applied"] == 2
    [sku] = await get(member, "/skus/", item_id=item["id"])
    assert (sku["lot"], sku["serial"], sku["quantity"]) == ("", "", 4)


async def test_sku_is_one_lot(member: AsyncClient, place: Place, config: Config) -> None:
    item, shelf = place
    first = await new_stock(member, item, shelf, 3, lot=" L1 ", expiry_date="2030-01-31")
    assert (first["lot"], first["serial"]) == ("L1", "")
    assert (await new_stock(member, item, shelf, 2, lot="L1", expiry_date="2030-01-31"))["id"] == first["id"]
    others: list[Json] = [{"lot": "L2", "expiry_date": "2030-01-31"}, {"lot": "L1"}, {}, {"lot": None, "serial": ""}]
    ids = [(await new_stock(member, item, shelf, 1, **fields))["id"] for fields in others]
    assert len({first["id"], *ids}) == 4
    assert await stock(member) == {
        ("2030-01-31", "L1", ""): 5,
        ("2030-01-31", "L2", ""): 1,
        (None, "L1", ""): 1,
        (None, "", ""): 2,
    }
    assert await stock(member, lot="L1") == {("2030-01-31", "L1", ""): 5, (None, "L1", ""): 1}
    assert await stock(member, search="l2") == {("2030-01-31", "L2", ""): 1}
    refused(await member.patch(f"/skus/{ids[1]}", json={"expiry_date": "2030-01-31"}), 409, "lot")
    before = (await get(member, f"/skus/{ids[1]}"))["version"]
    changed = made(await member.patch(f"/skus/{ids[1]}", json={"lot": "L3"}))
    assert (changed["lot"], changed["version"]) == ("L3", before + 1)
    assert made(await member.patch(f"/skus/{ids[1]}", json={"lot": "", "expiry_date": "2031-01-01"}))["lot"] == ""
    assert await find_faults(config) == []


async def test_event_names_lot_and_expiry_date(member: AsyncClient, place: Place) -> None:
    added = await book(member, place, "add", 5, lot="L1", expiry_date="2030-01-31")
    await book(member, place, "add", 4, lot="L2", expiry_date="2029-01-31")
    event = await get(member, f"/events/{added['id']}")
    assert (event["expiry_date"], event["lot"], event["serial"]) == ("2030-01-31", "L1", "")
    # The date of a lot is known by now.
    assert (await book(member, place, "add", 1, lot="L1"))["sku_id"] == added["sku_id"]
    assert (await book(member, place, "remove", 2, lot="L1"))["quantity_after"] == 4
    assert (await book(member, place, "set", 7, lot="L1"))["sku_id"] == added["sku_id"]
    short = await book(member, place, "remove", 9, lot="L1")
    assert (short["status"], short["reason"]) == ("rejected", "Only 7 of Drill (lot L1) in stock; 9 requested")
    # Without a lot, the earliest expiry first, as ever.
    await book(member, place, "remove", 5)
    assert await stock(member) == {("2030-01-31", "L1", ""): 6}


async def test_lot_that_is_a_date_is_the_expiry_date(member: AsyncClient, place: Place) -> None:
    """As clients sent it before lots had numbers."""
    await book(member, place, "add", 1, lot="2030-01-31")
    await book(member, place, "add", 2, lot="2030-01-31", expiry_date=None)
    await book(member, place, "add", 3, lot="2030-01-31", expiry_date="2031-01-01T10:00:00Z")
    assert await stock(member) == {
        ("2030-01-31", "", ""): 1,
        (None, "2030-01-31", ""): 2,
        ("2031-01-01", "2030-01-31", ""): 3,
    }
    await book(member, place, "remove", 1, lot="2030-01-31")
    assert ("2030-01-31", "", "") not in await stock(member)
    wrong = await book(member, place, "add", 1, lot="2030-02-30")
    assert (wrong["status"], "looks like a date" in wrong["reason"]) == ("rejected", True)


async def test_count_of_a_date_with_several_lots_needs_the_lot(member: AsyncClient, place: Place) -> None:
    for lot in ("L1", "L2"):
        await book(member, place, "add", 1, lot=lot, expiry_date="2030-01-31")
    unclear = await book(member, place, "set", 5, lot="2030-01-31")
    assert (unclear["status"], "Several lots" in unclear["reason"]) == ("rejected", True)
    assert (await book(member, place, "set", 5, lot="L2"))["status"] == "applied"
    assert await stock(member, lot="L2") == {("2030-01-31", "L2", ""): 5}


async def test_count_goes_to_the_only_stock_that_it_may_mean(member: AsyncClient, place: Place) -> None:
    await book(member, place, "add", 3, expiry_date="2030-01-31")
    await book(member, place, "remove", 3)
    await book(member, place, "add", 5, expiry_date="2030-01-31", lot="L1")
    await book(member, place, "set", 4, lot="2030-01-31")
    assert await stock(member) == {("2030-01-31", "L1", ""): 4}


async def test_counts_of_two_lots_do_not_replace_each_other(member: AsyncClient, place: Place) -> None:
    await book(member, place, "add", 3, expiry_date="2030-01-31")
    await book(member, place, "remove", 3)
    for lot, quantity in (("L1", 4), ("L2", 3)):
        await book(member, place, "set", quantity, expiry_date="2030-01-31", lot=lot)
    assert await stock(member) == {("2030-01-31", "L1", ""): 4, ("2030-01-31", "L2", ""): 3}


async def test_history_by_lot_and_serial(member: AsyncClient, place: Place) -> None:
    item, _ = place
    tea = (await new_item(member, "Tea"), await new_location(member, "Cellar"))
    await book(member, place, "add", 5, lot="L1")
    await book(member, place, "add", 5, lot="L2")
    await book(member, tea, "add", 5, lot="L1")
    await book(member, place, "add", 1, lot="L1", serial="S1")
    await book(member, place, "remove", 2, lot="L1")

    async def found(**filters: Any) -> list[tuple[str, float]]:
        events = (await get(member, "/events", **filters))["events"]
        return [(event["lot"], event["delta"]) for event in events]

    assert await found(lot="L1") == [("L1", -2), ("L1", 1), ("L1", 5), ("L1", 5)]
    assert await found(lot="L1", item_id=item["id"]) == [("L1", -2), ("L1", 1), ("L1", 5)]
    assert await found(lot="L1", type="remove") == [("L1", -2)]
    assert await found(lot="L1", limit=1) == [("L1", -2)]
    assert await found(serial="S1") == await found(serial="S1", lot="L1") == [("L1", 1)]
    assert await found(serial="S1", lot="L2") == await found(lot="L9") == []
    assert len(await found(lot="", serial="")) == 5
    exported = (await member.get("/exports/events.csv", params={"lot": "L1"})).text.splitlines()
    assert (len(exported), "location_path,lot,serial" in exported[0]) == (5, True)
    assert ",Shelf,L1,S1" in exported[3]
    assert len((await member.get("/exports/stock.csv", params={"serial": "S1"})).text.splitlines()) == 2


async def test_serial_number_is_one_piece_at_one_place(member: AsyncClient, place: Place, config: Config) -> None:
    item, shelf = place
    cellar = await new_location(member, "Cellar")
    added = await book(member, place, "add", 1, serial="S1", lot="L1", expiry_date="2030-01-31")
    for elsewhere, words in ((place, "in stock already"), ((item, cellar), "at another place already")):
        again = await book(member, elsewhere, "add", 1, serial="S1")
        assert (again["status"], words in again["reason"]) == ("rejected", True), again
    for quantity in (2, 0.5):
        wrong = await book(member, place, "add", quantity, serial="S2")
        assert (wrong["status"], "one piece" in wrong["reason"]) == ("rejected", True), wrong
    assert "one piece" in (await book(member, place, "add", 1, serial="S2", unit="kg"))["reason"]
    other = (await new_item(member, "Saw"), shelf)
    assert (await book(member, other, "add", 1, serial="S1"))["status"] == "applied"
    # A move carries all, and the piece is found without its location.
    moved = await book(member, place, "move", 1, serial="S1", location=None, to_location={"id": cellar["id"]})
    assert moved["status"] == "applied", moved
    [piece] = [sku for sku in await get(member, "/skus/", serial="S1", location_id=cellar["id"]) if sku["quantity"]]
    assert (piece["expiry_date"], piece["lot"]) == ("2030-01-31", "L1")
    assert (await book(member, (item, cellar), "remove", 1, serial="S1"))["quantity_after"] == 0
    gone = await book(member, (item, cellar), "remove", 1, serial="S1")
    assert gone["reason"] == "Only 0 of Drill (serial number S1) in stock; 1 requested"
    # What comes back is known by its number.
    assert (await book(member, place, "add", 1, serial="S1"))["sku_id"] == added["sku_id"]
    refused(await member.post(f"/events/{moved['id']}/undo"), 409, "would leave -1")
    assert await find_faults(config) == []


@pytest.mark.parametrize("policy", ["clamp", "allow"])
async def test_no_piece_is_below_zero(member: AsyncClient, policy: str, config: Config) -> None:
    place = (await new_item(member, "Drill", oversell_policy=policy), await new_location(member))
    await book(member, place, "add", 1, serial="S1")
    for quantity in (2, 1, 1):
        await book(member, place, "remove", quantity, serial="S1")
    assert (None, "", "S1") not in await stock(member)
    assert await find_faults(config) == []


async def test_pieces_without_a_number_are_taken_first(member: AsyncClient, place: Place) -> None:
    item, shelf = place
    await new_stock(member, item, shelf, 1, serial="S1")
    await new_stock(member, item, shelf, 2)
    await book(member, place, "remove", 2)
    assert await stock(member) == {(None, "", "S1"): 1}
    half = await book(member, place, "remove", 0.5)
    assert (half["status"], "one piece" in half["reason"]) == ("rejected", True)
    await book(member, place, "remove", 1)
    assert await total(member, item) == 0


async def test_serial_number_of_a_sku_is_changed(member: AsyncClient, place: Place, config: Config) -> None:
    item, shelf = place
    many = await new_stock(member, item, shelf, 2)
    refused(await member.patch(f"/skus/{many['id']}", json={"serial": "S1"}), 409, "one piece")
    piece = await new_stock(member, item, shelf, 1, lot="L1")
    assert made(await member.patch(f"/skus/{piece['id']}", json={"serial": "S1"}))["serial"] == "S1"
    refused(await member.patch(f"/skus/{piece['id']}", json={"unit": "kg"}), 409, "one piece")
    refused(await member.put(f"/skus/{piece['id']}/quantity", json={"quantity": 2}), 409, "in stock already")
    refused(await member.post(f"/skus/{piece['id']}/adjust", json={"delta": -0.5}), 409, "one piece")
    other = await new_stock(member, item, shelf, 1, lot="L2")
    refused(await member.patch(f"/skus/{other['id']}", json={"serial": "S1"}), 409, "in stock already")
    cellar = await new_location(member, "Cellar")
    moved = made(await member.put(f"/skus/{piece['id']}", json={"location_id": cellar["id"]}))
    assert (moved["lot"], moved["serial"], moved["quantity"]) == ("L1", "S1", 1)
    assert made(await member.patch(f"/skus/{moved['id']}", json={"serial": None}))["serial"] == ""
    assert await find_faults(config) == []


async def test_merge_carries_lots_and_refuses_one_serial_number_twice(
    member: AsyncClient, place: Place, config: Config
) -> None:
    source, shelf = place
    target = await new_item(member, "Drill 2")
    await new_stock(member, source, shelf, 3, lot="L1")
    piece = await new_stock(member, source, shelf, 1, lot="L1", serial="S1")
    await new_stock(member, target, shelf, 1, lot="L1")
    same = await new_stock(member, target, shelf, 1, serial="S1")
    refused(await member.post(f"/items/{source['id']}/merge", json={"into": target["id"]}), 409, "serial number S1")
    made(await member.put(f"/skus/{same['id']}/quantity", json={"quantity": 0}))
    await merge(member, source, target)
    assert await stock(member, item_id=target["id"]) == {(None, "L1", ""): 4, (None, "L1", "S1"): 1}
    # An undo of what the source had before goes through the merge.
    added = (await get(member, "/events", item_id=source["id"], serial="S1"))["events"][-1]
    assert added["sku_id"] == piece["id"]
    made(await member.post(f"/events/{added['id']}/undo"))
    assert await stock(member, item_id=target["id"]) == {(None, "L1", ""): 4}
    await unmerge(member, source)
    assert await stock(member, item_id=source["id"]) == {(None, "L1", ""): 3}
    assert await find_faults(config) == []


async def test_everything_at_a_location_moves_with_its_lots(member: AsyncClient, place: Place, config: Config) -> None:
    item, shelf = place
    cellar = await new_location(member, "Cellar")
    await new_stock(member, item, shelf, 3, lot="L1", expiry_date="2030-01-31")
    await new_stock(member, item, shelf, 1, lot="L2", serial="S1")
    await new_stock(member, item, cellar, 2, lot="L1", expiry_date="2030-01-31")
    batch = await book(member, place, "move", 4, to_location={"id": cellar["id"]})
    assert batch["status"] == "applied"
    expected = {("2030-01-31", "L1", ""): 5, (None, "L2", "S1"): 1}
    assert await stock(member, location_id=cellar["id"]) == expected
    assert await stock(member, location_id=shelf["id"]) == {}
    made(await member.post(f"/events/{batch['id']}/undo"))
    assert await stock(member, location_id=cellar["id"]) == {("2030-01-31", "L1", ""): 2}
    assert await find_faults(config) == []
