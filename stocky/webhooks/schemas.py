"""Requests and responses about webhooks and deliveries, and the messages that are sent."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from stocky.schema import AnyCase
from stocky.stock.schemas import NamedStockEvent
from stocky.webhooks.signing import signing_key

# Sent to every webhook regardless of its event types: a test, and the replacement of the data by a restore.
PING, RESTORED = "ping", "data.restored"
LONGEST_URL = 2000


class WebhookEventType(AnyCase):
    """The events that a webhook can subscribe to."""

    STOCK_RECORDED = "stock.recorded"
    ALERT_RAISED = "alert.raised"
    ALERT_RESOLVED = "alert.resolved"
    BACKUP_FINISHED = "backup.finished"
    BACKUP_FAILED = "backup.failed"


def known_types(stored: str) -> list[WebhookEventType]:
    """The event types stored in a row. Unknown ones are ignored: a row may come from a backup."""
    try:
        values = msgspec.json.decode(stored)
    except msgspec.DecodeError:
        return []
    names = {str(value).lower() for value in values} if isinstance(values, list) else set()
    return [each for each in WebhookEventType if each.value in names]


class DeliveryStatus(AnyCase):
    """The status of a delivery. A `dropped` one was given up with `skip_missed`."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DROPPED = "dropped"


Url = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=LONGEST_URL,
        description="The URL of the receiver: http or https, without a password",
        examples=["https://home.example.org/api/webhook/stocky"],
    ),
]
Description = Annotated[str, Meta(max_length=200, examples=["Home Assistant in the hall"])]
EventTypes = Annotated[
    list[WebhookEventType],
    Meta(min_length=1, max_length=20, description="The events to send", examples=[["stock.recorded", "alert.raised"]]),
]
Secret = Annotated[
    str,
    Meta(
        min_length=32,
        max_length=200,
        description="Signs the messages. By default Stocky creates one: whsec_ and 32 bytes as base64",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="],
    ),
]


class Webhook(Struct, kw_only=True):
    """A receiver of events. Its secret is not shown.

    `position` is the ledger id up to which events were queued, `waiting` the number of waiting deliveries.
    """

    id: int
    url: Url
    event_types: Annotated[
        list[WebhookEventType], Meta(description="The events to send", examples=[["stock.recorded"]])
    ]
    description: Description
    is_active: bool
    inactive_reason: Annotated[str | None, Meta(description="Why Stocky disabled it")]
    position: int | None
    waiting: int
    failing_since: datetime | None
    next_attempt_at: datetime | None
    created_at: datetime
    updated_at: datetime


class WebhookWithSecret(Webhook, kw_only=True):
    """A webhook with its new secret, which is shown only once."""

    secret: Secret


class NewWebhook(Struct, kw_only=True):
    """A webhook for events from now on."""

    url: Url
    event_types: EventTypes
    description: Description = ""
    is_active: bool = True
    secret: Secret | None = None

    def __post_init__(self) -> None:
        if self.secret is not None:
            signing_key(self.secret)


class WebhookChange(Struct, kw_only=True):
    """Changes to a webhook; omitted fields stay unchanged.

    A reactivated webhook continues at its position; with `skip_missed` it starts from now and drops waiting deliveries.
    """

    url: Url | UnsetType = UNSET
    event_types: EventTypes | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    skip_missed: bool = False


class Delivery(Struct, kw_only=True):
    """A message to one webhook. `message_id` is the `webhook-id` of every attempt."""

    id: int
    webhook_id: int
    message_id: Annotated[str, Meta(examples=["msg_9f1c2d3e4b5a69788796a5b4c3d2e1f0"])]
    event_type: Annotated[str, Meta(examples=["stock.recorded"])]
    status: DeliveryStatus
    attempts: int
    response_status: Annotated[int | None, Meta(description="The last response status", examples=[200])]
    error: Annotated[str | None, Meta(description="Why it was not delivered yet")]
    position: Annotated[int | None, Meta(description="The last ledger id in it")]
    created_at: datetime
    attempted_at: datetime | None
    delivered_at: datetime | None


class DeliveryWithPayload(Delivery, kw_only=True):
    """A delivery with its payload."""

    payload: dict[str, Any]


class Message(Struct, kw_only=True):
    """The JSON body of a delivery. `data` depends on the `type`; `timestamp` is the time of the event."""

    type: str
    timestamp: datetime
    data: Any


class RecordedStock(Struct, kw_only=True):
    """The data of `stock.recorded`: the ledger after the id `after`, up to and including `position`."""

    after: int
    position: int
    events: list[NamedStockEvent]


class RestoredData(Struct, kw_only=True):
    """The data of `data.restored`: earlier messages may be outdated; the following ones start after `position`."""

    position: int
