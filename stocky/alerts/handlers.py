"""`/alerts`: alerts about stock and the service."""

from __future__ import annotations

from litestar import get, patch, post

from stocky.alerts import repository
from stocky.alerts.schemas import Alert, NewAlert
from stocky.auth.guards import members, readers
from stocky.db import Connection
from stocky.http.openapi import may_be_missing
from stocky.http.parameters import Paging, PathId
from stocky.http.routing import Router


@get("/", opt=readers)
async def list_alerts(read: Connection, paging: Paging, active_only: bool = True) -> list[Alert]:
    """List alerts, newest first."""
    return await repository.list_alerts(
        read, skip=paging.skip, limit=paging.limit, listing=paging, active_only=active_only
    )


@post("/", opt=members, responses=may_be_missing)
async def create_alert(data: NewAlert, tx: Connection) -> Alert:
    """Raise an alert manually."""
    return await repository.add_alert(tx, data)


@patch("/{alert_id:int}/acknowledge", opt=members)
async def acknowledge_alert(tx: Connection, alert_id: PathId) -> Alert:
    """Acknowledge an alert: someone has seen it."""
    return await repository.acknowledge_alert(tx, alert_id)


@patch("/{alert_id:int}/resolve", opt=members)
async def resolve_alert(tx: Connection, alert_id: PathId) -> Alert:
    """Resolve an alert."""
    return await repository.resolve_alert(tx, alert_id)


alert_routes = Router(
    "/alerts",
    route_handlers=[list_alerts, create_alert, acknowledge_alert, resolve_alert],
    tags=["Alerts"],
)
