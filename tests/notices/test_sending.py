"""What is sent when: each cause once while it lasts, quiet hours, the daily message, retries, and after a restart."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient

from stocky import clock
from stocky.config import Config
from stocky.errors import OutOfSpace
from stocky.notices import queues
from tests.architecture.schema import run_beside
from tests.inventory import Json, get, made, new_item, new_location, new_stock
from tests.monitoring.test_metrics import _samples
from tests.notices.receiving import MailServer, new_channel, until_so

# Long enough for what should not be sent to be sent.
A_WHILE = 1.0


async def low_item(admin: AsyncClient, name: str) -> Json:
    """An item at its minimum, which raises an alert."""
    return await new_item(admin, name, min_quantity=1)


async def test_cause_is_sent_once_while_it_lasts(admin: AsyncClient, mail: MailServer) -> None:
    await new_channel(admin, "low_stock")
    coffee, shelf = await low_item(admin, "Coffee"), await new_location(admin)
    assert await mail.until(1) == ["Stocky: Running low\nCoffee is at or below its minimum of 1"]
    # A new name changes the alert, not the cause.
    made(await admin.put(f"/items/{coffee['id']}", json={"name": "Coffee beans"}))
    await asyncio.sleep(A_WHILE)
    assert len(mail.messages) == 1
    sku = await new_stock(admin, coffee, shelf, 5)

    async def has_ended() -> bool:
        return await get(admin, "/alerts/") == []

    await until_so(has_ended)
    await asyncio.sleep(A_WHILE)
    made(await admin.post(f"/skus/{sku['id']}/adjust", json={"delta": -5}))
    assert await mail.until(2) == [
        "Stocky: Running low\nCoffee is at or below its minimum of 1",
        "Stocky: Running low\nCoffee beans is at or below its minimum of 1",
    ]


async def test_new_channel_gets_what_lasts_in_one_message_in_its_language(admin: AsyncClient, mail: MailServer) -> None:
    for name in ("Coffee", "Tea"):
        await low_item(admin, name)
    item, shelf = await new_item(admin, "Milk"), await new_location(admin)
    await new_stock(admin, item, shelf, 1, expiry_date="2026-01-31")
    await new_channel(admin, "low_stock", "expired", language="de")
    [text] = await mail.until(1)
    assert text == (
        "Stocky: 3 Meldungen\n"
        "Wird knapp\n- Coffee ist bei oder unter dem Mindestbestand von 1\n"
        "- Tea ist bei oder unter dem Mindestbestand von 1\n\n"
        "Abgelaufen\n- Milk in Shelf ist am 2026-01-31 abgelaufen"
    )
    await asyncio.sleep(A_WHILE)
    assert len(mail.messages) == 1


async def test_acknowledged_alert_is_not_sent(admin: AsyncClient, mail: MailServer) -> None:
    await low_item(admin, "Coffee")
    await low_item(admin, "Tea")
    [tea, _] = await get(admin, "/alerts/")
    made(await admin.patch(f"/alerts/{tea['id']}/acknowledge"))
    await new_channel(admin, "low_stock")
    assert await mail.until(1) == ["Stocky: Running low\nCoffee is at or below its minimum of 1"]


async def test_nothing_is_sent_in_quiet_hours(admin: AsyncClient, mail: MailServer) -> None:
    now = clock.now()
    quiet = {"quiet_from": f"{now - timedelta(hours=1):%H:%M}", "quiet_until": f"{now + timedelta(hours=1):%H:%M}"}
    channel = await new_channel(admin, "low_stock", timezone="UTC", **quiet)
    await low_item(admin, "Coffee")
    await asyncio.sleep(A_WHILE)
    assert mail.messages == []
    made(await admin.patch(f"/notices/channels/{channel['id']}", json={"quiet_from": None, "quiet_until": None}))
    await mail.until(1)


async def test_daily_causes_are_one_message_a_day(admin: AsyncClient, mail: MailServer, config: Config) -> None:
    await new_channel(admin, daily=["low_stock"])
    for name in ("Coffee", "Tea"):
        await low_item(admin, name)
    await asyncio.sleep(A_WHILE)
    assert mail.messages == []
    await run_beside(config, "UPDATE notice_queue SET daily_done_at = '2026-01-01T00:00:00.000000Z'")
    [text] = await mail.until(1)
    assert text.startswith("Stocky: 2 notices\nRunning low\n- Coffee")
    await low_item(admin, "Sugar")
    await asyncio.sleep(A_WHILE)
    assert len(mail.messages) == 1


async def test_every_channel_gets_its_turn(admin: AsyncClient, mail: MailServer) -> None:
    # More than are sent to at once: most of them have nothing to send, and the first ones fail.
    mail.answers = ["451 try later"] * 5
    for _ in range(5):
        await new_channel(admin, "low_stock")
    for _ in range(5):
        await new_channel(admin, "expired")
    await new_channel(admin, "low_stock", recipients=["last@example.org"])
    await low_item(admin, "Coffee")
    await mail.until(6)
    assert "last@example.org" in [each["To"] for each in mail.messages]


async def test_failed_message_is_retried_and_its_error_shown(
    admin: AsyncClient, root: AsyncClient, mail: MailServer
) -> None:
    mail.answers = ["451 try later", "451 try later"]
    channel = await new_channel(admin, "low_stock")
    path = f"/notices/channels/{channel['id']}"
    await low_item(admin, "Coffee")

    async def fails() -> Any:
        found = await get(admin, path)
        return found if found["last_error"] else None

    failing = await until_so(fails)
    assert failing["last_error"].endswith("answered 451 try later")
    assert failing["failing_since"]
    assert failing["next_attempt_at"]
    await mail.until(1)

    async def works() -> Any:
        found = await get(admin, path)
        return found if found["last_sent_at"] else None

    working = await until_so(works)
    assert (working["last_error"], working["failing_since"], working["next_attempt_at"]) == (None, None, None)
    samples = await _samples(root)
    assert (samples["stocky_notices_sent_total"], samples["stocky_notices_failed_total"]) == (1, 2)
    assert samples["stocky_notice_channels_failing"] == 0


@pytest.mark.one_database
async def test_refused_recipient_of_several_is_shown(admin: AsyncClient, mail: MailServer) -> None:
    mail.refused = {"ben@example.org"}
    channel = await new_channel(admin, "low_stock", recipients=["anna@example.org", "ben@example.org"])
    path = f"/notices/channels/{channel['id']}"
    await low_item(admin, "Coffee")

    async def is_recorded() -> Any:
        found = await get(admin, path)
        return found if found["last_sent_at"] else None

    sent = await until_so(is_recorded)
    assert sent["last_error"].endswith("refused ben@example.org: 550 5.1.1 no such mailbox")
    assert sent["failing_since"] is None
    assert made(await admin.post(f"{path}/test")) == {"is_sent": True, "error": sent["last_error"]}
    mail.refused = set()
    assert made(await admin.post(f"{path}/test")) == {"is_sent": True, "error": None}
    assert (await get(admin, path))["last_error"] is None


async def test_channel_that_fails_for_long_raises_an_alert(
    admin: AsyncClient, mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocky.notices.service.PATIENCE", timedelta())
    mail.answers = ["451 try later"] * 1_000
    channel = await new_channel(admin, "low_stock", name="Phone of Anna")
    await low_item(admin, "Coffee")

    async def alerts() -> list[Json]:
        return [each for each in await get(admin, "/alerts/") if each["alert_type"] == "notices_failing"]

    [alert] = await until_so(alerts)
    assert "Phone of Anna" in alert["message"]
    mail.answers = []

    async def is_resolved() -> bool:
        return not await alerts()

    await until_so(is_resolved)
    # It is resolved as well when the last channel is deleted while it fails.
    mail.answers = ["451 try later"] * 1_000
    await low_item(admin, "Tea")
    await until_so(alerts)
    assert (await admin.delete(f"/notices/channels/{channel['id']}")).status_code == 204
    await until_so(is_resolved)


async def test_sent_message_that_cannot_be_recorded_is_not_sent_again(
    admin: AsyncClient, mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    note_sent, failures = queues.note_sent, 0

    async def full(*arguments: Any) -> None:
        nonlocal failures
        failures += 1
        if failures < 4:
            raise OutOfSpace
        await note_sent(*arguments)

    monkeypatch.setattr(queues, "note_sent", full)
    await new_channel(admin, "low_stock")
    await low_item(admin, "Coffee")

    async def is_recorded() -> bool:
        return failures >= 4

    await until_so(is_recorded)
    await asyncio.sleep(A_WHILE)
    assert len(mail.messages) == 1
