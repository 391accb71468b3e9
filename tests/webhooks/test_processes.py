"""Webhooks of real processes: several on one Postgres send each event once, and a killed one loses nothing."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, AsyncExitStack

import pytest
from httpx import AsyncClient

from tests.inventory import Json, get, new_item, new_location
from tests.serving import Server
from tests.webhooks.receiving import Receiver, answer, deliveries, hooked, post_events, until_so

Serve = Callable[..., AbstractContextManager[Server]]
WRITERS, POSTS, KILLS = 6, 30, 3
# Leases of a killed process expire after two seconds instead of thirty, and failures are retried soon.
IMPATIENT = (
    sys.executable,
    "-c",
    "import sys; from datetime import timedelta as t; import stocky.webhooks.delivery as s;"
    " s.LEASE = t(seconds=2); s.FIRST_BACK_OFF = s.LAST_BACK_OFF = t(seconds=0.2);"
    " from stocky.cli import main; sys.exit(main())",
)

pytestmark = [pytest.mark.one_server, pytest.mark.slow]


async def _client(stack: AsyncExitStack, server: Server, key: str) -> AsyncClient:
    client = AsyncClient(base_url=server.api, headers={"X-API-Key": key}, timeout=60)
    return await stack.enter_async_context(client)


async def _ledger(client: AsyncClient) -> list[int]:
    """All ids of the ledger, ascending."""
    ids: list[int] = []
    cursor: int | None = None
    while True:
        page = await get(client, "/events", limit=1000, **({"cursor": cursor} if cursor else {}))
        ids += [event["id"] for event in page["events"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return ids[::-1]


async def test_three_processes_send_each_event_and_alert_once(
    serve: Serve, dialect: str, keys: dict[str, str], receiver: Receiver
) -> None:
    if dialect == "sqlite":
        pytest.skip("only one process can serve a SQLite file")
    chance = random.Random(5)
    async with AsyncExitStack() as stack:
        servers = [stack.enter_context(serve(command=IMPATIENT)) for _ in range(3)]
        admins = [await _client(stack, server, keys["admin"]) for server in servers]
        webhook = await hooked(admins[0], receiver, "stock.recorded", "alert.raised", "alert.resolved")
        items = [await new_item(admins[0], f"Item {number}") for number in range(WRITERS)]
        shelf = await new_location(admins[0])
        # Receivers fail occasionally.
        receiver.answers = [chance.choice((answer(), answer(500))) for _ in range(30)]
        raised: list[int] = []

        async def work(number: int) -> None:
            for turn in range(POSTS):
                client = admins[(number + turn) % 3]
                await post_events(client, chance.choice(items), shelf, chance.choice((1, 1, 7)))
                if turn % 10 == 0:
                    new = {"alert_type": f"other {number} {turn}", "message": "Look"}
                    raised.append((await client.post("/alerts/", json=new)).json()["id"])

        await asyncio.gather(*(work(number) for number in range(WRITERS)))
        ledger = await _ledger(admins[0])

        async def all_received() -> bool:
            seen = await get(admins[0], f"/webhooks/{webhook['id']}")
            return seen["position"] == ledger[-1] and not seen["waiting"]

        await until_so(all_received)
        alerts = {each.id: each for each in receiver.received if each.type == "alert.raised"}
        assert sorted(each.data["id"] for each in alerts.values()) == sorted(raised)
        # In ledger order, without gaps or duplicates.
        assert receiver.event_ids() == ledger
        found = await deliveries(admins[0], webhook, limit=1000)
        assert {each["status"] for each in found} == {"delivered"}
        assert {each["message_id"] for each in found} <= {each.id for each in receiver.received}


async def test_repeated_kills_lose_no_message(serve: Serve, keys: dict[str, str], receiver: Receiver) -> None:
    chance = random.Random(7)
    acknowledged: list[int] = []
    item: Json | None = None
    for kill in range(KILLS):
        with serve(command=IMPATIENT) as server:
            async with AsyncClient(base_url=server.api, headers={"X-API-Key": keys["admin"]}, timeout=60) as admin:
                if item is None:
                    item, shelf = await new_item(admin), await new_location(admin)
                    await hooked(admin, receiver)
                # A receiver that gets a message without responding, as when Stocky is killed.
                if kill % 2:
                    receiver.answers = [_silence]
                for _ in range(5):
                    acknowledged += await post_events(admin, item, shelf, 3)
                    await asyncio.sleep(chance.uniform(0, 0.4))
                server.kill()
    receiver.answers = []
    with serve(command=IMPATIENT) as server:
        async with AsyncClient(base_url=server.api, headers={"X-API-Key": keys["admin"]}, timeout=60) as admin:
            ledger = await _ledger(admin)
            assert set(acknowledged) <= set(ledger)

            async def all_received() -> bool:
                return set(receiver.event_ids()) == set(ledger)

            await until_so(all_received)
            assert receiver.event_ids() == ledger


async def _silence(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def test_queued_delivery_is_sent_after_a_kill(serve: Serve, keys: dict[str, str], receiver: Receiver) -> None:
    receiver.answers = [_silence]
    with serve(command=IMPATIENT) as server:
        async with AsyncClient(base_url=server.api, headers={"X-API-Key": keys["admin"]}, timeout=60) as admin:
            webhook = await hooked(admin, receiver)
            ids = await post_events(admin, await new_item(admin), await new_location(admin))
            [first] = await receiver.until(1)
            assert [each["status"] for each in await deliveries(admin, webhook)] == ["waiting"]
            server.kill()
    with serve(command=IMPATIENT) as server:
        [_, second] = await receiver.until(2)
        assert (second.id, second.body) == (first.id, first.body)
        assert receiver.event_ids() == ids
        async with AsyncClient(base_url=server.api, headers={"X-API-Key": keys["admin"]}, timeout=60) as admin:
            assert len(await deliveries(admin, webhook)) == 1
