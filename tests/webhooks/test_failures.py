"""What goes wrong inside Stocky harms one webhook at most, for a while: others are told, and nothing is told twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from httpx import AsyncClient

from stocky.config import Config
from stocky.webhooks import service
from tests.architecture.schema import run
from tests.inventory import Json, made
from tests.webhooks.receiving import Receiver, hooked, post_events

pytestmark = pytest.mark.one_postgres

# Long enough for what is tried again at once to be tried often.
A_WHILE = 1.5


async def test_what_is_handed_out_while_a_webhook_is_changed_is_told_once_and_so_is_what_follows(
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
    assert receiver.told_ids() == ids


async def test_one_webhook_that_cannot_be_handed_anything_keeps_no_other_waiting(
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
    run(
        config,
        "INSERT INTO webhook_delivery (webhook_id, message_id, event_type, payload, position, status, created_at)"
        f" VALUES ({stuck['id']}, 'msg_x', 'stock.recorded', '', {last + 1}, 'dropped', '2026-01-01T00:00:00.000000Z')",
    )
    await hooked(admin, receiver)
    ids = await post_events(member, item, shelf)
    await receiver.until(1)
    assert receiver.told_ids() == ids == [last + 1]
    assert f"Webhook {stuck['id']} could not be handed" in caplog.text
