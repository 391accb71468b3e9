"""Group commit: collects every change of stock into batches; one batch is one transaction.

A response is sent only after the COMMIT of its batch. If a batch fails, its postings are applied one by one, so a
failing posting does not affect the others. A disconnected client does not affect its batch.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

from stocky.db import Connection, Database
from stocky.errors import Conflict, Contention, OutOfSpace, Unavailable
from stocky.settings.measure_rules import MeasureRules
from stocky.stock.batch_writer import ItemCache, write_batch
from stocky.stock.memory import StockMemory
from stocky.stock.operations import DependsOnOutcomes, Operation, Outcome, Posting
from stocky.stock.scanner_hints import ScannerHints

# Maximum operations in a transaction: enough to share the sync to disk, few enough for a short response time.
BATCH_OPERATIONS = 1_000
# Maximum operations in the queue. Above it the response is 503, and a scanner retries a second later.
QUEUE_OPERATIONS = 50_000
ATTEMPTS = 3
# Passes of the event loop without a new posting after which a batch starts. A pass without work takes microseconds, and
# with 64 scanners that have just been answered the next batch has all 64 of them instead of 50.
IDLE_PASSES = 20

_log = logging.getLogger(__name__)


class Recorder:
    """Collects postings into batches and writes them, one batch at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[tuple[Posting, asyncio.Future[None]]] = deque()
        self._operations_waiting = 0
        self._wake = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._closing = False
        self._cache: ItemCache = {}
        self._memory = StockMemory()
        self.scanner_hints = ScannerHints()
        self.measure_rules = MeasureRules(database)
        database.gate.on_data_replaced(self.forget)
        self.batches = 0
        self.recorded = 0
        # Called with the postings, operations and seconds of each committed batch.
        self.on_batch: Callable[[int, int, float], None] | None = None

    @property
    def waiting(self) -> int:
        """Operations in the queue."""
        return self._operations_waiting

    def start(self) -> None:
        self._worker = asyncio.create_task(self._work(), name="recorder")

    async def close(self) -> None:
        """Rejects new postings, writes the queued ones and ends."""
        self._closing = True
        self._wake.set()
        if self._worker is not None:
            await self._worker

    async def post(self, posting: Posting) -> Posting:
        """Records a posting and returns it with its outcomes after the commit.

        Raises Unavailable if the queue is full, Stocky is stopping, or the database is unreachable.
        """
        self._database.gate.check_open()
        count = len(posting.operations) or 1
        if self._closing:
            raise Unavailable("Stocky is stopping; send it again", retry_after=5)
        if self._operations_waiting + count > QUEUE_OPERATIONS:
            raise Unavailable("Too many events are waiting; send it again in a moment")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((posting, done))
        self._operations_waiting += count
        self._wake.set()
        await done
        return posting

    async def record(self, operation: Operation) -> Outcome:
        """Records a single operation."""
        return (await self.post(Posting([operation]))).outcomes[0]

    async def record_within(
        self, transaction: Connection, operation: Operation, *, batch_id: str | None = None
    ) -> Outcome:
        """Records a single operation within an open transaction."""
        return (await self.post_within(transaction, Posting([operation], batch_id=batch_id))).outcomes[0]

    async def post_within(self, transaction: Connection, posting: Posting) -> Posting:
        """Records a posting within an open transaction and returns it with its outcomes.

        The caller may create items in it and then roll back: nothing that it reads is cached.
        """
        await transaction.run(write_batch, [posting], {}, StockMemory())
        return posting

    def forget(self) -> None:
        """Clears the cache and fails the queued postings: their clients had seen data that a restore has replaced."""
        # Not cleared: on Postgres a batch may be waiting for a query, with the old ones in use.
        self._cache, self._memory = {}, StockMemory()
        waiting, self._operations_waiting = list(self._waiting), 0
        self._waiting.clear()
        _settle(waiting, Unavailable("The data has just been restored from a backup; send it again"))

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._gather()
                await self._write_batch(self._next_batch())
            if self._closing:
                return

    async def _gather(self) -> None:
        """Waits while passes of the event loop bring new postings: clients just answered send their next one."""
        idle = 0
        while idle < IDLE_PASSES and self._operations_waiting < BATCH_OPERATIONS:
            waiting = len(self._waiting)
            await asyncio.sleep(0)
            idle = idle + 1 if len(self._waiting) == waiting else 0

    def _next_batch(self) -> list[tuple[Posting, asyncio.Future[None]]]:
        batch: list[tuple[Posting, asyncio.Future[None]]] = []
        operations = 0
        while self._waiting:
            count = len(self._waiting[0][0].operations) or 1
            if batch and operations + count > BATCH_OPERATIONS:
                break
            operations += count
            batch.append(self._waiting.popleft())
        self._operations_waiting -= operations
        return batch

    async def _write_batch(self, batch: list[tuple[Posting, asyncio.Future[None]]]) -> None:
        started = time.perf_counter()
        try:
            await self._record_with_retries([posting for posting, _ in batch])
        except asyncio.CancelledError:
            _settle(batch, Unavailable("The batch was interrupted; send it again"))
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Something inside was cancelled, not this task, which has more batches to write.
            _log.exception("Writing a batch was cancelled from inside")
        except DependsOnOutcomes:
            for each in batch:
                await self._write_batch([each])
        except Exception as error:  # noqa: BLE001 - raised in the waiting request
            if len(batch) == 1 or isinstance(error, (Unavailable, OutOfSpace)):
                _settle(batch, error)
                return
            _log.warning("A batch of %d postings failed; writing them one by one", len(batch), exc_info=error)
            for each in batch:
                await self._write_batch([each])
        else:
            self.batches += 1
            operations = sum(len(posting.operations) for posting, _ in batch)
            self.recorded += operations
            _settle(batch, None)
            if self.on_batch is not None:
                self.on_batch(len(batch), operations, time.perf_counter() - started)

    async def _record_with_retries(self, postings: list[Posting]) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            memory = self._memory
            try:
                await self._database.run(write_batch, postings, self._cache, memory)
                memory.committed()
                break
            except (Conflict, Contention):
                # Another process wrote the same barcode, event_id or SKU first; a retry sees its rows.
                if attempt == ATTEMPTS:
                    raise


def _settle(batch: list[tuple[Posting, asyncio.Future[None]]], error: Exception | None) -> None:
    for _, done in batch:
        if done.done():
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
