"""Lending: what is outstanding follows from the stock, whatever books it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky import clock
from stocky.alerts import evaluate
from stocky.alerts.attention import count_attention
from stocky.alerts.evaluate import DailyCheck, list_items_due
from stocky.alerts.schemas import AlertCause
from stocky.catalogue.repository import ItemFilter
from stocky.config import Config
from stocky.db import Connection
from stocky.errors import Conflict
from stocky.jobs.jobs import Jobs
from stocky.pages.filters import local_day
from stocky.reorganisation.repository import lock_stock, read_stock
from stocky.stock.consistency import find_faults
from stocky.stock.item_stock import list_stocked_items
from tests.backup.dumps import finished, take
from tests.backup.test_altered import loaded
from tests.inventory import Json, get, made, new_box, new_item, new_location, new_stock, refused, total
from tests.merging.merges import merge, unmerge

TODAY = date(2026, 6, 15)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "local_today", lambda: TODAY)


async def _person(client: AsyncClient, name: str = "Anna") -> Json:
    return await new_location(client, name, kind="person")


async def _lend(client: AsyncClient, sku: Json, person: Json, quantity: float = 1, **fields: object) -> Json:
    body = {"sku_id": sku["id"], "person_id": person["id"], "quantity": quantity, **fields}
    [loan] = made(await client.post("/loans/", json=body))["loans"]
    return loan


async def _return(client: AsyncClient, loan: Json, **fields: object) -> Json:
    return made(await client.post(f"/loans/{loan['id']}/return", json=fields))


async def _event(client: AsyncClient, **event: object) -> Json:
    [result] = made(await client.post("/events", json={"events": [event]}))["results"]
    return result


async def _open(client: AsyncClient, **query: object) -> dict[int, float]:
    """What is outstanding, by loan."""
    return {each["id"]: each["outstanding"] for each in await get(client, "/loans/", **query)}


async def test_lending_and_returning(member: AsyncClient) -> None:
    drill, shelf, anna = await new_item(member, "Drill"), await new_location(member), await _person(member)
    sku = await new_stock(member, drill, shelf, 5)
    body = {
        "item_id": drill["id"],
        "person_id": anna["id"],
        "quantity": 2,
        "due_on": "2026-06-20",
        "note": "For the shed",
    }
    body["event_id"] = "lent-1"
    first = await member.post("/loans/", json=body)
    assert first.status_code == 201
    [loan] = first.json()["loans"]
    again = await member.post("/loans/", json=body)
    assert (again.status_code, again.json()["loans"], again.json()["duplicate"]) == (200, [loan], True)
    refused(await member.post("/loans/", json=body | {"quantity": 1}), 409, "event_id")
    assert (loan["person_path"], loan["from_path"], loan["quantity"], loan["outstanding"]) == ("Anna", "Shelf", 2, 2)
    assert (loan["due_on"], loan["is_overdue"], loan["note"]) == ("2026-06-20", False, "For the shed")
    # It is still there in the total, but not at hand.
    assert await total(member, drill) == 5
    project = made(
        await member.post("/projects/", json={"name": "Shed", "items": [{"item_id": drill["id"], "quantity": 4}]})
    )
    assert (project["items"][0]["in_stock"], project["items"][0]["missing"]) == (3, 1)
    refused(await member.post(f"/projects/{project['id']}/withdraw"), 409)
    refused(await member.post(f"/loans/{loan['id']}/return", json={"quantity": 3}), 409, "only 2 of this loan")
    back = {"quantity": 1, "event_id": "back-1"}
    for _ in range(2):
        assert (await _return(member, loan, **back))["outstanding"] == 1
    assert (await get(member, f"/skus/{sku['id']}"))["quantity"] == 4
    cellar = await new_location(member, "Cellar")
    gone = await _return(member, loan, location_id=cellar["id"])
    assert (gone["outstanding"], await total(member, drill)) == (0, 5)
    refused(await member.post(f"/loans/{loan['id']}/return"), 409, "returned already")
    assert await _open(member) == {}
    assert [each["id"] for each in await get(member, "/loans/", is_open=False, person_id=anna["id"])] == [loan["id"]]
    refused(await member.post("/loans/", json=body | {"event_id": "x", "person_id": cellar["id"]}), 422, "is a place")
    refused(
        await member.post("/loans/", json=body | {"event_id": "y", "quantity": 9, "location_id": shelf["id"]}),
        409,
        "Only 4",
    )


async def test_whatever_is_booked_loans_are_as_the_stock(member: AsyncClient) -> None:
    """Plain moves, counts, withdrawals and undo, of one item lent several times."""
    screws, shelf, anna = await new_item(member, "Screws"), await new_location(member), await _person(member)
    sku = await new_stock(member, screws, shelf, 100)
    here, there = {"id": shelf["id"]}, {"id": anna["id"]}
    a = await _lend(member, sku, anna, 10, due_on="2026-07-01")
    b = await _lend(member, sku, anna, 10, due_on="2026-08-01")
    assert await _open(member) == {a["id"]: 10, b["id"]: 10}
    # A return by a plain move is of the oldest loan.
    moved = await _event(member, type="move", item={"id": screws["id"]}, location=there, to_location=here, quantity=4)
    assert await _open(member) == {a["id"]: 6, b["id"]: 10}
    await _return(member, b, quantity=3)
    assert await _open(member) == {a["id"]: 6, b["id"]: 7}
    made(await member.post(f"/events/{moved['id']}/undo"))
    assert await _open(member) == {a["id"]: 10, b["id"]: 7}
    # Without a due date, by a plain move.
    await _event(member, type="move", item={"id": screws["id"]}, location=here, to_location=there, quantity=1)
    loans = await get(member, "/loans/", person_id=anna["id"])
    assert [(each["due_on"], each["outstanding"]) for each in loans] == [
        ("2026-07-01", 10),
        ("2026-08-01", 7),
        (None, 1),
    ]
    held = loans[0]["sku_id"]
    made(await member.put(f"/skus/{held}/quantity", json={"quantity": 5}))
    assert [each["outstanding"] for each in await get(member, "/loans/")] == [4, 1]
    await _event(member, type="remove", item={"id": screws["id"]}, location=there, quantity=2)
    assert [each["outstanding"] for each in await get(member, "/loans/")] == [2, 1]
    made(await member.put(f"/skus/{held}/quantity", json={"quantity": 0}))
    assert await _open(member) == {}
    # What is moved there later is a loan of its own, not that of before.
    await _event(member, type="move", item={"id": screws["id"]}, location=here, to_location=there, quantity=2)
    assert [(each["due_on"], each["outstanding"]) for each in await get(member, "/loans/")] == [(None, 2)]
    refused(await member.delete(f"/locations/{anna['id']}"), 409, "still holds stock")
    c = await _lend(member, sku, anna, 3, due_on="2026-09-01")
    made(await member.post(f"/events/{c['stock_event_id']}/undo"))
    assert list((await _open(member)).values()) == [2]
    assert c["id"] not in {each["id"] for each in await get(member, "/loans/", is_open=False)}


async def test_ended_loans_stay_ended_until_an_undo(admin: AsyncClient, config: Config, tmp_path: Path) -> None:
    """A person becomes a place and a person again."""
    nuts, shelf, anna = await new_item(admin, "Nuts"), await new_location(admin), await _person(admin)
    sku = await new_stock(admin, nuts, shelf, 5)
    here, there, item = {"id": shelf["id"]}, {"id": anna["id"]}, {"id": nuts["id"]}
    a = await _lend(admin, sku, anna, 2, due_on="2026-06-01")
    parts = [await _event(admin, type="remove", item=item, location=there, quantity=1) for _ in range(2)]
    assert [each["id"] for each in await get(admin, "/loans/", is_open=False)] == [a["id"]]
    made(await admin.patch(f"/locations/{anna['id']}", json={"kind": "place"}))
    await _event(admin, type="add", item=item, location=there, quantity=7)
    assert (await _open(admin), await get(admin, "/alerts/")) == ({}, [])
    assert await find_faults(config) == []
    assert loaded(await take(admin), "verify", tmp_path) == ""
    emptied = await _event(admin, type="remove", item=item, location=there, quantity=7)
    made(await admin.patch(f"/locations/{anna['id']}", json={"kind": "person"}))
    await _event(admin, type="move", item=item, location=here, to_location=there, quantity=1)
    assert list((await _open(admin)).values()) == [1]
    # The undo of either part brings back what it took, to its loan.
    made(await admin.post(f"/events/{parts[0]['id']}/undo"))
    assert next(iter((await _open(admin)).items())) == (a["id"], 1)
    made(await admin.post(f"/events/{parts[1]['id']}/undo"))
    assert sorted((await _open(admin)).values()) == [1, 2]
    # What was there while it was a place is a loan of its own.
    made(await admin.post(f"/events/{emptied['id']}/undo"))
    loans = await get(admin, "/loans/")
    assert [(each["outstanding"], each["due_on"]) for each in loans] == [(2, "2026-06-01"), (1, None), (7, None)]
    assert await get(admin, "/loans/", is_open=False) == []
    assert await find_faults(config) == []


async def test_from_one_person_to_another(member: AsyncClient) -> None:
    drill, shelf = await new_item(member, "Drill"), await new_location(member)
    anna, ben = await _person(member), await _person(member, "Ben")
    a = await _lend(member, await new_stock(member, drill, shelf, 3), anna, 3, due_on="2026-07-01", note="Bring it")
    refused(await member.post(f"/loans/{a['id']}/return", json={"location_id": ben["id"]}), 422, "lend it to them")
    moved = {"item": {"id": drill["id"]}, "location": {"id": anna["id"]}, "to_location": {"id": ben["id"]}}
    event = await _event(member, type="move", quantity=2, **moved)
    [b] = await get(member, "/loans/", person_id=ben["id"])
    assert (b["due_on"], b["note"], b["from_path"], b["outstanding"]) == ("2026-07-01", "Bring it", "Shelf", 2)
    made(await member.patch(f"/loans/{b['id']}", json={"due_on": "2026-07-09"}))
    assert (await get(member, f"/loans/{a['id']}"))["due_on"] == "2026-07-01"
    made(await member.post(f"/events/{event['id']}/undo"))
    assert await _open(member) == {a["id"]: 3}
    # Lent by the one to the other: to whom it comes back is not said.
    lent = await _lend(member, {"id": a["sku_id"]}, ben, 3)
    refused(await member.post(f"/loans/{lent['id']}/return"), 422, "Anna is a person")
    assert (await _return(member, lent, location_id=shelf["id"]))["outstanding"] == 0
    # Where less than nothing is, nothing is outstanding.
    nails = await new_item(member, "Nails", oversell_policy="allow")
    a = await _lend(member, await new_stock(member, nails, shelf, 2), anna, 2)
    await _event(member, type="remove", item={"id": nails["id"]}, location={"id": ben["id"]}, quantity=5)
    await _lend(member, {"id": a["sku_id"]}, ben, 2)
    assert await _open(member, item_id=nails["id"]) == {}


async def test_repeated_requests_after_the_locations_are_hidden(member: AsyncClient) -> None:
    saw, shelf, anna = await new_item(member, "Saw"), await new_location(member), await _person(member)
    sku = await new_stock(member, saw, shelf, 1)
    lent = {"item_id": saw["id"], "person_id": anna["id"], "quantity": 1, "event_id": "lent"}
    [loan] = made(await member.post("/loans/", json=lent))["loans"]
    back = await _return(member, loan, event_id="back")
    made(await member.put(f"/skus/{sku['id']}/quantity", json={"quantity": 0}))
    for hidden in (shelf, anna):
        made(await member.delete(f"/locations/{hidden['id']}"))
    again = await member.post("/loans/", json=lent)
    assert (again.status_code, again.json()["duplicate"]) == (200, True)
    assert await _return(member, loan, event_id="back") == back
    refused(await member.post("/loans/", json=lent | {"event_id": "other"}), 404, "Anna is no longer in use")


async def test_what_names_no_location_leaves_what_is_lent(member: AsyncClient) -> None:
    rope, shelf, anna = await new_item(member, "Rope"), await new_location(member), await _person(member)
    loan = await _lend(member, await new_stock(member, rope, shelf, 2), anna, 2)
    item = {"id": rope["id"]}
    assert "Only 0" in (await _event(member, type="remove", item=item, quantity=1))["reason"]
    added = await _event(member, type="add", item=item, quantity=1)
    assert (added["status"], await _open(member)) == ("applied", {loan["id"]: 2})
    wire = await new_item(member, "Wire")
    await new_stock(member, wire, anna, 1)
    for type in ("add", "remove"):
        result = await _event(member, type=type, item={"id": wire["id"]}, quantity=1)
        assert result["reason"] == "Name the location: all of Wire is lent", type


async def test_loans_follow_merged_and_opened_stock(member: AsyncClient) -> None:
    glue, paste = await new_item(member, "Glue"), await new_item(member, "Paste", opened_days=3)
    shelf, anna = await new_location(member), await _person(member)
    lent = [
        await _lend(member, await new_stock(member, item, shelf, 5), anna, quantity, due_on=due_on)
        for item, quantity, due_on in ((glue, 2, "2026-07-01"), (paste, 1, "2026-08-01"))
    ]
    more = await _lend(member, {"id": lent[0]["sku_id"]}, await _person(member, "Ben"), 1)
    assert (more["person_path"], more["from_path"]) == ("Ben", "Anna")
    await merge(member, glue, paste)
    found = await get(member, "/loans/", item_id=paste["id"])
    assert [(each["due_on"], each["outstanding"], each["person_path"]) for each in found] == [
        ("2026-07-01", 1, "Anna"), ("2026-08-01", 1, "Anna"), (None, 1, "Ben"),
    ]  # fmt: skip
    assert await get(member, "/loans/", is_open=False) == []
    made(await member.patch(f"/loans/{found[0]['id']}", json={"due_on": "2026-07-09"}))
    await unmerge(member, glue)
    again = await get(member, "/loans/", item_id=glue["id"])
    assert [(each["id"], each["due_on"], each["outstanding"]) for each in again] == [
        (lent[0]["id"], "2026-07-09", 1), (more["id"], None, 1),
    ]  # fmt: skip
    made(await member.post(f"/skus/{lent[1]['sku_id']}/open", json={"quantity": 1}))
    [opened] = await get(member, "/loans/", item_id=paste["id"])
    assert (opened["due_on"], opened["outstanding"]) == ("2026-08-01", 1)
    assert opened["sku_id"] != lent[1]["sku_id"]
    assert (await _return(member, opened))["outstanding"] == 0
    # An undo takes it back from the item that it was merged into: it was neither lent nor returned.
    before = await get(member, "/loans/", is_open=False)
    await merge(member, glue, paste)
    made(await member.post(f"/events/{more['stock_event_id']}/undo"))
    assert [(each["person_path"], each["outstanding"]) for each in await get(member, "/loans/")] == [("Anna", 1)] * 2
    assert await get(member, "/loans/", is_open=False) == before


async def test_pieces_with_serial_numbers_and_units(member: AsyncClient) -> None:
    camera, shelf, anna = await new_item(member, "Camera"), await new_location(member), await _person(member)
    for serial in ("S1", "S2"):
        await new_stock(member, camera, shelf, 1, serial=serial)
    body = {"item_id": camera["id"], "person_id": anna["id"], "quantity": 1, "serial": "S2"}
    [loan] = made(await member.post("/loans/", json=body))["loans"]
    assert (loan["serial"], loan["outstanding"]) == ("S2", 1)
    # The label of a person is that of a location: a scanner in move mode brings things there, and back.
    flour = await new_item(member, "Flour", upc="4006381333931")
    await new_stock(member, flour, shelf, 2, unit="kg")
    for here, to in ((shelf, anna), (anna, shelf)):
        made(await member.put("/scanner/s1/state", json={"mode": "move", "location_id": to["id"]}))
        scan = {"upc": "4006381333931", "scanner_id": "s1", "quantity": 0.5}
        made(await member.post("/scanner/scan", json=scan))
        assert [each["outstanding"] for each in await get(member, "/loans/", item_id=flour["id"])] == (
            [0.5] if to is anna else []
        ), here
    [lent] = made(
        await member.post(
            "/loans/", json={"item_id": flour["id"], "person_id": anna["id"], "quantity": 250, "unit": "g"}
        )
    )["loans"]
    assert (lent["quantity"], lent["unit"]) == (0.25, "kg")
    made(await member.patch(f"/skus/{lent['sku_id']}", json={"unit": "g"}))
    assert [(each["outstanding"], each["unit"]) for each in await get(member, "/loans/", item_id=flour["id"])] == [
        (0.25, "g")
    ]


async def test_one_daily_check_does_not_resolve_the_alert_of_the_other(
    app: Litestar, admin: AsyncClient, member: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = False
    evaluate_items = evaluate.evaluate_items

    async def evaluate_or_fail(tx: Connection, ids: list[int]) -> None:
        if failing:
            raise Conflict("on purpose")
        await evaluate_items(tx, ids)

    async def check(kind: str, *, fails: bool = False) -> list[str]:
        """The alerts about the service after a check."""
        nonlocal failing
        failing = fails
        id = await app.state.jobs.enqueue(kind, {})
        await finished(admin, id)
        return [alert["message"] for alert in await get(member, "/alerts/") if alert["item_id"] is None]

    monkeypatch.setattr(evaluate, "evaluate_items", evaluate_or_fail)
    failed = ["The daily check for alerts failed: on purpose"]
    drill, shelf, anna = await new_item(member, min_quantity=1), await new_location(member), await _person(member)
    assert await check(evaluate.DAILY_KIND, fails=True) == failed
    assert await check(evaluate.LOANS_KIND) == failed
    assert await check(evaluate.DAILY_KIND) == []
    loan = await _lend(member, await new_stock(member, drill, shelf, 5), anna, due_on=str(TODAY))
    monkeypatch.setattr(clock, "local_today", lambda: TODAY + DAY)
    assert await check(evaluate.LOANS_KIND, fails=True) == failed
    assert await check(evaluate.DAILY_KIND) == failed
    # Without a loan that is overdue, nothing is left that the other check would find, and it is not run again.
    await _return(member, loan)
    assert await check(evaluate.DAILY_KIND) == []


async def test_overdue_loans_have_an_alert(app: Litestar, member: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    peas, freezer = (
        await new_item(member, "Peas", default_storage_type="freezer"),
        await new_location(member, "Freezer", storage_type="freezer"),
    )
    anna = await _person(member)
    sku = await new_stock(member, peas, freezer, 5)
    loan = await _lend(member, sku, anna, 2, due_on=str(TODAY))
    # A person is no storage, so that nothing is at the wrong location.
    assert await get(member, "/alerts/") == []
    monkeypatch.setattr(clock, "local_today", lambda: TODAY + DAY)
    assert list(await _open(member, overdue=True)) == [loan["id"]]
    async with app.state.database.read() as read:
        assert await list_items_due(read, 0, 10) == [peas["id"]]
    await DailyCheck(app.state.database, Jobs(app.state.database)).run_loans({}, lambda *_: None)
    [alert] = await get(member, "/alerts/")
    assert (alert["alert_type"], alert["message"]) == ("overdue", f"Peas at Anna was due on {TODAY}")
    async with app.state.database.read() as read:
        assert [each.name for each in await count_attention(read) if each.count] == ["overdue", "unacknowledged"]
        [found] = await list_stocked_items(read, ItemFilter(cause=AlertCause.OVERDUE), skip=0, limit=9)
    assert found.item.id == peas["id"]
    for due_on, is_raised in ((TODAY + 2 * DAY, False), (TODAY, True), (None, False), (TODAY, True)):
        made(await member.patch(f"/loans/{loan['id']}", json={"due_on": due_on and str(due_on)}))
        assert bool(await get(member, "/alerts/")) == is_raised, due_on
    await _return(member, loan, quantity=1)
    assert len(await get(member, "/alerts/")) == 1
    await _event(
        member, type="move", item={"id": peas["id"]}, location={"id": anna["id"]}, to_location={"id": freezer["id"]},
        quantity=1,
    )  # fmt: skip
    assert await get(member, "/alerts/") == []


def test_days_pass_in_the_configured_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 6, 15, 23, 30, tzinfo=UTC))
    monkeypatch.setattr(clock, "_zone", None)
    clock.use_zone(ZoneInfo("Europe/Berlin"))
    assert 'datetime="2026-06-16"' in local_day(clock.now())
    assert clock.local_today() == date(2026, 6, 16)
    clock.use_zone(ZoneInfo("America/New_York"))
    assert clock.local_today() == date(2026, 6, 15)


async def test_persons_are_locations_for_what_is_lent_only(app: Litestar, member: AsyncClient) -> None:
    shelf, anna = await new_location(member), await _person(member)
    assert (shelf["kind"], anna["kind"]) == ("place", "person")
    assert [each["name"] for each in await get(member, "/locations/", kind="person")] == ["Anna"]
    assert [each["name"] for each in await get(member, "/locations/", kind="place")] == ["Shelf"]
    refused(await member.post("/locations/", json={"name": "Bag", "parent_id": anna["id"]}), 409, "is a person")
    refused(await member.post("/boxes/", json={"capacity": 2, "parent_id": anna["id"]}), 409, "is a person")
    [place, _] = await new_box(member, 2)
    refused(await member.patch(f"/locations/{place['id']}", json={"kind": "person"}), 409, "belongs to box 1")
    item = await new_item(member)
    sku = await new_stock(member, item, shelf, 2)
    refused(await member.patch(f"/locations/{shelf['id']}", json={"kind": "person"}), 409, "holds stock")
    await _lend(member, sku, anna, 2)
    refused(await member.patch(f"/locations/{anna['id']}", json={"kind": "place"}), 409, "holds stock")
    made(await member.patch(f"/locations/{shelf['id']}", json={"kind": "person"}))
    # What an undo brings back to it is a loan, too.
    bag = await new_location(member, "Bag")
    gone = await new_stock(member, await new_item(member, "Jar"), bag, 2)
    left = made(await member.post(f"/skus/{gone['id']}/adjust", json={"delta": -2, "event_id": "left"}))
    made(await member.patch(f"/locations/{bag['id']}", json={"kind": "person"}))
    [event] = (await get(member, "/events", item_id=left["item_id"], type="remove"))["events"]
    made(await member.post(f"/events/{event['id']}/undo"))
    [loan] = await get(member, "/loans/", person_id=bag["id"])
    assert loan["outstanding"] == 2
    refused(await member.post(f"/loans/{loan['id']}/return"), 422, "Nothing says where it came from")
    # Nothing is taken from a person, or put there, unless the person is named.
    for type in ("add", "remove"):
        result = await _event(member, type=type, item={"id": item["id"]}, quantity=1)
        assert "Name the location" in result["reason"], type
    made(await member.patch(f"/locations/{shelf['id']}", json={"kind": "place"}))
    result = await _event(member, type="move", item={"id": item["id"]}, to_location={"id": shelf["id"]}, quantity=1)
    assert result["status"] == "applied"
    async with app.state.database.read() as read:
        spots, _, lots = await read_stock(read)
        move: Any = SimpleNamespace(from_location_id=anna["id"], to_location_id=shelf["id"], item_id=item["id"])
        assert set((await lock_stock(read, [move])).spots) == {shelf["id"]}
    assert shelf["id"] in {spot.id for spot in spots}
    assert anna["id"] not in {spot.id for spot in spots} | {lot.location_id for lot in lots}
