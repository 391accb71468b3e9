"""Operations that callers post to the ledger, and their outcomes; an operation holds references, never rows."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from enum import Enum
from typing import Any, Literal

import msgspec

from stocky.barcodes.codes import ScannedCode
from stocky.catalogue.schemas import Item
from stocky.db import Connection
from stocky.stock.schemas import Sku, StockEvent

Kind = Literal["add", "remove", "move", "open", "set", "undo"]
# Why an operation was rejected: `policy` is too little stock, `unit` a unit that cannot be converted, `event_id` was
# used before with other content, `stale` fails an If-Match. `command` is stored for the event_id of a command of a
# scanner, and `looked_up` for that of a scan that booked nothing: both are no events.
RejectionKind = Literal["not_found", "policy", "unit", "event_id", "stale", "undone", "invalid", "command", "looked_up"]


class LocationKey(msgspec.Struct, frozen=True, gc=False):
    """A location by id, by name, or by box and number."""

    id: int | None = None
    name: str | None = None
    box_no: int | None = None
    loc_no: int | None = None


class ItemKey(msgspec.Struct, frozen=True, gc=False):
    """An item by id, by its four-letter code, or by a scanned text (a barcode or a code)."""

    id: int | None = None
    code: str | None = None
    scanned: ScannedCode | None = None


class PaidPrice(msgspec.Struct, frozen=True, gc=False):
    """What was paid for one of the requested quantity, or of `unit`, in millionths.

    A seller of None is that of the item.
    """

    micro: int
    seller: str | None = None
    unit: str | None = None


class AnyLot(Enum):
    """Not named: an addition goes to the stock without it, a removal takes any, the earliest expiry first."""

    ANY = "any"


class Operation(msgspec.Struct, kw_only=True, gc=False):
    """One requested change of stock. Quantities are in thousandths, never negative.

    `kind` None looks the item up and books nothing. `in_packs` multiplies by the pack size (see `apply_pack_size`).
    `expiry_date`, `lot`, `serial` and `opened_on` (None: closed) name the stock, each if it is not ANY. `of_label`: lot
    and serial number are those of a scanned label, so a removal or a count also takes stock for which none is recorded.
    `create_stub` creates an item for an unknown barcode, and reactivates a hidden one. `sku_id` names the SKU itself
    instead of item, location and lot. `open` opens closed stock on the day of `occurred_at`, which is booked as a move
    within its location. A move `into` another item transfers all stock of the item.
    `fingerprint` is that of `content`, which the client sent under `event_id`.
    An undo names `undo_event` (with its transfer) or `undo_batch`.
    `unit` is the unit of the quantity, and of a SKU that is created. The default is the unit of the SKU it
    is booked to, or with `in_main_unit` the item's main unit (see `Ledger.unit_of`).
    `create_sku` creates the SKU even for a quantity of 0; `deactivate` writes it off.
    `all_locations` removes from all locations of the item at once, and never more than the stock, whatever its policy.
    `lends` rejects a move to a location that is no person; `due_on` is the day by which what is moved to a person is to
    be returned; `returns_loan` is the loan that a move from a person returns.
    `with_details` requests the events, the item and its stock in the outcome.
    `price` is recorded with the event of an addition or a count.
    """

    kind: Kind | None
    item: ItemKey | None = None
    sku_id: int | None = None
    location: LocationKey | None = None
    to_location: LocationKey | None = None
    quantity_milli: int = 0
    expiry_date: date | None | AnyLot = AnyLot.ANY
    lot: str | AnyLot = AnyLot.ANY
    serial: str | AnyLot = AnyLot.ANY
    of_label: bool = False
    opened_on: date | None | AnyLot = AnyLot.ANY
    in_packs: bool = False
    create_stub: bool = False
    undo_event: int | None = None
    undo_batch: str | None = None
    into: int | None = None
    event_id: str | None = None
    fingerprint: str | None = None
    content: object = None
    occurred_at: datetime | None = None
    note: str | None = None
    user_id: int | None = None
    scanner_id: str | None = None
    unit: str | None = None
    in_main_unit: bool = False
    notes: str | None = None
    if_versions: Collection[int] | None = None
    create_sku: bool = False
    deactivate: bool = False
    all_locations: bool = False
    lends: bool = False
    due_on: date | None = None
    returns_loan: int | None = None
    with_details: bool = False
    price: PaidPrice | None = None

    @property
    def names_lot(self) -> bool:
        is_any = self.expiry_date is self.lot is self.serial is self.opened_on is AnyLot.ANY
        return not is_any


class Outcome(msgspec.Struct, kw_only=True, gc=False):
    """The result of an operation; `ledger_id` is its (first) row in the ledger.

    `is_short`: the stock was less than the quantity to remove, and all of it was taken.
    `is_reviewed`: the item is known and not marked for review.
    `events`, `item` and `skus` (its stock right after the operation) are set if the operation has `with_details`.
    """

    status: Literal["applied", "duplicate", "rejected", "looked_up"]
    reason: str | None = None
    rejection: RejectionKind | None = None
    ledger_id: int | None = None
    sku_id: int | None = None
    quantity_after_milli: int | None = None
    sku_is_new: bool = False
    is_short: bool = False
    is_reviewed: bool = False
    events: list[StockEvent] = []
    item: Item | None = None
    skus: list[Sku] = []


class DependsOnOutcomes(Exception):
    """Raised by `prepare`: what one posting books depends on the outcome of another, so each needs its own batch."""


class Posting:
    """The operations of one request, in order, and their outcomes in the same order.

    A subclass may read what its operations depend on (`prepare`) and write the consequences of the
    outcomes (`finish`) in the same transaction, for all its postings of a batch at once. It changes no barcode, item or
    SKU, of which `StockMemory` would not know.
    """

    def __init__(self, operations: list[Operation], *, batch_id: str | None = None, atomic: bool = False) -> None:
        self.operations = operations
        self.batch_id = batch_id
        self.atomic = atomic
        self.outcomes: list[Outcome] = []
        self.rejected_whole = False

    @classmethod
    async def prepare(cls, tx: Connection, postings: list[Any]) -> None:
        """Called before the operations are read. Raises DependsOnOutcomes, for several postings only."""

    @classmethod
    async def finish(cls, tx: Connection, postings: list[Any]) -> None:
        """Called after the outcomes are known, before COMMIT."""
