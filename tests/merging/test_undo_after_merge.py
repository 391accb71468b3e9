"""Events from before a merge can be undone, from the stock of the target."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from operator import itemgetter

import pytest
from httpx import AsyncClient

from stocky import clock
from stocky.config import Config
from stocky.stock.consistency import find_faults
from tests.architecture.schema import falsify
from tests.inventory import Json, get, made, new_item, new_location, new_stock, refused, total
from tests.merging.merges import merge, unmerge


async def book(client: AsyncClient, kind: str, item: Json, shelf: Json, quantity: float, **more: object) -> int:
    """The id of the event in the ledger."""
    event = {"type": kind, "item": {"id": item["id"]}, "location": {"id": shelf["id"]}, "quantity": quantity, **more}
    answer = await client.post("/events", json={"events": [event]})
    while answer.status_code == 503:
        # Two transactions conflicted, and on a busy machine several times in a row.
        answer = await client.post("/events", json={"events": [event]})
    (result,) = made(answer)["results"]
    assert result["status"] == "applied", result
    event_id: int = result["id"]
    return event_id


async def undo(client: AsyncClient, event: int, /, **more: object) -> Json:
    return made(await client.post(f"/events/{event}/undo", json=more))


async def test_event_from_before_the_merge_is_undone_on_the_target(member: AsyncClient, config: Config) -> None:
    shelf = await new_location(member)
    source, target = await new_item(member, "A"), await new_item(member, "B")
    right = await book(member, "add", source, shelf, 3)
    wrong = await book(member, "add", source, shelf, 2)
    await new_stock(member, target, shelf, 1)
    await merge(member, source, target)
    (undone,) = (await undo(member, wrong, note="scanned twice"))["events"]
    assert (undone["item_id"], undone["delta"], undone["reverses_id"]) == (source["id"], -2, wrong)
    assert undone["note"] == "scanned twice"
    assert (await total(member, source), await total(member, target)) == (0, 4)
    # The ledger names the original item and the current one.
    events = (await get(member, f"/items/{target['id']}/events"))["events"][:3]
    assert [(event["type"], event["item_id"], event["delta"], event["quantity_after"]) for event in events] == [
        ("undo", source["id"], -2, 0),
        ("move", source["id"], 2, 2),
        ("move", target["id"], -2, 4),
    ]
    refused(await member.post(f"/events/{wrong}/undo"), 409, "undone already")
    assert await find_faults(config) == []
    # Undoing the merge returns that much less, and the rest can be undone on the item itself.
    await unmerge(member, source)
    assert (await total(member, source), await total(member, target)) == (3, 1)
    await undo(member, right)
    assert await total(member, source) == 0
    assert await find_faults(config) == []


async def test_event_is_undone_after_the_merge_became_final(
    member: AsyncClient, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = await new_location(member)
    source, target = await new_item(member, "A"), await new_item(member, "B")
    await book(member, "add", source, shelf, 3)
    wrong = await book(member, "remove", source, shelf, 1)
    await merge(member, source, target)
    later = datetime.now(UTC) + timedelta(days=1, minutes=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    refused(await member.post(f"/items/{source['id']}/unmerge"), 409, "more than a day ago")
    await undo(member, wrong)
    assert (await total(member, source), await total(member, target)) == (0, 3)
    assert await find_faults(config) == []


async def test_repeated_undo_counts_once(member: AsyncClient, config: Config) -> None:
    shelf = await new_location(member)
    source, target = await new_item(member, "A"), await new_item(member, "B")
    wrong = await book(member, "add", source, shelf, 2)
    await merge(member, source, target)
    first = await undo(member, wrong, event_id="u-1")
    assert await undo(member, wrong, event_id="u-1") == first
    assert await total(member, target) == 0
    assert await find_faults(config) == []


async def test_event_is_not_undone_when_the_target_has_too_little(member: AsyncClient, config: Config) -> None:
    shelf = await new_location(member)
    source, target = await new_item(member, "A"), await new_item(member, "B")
    wrong = await book(member, "add", source, shelf, 3)
    await merge(member, source, target)
    await book(member, "remove", target, shelf, 1)
    refused(await member.post(f"/events/{wrong}/undo"), 409, "would leave -1 of B")
    assert await total(member, target) == 2
    assert len((await get(member, f"/items/{target['id']}/events"))["events"]) == 4
    assert await find_faults(config) == []


async def test_batch_and_move_are_undone_where_the_stock_is(member: AsyncClient, config: Config) -> None:
    shelf, cellar = await new_location(member, "Shelf"), await new_location(member, "Cellar")
    source, target = await new_item(member, "A"), await new_item(member, "B")
    adding = [
        {"type": "add", "item": {"id": item["id"]}, "location": {"id": shelf["id"]}, "quantity": quantity}
        for item, quantity in [(source, 4), (target, 1), (source, 0.5)]
    ]
    batch = made(await member.post("/events", json={"events": adding}))["batch_id"]
    moved = await book(member, "move", source, shelf, 3, to_location={"id": cellar["id"]})
    await merge(member, source, target)

    async def locations(item: Json) -> dict[int, float]:
        skus = await get(member, "/skus/", item_id=item["id"])
        return {sku["location_id"]: sku["quantity"] for sku in skus if sku["quantity"]}

    assert await locations(target) == {shelf["id"]: 2.5, cellar["id"]: 3}
    await undo(member, moved)
    assert await locations(target) == {shelf["id"]: 5.5}
    made(await member.post(f"/events/batches/{batch}/undo"))
    assert (await locations(target), await locations(source)) == ({}, {})
    assert await get(member, "/skus/", item_id=source["id"]) == []
    await unmerge(member, source)
    assert (await locations(target), await locations(source)) == ({}, {})
    assert await find_faults(config) == []


async def test_event_is_undone_through_a_chain_of_merges(member: AsyncClient, config: Config) -> None:
    shelf = await new_location(member)
    first, second, third = [await new_item(member, name) for name in ("X1", "X2", "X3")]
    await book(member, "add", first, shelf, 5)
    wrong = await book(member, "remove", first, shelf, 5)
    for item in (second, third):
        await new_stock(member, item, shelf, 1, expiry_date="2030-01-01")
    # Neither merge has stock of the first item to pass on.
    await merge(member, first, second)
    await merge(member, second, third)
    await undo(member, wrong)
    assert [await total(member, item) for item in (first, second, third)] == [0, 0, 7]
    assert await get(member, "/skus/", item_id=second["id"]) == []
    assert await find_faults(config) == []
    await unmerge(member, second)
    assert [await total(member, item) for item in (first, second, third)] == [0, 6, 1]
    await unmerge(member, first)
    assert [await total(member, item) for item in (first, second, third)] == [5, 1, 1]
    # The item that the stock only passed through has no SKU left.
    for item in (second, third):
        assert len(await get(member, "/skus/", item_id=item["id"])) == 1
    assert await find_faults(config) == []


async def test_undo_follows_the_stock_to_a_lot_dated_since(member: AsyncClient, config: Config) -> None:
    shelf = await new_location(member)
    source, target = await new_item(member, "A"), await new_item(member, "B")
    wrong = await book(member, "add", source, shelf, 2)
    await merge(member, source, target)
    (sku,) = await get(member, "/skus/", item_id=target["id"])
    made(await member.patch(f"/skus/{sku['id']}", json={"expiry_date": "2030-01-01"}))
    await undo(member, wrong)
    (sku,) = await get(member, "/skus/", item_id=target["id"])
    assert (sku["expiry_date"], sku["quantity"]) == ("2030-01-01", 0)
    assert await find_faults(config) == []


async def test_stock_in_another_unit_is_not_undone_on_the_target(member: AsyncClient, config: Config) -> None:
    shelf = await new_location(member)
    source, target = await new_item(member, "Rice, loose"), await new_item(member, "Rice")
    await new_stock(member, source, shelf, 500, unit="g")
    wrong = await book(member, "remove", source, shelf, 500)
    await new_stock(member, target, shelf, 3, unit="bag")
    await merge(member, source, target)
    refused(await member.post(f"/events/{wrong}/undo"), 409, "counted in g there", "correct the count of Rice")
    assert await total(member, target) == 3
    assert await find_faults(config) == []


async def test_a_merge_itself_is_not_undone_event_by_event(member: AsyncClient, config: Config) -> None:
    shelf = await new_location(member)
    source, target = await new_item(member, "A"), await new_item(member, "B")
    wrong = await book(member, "add", source, shelf, 3)
    await merge(member, source, target)
    taken, given, _ = (await get(member, f"/items/{target['id']}/events"))["events"]
    for event in (taken, given):
        refused(await member.post(f"/events/{event['id']}/undo"), 422, "part of the merge of", "undo the merge")
    refused(await member.post(f"/events/batches/{given['batch_id']}/undo"), 422, "undo the merge")
    await undo(member, wrong)
    passed_on = (await get(member, f"/items/{target['id']}/events"))["events"][1]
    refused(await member.post(f"/events/{passed_on['id']}/undo"), 422, "undo the merge")
    assert await total(member, target) == 0
    assert await find_faults(config) == []


async def test_undo_during_merges_and_unmerges_loses_nothing(members: list[AsyncClient], config: Config) -> None:
    member = members[0]
    shelf = await new_location(member)
    first, second, third = [await new_item(member, name) for name in ("X1", "X2", "X3")]
    left = undone = 0
    stop = asyncio.Event()

    async def keep_undoing(client: AsyncClient, item: Json) -> None:
        nonlocal left, undone
        while not stop.is_set():
            ids = [await book(client, "add", item, shelf, 1) for _ in range(2)]
            left += 2
            await asyncio.sleep(0.01)
            answer = await client.post(f"/events/{ids[0]}/undo")
            while answer.status_code == 503:
                answer = await client.post(f"/events/{ids[0]}/undo")
            made(answer)
            left -= 1
            undone += 1

    undoing = [asyncio.create_task(keep_undoing(client, item)) for client in members for item in (first, second)]
    for _ in range(8):
        for path, body in [
            (f"/items/{first['id']}/merge", {"into": second["id"]}),
            (f"/items/{second['id']}/merge", {"into": third["id"]}),
            (f"/items/{second['id']}/unmerge", None),
            (f"/items/{first['id']}/unmerge", None),
        ]:
            answer = await member.post(path, json=body)
            assert answer.status_code in (200, 409, 503), answer.text
            await asyncio.sleep(0.02)
    stop.set()
    await asyncio.gather(*undoing)
    assert undone > 10
    assert sum([await total(member, item) for item in (first, second, third)]) == left
    assert await find_faults(config) == []


async def test_undo_after_an_older_single_transfer_merge_uses_each_location(
    member: AsyncClient, config: Config
) -> None:
    shelves = [await new_location(member, f"Shelf {number}") for number in (1, 2, 3)]
    source, target = await new_item(member, "A"), await new_item(member, "B")
    booked = [await book(member, "add", source, shelf, 5 + index) for index, shelf in enumerate(shelves)]
    await merge(member, source, target)
    falsify(
        config,
        "UPDATE stock_event SET transfer_id = (SELECT min(one.transfer_id) FROM stock_event AS one)"
        " WHERE batch_id = (SELECT batch_id FROM item_merge)",
    )
    left = [5, 6, 7]
    for index, event in enumerate(booked):
        await undo(member, event)
        left[index] = 0
        skus = sorted(await get(member, f"/skus/?item_id={target['id']}"), key=itemgetter("location_id"))
        assert [sku["quantity"] for sku in skus] == left
    assert await find_faults(config) == []
