"""Receivers that are slow, broken, gone or somewhere else: they cost bounded time, and hold up no other."""

from __future__ import annotations

import asyncio
import ipaddress
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient

from stocky.webhooks import addresses
from tests.inventory import Json, get, made, refused
from tests.webhooks.receiving import Receiver, answer, deliveries, hooked, post_events, until_so

pytestmark = pytest.mark.one_postgres

# Long enough for something that should not be sent to be sent.
A_WHILE = 1.5


async def test_while_a_receiver_is_away_it_is_seen_why_and_then_told_everything(
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

    async def all_told() -> bool:
        return len(receiver.told_ids()) == 3

    await until_so(all_told)
    assert receiver.told_ids() == ids


async def drip(writer: asyncio.StreamWriter) -> None:
    """A byte now and then, for longer than anyone waits."""
    for _ in range(200):
        writer.write(b"H")
        await writer.drain()
        await asyncio.sleep(0.1)


async def too_much(writer: asyncio.StreamWriter) -> None:
    """An answer of a gigabyte, as far as it is read."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
    for _ in range(1024):
        writer.write(b" " * 2**20)
        await writer.drain()


async def endless_head(writer: asyncio.StreamWriter) -> None:
    """Headers without an end."""
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
async def test_a_broken_receiver_takes_bounded_time_and_holds_up_no_other(
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
async def test_names_whose_resolver_hangs_hold_up_no_other(
    admin: AsyncClient,
    member: AsyncClient,
    receiver: Receiver,
    item: Json,
    shelf: Json,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = threading.Event()
    here = [ipaddress.ip_address("127.0.0.1")]

    def hang(host: str, port: int) -> list[addresses.Address]:
        if host.startswith("hanging"):
            over.wait(20)
        return here

    monkeypatch.setattr(addresses, "look_up", lambda host, port: here)
    for number in range(6):
        url = f"http://hanging-{number}.example:{receiver.port}/"
        made(await admin.post("/webhooks/", json={"url": url, "event_types": ["stock.recorded"]}))
    monkeypatch.setattr(addresses, "look_up", hang)
    last = await hooked(admin, receiver)
    try:
        ids = await post_events(member, item, shelf)
        await receiver.until(1)
        assert receiver.told_ids() == ids
        assert (await get(admin, f"/webhooks/{last['id']}"))["failing_since"] is None
    finally:
        over.set()


@pytest.mark.one_database
async def test_of_an_answer_the_status_is_read_and_no_more(admin: AsyncClient, receiver: Receiver) -> None:
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
async def test_no_cookie_is_brought_back(admin: AsyncClient, receiver: Receiver) -> None:
    receiver.usual = answer(204, "Set-Cookie: a=b; Path=/")
    webhook = await hooked(admin, receiver)
    for count in (1, 2):
        assert (await admin.post(f"/webhooks/{webhook['id']}/test")).status_code == 202
        await receiver.until(count)
    assert [each.headers.get("cookie") for each in receiver.received] == [None, None]


async def test_a_redirect_is_not_followed(admin: AsyncClient, receiver: Receiver) -> None:
    receiver.usual = answer(307, f"Location: http://127.0.0.1:{receiver.port}/other")
    webhook = await hooked(admin, receiver)
    assert (await admin.post(f"/webhooks/{webhook['id']}/test")).status_code == 202

    async def failed() -> Json | None:
        [delivery] = await deliveries(admin, webhook)
        return delivery if delivery["attempts"] else None

    assert "redirects are not followed" in (await until_so(failed))["error"]
    assert len(receiver.received) == 1


async def test_who_takes_nothing_for_a_day_is_switched_off_and_told_of_and_goes_on_when_it_is_back(
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
    refused(await admin.post(f"{path}/test"), 409, "make it active")
    tried = len(receiver.received)
    ids += await post_events(member, item, shelf)
    await asyncio.sleep(A_WHILE)
    assert len(receiver.received) == tried
    receiver.usual = answer()
    back = made(await admin.patch(path, json={"is_active": True}))
    assert (back["inactive_reason"], back["failing_since"]) == (None, None)

    async def all_told() -> bool:
        return receiver.told_ids() == ids and len(receiver.received) == tried + 2

    await until_so(all_told)
    assert [each for each in await get(member, "/alerts/") if each["alert_type"] == "webhook_off"] == []


async def test_a_receiver_that_is_gone_is_switched_off_at_once(admin: AsyncClient, receiver: Receiver) -> None:
    receiver.usual = answer(410)
    webhook = await hooked(admin, receiver)
    assert (await admin.post(f"/webhooks/{webhook['id']}/test")).status_code == 202

    async def is_off() -> bool:
        return not (await get(admin, f"/webhooks/{webhook['id']}"))["is_active"]

    await until_so(is_off)
    assert len(receiver.received) == 1


async def test_a_webhook_that_was_repaired_is_not_switched_off_by_an_attempt_of_before(
    admin: AsyncClient, member: AsyncClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is it left alone for it: what waits is sent at once."""
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


async def test_a_receiver_that_was_gone_from_another_url_switches_nothing_off(
    admin: AsyncClient, receiver: Receiver
) -> None:
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
