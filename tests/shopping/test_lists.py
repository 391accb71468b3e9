"""Shopping lists: visibility, entries and log."""

from __future__ import annotations

import asyncio

import pytest
from httpx import AsyncClient

from tests.inventory import get, made, new_item, new_location, new_stock, refused
from tests.shopping.lists import log_of, new_list, on, put_on

ITEM_OF_A_LIST = {"id", "item", "text", "quantity", "created_at", "updated_at"}


async def test_list_response_matches_the_contract(member: AsyncClient) -> None:
    me = await get(member, "/auth/me")
    a_list = await new_list(member, "Weekly", is_public=True)
    item = await new_item(member, "Coffee", min_quantity=2)
    await new_stock(member, item, await new_location(member), 1.5)
    entry = await put_on(member, a_list, item, 0.125)
    detail = await get(member, f"/shopping-lists/{a_list['id']}")
    assert set(detail) == {"id", "name", "is_public", "creator", "items", "created_at", "updated_at"}
    assert (detail["name"], detail["is_public"], detail["creator"]) == ("Weekly", True, me)
    assert detail["items"] == [entry]
    assert set(entry) == ITEM_OF_A_LIST
    listed = await get(member, f"/items/{item['id']}") | {"is_placeholder": False}
    assert (entry["item"], entry["quantity"], entry["text"]) == (listed, 0.125, None)
    page = await get(member, "/shopping-lists")
    assert {name: page[name] for name in ("total", "skip", "limit")} == {"total": 1, "skip": 0, "limit": 100}
    detail.pop("items")
    assert page["items"] == [detail | {"item_count": 1}]
    assert page == await get(member, "/shopping-lists/")


async def test_email_and_role_are_visible_to_admins_and_their_user(
    member: AsyncClient, other_member: AsyncClient, admin: AsyncClient
) -> None:
    a_list = await new_list(member, "Weekly", is_public=True)
    path = f"/shopping-lists/{a_list['id']}"
    whole = a_list["creator"]
    hidden = {**whole, "email": None, "role": None}
    for client, creator in ((member, whole), (admin, whole), (other_member, hidden)):
        assert (await get(client, path))["creator"] == creator
        assert (await get(client, "/shopping-lists/"))["items"][0]["creator"] == creator
        assert (await get(client, f"{path}/logs"))["items"][0]["user"] == creator


async def test_lists_are_paged_and_counted(member: AsyncClient) -> None:
    for number in range(5):
        await new_list(member, f"List {number}")
    page = await get(member, "/shopping-lists/", skip=1, limit=2)
    assert [each["name"] for each in page["items"]] == ["List 1", "List 2"]
    assert (page["total"], page["skip"], page["limit"]) == (5, 1, 2)
    assert (await get(member, "/shopping-lists/", page=2, size=2))["items"] == [
        *(await get(member, "/shopping-lists/", skip=2, limit=2))["items"]
    ]
    refused(await member.get("/shopping-lists/", params={"limit": 1001}), 422)


async def test_private_list_is_visible_to_its_creator_and_admins(
    member: AsyncClient, other_member: AsyncClient, admin: AsyncClient
) -> None:
    a_list = await new_list(member, "Presents")
    item = await new_item(member)
    await put_on(member, a_list, item)
    at = f"/shopping-lists/{a_list['id']}"
    for method, path, body in (
        ("GET", at, None),
        ("PUT", at, {"name": "Mine now"}),
        ("DELETE", at, None),
        ("POST", f"{at}/duplicate", None),
        ("GET", f"{at}/logs", None),
        ("POST", f"{at}/items", {"text": "Socks"}),
        ("PUT", f"{at}/items/{item['id']}", {"quantity": 5}),
        ("DELETE", f"{at}/items/{item['id']}", None),
        ("POST", f"{at}/items/{item['id']}/bought", None),
        ("POST", f"{at}/fill-low-stock", None),
    ):
        refused(await other_member.request(method, path, json=body), 404, f"shopping list with id {a_list['id']}")
    assert (await get(other_member, "/shopping-lists/")) == {"items": [], "total": 0, "skip": 0, "limit": 100}
    assert (await get(admin, "/shopping-lists/"))["total"] == 1
    assert made(await admin.put(at, json={"name": "Gifts"}))["name"] == "Gifts"
    assert await on(member, a_list) == {"Coffee": 1}


