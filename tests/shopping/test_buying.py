"""A purchase changes the entry and books a stock event: both or neither, and once."""

from __future__ import annotations

import asyncio

import pytest
from httpx import AsyncClient

from stocky.config import Config
from stocky.stock.consistency import find_faults
from tests.inventory import Json, get, made, new_item, new_location, new_stock, refused, total
from tests.shopping.lists import log_of, new_list, on, put_on


async def events_of(client: AsyncClient, item: Json) -> list[Json]:
    """The ledger of an item, newest first."""
    events: list[Json] = (await get(client, f"/items/{item['id']}/events"))["events"]
    return events


async def test_purchase_adds_stock_and_removes_the_entry(member: AsyncClient, config: Config) -> None:
    a_list, item, shelf = await new_list(member), await new_item(member), await new_location(member)
    await put_on(member, a_list, item, 2.5)
    body = {"location": {"name": "Shelf"}, "lot": "2030-01-31", "note": "On offer"}
    answer = made(await member.post(f"/shopping-lists/{a_list['id']}/items/{item['id']}/bought", json=body))
    assert answer["event"] == (await events_of(member, item))[0]
    assert (answer["bought"], answer["entry"], answer["duplicate"]) == (2.5, None, False)
    assert (answer["event"]["type"], answer["event"]["delta"], answer["event"]["note"]) == ("add", 2.5, "On offer")
    (sku,) = await get(member, "/skus/", item_id=item["id"])
    assert (sku["location_id"], sku["expiry_date"], sku["quantity"]) == (shelf["id"], "2030-01-31", 2.5)
    assert await on(member, a_list) == {}
    (log,) = await log_of(member, a_list, action_type="item_removed")
    assert log["details"] == {
        "item_id": item["id"],
        "name": "Coffee",
        "item_name": "Coffee",
        "list_name": a_list["name"],
        "quantity": 2.5,
        "bought": 2.5,
        "stock_event_id": answer["event"]["id"],
        "location_id": shelf["id"],
    }
    assert await find_faults(config) == []


async def test_remaining_quantity_stays_on_the_list(member: AsyncClient) -> None:
    a_list, item = await new_list(member), await new_item(member)
    await new_stock(member, item, await new_location(member), 1)
    await put_on(member, a_list, item, 6)
    at = f"/shopping-lists/{a_list['id']}/items/{item['id']}/bought"
    answer = made(await member.post(at, json={"quantity": 3.999}))
    assert (answer["bought"], answer["entry"]["quantity"]) == (3.999, 2.001)
    assert await on(member, a_list) == {"Coffee": 2.001}
    (log,) = await log_of(member, a_list, action_type="item_updated")
    assert log["details"]["quantity"] == {"from": 6, "to": 2.001}
    # Without a location it goes to the location of the item; buying more than listed is allowed.
    assert made(await member.post(at, json={"quantity": 12}))["entry"] is None
    assert await on(member, a_list) == {}
    assert await total(member, item) == 16.999
    refused(await member.post(at, json={"quantity": 1}), 404, f"item with id {item['id']}", "bought or removed")
    assert await total(member, item) == 16.999


async def test_a_purchase_sent_twice_counts_once(member: AsyncClient, config: Config) -> None:
    a_list, item = await new_list(member), await new_item(member)
    await new_stock(member, item, await new_location(member), 1)
    await put_on(member, a_list, item, 5)
    at = f"/shopping-lists/{a_list['id']}/items/{item['id']}/bought"
    for quantity, event_id, left in ((2, "first", {"Coffee": 3}), (3, "last", {})):
        body = {"quantity": quantity, "event_id": event_id}
        first = made(await member.post(at, json=body))
        again = made(await member.post(at, json=body))
        assert (first["duplicate"], again["duplicate"]) == (False, True)
        assert again["event"] == first["event"]
        assert again["entry"] == first["entry"]
        assert await on(member, a_list) == left
        refused(await member.post(at, json={**body, "quantity": 1}), 409, "already used with other content")
    assert await total(member, item) == 6
    # An event_id that a scanner used is also rejected.
    await put_on(member, a_list, item, 5)
    sent = {"type": "add", "item": {"id": item["id"]}, "quantity": 1, "event_id": "scanned"}
    made(await member.post("/events", json={"events": [sent]}))
    refused(await member.post(at, json={"quantity": 1, "event_id": "scanned"}), 409, "scanned")
    assert await on(member, a_list) == {"Coffee": 5}
    assert await find_faults(config) == []


