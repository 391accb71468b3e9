"""Alerts that have a cause in the stock: raised and resolved in the transaction that made or ended it, once for each.

What they tell of: an item at or below its minimum (`low_stock`), a SKU below nothing (`negative_stock`), a lot that
expires within the days that the settings say (`expiring`) or has (`expired`), and what belongs in the cold and is not
there (`storage_mismatch`): a thing for the freezer anywhere else, one for the refrigerator anywhere but there and in
the freezer. Whoever looks holds the locks of the items, so two processes do not raise or resolve across each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import msgspec

from stocky import clock
from stocky.db import Connection
from stocky.quantity import from_milli
from stocky.settings.repository import get_settings

COLD = frozenset({"freezer", "refrigerator"})


class Cause(msgspec.Struct, frozen=True):
    """What an alert tells of; `alert_id` and `message` are those of the alert that does. `is_gone`: it was."""

    alert_type: str
    item_id: int
    sku_id: int | None
    threshold_milli: int | None
    item_name: str
    location_name: str | None
    storage_type: str
    expiry_date: date | None
    alert_id: int | None
    message: str | None
    is_gone: bool

    @property
    def words(self) -> str:
        """The message. It says nothing that changes while the cause goes on."""
        if self.alert_type == "low_stock":
            return f"{self.item_name} is at or below its minimum of {from_milli(self.threshold_milli or 0):g}"
        thing = f"{self.item_name} at {self.location_name}"
        if self.alert_type == "negative_stock":
            return f"{thing} is below zero: more was taken than was known to be there"
        if self.alert_type == "storage_mismatch":
            return f"{thing} belongs in the {self.storage_type}"
        return f"{thing} {'expired' if self.alert_type == 'expired' else 'expires'} on {self.expiry_date}"


async def evaluate_alerts(tx: Connection, item_ids: Iterable[int]) -> None:
    """Raises what there is to be alerted to about these items, and resolves what has gone.

    The items are locked. An alert that a person resolved does not come back before its cause went and came again.
    """
    settings = await get_settings(tx)
    today, moment = clock.today(), clock.now()
    causes: list[Cause] = await tx.all(
        "list_causes",
        Cause,
        ids=sorted(item_ids),
        today=today,
        soon=today + timedelta(days=settings.expiring_soon_days),
    )
    gone = [each.alert_id for each in causes if each.is_gone and each.alert_id is not None]
    if gone:
        await tx.execute("end_causes", ids=gone, updated_at=moment)
    new = [each for each in causes if each.alert_id is None]
    if new:
        await tx.execute_many(
            "raise_alert",
            [(each.alert_type, each.words, each.threshold_milli, each.sku_id, each.item_id, moment) for each in new],
        )
    reworded = [each for each in causes if not each.is_gone and each.message not in (None, each.words)]
    if reworded:
        await tx.execute_many(
            "reword_alert", [(each.words, each.threshold_milli, moment, each.alert_id) for each in reworded]
        )


async def look_at_items(tx: Connection, item_ids: Iterable[int]) -> None:
    """The same, where the items are not locked yet."""
    ids = sorted(item_ids)
    if ids:
        await tx.all("lock_items", dict[str, Any], ids=ids)
        await evaluate_alerts(tx, ids)


async def look_at_places(tx: Connection, location_ids: Iterable[int]) -> None:
    """The same for all that is at these locations, which are locked, after their storage type has changed."""
    found = await tx.all("list_items_with_skus_at", dict[str, int], ids=sorted(location_ids))
    await look_at_items(tx, {row["item_id"] for row in found})


async def list_watched_items(read: Connection, after: int, limit: int) -> list[int]:
    """Ids of items that there may be something to be alerted to about, those behind `after`, rising."""
    return [row["id"] for row in await read.all("list_watched_items", dict[str, int], after=after, limit=limit)]
