"""Alerts in the database, raised and resolved by people and by the service; `evaluate` has those of the stock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from stocky import clock
from stocky.alerts.schemas import MAX_MESSAGE, Alert, AlertCause, NewAlert, ServiceAlert
from stocky.db import Connection, Listing
from stocky.errors import Conflict, NotFound
from stocky.quantity import to_milli


async def raise_service_alert(tx: Connection, alert_type: ServiceAlert, message: str) -> bool:
    """Raises an alert about the service itself, or updates the active one of this type; returns whether it is new."""
    message = message[:MAX_MESSAGE]
    # Two processes that find one cause at the same moment raise one alert.
    await tx.execute("lock_service_alert", alert_type=alert_type)
    if await tx.execute("renew_service_alert", alert_type=alert_type, message=message, updated_at=clock.now()):
        return False
    await add_alert(tx, NewAlert(alert_type=alert_type, message=message))
    return True


async def resolve_service_alerts(tx: Connection, alert_type: ServiceAlert) -> None:
    """Resolves the service's alerts of this type."""
    await tx.execute("resolve_service_alerts", alert_type=alert_type, updated_at=clock.now())


def alert_on_failure(
    alert_type: ServiceAlert, task: str
) -> Callable[[Connection, dict[str, Any], str | None], Awaitable[None]]:
    """The end callback of a job: raises an alert after a failure, and resolves it after a success."""

    async def ended(tx: Connection, parameters: dict[str, Any], error: str | None) -> None:
        if error is None:
            await resolve_service_alerts(tx, alert_type)
        else:
            await raise_service_alert(tx, alert_type, f"{task} failed: {error}")

    return ended


async def get_alert(read: Connection, alert_id: int) -> Alert:
    """Raises NotFound."""
    alert = await read.one("get_alert", Alert, id=alert_id)
    if alert is None:
        raise NotFound(f"There is no alert with id {alert_id}")
    return alert


async def list_alerts(
    read: Connection,
    *,
    skip: int,
    limit: int,
    active_only: bool,
    alert_type: str | None = None,
    listing: Listing | None = None,
) -> list[Alert]:
    """Alerts, newest first or in the order of `listing`."""
    return await read.page(
        "list_alerts", Alert, listing, skip=skip, limit=limit, active_only=active_only, alert_type=alert_type
    )


async def count_active_alerts(read: Connection) -> dict[str, int]:
    """How many active alerts there are of each type."""
    return dict(await read.rows("count_active_alerts"))


def group_own_alerts(counts: dict[str, int]) -> dict[str, int]:
    """The counts of the types that Stocky raises, and those of all others as `other`."""
    own = {each.value for each in (*AlertCause, *ServiceAlert)}
    grouped: Counter[str] = Counter()
    for alert_type, number in counts.items():
        grouped[alert_type if alert_type in own else "other"] += number
    return grouped


async def add_alert(tx: Connection, new: NewAlert) -> Alert:
    """Raises NotFound for an unknown SKU, Conflict when the SKU has an active alert of this type."""
    if new.sku_id is not None and await tx.value("get_sku", id=new.sku_id, with_hidden=False) is None:
        raise NotFound(f"There is no SKU with id {new.sku_id}")
    alert_id = await tx.value(
        "add_alert",
        alert_type=new.alert_type,
        message=new.message,
        threshold_milli=None if new.threshold_value is None else to_milli(new.threshold_value),
        sku_id=new.sku_id,
        created_at=clock.now(),
    )
    if alert_id is None:
        raise Conflict(f"This SKU already has an alert of type {new.alert_type}, which lasts until its cause has ended")
    return await get_alert(tx, alert_id)


async def acknowledge_alert(tx: Connection, alert_id: int) -> Alert:
    """Raises NotFound."""
    await tx.execute("acknowledge_alert", id=alert_id, acknowledged_at=clock.now())
    return await get_alert(tx, alert_id)


async def resolve_alert(tx: Connection, alert_id: int) -> Alert:
    """Raises NotFound."""
    await tx.execute("resolve_alert", id=alert_id, updated_at=clock.now())
    return await get_alert(tx, alert_id)
