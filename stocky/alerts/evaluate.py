"""Alerts caused by the stock: raised and resolved once per cause, in the transaction that starts or ends the cause.

The causes: an item at or below its minimum (`low_stock`), a SKU below zero (`negative_stock`), a lot that expires
within the configured days (`expiring`) or has expired (`expired`), an item outside its cold storage
(`storage_mismatch`): a freezer item anywhere else, a refrigerator item outside refrigerator and freezer, and a loan
that is outstanding after its due date (`overdue`). The items are locked during evaluation, so that concurrent processes
do not interfere.

Lots expire and loans become due by time alone, without a transaction that would evaluate them: when a day begins in the
configured time zone, one job evaluates all alerts of the stock and another one those of loans.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import date, time, timedelta
from typing import Any

import msgspec

from stocky import clock
from stocky.alerts.repository import alert_on_failure
from stocky.alerts.schemas import AlertCause, ServiceAlert
from stocky.db import Connection, Database
from stocky.jobs import repository as jobs_repository
from stocky.jobs.jobs import Ended, Jobs
from stocky.jobs.repository import NewJob
from stocky.jobs.schedule import Due, Schedule
from stocky.jobs.schemas import JobStatus
from stocky.progress import ProgressCallback
from stocky.quantity import quantity_text
from stocky.settings.repository import get_settings

COLD = frozenset({"freezer", "refrigerator"})

DAILY_KIND = "alerts.look"
# Items in one transaction: few enough that a scan does not wait.
DAILY_ITEMS_AT_ONCE = 200
# Items evaluated at once after a change of locations; more are left to the check.
MOST_ITEMS_AT_ONCE = 1_000
LOANS_KIND = "alerts.loans"
# When both run: lots expire, and loans are due, by the day in the configured time zone.
DAILY_AT = time(0, 5)


class Cause(msgspec.Struct, frozen=True):
    """The cause of an alert; `alert_id` and `message` are those of its alert. `is_gone`: the cause has ended."""

    alert_type: str
    item_id: int
    sku_id: int | None
    threshold_milli: int | None
    item_name: str
    location_path: str | None
    storage_type: str
    expiry_date: date | None
    due_on: date | None
    alert_id: int | None
    message: str | None
    is_gone: bool

    @property
    def text(self) -> str:
        """The message of the alert, without values that change while the cause lasts."""
        if self.alert_type == "low_stock":
            return f"{self.item_name} is at or below its minimum of {quantity_text(self.threshold_milli or 0)}"
        subject = f"{self.item_name} at {self.location_path}"
        if self.alert_type == "negative_stock":
            return f"{subject} is below zero: more was removed than was in stock"
        if self.alert_type == "storage_mismatch":
            return f"{subject} belongs in the {self.storage_type}"
        if self.alert_type == "overdue":
            return f"{subject} was due on {self.due_on}"
        return f"{subject} {'expired' if self.alert_type == 'expired' else 'expires'} on {self.expiry_date}"


async def evaluate_alerts(tx: Connection, item_ids: Iterable[int]) -> None:
    """Raises alerts for new causes of these items, and resolves alerts whose cause has ended.

    Requires locked items. An alert that a person resolved is raised again only after its cause ended and recurred.
    """
    settings = await get_settings(tx)
    today, soon = expiry_days(AlertCause.EXPIRING, settings.expiring_soon_days)
    moment = clock.now()
    causes: list[Cause] = await tx.all(
        "list_causes",
        Cause,
        ids=sorted(item_ids),
        today=today,
        soon=soon,
        local_today=clock.local_today(),
    )
    gone = [each.alert_id for each in causes if each.is_gone and each.alert_id is not None]
    if gone:
        await tx.execute("end_causes", ids=gone, updated_at=moment)
    new = [each for each in causes if each.alert_id is None]
    if new:
        await tx.execute_many(
            "raise_alert",
            [(each.alert_type, each.text, each.threshold_milli, each.sku_id, each.item_id, moment) for each in new],
        )
    changed = [each for each in causes if not each.is_gone and each.message not in (None, each.text)]
    if changed:
        await tx.execute_many(
            "reword_alert", [(each.text, each.threshold_milli, moment, each.alert_id) for each in changed]
        )


def expiry_days(cause: AlertCause, soon_days: int) -> tuple[date, date]:
    """The first and the last date of lots that are `expired`, or else of those that are `expiring`."""
    today = clock.local_today()
    if cause is AlertCause.EXPIRED:
        return date.min, today - timedelta(days=1)
    return today, today + timedelta(days=soon_days)


async def evaluate_items(tx: Connection, item_ids: Iterable[int]) -> None:
    """Locks the items and evaluates their alerts."""
    ids = sorted(item_ids)
    if ids:
        await tx.all("lock_items", dict[str, Any], ids=ids)
        await evaluate_alerts(tx, ids)


async def evaluate_locations(tx: Connection, location_ids: Iterable[int]) -> None:
    """Evaluates the alerts of all items at these locked locations, after a change of their storage type or place.

    Many items are evaluated by a queued check, so that scans do not wait for all of them.
    """
    found = await tx.all("list_items_with_skus_at", dict[str, int], ids=sorted(location_ids))
    item_ids = {row["item_id"] for row in found}
    if len(item_ids) > MOST_ITEMS_AT_ONCE:
        await queue_check(tx, None)
    else:
        await evaluate_items(tx, item_ids)


async def list_watched_items(read: Connection, after: int, limit: int) -> list[int]:
    """Ids after `after` of items that may have an alert, in ascending order."""
    return [row["id"] for row in await read.all("list_watched_items", dict[str, int], after=after, limit=limit)]


async def list_items_due(read: Connection, after: int, limit: int) -> list[int]:
    """Ids after `after` of items with an overdue loan, in ascending order."""
    today = clock.local_today()
    found = await read.all("list_items_due", dict[str, int], after=after, today=today, limit=limit)
    return [row["id"] for row in found]


# Ids after one, and how many.
ListItems = Callable[[Connection, int, int], Awaitable[list[int]]]


class DailyCheck:
    """The daily check of one process."""

    def __init__(self, database: Database, jobs: Jobs) -> None:
        self._database = database
        jobs.register(DAILY_KIND, self.run, ended=_ended_beside(LOANS_KIND, list_items_due))
        jobs.register(LOANS_KIND, self.run_loans, ended=_ended_beside(DAILY_KIND, list_watched_items))

    def register_tasks(self, schedule: Schedule) -> None:
        """Registers the daily checks."""
        schedule.daily(DAILY_KIND, self._due)
        schedule.daily(LOANS_KIND, self._loans_due)

    async def run(self, parameters: dict[str, Any], report: ProgressCallback) -> None:
        """Evaluates the alerts of every item that may have one."""
        await self._evaluate(list_watched_items, report)

    async def run_loans(self, parameters: dict[str, Any], report: ProgressCallback) -> None:
        """Evaluates the alerts of every item with a loan that is overdue."""
        await self._evaluate(list_items_due, report)

    async def _evaluate(self, list_items: ListItems, report: ProgressCallback) -> None:
        last = done = 0
        while True:
            async with self._database.transaction() as tx:
                ids = await list_items(tx, last, DAILY_ITEMS_AT_ONCE)
                await evaluate_items(tx, ids)
            if not ids:
                return
            last, done = ids[-1], done + len(ids)
            report("checking", done, None, "items")

    async def _due(self) -> Due | None:
        async with self._database.read() as read:
            if not await list_watched_items(read, 0, 1):
                return None
        return Due(DAILY_AT, clock.LONG_AGO)

    async def _loans_due(self) -> Due | None:
        async with self._database.read() as read:
            return Due(DAILY_AT, clock.LONG_AGO) if await list_items_due(read, 0, 1) else None


def _ended_beside(other: str, list_items: ListItems) -> Ended:
    """The end callback of a check. Both checks have one alert: a success leaves it while the other check has failed.

    A check that failed and has no items left is not run again, so it does not count.
    """
    ended = alert_on_failure(ServiceAlert.ALERT_CHECK_FAILED, "The daily check for alerts")

    async def ended_beside(tx: Connection, parameters: dict[str, Any], error: str | None) -> None:
        if error is None:
            last = await jobs_repository.get_last_ended(tx, other)
            if last is not None and last.status is JobStatus.FAILED and await list_items(tx, 0, 1):
                return
        await ended(tx, parameters, error)

    return ended_beside


async def queue_check(tx: Connection, by: str | None) -> None:
    """Queues a check after a change that affects many items; a queued check already covers it."""
    await jobs_repository.add_job_unless_waiting(tx, NewJob(kind=DAILY_KIND, created_by=by))
