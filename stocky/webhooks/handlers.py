"""`/webhooks`: other programs that are told what happens; for admins."""

from __future__ import annotations

from typing import Annotated

from litestar import Router, delete, get, patch, post
from litestar.params import Parameter

from stocky.auth.guards import admins
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.http.parameters import Paging, PathId
from stocky.webhooks import repository
from stocky.webhooks.schemas import (
    Delivery,
    DeliveryStatus,
    DeliveryWithPayload,
    NewWebhook,
    Webhook,
    WebhookChange,
    WebhookWithSecret,
)
from stocky.webhooks.service import Webhooks
from stocky.webhooks.signing import make_secret

Status = Annotated[
    DeliveryStatus | None, Parameter(description="Only deliveries that stand there, in any case", required=False)
]


@get("/", opt=admins)
async def list_webhooks(read: Connection, paging: Paging) -> list[Webhook]:
    """Webhooks, in the order they were made."""
    return await repository.list_webhooks(read, skip=paging.skip, limit=paging.limit)


@post("/", opt=admins)
async def create_webhook(data: NewWebhook, webhooks: Webhooks, user: Principal) -> WebhookWithSecret:
    """Have a program told of what happens from now on. The `secret` signs what is sent, and is shown this once."""
    return await webhooks.add(data, user)


@get("/{webhook_id:int}", opt=admins)
async def get_webhook(read: Connection, webhook_id: PathId) -> Webhook:
    """A webhook, how far it was told, and how much waits."""
    return await repository.get_webhook(read, webhook_id)


@patch("/{webhook_id:int}", opt=admins)
async def change_webhook(data: WebhookChange, webhooks: Webhooks, user: Principal, webhook_id: PathId) -> Webhook:
    """Change a webhook; what is not sent stays.

    One that is made active goes on where it stood, unless `skip_missed` lets it begin with now.
    """
    return await webhooks.change(webhook_id, data, user)


@delete("/{webhook_id:int}", opt=admins)
async def delete_webhook(tx: Connection, user: Principal, webhook_id: PathId) -> None:
    """Delete a webhook, with what waits for it."""
    await repository.remove_webhook(tx, webhook_id, user)


@post("/{webhook_id:int}/rotate-secret", opt=admins, status_code=200)
async def rotate_webhook_secret(tx: Connection, user: Principal, webhook_id: PathId) -> WebhookWithSecret:
    """Make a new secret, shown this once. For a day the one before signs as well, so that nothing is missed."""
    return await repository.rotate_secret(tx, webhook_id, make_secret(), user)


@post("/{webhook_id:int}/test", opt=admins, status_code=202)
async def ping_webhook(webhooks: Webhooks, webhook_id: PathId) -> Delivery:
    """Send a `ping`, after what waits already; the answer is the delivery, to be looked at again."""
    return await webhooks.ping(webhook_id)


@get("/{webhook_id:int}/deliveries", opt=admins)
async def list_webhook_deliveries(
    read: Connection, webhook_id: PathId, paging: Paging, status: Status = None
) -> list[Delivery]:
    """What was sent to a webhook or is to be, newest first. The last 200 are kept, for 30 days."""
    return await repository.list_deliveries(read, webhook_id, status=status, skip=paging.skip, limit=paging.limit)


@get("/{webhook_id:int}/deliveries/{delivery_id:int}", opt=admins)
async def get_webhook_delivery(read: Connection, webhook_id: PathId, delivery_id: PathId) -> DeliveryWithPayload:
    """A delivery with what is sent."""
    return await repository.get_delivery(read, webhook_id, delivery_id)


@post("/{webhook_id:int}/deliveries/{delivery_id:int}/redeliver", opt=admins, status_code=202)
async def redeliver(webhooks: Webhooks, webhook_id: PathId, delivery_id: PathId) -> Delivery:
    """Send it again under the same `webhook-id`; one that waits is tried at once."""
    return await webhooks.redeliver(webhook_id, delivery_id)


webhook_routes = Router(
    "/webhooks",
    route_handlers=[
        list_webhooks,
        create_webhook,
        get_webhook,
        change_webhook,
        delete_webhook,
        rotate_webhook_secret,
        ping_webhook,
        list_webhook_deliveries,
        get_webhook_delivery,
        redeliver,
    ],
    tags=["Webhooks"],
)
