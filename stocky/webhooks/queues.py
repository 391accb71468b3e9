"""The queues of webhooks in the database: each position of the ledger and the notifications is queued once.

The fan-out moves the positions (compare and set) and adds the deliveries in one transaction, so that one of several
processes succeeds. A sender holds a lease, and only its holder updates the queue. A webhook is locked before its queue
and its deliveries, which avoids deadlocks.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from stocky import clock
from stocky.alerts.schemas import Alert
from stocky.db import Connection
from stocky.webhooks.schemas import Message, WebhookEventType, known_types
from stocky.webhooks.signing import make_message_id

# Waiting deliveries per webhook; further events stay in the ledger until there is room.
MAX_WAITING = 100
# Stored deliveries per webhook, besides the waiting ones.
MAX_DELIVERIES = 200


async def notify(tx: Connection, event_type: WebhookEventType, data: Any) -> None:
    """Queues a notification, sent once the transaction commits; `data` must be encodable and contain no secret."""
    encoded = msgspec.json.encode(data).decode()
    await tx.execute("add_webhook_notification", event_type=event_type.value, data=encoded, occurred_at=clock.now())


class Positions(msgspec.Struct, frozen=True):
    """Ids up to which the ledger and the notifications are settled: no row can appear at or below them."""

    ledger: int
    notifications: int


class QueuePosition(msgspec.Struct, frozen=True):
    """The positions and waiting deliveries of an active webhook; positions are None before its start."""

    id: int
    stored_types: str
    ledger: int | None
    notifications: int | None
    waiting: int

    @property
    def event_types(self) -> list[WebhookEventType]:
        return known_types(self.stored_types)

    @property
    def wants_stock(self) -> bool:
        return WebhookEventType.STOCK_RECORDED in self.event_types

    @property
    def wants_notifications(self) -> bool:
        return any(each is not WebhookEventType.STOCK_RECORDED for each in self.event_types)

    def is_behind(self, ends: Positions) -> bool:
        """Whether there may be events that are not queued for it yet."""
        if self.ledger is None or self.notifications is None:
            return True
        return (self.wants_stock and self.ledger < ends.ledger) or (
            self.wants_notifications and self.notifications < ends.notifications
        )


class Notification(msgspec.Struct, kw_only=True):
    """An event outside the ledger: about an alert, with the alert's columns, or with its own data."""

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

    def message_to_send(self) -> Message:
        """The message to send: the current alert, with `is_active` from the time of the event."""
        data = self.data
        if self.alert_id is not None:
            fields = {name: getattr(self, name, None) for name in Alert.__struct_fields__}
            is_active = self.event_type == WebhookEventType.ALERT_RAISED
            data = msgspec.convert(fields | {"id": self.alert_id, "is_active": is_active}, Alert)
        return Message(type=self.event_type, timestamp=self.occurred_at, data=data)


class Due(msgspec.Struct, frozen=True):
    """The next delivery to a webhook, with all that sending it needs."""

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
    """The current ends; they are settled when all open transactions have ended."""
    ends = await read.one("get_webhook_ends", Positions)
    assert ends is not None  # a SELECT without FROM has a row
    return ends


async def list_positions(read: Connection) -> list[QueuePosition]:
    """The active webhooks, and those that have not started yet."""
    return await read.all("list_webhook_positions", QueuePosition)


async def list_notifications(read: Connection, after: int, until: int, limit: int) -> list[Notification]:
    """The notifications after `after` up to and including `until`, oldest first."""
    return await read.all("list_webhook_notifications", Notification, after=after, until=until, limit=limit)


async def start(tx: Connection, webhook_id: int, ends: Positions) -> bool:
    """Starts a webhook at `ends`; False if it has started already."""
    started: int = await tx.execute(
        "begin_webhook_queue", **_parameters(ends) | {"webhook_id": webhook_id, "now": clock.now()}
    )
    return bool(started)


async def move_forward(tx: Connection, webhook_id: int, ends: Positions, *, ledger: bool, notifications: bool) -> None:
    """Moves a webhook forward to `ends` in the ledger, the notifications, or both; never back."""
    if ledger:
        await tx.execute("move_webhook_in_ledger", webhook_id=webhook_id, ledger=ends.ledger)
    if notifications:
        await tx.execute("move_webhook_in_notifications", webhook_id=webhook_id, notifications=ends.notifications)


