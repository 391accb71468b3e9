"""Webhooks and their deliveries in the database, for administrators; never reads a secret."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec

from stocky import clock
from stocky.alerts import repository as alerts
from stocky.alerts.schemas import ServiceAlert
from stocky.auth.schemas import Principal
from stocky.db import Connection, Listing
from stocky.errors import Conflict, NotFound
from stocky.logs import audit
from stocky.schema import is_empty, or_current
from stocky.webhooks.queues import MAX_WAITING, Positions, enqueue, move_forward, start
from stocky.webhooks.schemas import (
    PING,
    Delivery,
    DeliveryStatus,
    DeliveryWithPayload,
    Message,
    NewWebhook,
    Webhook,
    WebhookChange,
    WebhookEventType,
    WebhookWithSecret,
    known_types,
)

# Each webhook adds a query to the fan-out and a turn to the sending.
MAX_WEBHOOKS = 50
# How long the previous secret also signs, so that receivers can be updated.
FORMER_LASTS = timedelta(days=1)


async def get_webhook(read: Connection, webhook_id: int) -> Webhook:
    """Raises NotFound."""
    row = await read.one("get_webhook", dict[str, Any], id=webhook_id)
    if row is None:
        raise NotFound(f"There is no webhook with id {webhook_id}")
    return _webhook(row)


async def get_webhook_hosts(read: Connection, webhook_ids: set[int]) -> dict[int, str]:
    """The hosts of the addresses of webhooks by their ids; missing ones are left out."""
    rows = await read.all("list_webhook_urls", dict[str, Any], ids=webhook_ids) if webhook_ids else []
    return {row["id"]: urlsplit(row["url"]).netloc for row in rows}


async def list_webhooks(read: Connection, *, skip: int, limit: int, listing: Listing | None = None) -> list[Webhook]:
    """Webhooks, in the order they were created or that of `listing`."""
    rows = await read.page("list_webhooks", dict[str, Any], listing, skip=skip, limit=limit)
    return [_webhook(row) for row in rows]


async def add_webhook(
    tx: Connection, new: NewWebhook, secret: str, ends: Positions, by: Principal
) -> WebhookWithSecret:
    """Adds a webhook for events after `ends`. Raises Conflict at MAX_WEBHOOKS."""
    if await tx.value("count_webhooks") >= MAX_WEBHOOKS:
        raise Conflict(f"There are {MAX_WEBHOOKS} webhooks already; delete one that is no longer needed")
    webhook_id = await tx.value(
        "add_webhook",
        url=new.url,
        description=new.description,
        event_types=new.event_types,
        secret=secret,
        is_active=new.is_active,
        created_at=clock.now(),
    )
    await start(tx, webhook_id, ends)
    webhook = await get_webhook(tx, webhook_id)
    await audit.record(tx, by, "created", "webhook", webhook_id, _audit_details(webhook))
    return WebhookWithSecret(**msgspec.structs.asdict(webhook), secret=secret)


async def change_webhook(
    tx: Connection, webhook_id: int, change: WebhookChange, ends: Positions, by: Principal
) -> Webhook:
    """Changes the fields set in `change`; new event types start after `ends`. Raises NotFound."""
    if is_empty(change):
        return await get_webhook(tx, webhook_id)
    before = await _open(tx, webhook_id)
    types = sorted(set(or_current(change.event_types, before.event_types)), key=list(WebhookEventType).index)
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
        await move_forward(tx, webhook_id, ends, ledger=True, notifications=True)
    else:
        had_notifications = any(each is not WebhookEventType.STOCK_RECORDED for each in before.event_types)
        has_notifications = any(each is not WebhookEventType.STOCK_RECORDED for each in added)
        await move_forward(
            tx,
            webhook_id,
            ends,
            ledger=WebhookEventType.STOCK_RECORDED in added,
            notifications=has_notifications and not had_notifications,
        )
    if is_active:
        await tx.execute("forgive_webhook_queue", webhook_id=webhook_id, now=clock.now())
    await _resolve_alert(tx)
    webhook = await get_webhook(tx, webhook_id)
    was, now = _audit_details(before), _audit_details(webhook)
    changed = {field: now[field] for field in now if now[field] != was[field]}
    if change.url not in (msgspec.UNSET, before.url):
        # The audit trail stores only the host, so a change of the path would not show.
        changed["host"] = now["host"]
    if change.skip_missed:
        changed["skip_missed"] = True
    if changed:
        await audit.record(tx, by, "changed", "webhook", webhook_id, changed)
    return webhook


async def rotate_secret(tx: Connection, webhook_id: int, secret: str, by: Principal) -> WebhookWithSecret:
    """Replaces the secret. Raises NotFound."""
    await _open(tx, webhook_id)
    await tx.execute("rotate_webhook_secret", id=webhook_id, secret=secret, former_until=clock.now() + FORMER_LASTS)
    await audit.record(tx, by, "rotated", "webhook", webhook_id, {})
    return WebhookWithSecret(**msgspec.structs.asdict(await get_webhook(tx, webhook_id)), secret=secret)


async def remove_webhook(tx: Connection, webhook_id: int, by: Principal) -> None:
    """Removes a webhook with its deliveries. Raises NotFound."""
    webhook = await _open(tx, webhook_id)
    await tx.execute("remove_webhook", id=webhook_id)
    await _resolve_alert(tx)
    await audit.record(tx, by, "deleted", "webhook", webhook_id, _audit_details(webhook))


async def add_ping(tx: Connection, webhook_id: int) -> Delivery:
    """Queues an empty message after the waiting deliveries.

    Raises NotFound, Conflict when the webhook is inactive or its queue is full.
    """
    webhook = await _open_active(tx, webhook_id)
    if webhook.waiting >= MAX_WAITING:
        raise Conflict(
            f"{webhook.waiting} deliveries are waiting for webhook {webhook_id}, and a ping would wait behind them;"
            " check why they fail (GET its deliveries), or drop them with skip_missed"
        )
    message = Message(type=PING, timestamp=clock.now(), data={})
    delivery_id = await enqueue(tx, webhook_id, message)
    await tx.execute("hurry_webhook_queue", webhook_id=webhook_id, now=clock.now())
    return await get_delivery(tx, webhook_id, delivery_id)


async def redeliver(tx: Connection, webhook_id: int, delivery_id: int) -> Delivery:
    """Queues a delivery again at its position, with the same `webhook-id`. Raises NotFound, Conflict if inactive."""
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
    read: Connection,
    webhook_id: int,
    *,
    status: DeliveryStatus | None,
    skip: int,
    limit: int,
    listing: Listing | None = None,
) -> list[Delivery]:
    """Deliveries, newest first or in the order of `listing`. Raises NotFound."""
    await get_webhook(read, webhook_id)
    return await read.page(
        "list_webhook_deliveries", Delivery, listing, webhook_id=webhook_id, status=status, skip=skip, limit=limit
    )


async def disable(tx: Connection, webhook_id: int, reason: str) -> None:
    """Disables a webhook and raises an alert."""
    if await tx.execute("disable_webhook", id=webhook_id, reason=reason, updated_at=clock.now()):
        await audit.record(tx, None, "switched off", "webhook", webhook_id, {"reason": reason})
        await alerts.raise_service_alert(tx, ServiceAlert.WEBHOOK_OFF, f"Webhook {webhook_id} was disabled: {reason}")


def host_of(url: str) -> str:
    """The part of a URL that may be logged: the path may be a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _webhook(row: dict[str, Any]) -> Webhook:
    return msgspec.convert(row | {"event_types": known_types(row["event_types"])}, Webhook, strict=False)


async def _open(tx: Connection, webhook_id: int) -> Webhook:
    """Locks and reads a webhook. Raises NotFound."""
    await tx.execute("touch_webhook", id=webhook_id, updated_at=clock.now())
    return await get_webhook(tx, webhook_id)


async def _open_active(tx: Connection, webhook_id: int) -> Webhook:
    webhook = await _open(tx, webhook_id)
    if not webhook.is_active:
        raise Conflict(f"Webhook {webhook_id} is inactive; activate it first")
    return webhook


async def _resolve_alert(tx: Connection) -> None:
    if not await tx.value("count_disabled_webhooks"):
        await alerts.resolve_service_alerts(tx, ServiceAlert.WEBHOOK_OFF)


def _audit_details(webhook: Webhook) -> dict[str, object]:
    return {
        "host": host_of(webhook.url),
        "event_types": webhook.event_types,
        "description": webhook.description,
        "is_active": webhook.is_active,
    }
