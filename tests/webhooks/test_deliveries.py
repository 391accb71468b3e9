"""What receivers are sent: all of it, in order, again until they take it, and nothing that is not theirs."""

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
from tests.webhooks.receiving import Receiver, answer, deliveries, hooked, post_events, until_so

pytestmark = pytest.mark.one_postgres

# Long enough for something that should not be sent to be sent.
A_WHILE = 1.5


async def test_the_ledger_is_told_in_order_and_signed(
    admin: AsyncClient, member: AsyncClient, receiver: Receiver, item: Json, shelf: Json
) -> None:
    await post_events(member, item, shelf)
    webhook = await hooked(admin, receiver)
    ids = await post_events(member, item, shelf, 3)
    [told] = await receiver.until(1)
    assert told.is_signed_by(webhook["secret"])
    assert told.headers["content-type"] == "application/json"
    assert told.headers["user-agent"].startswith("Stocky/")
    assert abs(int(told.headers["webhook-timestamp"]) - time.time()) < 60
    assert told.type == "stock.recorded"
    assert (told.data["after"], told.data["position"]) == (webhook["position"], ids[-1])
    events = [await get(member, f"/events/{id}") for id in ids]
    assert told.data["events"] == events
    assert told.message["timestamp"] == events[-1]["recorded_at"]

    async def delivered() -> list[Json]:
        return await deliveries(admin, webhook, status="delivered")

    [delivery] = await until_so(delivered)
    assert (delivery["message_id"], delivery["attempts"], delivery["response_status"]) == (told.id, 1, 204)
    assert (delivery["position"], delivery["error"]) == (ids[-1], None)
    assert (await get(admin, f"/webhooks/{webhook['id']}"))["position"] == ids[-1]
    seen = await get(admin, f"/webhooks/{webhook['id']}/deliveries/{delivery['id']}")
    assert seen["payload"] == told.message


async def test_a_hundred_events_make_a_delivery_and_each_goes_on_from_the_one_before(
    admin: AsyncClient, member: AsyncClient, receiver: Receiver, item: Json, shelf: Json
) -> None:
    await hooked(admin, receiver)
    ids = await post_events(member, item, shelf, 250)

    async def all_told() -> bool:
        return len(receiver.told_ids()) == len(ids)

    await until_so(all_told)
    assert receiver.told_ids() == ids
    chain = [(each.data["after"], each.data["position"]) for each in receiver.received]
    assert [after for after, _ in chain[1:]] == [position for _, position in chain[:-1]]
    assert max(len(each.data["events"]) for each in receiver.received) == 100