async def advance(
    tx: Connection, webhook_id: int, before: Positions, after: Positions, messages: list[tuple[Message, int | None]]
) -> bool:
    """Moves a webhook's positions and adds its deliveries. False when another process did."""
    await _lock(tx, webhook_id)
    expected = {"from_ledger": before.ledger, "from_notifications": before.notifications}
    moved = await tx.execute("advance_webhook_queue", **_parameters(after) | expected | {"webhook_id": webhook_id})
    if not moved:
        return False
    for message, position in messages:
        await enqueue(tx, webhook_id, message, position)
    if messages:
        await tx.execute("trim_webhook_deliveries", webhook_id=webhook_id, limit=MAX_DELIVERIES)
    return True


async def enqueue(tx: Connection, webhook_id: int, message: Message, position: int | None = None) -> int:
    """Adds a delivery; returns its id."""
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
    """A webhook with a due delivery and without a lease."""
    webhook_id: int | None = await read.value("find_due_webhook", now=clock.now())
    return webhook_id


async def claim(tx: Connection, owner: str, webhook_id: int, lease_until: datetime) -> bool:
    """Takes the lease of a webhook; False when another process holds it."""
    claimed: int = await tx.execute(
        "claim_webhook", owner=owner, webhook_id=webhook_id, lease_until=lease_until, now=clock.now()
    )
    return bool(claimed)


async def end_leases(tx: Connection) -> None:
    """Ends all leases; for SQLite, which has one process."""
    await tx.execute("end_webhook_leases")


async def next_due(tx: Connection, owner: str, webhook_id: int, lease_until: datetime) -> Due | None:
    """The owner's next delivery, with the lease renewed; None without one or without the lease."""
    owned = {"owner": owner, "webhook_id": webhook_id}
    await tx.execute("hold_webhook", **owned | {"lease_until": lease_until})
    found: list[Due] = await tx.all("find_next_delivery", Due, **owned | {"now": clock.now()})
    return found[0] if found else None


async def note_delivered(tx: Connection, owner: str, due: Due, status: int) -> None:
    """Records a successful delivery."""
    await _lock(tx, due.webhook_id)
    await tx.execute("note_delivered", message_id=due.message_id, response_status=status, now=clock.now())
    if due.failures:
        await tx.execute("note_webhook_works", owner=owner, webhook_id=due.webhook_id)


async def note_not_delivered(
    tx: Connection, owner: str, due: Due, status: int | None, error: str, next_attempt_at: datetime
) -> bool:
    """Records a failed delivery and delays the queue.

    False when the failure does not count: the webhook was repaired since, or another process holds its lease.
    """
    now = clock.now()
    await _lock(tx, due.webhook_id)
    failure = {"message_id": due.message_id, "response_status": status, "error": error, "now": now}
    await tx.execute("note_not_delivered", **failure)
    expected = {"url": due.url, "failures": due.failures, "failing_since": due.failing_since or now}
    delay = {"owner": owner, "webhook_id": due.webhook_id, "next_attempt_at": next_attempt_at}
    delayed: int = await tx.execute("delay_webhook", **expected | delay)
    return bool(delayed)


async def release(tx: Connection, owner: str, webhook_id: int) -> None:
    """Releases the owner's lease."""
    await tx.execute("release_webhook", owner=owner, webhook_id=webhook_id)


async def tidy(tx: Connection, before: datetime, max_notifications: int) -> None:
    """Removes deliveries and notifications from before `before`, and notifications beyond the newest ones."""
    await tx.execute("remove_old_webhook_deliveries", before=before)
    await tx.execute("remove_old_webhook_notifications", before=before, limit=max_notifications)


async def _lock(tx: Connection, webhook_id: int) -> None:
    await tx.execute("lock_webhook", id=webhook_id)


def _parameters(ends: Positions) -> dict[str, Any]:
    return {"ledger": ends.ledger, "notifications": ends.notifications}
