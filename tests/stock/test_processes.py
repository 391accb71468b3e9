"""Several processes on one database: the same items, event_ids and unknown barcodes concurrently."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from stocky.catalogue.repository import ItemFilter, list_items
from stocky.errors import Contention, Unavailable
from tests.stock.stockroom import Stockroom, event, leave, second_stockroom

ITEMS = 10


@pytest.fixture
async def others(stockroom: Stockroom) -> AsyncIterator[list[Stockroom]]:
    """Two more processes from the database's point of view."""
    others = [await second_stockroom(stockroom.config) for _ in range(2)]
    yield others
    for each in others:
        await leave(each)


async def test_three_processes_keep_ten_items_exact(stockroom: Stockroom, others: list[Stockroom]) -> None:
    items, shelf = [await stockroom.item("allow") for _ in range(ITEMS)], await stockroom.location()
    chance = random.Random(7)
    wanted = [(chance.choice(items), chance.choice([1, 2, 0.125]), f"e{number}") for number in range(600)]

    async def post(process: Stockroom, seed: int) -> None:
        mine = wanted.copy()
        random.Random(seed).shuffle(mine)
        requests = [mine[start : start + 10] for start in range(0, len(mine), 10)]
        for group in range(0, len(requests), 6):
            await asyncio.gather(*(
                process.post(*(event("add", item, shelf, quantity, id) for item, quantity, id in each))
                for each in requests[group : group + 6]
            ))  # fmt: skip

    await asyncio.gather(*(post(each, seed) for seed, each in enumerate([stockroom, *others])))
    for item in items:
        assert await stockroom.total(item) == sum(quantity for one, quantity, _ in wanted if one == item)
    assert len(await stockroom.history()) == len(wanted)
    await stockroom.check()


async def test_crossing_moves_do_not_deadlock(
    stockroom: Stockroom, others: list[Stockroom], caplog: pytest.LogCaptureFixture
) -> None:
    items = [await stockroom.item() for _ in range(4)]
    locations = [await stockroom.location() for _ in range(2)]
    await stockroom.post(*(event("add", item, location, 100) for item in items for location in locations))

    async def shuffle(process: Stockroom, seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(30):
            moves = [
                event("move", chance.choice(items), here, 1, to=there)
                for here, there in (chance.sample(locations, 2) for _ in range(6))
            ]
            await process.post(*moves)

    await asyncio.gather(*(shuffle(each, seed) for seed, each in enumerate([stockroom, *others])))
    assert [await stockroom.total(item) for item in items] == [200] * 4
    assert "deadlock" not in caplog.text
    await stockroom.check()


async def test_concurrent_scans_create_one_item_per_unknown_barcode(
    stockroom: Stockroom, others: list[Stockroom]
) -> None:
    shelf = await stockroom.location()
    barcodes = [f"unknown-{number}" for number in range(12)]

    async def scan(process: Stockroom, seed: int) -> None:
        mine = barcodes.copy()
        random.Random(seed).shuffle(mine)
        for start in range(0, len(mine), 4):
            await process.post(*(event("add", barcode, shelf, 1) for barcode in mine[start : start + 4]))

    await asyncio.gather(*(scan(each, seed) for seed, each in enumerate([stockroom, *others])))
    async with stockroom.database.read() as read:
        stubs = await read.run(list_items, ItemFilter(needs_review=True), skip=0, limit=100)
    assert sorted(stub.upc or "" for stub in stubs) == sorted(barcodes)
    assert [stub.total_quantity for stub in stubs] == [3] * len(barcodes)
    assert len({stub.code for stub in stubs}) == len(barcodes)
    await stockroom.check()


async def test_event_ids_rejected_in_another_order_do_not_deadlock(
    stockroom: Stockroom, others: list[Stockroom]
) -> None:
    shelf = await stockroom.location()
    sent = [event("remove", 10**9, shelf, 1, f"e{number}") for number in range(200)]

    async def post(process: Stockroom, seed: int) -> None:
        mine = sent.copy()
        random.Random(seed).shuffle(mine)
        answer = await process.post(*mine)
        assert answer.rejected == len(sent)

    try:
        await asyncio.gather(*(post(each, seed) for seed, each in enumerate([stockroom, *others])))
    except (Contention, Unavailable) as error:
        pytest.fail(f"they were in each other's way: {error.detail}")
