"""The rules for variable-measure barcodes as scans use them: in memory, so that no scan reads them.

They are never older than the last change by this process, and on a second process about a second older.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from stocky.barcodes.codes import normalize_barcode
from stocky.barcodes.measures import MeasureRule, may_have_measure
from stocky.db import Connection, Database
from stocky.errors import StockyError
from stocky.settings.repository import get_measure_rules
from stocky.supervisor import wait_for

# How often another process's change is looked for.
LOOK_SECONDS = 1.0

_log = logging.getLogger(__name__)


class MeasureRules:
    """The current rules of one process."""

    def __init__(self, database: Database) -> None:
        self.current: tuple[MeasureRule, ...] = ()
        self._database = database
        # One read at a time, so that an earlier one never overwrites what a later one read.
        self._reading = asyncio.Lock()
        self._wake = asyncio.Event()
        self._task = database.supervisor.task(
            "variable-measure rules", self.read, lambda: wait_for(self._wake, LOOK_SECONDS)
        )
        database.gate.on_data_replaced(self._wake.set)

    def start(self) -> None:
        """Starts looking for changes of other processes. The database is open."""
        self._task.start()

    async def close(self) -> None:
        await self._task.close()

    async def read(self) -> None:
        """Reads the rules. Raises Unavailable."""
        async with self._reading, self._database.read() as read:
            self.current = await get_measure_rules(read)

    async def changed(self) -> None:
        """Reads the rules after this process changed them; where that fails, the task tries again."""
        try:
            await self.read()
        except StockyError as error:
            _log.warning("The changed rules for variable-measure barcodes are not in use yet: %s", error.detail)
            self._wake.set()


async def rules_for(read: Connection, barcodes: Iterable[str]) -> tuple[MeasureRule, ...]:
    """The rules as they are in a transaction; without a query if no barcode may have a measure."""
    if not any(may_have_measure(normalize_barcode(each)) for each in barcodes):
        return ()
    return await get_measure_rules(read)
