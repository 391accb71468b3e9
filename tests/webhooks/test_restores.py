"""Webhooks in backups: what a restore brings back, what it keeps, and the messages after it."""

from __future__ import annotations

import asyncio

import pytest
from httpx import AsyncClient

from tests.backup.dumps import as_json, packed, restore, take, text_of
from tests.inventory import get, made, new_item, new_location, refused
from tests.webhooks.receiving import A_WHILE, Receiver, answer, hooked, post_events

pytestmark = pytest.mark.one_server


async def test_restore_sends_only_new_events(admin: AsyncClient, receiver: Receiver) -> None:
    item, shelf = await new_item(admin), await new_location(admin)
    # Also for a webhook that is far behind.
    receiver.usual = answer(500)
    webhook = await hooked(admin, receiver, "stock.recorded", "alert.raised")
    stored = await post_events(admin, item, shelf, 3)
    await receiver.until(1)
    dump = await take(admin)
    lost = await post_events(admin, item, shelf, 5)
    made(await admin.post("/alerts/", json={"alert_type": "other", "message": "Look"}))
    receiver.usual = answer()
    receiver.received.clear()
    answered = await restore(admin, dump)
    assert not any("webhook" in each.lower() for each in answered["warnings"])
    [received] = await receiver.until(1, "data.restored")
    assert received.is_signed_by(webhook["secret"])
    assert received.data == {"position": stored[-1]}
    # New events with the ids of the lost ones.
    new = await post_events(admin, item, shelf, 2)
    assert set(new) <= set(lost)
    made(await admin.post("/alerts/", json={"alert_type": "other", "message": "New"}))
    await receiver.until(3)
    await asyncio.sleep(A_WHILE)
    after = receiver.received[receiver.received.index(received) :]
    assert sorted(each.type for each in after) == ["alert.raised", "data.restored", "stock.recorded"]
    [stock] = [each for each in after if each.type == "stock.recorded"]
    assert (stock.data["after"], [event["id"] for event in stock.data["events"]]) == (stored[-1], new)
    assert (await get(admin, f"/webhooks/{webhook['id']}"))["position"] == new[-1]


async def test_disabled_webhook_stays_disabled_after_restore(admin: AsyncClient, receiver: Receiver) -> None:
    hooks = [await hooked(admin, receiver, description=name) for name in ("kept", "off", "rotated", "moved", "gone")]
    stored, off, rotated, moved, gone = (f"/webhooks/{each['id']}" for each in hooks)
    dump = await take(admin)
    made(await admin.patch(off, json={"is_active": False}))
    made(await admin.post(f"{rotated}/rotate-secret"))
    made(await admin.patch(moved, json={"url": receiver.url + "/2"}))
    assert (await admin.delete(gone)).status_code == 204
    answered = await restore(admin, dump)
    found = await get(admin, "/webhooks/")
    assert [each["description"] for each in found if each["is_active"]] == ["kept"]
    assert all("backup" in each["inactive_reason"] for each in found if not each["is_active"])
    ids = ", ".join(str(each["id"]) for each in hooks[1:])
    warning = f"inactive, so that a restore sends nothing that was not sent before: {ids};"
    assert any(warning in each for each in answered["warnings"]), answered["warnings"]
    await receiver.until(1)
    await asyncio.sleep(A_WHILE)
    assert [each.type for each in receiver.received] == ["data.restored"]
    made(await admin.patch(gone, json={"is_active": True}))
    [_, received] = await receiver.until(2)
    assert received.type == "data.restored"
    assert received.is_signed_by(hooks[-1]["secret"])
    assert stored


async def test_dump_contains_webhooks_without_deliveries(admin: AsyncClient, receiver: Receiver) -> None:
    receiver.usual = answer(500)
    webhook = await hooked(admin, receiver, "alert.raised")
    made(await admin.post("/alerts/", json={"alert_type": "other", "message": "Look"}))
    await receiver.until(1)
    text = text_of(await take(admin))
    assert webhook["secret"] in text
    for table in ("webhook_queue", "webhook_delivery", "webhook_news"):
        assert f'INSERT INTO "{table}"' not in text
    stored = made(await admin.post("/backup/create/full"))
    assert webhook["secret"] not in str(stored)
    assert webhook["secret"] not in str(await get(admin, "/system/backup/list"))


async def test_partial_restore_adds_only_named_webhooks(admin: AsyncClient, receiver: Receiver) -> None:
    webhook = await hooked(admin, receiver)
    made(await admin.post("/alerts/", json={"alert_type": "other", "message": "Look"}))
    dump = await take(admin)
    assert (await admin.delete(f"/webhooks/{webhook['id']}")).status_code == 204
    for options in ({}, {"force": True}, {"tables": ["webhook"]}):
        refused(await admin.post("/backup/import/partial", json=as_json(dump, **options)), 400)
    assert await get(admin, "/webhooks/") == []
    both = made(await admin.post("/backup/import/partial", json=as_json(dump, force=True, tables=["webhook"])))
    assert "webhooks" in both["tables_affected"]
    assert any("inactive" in warning for warning in both["warnings"])
    [silent] = await get(admin, "/webhooks/")
    assert (silent["is_active"], "import" in silent["inactive_reason"]) == (False, True)
    await asyncio.sleep(A_WHILE)
    assert receiver.received == []
    made(await admin.patch(f"/webhooks/{silent['id']}", json={"is_active": True}))
    [received] = await receiver.until(1)
    assert received.type == "data.restored"
    assert received.is_signed_by(webhook["secret"])


async def test_imported_deliveries_are_not_sent(admin: AsyncClient, receiver: Receiver) -> None:
    webhook = await hooked(admin, receiver)
    table = "webhook_delivery"
    delivery = (
        f"INSERT INTO {table} (id, webhook_id, message_id, event_type, payload, status, created_at)"
        f" VALUES (70, {webhook['id']}, 'msg_0', 'ping', '{{}}', 'waiting', '2026-01-01T00:00:00.000000Z');"
    )
    for options in ({}, {"force": True}, {"tables": [table]}, {"force": True, "tables": [table, "webhook"]}):
        body = as_json(packed(delivery + "\n"), **options)
        refused(await admin.post("/backup/import/partial", json=body), 400, table, "no backup")
    await asyncio.sleep(A_WHILE)
    assert receiver.received == []


async def test_partial_restore_respects_the_maximum_of_webhooks(admin: AsyncClient, receiver: Receiver) -> None:
    await hooked(admin, receiver)
    rows = ", ".join(
        f"({number}, '{receiver.url}', '[]', '{'x' * 32}', '2026-01-01T00:00:00.000000Z',"
        " '2026-01-01T00:00:00.000000Z')"
        for number in range(100, 150)
    )
    text = f"INSERT INTO webhook (id, url, event_types, secret, created_at, updated_at) VALUES {rows};\n"
    body = as_json(packed(text), force=True, tables=["webhook"])
    refused(await admin.post("/backup/import/partial", json=body), 400, "51 webhooks")
    assert len(await get(admin, "/webhooks/")) == 1
