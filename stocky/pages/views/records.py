"""Records: the log of this process, live, and the audit trail of the database."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from litestar import Request, get
from litestar.datastructures import State
from litestar.params import Parameter

from stocky import clock
from stocky.auth import repository as people
from stocky.auth.guards import admins
from stocky.catalogue.location_repository import get_locations
from stocky.catalogue.part_repository import get_item_type_names
from stocky.catalogue.repository import get_items
from stocky.db import Connection
from stocky.http.parameters import Skip
from stocky.logs.audit import AuditEntry, AuditFilter, list_audit_entries
from stocky.logs.memory import MemoryLog
from stocky.logs.schemas import LogFilter, LogLevel
from stocky.notices.repository import get_channel_names
from stocky.pages import audit_words
from stocky.pages.languages import Text, _
from stocky.pages.rendering import Html, page
from stocky.pages.views.activity import OptionalDay
from stocky.projects.repository import get_project_names
from stocky.schema import MAX_ID
from stocky.webhooks.repository import get_webhook_hosts

_PAGE = 50
# The people that a filter offers.
_MOST = 1_000
LEVELS: dict[LogLevel, Text] = {
    LogLevel.DEBUG: _("debug"),
    LogLevel.INFO: _("information"),
    LogLevel.WARNING: _("warning"),
    LogLevel.ERROR: _("error"),
    LogLevel.CRITICAL: _("critical"),
}

ShortText = Annotated[str | None, Parameter(max_length=200)]
UserId = Annotated[int | None, Parameter(ge=1, le=MAX_ID)]
_MAY_BE_EMPTY = {"may_be_empty": ("user_id", "action", "subject", "subject_id", "since", "until")}


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


@get("/audit", opt=admins | _MAY_BE_EMPTY)
async def show_audit(
    request: Request[Any, Any, Any],
    state: State,
    read: Connection,
    user_id: UserId = None,
    action: ShortText = None,
    subject: ShortText = None,
    subject_id: ShortText = None,
    since: OptionalDay = None,
    until: OptionalDay = None,
    skip: Skip = 0,
) -> Html:
    """Who changed what, newest first; days are in the time zone of the settings."""
    wanted = AuditFilter(
        user_id,
        action or None,
        subject or None,
        subject_id or None,
        None if since is None else clock.day_bounds(since, 1, state.zone)[0],
        None if until is None else clock.day_bounds(until, 1, state.zone)[-1],
    )
    entries = await list_audit_entries(read, wanted, skip=skip, limit=_PAGE + 1)
    users = await people.list_users(read, skip=0, limit=_MOST)
    filters = {
        "user_id": user_id,
        "action": action,
        "subject": subject,
        "subject_id": subject_id,
        "since": since,
        "until": until,
    }
    user_ids = {id for id in (user_id, *(each.user_id for each in entries)) if id is not None}
    names = await _names(read, entries, user_ids)
    return page(
        request,
        "audit.html",
        entries=entries[:_PAGE],
        has_more=len(entries) > _PAGE,
        # The filter lists the first users only; entries may mention others.
        names={each.id: each.username for each in users} | names["user"],
        actions=audit_words.ACTIONS,
        subjects=audit_words.SUBJECTS,
        filters=filters,
        is_filtered=any(value not in (None, "") for value in filters.values()),
        describe=partial(audit_words.describe, names=names),
        skip=skip,
        size=_PAGE,
    )


async def _names(read: Connection, entries: Sequence[AuditEntry], user_ids: set[int]) -> dict[str, dict[int, str]]:
    """Today's names, by kind: of what entries are about and mention, and of users; what no longer exists has none."""
    ids = audit_words.mentioned(entries)
    items = await get_items(read, ids["item"])
    locations = await get_locations(read, ids["location"])
    users = await people.get_users(read, ids["user"] | user_ids)
    return {
        "item": {id: each.name for id, each in items.items()},
        "item_type": await get_item_type_names(read, ids["item_type"]),
        "location": {id: each.path for id, each in locations.items()},
        "notice_channel": await get_channel_names(read, ids["notice_channel"]),
        "project": await get_project_names(read, ids["project"]),
        "user": {id: each.username for id, each in users.items()},
        "webhook": await get_webhook_hosts(read, ids["webhook"]),
    }


routes = [show_log, show_audit]
