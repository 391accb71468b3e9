"""The audit trail in the database; an entry is written in the transaction it describes, and holds no secret."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.db import Connection, Listing
from stocky.request_context import request_id


class AuditEntry(msgspec.Struct, kw_only=True):
    """An action of a user on an object; `user_id` is None for the command line."""

    id: int
    occurred_at: datetime
    user_id: int | None
    action: str
    subject: str
    subject_id: str | None
    details: dict[str, Any]
    request_id: str | None


class AuditFilter(msgspec.Struct, frozen=True):
    """Which entries to list; a None field matches all. `since` is inclusive, `until` is not."""

    user_id: int | None = None
    action: str | None = None
    subject: str | None = None
    subject_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def record(
    tx: Connection,
    by: Principal | int | None,
    action: str,
    subject: str,
    subject_id: int | str | None,
    details: dict[str, Any],
) -> None:
    """Adds an entry: `by` did `action` ("created", "changed") to the `subject` ("user", "item") of that id.

    `details` is JSON data and must hold no password, token or key. The request's id comes from its context.
    """
    await tx.execute(
        "add_audit_entry",
        occurred_at=clock.now(),
        user_id=by.id if isinstance(by, Principal) else by,
        action=action,
        subject=subject,
        subject_id=None if subject_id is None else str(subject_id),
        details=msgspec.json.encode(details).decode(),
        request_id=request_id.get(),
    )


async def list_audit_entries(
    read: Connection, wanted: AuditFilter, *, skip: int, limit: int, listing: Listing | None = None
) -> list[AuditEntry]:
    """Entries, newest first or in the order of `listing`."""
    return await read.page(
        "list_audit_entries",
        AuditEntry,
        listing,
        user_id=wanted.user_id,
        action=wanted.action,
        subject=wanted.subject,
        subject_id=wanted.subject_id,
        since=wanted.since or clock.LONG_AGO,
        until=wanted.until or clock.FAR_AWAY,
        skip=skip,
        limit=limit,
    )
