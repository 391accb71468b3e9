"""The end of the ledger, read once for all who follow it; what it hands out is settled, in the order of the ids.

Postgres hands out ids when they are reserved and shows events when they are committed, so 13 may be seen while 11
is still to come, or was rolled back and never comes. Whoever noted 13 as a position would miss 11. So nothing behind
a gap is handed out before the gap is settled: the transaction that reserved 11 had taken the writers' lock before 13
could be seen (each takes it before it reserves, and holds it to its end). When every transaction that holds the lock
after 13 was seen has ended, 11 is there or will never be. On SQLite ids are committed in their order and there are no
gaps.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice

import msgspec

from stocky.db import Database
from stocky.http.sse import event
from stocky.live import repository
from stocky.live.repository import EventFilter
from stocky.schema import MAX_ID
from stocky.stock.schemas import StockEvent

# Events kept in memory. Who is further behind reads the ledger.
RECENT = 2_000
BATCH = 500
# News of the same moment is read together: batches may be committed hundreds of times a second.
TOGETHER_SECONDS = 0.02
# How often one looks without having heard of anything.
LOOK_SECONDS = 1.0
# Between two looks at the transactions that a gap waits for.
WRITERS_SECONDS = 0.01
# After so long, and then as often, the log says which transaction is waited for.
TELL_SECONDS = 10.0
RETRY_SECONDS = 1.0
_EVERYTHING = EventFilter()

_log = logging.getLogger(__name__)


class Followed(msgspec.Struct, frozen=True):
    """A settled event, and the message that all streams send of it."""

    event: StockEvent
    message: bytes


class LedgerTail:
    """The last events of the ledger. It reads only while someone follows.

    `settled` is the id up to which nothing can appear any more, None while that is not known. `epoch` changes when
    the ledger may be another one than before, after a restore: positions in the old one mean nothing then.
    """

    def __init__(self, database: Database) -> None:
        self.settled: int | None = None
        self.epoch = 0
        self._database = database
        self._recent: deque[Followed] = deque()
        # `_recent` has every event behind this id.
        self._recent_after = 0
        self._bells: set[asyncio.Event] = set()
        self._is_followed = asyncio.Event()
        self._news = asyncio.Event()
        self._task = database.supervisor.task("live tail", self._look, self._wait, retry_seconds=RETRY_SECONDS)
        database.on_commit(self._news.set)
        database.gate.on_data_replaced(self._start_over)

    def start(self) -> None:
        """Begins to wait for followers. The database is open."""
        self._task.start()

    async def close(self) -> None:
        await self._task.close()

    @contextmanager
    def ringing(self, bell: asyncio.Event) -> Iterator[None]:
        """`bell` rings for the length of the block whenever `settled` or `epoch` has changed."""
        self._bells.add(bell)
        self._is_followed.set()
        self._news.set()
        try:
            yield
        finally:
            self._bells.discard(bell)
            if not self._bells:
                self._is_followed.clear()
                self._start_over()

    async def events_after(self, position: int, wanted: EventFilter, limit: int) -> tuple[list[bytes], int]:
        """Messages of the wanted events behind `position`, `limit` at most, and the position to go on from.

        From memory where it has them, else from the ledger. Nothing behind `settled`, which is known.
        """
        settled = self.settled
        assert settled is not None
        if position >= self._recent_after:
            behind = []
            for followed in reversed(self._recent):
                if followed.event.id <= position:
                    break
                behind.append(followed)
            found = list(islice((each for each in reversed(behind) if wanted.wants(each.event)), limit))
            messages = [followed.message for followed in found]
            return messages, found[-1].event.id if len(found) == limit else max(settled, position)
        async with self._database.read() as read:
            events = await repository.list_events_after(read, position, settled, wanted, limit)
        messages = [_message(each) for each in events]
        return messages, events[-1].id if len(events) == limit else settled

    async def has(self, position: int) -> bool:
        """Whether the ledger goes as far as that."""
        async with self._database.read() as read:
            return position <= await repository.get_last_event_id(read)

    def _start_over(self) -> None:
        self.epoch += 1
        self.settled = None
        self._recent.clear()
        self._ring()

    def _ring(self) -> None:
        for bell in self._bells:
            bell.set()

    async def _look(self) -> None:
        """One round. While the database is away, followers hear nothing."""
        if self._bells:
            await (self._begin() if self.settled is None else self._read_on(self.settled))

    async def _wait(self) -> None:
        await asyncio.sleep(TOGETHER_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await self._news.wait()
        await self._is_followed.wait()
        # Before the round: what comes while it reads is looked for in the next.
        self._news.clear()

    async def _begin(self) -> None:
        epoch = self.epoch
        async with self._database.read() as read:
            last = await repository.get_last_event_id(read)
            awaited = await repository.list_open_writers(read)
        await wait_for_writers(self._database, awaited)
        if epoch == self.epoch:
            self.settled = self._recent_after = last
            self._ring()

    async def _read_on(self, settled: int) -> None:
        """Takes in what has come since `settled`."""
        epoch = self.epoch
        # Gaps up to `certain` stay gaps; those up to `seen` do when all who are `awaited` have ended.
        certain = seen = 0
        awaited: set[str] = set()
        waiting = _Waiting(self._database)
        while True:
            async with self._database.read() as read:
                events = await repository.list_events_after(read, settled, MAX_ID, _EVERYTHING, BATCH)
                count = count_settled(events, settled, certain)
                # After the events, so that whoever reserved an id below theirs is among them or has ended.
                writing = await repository.list_open_writers(read) if count < len(events) else set()
            if epoch != self.epoch or not events:
                return
            if count:
                settled = events[count - 1].id
                self._take(events[:count], settled)
            if count < len(events):
                if settled >= seen:
                    seen, awaited = events[-1].id, writing
                else:
                    awaited &= writing
                if awaited:
                    await waiting.for_a_moment(awaited)
                else:
                    certain = seen

    def _take(self, events: list[StockEvent], settled: int) -> None:
        self._recent.extend(Followed(each, _message(each)) for each in events)
        while len(self._recent) > RECENT:
            self._recent_after = self._recent.popleft().event.id
        self.settled = settled
        self._ring()


async def wait_for_writers(database: Database, writers: set[str]) -> None:
    """Waits for the end of these, of `list_open_writers`: ids that were seen before they were listed are settled then.

    Raises Unavailable.
    """
    waiting = _Waiting(database)
    while writers:
        await waiting.for_a_moment(writers)
        async with database.read() as read:
            writers = writers & await repository.list_open_writers(read)


class _Waiting:
    """A wait for writers that says in the log whom it waits for, when it takes long."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._told = time.monotonic()

    async def for_a_moment(self, writers: set[str]) -> None:
        await asyncio.sleep(WRITERS_SECONDS)
        if time.monotonic() - self._told < TELL_SECONDS:
            return
        self._told = time.monotonic()
        async with self._database.read() as read:
            told = [await repository.describe_open_writer(read, writer) for writer in sorted(writers)]
        _log.warning("Live streams and webhooks wait for a transaction of Stocky to end: %s", "; ".join(told))


def count_settled(events: list[StockEvent], settled: int, certain: int) -> int:
    """How many of the events, which follow `settled`, come before the first gap that may still be filled."""
    expected = settled + 1
    for count, each in enumerate(events):
        if each.id != expected and each.id > certain:
            return count
        expected = each.id + 1
    return len(events)


def _message(each: StockEvent) -> bytes:
    return event(each.id, msgspec.json.encode(each), "stock")
