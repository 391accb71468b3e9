"""Internal errors delay one webhook at most; others are sent, and nothing is sent twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky.config import Config
from stocky.webhooks import service
from tests.architecture.schema import run_beside
from tests.inventory import Json, get, made
from tests.webhooks.receiving import A_WHILE, Receiver, deliveries, hooked, post_events, until_so

pytestmark = pytest.mark.one_server


async def _first_failure(admin: AsyncClient, webhook: Json) -> Json:
    """The only delivery of a webhook, after its first attempt."""

    async def tried() -> Json | None:
        [delivery] = await deliveries(admin, webhook)
        return delivery if delivery["attempts"] else None

    found: Json = await until_so(tried)
    return found


async def test_events_queued_during_a_change_are_sent_once(
    admin: AsyncClient,
    member: AsyncClient,
    receiver: Receiver,
    item: Json,
    shelf: Json,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    webhook = await hooked(admin, receiver, "stock.recorded", "alert.raised")
    ids = await post_events(member, item, shelf)
    await receiver.until(1)
    real = service.find_ends

    async def find_ends(*arguments: Any) -> Any:
        ends = await real(*arguments)
        ids.extend(await post_events(member, item, shelf))
        made(await member.post("/alerts/", json={"alert_type": "other", "message": "Look"}))
        await receiver.until(3)
        return ends

    monkeypatch.setattr(service, "find_ends", find_ends)
    made(await admin.patch(f"/webhooks/{webhook['id']}", json={"skip_missed": True}))
    monkeypatch.setattr(service, "find_ends", real)
    ids += await post_events(member, item, shelf)
    await receiver.until(4)
    await asyncio.sleep(A_WHILE)
    assert sorted(each.type for each in receiver.received) == ["alert.raised", *["stock.recorded"] * 3]
    assert receiver.event_ids() == ids


async def test_failing_fan_out_of_one_webhook_does_not_delay_others(
    admin: AsyncClient,
    member: AsyncClient,
    receiver: Receiver,
    item: Json,
    shelf: Json,
    config: Config,
    caplog: pytest.LogCaptureFixture,
) -> None:
    [last] = await post_events(member, item, shelf)
    stuck = await hooked(admin, receiver)
    await run_beside(
        config,
        "INSERT INTO webhook_delivery (webhook_id, message_id, event_type, payload, position, status, created_at)"
        f" VALUES ({stuck['id']}, 'msg_x', 'stock.recorded', '', {last + 1}, 'dropped', '2026-01-01T00:00:00.000000Z')",
    )
    await hooked(admin, receiver)
    ids = await post_events(member, item, shelf)
    await receiver.until(1)
    assert receiver.event_ids() == ids == [last + 1]
    assert f"could not be queued for webhook {stuck['id']}" in caplog.text


async def test_unreadable_certificates_fail_and_back_off(
    admin: AsyncClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    webhook = await hooked(admin, receiver)
    assert (await admin.post(f"/webhooks/{webhook['id']}/test")).status_code == 202
    assert "SSL_CERT_FILE" in (await _first_failure(admin, webhook))["error"]
    await asyncio.sleep(A_WHILE)
    [delivery] = await deliveries(admin, webhook)
    assert (delivery["attempts"], delivery["status"]) == (1, "waiting")
    monkeypatch.delenv("SSL_CERT_FILE")
    made(await admin.patch(f"/webhooks/{webhook['id']}", json={"is_active": True}))
    await receiver.until(1)


async def test_invalid_secret_fails_until_rotated(admin: AsyncClient, receiver: Receiver, config: Config) -> None:
    webhook = await hooked(admin, receiver)
    await run_beside(config, f"UPDATE webhook SET secret = 'whsec_{'!' * 44}'")
    assert (await admin.post(f"/webhooks/{webhook['id']}/test")).status_code == 202
    assert "rotate the secret" in (await _first_failure(admin, webhook))["error"]
    await asyncio.sleep(A_WHILE)
    [delivery] = await deliveries(admin, webhook)
    assert (delivery["attempts"], receiver.received) == (1, [])
    await run_beside(config, "UPDATE webhook SET secret = 'a_secret_that_signs_well_and_is_long_enough'")
    made(await admin.patch(f"/webhooks/{webhook['id']}", json={"is_active": True}))
    await receiver.until(1)


async def test_unexpected_error_fails_and_backs_off(
    admin: AsyncClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr("stocky.webhooks.http_client._outcome", broken)
    webhook = await hooked(admin, receiver)
    assert (await admin.post(f"/webhooks/{webhook['id']}/test")).status_code == 202
    assert "internal error (RuntimeError)" in (await _first_failure(admin, webhook))["error"]
    await asyncio.sleep(A_WHILE)
    assert len(receiver.received) == 1
    assert caplog.text.count("internal error while sending") == 1
    assert (await get(admin, f"/webhooks/{webhook['id']}"))["failing_since"]


async def test_sending_continues_after_database_error(
    admin: AsyncClient, app: Litestar, receiver: Receiver, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    webhook = await hooked(admin, receiver)
    await run_beside(config, "ALTER TABLE webhook_queue RENAME TO elsewhere")

    async def noticed() -> bool:
        return "The background task 'webhook delivery' failed" in caplog.text

    await until_so(noticed)
    await run_beside(config, "ALTER TABLE elsewhere RENAME TO webhook_queue")
    assert (await admin.post(f"/webhooks/{webhook['id']}/test")).status_code == 202
    await receiver.until(1)
