"""The end of the ledger, read once for all streams; it delivers only settled events, in the order of their ids.

Postgres assigns ids when they are reserved and shows events when they are committed, so 13 may be visible while 11 is
not yet committed, or was rolled back. A client whose position is 13 would miss 11. So no event after a gap is
delivered before the gap is settled: the transaction that reserved 11 took the writers' lock before 13 became visible
(each takes it before it reserves ids, and holds it to its end). Once every transaction that held the lock when 13 was
seen has ended, 11 is visible or never will be. On SQLite ids are committed in order, without gaps.
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
from stocky.stock.schemas import NamedStockEvent

# Events cached in memory. A stream that is further behind reads the ledger.
RECENT = 2_000
BATCH = 500
# Commits within this time are read together: there may be hundreds of batches a second.
TOGETHER_SECONDS = 0.02
# How often the ledger is read without a notification.
LOOK_SECONDS = 1.0
# Between two reads of the open transactions that a gap waits for.
WRITERS_SECONDS = 0.01
# How often the log names the transaction that a gap waits for.
LOG_SECONDS = 10.0
RETRY_SECONDS = 1.0
_EVERYTHING = EventFilter()

_log = logging.getLogger(__name__)


class Followed(msgspec.Struct, frozen=True):
    """A settled event, and its message, encoded once for all streams."""

    event: NamedStockEvent
    message: bytes


class LedgerTail:
    """The last events of the ledger. It reads only while a stream is open.

    `settled` is the id up to which no event can appear any more, None while that is unknown. `epoch` changes when a
    restore may have replaced the ledger, which invalidates old positions.
    """

    def __init__(self, database: Database) -> None:
        self.settled: int | None = None
        self.epoch = 0
        self._database = database
        self._recent: deque[Followed] = deque()
        # `_recent` has every event after this id.
        self._recent_after = 0
        self._bells: set[asyncio.Event] = set()
        self._is_followed = asyncio.Event()
        self._committed = asyncio.Event()
        self._task = database.supervisor.task("live tail", self._look, self._wait, retry_seconds=RETRY_SECONDS)
        database.on_commit(self._committed.set)
        database.gate.on_data_replaced(self._start_over)

    def start(self) -> None:
        """Starts the background task. The database is open."""
        self._task.start()

    async def close(self) -> None:
        await self._task.close()

    @contextmanager
    def ringing(self, bell: asyncio.Event) -> Iterator[None]:
        """Sets `bell` whenever `settled` or `epoch` has changed, for the length of the block."""
        self._bells.add(bell)
        self._is_followed.set()
        self._committed.set()
        try:
            yield
        finally:
            self._bells.discard(bell)
            if not self._bells:
                self._is_followed.clear()
                self._start_over()

    async def events_after(self, position: int, wanted: EventFilter, limit: int) -> tuple[list[bytes], int]:
        """Messages of matching events after `position`, at most `limit`, and the position to continue from.

        From memory where possible, else from the ledger. Nothing after `settled`, which must be known.
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
        """Whether the ledger reaches that id."""
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
        """One round. While the database cannot be reached, streams get no events."""
        if self._bells:
            await (self._begin() if self.settled is None else self._read_on(self.settled))

    async def _wait(self) -> None:
        await asyncio.sleep(TOGETHER_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await self._committed.wait()
        await self._is_followed.wait()
        # Before the round: a commit while it reads starts the next one.
        self._committed.clear()

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
        """Reads and delivers the events after `settled`."""
        epoch = self.epoch
        # Gaps up to `certain` stay gaps; those up to `seen` do when all who are `awaited` have ended.
        certain = seen = 0
        awaited: set[str] = set()
        waiting = _Waiting(self._database)
        while True:
            async with self._database.read() as read:
                events = await repository.list_events_after(read, settled, MAX_ID, _EVERYTHING, BATCH)
                count = count_settled(events, settled, certain)
                # After the events, so that a writer that reserved an id below theirs is listed or has ended.
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
                    await waiting.pause(awaited)
                else:
                    certain = seen

    def _take(self, events: list[NamedStockEvent], settled: int) -> None:
        self._recent.extend(Followed(each, _message(each)) for each in events)
        while len(self._recent) > RECENT:
            self._recent_after = self._recent.popleft().event.id
        self.settled = settled
        self._ring()


async def wait_for_writers(database: Database, writers: set[str]) -> None:
    """Waits until these of `list_open_writers` have ended: ids seen before they were listed are settled then.

    Raises Unavailable.
    """
    waiting = _Waiting(database)
    while writers:
        await waiting.pause(writers)
        async with database.read() as read:
            writers = writers & await repository.list_open_writers(read)


class _Waiting:
    """Waits for writers, and logs which ones when it takes long."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._logged_at = time.monotonic()

    async def pause(self, writers: set[str]) -> None:
        await asyncio.sleep(WRITERS_SECONDS)
        if time.monotonic() - self._logged_at < LOG_SECONDS:
            return
        self._logged_at = time.monotonic()
        async with self._database.read() as read:
            descriptions = [await repository.describe_open_writer(read, writer) for writer in sorted(writers)]
        _log.warning("Live streams and webhooks wait for a transaction of Stocky to end: %s", "; ".join(descriptions))


def count_settled(events: list[NamedStockEvent], settled: int, certain: int) -> int:
    """How many of the events after `settled` come before the first gap that may still be filled."""
    expected = settled + 1
    for count, each in enumerate(events):
        if each.id != expected and each.id > certain:
            return count
        expected = each.id + 1
    return len(events)


def _message(each: NamedStockEvent) -> bytes:
    return event(each.id, msgspec.json.encode(each), "stock")
