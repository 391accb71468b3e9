"""Filters of the ledger: each index that serves one gives the events that reading the whole ledger gives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from stocky.stock import repository
from stocky.stock.repository import list_events
from stocky.stock.schemas import EntryType, StockEvent
from tests.stock.stockroom import Stockroom, event

START = datetime(2026, 1, 1, tzinfo=UTC)


async def _ledger(stockroom: Stockroom) -> list[StockEvent]:
    """Events of two locations and all kinds, not in the order of the times at which they occurred, newest first."""
    item, here, there = await stockroom.item(), await stockroom.location(), await stockroom.location()
    for day in (5, 3, 8, 1, 9, 2):
        moment = START + timedelta(days=day)
        await stockroom.post(
            event("add", item, here, 10, occurred_at=moment),
            event("remove", item, here, 1, occurred_at=moment + timedelta(hours=1)),
            event("move", item, here, 2, to=there, occurred_at=moment + timedelta(hours=2)),
            event("set", item, there, 3, occurred_at=moment + timedelta(hours=3)),
        )
    async with stockroom.database.read() as read:
        return (await list_events(read, limit=1000)).events


@pytest.mark.parametrize("short_time", [0, 5, 5_000])
async def test_every_combination_of_filters(
    short_time: int, stockroom: Stockroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "SHORT_TIME", short_time)
    ledger = await _ledger(stockroom)
    choices: dict[str, list[Any]] = {
        "location_id": [None, ledger[0].location_id, 999],
        "user_id": [None, 1, 999],
        "scanner_id": [None, "s1"],
        "type": [None, EntryType.ADD, EntryType.SET, EntryType.UNDO],
        "since": [None, START + timedelta(days=3)],
        "until": [None, START + timedelta(days=8, hours=2)],
        "cursor": [None, ledger[4].id],
    }
    async with stockroom.database.read() as read:
        for chosen in product(*choices.values()):
            filters = dict(zip(choices, chosen, strict=True))
            expected = [each for each in ledger if _matches(each, **filters)]
            page = await list_events(read, limit=3, **filters)
            assert page.events == expected[:3], filters
            assert page.next_cursor == (expected[2].id if len(expected) > 3 else None), filters


def _matches(
    event: StockEvent, since: datetime | None, until: datetime | None, cursor: int | None, **same: Any
) -> bool:
    return (
        (since is None or event.occurred_at >= since)
        and (until is None or event.occurred_at < until)
        and (cursor is None or event.id < cursor)
        and all(value is None or getattr(event, name) == value for name, value in same.items())
    )