async def test_two_buyers_at_once_buy_once(member: AsyncClient, admin: AsyncClient, config: Config) -> None:
    a_list, item = await new_list(member, is_public=True), await new_item(member)
    await new_stock(member, item, await new_location(member), 1)
    at = f"/shopping-lists/{a_list['id']}/items/{item['id']}/bought"
    for times in range(5):
        await put_on(member, a_list, item, 2)
        answers = await asyncio.gather(*(client.post(at) for client in (member, admin) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [200] + [404] * 7, times
    assert await total(member, item) == 1 + 5 * 2
    assert len(await log_of(member, a_list, action_type="item_removed")) == 5
    assert await find_faults(config) == []


async def test_one_purchase_sent_many_times_at_once_counts_once(member: AsyncClient, config: Config) -> None:
    a_list, item = await new_list(member), await new_item(member)
    await new_stock(member, item, await new_location(member), 1)
    await put_on(member, a_list, item, 5)
    at = f"/shopping-lists/{a_list['id']}/items/{item['id']}/bought"
    body = {"quantity": 2, "event_id": "purchase"}
    answers = [made(each) for each in await asyncio.gather(*(member.post(at, json=body) for _ in range(8)))]
    assert sorted(each["duplicate"] for each in answers) == [False] + [True] * 7
    assert len({each["event"]["id"] for each in answers}) == 1
    assert (await on(member, a_list), await total(member, item)) == ({"Coffee": 3}, 3)
    assert await find_faults(config) == []


async def test_buying_while_others_scan_the_same_things_keeps_every_count(
    member: AsyncClient, scanner: AsyncClient, config: Config
) -> None:
    a_list, shelf = await new_list(member), await new_location(member)
    items = [await new_item(member, f"Thing {number}") for number in range(4)]
    for item in items:
        await new_stock(member, item, shelf, 100)
        await put_on(member, a_list, item, 10)

    async def buy(item: Json) -> None:
        for _ in range(10):
            at = f"/shopping-lists/{a_list['id']}/items/{item['id']}/bought"
            made(await member.post(at, json={"quantity": 1}))

    async def scan() -> None:
        for _ in range(10):
            events = [{"type": "remove", "item": {"id": item["id"]}, "quantity": 1} for item in items]
            answer = made(await scanner.post("/events", json={"events": events}))
            assert answer["applied"] == len(items), answer

    await asyncio.gather(*(buy(item) for item in items), scan(), scan())
    assert [await total(member, item) for item in items] == [90] * 4
    assert await on(member, a_list) == {}
    assert await find_faults(config) == []


async def test_purchase_during_a_merge_is_booked_or_still_on_the_list(
    member: AsyncClient, admin: AsyncClient, config: Config
) -> None:
    a_list, shelf = await new_list(member, is_public=True), await new_location(member)
    at = f"/shopping-lists/{a_list['id']}/items"
    for number in range(5):
        stub, tea = await new_item(member, f"Stub {number}"), await new_item(member, f"Tea {number}")
        await put_on(member, a_list, stub, 5)
        await put_on(member, a_list, tea, 3)
        merging, *buying = await asyncio.gather(
            admin.post(f"/items/{stub['id']}/merge", json={"into": tea["id"]}),
            *(member.post(f"{at}/{stub['id']}/bought", json={"location": {"id": shelf["id"]}}) for _ in range(3)),
        )
        made(merging)
        bought = [answer.status_code for answer in buying].count(200) * 5
        assert bought in (0, 5), buying
        assert await total(member, tea) == bought
        assert (await on(member, a_list))[tea["name"]] == 8 - bought
    assert await find_faults(config) == []


async def test_rejected_purchase_changes_nothing(member: AsyncClient) -> None:
    a_list, item = await new_list(member), await new_item(member)
    await put_on(member, a_list, item, 2)
    at = f"/shopping-lists/{a_list['id']}/items/{item['id']}/bought"
    refused(await member.post(at, json={"event_id": "e1"}), 422, "Name the location", "no location yet")
    for body, status, words in (
        ({"location": {"id": 999}}, 404, "999"),
        ({"location": {"name": "Moon"}}, 404, "Moon"),
        ({"location": {"id": 1, "name": "Shelf"}}, 422, "exactly one"),
        ({"quantity": 0}, 422, "more than 0"),
        ({"quantity": -1}, 422, "quantity"),
        ({"quantity": 1.0001}, 422, "three decimals"),
        ({"lot": "2030-02-30"}, 422, "lot"),
        ({"expiry_date": "tomorrow"}, 422, "expiry_date"),
    ):
        refused(await member.post(at, json=body), status, words)
    shelf, cellar = await new_location(member), await new_location(member, "Cellar")
    # A rejected event_id stays rejected; a purchase with a location has other content.
    corrected = {"quantity": 1, "location": {"id": shelf["id"]}}
    refused(await member.post(at, json={**corrected, "event_id": "e1"}), 409, "already used with other content")
    made(await member.post(at, json={**corrected, "event_id": "e2"}))
    await new_stock(member, item, cellar, 1)
    refused(await member.post(at), 422, "Name the location", "2 locations")
    assert await on(member, a_list) == {"Coffee": 1}
    assert await total(member, item) == 2
    assert [each["action_type"] for each in await log_of(member, a_list)] == ["item_updated", "item_added", "created"]


async def test_repeated_rejected_purchase_is_rejected_again(member: AsyncClient, config: Config) -> None:
    a_list, item = await new_list(member), await new_item(member)
    await put_on(member, a_list, item, 2)
    at = f"/shopping-lists/{a_list['id']}/items/{item['id']}/bought"
    first = refused(await member.post(at, json={"event_id": "e1"}), 422, "no location yet")
    await new_stock(member, item, await new_location(member), 1)
    # Now it could be booked, but the client may have bought it with another event_id since.
    again = refused(await member.post(at, json={"event_id": "e1"}), 422, "no location yet")
    assert again["detail"] == first["detail"]
    assert (await on(member, a_list), await total(member, item)) == ({"Coffee": 2}, 1)
    # After removal from the list it is rejected in the same way.
    made(await member.post(at, json={"event_id": "e2"}))
    assert refused(await member.post(at, json={"event_id": "e1"}), 422)["detail"] == first["detail"]
    assert await find_faults(config) == []


async def test_deactivated_item_stays_on_the_list_but_cannot_be_bought(member: AsyncClient) -> None:
    a_list, item, shelf = await new_list(member), await new_item(member), await new_location(member)
    await put_on(member, a_list, item)
    assert (await member.delete(f"/items/{item['id']}")).status_code == 200
    (entry,) = (await get(member, f"/shopping-lists/{a_list['id']}"))["items"]
    assert entry["item"]["is_active"] is False
    body = {"location": {"id": shelf["id"]}}
    refused(
        await member.post(f"/shopping-lists/{a_list['id']}/items/{item['id']}/bought", json=body),
        422,
        "no longer in use",
    )


async def test_a_purchase_is_undone_like_any_other_event(member: AsyncClient) -> None:
    a_list, item = await new_list(member), await new_item(member)
    await new_stock(member, item, await new_location(member), 1)
    await put_on(member, a_list, item, 2)
    answer = made(await member.post(f"/shopping-lists/{a_list['id']}/items/{item['id']}/bought"))
    made(await member.post(f"/events/{answer['event']['id']}/undo"))
    assert await total(member, item) == 1


@pytest.mark.one_server
async def test_only_members_buy(scanner: AsyncClient, reader: AsyncClient, member: AsyncClient) -> None:
    a_list, item = await new_list(member, is_public=True), await new_item(member)
    await put_on(member, a_list, item, 2)
    for client in (scanner, reader):
        refused(await client.post(f"/shopping-lists/{a_list['id']}/items/{item['id']}/bought"), 403, "Access denied")
        refused(await client.get("/shopping-lists/"), 403, "Access denied")
