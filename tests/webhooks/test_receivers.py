"""Slow, broken, gone or moved receivers take bounded time and do not delay others."""

from __future__ import annotations

import asyncio
import ipaddress
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient

from stocky.addresses import Address
from stocky.webhooks import http_client
from tests.inventory import Json, get, made, refused
from tests.webhooks.receiving import A_WHILE, Receiver, answer, deliveries, hooked, post_events, until_so

pytestmark = pytest.mark.one_server


async def test_unreachable_receiver_shows_the_reason_and_catches_up(
    admin: AsyncClient, member: AsyncClient, receiver: Receiver, item: Json, shelf: Json, impatient: None
) -> None:
    webhook = await hooked(admin, receiver)
    receiver.close()
    ids = await post_events(member, item, shelf)

    async def failing() -> Json | None:
        seen: Json = await get(admin, f"/webhooks/{webhook['id']}")
        return seen if seen["failing_since"] else None

    seen = await until_so(failing)
    assert (seen["is_active"], seen["waiting"]) == (True, 1)
    assert seen["next_attempt_at"] is not None
    [delivery] = await deliveries(admin, webhook, status="waiting")
    assert "cannot be reached" in delivery["error"]
    assert delivery["response_status"] is None
    ids += await post_events(member, item, shelf, 2)
    await receiver.open()

    async def all_received() -> bool:
        return len(receiver.event_ids()) == 3

    await until_so(all_received)
    assert receiver.event_ids() == ids


async def drip(writer: asyncio.StreamWriter) -> None:
    """Sends a byte occasionally, for longer than the time limit."""
    for _ in range(200):
        writer.write(b"H")
        await writer.drain()
        await asyncio.sleep(0.1)


async def too_much(writer: asyncio.StreamWriter) -> None:
    """Sends a response of a gigabyte, as far as it is read."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
    for _ in range(1024):
        writer.write(b" " * 2**20)
        await writer.drain()


async def endless_head(writer: asyncio.StreamWriter) -> None:
    """Sends headers without end."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(100_000):
        writer.write(b"X-%d: %s\r\n" % (number, b"x" * 1000))
        await writer.drain()


async def nonsense(writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-x\r\n")


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("broken", "words"),
    [(drip, "answer within 1 seconds"), (endless_head, "cannot be reached"), (nonsense, "cannot be reached")],
)
async def test_broken_receiver_does_not_delay_others(
    admin: AsyncClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, broken: Any, words: str
) -> None:
    monkeypatch.setattr("stocky.webhooks.http_client.SECONDS", 1.0)
    receiver.answers = [broken]
    webhook, other = await hooked(admin, receiver), await hooked(admin, receiver)
    assert (await admin.post(f"/webhooks/{webhook['id']}/test")).status_code == 202
    await receiver.until(1)
    assert (await admin.post(f"/webhooks/{other['id']}/test")).status_code == 202
    await receiver.until(2)

    async def failed() -> Json | None:
        [delivery] = await deliveries(admin, webhook)
        return delivery if delivery["attempts"] else None

    began = time.monotonic()
    assert words in (await until_so(failed))["error"]
    assert time.monotonic() - began < 10


