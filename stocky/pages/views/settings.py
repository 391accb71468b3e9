"""The settings, in one form; those set by the environment are shown, but cannot be changed."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.datastructures import State
from msgspec import UNSET, structs

from stocky import clock
from stocky.alerts.evaluate import queue_check
from stocky.assistance.service import Assistance
from stocky.auth.guards import admins
from stocky.auth.schemas import Principal
from stocky.backup.store import Kind
from stocky.clock import local_zone
from stocky.db import Connection
from stocky.money import list_currencies
from stocky.pages.backup_verdict import CONTENTS
from stocky.pages.forms import Form, filled, read_changes, shown_fields
from stocky.pages.languages import Text, _
from stocky.pages.rendering import Html, page, see_other
from stocky.settings import repository
from stocky.settings.schemas import SettingsChange

_DONE: dict[str, Text] = {"saved": _("The settings are saved.")}
# What the form does not have.
_ELSEWHERE = ("timezone", "measure_rules")


@get("/settings", opt=admins)
async def show_settings(request: Request[Any, Any, Any], state: State, read: Connection) -> Html:
    """All settings."""
    return await _page(request, state, read, None)


@post("/settings", opt=admins)
async def change_settings(request: Request[Any, Any, Any], state: State, user: Principal) -> Html:
    """Saves the settings that were changed."""
    form = await read_changes(
        request, SettingsChange, boxes=["backup_schedule_enabled", "backup_incremental"], without=_ELSEWHERE
    )
    if not form.errors:
        with form.catching():
            async with state.database.transaction() as tx:
                await repository.change_settings(tx, form.data, user)
                if form.data.expiring_soon_days is not UNSET:
                    await queue_check(tx, user.user.username)
    if form.errors:
        async with state.database.read() as read:
            return await _page(request, state, read, form)
    return see_other(request, "/settings", done="saved")


async def _page(request: Request[Any, Any, Any], state: State, read: Connection, form: Form[Any] | None) -> Html:
    fields = structs.asdict(await repository.get_settings(read))
    for name in _ELSEWHERE:
        fields.pop(name, None)
    form = form or filled(fields)
    zone, _name = local_zone(state.config.timezone)
    assistance: Assistance = state.assistance
    return page(
        request,
        "settings.html",
        form.status,
        form=form,
        shown=shown_fields(form, fields),
        timezone=state.timezone,
        local_time=f"{clock.now().astimezone(zone):%H:%M}",
        kinds=[(kind.value, CONTENTS[kind]) for kind in (Kind.ARCHIVE, Kind.SQL)],
        done=_DONE.get(request.query_params.get("done", "")),
        currencies=list_currencies(),
        assistance=await assistance.state(read),
    )


routes = [show_settings, change_settings]
