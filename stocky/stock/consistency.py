"""Checks that the ledger and everything derived from it agree; reads only, page by page, also while Stocky is serving.

The ledger is summed again in one pass. A mismatch is only a suspicion, since rows may arrive between two pages; it is a
fault when one statement, which sees one moment, finds it as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any, TypeVar

from msgspec import Struct

from stocky.config import Config
from stocky.db import Connection, make_database

PAGE = 10_000
# Maximum reported per kind; a longer list would not help.
FAULTS = 100

T = TypeVar("T")


class Fault(Struct):
    """An inconsistency found by `check`."""

    check: str
    message: str


class _Message(Struct):
    message: str


class LedgerRow(Struct):
    """The columns of a ledger row that checking the sums needs."""

    id: int
    kind: str
    sku_id: int
    delta_milli: int
    quantity_after_milli: int
    transfer_id: int | None
    unit_scale: int | None = None


class HeldQuantity(Struct):
    """The stored quantity of a SKU."""

    id: int
    quantity_milli: int


class _SumFault(Struct):
    id: int
    quantity_milli: int
    sum_milli: int


class _RunningFault(Struct):
    id: int
    quantity_after_milli: int
    running_milli: int


class _TransferFault(Struct):
    sum_milli: float


class _ReversalFault(Struct):
    id: int
    original_id: int
    delta_milli: int
    original_delta_milli: int


class _MergeFault(Struct):
    id: int
    fault: str


class _SerialFault(Struct):
    item_id: int
    serial: str
    places: int


class _JournalFault(Struct):
    source_id: int
    target_id: int


async def find_faults(config: Config) -> list[Fault]:
    """All faults, at most FAULTS of a kind; empty if there are none. Raises Unavailable."""
    database = make_database(config)
    await database.open()
    try:
        async with database.read() as read:
            return [fault async for fault in _find_faults(read)]
    finally:
        await database.close()


async def _find_faults(read: Connection) -> AsyncIterator[Fault]:
    damages = await read.all("list_integrity_faults", _Message, limit=FAULTS)
    for each in damages:
        yield Fault("integrity", each.message)
    if damages:
        # Rows read from damaged pages cannot be checked.
        return
    for each in await read.all("list_reference_faults", _Message, limit=FAULTS):
        yield Fault("references", each.message)
    for each in await read.all("list_location_faults", _Message, limit=FAULTS):
        yield Fault("locations", each.message)
    replay = Replay()
    async for row in _pages(read, "list_ledger_rows", LedgerRow):
        replay.add(row)
    async for sku in _pages(read, "list_sku_quantities", HeldQuantity):
        replay.compare(sku)
    for sku_id in sorted(replay.suspects)[:FAULTS]:
        if wrong_sum := await read.one("find_sum_fault", _SumFault, sku_id=sku_id):
            stored, summed = _format(wrong_sum.quantity_milli), _format(wrong_sum.sum_milli)
            yield Fault("quantities", f"SKU {sku_id} holds {stored}, its ledger sums to {summed}")
        if wrong_row := await read.one("find_running_fault", _RunningFault, sku_id=sku_id):
            yield Fault(
                "ledger",
                f"event {wrong_row.id} of SKU {sku_id} has quantity_after {_format(wrong_row.quantity_after_milli)},"
                f" the events up to it sum to {_format(wrong_row.running_milli)}",
            )
    for event_id in replay.unpaired_moves[:FAULTS]:
        yield Fault("transfers", f"event {event_id} is a move without a transfer")
    for transfer_id in sorted(replay.unbalanced)[:FAULTS]:
        if unbalanced := await read.one("find_transfer_fault", _TransferFault, transfer_id=transfer_id):
            yield Fault(
                "transfers", f"the sides of move {transfer_id} sum to {_format(unbalanced.sum_milli)}, not to 0"
            )
    for wrong in await read.all("list_reversal_faults", _ReversalFault, limit=FAULTS):
        yield Fault(
            "reversals",
            f"event {wrong.id} ({_format(wrong.delta_milli)}) does not mirror"
            f" event {wrong.original_id} ({_format(wrong.original_delta_milli)}), which it undoes",
        )
    for piece in await read.all("list_serial_faults", _SerialFault, limit=FAULTS):
        yield Fault(
            "serials",
            f"the piece of item {piece.item_id} with the serial number {piece.serial} is in stock at"
            f" {piece.places} places",
        )
    for each in await read.all("list_loan_faults", _Message, limit=FAULTS):
        yield Fault("loans", each.message)
    for merged in await read.all("list_merge_faults", _MergeFault, limit=FAULTS):
        yield Fault("merges", f"item {merged.id} was merged and {merged.fault}")
    for entry in await read.all("list_journal_faults", _JournalFault, limit=FAULTS):
        yield Fault(
            "merges",
            f"item {entry.source_id} is not merged into item {entry.target_id}, but the merge journal lists it;"
            f" POST /items/{entry.source_id}/unmerge closes the entry",
        )


class Replay:
    """Sums the ledger again; its memory grows with the number of SKUs, not with the length of the ledger."""

    def __init__(self) -> None:
        self.suspects: set[int] = set()
        self.unpaired_moves: list[int] = []
        self.unbalanced: dict[int, int] = {}
        self._sums: dict[int, int] = defaultdict(int)

    def add(self, row: LedgerRow) -> None:
        self._sums[row.sku_id] += row.delta_milli
        if self._sums[row.sku_id] != row.quantity_after_milli:
            self.suspects.add(row.sku_id)
        if row.kind != "move":
            return
        if row.transfer_id is None:
            self.unpaired_moves.append(row.id)
            return
        # The sides of a move between two units are compared in a common fraction of both.
        balance = self.unbalanced.pop(row.transfer_id, 0) + row.delta_milli * (row.unit_scale or 1)
        if balance:
            self.unbalanced[row.transfer_id] = balance

    def compare(self, sku: HeldQuantity) -> None:
        if self._sums.get(sku.id, 0) != sku.quantity_milli:
            self.suspects.add(sku.id)


async def _pages(read: Connection, query: str, row_type: type[T]) -> AsyncIterator[T]:
    after = 0
    while rows := await read.all(query, row_type, after=after, limit=PAGE):
        for row in rows:
            yield row
        last: Any = rows[-1]
        after = last.id


def _format(milli: float) -> str:
    return f"{milli / 1000:.3f}".rstrip("0").rstrip(".")
