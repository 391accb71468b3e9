"""`/logs` (and `/log`, the same) and `/audit`, for admins."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated

from litestar import get
from litestar.datastructures import State
from litestar.di import Provide
from litestar.params import HeaderParameter, Parameter
from litestar.response import Stream

from stocky.auth.guards import admins, authorize
from stocky.db import Connection
from stocky.http.openapi import problem
from stocky.http.parameters import Paging
from stocky.http.request import StockyRequest
from stocky.http.routing import Router
from stocky.http.sse import EVENT_STREAM, TOO_MANY_STREAMS, event_stream
from stocky.logs.audit import AuditEntry, AuditFilter, list_audit_entries
from stocky.logs.memory import MemoryLog, follow_log
from stocky.logs.schemas import LogEntry, LogFilter, LogLevel
from stocky.schema import MAX_ID

Level = Annotated[LogLevel | None, Parameter(description="Records of exactly this level, in any case")]
Severity = Annotated[LogLevel | None, Parameter(description="Records of at least this level, in any case")]
Module = Annotated[
    str | None,
    Parameter(max_length=200, description="Part of the module's name, in any case, such as `auth` or `stocky.stock`"),
]
Search = Annotated[str | None, Parameter(max_length=200, description="Part of the message, in any case")]
Since = Annotated[datetime | None, Parameter(description="Records from this time on; UTC without an offset")]
LastEventId = Annotated[
    int | None,
    HeaderParameter(
        name="Last-Event-ID",
        ge=0,
        le=MAX_ID,
        description="The id of the last record received; the stream resumes after it",
    ),
]
OptionalId = Annotated[int | None, Parameter(ge=1, le=MAX_ID, description="Only actions of this user")]
AuditText = Annotated[str | None, Parameter(max_length=200, description="Only entries with exactly this value")]
AuditSince = Annotated[datetime | None, Parameter(description="Entries from this time on")]
AuditUntil = Annotated[datetime | None, Parameter(description="Entries before this time")]


async def wanted_entries(
    level: Level = None, severity: Severity = None, module: Module = None, search: Search = None, since: Since = None
) -> LogFilter:
    """The filter from the query parameters."""
    return LogFilter(level, severity, module, search, _aware(since))


@get("/", opt=admins)
async def list_logs(state: State, wanted: LogFilter, paging: Paging) -> list[LogEntry]:
    """Log records since the start, newest first, at most STOCKY_MAX_LOG_ENTRIES."""
    log: MemoryLog = state.memory_log
    return log.list_page(wanted, paging.skip, paging.limit, paging)


@get("/stream", opt=admins, media_type=EVENT_STREAM, responses={429: problem(TOO_MANY_STREAMS)})
async def stream_logs(
    request: StockyRequest, state: State, wanted: LogFilter, last_event_id: LastEventId = None
) -> Stream:
    """New log records as server-sent events, each with its id; with `Last-Event-ID`, the records after it first."""
    state.streams.admit(request.user.id)
    admit = partial(authorize, request)
    return event_stream(follow_log(state.memory_log, state.streams, wanted, last_event_id, admit))


@get("/", opt=admins)
async def list_audit(
    read: Connection,
    paging: Paging,
    user_id: OptionalId = None,
    action: AuditText = None,
    subject: AuditText = None,
    subject_id: AuditText = None,
    since: AuditSince = None,
    until: AuditUntil = None,
) -> list[AuditEntry]:
    """Who changed what, newest first; changes of stock are in `/events`."""
    wanted = AuditFilter(user_id, action, subject, subject_id, _aware(since), _aware(until))
    return await list_audit_entries(read, wanted, skip=paging.skip, limit=paging.limit, listing=paging)


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


audit_routes = Router("/audit", route_handlers=[list_audit], tags=["Audit"])
log_routes = [
    Router(
        path,
        route_handlers=[list_logs, stream_logs],
        dependencies={"wanted": Provide(wanted_entries)},
        tags=["Logs"],
    )
    for path in ("/logs", "/log")
]
