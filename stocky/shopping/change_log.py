"""The change log of shopping lists; an entry is written in the same transaction as its change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from stocky.auth.repository import get_shown_users
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.shopping.schemas import ActionType, LogEntry


class _Row(msgspec.Struct):
    id: int
    action_type: ActionType
    user_id: int
    details: dict[str, Any]
    recorded_at: datetime


async def write(
    tx: Connection, list_id: int, action: ActionType, by: Principal, entries: Sequence[dict[str, Any]], moment: datetime
) -> None:
    """Logs `action` by `by` on the list, once for each of `entries`."""
    await tx.execute_many(
        "add_shopping_list_log",
        [(list_id, action.value, by.id, msgspec.json.encode(details).decode(), moment) for details in entries],
    )


async def list_log(
    read: Connection, list_id: int, viewer: Principal, *, action_type: ActionType | None, skip: int, limit: int
) -> list[LogEntry]:
    """The log of the list, newest first."""
    rows = await read.all(
        "list_shopping_list_logs", _Row, list_id=list_id, action_type=action_type, skip=skip, limit=limit
    )
    users = await get_shown_users(read, {row.user_id for row in rows}, viewer)
    return [
        LogEntry(
            id=row.id,
            action_type=row.action_type,
            user=users[row.user_id],
            details=row.details,
            timestamp=row.recorded_at,
        )
        for row in rows
    ]
