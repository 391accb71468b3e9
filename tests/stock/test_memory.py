"""The recorder never uses remembered rows that the database no longer has, after foreign writes and failures alike."""

from __future__ import annotations

import random
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import closing, suppress
from functools import partial
from typing import Any

import pytest

from stocky.catalogue import finding
from stocky.catalogue.repository import change_item, get_item_by_barcode, remove_item
from stocky.catalogue.schemas import Barcode, ItemChange
from stocky.db import Connection
from stocky.db.sqlite import SqliteDatabase
from stocky.errors import Conflict, Unavailable
from stocky.schema import OversellPolicy
from stocky.stock import memory
from stocky.stock.memory import StockMemory
from stocky.stock.models import OperationRejected, SkuState, StockItem
from stocky.stock.operations import ItemKey, LocationKey, Operation
from tests.stock.stockroom import SOMEONE, Stockroom, at_once, event, leave, objects_of, second_stockroom

CODE, OTHER_CODE = "4006381333931", "4006381333948"


class Known:
    """A stockroom whose recorder remembers an item, with 3 in stock at its one location."""

    def __init__(self, room: Stockroom, item: int, shelf: int) -> None:
        self.room, self.item, self.shelf = room, item, shelf

    async def take(self, quantity: float) -> tuple[str, float | None]:
        result = await self.room.one(event("remove", CODE, self.shelf, quantity))
        return result.status, result.quantity_after


@pytest.fixture
async def known(stockroom: Stockroom) -> Known:
    item, shelf = await stockroom.item(packs={CODE: 1}), await stockroom.location()
    for _ in range(3):
        await stockroom.one(event("add", CODE, shelf, 1))
    return Known(stockroom, item, shelf)


@pytest.fixture(params=["same process", "other process"])
async def writer(request: pytest.FixtureRequest, stockroom: Stockroom) -> AsyncIterator[Stockroom]:
    """A stockroom that writes besides the remembering one."""
    if request.param == "same process":
        yield stockroom
        return
    other = await second_stockroom(stockroom.config)
    yield other
    await leave(other)


async def test_changes_by_others_are_seen(known: Known, writer: Stockroom) -> None:
    async def change(item: int, **fields: Any) -> None:
        async with writer.database.transaction() as tx:
            await change_item(tx, item, ItemChange(**fields), SOMEONE)

    assert await known.take(1) == ("applied", 2)
    async with writer.database.transaction() as tx:
        await writer.recorder.record_within(tx, _addition(known, 5000))
    assert await known.take(1) == ("applied", 6)
    assert (await known.take(7))[0] == "rejected"
    await change(known.item, oversell_policy=OversellPolicy.ALLOW)
    assert await known.take(7) == ("applied", -1)
    # The barcode becomes another item's.
    await change(known.item, barcodes=[Barcode(OTHER_CODE)])
    other_item = await writer.item(packs={CODE: 1})
    await known.room.one(event("add", CODE, known.shelf, 10))
    assert await known.take(1) == ("applied", 9)
    assert await known.room.total(other_item) == 9
    await known.room.check()


