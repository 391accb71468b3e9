"""The log's live tail; it reads from the memory log itself, so a slow client uses no memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import msgspec

from stocky.http.sse import Streams, comment, event, rings
from stocky.logs.memory import MemoryLog
from stocky.logs.schemas import LogFilter

BATCH = 100


async def follow_log(log: MemoryLog, streams: Streams, wanted: LogFilter, after: int | None) -> AsyncGenerator[bytes]:
    """Matching records as server-sent events: those after the id `after` (default: only new ones), then new ones.

    Ends when Stocky stops, and when the client is so slow that records it has not received are gone; it may reconnect
    with its last id and gets the records still stored.
    """
    with streams.open() as bell, log.ringing(bell):
        position = log.last_id if after is None else after
        is_first = True
        yield comment("log records follow")
        while not streams.ending:
            bell.clear()
            entries = log.entries_after(position, BATCH)
            if entries and entries[0].id > position + 1 and not is_first:
                yield comment("too slow: records were skipped; reconnect with Last-Event-ID")
                return
            for entry in entries:
                if wanted.wants(entry):
                    yield event(entry.id, msgspec.json.encode(entry))
                position = entry.id
            if entries:
                is_first = False
            elif not await rings(bell):
                yield comment("still here")
