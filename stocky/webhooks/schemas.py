"""Webhooks and their deliveries as they are asked for and answered, and what is sent."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from stocky.schema import AnyCase
from stocky.stock.schemas import StockEvent
from stocky.webhooks.signing import signing_key

# What every webhook is sent, asked or not: when someone tries it, and when the data has become another.
PING, RESTORED = "ping", "data.restored"
LONGEST_URL = 2000


class EventType(AnyCase):
    """What a webhook can be told of."""

    STOCK_RECORDED = "stock.recorded"
    ALERT_RAISED = "alert.raised"
    ALERT_RESOLVED = "alert.resolved"
    BACKUP_FINISHED = "backup.finished"
    BACKUP_FAILED = "backup.failed"


def known_types(stored: str) -> list[EventType]:
    """The types in a row of the database. What is none is passed over: rows also come from backups and imports."""
    try:
        values = msgspec.json.decode(stored)
    except msgspec.DecodeError:
        return []
    told = {str(value).lower() for value in values} if isinstance(values, list) else set()
    return [each for each in EventType if each.value in told]


class DeliveryStatus(AnyCase):
    """Where a delivery stands. A dropped one was given up by a person."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DROPPED = "dropped"


Url = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=LONGEST_URL,
        description="Where it is sent to; http or https, without a password in it",
        examples=["https://home.example.org/api/webhook/stocky"],
    ),
]
Description = Annotated[str, Meta(max_length=200, examples=["Home Assistant in the hall"])]
EventTypes = Annotated[
    list[EventType],
    Meta(min_length=1, max_length=20, description="What it is told of", examples=[["stock.recorded", "alert.raised"]]),
]
Secret = Annotated[
    str,
    Meta(
        min_length=32,
        max_length=200,
        description="Signs what is sent. Made by Stocky when it is not given: whsec_ and 32 bytes as base64",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="],
    ),
]


class Webhook(Struct, kw_only=True):
    """Another program that is told. Its secret is not shown.

    `position` is the id in the ledger up to which it was handed out, `waiting` how many deliveries of that wait.
    """

    id: int
    url: Url
    event_types: Annotated[list[EventType], Meta(description="What it is told of", examples=[["stock.recorded"]])]
    description: Description
    is_active: bool
    inactive_reason: Annotated[str | None, Meta(description="Why Stocky switched it off")]
    position: int | None
    waiting: int
    failing_since: datetime | None
    next_attempt_at: datetime | None
    created_at: datetime
    updated_at: datetime


class WebhookWithSecret(Webhook, kw_only=True):
    """A webhook with the secret that was just made or given, shown this once."""

    secret: Secret


class NewWebhook(Struct, kw_only=True):
    """A program to be told of what happens from now on."""

    url: Url
    event_types: EventTypes
    description: Description = ""
    is_active: bool = True
    secret: Secret | None = None

    def __post_init__(self) -> None:
        if self.secret is not None:
            signing_key(self.secret)


class WebhookChange(Struct, kw_only=True):
    """What to change of a webhook; what is not sent stays.

    One that is made active goes on where it stood; with `skip_missed` it begins with now, and what waits is dropped.
    """

    url: Url | UnsetType = UNSET
    event_types: EventTypes | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    skip_missed: bool = False


class Delivery(Struct, kw_only=True):
    """Something that was or is to be sent. `message_id` is the `webhook-id` of every attempt."""

    id: int
    webhook_id: int
    message_id: Annotated[str, Meta(examples=["msg_9f1c2d3e4b5a69788796a5b4c3d2e1f0"])]
    event_type: Annotated[str, Meta(examples=["stock.recorded"])]
    status: DeliveryStatus
    attempts: int
    response_status: Annotated[int | None, Meta(description="What was answered last", examples=[200])]
    error: Annotated[str | None, Meta(description="Why it was not delivered yet")]
    position: Annotated[int | None, Meta(description="The last ledger id that it tells of")]
    created_at: datetime
    attempted_at: datetime | None
    delivered_at: datetime | None


class DeliveryWithPayload(Delivery, kw_only=True):
    """A delivery with what is sent."""

    payload: dict[str, Any]


class Message(Struct, kw_only=True):
    """What is sent, as JSON. `data` depends on the `type`; `timestamp` is when it happened."""

    type: str
    timestamp: datetime
    data: Any


class RecordedStock(Struct, kw_only=True):
    """The data of `stock.recorded`: the ledger behind the id `after`, up to and with `position`."""

    after: int
    position: int
    events: list[StockEvent]


class RestoredData(Struct, kw_only=True):
    """The data of `data.restored`: what was told before may not be so; what follows begins behind `position`."""

    position: int
