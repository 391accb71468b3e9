"""Alerts on pages: by kind, acknowledged or resolved one by one or together, and raised by hand."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get, post
from litestar.params import Parameter

from stocky.alerts import repository
from stocky.alerts.schemas import NewAlert
from stocky.auth.guards import members
from stocky.db import Connection, Database
from stocky.errors import Invalid
from stocky.http.parameters import Skip
from stocky.pages.forms import Form, read_form, read_values
from stocky.pages.languages import Text, _, plural
from stocky.pages.problems import own_path
from stocky.pages.refusals import refused
from stocky.pages.rendering import Html, make_url, page, see_other
from stocky.pages.typed import as_id

ROWS = 50
MOST_AT_ONCE = 1_000
_ACTIONS = {"acknowledge": repository.acknowledge_alert, "resolve": repository.resolve_alert}
_Kind = Annotated[str | None, Parameter(max_length=50, required=False)]


@get("/alerts", opt=members | {"may_be_empty": ("kind", "all")})
async def show_alerts(
    request: Request[Any, Any, Any], read: Connection, kind: _Kind = None, all: bool = False, skip: Skip = 0
) -> Html:
    """Active alerts, or all of them, newest first."""
    return await _page(request, read, kind, is_all=all, skip=skip)


@post("/alerts", opt=members)
async def create_alert(request: Request[Any, Any, Any], database: Database) -> Html:
    """Raises an alert by hand."""
    form = await read_form(request, NewAlert, without=["sku_id", "threshold_value"])
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                await repository.add_alert(tx, form.data)
    if form.errors:
        if (refusal := refused(request, form)) is not None:
            return refusal
        async with database.read() as read:
            return await _page(request, read, None, form=form)
    return see_other(request, "/alerts", done="created")


@post("/alerts/{action:str}", opt=members)
async def change_alerts(request: Request[Any, Any, Any], tx: Connection, action: str) -> Html:
    """Acknowledges or resolves the alerts that were chosen."""
    values = await read_values(request)
    change = _ACTIONS.get(action)
    ids = [id for each in values.get("id", []) if (id := as_id(each)) is not None]
    if change is None or not ids or len(ids) > MOST_AT_ONCE:
        raise Invalid("Choose at least one alert", field="id")
    for id in ids:
        await change(tx, id)
    return see_other(request, own_path(values.get("back", ["/alerts"])[-1]), done=action, count=len(ids))


async def _page(
    request: Request[Any, Any, Any],
    read: Connection,
    kind: str | None,
    *,
    is_all: bool = False,
    skip: int = 0,
    form: Form[Any] | None = None,
) -> Html:
    form = form or Form()
    wanted: dict[str, Any] = {"limit": ROWS + 1, "active_only": not is_all, "alert_type": kind}
    found = await repository.list_alerts(read, skip=skip, **wanted)
    if skip and not found:
        # All on this page, the last one, were resolved.
        skip, found = 0, await repository.list_alerts(read, skip=0, **wanted)
    return page(
        request,
        "alerts.html",
        form.status,
        form=form,
        alerts=found[:ROWS],
        counts=await repository.count_active_alerts(read),
        kind=kind,
        is_all=is_all,
        skip=skip,
        back=make_url("", "/alerts", {"kind": kind, "all": "true" if is_all else None, "skip": skip or None}),
        rows=ROWS,
        more=len(found) > ROWS,
        done=_done(request.query_params.get("done", ""), request.query_params.get("count", "")),
    )


def _done(action: str, count: str) -> Text | None:
    number = as_id(count) or 1
    if action == "acknowledge":
        return plural("%(num)s alert acknowledged", "%(num)s alerts acknowledged", number)
    if action == "resolve":
        return plural("%(num)s alert resolved", "%(num)s alerts resolved", number)
    return _("The alert is raised") if action == "created" else None


routes = [show_alerts, create_alert, change_alerts]
