"""Webhooks and their deliveries in the database, as administrators see and change them; a secret is never read here."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec

from stocky import clock
from stocky.alerts import repository as alerts
from stocky.auth.schemas import Principal
from stocky.catalogue.repository import or_current
from stocky.db import Connection
from stocky.errors import Conflict, NotFound
from stocky.logs import audit
from stocky.webhooks.queues import MAX_WAITING, Positions, enqueue, enter, place
from stocky.webhooks.schemas import (
    PING,
    Delivery,
    DeliveryStatus,
    DeliveryWithPayload,
    EventType,
    Message,
    NewWebhook,
    Webhook,
    WebhookChange,
    WebhookWithSecret,
    known_types,
)

# Each costs a look and a place in the turn of those that are sent to.
MAX_WEBHOOKS = 50
# How long the secret before signs beside the new one, so that receivers can be told.
FORMER_LASTS = timedelta(days=1)
OFF = "webhook_off"


async def get_webhook(read: Connection, webhook_id: int) -> Webhook:
    """Raises NotFound."""
    row = await read.one("get_webhook", dict[str, Any], id=webhook_id)
    if row is None:
        raise NotFound(f"There is no webhook with id {webhook_id}")
    return _webhook(row)


async def list_webhooks(read: Connection, *, skip: int, limit: int) -> list[Webhook]:
    """Webhooks, in the order they were made."""
    return [_webhook(row) for row in await read.all("list_webhooks", dict[str, Any], skip=skip, limit=limit)]


async def add_webhook(
    tx: Connection, new: NewWebhook, secret: str, ends: Positions, by: Principal
) -> WebhookWithSecret:
    """A webhook that is told what comes behind `ends`. Raises Conflict when there are enough."""
    if await tx.value("count_webhooks") >= MAX_WEBHOOKS:
        raise Conflict(f"There are {MAX_WEBHOOKS} webhooks already; delete one that is not needed any more")
    webhook_id = await tx.value(
        "add_webhook",
        url=new.url,
        description=new.description,
        event_types=new.event_types,
        secret=secret,
        is_active=new.is_active,
        created_at=clock.now(),
    )
    await enter(tx, webhook_id, ends)
    webhook = await get_webhook(tx, webhook_id)
    await audit.record(tx, by, "created", "webhook", webhook_id, _told(webhook))
    return WebhookWithSecret(**msgspec.structs.asdict(webhook), secret=secret)


async def change_webhook(
    tx: Connection, webhook_id: int, change: WebhookChange, ends: Positions, by: Principal
) -> Webhook:
    """What is set in `change`; what it is told of anew begins behind `ends`. Raises NotFound."""
    before = await _open(tx, webhook_id)
    types = sorted(set(or_current(change.event_types, before.event_types)), key=list(EventType).index)
    is_active = or_current(change.is_active, before.is_active)
    await tx.execute(
        "change_webhook",
        id=webhook_id,
        url=or_current(change.url, before.url),
        description=or_current(change.description, before.description),
        event_types=types,
        is_active=is_active,
        inactive_reason=None if is_active or change.is_active is False else before.inactive_reason,
    )
    added = set(types) - set(before.event_types)
    if change.skip_missed:
        await tx.execute("drop_webhook_deliveries", webhook_id=webhook_id)
        await place(tx, webhook_id, ends, ledger=True, news=True)
    else:
        had_news = any(each is not EventType.STOCK_RECORDED for each in before.event_types)
        has_news = any(each is not EventType.STOCK_RECORDED for each in added)
        await place(tx, webhook_id, ends, ledger=EventType.STOCK_RECORDED in added, news=has_news and not had_news)
    if is_active:
        await tx.execute("forgive_webhook_queue", webhook_id=webhook_id, now=clock.now())
    await _resolve_alert(tx)
    webhook = await get_webhook(tx, webhook_id)
    was, now = _told(before), _told(webhook)
    changed = {field: now[field] for field in now if now[field] != was[field]}
    if change.url not in (msgspec.UNSET, before.url):
        # Only the host is written down, so a change behind it would not be seen.
        changed["host"] = now["host"]
    if change.skip_missed:
        changed["skip_missed"] = True
    if changed:
        await audit.record(tx, by, "changed", "webhook", webhook_id, changed)
    return webhook


async def rotate_secret(tx: Connection, webhook_id: int, secret: str, by: Principal) -> WebhookWithSecret:
    """Gives it a new secret. Raises NotFound."""
    await _open(tx, webhook_id)
    await tx.execute("rotate_webhook_secret", id=webhook_id, secret=secret, former_until=clock.now() + FORMER_LASTS)
    await audit.record(tx, by, "rotated", "webhook", webhook_id, {})
    return WebhookWithSecret(**msgspec.structs.asdict(await get_webhook(tx, webhook_id)), secret=secret)


async def remove_webhook(tx: Connection, webhook_id: int, by: Principal) -> None:
    """Removes it with its deliveries. Raises NotFound."""
    webhook = await _open(tx, webhook_id)
    await tx.execute("remove_webhook", id=webhook_id)
    await _resolve_alert(tx)
    await audit.record(tx, by, "deleted", "webhook", webhook_id, _told(webhook))


async def add_ping(tx: Connection, webhook_id: int) -> Delivery:
    """A message that says nothing, to be sent after those that wait.

    Raises NotFound, Conflict when it is inactive or as much waits for it as may.
    """
    webhook = await _open_active(tx, webhook_id)
    if webhook.waiting >= MAX_WAITING:
        raise Conflict(
            f"{webhook.waiting} deliveries wait for webhook {webhook_id} already, and a ping would wait behind them;"
            " look at why they fail (GET its deliveries), or drop them with skip_missed"
        )
    message = Message(type=PING, timestamp=clock.now(), data={})
    delivery_id = await enqueue(tx, webhook_id, message)
    await tx.execute("hurry_webhook_queue", webhook_id=webhook_id, now=clock.now())
    return await get_delivery(tx, webhook_id, delivery_id)


async def redeliver(tx: Connection, webhook_id: int, delivery_id: int) -> Delivery:
    """Sends it once more, in its place, under the same `webhook-id`. Raises NotFound, Conflict when it is inactive."""
    await _open_active(tx, webhook_id)
    await get_delivery(tx, webhook_id, delivery_id)
    await tx.execute("reopen_webhook_delivery", id=delivery_id, webhook_id=webhook_id)
    await tx.execute("hurry_webhook_queue", webhook_id=webhook_id, now=clock.now())
    return await get_delivery(tx, webhook_id, delivery_id)


async def get_delivery(read: Connection, webhook_id: int, delivery_id: int) -> DeliveryWithPayload:
    """Raises NotFound."""
    delivery = await read.one("get_webhook_delivery", DeliveryWithPayload, id=delivery_id, webhook_id=webhook_id)
    if delivery is None:
        raise NotFound(f"Webhook {webhook_id} has no delivery with id {delivery_id}; old ones are removed")
    return delivery


async def list_deliveries(
    read: Connection, webhook_id: int, *, status: DeliveryStatus | None, skip: int, limit: int
) -> list[Delivery]:
    """Deliveries, newest first. Raises NotFound."""
    await get_webhook(read, webhook_id)
    return await read.all(
        "list_webhook_deliveries", Delivery, webhook_id=webhook_id, status=status, skip=skip, limit=limit
    )


async def disable(tx: Connection, webhook_id: int, reason: str) -> None:
    """Makes it inactive, and tells the administrators."""
    if await tx.execute("switch_webhook_off", id=webhook_id, reason=reason, updated_at=clock.now()):
        await audit.record(tx, None, "switched off", "webhook", webhook_id, {"reason": reason})
        await alerts.raise_service_alert(tx, OFF, f"Webhook {webhook_id} was switched off: {reason}")


def host_of(url: str) -> str:
    """What may be written down of a URL: what is behind the host may be a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _webhook(row: dict[str, Any]) -> Webhook:
    return msgspec.convert(row | {"event_types": known_types(row["event_types"])}, Webhook, strict=False)


async def _open(tx: Connection, webhook_id: int) -> Webhook:
    """A webhook that nobody else changes before the transaction ends. Raises NotFound."""
    await tx.execute("touch_webhook", id=webhook_id, updated_at=clock.now())
    return await get_webhook(tx, webhook_id)


async def _open_active(tx: Connection, webhook_id: int) -> Webhook:
    webhook = await _open(tx, webhook_id)
    if not webhook.is_active:
        raise Conflict(f"Webhook {webhook_id} is inactive, so nothing is sent to it; make it active first")
    return webhook


async def _resolve_alert(tx: Connection) -> None:
    if not await tx.value("count_webhooks_off"):
        await alerts.resolve_service_alerts(tx, OFF)


def _told(webhook: Webhook) -> dict[str, object]:
    return {
        "host": host_of(webhook.url),
        "event_types": webhook.event_types,
        "description": webhook.description,
        "is_active": webhook.is_active,
    }
