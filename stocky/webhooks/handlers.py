"""`/webhooks`: notifications to other programs; for admins."""

from __future__ import annotations

from typing import Annotated

from litestar import delete, get, patch, post
from litestar.params import Parameter

from stocky.auth.guards import admins
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.http.parameters import Paging, PathId
from stocky.http.routing import Router
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
    DeliveryStatus | None, Parameter(description="Only deliveries with this status, in any letter case", required=False)
]


@get("/", opt=admins)
async def list_webhooks(read: Connection, paging: Paging) -> list[Webhook]:
    """List webhooks, in the order they were created."""
    return await repository.list_webhooks(read, skip=paging.skip, limit=paging.limit, listing=paging)


@post("/", opt=admins)
async def create_webhook(data: NewWebhook, webhooks: Webhooks, user: Principal) -> WebhookWithSecret:
    """Create a webhook for events from now on. The `secret` signs the messages and is shown only once."""
    return await webhooks.add(data, user)


@get("/{webhook_id:int}", opt=admins)
async def get_webhook(read: Connection, webhook_id: PathId) -> Webhook:
    """Get a webhook with its position and the number of waiting deliveries."""
    return await repository.get_webhook(read, webhook_id)


@patch("/{webhook_id:int}", opt=admins)
async def change_webhook(data: WebhookChange, webhooks: Webhooks, user: Principal, webhook_id: PathId) -> Webhook:
    """Change a webhook; omitted fields stay unchanged.

    A reactivated webhook continues at its position; with `skip_missed` it starts from now.
    """
    return await webhooks.change(webhook_id, data, user)


@delete("/{webhook_id:int}", opt=admins)
async def delete_webhook(tx: Connection, user: Principal, webhook_id: PathId) -> None:
    """Delete a webhook and its deliveries."""
    await repository.remove_webhook(tx, webhook_id, user)


@post("/{webhook_id:int}/rotate-secret", opt=admins, status_code=200)
async def rotate_webhook_secret(tx: Connection, user: Principal, webhook_id: PathId) -> WebhookWithSecret:
    """Create a new secret, shown only once. The previous secret also signs for a day, so that no message is lost."""
    return await repository.rotate_secret(tx, webhook_id, make_secret(), user)


@post("/{webhook_id:int}/test", opt=admins, status_code=202)
async def ping_webhook(webhooks: Webhooks, webhook_id: PathId) -> Delivery:
    """Send a `ping` after the waiting deliveries. Returns the delivery; get it again for its status."""
    return await webhooks.ping(webhook_id)


@get("/{webhook_id:int}/deliveries", opt=admins)
async def list_webhook_deliveries(
    read: Connection, webhook_id: PathId, paging: Paging, status: Status = None
) -> list[Delivery]:
    """List the deliveries of a webhook, newest first. The last 200 are stored, for 30 days."""
    return await repository.list_deliveries(
        read, webhook_id, status=status, skip=paging.skip, limit=paging.limit, listing=paging
    )


@get("/{webhook_id:int}/deliveries/{delivery_id:int}", opt=admins)
async def get_webhook_delivery(read: Connection, webhook_id: PathId, delivery_id: PathId) -> DeliveryWithPayload:
    """Get a delivery with its payload."""
    return await repository.get_delivery(read, webhook_id, delivery_id)


@post("/{webhook_id:int}/deliveries/{delivery_id:int}/redeliver", opt=admins, status_code=202)
async def redeliver(webhooks: Webhooks, webhook_id: PathId, delivery_id: PathId) -> Delivery:
    """Send a delivery again with the same `webhook-id`; a waiting one is sent at once."""
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
