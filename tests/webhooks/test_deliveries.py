"""Deliveries: complete, in order, retried until accepted, and only of subscribed events."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky import clock
from stocky.config import Config
from stocky.webhooks import fanout
from stocky.webhooks.delivery import back_off
from tests.architecture.schema import run_beside
from tests.backup.dumps import finished
from tests.inventory import Json, get, made, new_item, refused, total
from tests.webhooks.receiving import A_WHILE, Receiver, answer, deliveries, hooked, post_events, until_so

pytestmark = pytest.mark.one_server


async def test_ledger_is_delivered_in_order_and_signed(
    admin: AsyncClient, member: AsyncClient, receiver: Receiver, item: Json, shelf: Json
) -> None:
    await post_events(member, item, shelf)
    webhook = await hooked(admin, receiver)
    ids = await post_events(member, item, shelf, 3)
    [received] = await receiver.until(1)
    assert received.is_signed_by(webhook["secret"])
    assert received.headers["content-type"] == "application/json"
    assert received.headers["user-agent"].startswith("Stocky/")
    assert abs(int(received.headers["webhook-timestamp"]) - time.time()) < 60
    assert received.type == "stock.recorded"
    assert (received.data["after"], received.data["position"]) == (webhook["position"], ids[-1])
    names = {"item_code": item["code"], "item_name": item["name"], "location_name": shelf["name"]}
    names |= {"location_path": shelf["path"], "unit": "piece", "username": "member"}
    events = [await get(member, f"/events/{id}") | names for id in ids]
    assert received.data["events"] == events
    assert received.message["timestamp"] == events[-1]["recorded_at"]

    async def delivered() -> list[Json]:
        return await deliveries(admin, webhook, status="delivered")

    [delivery] = await until_so(delivered)
    assert (delivery["message_id"], delivery["attempts"], delivery["response_status"]) == (received.id, 1, 204)
    assert (delivery["position"], delivery["error"]) == (ids[-1], None)
    assert (await get(admin, f"/webhooks/{webhook['id']}"))["position"] == ids[-1]
    seen = await get(admin, f"/webhooks/{webhook['id']}/deliveries/{delivery['id']}")
    assert seen["payload"] == received.message


async def test_delivery_holds_up_to_a_hundred_events(
    admin: AsyncClient, member: AsyncClient, receiver: Receiver, item: Json, shelf: Json
) -> None:
    await hooked(admin, receiver)
    ids = await post_events(member, item, shelf, 250)

    async def all_received() -> bool:
        return len(receiver.event_ids()) == len(ids)

    await until_so(all_received)
    assert receiver.event_ids() == ids
    chain = [(each.data["after"], each.data["position"]) for each in receiver.received]
    assert [after for after, _ in chain[1:]] == [position for _, position in chain[:-1]]
    assert max(len(each.data["events"]) for each in receiver.received) == 100


async def test_failed_delivery_is_retried_first_with_the_same_id(
    admin: AsyncClient, member: AsyncClient, receiver: Receiver, item: Json, shelf: Json, impatient: None
) -> None:
    webhook = await hooked(admin, receiver)
    receiver.answers = [answer(500), answer(429, "Retry-After: 1"), answer(302, "Location: /elsewhere")]
    ids = await post_events(member, item, shelf)
    await receiver.until(1)
    ids += await post_events(member, item, shelf)
    *same, last = await receiver.until(5)
    assert [each.id for each in same] == [same[0].id] * 4
    assert [each.body for each in same] == [same[0].body] * 4
    assert all(each.is_signed_by(webhook["secret"]) for each in receiver.received)
    assert last.id != same[0].id
    assert receiver.event_ids() == ids
    times = [int(each.headers["webhook-timestamp"]) for each in same]
    assert times[2] - times[1] >= 1, "as long as it was asked to wait"

    async def both() -> list[Json]:
        found = await deliveries(admin, webhook, status="delivered")
        return found if len(found) == 2 else []

    assert [each["attempts"] for each in await until_so(both)] == [4, 1]
    assert (await get(admin, f"/webhooks/{webhook['id']}"))["failing_since"] is None


async def test_waiting_pings_are_bounded(
    admin: AsyncClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocky.webhooks.repository.MAX_WAITING", 2)
    receiver.usual = answer(500)
    webhook = await hooked(admin, receiver)
    path = f"/webhooks/{webhook['id']}"
    for _ in range(2):
        assert (await admin.post(f"{path}/test")).status_code == 202
    refused(await admin.post(f"{path}/test"), 409, "2 deliveries are waiting")
    assert (await get(admin, path))["waiting"] == 2
    made(await admin.patch(path, json={"skip_missed": True}))
    assert (await admin.post(f"{path}/test")).status_code == 202


async def test_deleted_alert_is_not_sent(
    admin: AsyncClient, member: AsyncClient, receiver: Receiver, config: Config
) -> None:
    webhook = await hooked(admin, receiver, "alert.raised")
    made(await admin.patch(f"/webhooks/{webhook['id']}", json={"is_active": False}))
    for kind in ("deleted", "kept"):
        made(await member.post("/alerts/", json={"alert_type": kind, "message": "Look"}))
    await run_beside(config, "DELETE FROM alert WHERE alert_type = 'deleted'")
    made(await admin.patch(f"/webhooks/{webhook['id']}", json={"is_active": True}))
    await receiver.until(1)
    await asyncio.sleep(A_WHILE)
    assert [each.data["alert_type"] for each in receiver.received] == ["kept"]


async def test_reactivated_webhook_continues_or_skips(
    admin: AsyncClient, member: AsyncClient, receiver: Receiver, item: Json, shelf: Json
) -> None:
    patient, hasty = await hooked(admin, receiver), await hooked(admin, receiver, "stock.recorded", "alert.raised")
    for each in (patient, hasty):
        made(await admin.patch(f"/webhooks/{each['id']}", json={"is_active": False}))
    ids = await post_events(member, item, shelf, 2)
    made(await member.post("/alerts/", json={"alert_type": "other", "message": "Look"}))
    await asyncio.sleep(A_WHILE)
    assert receiver.received == []
    made(await admin.patch(f"/webhooks/{hasty['id']}", json={"is_active": True, "skip_missed": True}))
    await asyncio.sleep(A_WHILE)
    assert receiver.received == []
    made(await admin.patch(f"/webhooks/{patient['id']}", json={"is_active": True}))
    await receiver.until(1)
    assert receiver.event_ids() == ids
    new = await post_events(member, item, shelf)
    await receiver.until(3)
    assert sorted(receiver.event_ids()) == sorted(ids + new + new)


async def test_delivery_can_be_redelivered(
    admin: AsyncClient, member: AsyncClient, receiver: Receiver, item: Json, shelf: Json
) -> None:
    receiver.usual = answer(500)
    webhook = await hooked(admin, receiver)
    path = f"/webhooks/{webhook['id']}"
    await post_events(member, item, shelf)
    [first] = await receiver.until(1)
    made(await admin.patch(path, json={"skip_missed": True}))
    [delivery] = await deliveries(admin, webhook, status="dropped")
    receiver.usual = answer()
    for count in (2, 3):
        again = await admin.post(f"{path}/deliveries/{delivery['id']}/redeliver")
        assert (again.status_code, again.json()["status"]) == (202, "waiting")
        *_, last = await receiver.until(count)
        assert (last.id, last.body) == (first.id, first.body)

        async def delivered() -> list[Json]:
            return await deliveries(admin, webhook, status="delivered")

        await until_so(delivered)


async def test_redeliver_sends_a_waiting_delivery_at_once(admin: AsyncClient, receiver: Receiver) -> None:
    receiver.answers = [answer(500)]
    webhook = await hooked(admin, receiver)
    path = f"/webhooks/{webhook['id']}"
    delivery = (await admin.post(f"{path}/test")).json()

    async def failed() -> bool:
        return bool((await get(admin, path))["failing_since"])

    await until_so(failed)
    assert (await admin.post(f"{path}/deliveries/{delivery['id']}/redeliver")).status_code == 202
    [first, second] = await receiver.until(2)
    assert (first.id, second.id, second.type, second.data) == (first.id, first.id, "ping", {})


async def test_raised_and_resolved_alerts_are_sent(
    admin: AsyncClient, member: AsyncClient, receiver: Receiver, shelf: Json
) -> None:
    await hooked(admin, receiver, "alert.raised", "alert.resolved")
    item = await new_item(member, min_quantity=3)
    await receiver.until(1)
    await post_events(member, item, shelf, 5)
    await receiver.until(2)
    mine = made(await member.post("/alerts/", json={"alert_type": "other", "message": "Look"}))
    made(await member.patch(f"/alerts/{mine['id']}/acknowledge"))
    for _ in range(2):
        made(await member.patch(f"/alerts/{mine['id']}/resolve"))
    await receiver.until(4)
    await asyncio.sleep(A_WHILE)
    received = [(each.type, each.data["alert_type"], each.data["is_active"]) for each in receiver.received]
    assert received == [
        ("alert.raised", "low_stock", True),
        ("alert.resolved", "low_stock", False),
        ("alert.raised", "other", True),
        ("alert.resolved", "other", False),
    ]
    shown = {alert["id"]: alert for alert in await get(member, "/alerts/", active_only=False)}
    assert receiver.received[1].data == shown[receiver.received[1].data["id"]]
    assert receiver.received[3].data == shown[mine["id"]]


async def test_webhook_gets_subscribed_types_from_then_on(
    admin: AsyncClient, member: AsyncClient, receiver: Receiver, item: Json, shelf: Json
) -> None:
    webhook = await hooked(admin, receiver, "alert.resolved")
    await post_events(member, item, shelf)
    made(await member.post("/alerts/", json={"alert_type": "other", "message": "Look"}))
    made(await admin.patch(f"/webhooks/{webhook['id']}", json={"event_types": ["stock.recorded"]}))
    ids = await post_events(member, item, shelf)
    await receiver.until(1)
    await asyncio.sleep(A_WHILE)
    assert [each.type for each in receiver.received] == ["stock.recorded"]
    assert receiver.event_ids() == ids


async def test_merge_is_sent_like_other_ledger_events(
    admin: AsyncClient, member: AsyncClient, receiver: Receiver, item: Json, shelf: Json
) -> None:
    other = await new_item(member, "Tea")
    await hooked(admin, receiver)
    ids = await post_events(member, item, shelf, 2)
    await receiver.until(1)
    made(await member.post(f"/items/{item['id']}/merge", json={"into": other["id"]}))
    assert await total(member, other) == 2
    last = max(event["id"] for event in (await get(member, "/events"))["events"])

    async def all_received() -> bool:
        return receiver.event_ids()[-1] == last

    await until_so(all_received)
    assert receiver.event_ids() == list(range(ids[0], last + 1))


async def test_scheduled_backup_is_sent(admin: AsyncClient, app: Litestar, receiver: Receiver) -> None:
    await hooked(admin, receiver, "backup.finished", "backup.failed")
    job = await app.state.jobs.enqueue("backup.scheduled", {})
    made_backup = (await finished(admin, job))["result"]
    [received] = await receiver.until(1)
    assert (received.type, received.data["filename"]) == ("backup.finished", made_backup["filename"])


@pytest.mark.one_database
async def test_failed_backup_is_sent(
    admin: AsyncClient, app: Litestar, receiver: Receiver, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocky.jobs.kinds.LONGEST_DELAY", timedelta(0))
    await hooked(admin, receiver, "backup.failed", "alert.raised")
    config.backup_dir.rmdir() if config.backup_dir.is_dir() else None
    config.backup_dir.write_text("in the way")
    job = await app.state.jobs.enqueue("backup.scheduled", {})
    assert (await finished(admin, job))["status"] == "failed"
    received = await receiver.until(2)
    assert sorted(each.type for each in received) == ["alert.raised", "backup.failed"]
    assert "scheduled backup failed" in received[0].data["message"]


async def test_receiver_far_behind_catches_up_from_the_ledger(
    admin: AsyncClient,
    member: AsyncClient,
    receiver: Receiver,
    item: Json,
    shelf: Json,
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fanout, "BATCH", 2)
    monkeypatch.setattr(fanout, "MAX_WAITING", 3)
    receiver.usual = answer(500)
    webhook = await hooked(admin, receiver)
    ids = await post_events(member, item, shelf, 20)

    async def is_full() -> bool:
        return bool((await get(admin, f"/webhooks/{webhook['id']}"))["waiting"] == 3)

    await until_so(is_full)
    await asyncio.sleep(A_WHILE)
    assert await is_full()
    receiver.usual = answer()

    async def all_received() -> bool:
        return len(receiver.event_ids()) == len(ids)

    await until_so(all_received)
    assert receiver.event_ids() == ids


async def test_old_deliveries_and_notifications_are_removed(
    app: Litestar, admin: AsyncClient, member: AsyncClient, receiver: Receiver, config: Config,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("stocky.webhooks.queues.MAX_DELIVERIES", 3)
    webhook = await hooked(admin, receiver, "alert.raised")
    for number in range(6):
        made(await member.post("/alerts/", json={"alert_type": "other", "message": str(number)}))
        await receiver.until(number + 1)

    async def settled() -> bool:
        return not (await get(admin, f"/webhooks/{webhook['id']}"))["waiting"]

    await until_so(settled)
    assert len(await deliveries(admin, webhook)) in (3, 4), "three, and what waited when they were counted"
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(days=31))
    await app.state.webhooks._tidy()
    monkeypatch.setattr(clock, "now", real)
    assert await deliveries(admin, webhook) == []
    assert await run_beside(config, "SELECT count(*) FROM webhook_news") == [(1,)]
    made(await member.post("/alerts/", json={"alert_type": "other", "message": "new"}))
    received = await receiver.until(7)
    assert received[-1].data["message"] == "new"


async def test_recent_notifications_are_not_removed(app: Litestar, config: Config) -> None:
    notifications = """
    WITH RECURSIVE number (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM number WHERE value < 10500)
    INSERT INTO webhook_news (event_type, data, occurred_at) SELECT 'backup.failed', '{}', '%s' FROM number
    """
    await run_beside(config, notifications % (clock.now() - timedelta(days=29)).strftime("%Y-%m-%dT%H:%M:%S.000000Z"))
    await app.state.webhooks._tidy()
    assert await run_beside(config, "SELECT count(*) FROM webhook_news") == [(10_500,)]


def test_back_off_doubles_up_to_an_hour() -> None:
    waits = [back_off(failures).total_seconds() for failures in range(40)]
    assert 8 <= waits[0] <= 12
    assert 16 <= waits[1] <= 24
    assert all(2880 <= wait <= 4320 for wait in waits[9:])
    assert len(set(waits[9:])) > 20, "not all at the same moment"