async def test_a_public_list_is_changed_by_any_member(member: AsyncClient, other_member: AsyncClient) -> None:
    a_list = await new_list(member, is_public=True)
    item = await new_item(member)
    at = f"/shopping-lists/{a_list['id']}"
    await put_on(other_member, a_list, item, 2)
    assert made(await other_member.put(at, json={"name": "Monthly"}))["name"] == "Monthly"
    assert made(await other_member.put(f"{at}/items/{item['id']}", json={"quantity": 3}))["quantity"] == 3
    log = await log_of(member, a_list)
    assert [each["user"]["username"] for each in log] == ["other", "other", "other", "member"]
    problem = refused(await other_member.put(at, json={"is_public": False}), 403, "creator", "admin")
    assert problem["detail"].startswith("Access denied")
    assert made(await member.put(at, json={"is_public": False}))["is_public"] is False
    refused(await other_member.get(at), 404)


async def test_a_deleted_list_is_gone_for_everyone(member: AsyncClient, admin: AsyncClient) -> None:
    a_list = await new_list(member)
    at = f"/shopping-lists/{a_list['id']}"
    assert (await member.delete(at)).status_code == 204
    for client in (member, admin):
        refused(await client.get(at), 404)
        refused(await client.delete(at), 404)
    assert (await get(admin, "/shopping-lists/"))["total"] == 0