async def test_batch_that_is_rolled_back_is_forgotten(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    keep = StockMemory.keep

    async def fail(*arguments: Any, **more: Any) -> None:
        await keep(*arguments, **more)
        monkeypatch.undo()
        raise Unavailable("The disk is gone")

    monkeypatch.setattr(StockMemory, "keep", fail)
    with pytest.raises(Unavailable):
        await known.take(1)
    assert await known.take(1) == ("applied", 2)
    with pytest.raises(RuntimeError):
        await _add_and_roll_back(known)
    assert await known.take(1) == ("applied", 1)
    await known.room.check()


async def test_batch_with_rejected_and_new_things_leaves_what_is_in_the_database(known: Known) -> None:
    shelf = await known.room.location()
    results = await at_once(
        [
            lambda: known.take(9),
            lambda: known.take(1),
            lambda: known.room.post(event("add", CODE, shelf, 1), event("remove", CODE, shelf, 5), atomic=False),
            lambda: known.take(1),
        ]
    )
    assert [results[index][0] for index in (0, 1, 3)] == ["rejected", "applied", "applied"]
    assert await known.take(1) == ("applied", 0)
    assert (await known.room.one(event("remove", CODE, shelf, 1))).quantity_after == 0
    await known.room.check()


async def test_cancelled_recorder_leaves_nothing(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether its batch was committed is not known then."""
    monkeypatch.setattr(StockMemory, "committed", lambda memory: None)
    await known.take(1)
    monkeypatch.undo()
    assert await known.take(1) == ("applied", 1)
    assert await known.take(1) == ("applied", 0)


async def test_copy_over_the_database_is_seen(known: Known) -> None:
    """Also without a call of `forget`: a copy changes no row by a statement."""
    with closing(_empty_file()) as copy:
        await _backup(known.room, lambda live: live.backup(copy))
        assert await known.take(2) == ("applied", 1)
        await _backup(known.room, copy.backup)
        assert await known.take(2) == ("applied", 1)


async def test_data_replaced_while_a_batch_reads(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Postgres `forget` can run while a batch awaits a query, since both run on the event loop."""
    find_barcodes = finding.find_barcodes

    async def replaced(*arguments: Any) -> Any:
        known.room.recorder.forget()
        return await find_barcodes(*arguments)

    known.room.recorder.forget()
    monkeypatch.setattr(finding, "find_barcodes", replaced)
    assert await known.take(1) == ("applied", 2)
    assert await known.take(1) == ("applied", 1)


async def test_rejected_operations_leave_nothing_to_the_garbage_collector(known: Known) -> None:
    before = objects_of(OperationRejected)
    # Refused by what it names; the second time because it was refused before.
    for _ in range(2):
        assert (await known.room.one(event("add", CODE, 999_999, 1, "e1"))).status == "rejected"
    assert (await known.take(9))[0] == "rejected"
    assert objects_of(OperationRejected) <= before


async def test_what_is_remembered_is_what_the_database_says(
    stockroom: Stockroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    if stockroom.database.dialect == "postgres":
        pytest.skip("SQLite only: on Postgres the recorder remembers nothing")
    monkeypatch.setattr(memory, "_MOST_ITEMS", 3)
    monkeypatch.setattr(memory, "_MOST_SKUS", 3)
    wrong: list[object] = []
    most = _watch(monkeypatch, wrong)
    with closing(_empty_file()) as copy:
        await _work(stockroom, monkeypatch, copy)
    assert wrong == []
    # The batch that goes over the limit is kept; the next one is not.
    assert most == {"items": 4, "skus": 3}
    await stockroom.check()


def _watch(monkeypatch: pytest.MonkeyPatch, wrong: list[object]) -> dict[str, int]:
    """Compares what each batch begins with, and adds what differs to `wrong`; returns the most that was remembered."""
    begin = StockMemory.begin
    most: dict[str, int] = defaultdict(int)

    async def compare(known: StockMemory, tx: Connection) -> None:
        await begin(known, tx)
        ids = list(known.items)
        items = [StockItem(*row) for row in await tx.rows("lock_items", ids=ids)]
        skus = await tx.all("list_skus_of_items", SkuState, ids=ids)
        barcodes = dict.fromkeys(known.barcodes) | await finding.find_barcodes(tx, list(known.barcodes))
        pairs = [
            (known.items, {item.id: item for item in items}),
            (
                {id: _by_id(known.skus[id]) for id in ids},
                {id: _by_id(sku for sku in skus if sku.item_id == id) for id in ids},
            ),
            (known.barcodes, barcodes),
        ]
        wrong.extend(pair for pair in pairs if pair[0] != pair[1])
        most["items"] = max(most["items"], len(ids))
        most["skus"] = max(most["skus"], *map(len, known.skus.values()), 0)

    monkeypatch.setattr(StockMemory, "begin", compare)
    return most


def _by_id(skus: Iterable[SkuState]) -> list[SkuState]:
    return sorted(skus, key=lambda sku: sku.id)


async def _work(room: Stockroom, monkeypatch: pytest.MonkeyPatch, copy: sqlite3.Connection) -> None:
    """Batches of few items, and now and then one of everything that the memory could miss."""
    chance = random.Random(4)
    packs = {f"400638130000{number}": 6.0 for number in range(6)}
    items = [await room.item("allow", packs={code: pieces}) for code, pieces in packs.items()]
    shelves = [await room.location() for _ in range(4)]
    keep = StockMemory.keep
    await _backup(room, lambda live: live.backup(copy))

    async def scan(code: str, **more: Any) -> None:
        kind = chance.choice(["add", "add", "remove", "set"])
        await room.one(event(kind, code, chance.choice(shelves[:2]), chance.randint(1, 3), **more))

    async def change(number: int) -> None:
        codes = [Barcode(code, chance.choice([1, 6])) for code in chance.sample(sorted(packs), 2)]
        changed = ItemChange(name=f"Item {chance.random()}", barcodes=codes)
        # Another item may have a barcode.
        with suppress(Conflict):
            async with room.database.transaction() as tx:
                await change_item(tx, items[number], changed, SOMEONE)

    async def hide_and_scan_again(number: int) -> None:
        code = f"found {number}"
        await room.one(event("add", code, shelves[0], 1))
        for shelf in shelves[:2]:
            await room.one(event("set", code, shelf, 0))
        async with room.database.transaction() as tx:
            await remove_item(tx, (await get_item_by_barcode(tx, code)).id, SOMEONE)
        await room.one(event("add", code, shelves[0], 1))
        await room.one(event("add", code, shelves[0], 1))

    async def fail(*arguments: Any, **more: Any) -> None:
        await keep(*arguments, **more)
        raise Unavailable("The disk is gone")

    for _ in range(100):
        number = chance.randrange(6)
        what = chance.random()
        if what < 0.7:
            code = chance.choice([*sorted(packs), f"found {number}"])
            await at_once([partial(scan, code)] * chance.choice([1, 1, 3]))
        elif what < 0.79:
            for code in packs:
                await scan(code)
            # Now it has too many SKUs to be kept.
            for shelf in shelves:
                await room.one(event("add", max(packs), shelf, 1))
        elif what < 0.83:
            await scan(sorted(packs)[number])
            await scan(sorted(packs)[number], unit="pack")
        elif what < 0.87:
            await change(number)
        elif what < 0.91:
            await hide_and_scan_again(number)
        elif what < 0.96:
            with monkeypatch.context() as patch, suppress(Unavailable):
                patch.setattr(StockMemory, "keep", fail)
                await scan(sorted(packs)[number])
        else:
            await _backup(room, copy.backup)


async def _backup(room: Stockroom, work: Callable[[sqlite3.Connection], object]) -> None:
    """Calls it with the writing connection, as a restore does."""
    if not isinstance(room.database, SqliteDatabase):
        pytest.skip("SQLite only: its backup API overwrites a database without a statement")
    async with room.database.exclusive() as call:
        await call(work)


def _empty_file() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)


async def _add_and_roll_back(known: Known) -> None:
    async with known.room.database.transaction() as tx:
        await known.room.recorder.record_within(tx, _addition(known, 5000))
        raise RuntimeError


def _addition(known: Known, milli: int) -> Operation:
    item, location = ItemKey(id=known.item), LocationKey(id=known.shelf)
    return Operation(kind="add", item=item, location=location, quantity_milli=milli)
