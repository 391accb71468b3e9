"""Two transactions on one Postgres that commit in another order than their ids were handed out in."""

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

# Long enough for an event that should not be told to be told.
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
        """The id of an event that is not committed; closing what comes with it commits it."""
        item, place = await self._stockroom.item(), await self._stockroom.place()
        stack = await self._stack.enter_async_context(AsyncExitStack())
        tx = await stack.enter_async_context(self._stockroom.database.transaction())
        operation = Operation(kind="add", item=ItemKey(id=item), location=LocationKey(id=place), quantity_milli=1000)
        outcome: Outcome = await self._stockroom.recorder.record_within(tx, operation)
        assert outcome.ledger_id is not None
        return outcome.ledger_id, stack

    async def committed(self) -> int:
        id, transaction = await self.event()
        await transaction.aclose()
        return id


async def _roll_back(transaction: AsyncExitStack) -> None:
    """Ends it as a failure inside would."""
    with pytest.raises(RuntimeError, match="on purpose"):
        async with transaction:
            raise RuntimeError("on purpose")


async def _hears_nothing(reader: Reader) -> asyncio.Task[list[int]]:
    """What the reader is about to hear next, after it has heard nothing for a while."""
    heard = asyncio.create_task(reader.ids(1))
    await asyncio.sleep(A_WHILE)
    assert not heard.done()
    return heard


async def test_a_later_id_that_is_committed_first_waits_for_the_earlier_one(app: Litestar, writer: Writer) -> None:
    async with following(app) as reader:
        await reader.next("ready")
        early, transaction = await writer.event()
        late = await writer.committed()
        assert early < late
        heard = await _hears_nothing(reader)
        await transaction.aclose()
        assert await heard == [early]
        assert await reader.ids(1) == [late]


async def test_an_id_that_is_rolled_back_holds_nothing_up(app: Litestar, writer: Writer) -> None:
    async with following(app) as reader:
        await reader.next("ready")
        _, transaction = await writer.event()
        late = await writer.committed()
        heard = await _hears_nothing(reader)
        await _roll_back(transaction)
        assert await heard == [late]
        # The gap is there for good, and nobody waits at it again.
        assert [await writer.committed()] == await reader.ids(1)


async def test_of_many_that_end_in_any_order_each_is_told_once(app: Litestar, writer: Writer) -> None:
    async with following(app) as reader:
        await reader.next("ready")
        begun = [await writer.event() for _ in range(5)]
        kept = [id for number, (id, _) in enumerate(begun) if number not in (1, 3)]
        for number in (4, 0, 2):
            await begun[number][1].aclose()
        await _roll_back(begun[1][1])
        assert await reader.ids(1) == kept[:1]
        # Whose the next gap is nobody can tell, so all who write are waited for.
        heard = await _hears_nothing(reader)
        await _roll_back(begun[3][1])
        assert await heard + await reader.ids(1) == kept[1:]


async def test_what_is_not_committed_when_a_stream_begins_is_told_by_it(app: Litestar, writer: Writer) -> None:
    """Or else its position is after it: who reads the stock after `ready` and the stream has it once."""
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


async def test_a_reader_that_begins_after_the_later_one_waits_too(app: Litestar, writer: Writer) -> None:
    first = await writer.committed()
    early, transaction = await writer.event()
    late = await writer.committed()
    async with following(app, after=first) as reader:
        ready = asyncio.create_task(reader.next("ready"))
        await asyncio.sleep(A_WHILE)
        await transaction.aclose()
        assert (await ready).id == first
        assert await reader.ids(2) == [early, late]


async def test_what_another_program_has_open_holds_nothing_up(app: Litestar, config: Config, writer: Writer) -> None:
    async with session(config) as other:
        await other.execute("BEGIN")
        await other.execute("INSERT INTO setting (name, value, updated_at) VALUES ('idle', '1', now())")
        async with following(app) as reader:
            await reader.next("ready")
            _, transaction = await writer.event()
            await _roll_back(transaction)
            # Behind a gap.
            assert [await writer.committed()] == await reader.ids(1)


async def test_the_log_says_which_transaction_is_waited_for(
    app: Litestar, writer: Writer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("stocky.live.tail.TELL_SECONDS", 0.05)
    async with following(app) as reader:
        await reader.next("ready")
        early, transaction = await writer.event()
        late = await writer.committed()
        heard = await _hears_nothing(reader)
        await transaction.aclose()
        assert await heard + await reader.ids(1) == [early, late]
    assert any("(stocky, idle in transaction, transaction since" in record.getMessage() for record in caplog.records)
