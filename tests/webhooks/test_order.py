"""Transactions on Postgres that commit in another order than their ids: no event is skipped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky import clock
from stocky.alerts.repository import add_alert
from stocky.alerts.schemas import NewAlert
from stocky.config import Config
from stocky.webhooks import queues, repository
from tests.conftest import TestDatabases, settings
from tests.db.postgres_session import session
from tests.live.test_order import Writer
from tests.webhooks.receiving import A_WHILE, Receiver, hooked


@pytest.fixture
def environ(databases: TestDatabases, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Only Postgres has concurrent writers."""
    with databases.copy("postgres-embedded", tmp_path) as url:
        yield settings(url, tmp_path) | {"STOCKY_WEBHOOKS_TO_PRIVATE": "true"}


@pytest.fixture
def keys(databases: TestDatabases, environ: dict[str, str]) -> dict[str, str]:
    return databases.keys["postgres-embedded"]


@pytest.fixture
async def writer(app: Litestar) -> AsyncIterator[Writer]:
    async with AsyncExitStack() as stack:
        yield Writer(app, stack)


async def test_late_commit_is_sent_in_ledger_order(admin: AsyncClient, receiver: Receiver, writer: Writer) -> None:
    await hooked(admin, receiver)
    early, transaction = await writer.event()
    late = await writer.committed()
    await asyncio.sleep(A_WHILE)
    assert receiver.event_ids() == []
    await transaction.aclose()
    await receiver.until(1)
    assert receiver.event_ids() == [early, late]


async def test_late_committed_alert_is_sent(app: Litestar, admin: AsyncClient, receiver: Receiver) -> None:
    await hooked(admin, receiver, "alert.raised")
    async with app.state.database.transaction() as tx:
        await add_alert(tx, NewAlert(alert_type="early", message="x"))
        async with app.state.database.transaction() as other:
            await add_alert(other, NewAlert(alert_type="late", message="x"))
        await asyncio.sleep(A_WHILE)
        assert receiver.received == []
    received = await receiver.until(2)
    assert [each.data["alert_type"] for each in received] == ["early", "late"]


async def test_foreign_transaction_does_not_delay_webhooks(
    app: Litestar, admin: AsyncClient, receiver: Receiver, config: Config, writer: Writer
) -> None:
    async with session(config) as other:
        await other.execute("BEGIN")
        await other.execute("INSERT INTO setting (name, value, updated_at) VALUES ('idle', '1', now())")
        await hooked(admin, receiver, "stock.recorded", "alert.raised")
        id = await writer.committed()
        async with app.state.database.transaction() as tx:
            await add_alert(tx, NewAlert(alert_type="other", message="x"))
        await receiver.until(2)
        assert receiver.event_ids() == [id]


async def test_new_webhook_waits_for_earlier_transactions(
    admin: AsyncClient, receiver: Receiver, writer: Writer
) -> None:
    early, transaction = await writer.event()
    late = await writer.committed()
    making = asyncio.create_task(hooked(admin, receiver))
    await asyncio.sleep(A_WHILE)
    assert not making.done()
    await transaction.aclose()
    assert (await making)["position"] == late > early
    new = await writer.committed()
    await receiver.until(1)
    assert receiver.event_ids() == [new]


async def test_deletion_and_failure_do_not_deadlock(app: Litestar, admin: AsyncClient, receiver: Receiver) -> None:
    webhook = await hooked(admin, receiver)
    database, id = app.state.database, webhook["id"]
    await database.run(queues.claim, "test", id, clock.now() + timedelta(minutes=1))
    async with database.transaction() as tx:
        delivery = await repository.add_ping(tx, id)
    due = await database.run(queues.next_due, "test", id, clock.now() + timedelta(minutes=1))
    assert due is not None
    assert due.id == delivery.id
    async with database.transaction() as tx:
        assert await queues.note_not_delivered(tx, "test", due, 410, "answered 410", clock.now())
        deleting = asyncio.create_task(admin.delete(f"/webhooks/{id}"))
        await asyncio.sleep(A_WHILE)
        assert not deleting.done()
        await repository.disable(tx, id, "its receiver answered 410")
    assert (await deleting).status_code == 204
    assert receiver.received == []
