"""The home page, and the full navigation for phones."""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.datastructures import State

from stocky import clock
from stocky.alerts.attention import count_attention
from stocky.auth.guards import readers
from stocky.auth.schemas import Principal, Role
from stocky.catalogue.location_repository import list_locations
from stocky.catalogue.repository import ItemFilter, list_item_versions
from stocky.db import Connection
from stocky.pages.backup_verdict import describe_offsite
from stocky.pages.rendering import Html, fragment_of, page
from stocky.stock.event_lines import describe_events
from stocky.stock.repository import list_events

_EVENTS = 10
# The part of the page that is reloaded when something was booked.
_NOW = "now"


@get("/", opt=readers)
async def show_home(request: Request[Any, Any, Any], state: State, read: Connection, user: Principal) -> Html:
    """Links to common tasks, what needs attention, and the last events."""
    is_undone = request.query_params.get("done") == "undone"
    # A transfer has two events, so that it takes two for a line.
    lines = (await describe_events(read, (await list_events(read, limit=2 * _EVENTS)).events))[:_EVENTS]
    if fragment_of(request) == _NOW:
        return page(request, "home.html", lines=lines, is_undone=is_undone)
    if not lines:
        # Without any event: the first steps.
        has_item = bool(await read.run(list_item_versions, ItemFilter(), skip=0, limit=1))
        has_location = bool(await list_locations(read, skip=0, limit=1))
        return page(request, "home.html", lines=[], has_item=has_item, has_location=has_location)
    days = await state.activity.list_days(read)
    attention = await count_attention(read)
    backups = await state.backups.offsite.refresh() if user.role is Role.ADMIN else None
    return page(
        request,
        "home.html",
        lines=lines,
        days=days,
        entries=sum(each.total for each in days),
        attention=[each for each in attention if each.count],
        backups=backups,
        good_backup=next((each for each in backups or [] if each.is_good), None),
        offsite=[] if backups is None else describe_offsite(state.backups.offsite.states, clock.now()),
        is_passphrase_due=backups is not None and (await state.passphrase_confirmation.get_state()).is_due,
        storage=None if backups is None else await state.storage.measure(),
        is_undone=is_undone,
    )


@get("/more", opt=readers)
async def show_more(request: Request[Any, Any, Any]) -> Html:
    """All links of the navigation, for phones."""
    return page(request, "more.html")


routes = [show_home, show_more]
