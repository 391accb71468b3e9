"""Looks items up: one on request, new stubs automatically, and all items without data as a job.

The items' own columns are the queue, so nothing is lost when a process ends; scans never wait for a look-up.
Fields that a person wrote are never overwritten.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.barcodes.codes import normalize_barcode, printed
from stocky.catalogue.repository import get_item
from stocky.catalogue.schemas import Item
from stocky.config import Config
from stocky.db import Connection, Database
from stocky.errors import Conflict, Unavailable
from stocky.jobs.jobs import Jobs
from stocky.jobs.schedule import Schedule
from stocky.jobs.schemas import Job
from stocky.logs import audit
from stocky.lookup.client import Product, ProductService, UnusableAnswer
from stocky.progress import ProgressCallback
from stocky.schema import MAX_ID

STUBS, MISSING = "lookup.stubs", "lookup.missing"
# Seconds between checks for new stubs.
CHECK_SECONDS = 2
# Items per job for stubs, so that other jobs run between two of them.
STUBS_AT_ONCE = 100
# Failures in a row after which the service counts as unavailable.
MAX_FAILURES_IN_A_ROW = 3
# The same for answers that cannot be used, of which a few may be due to their barcodes.
MAX_UNUSABLE_IN_A_ROW = 20
_LENGTHS = range(8, 15)
NO_SERVICE = "No look-up service is configured: set STOCKY_UPC_SERVICE_URL to its address and restart Stocky"

_log = logging.getLogger(__name__)


class LookedUp(msgspec.Struct):
    """The result of a job: items looked up, items found, and failures of the service."""

    asked: int = 0
    found: int = 0
    failed: int = 0


class Lookups:
    """The look-ups of one process. Without a service, whatever needs one raises Conflict."""

    def __init__(self, config: Config, database: Database, jobs: Jobs) -> None:
        self._database = database
        self._jobs = jobs
        self._service: ProductService | None = None
        # The item behind which the next job begins, so that items that always fail do not stop the look-up of others.
        self._last_failed = 0
        if config.upc_service_url is not None:
            self._service = ProductService(config.upc_service_url, config.upc_service_timeout)
        jobs.register(STUBS, self._look_up_stubs)
        jobs.register(MISSING, self._look_up_missing)

    def register_tasks(self, schedule: Schedule) -> None:
        """Schedules the look-up of new stubs if there is a service."""
        if self._service is not None:
            schedule.every("look-up of stubs", CHECK_SECONDS, self._enqueue_stubs)

    async def close(self) -> None:
        """Closes the connections to the service."""
        if self._service is not None:
            await self._service.close()

    async def refresh_item(self, item_id: int, by: Principal) -> Item:
        """Looks one item up now and returns it with the result.

        Raises NotFound, Conflict without a service or for an item without a suitable barcode, Unavailable.
        """
        async with self._database.read() as read:
            item = await get_item(read, item_id)
        service = self._require_service()
        barcode = _barcode_to_look_up(item)
        if barcode is None:
            raise Conflict(f"{item.name} has no barcode of 8 to 14 digits, as a look-up service needs")
        product = await service.find_product(barcode)
        async with self._database.transaction() as tx:
            await _store_product(tx, item_id, product)
            await audit.record(tx, by, "looked up", "item", item_id, {"barcode": barcode, "found": product is not None})
            return await get_item(tx, item_id)

    async def refresh_missing(self, by: Principal) -> Job:
        """The job that looks up every item without data: a new one, or the one already queued or running."""
        self._require_service()
        async with self._database.read() as read:
            job_id = await _find_open_job(read, MISSING)
        if job_id is None:
            job_id = await self._jobs.enqueue(MISSING, {}, by=by.user.username)
        assert job_id is not None
        return await self._jobs.look(job_id)

    async def _enqueue_stubs(self) -> None:
        today = f"{STUBS}/{clock.today()}/"
        async with self._database.read() as read:
            waiting = await _find_waiting(read, today)
        if waiting is not None:
            # Several processes find the same stubs, so one job per day and range; failed stubs are retried tomorrow.
            await self._jobs.enqueue(STUBS, {}, once_key=f"{today}{waiting.first}-{waiting.last}")

    async def _look_up_stubs(self, parameters: dict[str, Any], report: ProgressCallback) -> LookedUp:
        return await self._look_up_all(report, stubs_only=True, limit=STUBS_AT_ONCE)

    async def _look_up_missing(self, parameters: dict[str, Any], report: ProgressCallback) -> LookedUp:
        return await self._look_up_all(report, stubs_only=False)

    async def _look_up_all(self, report: ProgressCallback, *, stubs_only: bool, limit: int | None = None) -> LookedUp:
        """Looks items up one by one. Raises Unavailable if the service failed, so that the job is retried.

        An answer that cannot be used counts as no product once the service gives a usable one for a later item.
        """
        result = LookedUp()
        in_a_row = 0
        unusable: list[int] = []
        async for item in self._items_from(self._last_failed, stubs_only=stubs_only):
            try:
                result.found += await self._look_up(item)
            except Unavailable as failure:
                _log.info("Item %d was not looked up: %s", item.id, failure.detail)
                self._last_failed = item.id
                if isinstance(failure, UnusableAnswer):
                    unusable.append(item.id)
                else:
                    result.failed += 1
                    in_a_row += 1
                if in_a_row == MAX_FAILURES_IN_A_ROW or len(unusable) == MAX_UNUSABLE_IN_A_ROW:
                    raise
            else:
                in_a_row = 0
                if unusable and _barcode_to_look_up(item) is not None:
                    async with self._database.transaction() as tx:
                        for item_id in unusable:
                            await _store_product(tx, item_id, None)
                    unusable.clear()
            result.asked += 1
            report("looking up", result.asked, None, "items")
            if result.asked == limit:
                break
        else:
            self._last_failed = 0
        if failed := result.failed + len(unusable):
            raise Unavailable(f"The look-up service failed on {failed} of {result.asked} items; will retry")
        return result

    async def _items_from(self, after: int, *, stubs_only: bool) -> AsyncIterator[Item]:
        """The items to look up above this id, then the others."""
        for last, end in ((after, MAX_ID), (0, after)):
            found = last
            while found < end:
                async with self._database.read() as read:
                    item = await _find_next(read, found, stubs_only=stubs_only)
                if item is None or item.id > end:
                    break
                found = item.id
                yield item

    async def _look_up(self, item: Item) -> bool:
        """Whether the service knows the item; an item without a suitable barcode is not looked up."""
        service, barcode = self._require_service(), _barcode_to_look_up(item)
        product = None if barcode is None else await service.find_product(barcode)
        async with self._database.transaction() as tx:
            await _store_product(tx, item.id, product)
        return product is not None

    def _require_service(self) -> ProductService:
        if self._service is None:
            raise Conflict(NO_SERVICE)
        return self._service


class _Waiting(msgspec.Struct):
    """The ids of the first and the last stub to look up."""

    first: int
    last: int


def _barcode_to_look_up(item: Item) -> str | None:
    """The barcode to look up: a GTIN if there is one, or else a number that could be printed on a product.

    Services know the whole number of a UPC-E, and an ISBN by its EAN.
    """
    for barcode in (each.barcode for each in item.barcodes):
        key = normalize_barcode(barcode)
        if len(key) == 14 and key.isascii() and key.isdigit():
            return barcode if key.endswith(barcode) else printed(key)
    numbers = (each.barcode for each in item.barcodes if each.barcode.isascii() and each.barcode.isdigit())
    return next((number for number in numbers if len(number) in _LENGTHS), None)


async def _find_waiting(read: Connection, today: str) -> _Waiting | None:
    """The stubs not looked up yet; None if there are none, if a job is queued for them, or one of `today` cancelled."""
    return await read.one("find_waiting", _Waiting, like=f"{today}%")


async def _find_next(read: Connection, after: int, *, stubs_only: bool) -> Item | None:
    """The next item above this id to look up: a stub not looked up yet, or any item without data."""
    if stubs_only:
        item_id = await read.value("find_next_stub", after=after)
    else:
        item_id = await read.value("find_next_without_data", after=after)
    return None if item_id is None else await read.one("get_item", Item, id=item_id)


async def _find_open_job(read: Connection, kind: str) -> int | None:
    """A queued or running job of this kind."""
    job_id: int | None = await read.value("find_open_job", kind=kind)
    return job_id


async def _store_product(tx: Connection, item_id: int, product: Product | None) -> None:
    """Stores the product found, or that there was none. An unnamed stub gets the product's name."""
    if product is None:
        await tx.execute("note_look_up", id=item_id, updated_at=clock.now())
    else:
        await tx.execute(
            "store_product",
            id=item_id,
            name=product.name,
            upc_data=msgspec.json.encode(product.data).decode(),
            updated_at=clock.now(),
        )
