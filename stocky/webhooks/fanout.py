"""Queues ledger events and notifications for webhooks as deliveries: each position once, by any one process.

It follows the ledger by position, so that scans, imports and merges are all delivered and no writer waits for it. It
waits for ids that are reserved and not committed yet (see `live.tail`).
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
from stocky.webhooks.schemas import RESTORED, Message, RecordedStock, RestoredData, WebhookEventType

# Ledger events in one delivery, and notifications read at once.
BATCH = 100
# How long a request waits for open transactions of others.
SETTLE_SECONDS = 10
_EVERYTHING = EventFilter()
_log = logging.getLogger(__name__)


async def find_ends(database: Database) -> Positions:
    """The settled ends of the ledger and the notifications. Raises Unavailable during a very long transaction."""
    async with database.read() as read:
        ends = await queues.get_ends(read)
        writers = await list_open_writers(read)
    try:
        async with asyncio.timeout(SETTLE_SECONDS):
            await wait_for_writers(database, writers)
    except TimeoutError:
        raise Unavailable("A long transaction is in progress; try again when it has ended", retry_after=30) from None
    return ends


class Fanout:
    """The fan-out of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def look(self) -> bool:
        """Queues new events; whether there were any."""
        epoch = self._database.gate.epoch
        async with self._database.read() as read:
            queue_positions = await queues.list_positions(read)
            ends = await queues.get_ends(read) if queue_positions else Positions(0, 0)
            behind = [position for position in queue_positions if position.is_behind(ends)]
            writers = await list_open_writers(read) if behind else set()
        await wait_for_writers(self._database, writers)
        queued = [await self._try_to_queue(position, ends, epoch) for position in behind]
        return any(queued)

    async def _try_to_queue(self, position: QueuePosition, ends: Positions, epoch: int) -> bool:
        """An error of one webhook does not affect the others. Raises Unavailable, which concerns all."""
        try:
            return await self._queue_events(position, ends, epoch)
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 - any other error concerns this webhook only
            _log.exception("Events could not be queued for webhook %d; will retry", position.id)
            return False

    async def _queue_events(self, position: QueuePosition, ends: Positions, epoch: int) -> bool:
        """Queues all settled events for one webhook, as far as its queue has room."""
        if position.ledger is None or position.notifications is None:
            return await self._database.run(self._begin, position.id, ends, epoch)
        at, waiting, queued = Positions(position.ledger, position.notifications), position.waiting, False
        while waiting < MAX_WAITING:
            after, messages = await self._next(position, at, ends)
            if after == at or not await self._database.run(self._advance, position.id, at, after, messages, epoch):
                break
            at, waiting, queued = after, waiting + len(messages), queued or bool(messages)
        return queued

    async def _next(
        self, position: QueuePosition, at: Positions, ends: Positions
    ) -> tuple[Positions, list[tuple[Message, int | None]]]:
        """The messages after `at`, one batch of each source, and the webhook's new positions."""
        messages: list[tuple[Message, int | None]] = []
        ledger, notified = at.ledger, at.notifications
        async with self._database.read() as read:
            if position.wants_stock and ledger < ends.ledger:
                events = await list_events_after(read, ledger, ends.ledger, _EVERYTHING, BATCH)
                if events:
                    last = events[-1]
                    stock = RecordedStock(after=ledger, position=last.id, events=events)
                    kind = WebhookEventType.STOCK_RECORDED.value
                    message = Message(type=kind, timestamp=last.recorded_at, data=stock)
                    messages.append((message, last.id))
                ledger = events[-1].id if len(events) == BATCH else ends.ledger
            if position.wants_notifications and notified < ends.notifications:
                found = await queues.list_notifications(read, notified, ends.notifications, BATCH)
                messages += [
                    (each.message_to_send(), None) for each in found if each.event_type in position.event_types
                ]
                notified = found[-1].id if len(found) == BATCH else ends.notifications
        return Positions(ledger, notified), messages

    async def _begin(self, tx: Connection, webhook_id: int, ends: Positions, epoch: int) -> bool:
        """Starts a webhook from a restored backup: messages it got before may not match this data."""
        if self._database.gate.epoch != epoch or not (await queues.start(tx, webhook_id, ends)):
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
        # The messages were read from data that a restore has replaced.
        if self._database.gate.epoch != epoch:
            return False
        return await queues.advance(tx, webhook_id, at, after, messages)
