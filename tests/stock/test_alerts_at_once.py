"""Alerts with many writers in several processes: one per cause, and no query for a scan that cannot raise one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from stocky import clock
from stocky.alerts.repository import list_alerts
from stocky.alerts.schemas import Alert
from stocky.catalogue.repository import change_item, get_item
from stocky.catalogue.schemas import ItemChange
from stocky.db import Connection
from tests.stock.stockroom import SOMEONE, Stockroom, event, leave, second_stockroom


@pytest.fixture
async def others(stockroom: Stockroom) -> AsyncIterator[list[Stockroom]]:
    """Two more processes from the database's point of view."""
    others = [await second_stockroom(stockroom.config) for _ in range(2)]
    yield others
    for each in others:
        await leave(each)


async def test_concurrent_writers_raise_one_alert_per_cause(stockroom: Stockroom, others: list[Stockroom]) -> None:
    items, shelf = [await stockroom.item("allow") for _ in range(3)], await stockroom.location()
    lot = clock.local_today() + timedelta(days=3)
    for item in items:
        async with stockroom.database.transaction() as tx:
            await change_item(tx, item, ItemChange(min_quantity=2), SOMEONE)
    await stockroom.post(*(event("add", item, shelf, 4, lot=lot) for item in items))

    async def churn(process: Stockroom, seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(30):
            type, item, quantity = chance.choice(("add", "remove")), chance.choice(items), chance.choice((1, 2, 3))
            await process.post(event(type, item, shelf, quantity, lot=lot))
            if chance.random() < 0.2:
                async with process.database.transaction() as tx:
                    await change_item(tx, item, ItemChange(min_quantity=chance.choice((1, 4))), SOMEONE)

    await asyncio.gather(*(churn(each, seed) for seed, each in enumerate([stockroom, *others])))
    alerts = await _alerts(stockroom)
    for item in items:
        (sku,) = await stockroom.skus(item)
        async with stockroom.database.read() as read:
            minimum = (await get_item(read, item)).min_quantity
        assert minimum is not None
        expected = {
            "low_stock": sku.quantity <= minimum,
            "expiring": sku.quantity > 0,
            "negative_stock": sku.quantity < 0,
        }
        active = [alert.alert_type for alert in alerts if alert.item_id == item]
        assert sorted(active) == sorted(type for type, is_so in expected.items() if is_so)
    await stockroom.check()


async def _alerts(stockroom: Stockroom) -> list[Alert]:
    async with stockroom.database.read() as read:
        return await list_alerts(read, skip=0, limit=1000, active_only=True)


async def test_scan_that_crosses_no_threshold_runs_no_alert_query(
    stockroom: Stockroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    item, shelf = await stockroom.item(), await stockroom.location()
    async with stockroom.database.transaction() as tx:
        await change_item(tx, item, ItemChange(min_quantity=2), SOMEONE)
    await stockroom.post(event("add", item, shelf, 10))
    looked: list[Any] = []

    async def look(tx: Connection, ids: Any) -> None:
        looked.append(ids)

    monkeypatch.setattr("stocky.stock.batch_writer.evaluate_alerts", look)
    await stockroom.post(event("remove", item, shelf, 1), event("add", item, shelf, 3))
    assert looked == []
    await stockroom.post(event("remove", item, shelf, 10))
    assert looked == [{item}]
