"""The queues of webhooks in the database: a webhook is handed each position of the ledger and of the news once.

Whoever hands out moves the place from where it stood and adds the deliveries in one transaction, so of several
processes one does. Whoever sends holds a lease, and only the holder's word about the queue counts. A webhook is locked
before its queue and its deliveries, so that nobody waits for each other.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from stocky import clock
from stocky.alerts.schemas import Alert
from stocky.db import Connection
from stocky.webhooks.schemas import EventType, Message, known_types
from stocky.webhooks.signing import make_message_id

# Deliveries that wait for one receiver; the rest stays in the ledger until it takes them.
MAX_WAITING = 100
# Deliveries that are kept of each webhook, beside those that wait.
KEPT = 200


async def tell(tx: Connection, event_type: EventType, data: Any) -> None:
    """Webhooks are told with the end of the transaction; `data` is what JSON can be made of, and holds no secret."""
    encoded = msgspec.json.encode(data).decode()
    await tx.execute("add_webhook_news", event_type=event_type.value, data=encoded, occurred_at=clock.now())


class Positions(msgspec.Struct, frozen=True):
    """Ids up to which the ledger and the news are settled: nothing can appear there any more."""

    ledger: int
    news: int


class QueuePosition(msgspec.Struct, frozen=True):
    """Where an active webhook stands and how many deliveries wait; one without positions has to begin."""

    id: int
    stored_types: str
    ledger: int | None
    news: int | None
    waiting: int

    @property
    def event_types(self) -> list[EventType]:
        return known_types(self.stored_types)

    @property
    def wants_stock(self) -> bool:
        return EventType.STOCK_RECORDED in self.event_types

    @property
    def wants_news(self) -> bool:
        return any(each is not EventType.STOCK_RECORDED for each in self.event_types)

    def is_behind(self, ends: Positions) -> bool:
        """Whether there may be something that it has not been handed."""
        if self.ledger is None or self.news is None:
            return True
        return (self.wants_stock and self.ledger < ends.ledger) or (self.wants_news and self.news < ends.news)


class News(msgspec.Struct, kw_only=True):
    """What happened beside the ledger: about an alert, whose columns are there then, or with data of its own."""

    id: int
    event_type: str
    data: Any
    occurred_at: datetime
    alert_id: int | None
    alert_type: str | None
    message: str | None
    threshold_value: float | None
    is_acknowledged: bool | None
    acknowledged_at: datetime | None
    sku_id: int | None
    item_id: int | None
    created_at: datetime | None
    updated_at: datetime | None

    def told(self) -> Message:
        """What is sent of it: the alert as it is now, but for whether it was raised or resolved then."""
        data = self.data
        if self.alert_id is not None:
            fields = {name: getattr(self, name, None) for name in Alert.__struct_fields__}
            is_active = self.event_type == EventType.ALERT_RAISED
            data = msgspec.convert(fields | {"id": self.alert_id, "is_active": is_active}, Alert)
        return Message(type=self.event_type, timestamp=self.occurred_at, data=data)


class Due(msgspec.Struct, frozen=True):
    """What is to be sent to a webhook next, and what is needed for it."""

    id: int
    webhook_id: int
    message_id: str
    event_type: str
    payload: str
    url: str
    secret: str
    former_secret: str | None
    former_until: datetime | None
    failures: int
    failing_since: datetime | None


async def get_ends(read: Connection) -> Positions:
    """The ends as they are seen now; they are settled when all who are writing now have ended."""
    ends = await read.one("get_webhook_ends", Positions)
    assert ends is not None  # a SELECT without FROM has a row
    return ends


async def list_places(read: Connection) -> list[QueuePosition]:
    """Every active webhook, and those that have to begin."""
    return await read.all("list_webhook_places", QueuePosition)


async def list_news(read: Connection, after: int, until: int, limit: int) -> list[News]:
    """The news behind `after`, up to and with `until`, oldest first."""
    return await read.all("list_webhook_news", News, after=after, until=until, limit=limit)


async def enter(tx: Connection, webhook_id: int, ends: Positions) -> bool:
    """Lets a webhook begin at `ends`; False for one that has begun."""
    begun: int = await tx.execute("begin_webhook_queue", **_at(ends) | {"webhook_id": webhook_id, "now": clock.now()})
    return bool(begun)


async def place(tx: Connection, webhook_id: int, ends: Positions, *, ledger: bool, news: bool) -> None:
    """Lets it go on from `ends` in the ledger, in the news, or in both; never from before where it stands."""
    if ledger:
        await tx.execute("place_webhook_in_ledger", webhook_id=webhook_id, ledger=ends.ledger)
    if news:
        await tx.execute("place_webhook_in_news", webhook_id=webhook_id, news=ends.news)


async def advance(
    tx: Connection, webhook_id: int, before: Positions, after: Positions, messages: list[tuple[Message, int | None]]
) -> bool:
    """Moves its place and adds what is to be sent, each with its position. False when someone else has."""
    await _lock(tx, webhook_id)
    places = {"from_ledger": before.ledger, "from_news": before.news}
    moved = await tx.execute("advance_webhook_queue", **_at(after) | places | {"webhook_id": webhook_id})
    if not moved:
        return False
    for message, position in messages:
        await enqueue(tx, webhook_id, message, position)
    if messages:
        await tx.execute("trim_webhook_deliveries", webhook_id=webhook_id, kept=KEPT)
    return True


async def enqueue(tx: Connection, webhook_id: int, message: Message, position: int | None = None) -> int:
    """The id of a new delivery."""
    added = await tx.all(
        "add_webhook_delivery",
        dict[str, int],
        webhook_id=webhook_id,
        message_id=make_message_id(),
        event_type=message.type,
        payload=msgspec.json.encode(message).decode(),
        position=position,
        created_at=clock.now(),
    )
    delivery_id: int = added[0]["id"]
    return delivery_id


async def find_due(read: Connection) -> int | None:
    """A webhook that is to be sent something, and that nobody is sending to."""
    webhook_id: int | None = await read.value("find_due_webhook", now=clock.now())
    return webhook_id


async def claim(tx: Connection, owner: str, webhook_id: int, lease_until: datetime) -> bool:
    """Whether the owner may send to it from now on; of several who ask, one may."""
    claimed: int = await tx.execute(
        "claim_webhook", owner=owner, webhook_id=webhook_id, lease_until=lease_until, now=clock.now()
    )
    return bool(claimed)


async def end_leases(tx: Connection) -> None:
    """Says that nobody is sending, where there is no other process."""
    await tx.execute("end_webhook_leases")


async def next_due(tx: Connection, owner: str, webhook_id: int, lease_until: datetime) -> Due | None:
    """What the owner has to send next, with the lease renewed; None when there is nothing, or it is not the owner."""
    owned = {"owner": owner, "webhook_id": webhook_id}
    await tx.execute("hold_webhook", **owned | {"lease_until": lease_until})
    found: list[Due] = await tx.all("find_next_delivery", Due, **owned | {"now": clock.now()})
    return found[0] if found else None


async def note_delivered(tx: Connection, owner: str, due: Due, status: int) -> None:
    """The receiver has taken it."""
    await _lock(tx, due.webhook_id)
    await tx.execute("note_delivered", message_id=due.message_id, response_status=status, now=clock.now())
    if due.failures:
        await tx.execute("note_webhook_works", owner=owner, webhook_id=due.webhook_id)


async def note_not_delivered(
    tx: Connection, owner: str, due: Due, status: int | None, error: str, next_attempt_at: datetime
) -> bool:
    """The receiver has not taken it, and what follows waits with it.

    False when that says nothing any more: its webhook was repaired since, or is another's to send to.
    """
    now = clock.now()
    await _lock(tx, due.webhook_id)
    told = {"message_id": due.message_id, "response_status": status, "error": error, "now": now}
    await tx.execute("note_not_delivered", **told)
    seen = {"url": due.url, "failures": due.failures, "failing_since": due.failing_since or now}
    delay = {"owner": owner, "webhook_id": due.webhook_id, "next_attempt_at": next_attempt_at}
    delayed: int = await tx.execute("delay_webhook", **seen | delay)
    return bool(delayed)


async def release(tx: Connection, owner: str, webhook_id: int) -> None:
    """The owner does not send to it any more."""
    await tx.execute("let_go_of_webhook", owner=owner, webhook_id=webhook_id)


async def tidy(tx: Connection, before: datetime, kept_news: int) -> None:
    """Removes what was delivered, or was news, before that moment, and news of which there are too many."""
    await tx.execute("remove_old_webhook_deliveries", before=before)
    await tx.execute("remove_old_webhook_news", before=before, kept=kept_news)


async def _lock(tx: Connection, webhook_id: int) -> None:
    await tx.execute("lock_webhook", id=webhook_id)


def _at(ends: Positions) -> dict[str, Any]:
    return {"ledger": ends.ledger, "news": ends.news}