@pytest.mark.one_database
async def test_hanging_resolver_does_not_delay_others(
    admin: AsyncClient,
    member: AsyncClient,
    receiver: Receiver,
    item: Json,
    shelf: Json,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = threading.Event()
    here = [ipaddress.ip_address("127.0.0.1")]

    def hang(host: str, port: int) -> list[Address]:
        if host.startswith("hanging"):
            over.wait(20)
        return here

    monkeypatch.setattr(http_client, "_look_up", lambda host, port: here)
    for number in range(6):
        url = f"http://hanging-{number}.example:{receiver.port}/"
        made(await admin.post("/webhooks/", json={"url": url, "event_types": ["stock.recorded"]}))
    monkeypatch.setattr(http_client, "_look_up", hang)
    last = await hooked(admin, receiver)
    try:
        ids = await post_events(member, item, shelf)
        await receiver.until(1)
        assert receiver.event_ids() == ids
        assert (await get(admin, f"/webhooks/{last['id']}"))["failing_since"] is None
    finally:
        over.set()


@pytest.mark.one_database
async def test_only_the_status_of_a_response_is_read(admin: AsyncClient, receiver: Receiver) -> None:
    receiver.answers = [too_much]
    webhook = await hooked(admin, receiver)
    began = time.monotonic()
    assert (await admin.post(f"/webhooks/{webhook['id']}/test")).status_code == 202

    async def delivered() -> list[Json]:
        return await deliveries(admin, webhook, status="delivered")

    [delivery] = await until_so(delivered)
    assert delivery["response_status"] == 200
    assert time.monotonic() - began < 10


@pytest.mark.one_database
async def test_cookies_are_not_sent_back(admin: AsyncClient, receiver: Receiver) -> None:
    receiver.usual = answer(204, "Set-Cookie: a=b; Path=/")
    webhook = await hooked(admin, receiver)
    for count in (1, 2):
        assert (await admin.post(f"/webhooks/{webhook['id']}/test")).status_code == 202
        await receiver.until(count)
    assert [each.headers.get("cookie") for each in receiver.received] == [None, None]


async def test_redirect_is_not_followed(admin: AsyncClient, receiver: Receiver) -> None:
    receiver.usual = answer(307, f"Location: http://127.0.0.1:{receiver.port}/other")
    webhook = await hooked(admin, receiver)
    assert (await admin.post(f"/webhooks/{webhook['id']}/test")).status_code == 202

    async def failed() -> Json | None:
        [delivery] = await deliveries(admin, webhook)
        return delivery if delivery["attempts"] else None

    assert "redirects are not followed" in (await until_so(failed))["error"]
    assert len(receiver.received) == 1


async def test_receiver_failing_for_a_day_is_disabled_and_resumes(
    admin: AsyncClient,
    member: AsyncClient,
    receiver: Receiver,
    item: Json,
    shelf: Json,
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stocky.webhooks.delivery.PATIENCE", timedelta(seconds=0.3))
    receiver.usual = answer(503)
    webhook = await hooked(admin, receiver)
    path = f"/webhooks/{webhook['id']}"
    ids = await post_events(member, item, shelf)

    async def is_off() -> Json | None:
        seen: Json = await get(admin, path)
        return None if seen["is_active"] else seen

    seen = await until_so(is_off)
    assert "answered 503" in seen["inactive_reason"]
    assert seen["waiting"] == 1
    [alert] = [each for each in await get(member, "/alerts/") if each["alert_type"] == "webhook_off"]
    assert "503" in alert["message"]
    assert "very-secret-path" not in alert["message"]
    assert (await get(admin, "/audit", subject="webhook"))[0]["action"] == "switched off"
    refused(await admin.post(f"{path}/test"), 409, "activate it")
    tried = len(receiver.received)
    ids += await post_events(member, item, shelf)
    await asyncio.sleep(A_WHILE)
    assert len(receiver.received) == tried
    receiver.usual = answer()
    back = made(await admin.patch(path, json={"is_active": True}))
    assert (back["inactive_reason"], back["failing_since"]) == (None, None)

    async def all_received() -> bool:
        return receiver.event_ids() == ids and len(receiver.received) == tried + 2

    await until_so(all_received)
    assert [each for each in await get(member, "/alerts/") if each["alert_type"] == "webhook_off"] == []


async def test_gone_receiver_is_disabled_at_once(admin: AsyncClient, receiver: Receiver) -> None:
    receiver.usual = answer(410)
    webhook = await hooked(admin, receiver)
    assert (await admin.post(f"/webhooks/{webhook['id']}/test")).status_code == 202

    async def is_off() -> bool:
        return not (await get(admin, f"/webhooks/{webhook['id']}"))["is_active"]

    await until_so(is_off)
    assert len(receiver.received) == 1


async def test_earlier_attempt_does_not_disable_a_repaired_webhook(
    admin: AsyncClient, member: AsyncClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is it delayed: waiting deliveries are sent at once."""
    repaired = asyncio.Event()

    async def late(writer: asyncio.StreamWriter) -> None:
        await repaired.wait()
        await answer(503)(writer)

    receiver.answers = [answer(503), late]
    webhook = await hooked(admin, receiver)
    path = f"/webhooks/{webhook['id']}"
    delivery = (await admin.post(f"{path}/test")).json()

    async def failing() -> bool:
        return bool((await get(admin, path))["failing_since"])

    await until_so(failing)
    monkeypatch.setattr("stocky.webhooks.delivery.PATIENCE", timedelta(0))
    assert (await admin.post(f"{path}/deliveries/{delivery['id']}/redeliver")).status_code == 202
    await receiver.until(2)
    made(await admin.patch(path, json={"is_active": True}))
    repaired.set()
    began = time.monotonic()
    await receiver.until(3)
    assert time.monotonic() - began < 9
    seen = await get(admin, path)
    assert (seen["is_active"], seen["failing_since"]) == (True, None)
    assert await get(member, "/alerts/") == []


async def test_gone_at_an_earlier_url_disables_nothing(admin: AsyncClient, receiver: Receiver) -> None:
    moved = asyncio.Event()

    async def late(writer: asyncio.StreamWriter) -> None:
        await moved.wait()
        await answer(410)(writer)

    receiver.answers = [late]
    webhook = await hooked(admin, receiver)
    path = f"/webhooks/{webhook['id']}"
    assert (await admin.post(f"{path}/test")).status_code == 202
    await receiver.until(1)
    made(await admin.patch(path, json={"url": receiver.url + "/2"}))
    moved.set()
    await receiver.until(2)
    assert (await get(admin, path))["is_active"]