async def test_an_item_is_on_a_list_once(member: AsyncClient) -> None:
    a_list, item = await new_list(member), await new_item(member)
    body = {"item_id": item["id"], "quantity": 2}
    answers = await asyncio.gather(*(member.post(f"/shopping-lists/{a_list['id']}/items", json=body) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    refused(await member.post(f"/shopping-lists/{a_list['id']}/items", json=body), 409, "on the list already")
    assert await on(member, a_list) == {"Coffee": 2}
    assert len(await log_of(member, a_list, action_type="item_added")) == 1
    assert made(await member.put(f"/shopping-lists/{a_list['id']}/items/{item['id']}", json={}))["quantity"] == 2


async def test_a_placeholder_is_a_text_until_it_is_bought(member: AsyncClient) -> None:
    a_list = await new_list(member)
    entry = await put_on(member, a_list, "Birthday candles", 10)
    assert (entry["text"], entry["quantity"]) == ("Birthday candles", 10)
    shown = entry["item"]
    assert (shown["id"], shown["name"], shown["is_placeholder"]) == (None, "Birthday candles", True)
    item = await new_item(member)
    assert set(shown) == {*item, "is_placeholder"}, "every field that clients read of an item"
    assert {name for name in item if type(shown[name]) is not type(item[name])} == {"id"}
    at = f"/shopping-lists/{a_list['id']}/placeholders/{entry['id']}"
    refused(await member.post(f"/shopping-lists/{a_list['id']}/items", json={"text": "Birthday candles"}), 409)
    assert made(await member.put(at, json={"text": "Candles"}))["text"] == "Candles"
    assert made(await member.put(at, json={"quantity": 12}))["quantity"] == 12
    assert (await member.post(f"{at}/bought")).status_code == 204
    refused(await member.post(f"{at}/bought"), 404, f"placeholder {entry['id']}")
    assert await on(member, a_list) == {}
    log = await log_of(member, a_list, action_type="item_removed")
    assert [each["details"] for each in log] == [
        {"text": "Candles", "quantity": 12, "bought": 12, "item_name": "Candles", "list_name": "Weekly"}
    ]
    other = await put_on(member, a_list, "Napkins")
    assert (await member.delete(f"/shopping-lists/{a_list['id']}/placeholders/{other['id']}")).status_code == 204
    assert await on(member, a_list) == {}


async def test_entry_is_addressed_by_its_item_or_by_itself(member: AsyncClient) -> None:
    a_list = await new_list(member)
    coffee, tea, salt = [await new_item(member, name) for name in ("Coffee", "Tea", "Salt")]
    # Entries get other ids than their items: the ids of an item and of an entry of another one are the same.
    texts = [await put_on(member, a_list, text) for text in ("Candles", "Napkins")]
    entries = [await put_on(member, a_list, item) for item in (salt, coffee, tea)]
    at = f"/shopping-lists/{a_list['id']}/items"
    assert [each["id"] for each in (coffee, tea, salt, *texts, *entries)] == [1, 2, 3, 1, 2, 3, 4, 5]
    changed = made(await member.put(f"{at}/{coffee['id']}", json={"quantity": 2}))
    assert changed["item"]["name"] == "Coffee", "the item's id goes before the entry's"
    assert made(await member.put(f"{at}/4", json={"quantity": 3}))["item"]["name"] == "Coffee"
    assert await on(member, a_list) == {"Candles": 1, "Napkins": 1, "Salt": 1, "Coffee": 3, "Tea": 1}
    for number in (4, 5, 3):
        assert (await member.delete(f"{at}/{number}")).status_code == 204
    assert await on(member, a_list) == {"Candles": 1, "Napkins": 1}
    # Sent again, as after a lost answer: these items were on the list, so no other entry is meant.
    for number in (1, 2, 3):
        refused(await member.delete(f"{at}/{number}"), 404)
    assert await on(member, a_list) == {"Candles": 1, "Napkins": 1}
    third = await new_list(member, "Third")
    milk = await put_on(member, third, "Milk")
    path = f"/shopping-lists/{third['id']}/items/{milk['id']}"
    assert made(await member.put(path, json={"quantity": 7}))["item"]["id"] is None
    other = await new_list(member, "Other")
    for number in (1, 9):
        for method, body in (("PUT", {"quantity": 1}), ("DELETE", None)):
            path = f"/shopping-lists/{other['id']}/items/{number}"
            refused(await member.request(method, path, json=body), 404, "on the shopping list")


async def test_an_entry_of_another_list_is_not_found_on_this_one(member: AsyncClient) -> None:
    one, another = await new_list(member, "One"), await new_list(member, "Another")
    item = await new_item(member)
    entry = await put_on(member, one, "Socks")
    await put_on(member, one, item)
    at = f"/shopping-lists/{another['id']}"
    for path in (f"{at}/items/{item['id']}", f"{at}/placeholders/{entry['id']}"):
        refused(await member.put(path, json={"quantity": 2}), 404, "on the shopping list")
        refused(await member.delete(path), 404)
        refused(await member.post(f"{path}/bought"), 404)
    # An item id is not a placeholder id.
    with_item = (await get(member, f"/shopping-lists/{one['id']}"))["items"][1]
    refused(await member.delete(f"/shopping-lists/{one['id']}/placeholders/{with_item['id']}"), 404)
    assert await on(member, one) == {"Socks": 1, "Coffee": 1}


async def test_copy_has_the_same_entries_and_is_independent(member: AsyncClient, other_member: AsyncClient) -> None:
    a_list, item = await new_list(member, "W" * 200, is_public=True), await new_item(member)
    await put_on(member, a_list, item, 2)
    await put_on(member, a_list, "Candles", 0.5)
    copy = made(await other_member.post(f"/shopping-lists/{a_list['id']}/duplicate"))
    assert copy["creator"]["username"] == "other"
    assert len(copy["name"]) == 200
    assert copy["name"].endswith("W (copy)")
    assert copy["is_public"] is True
    assert await on(member, copy) == {"Coffee": 2, "Candles": 0.5}
    await other_member.delete(f"/shopping-lists/{copy['id']}/items/{item['id']}")
    assert await on(member, a_list) == {"Coffee": 2, "Candles": 0.5}
    body = {"name": "Mine", "is_public": False}
    own = made(await other_member.post(f"/shopping-lists/{a_list['id']}/duplicate", json=body))
    assert (own["name"], own["is_public"]) == ("Mine", False)
    refused(await member.get(f"/shopping-lists/{own['id']}"), 404)
    source = {"source_list_id": a_list["id"], "source_list_name": a_list["name"]}
    [log] = await log_of(other_member, own)
    assert log["details"] == {"from_list_id": a_list["id"], "from_name": a_list["name"], **body, **source} | {
        "new_list_name": "Mine"
    }
    private, public = await log_of(member, a_list, action_type="duplicated")
    assert private["details"] == {"to_list_id": own["id"], **source}, "who may not see the copy does not see its name"
    copied = {"to_list_id": copy["id"], "to_name": copy["name"], "new_list_name": copy["name"]}
    assert public["details"] == copied | source


@pytest.mark.parametrize(("original", "copied"), [(False, True), (False, False), (True, True), (True, False)])
async def test_public_copy_does_not_name_a_private_list(original: bool, copied: bool, member: AsyncClient) -> None:
    a_list = await new_list(member, "Surprise party", is_public=original)
    body = {"name": "Shop", "is_public": copied}
    copy = made(await member.post(f"/shopping-lists/{a_list['id']}/duplicate", json=body))
    [log] = await log_of(member, copy)
    named = {"from_name": "Surprise party", "source_list_name": "Surprise party"} if original or not copied else {}
    ids = {"from_list_id": a_list["id"], "source_list_id": a_list["id"]}
    assert log["details"] == ids | named | body | {"new_list_name": "Shop"}


async def test_log_lists_changes_newest_first(member: AsyncClient, admin: AsyncClient) -> None:
    a_list, item = await new_list(member), await new_item(member)
    at = f"/shopping-lists/{a_list['id']}"
    await put_on(admin, a_list, item, 2)
    made(await member.put(f"{at}/items/{item['id']}", json={"quantity": 2.5}))
    made(await member.put(at, json={"name": "Monthly"}))
    made(await member.put(at, json={"name": "Monthly"}))
    assert (await member.delete(f"{at}/items/{item['id']}")).status_code == 204
    log = await log_of(member, a_list)
    assert [(each["action_type"], each["user"]["username"]) for each in log] == [
        ("item_removed", "member"),
        ("updated", "member"),
        ("item_updated", "member"),
        ("item_added", "admin"),
        ("created", "member"),
    ]
    coffee = {"item_id": item["id"], "name": "Coffee", "item_name": "Coffee", "list_name": "Monthly"}
    assert [each["details"] for each in log] == [
        {**coffee, "quantity": 2.5},
        {"name": {"from": "Weekly", "to": "Monthly"}, "list_name": "Monthly"},
        {**coffee, "quantity": {"from": 2, "to": 2.5}},
        {**coffee, "quantity": 2},
        {"name": "Weekly", "is_public": False, "list_name": "Weekly"},
    ]
    assert set(log[0]) == {"id", "action_type", "user", "details", "timestamp"}
    assert log[0]["timestamp"].endswith("Z")
    for kind in ("item_added", "ITEM_ADDED"):
        assert await log_of(member, a_list, action_type=kind) == log[3:4]
    page = await get(member, f"{at}/logs", skip=1, limit=1)
    assert page == {"items": log[1:2], "total": 5, "skip": 1, "limit": 1}
    assert (await get(member, f"{at}/logs", action_type="item_added"))["total"] == 1
    refused(await member.get(f"{at}/logs", params={"action_type": "eaten"}), 422)


async def test_invalid_entry_is_rejected(member: AsyncClient) -> None:
    a_list, item = await new_list(member), await new_item(member)
    at = f"/shopping-lists/{a_list['id']}/items"
    gone = await new_item(member, "Gone")
    assert (await member.delete(f"/items/{gone['id']}")).status_code == 200
    for body, status, words in (
        ({"item_id": item["id"], "text": "both"}, 422, "either the id of an item"),
        ({"quantity": 1}, 422, "either the id of an item"),
        ({"item_id": item["id"], "quantity": 0}, 422, "more than 0"),
        ({"item_id": item["id"], "quantity": 0.0001}, 422, "three decimals"),
        ({"item_id": item["id"], "quantity": -1}, 422, "quantity"),
        ({"text": ""}, 422, "text"),
        ({"text": "x" * 201}, 422, "text"),
        ({"item_id": 999}, 404, "999"),
        ({"item_id": gone["id"]}, 409, "no longer in use"),
    ):
        refused(await member.post(at, json=body), status, words)
    refused(await member.post("/shopping-lists/", json={"name": ""}), 422)
    refused(await member.post("/shopping-lists/", json={"name": "x" * 201}), 422)
    assert await on(member, a_list) == {}
    assert len(await log_of(member, a_list)) == 1


@pytest.mark.one_database
async def test_full_list_rejects_entries(member: AsyncClient, admin: AsyncClient) -> None:
    a_list = await new_list(member)
    for start in range(0, 1000, 100):
        await asyncio.gather(*(put_on(member, a_list, f"Thing {number}") for number in range(start, start + 100)))
    refused(await member.post(f"/shopping-lists/{a_list['id']}/items", json={"text": "One more"}), 409, "full", "1000")
    low = await new_item(member, "Low", min_quantity=5)
    filled = made(await member.post(f"/shopping-lists/{a_list['id']}/fill-low-stock"))
    assert filled == {"added": [], "raised": [], "is_complete": False}, low
    assert (await get(admin, "/shopping-lists/"))["items"][0]["item_count"] == 1000
