"""Hands the ledger and the news out to webhooks as deliveries: each position once, whichever process is first.

The ledger is the one source, and is followed by position, so that scans, imports and merges are told alike and nobody
who records anything waits for it. Ids that may still be filled, because someone who reserved them has not committed,
are waited for (see `live.tail`).
"""

from __future__ import annotations

import asyncio
import logging

from stocky import clock
from stocky.db import Connection, Database
from stocky.errors import Unavailable
from stocky.live.repository import EventFilter, list_events_after, list_open_writers
from stocky.live.tail import wait_for_writers
from stocky.webhooks import queues
from stocky.webhooks.queues import MAX_WAITING, Positions, QueuePosition
from stocky.webhooks.schemas import RESTORED, EventType, Message, RecordedStock, RestoredData

# Ledger events in one delivery, and news looked through at once.
BATCH = 100
# How long one request waits for others to end what they write.
SETTLE_SECONDS = 10
_EVERYTHING = EventFilter()
_log = logging.getLogger(__name__)


async def find_ends(database: Database) -> Positions:
    """The ends of the ledger and of the news, settled. Raises Unavailable when someone writes for very long."""
    async with database.read() as read:
        ends = await queues.get_ends(read)
        writers = await list_open_writers(read)
    try:
        async with asyncio.timeout(SETTLE_SECONDS):
            await wait_for_writers(database, writers)
    except TimeoutError:
        raise Unavailable("Something long is just being written; try again when it has ended", retry_after=30) from None
    return ends


class Fanout:
    """The standing duty of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def look(self) -> bool:
        """Hands out what has come; whether there was anything."""
        epoch = self._database.gate.epoch
        async with self._database.read() as read:
            places = await queues.list_places(read)
            ends = await queues.get_ends(read) if places else Positions(0, 0)
            behind = [place for place in places if place.is_behind(ends)]
            writers = await list_open_writers(read) if behind else set()
        await wait_for_writers(self._database, writers)
        handed = [await self._try_to_hand(place, ends, epoch) for place in behind]
        return any(handed)

    async def _try_to_hand(self, place: QueuePosition, ends: Positions, epoch: int) -> bool:
        """What is wrong with one webhook does not keep the others waiting. Raises Unavailable, which is no one's."""
        try:
            return await self._hand(place, ends, epoch)
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 - whatever it is, it is this webhook's
            _log.exception("Webhook %d could not be handed what has come; it is tried again", place.id)
            return False

    async def _hand(self, place: QueuePosition, ends: Positions, epoch: int) -> bool:
        """Hands all that is settled to one webhook, as far as there is room in its queue."""
        if place.ledger is None or place.news is None:
            return await self._database.run(self._begin, place.id, ends, epoch)
        at, waiting, handed = Positions(place.ledger, place.news), place.waiting, False
        while waiting < MAX_WAITING:
            after, messages = await self._next(place, at, ends)
            if after == at or not await self._database.run(self._advance, place.id, at, after, messages, epoch):
                break
            at, waiting, handed = after, waiting + len(messages), handed or bool(messages)
        return handed

    async def _next(
        self, place: QueuePosition, at: Positions, ends: Positions
    ) -> tuple[Positions, list[tuple[Message, int | None]]]:
        """What comes behind `at`, one batch of each, and where the webhook stands then."""
        messages: list[tuple[Message, int | None]] = []
        ledger, news = at.ledger, at.news
        async with self._database.read() as read:
            if place.wants_stock and ledger < ends.ledger:
                events = await list_events_after(read, ledger, ends.ledger, _EVERYTHING, BATCH)
                if events:
                    last = events[-1]
                    told = RecordedStock(after=ledger, position=last.id, events=events)
                    message = Message(type=EventType.STOCK_RECORDED.value, timestamp=last.recorded_at, data=told)
                    messages.append((message, last.id))
                ledger = events[-1].id if len(events) == BATCH else ends.ledger
            if place.wants_news and news < ends.news:
                found = await queues.list_news(read, news, ends.news, BATCH)
                messages += [(each.told(), None) for each in found if each.event_type in place.event_types]
                news = found[-1].id if len(found) == BATCH else ends.news
        return Positions(ledger, news), messages

    async def _begin(self, tx: Connection, webhook_id: int, ends: Positions, epoch: int) -> bool:
        """A webhook that came with a backup: what it was told before may not be so in this data."""
        if self._database.gate.epoch != epoch or not (await queues.enter(tx, webhook_id, ends)):
            return False
        message = Message(type=RESTORED, timestamp=clock.now(), data=RestoredData(position=ends.ledger))
        await queues.enqueue(tx, webhook_id, message)
        return True

    async def _advance(
        self,
        tx: Connection,
        webhook_id: int,
        at: Positions,
        after: Positions,
        messages: list[tuple[Message, int | None]],
        epoch: int,
    ) -> bool:
        # What was read of other data than this is not written into it.
        if self._database.gate.epoch != epoch:
            return False
        return await queues.advance(tx, webhook_id, at, after, messages)