async def test_what_is_not_taken_is_sent_again_under_the_same_id_before_anything_else(
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
    assert receiver.told_ids() == ids
    times = [int(each.headers["webhook-timestamp"]) for each in same]
    assert times[2] - times[1] >= 1, "as long as it was asked to wait"

    async def both() -> list[Json]:
        found = await deliveries(admin, webhook, status="delivered")
        return found if len(found) == 2 else []

    assert [each["attempts"] for each in await until_so(both)] == [4, 1]
    assert (await get(admin, f"/webhooks/{webhook['id']}"))["failing_since"] is None


async def test_no_more_pings_wait_than_deliveries_may(
    admin: AsyncClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocky.webhooks.repository.MAX_WAITING", 2)
    receiver.usual = answer(500)
    webhook = await hooked(admin, receiver)
    path = f"/webhooks/{webhook['id']}"
    for _ in range(2):
        assert (await admin.post(f"{path}/test")).status_code == 202
    refused(await admin.post(f"{path}/test"), 409, "2 deliveries wait")
    assert (await get(admin, path))["waiting"] == 2
    made(await admin.patch(path, json={"skip_missed": True}))
    assert (await admin.post(f"{path}/test")).status_code == 202


async def test_of_an_alert_that_was_deleted_nothing_is_told(
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


async def test_an_inactive_webhook_goes_on_where_it_stood_or_begins_with_now(
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
    assert receiver.told_ids() == ids
    new = await post_events(member, item, shelf)
    await receiver.until(3)
    assert sorted(receiver.told_ids()) == sorted(ids + new + new)


async def test_what_was_dropped_or_delivered_can_be_sent_again(
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


async def test_one_that_waits_is_tried_at_once_when_asked(admin: AsyncClient, receiver: Receiver) -> None:
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


async def test_alerts_are_told_when_they_are_raised_and_when_they_are_over(
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
    told = [(each.type, each.data["alert_type"], each.data["is_active"]) for each in receiver.received]
    assert told == [
        ("alert.raised", "low_stock", True),
        ("alert.resolved", "low_stock", False),
        ("alert.raised", "other", True),
        ("alert.resolved", "other", False),
    ]
    shown = {alert["id"]: alert for alert in await get(member, "/alerts/", active_only=False)}
    assert receiver.received[1].data == shown[receiver.received[1].data["id"]]
    assert receiver.received[3].data == shown[mine["id"]]


async def test_a_webhook_is_told_what_it_asked_for_and_from_when_it_asked(
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
    assert receiver.told_ids() == ids


async def test_a_merge_is_told_like_everything_else_in_the_ledger(
    admin: AsyncClient, member: AsyncClient, receiver: Receiver, item: Json, shelf: Json
) -> None:
    other = await new_item(member, "Tea")
    await hooked(admin, receiver)
    ids = await post_events(member, item, shelf, 2)
    await receiver.until(1)
    made(await member.post(f"/items/{item['id']}/merge", json={"into": other["id"]}))
    assert await total(member, other) == 2
    last = max(event["id"] for event in (await get(member, "/events"))["events"])

    async def all_told() -> bool:
        return receiver.told_ids()[-1] == last

    await until_so(all_told)
    assert receiver.told_ids() == list(range(ids[0], last + 1))


async def test_scheduled_backups_are_told(admin: AsyncClient, app: Litestar, receiver: Receiver) -> None:
    await hooked(admin, receiver, "backup.finished", "backup.failed")
    job = await app.state.jobs.enqueue("backup.scheduled", {})
    made_backup = (await finished(admin, job))["result"]
    [told] = await receiver.until(1)
    assert (told.type, told.data["filename"]) == ("backup.finished", made_backup["filename"])


@pytest.mark.one_database
async def test_a_backup_that_fails_is_told(
    admin: AsyncClient, app: Litestar, receiver: Receiver, config: Config
) -> None:
    await hooked(admin, receiver, "backup.failed", "alert.raised")
    config.backup_dir.rmdir() if config.backup_dir.is_dir() else None
    config.backup_dir.write_text("in the way")
    job = await app.state.jobs.enqueue("backup.scheduled", {})
    assert (await finished(admin, job))["status"] == "failed"
    told = await receiver.until(2)
    assert sorted(each.type for each in told) == ["alert.raised", "backup.failed"]
    assert "scheduled backup failed" in told[0].data["message"]


async def test_who_is_far_behind_is_told_the_rest_from_the_ledger_when_there_is_room(
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

    async def all_told() -> bool:
        return len(receiver.told_ids()) == len(ids)

    await until_so(all_told)
    assert receiver.told_ids() == ids


async def test_deliveries_and_news_are_kept_for_a_while_and_no_longer(
    app: Litestar, admin: AsyncClient, member: AsyncClient, receiver: Receiver, config: Config,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("stocky.webhooks.queues.KEPT", 3)
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
    told = await receiver.until(7)
    assert told[-1].data["message"] == "new"


async def test_news_of_the_last_days_waits_however_much_of_it_there_is(app: Litestar, config: Config) -> None:
    news = """
    WITH RECURSIVE number (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM number WHERE value < 10500)
    INSERT INTO webhook_news (event_type, data, occurred_at) SELECT 'backup.failed', '{}', '%s' FROM number
    """
    await run_beside(config, news % (clock.now() - timedelta(days=29)).strftime("%Y-%m-%dT%H:%M:%S.000000Z"))
    await app.state.webhooks._tidy()
    assert await run_beside(config, "SELECT count(*) FROM webhook_news") == [(10_500,)]


def test_attempts_are_further_and_further_apart_up_to_an_hour() -> None:
    waits = [back_off(failures).total_seconds() for failures in range(40)]
    assert 8 <= waits[0] <= 12
    assert 16 <= waits[1] <= 24
    assert all(2880 <= wait <= 4320 for wait in waits[9:])
    assert len(set(waits[9:])) > 20, "not all at the same moment"
