"""Requests and responses about alerts."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from stocky.quantity import Quantity, to_milli
from stocky.schema import AnyCase, Id

MAX_MESSAGE = 1000


class AlertCause(AnyCase):
    """What raises an alert about the stock, as its `alert_type`."""

    LOW_STOCK = "low_stock"
    EXPIRED = "expired"
    EXPIRING = "expiring"
    NEGATIVE_STOCK = "negative_stock"
    STORAGE_MISMATCH = "storage_mismatch"
    OVERDUE = "overdue"


class ServiceAlert(StrEnum):
    """What raises an alert about the service itself, as its `alert_type`."""

    ALERT_CHECK_FAILED = "alert_check_failed"
    BACKUP_FAILED = "backup_failed"
    CLOCK_WENT_BACK = "clock_went_back"
    DOCUMENT_CLEANUP_FAILED = "document_cleanup_failed"
    OFFSITE_FAILED = "offsite_failed"
    PASSPHRASE_UNCONFIRMED = "passphrase_unconfirmed"
    NOTICES_FAILING = "notices_failing"
    MQTT_DISCONNECTED = "mqtt_disconnected"
    WEBHOOK_OFF = "webhook_off"


class Alert(Struct, kw_only=True):
    """A condition that needs attention."""

    id: int
    alert_type: str
    message: str
    threshold_value: float | None
    is_active: bool
    is_acknowledged: bool
    acknowledged_at: datetime | None
    sku_id: int | None
    item_id: int | None
    created_at: datetime
    updated_at: datetime


class NewAlert(Struct, kw_only=True):
    """An alert raised by a person."""

    alert_type: Annotated[str, Meta(min_length=1, max_length=50, examples=["low_stock"])]
    message: Annotated[str, Meta(min_length=1, max_length=MAX_MESSAGE)]
    threshold_value: Quantity | None = None
    sku_id: Id | None = None

    def __post_init__(self) -> None:
        if self.threshold_value is not None:
            to_milli(self.threshold_value, "threshold_value")
