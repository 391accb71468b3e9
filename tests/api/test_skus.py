"""`/skus` over HTTP; the rules of the ledger have separate tests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient

from stocky import clock
from tests.inventory import get, made, new_item, new_location, new_stock, refused, total


async def test_sku_has_the_documented_form(member: AsyncClient, reader: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    body = {"item_id": item["id"], "location_id": shelf["id"], "quantity": 2.125, "unit": "kg"}
    answer = await member.post("/skus/", json={**body, "expiry_date": "2030-01-31", "notes": "half open"})
    assert answer.status_code == 201
    sku = answer.json()
    assert set(sku) == {
        "id", "quantity", "unit", "expiry_date", "lot", "serial", "opened_on", "notes", "is_active", "item_id",
        "location_id", "created_at", "updated_at", "version",
    }  # fmt: skip
    assert (sku["quantity"], sku["unit"], sku["expiry_date"]) == (2.125, "kg", "2030-01-31")
    assert (sku["notes"], sku["is_active"]) == ("half open", True)
    assert b'"quantity":2.125' in answer.content
    for path in (f"/skus/{sku['id']}", f"/skus/{sku['id']}/"):
        assert await get(reader, path) == sku
    nested = await get(reader, f"/skus/{sku['id']}", expand="item,location")
    assert (nested["item"]["name"], nested["location"]["name"]) == ("Coffee", "Shelf")
    assert nested["item"]["total_quantity"] == 2.125
    [listed] = await get(reader, "/skus", expand="LOCATION")
    assert ("item" in listed, listed["location"]["id"]) == (False, shelf["id"])
    refused(await reader.get("/skus/999"), 404, "SKU", "999")


async def test_posting_a_sku_that_exists_adds_to_it(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    body = {"item_id": item["id"], "location_id": shelf["id"], "quantity": 2}
    first = await member.post("/skus/", json=body)
    again = await member.post("/skus", json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert (again.json()["id"], again.json()["quantity"]) == (first.json()["id"], 4)
    lot = await member.post("/skus/", json={**body, "expiry_date": "2030-01-31"})
    assert (lot.status_code, lot.json()["quantity"]) == (201, 2)
    empty = await member.post("/skus/", json={**body, "expiry_date": "2031-01-31", "quantity": 0})
    assert (empty.status_code, empty.json()["quantity"]) == (201, 0)
    assert await total(member, item) == 6
    assert [event["delta"] for event in (await get(member, "/events"))["events"]] == [2, 2, 2]


async def test_a_sku_posted_again_with_its_event_id_is_added_once(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    body = {"item_id": item["id"], "location_id": shelf["id"], "quantity": 2, "event_id": "e1"}
    for _ in range(2):
        assert made(await member.post("/skus/", json=body))["quantity"] == 2
    refused(await member.post("/skus/", json={**body, "quantity": 3}), 409, "e1")
    assert await total(member, item) == 2


async def test_a_quantity_is_set_adjusted_and_changed_by_events(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    sku = await new_stock(member, item, shelf, 5)
    path = f"/skus/{sku['id']}"
    assert made(await member.put(f"{path}/quantity", json={"quantity": 3.5}))["quantity"] == 3.5
    assert made(await member.post(f"{path}/adjust", json={"delta": -0.5, "note": "spilt"}))["quantity"] == 3
    assert made(await member.post(f"{path}/adjust", json={"delta": 2}))["quantity"] == 5
    assert made(await member.put(path, json={"quantity": 1, "notes": "low"}))["quantity"] == 1
    assert made(await member.patch(path, json={"quantity": 4}))["notes"] == "low"
    refused(await member.post(f"{path}/adjust", json={"delta": -5}), 409, "4", "Coffee")
    events = (await get(member, f"/items/{item['id']}/events"))["events"]
    assert [(event["type"], event["delta"], event["quantity_after"]) for event in events] == [
        ("set", 3, 4), ("set", -4, 1), ("add", 2, 5), ("remove", -0.5, 3), ("set", -1.5, 3.5), ("add", 5, 5),
    ]  # fmt: skip
    assert events[3]["note"] == "spilt"


async def test_change_supports_if_match(member: AsyncClient) -> None:
    sku = await new_stock(member, await new_item(member), await new_location(member), 5)
    path = f"/skus/{sku['id']}"
    right = {"If-Match": str(sku["version"])}
    assert made(await member.put(f"{path}/quantity", json={"quantity": 3}, headers=right))["quantity"] == 3
    for method, to, body in (
        (member.put, f"{path}/quantity", {"quantity": 1}),
        (member.put, path, {"quantity": 1}),
        (member.patch, path, {"notes": "x"}),
    ):
        refused(await method(to, json=body, headers=right), 412, "read it again")
    assert (await get(member, path))["quantity"] == 3
    now = {"If-Match": f'W/"{(await get(member, path))["version"]}"'}
    assert made(await member.patch(path, json={"notes": "x"}, headers=now))["notes"] == "x"


async def test_deleting_a_sku_writes_it_off_and_hides_it(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    sku = await new_stock(member, item, shelf, 5)
    answer = await member.delete(f"/skus/{sku['id']}")
    assert (answer.status_code, answer.json()) == (200, {"message": f"SKU {sku['id']} deleted"})
    refused(await member.get(f"/skus/{sku['id']}"), 404)
    refused(await member.delete(f"/skus/{sku['id']}"), 404)
    refused(await member.put(f"/skus/{sku['id']}/quantity", json={"quantity": 1}), 404)
    assert await get(member, "/skus/") == []
    assert await total(member, item) == 0
    [written_off, _] = (await get(member, "/events"))["events"]
    assert (written_off["delta"], written_off["quantity_after"]) == (-5, 0)
    back = await member.post("/skus/", json={"item_id": item["id"], "location_id": shelf["id"], "quantity": 1})
    assert (back.json()["id"], back.json()["quantity"]) == (sku["id"], 1)


async def test_sku_cannot_change_its_item(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    other = await new_item(member, "Tea")
    sku = await new_stock(member, item, shelf, 5)
    await new_stock(member, item, shelf, 1, expiry_date="2030-01-31")
    path = f"/skus/{sku['id']}"
    refused(await member.patch(path, json={"item_id": other["id"], "quantity": 1}), 409, "item")
    refused(await member.patch(path, json={"expiry_date": "2030-01-31"}), 409, "lot")
    assert await get(member, path) == sku
    same = {"item_id": item["id"], "location_id": shelf["id"], "expiry_date": "2031-01-31", "is_active": True}
    assert made(await member.patch(path, json=same))["expiry_date"] == "2031-01-31"
    assert made(await member.patch(path, json={"expiry_date": None}))["expiry_date"] is None


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_another_location_moves_the_whole_quantity(member: AsyncClient, method: str) -> None:
    item, shelf, cellar = await new_item(member), await new_location(member), await new_location(member, "Cellar")
    sku = await new_stock(member, item, shelf, 5, unit="kg", notes="open", expiry_date="2030-01-31")
    # As clients send it that read the SKU and send all of it back.
    body = {**sku, "location_id": cellar["id"], "quantity": 4, "expiry_date": "2031-01-31T00:00:00Z"}
    moved = made(await member.request(method, f"/skus/{sku['id']}", json=body))
    assert (moved["location_id"], moved["quantity"], moved["unit"]) == (cellar["id"], 4, "kg")
    assert (moved["notes"], moved["expiry_date"], moved["is_active"]) == ("open", "2031-01-31", True)
    assert await get(member, f"/skus/{moved['id']}") == moved
    assert await get(member, "/skus/") == [moved]
    refused(await member.get(f"/skus/{sku['id']}"), 404)
    [arrived, left, counted, _] = (await get(member, "/events"))["events"]
    assert [(each["type"], each["delta"], each["location_id"]) for each in (counted, left, arrived)] == [
        ("set", -1, shelf["id"]), ("move", -4, shelf["id"]), ("move", 4, cellar["id"]),
    ]  # fmt: skip
    assert arrived["transfer_id"] == left["id"]
    assert arrived["user_id"] == (await get(member, "/auth/me"))["id"]
    made(await member.post(f"/events/{arrived['id']}/undo"))
    assert (await get(member, f"/skus/{sku['id']}"))["quantity"] == 4
    assert await total(member, item) == 4


async def test_moved_sku_joins_the_same_lot_there(member: AsyncClient) -> None:
    item, shelf, cellar = await new_item(member), await new_location(member), await new_location(member, "Cellar")
    there = await new_stock(member, item, cellar, 1, notes="old", expiry_date="2030-01-31")
    without = await new_stock(member, item, cellar, 7)
    sku = await new_stock(member, item, shelf, 2, notes="new")
    body = {"location_id": cellar["id"], "expiry_date": "2030-01-31"}
    moved = made(await member.put(f"/skus/{sku['id']}", json=body))
    assert (moved["id"], moved["quantity"], moved["notes"]) == (there["id"], 3, "old")
    assert (await get(member, f"/skus/{without['id']}"))["quantity"] == 7
    other = await new_stock(member, item, shelf, 1)
    moved = made(await member.put(f"/skus/{other['id']}", json={"location_id": cellar["id"], "notes": "mixed"}))
    assert (moved["id"], moved["quantity"], moved["notes"]) == (without["id"], 8, "mixed")


async def test_empty_sku_changes_its_location_without_an_event(member: AsyncClient) -> None:
    item, shelf, cellar = await new_item(member), await new_location(member), await new_location(member, "Cellar")
    sku = await new_stock(member, item, shelf, 0, unit="l", notes="to fill", expiry_date="2030-01-31")
    moved = made(await member.put(f"/skus/{sku['id']}", json={"location_id": cellar["id"]}))
    assert (moved["location_id"], moved["quantity"], moved["unit"]) == (cellar["id"], 0, "l")
    assert (moved["notes"], moved["expiry_date"]) == ("to fill", "2030-01-31")
    assert await get(member, "/skus/") == [moved]
    assert (await get(member, "/events"))["events"] == []


async def test_move_that_is_refused_changes_nothing(member: AsyncClient) -> None:
    item, shelf = await new_item(member, oversell_policy="allow"), await new_location(member)
    gone = await new_location(member, "Cellar")
    assert made(await member.delete(f"/locations/{gone['id']}")) == {"message": f"Location {gone['id']} deleted"}
    sku = await new_stock(member, item, shelf, 2)
    path = f"/skus/{sku['id']}"
    for location_id in (999, gone["id"]):
        answer = await member.put(path, json={"location_id": location_id, "quantity": 9, "notes": "x"})
        refused(answer, 404, str(location_id))
    stale = {"If-Match": str(sku["version"] + 1)}
    other = await new_location(member, "Loft")
    refused(await member.put(path, json={"location_id": other["id"]}, headers=stale), 412)
    assert await get(member, path) == sku
    made(await member.post(f"{path}/adjust", json={"delta": -3}))
    refused(await member.put(path, json={"location_id": other["id"]}), 409, "count")
    assert (await get(member, path))["quantity"] == -1


async def test_inactive_is_as_deleted(member: AsyncClient) -> None:
    item, shelf, cellar = await new_item(member), await new_location(member), await new_location(member, "Cellar")
    there = await new_stock(member, item, cellar, 1)
    sku = await new_stock(member, item, shelf, 5)
    body = {**sku, "is_active": False, "location_id": cellar["id"]}
    hidden = made(await member.put(f"/skus/{sku['id']}", json=body))
    assert (hidden["id"], hidden["is_active"], hidden["quantity"]) == (sku["id"], False, 0)
    assert await get(member, "/skus/") == [there]
    written_off = (await get(member, "/events"))["events"][0]
    assert (written_off["delta"], written_off["note"]) == (-5, "written off")
    refused(await member.put(f"/skus/{sku['id']}", json={"is_active": True}), 404)


async def test_expiry_dates_may_be_date_times(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    body = {"item_id": item["id"], "location_id": shelf["id"], "quantity": 1}
    texts = ["2030-01-31T00:00:00", "2030-01-31T23:59:59.999Z", "2030-01-31T00:00:00+02:00", "2030-01-31 12:00"]
    for text in texts:
        assert made(await member.post("/skus/", json={**body, "expiry_date": text}))["expiry_date"] == "2030-01-31"
    assert await total(member, item) == len(texts)
    [sku] = await get(member, "/skus/")
    at = f"/skus/{sku['id']}"
    changed = made(await member.put(at, json={"expiry_date": "2031-02-28T10:00:00Z"}))
    assert changed["expiry_date"] == "2031-02-28"
    named = {**body, "expiry_date": "2032-01-01", "event_id": "e1"}
    first = made(await member.post("/skus/", json=named))
    assert made(await member.post("/skus/", json={**named, "expiry_date": "2032-01-01T00:00:00Z"})) == first
    assert made(await member.put(at, json={"expiry_date": ""}))["expiry_date"] is None
    impossible = ["2030-01-31T99:99", "2030-01-31T10:60", "2030-01-31T10:00:00+99:99"]
    for wrong in (
        *impossible,
        "soon",
        "20300131",
        "2030-02-30",
        "2030-02-28T",
        "2030-02-28T1:00",
        "2030-01-31\n",
        "2030-W05-4",
    ):
        problem = refused(await member.put(at, json={"expiry_date": wrong}), 422, "2026-01-31")
        assert [error["field"] for error in problem["errors"]] == ["expiry_date"]


async def test_piece_and_pieces_are_one_unit(member: AsyncClient) -> None:
    item, shelf, cellar = await new_item(member), await new_location(member), await new_location(member, "Cellar")
    sku = await new_stock(member, item, shelf, 5, unit="piece")
    body = {"item_id": item["id"], "location_id": shelf["id"], "quantity": 2, "unit": "pieces"}
    assert made(await member.post("/skus/", json=body))["quantity"] == 7
    adjusted = made(await member.post(f"/skus/{sku['id']}/adjust", json={"delta": -1, "unit": "Pieces"}))
    assert (adjusted["quantity"], adjusted["unit"]) == (6, "piece")
    await new_stock(member, item, cellar, 1, unit="pieces")
    assert await total(member, item) == 7
    move = {"type": "move", "item": {"id": item["id"]}, "quantity": 1, "unit": "piece"}
    where = {"location": {"id": cellar["id"]}, "to_location": {"id": shelf["id"]}}
    assert made(await member.post("/events", json={"events": [move | where]}))["applied"] == 1
    assert (await get(member, f"/skus/{sku['id']}"))["quantity"] == 7
    changed = made(await member.put(f"/skus/{sku['id']}", json={"unit": "pieces"}))
    last = (await get(member, "/events"))["events"][0]
    made(await member.post(f"/events/{last['id']}/undo"))
    assert changed["unit"] == "pieces", "and events from before are undone as before"


async def test_skus_are_listed_filtered_and_paged(member: AsyncClient) -> None:
    coffee = await new_item(member, "Coffee", min_quantity=3, upc="40063813")
    tea = await new_item(member, "Tea", min_quantity=1)
    shelf, cellar = await new_location(member), await new_location(member, "Cellar")
    soon, later = clock.local_today() + timedelta(days=3), clock.local_today() + timedelta(days=300)
    skus = [
        await new_stock(member, coffee, shelf, 1, notes="Dark roast"),
        await new_stock(member, coffee, cellar, 2, expiry_date=str(soon)),
        await new_stock(member, tea, cellar, 2, expiry_date=str(later)),
        await new_stock(member, tea, shelf, 0, expiry_date=str(soon)),
    ]
    ids = [sku["id"] for sku in skus]

    async def shown(path: str = "/skus/", **query: Any) -> list[int]:
        return [ids.index(sku["id"]) for sku in await get(member, path, **query)]

    assert await shown() == [0, 1, 2, 3]
    assert await shown(skip=1, limit=2) == await shown(skip=1, size=2) == [1, 2]
    assert await shown(page=2, size=3) == [3]
    assert await shown(item_id=coffee["id"]) == await shown(low_stock=True) == await shown("/skus/low-stock") == [0, 1]
    assert await shown(location_id=cellar["id"], item_id=tea["id"]) == [2]
    assert await shown(expiring_soon=True) == [1]
    for text, found in (("DARK", [0]), ("cellar", [1, 2]), ("tea", [2, 3]), ("4006", [0, 1]), ("%", [])):
        assert await shown(search=text) == await shown("/skus/search", q=text) == found, text
    for wrong in ({"limit": 1001}, {"item_id": 0}, {"location_id": "x"}, {"low_stock": "perhaps"}):
        refused(await member.get("/skus/", params=wrong), 422, *wrong)


async def test_skus_are_listed_as_of_a_time(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    where = {"item": {"id": item["id"]}, "location": {"id": shelf["id"]}}
    days = ("2026-01-10T00:00:00Z", "2026-01-20T00:00:00Z")
    events = [
        {**where, "type": "add", "quantity": 5, "occurred_at": days[0]},
        {**where, "type": "remove", "quantity": 2, "occurred_at": days[1]},
    ]
    made(await member.post("/events", json={"events": events}))
    for moment, quantities in (
        ("2026-01-09T23:59:59Z", []),
        (days[0], [5]),
        ("2026-01-19T00:00:00Z", [5]),
        (days[1], [3]),
        ("2026-06-01T00:00:00Z", [3]),
    ):
        assert [sku["quantity"] for sku in await get(member, "/skus/", as_of=moment)] == quantities, moment
    refused(await member.get("/skus/", params={"as_of": "long ago"}), 422, "as_of")


async def test_invalid_skus_are_rejected(member: AsyncClient) -> None:
    item, shelf = await new_item(member), await new_location(member)
    sku = await new_stock(member, item, shelf, 1)
    body = {"item_id": item["id"], "location_id": shelf["id"]}
    wrong: list[tuple[str, Any]] = [
        ("quantity", -1),
        ("quantity", 0.0001),
        ("quantity", 1_000_000_001),
        ("quantity", "many"),
        ("unit", ""),
        ("unit", "x" * 51),
        ("notes", "x" * 1001),
        ("expiry_date", "2030-02-30"),
        ("item_id", 0),
        ("location_id", 2**63),
    ]
    for field, value in wrong:
        for answer in (
            await member.post("/skus/", json={**body, field: value}),
            await member.patch(f"/skus/{sku['id']}", json={field: value}),
        ):
            problem = refused(answer, 422)
            assert [error["field"] for error in problem["errors"]] == [field], problem
    for field in ("item_id", "location_id"):
        refused(await member.post("/skus/", json={**body, field: 999}), 404, "999")
    for delta in (0, 0.0001, 1e300):
        refused(await member.post(f"/skus/{sku['id']}/adjust", json={"delta": delta}), 422, "delta")
    assert await get(member, "/skus/") == [sku]
