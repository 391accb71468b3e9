"""The latest log records in memory, and their live tail: bounded, without secrets, and thread-safe."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice

import msgspec

from stocky.db import Listing
from stocky.db.maintenance_gate import request_epoch
from stocky.errors import Invalid
from stocky.http.sse import ADMIT_SECONDS, HEARTBEAT_SECONDS, Permission, Streams, comment, event
from stocky.logs.redaction import Redaction, extra_of
from stocky.logs.schemas import LogEntry, LogFilter, LogLevel
from stocky.request_context import request_id, user_id

# Records that the live tail reads at a time.
BATCH = 100


class MemoryLog(logging.Handler):
    """A handler that stores the last `max_entries` records and notifies followers of new ones.

    Ids are consecutive and begin at the start time in microseconds, so they also increase across restarts.
    """

    def __init__(self, max_entries: int) -> None:
        super().__init__()
        self._entries: deque[LogEntry] = deque(maxlen=max_entries)
        self._last_id = time.time_ns() // 1000
        self._bells: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self.addFilter(Redaction())

    @property
    def last_id(self) -> int:
        """The id of the newest record; before the first one, the id before it."""
        return self._last_id

    def emit(self, record: logging.LogRecord) -> None:
        # `handle` holds the handler's lock, so ids are assigned in order.
        extra = extra_of(record)
        if record.exc_text:
            extra["exception"] = record.exc_text
        self._last_id += 1
        self._entries.append(
            LogEntry(
                id=self._last_id,
                level=LogLevel.of(record.levelno),
                message=record.getMessage(),
                module=record.name,
                function=record.funcName,
                user_id=user_id.get(),
                request_id=request_id.get(),
                extra_data=extra or None,
                created_at=datetime.fromtimestamp(record.created, UTC),
            )
        )
        for bell, loop in self._bells.items():
            with suppress(RuntimeError):  # its loop has ended
                loop.call_soon_threadsafe(bell.set)

    def list_entries(self, wanted: LogFilter, skip: int, limit: int) -> list[LogEntry]:
        """The matching records, newest first."""
        matching = (entry for entry in reversed(self._snapshot()) if wanted.wants(entry))
        return list(islice(matching, skip, skip + limit))

    def list_page(self, wanted: LogFilter, skip: int, limit: int, listing: Listing) -> list[LogEntry]:
        """The matching records, newest first or in the order of `listing`. Raises Invalid."""
        if listing.order.removeprefix("-") not in ("", "id", "created_at"):
            raise Invalid("sort: the log is sorted by id or created_at, with - in front for newest first", field="sort")
        matching = [entry for entry in self._snapshot() if wanted.wants(entry)]
        if listing.order in ("", "-id", "-created_at"):
            matching.reverse()
        page = matching[skip : skip + limit]
        listing.shown, listing.total = len(page), len(matching)
        return page

    def entries_after(self, id: int, limit: int) -> list[LogEntry]:
        """The first records after `id` that are still stored, oldest first."""
        with self._locked():
            if not self._entries:
                return []
            start = max(0, id + 1 - self._entries[0].id)
            return list(islice(self._entries, start, start + limit))

    @contextmanager
    def ringing(self, bell: asyncio.Event) -> Iterator[None]:
        """Sets `bell` for each new record, for the length of the block."""
        with self._locked():
            self._bells[bell] = asyncio.get_running_loop()
        try:
            yield
        finally:
            with self._locked():
                del self._bells[bell]

    def _snapshot(self) -> list[LogEntry]:
        with self._locked():
            return list(self._entries)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.acquire()
        try:
            yield
        finally:
            self.release()


async def follow_log(
    log: MemoryLog,
    streams: Streams,
    wanted: LogFilter,
    after: int | None,
    admit: Callable[[], Awaitable[None]],
) -> AsyncGenerator[bytes]:
    """Matching records as server-sent events: those after the id `after` (default: only new ones), then new ones.

    Ends when Stocky stops, when `admit` raises Unauthorized or Forbidden, and when the client is so slow that records
    it has not received are gone; it may reconnect with its last id and gets the records still stored.
    """
    # A restore ends sessions: after it, the permission is checked with the new data.
    request_epoch.set(None)
    permission = Permission(admit)
    with streams.open() as bell, log.ringing(bell):
        position = log.last_id if after is None else after
        is_first = True
        yield comment("log records follow")
        sent = time.monotonic()
        while not streams.ending and await permission.lasts():
            bell.clear()
            entries = log.entries_after(position, BATCH)
            if entries and entries[0].id > position + 1 and not is_first:
                yield comment("too slow: records were skipped; reconnect with Last-Event-ID")
                return
            for entry in entries:
                if wanted.wants(entry):
                    yield event(entry.id, msgspec.json.encode(entry))
                    sent = time.monotonic()
                position = entry.id
            if entries:
                is_first = False
                continue
            if time.monotonic() - sent >= HEARTBEAT_SECONDS:
                yield comment("still here")
                sent = time.monotonic()
            with suppress(TimeoutError):
                async with asyncio.timeout(ADMIT_SECONDS):
                    await bell.wait()
