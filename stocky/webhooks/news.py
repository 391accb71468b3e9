"""What others tell webhooks of beside the ledger; alerts note themselves, by a trigger, wherever they change."""

from __future__ import annotations

from typing import Any

import msgspec

from stocky import clock
from stocky.db import Connection
from stocky.webhooks.schemas import EventType


async def tell(tx: Connection, event_type: EventType, data: Any) -> None:
    """Webhooks are told with the end of the transaction; `data` is what JSON can be made of, and holds no secret."""
    encoded = msgspec.json.encode(data).decode()
    await tx.execute("add_webhook_news", event_type=event_type.value, data=encoded, occurred_at=clock.now())
