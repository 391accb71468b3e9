"""What happened: the log of this process, live, and the audit trail of the database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.datastructures import State
from litestar.params import Parameter

from stocky import clock
from stocky.auth import repository as people
from stocky.auth.guards import admins
from stocky.db import Connection
from stocky.http.parameters import Skip
from stocky.logs.audit import AuditFilter, list_audit_entries
from stocky.logs.memory import MemoryLog
from stocky.logs.schemas import LogFilter, LogLevel
from stocky.pages.languages import Text, _
from stocky.pages.rendering import Html, page
from stocky.schema import MAX_ID

_PAGE = 50
_MOST_PEOPLE = 1_000
LEVELS: dict[LogLevel, Text] = {
    LogLevel.DEBUG: _("debug"),
    LogLevel.INFO: _("information"),
    LogLevel.WARNING: _("warning"),
    LogLevel.ERROR: _("error"),
    LogLevel.CRITICAL: _("critical"),
}
ACTIONS: dict[str, Text] = {
    "applied": _("applied"),
    "associated": _("associated"),
    "changed": _("changed"),
    "created": _("created"),
    "deleted": _("deleted"),
    "discarded": _("discarded"),
    "imported": _("imported"),
    "kept": _("kept"),
    "merged": _("merged"),
    "removed": _("removed"),
    "restored": _("restored"),
    "revoked": _("revoked"),
    "rotated": _("renewed the secret of"),
    "set": _("set"),
    "unmerged": _("unmerged"),
    "uploaded": _("uploaded"),
    "withdrawn": _("withdrew"),
}
SUBJECTS: dict[str, Text] = {
    "api_key": _("API key"),
    "backup": _("Backup"),
    "box": _("Box"),
    "document": _("Document"),
    "import": _("Import"),
    "item": _("Item"),
    "item_type": _("Type"),
    "location": _("Location"),
    "project": _("Project"),
    "reorg_plan": _("Plan"),
    "scanner": _("Scanner"),
    "settings": _("Settings"),
    "sku": _("Stock"),
    "tag": _("Tag"),
    "user": _("Person"),
    "webhook": _("Webhook"),
}

ShortText = Annotated[str | None, Parameter(max_length=200)]
UserId = Annotated[int | None, Parameter(ge=1, le=MAX_ID)]
Day = Annotated[str | None, Parameter(pattern=r"^\d{4}-\d{2}-\d{2}$")]


@get("/log", opt=admins)
async def show_log(
    request: Request[Any, Any, Any],
    state: State,
    severity: LogLevel | None = None,
    module: ShortText = None,
    search: ShortText = None,
    skip: Skip = 0,
) -> Html:
    """The records since the start, newest first; the first page is live."""
    log: MemoryLog = state.memory_log
    wanted = LogFilter(None, severity, module or None, search or None, None)
    entries = log.list_entries(wanted, skip, _PAGE + 1)
    return page(
        request,
        "log.html",
        entries=entries[:_PAGE],
        has_more=len(entries) > _PAGE,
        levels=LEVELS,
        severity="" if severity is None else severity.value,
        module=module or "",
        search=search or "",
        skip=skip,
        size=_PAGE,
        is_live=skip == 0 and request.query_params.get("live") != "off",
    )


@get("/audit", opt=admins)
async def show_audit(
    request: Request[Any, Any, Any],
    read: Connection,
    user_id: UserId = None,
    action: ShortText = None,
    subject: ShortText = None,
    subject_id: ShortText = None,
    since: Day = None,
    until: Day = None,
    skip: Skip = 0,
) -> Html:
    """Who changed what, newest first."""
    first, last = _day(since), _day(until)
    wanted = AuditFilter(
        user_id,
        action or None,
        subject or None,
        subject_id or None,
        first,
        None if last is None else clock.day_bounds(last.date(), 1, UTC)[-1],
    )
    entries = await list_audit_entries(read, wanted, skip=skip, limit=_PAGE + 1)
    users = await people.list_users(read, skip=0, limit=_MOST_PEOPLE)
    filters = {
        "user_id": user_id,
        "action": action,
        "subject": subject,
        "subject_id": subject_id,
        "since": since,
        "until": until,
    }
    return page(
        request,
        "audit.html",
        entries=entries[:_PAGE],
        has_more=len(entries) > _PAGE,
        names={each.id: each.username for each in users},
        actions=ACTIONS,
        subjects=SUBJECTS,
        filters=filters,
        is_filtered=any(value not in (None, "") for value in filters.values()),
        details={each.id: _pairs(each.details) for each in entries[:_PAGE]},
        skip=skip,
        size=_PAGE,
    )


def _day(text: str | None) -> datetime | None:
    """The start of a day in UTC; None for no day, or one that does not exist."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) if text else None
    except ValueError:
        return None


def _pairs(details: dict[str, Any]) -> list[tuple[str, str]]:
    """Details as names and values, which are words or JSON."""
    return [
        (name, value if isinstance(value, str) else msgspec.json.encode(value).decode())
        for name, value in details.items()
    ]


routes = [show_log, show_audit]
