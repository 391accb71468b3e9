"""What batches have read and written, so that the next one need not read it: barcodes, items and SKUs.

It is valid only while nothing else was written since, by this process or another. Only SQLite can show that; on
Postgres every batch reads.
"""

from __future__ import annotations

from stocky.catalogue.finding import KnownBarcodes
from stocky.db import Connection
from stocky.stock.ledger import Ledger
from stocky.stock.models import SkuState, StockItem

# Above it all are forgotten.
_MOST_ITEMS = _MOST_BARCODES = 20_000
# An item with more is not kept: reading them is a small part of its batch, and they would take the most memory.
_MOST_SKUS = 100


class StockMemory:
    """The rows of some items as the last batch left them. A batch calls `begin` and `keep`, its caller `committed`.

    A batch that fails, or whose end is not known, is never `committed`, and the next one forgets what it kept.
    """

    def __init__(self) -> None:
        self.barcodes: KnownBarcodes = {}
        self.items: dict[int, StockItem] = {}
        self.skus: dict[int, list[SkuState]] = {}
        self._revision: object | None = None
        self._is_committed = False

    async def begin(self, tx: Connection) -> None:
        """Forgets everything, unless the database is as the last batch left it."""
        if not self._is_committed or await tx.revision() != self._revision:
            self.forget()
        self._is_committed = False

    async def keep(self, tx: Connection, ledger: Ledger, *, has_stubs: bool) -> None:
        """Keeps what the batch has read and changed, after its last write; nothing of one that changed items."""
        self._revision = await tx.revision()
        is_full = len(self.items) > _MOST_ITEMS or len(self.barcodes) > _MOST_BARCODES
        if self._revision is None or is_full or has_stubs or ledger.reactivated:
            self.forget()
            return
        for item in ledger.items.values():
            skus = ledger.skus(item.id)
            # The pack size is read only by a batch that needs it.
            if item.pack_milli is None and len(skus) <= _MOST_SKUS:
                self.items[item.id], self.skus[item.id] = item, skus
            elif self.items.pop(item.id, None) is not None:
                del self.skus[item.id]

    def committed(self) -> None:
        """Called after the COMMIT of the batch."""
        self._is_committed = self._revision is not None

    def forget(self) -> None:
        self.barcodes.clear()
        self.items.clear()
        self.skus.clear()
        self._revision = None
        self._is_committed = False
