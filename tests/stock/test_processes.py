"""Several processes on one database: the same items, the same event_ids and the same unknown barcodes at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from stocky.catalogue.repository import list_items
from stocky.errors import Contention, Unavailable
from tests.stock.stockroom import Stockroom, event, leave, second_stockroom

ITEMS = 10


@pytest.fixture
async def others(stockroom: Stockroom) -> AsyncIterator[list[Stockroom]]:
    """Two more processes, as far as the database can tell."""
    others = [await second_stockroom(stockroom.config) for _ in range(2)]
    yield others
    for each in others:
        await leave(each)


async def test_ten_items_hammered_by_three_come_out_exact(stockroom: Stockroom, others: list[Stockroom]) -> None:
    items, shelf = [await stockroom.item("allow") for _ in range(ITEMS)], await stockroom.place()
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
    await stockroom.prove()


async def test_moves_across_each_other_never_lock_up(
    stockroom: Stockroom, others: list[Stockroom], caplog: pytest.LogCaptureFixture
) -> None:
    items = [await stockroom.item() for _ in range(4)]
    places = [await stockroom.place() for _ in range(2)]
    await stockroom.post(*(event("add", item, place, 100) for item in items for place in places))

    async def shuffle(process: Stockroom, seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(30):
            moves = [
                event("move", chance.choice(items), here, 1, to=there)
                for here, there in (chance.sample(places, 2) for _ in range(6))
            ]
            await process.post(*moves)

    await asyncio.gather(*(shuffle(each, seed) for seed, each in enumerate([stockroom, *others])))
    assert [await stockroom.total(item) for item in items] == [200] * 4
    assert "deadlock" not in caplog.text
    await stockroom.prove()


async def test_the_same_unknown_barcodes_become_one_item_each(stockroom: Stockroom, others: list[Stockroom]) -> None:
    shelf = await stockroom.place()
    barcodes = [f"unknown-{number}" for number in range(12)]

    async def scan(process: Stockroom, seed: int) -> None:
        mine = barcodes.copy()
        random.Random(seed).shuffle(mine)
        for start in range(0, len(mine), 4):
            await process.post(*(event("add", barcode, shelf, 1) for barcode in mine[start : start + 4]))

    await asyncio.gather(*(scan(each, seed) for seed, each in enumerate([stockroom, *others])))
    async with stockroom.database.read() as read:
        stubs = await read.run(list_items, skip=0, limit=100, needs_review=True)
    assert sorted(stub.upc or "" for stub in stubs) == sorted(barcodes)
    assert [stub.total_quantity for stub in stubs] == [3] * len(barcodes)
    assert len({stub.code for stub in stubs}) == len(barcodes)
    await stockroom.prove()


async def test_the_same_event_ids_refused_in_another_order_never_lock_up(
    stockroom: Stockroom, others: list[Stockroom]
) -> None:
    shelf = await stockroom.place()
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
