"""Alerts in the database; one that has a cause is raised and resolved in the transaction of its cause."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from stocky.db import Ask, Script
from stocky.quantity import from_milli

if TYPE_CHECKING:
    from stocky.stock.ledger import Level


def raise_and_resolve_negative_stock(
    crossings: Iterable[tuple[Level, str, bool]], moment: datetime
) -> Script[None]:
    """For levels that went below zero (True) or came back (False), with the names of their items."""
    for level, item_name, is_negative in crossings:
        if is_negative:
            yield Ask(
                "raise_alert",
                {
                    "alert_type": "negative_stock",
                    "message": f"{item_name}: {from_milli(level.quantity_milli):g} in stock, more was taken than known",
                    "threshold_milli": 0,
                    "sku_id": level.id,
                    "item_id": level.item_id,
                    "created_at": moment,
                },
            )
        else:
            yield Ask("resolve_alerts_of_sku", {"alert_type": "negative_stock", "sku_id": level.id, "updated_at": moment})
