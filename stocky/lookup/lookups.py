"""Looks items up: one when someone asks, stubs by themselves, and all that lack data as a job.

What waits is told by the items themselves, so that nothing is forgotten when a process ends; scans are never held up.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.barcodes.keys import normalize_barcode
from stocky.catalogue.repository import get_item
from stocky.catalogue.schemas import Item
from stocky.config import Config
from stocky.db import Database
from stocky.errors import Conflict, Unavailable
from stocky.jobs.jobs import Jobs
from stocky.jobs.schedule import Schedule
from stocky.jobs.schemas import Job
from stocky.logs import audit
from stocky.lookup import repository
from stocky.lookup.service import ProductService
from stocky.progress import ProgressCallback

STUBS, MISSING = "lookup.stubs", "lookup.missing"
# How soon a new stub is noticed.
LOOK_SECONDS = 2
# Items of one job for stubs: others have their turn between two of them.
STUBS_AT_ONCE = 100
# Failures in a row after which the service is taken to be away.
PATIENCE = 3
# With the back-off of jobs: for the better part of an hour.
ATTEMPTS = 7
_LENGTHS = range(8, 15)
NO_SERVICE = "No look-up service is set up: set STOCKY_UPC_SERVICE_URL to the address of one, and restart Stocky"

_log = logging.getLogger(__name__)


class LookedUp(msgspec.Struct):
    """What came of a job: items asked about, found, and those where the service failed."""

    asked: int = 0
    found: int = 0
    failed: int = 0


class Lookups:
    """What one process looks up. Without a service everything that needs one raises Conflict."""

    def __init__(self, config: Config, database: Database, jobs: Jobs) -> None:
        self._database = database
        self._jobs = jobs
        self._service: ProductService | None = None
        if config.upc_service_url is not None:
            self._service = ProductService(config.upc_service_url, config.upc_service_timeout)
        jobs.register(STUBS, self._look_up_stubs, is_alone=True)
        jobs.register(MISSING, self._look_up_missing, is_alone=True)

    def register_tasks(self, schedule: Schedule) -> None:
        """Lets stubs be looked up by themselves, where there is a service."""
        if self._service is not None:
            schedule.every("look-up of stubs", LOOK_SECONDS, self._notice_stubs)

    async def close(self) -> None:
        """Lets go of the service."""
        if self._service is not None:
            await self._service.close()

    async def refresh_item(self, item_id: int, by: Principal) -> Item:
        """Asks about one item now, and answers it with what is known then.

        Raises NotFound, Conflict without a service or for an item without a barcode that one could know, Unavailable.
        """
        async with self._database.read() as read:
            item = await get_item(read, item_id)
        service = self._needed()
        barcode = _known_elsewhere(item)
        if barcode is None:
            raise Conflict(f"{item.name} has no barcode of 8 to 14 digits, which is what a look-up service knows")
        product = await service.find_product(barcode)
        async with self._database.transaction() as tx:
            await repository.keep_product(tx, item_id, product)
            await audit.record(tx, by, "looked up", "item", item_id, {"barcode": barcode, "found": product is not None})
            return await get_item(tx, item_id)

    async def refresh_missing(self, by: Principal) -> Job:
        """The job that asks about every item of which nothing was found yet: a new one, or the one that is at it."""
        self._needed()
        async with self._database.read() as read:
            job_id = await repository.find_open_job(read, MISSING)
        if job_id is None:
            job_id = await self._jobs.enqueue(MISSING, {}, by=by.user.username, max_attempts=ATTEMPTS)
        assert job_id is not None
        return await self._jobs.look(job_id)

    async def _notice_stubs(self) -> None:
        async with self._database.read() as read:
            waiting = await repository.find_waiting(read)
        if waiting is not None:
            # Several processes notice the same ones; and those that the service failed on have another turn tomorrow.
            key = f"{STUBS}/{clock.today()}/{waiting.first}-{waiting.last}"
            await self._jobs.enqueue(STUBS, {}, once_key=key, max_attempts=ATTEMPTS)

    async def _look_up_stubs(self, parameters: dict[str, Any], report: ProgressCallback) -> LookedUp:
        return await self._look_up_all(report, stubs_only=True, limit=STUBS_AT_ONCE)

    async def _look_up_missing(self, parameters: dict[str, Any], report: ProgressCallback) -> LookedUp:
        return await self._look_up_all(report, stubs_only=False)

    async def _look_up_all(self, report: ProgressCallback, *, stubs_only: bool, limit: int | None = None) -> LookedUp:
        """Asks about one after the other. Raises Unavailable where the service failed, which is to be tried again."""
        result = LookedUp()
        last, in_a_row = 0, 0
        while limit is None or result.asked < limit:
            async with self._database.read() as read:
                item = await repository.find_next(read, last, stubs_only=stubs_only)
            if item is None:
                break
            last = item.id
            try:
                result.found += await self._look_up(item)
                in_a_row = 0
            except Unavailable as failure:
                _log.info("Item %d was not looked up: %s", item.id, failure.detail)
                result.failed += 1
                in_a_row += 1
                if in_a_row == PATIENCE:
                    raise
            result.asked += 1
            report("looking up", result.asked, None, "items")
        if result.failed:
            raise Unavailable(f"The look-up service failed on {result.failed} of {result.asked} items; they wait")
        return result

    async def _look_up(self, item: Item) -> bool:
        """Whether the service knows the item; what has no barcode that it could know is not asked about."""
        service, barcode = self._needed(), _known_elsewhere(item)
        product = None if barcode is None else await service.find_product(barcode)
        async with self._database.transaction() as tx:
            await repository.keep_product(tx, item.id, product)
        return product is not None

    def _needed(self) -> ProductService:
        if self._service is None:
            raise Conflict(NO_SERVICE)
        return self._service


def _known_elsewhere(item: Item) -> str | None:
    """The barcode to ask about: a GTIN where there is one, or else a number that could be printed on a product."""
    numbers = [each.barcode for each in item.barcodes if each.barcode.isascii() and each.barcode.isdigit()]
    numbers = [number for number in numbers if len(number) in _LENGTHS]
    return next((number for number in numbers if len(normalize_barcode(number)) == 14), next(iter(numbers), None))
