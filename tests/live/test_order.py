"""Two transactions on one Postgres that commit in another order than that of their ids."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from litestar import Litestar

from stocky.config import Config
from stocky.stock.operations import ItemKey, LocationKey, Operation, Outcome
from stocky.stock.repository import list_events
from tests.conftest import TestDatabases, settings
from tests.db.postgres_session import session
from tests.live.reading import Reader, following
from tests.stock.stockroom import Stockroom

# Long enough for an event to be sent by mistake.
A_WHILE = 0.5


@pytest.fixture
def environ(databases: TestDatabases, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Only Postgres has several writers."""
    with databases.copy("postgres-embedded", tmp_path) as url:
        yield settings(url, tmp_path)


@pytest.fixture
async def writer(app: Litestar) -> AsyncIterator[Writer]:
    async with AsyncExitStack() as stack:
        yield Writer(app, stack)


class Writer:
    """Records events in transactions that stay open until the test ends them."""

    def __init__(self, app: Litestar, stack: AsyncExitStack) -> None:
        self._stockroom = Stockroom(app.state.config, app.state.database)
        self._stockroom.recorder = app.state.recorder
        self._stack = stack

    async def event(self) -> tuple[int, AsyncExitStack]:
        """The id of an uncommitted event, with an exit stack that commits it when closed."""
        item, location = await self._stockroom.item(), await self._stockroom.location()
        stack = await self._stack.enter_async_context(AsyncExitStack())
        tx = await stack.enter_async_context(self._stockroom.database.transaction())
        operation = Operation(kind="add", item=ItemKey(id=item), location=LocationKey(id=location), quantity_milli=1000)
        outcome: Outcome = await self._stockroom.recorder.record_within(tx, operation)
        assert outcome.ledger_id is not None
        return outcome.ledger_id, stack

    async def committed(self) -> int:
        id, transaction = await self.event()
        await transaction.aclose()
        return id


async def _roll_back(transaction: AsyncExitStack) -> None:
    """Ends the transaction like a failure inside it."""
    with pytest.raises(RuntimeError, match="on purpose"):
        async with transaction:
            raise RuntimeError("on purpose")


async def _receives_nothing(reader: Reader) -> asyncio.Task[list[int]]:
    """Checks that the reader receives nothing for a while; returns the task that waits for the next events."""
    received = asyncio.create_task(reader.ids(1))
    await asyncio.sleep(A_WHILE)
    assert not received.done()
    return received


async def test_later_id_committed_first_waits_for_earlier_id(app: Litestar, writer: Writer) -> None:
    async with following(app) as reader:
        await reader.next("ready")
        early, transaction = await writer.event()
        late = await writer.committed()
        assert early < late
        received = await _receives_nothing(reader)
        await transaction.aclose()
        assert await received == [early]
        assert await reader.ids(1) == [late]


async def test_rolled_back_id_does_not_block_the_stream(app: Litestar, writer: Writer) -> None:
    async with following(app) as reader:
        await reader.next("ready")
        _, transaction = await writer.event()
        late = await writer.committed()
        received = await _receives_nothing(reader)
        await _roll_back(transaction)
        assert await received == [late]
        # The gap is permanent, and nothing waits for it again.
        assert [await writer.committed()] == await reader.ids(1)


async def test_events_committed_in_any_order_are_each_sent_once(app: Litestar, writer: Writer) -> None:
    async with following(app) as reader:
        await reader.next("ready")
        begun = [await writer.event() for _ in range(5)]
        committed = [id for number, (id, _) in enumerate(begun) if number not in (1, 3)]
        for number in (4, 0, 2):
            await begun[number][1].aclose()
        await _roll_back(begun[1][1])
        assert await reader.ids(1) == committed[:1]
        # The owner of the next gap is unknown, so the stream waits for all writers.
        received = await _receives_nothing(reader)
        await _roll_back(begun[3][1])
        assert await received + await reader.ids(1) == committed[1:]


async def test_event_committed_after_stream_start_is_sent(app: Litestar, writer: Writer) -> None:
    """Or it is before the stream's position: a client that reads the stock after `ready` has it exactly once."""
    early, transaction = await writer.event()
    late = await writer.committed()
    async with following(app) as reader:
        ready = asyncio.create_task(reader.next("ready"))
        await asyncio.sleep(A_WHILE)
        assert not ready.done()
        await transaction.aclose()
        position = (await ready).id
        async with app.state.database.read() as read:
            there = {event.id for event in (await list_events(read, limit=100)).events}
        assert {id for id in (early, late) if id <= position} <= there
        assert [id for id in (early, late) if id > position] == []
        assert [await writer.committed()] == await reader.ids(1)


async def test_stream_started_after_later_id_waits_for_earlier_id(app: Litestar, writer: Writer) -> None:
    first = await writer.committed()
    early, transaction = await writer.event()
    late = await writer.committed()
    async with following(app, after=first) as reader:
        ready = asyncio.create_task(reader.next("ready"))
        await asyncio.sleep(A_WHILE)
        await transaction.aclose()
        assert (await ready).id == first
        assert await reader.ids(2) == [early, late]


async def test_transaction_of_another_program_does_not_block_the_stream(
    app: Litestar, config: Config, writer: Writer
) -> None:
    async with session(config) as other:
        await other.execute("BEGIN")
        await other.execute("INSERT INTO setting (name, value, updated_at) VALUES ('idle', '1', now())")
        async with following(app) as reader:
            await reader.next("ready")
            _, transaction = await writer.event()
            await _roll_back(transaction)
            # After a gap.
            assert [await writer.committed()] == await reader.ids(1)


async def test_log_names_the_awaited_transaction(
    app: Litestar, writer: Writer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("stocky.live.tail.LOG_SECONDS", 0.05)
    async with following(app) as reader:
        await reader.next("ready")
        early, transaction = await writer.event()
        late = await writer.committed()
        received = await _receives_nothing(reader)
        await transaction.aclose()
        assert await received + await reader.ids(1) == [early, late]
    assert any("(stocky, idle in transaction, transaction since" in record.getMessage() for record in caplog.records)
