"""Requests and responses for SKUs and stock events; a schema that is fingerprinted omits defaults."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, ClassVar, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from stocky.barcodes.codes import LONGEST, LONGEST_TEXT, clean, is_blank, is_too_long
from stocky.catalogue.schemas import LONGEST_PATH, Item, Location
from stocky.money import Currency, UnitPrice, rounded_price
from stocky.quantity import Delta, Quantity, rounded
from stocky.schema import LINE, UNIT, AnyCase, Id

MAX_EVENTS = 1000
EventId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"\S",
        description="The client's id for the event, preferably a UUID of version 7; sent again, it counts once",
        examples=["0190a3c0-7b1e-7c3a-9d54-2f6b8e1a0c11"],
    ),
]
Unit = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=50,
        # The last part: in Python "$" also matches before a line break at the end.
        pattern=UNIT,
        examples=["piece", "kg"],
    ),
]
Notes = Annotated[str, Meta(max_length=1000)]
ExpiryDate = Annotated[
    str,
    Meta(
        max_length=40,
        description="A date; of a date-time, the date as written; empty for none",
        examples=["2026-12-31"],
        extra_json_schema={"format": "date"},
    ),
]
Lot = Annotated[
    str,
    Meta(
        max_length=100,
        pattern=LINE,
        description="The number of the lot, as printed; empty for none",
        examples=["L2401"],
    ),
]
Serial = Annotated[
    str,
    Meta(
        max_length=100,
        pattern=LINE,
        description="The serial number, which names one piece; empty for none",
        examples=["SN-0042"],
    ),
]
Seller = Annotated[
    str,
    Meta(
        max_length=200,
        pattern=LINE,
        description="Who was paid; without one, the seller of the item",
        examples=["Corner shop"],
    ),
]
# What earlier clients send as the lot.
_LIKE_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_OR_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])?)?"
)


class LotPrice(Struct, kw_only=True):
    """What stock costs by the price that was paid last for its lot, or else for the item."""

    unit_price: Annotated[float, Meta(ge=0, description="In the unit of the stock", examples=[2.49])]
    currency: Currency
    is_of_lot: Annotated[bool, Meta(description="Whether it was paid for this lot; else it is the item's last price")]


class Sku(Struct, gc=False):
    """An item, or one lot of it, at a location, with its quantity."""

    id: int
    quantity: float
    unit: str
    expiry_date: date | None
    lot: str
    serial: str
    opened_on: date | None
    notes: str
    is_active: bool
    item_id: int
    location_id: int
    created_at: datetime
    updated_at: datetime
    version: int
    item: Item | UnsetType = UNSET
    location: Location | UnsetType = UNSET
    # Null where no price is known, or only one in a unit of another kind.
    price: LotPrice | None | UnsetType = UNSET


def to_date(expiry_date: str | None) -> date | None:
    """The date of an expiry date, which clients may send as a date-time; None for an empty one. Raises ValueError."""
    if not expiry_date:
        return None
    found = _DATE_OR_TIME.fullmatch(expiry_date)
    try:
        return date.fromisoformat(found[1] if found else "")
    except ValueError:
        raise ValueError("expiry_date: must be a date like 2026-01-31") from None


def normalized_lot(
    lot: str | None, expiry_date: str | None | UnsetType, serial: str | None
) -> tuple[str | None, str | None | UnsetType, str | None]:
    """The three fields without surrounding blanks, and the date as a date, however it was sent. Raises ValueError."""
    if not isinstance(expiry_date, UnsetType):
        expiry_date = _date_text(expiry_date)
    lot, serial = _stripped(lot), _stripped(serial)
    named_lot(lot, expiry_date, serial)
    return lot, expiry_date, serial


def _stripped(text: str | None) -> str | None:
    return None if text is None else text.strip() or None


def _date_text(expiry_date: str | None) -> str | None:
    found = to_date(expiry_date)
    return None if found is None else found.isoformat()


class NamedLot(Struct, frozen=True, gc=False):
    """The stock that a request names, each part if it is not None; an `expiry_date` of UNSET is not named either."""

    expiry_date: date | None | UnsetType
    lot: str | None
    serial: str | None


def named_lot(lot: str | None, expiry_date: str | None | UnsetType, serial: str | None) -> NamedLot:
    """The stock that these fields name. A `lot` that is a date, without an `expiry_date`, is that: so clients sent it.

    Raises ValueError for one that only looks like a date.
    """
    if not isinstance(expiry_date, UnsetType):
        return NamedLot(to_date(expiry_date), lot or None, serial or None)
    if not lot or _LIKE_DATE.fullmatch(lot) is None:
        return NamedLot(UNSET, lot or None, serial or None)
    try:
        return NamedLot(date.fromisoformat(lot), None, serial or None)
    except ValueError:
        raise ValueError(
            "lot: looks like a date and is none; if it is the lot's number, send expiry_date, too"
        ) from None


def read_price(unit_price: float | None, seller: str | None) -> float | None:
    """The price of what is added, rounded like a quantity. Raises ValueError, also for a seller without a price."""
    if unit_price is not None:
        return rounded_price(unit_price)
    if seller is not None:
        raise ValueError("seller: needs unit_price, what was paid")
    return None


class NewSku(Struct, kw_only=True, omit_defaults=True):
    """Stock to add: an existing SKU (same item, location, expiry date, lot and serial number) grows, in its own unit.

    A quantity in another unit of its kind (g and kg) is converted. `unit_price` is what was paid for one of `quantity`.
    """

    item_id: Id
    location_id: Id
    quantity: Quantity = 0
    unit: Unit | None = None
    expiry_date: ExpiryDate | None = None
    notes: Notes | None = None
    event_id: EventId | None = None
    lot: Lot | None = None
    serial: Serial | None = None
    unit_price: UnitPrice | None = None
    seller: Seller | None = None

    ADDED_LATER: ClassVar = ("lot", "serial", "unit_price", "seller")

    def __post_init__(self) -> None:
        # Fingerprinted as the date, however it was sent.
        self.expiry_date = _date_text(self.expiry_date)
        self.lot, self.serial = _stripped(self.lot), _stripped(self.serial)
        # A sent 0.0 equals the default.
        self.quantity = rounded(self.quantity) or 0
        self.unit_price = read_price(self.unit_price, self.seller)
        if self.unit_price is not None and not self.quantity:
            raise ValueError("unit_price: needs a quantity that was paid for")


class SkuChange(Struct, kw_only=True):
    """Changes to a SKU; fields not sent keep their values. A changed quantity is booked in the ledger.

    Another `location_id` moves the whole quantity there. `is_active` false writes the SKU off, like deleting it.
    """

    quantity: Quantity | UnsetType = UNSET
    unit: Unit | UnsetType = UNSET
    expiry_date: ExpiryDate | None | UnsetType = UNSET
    notes: Notes | None | UnsetType = UNSET
    item_id: Annotated[Id | UnsetType, Meta(description="As it is; another one is refused")] = UNSET
    location_id: Id | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    lot: Lot | None | UnsetType = UNSET
    serial: Serial | None | UnsetType = UNSET

    def __post_init__(self) -> None:
        if not isinstance(self.expiry_date, UnsetType):
            self.expiry_date = _date_text(self.expiry_date)
        if not isinstance(self.lot, UnsetType):
            self.lot = _stripped(self.lot)
        if not isinstance(self.serial, UnsetType):
            self.serial = _stripped(self.serial)
        if isinstance(self.quantity, (int, float)):
            self.quantity = rounded(self.quantity)


class QuantityChange(Struct, kw_only=True, omit_defaults=True):
    """The counted quantity of a SKU."""

    quantity: Quantity
    event_id: EventId | None = None
    note: Notes | None = None

    def __post_init__(self) -> None:
        self.quantity = rounded(self.quantity)


class Adjustment(Struct, kw_only=True, omit_defaults=True):
    """A quantity added to a SKU (positive) or removed (negative), in its unit or another one of its kind.

    `unit_price` is what was paid for one of what is added.
    """

    delta: Delta
    unit: Unit | UnsetType = UNSET
    event_id: EventId | None = None
    note: Notes | None = None
    unit_price: UnitPrice | None = None
    seller: Seller | None = None

    ADDED_LATER: ClassVar = ("unit_price", "seller")

    def __post_init__(self) -> None:
        self.delta = rounded(self.delta, "delta")
        if self.delta == 0:
            raise ValueError("delta: must not be 0")
        self.unit_price = read_price(self.unit_price, self.seller)
        if self.unit_price is not None and self.delta < 0:
            raise ValueError("unit_price: is for what is added, not for what is removed")


class Opening(Struct, kw_only=True, omit_defaults=True):
    """A part of a closed SKU that is opened; it is booked as a move to the SKU of what was opened on that day."""

    quantity: Quantity
    event_id: EventId | None = None
    occurred_at: Annotated[datetime, Meta(tz=True)] | None = None
    note: Notes | None = None

    def __post_init__(self) -> None:
        self.quantity = rounded(self.quantity)
        if self.quantity == 0:
            raise ValueError("quantity: must be more than 0")


class StockEvent(Struct, kw_only=True, gc=False):
    """One event of the ledger. A move is two events with one `transfer_id`.

    `expiry_date`, `lot`, `serial` and `opened_on` are those that its SKU has now.
    """

    id: int
    event_id: str | None
    type: str
    item_id: int
    location_id: int
    sku_id: int
    delta: float
    quantity_after: float
    occurred_at: datetime
    recorded_at: datetime
    user_id: int | None
    scanner_id: str | None
    batch_id: str | None
    transfer_id: int | None
    reverses_id: int | None
    reversed_by_id: int | None = None
    note: str | None
    expiry_date: date | None
    lot: str
    serial: str
    opened_on: date | None


class NamedStockEvent(StockEvent, kw_only=True, gc=False):
    """An event with the present names of its item, location and user, for clients that show it without asking again."""

    item_code: str
    item_name: str
    location_name: str
    location_path: Annotated[str, Meta(description="The names from the top down", examples=["Garage / Shelf 2"])]
    unit: str
    username: str | None


class EventPage(Struct):
    """A page of the ledger, newest first; `next_cursor` is the `cursor` of the next page, null on the last."""

    events: list[StockEvent]
    next_cursor: int | None


class EventType(AnyCase):
    """What an event does to stock."""

    ADD = "add"
    REMOVE = "remove"
    MOVE = "move"
    SET = "set"
    OPEN = "open"


class EntryType(AnyCase):
    """The type of an event in the ledger: as in EventType, or an undo. What is opened moves within its location."""

    ADD = "add"
    REMOVE = "remove"
    MOVE = "move"
    SET = "set"
    UNDO = "undo"


class ItemReference(Struct, kw_only=True, gc=False, omit_defaults=True):
    """An item by exactly one of id, barcode (or a whole GS1 code) and four-letter code."""

    id: Id | None = None
    upc: Annotated[str, Meta(min_length=1, max_length=LONGEST_TEXT)] | None = None
    # Four letters, besides what a scanner puts around them.
    code: Annotated[str, Meta(min_length=4, max_length=20)] | None = None

    def __post_init__(self) -> None:
        if self.code is not None and len(clean(self.code)) != 4:
            raise ValueError("code: an item's code has 4 letters")
        if (self.id is None) + (self.upc is None) + (self.code is None) != 2:
            raise ValueError("name the item by exactly one of id, upc and code")
        if self.upc is not None and is_blank(self.upc):
            raise ValueError("upc: must not be blank")
        if self.upc is not None and is_too_long(self.upc):
            raise ValueError(f"upc: a barcode has at most {LONGEST} characters")


class LocationReference(Struct, kw_only=True, gc=False, omit_defaults=True):
    """A location by id, by name, or by box_no and loc_no. The name is a path, or a name that only one location has."""

    id: Id | None = None
    name: Annotated[str, Meta(min_length=1, max_length=LONGEST_PATH)] | None = None
    box_no: Id | None = None
    loc_no: Id | None = None

    def __post_init__(self) -> None:
        by_box = self.box_no is not None and self.loc_no is not None
        if (self.id is not None) + (self.name is not None) + by_box != 1:
            raise ValueError("name the location by exactly one of id, name, and box_no with loc_no")


class NewEvent(Struct, kw_only=True, gc=False, omit_defaults=True):
    """One stock event; with an item's `upc`, `quantity` counts packs of that barcode.

    `unit` is the unit of the quantity, which is converted into the stock's; the default is the stock's unit.
    `expiry_date`, `lot` and `serial` name the stock, by default as a GS1 code does; without them, stock is added to the
    one that has none and removed earliest expiry first.
    A `lot` that is a date, without `expiry_date`, is the expiry date.
    `unit_price` is what was paid for one of `quantity`: for a pack, where that counts packs. It is for the type add.
    """

    type: EventType
    item: ItemReference
    quantity: Quantity
    location: LocationReference | None = None
    to_location: LocationReference | None = None
    lot: Lot | None = None
    event_id: EventId | None = None
    occurred_at: Annotated[datetime, Meta(tz=True)] | None = None
    note: Notes | None = None
    unit: Unit | None = None
    expiry_date: ExpiryDate | None | UnsetType = UNSET
    serial: Serial | None = None
    unit_price: UnitPrice | None = None
    seller: Seller | None = None

    ADDED_LATER: ClassVar = ("unit", "expiry_date", "serial", "unit_price", "seller")

    def __post_init__(self) -> None:
        self.quantity = rounded(self.quantity)
        if self.unit_price is not None or self.seller is not None:
            self.unit_price = read_price(self.unit_price, self.seller)
            if self.type is not EventType.ADD:
                raise ValueError("unit_price: is for an event of the type add")
        if self.lot is not None or self.serial is not None or self.expiry_date is not UNSET:
            self.lot, self.expiry_date, self.serial = normalized_lot(self.lot, self.expiry_date, self.serial)
        if self.quantity == 0 and self.type is not EventType.SET:
            raise ValueError("quantity: must be more than 0")
        if self.type is EventType.MOVE and self.to_location is None:
            raise ValueError("to_location: name the location to move to")


class NewEvents(Struct, kw_only=True):
    """Up to 1,000 events, applied in order; with `atomic`, all or none."""

    events: Annotated[list[NewEvent], Meta(min_length=1, max_length=MAX_EVENTS)]
    atomic: bool = False


class MalformedEvent(Struct):
    """An event that is refused for its form, and the reason."""

    event_id: str | None
    reason: str


class ReadEvents(NewEvents, kw_only=True):
    """A batch as `read_events` reads it: without its malformed events, which are apart by their index."""

    malformed: dict[int, MalformedEvent] = {}


class LocationQuantity(Struct, kw_only=True, gc=False):
    """What an item has at a location after an event, in the unit of the event; `delta` is the change by the event."""

    id: int
    name: str
    path: Annotated[str, Meta(description="The names from the top down", examples=["Garage / Shelf 2"])]
    quantity: float
    unit: str | None
    delta: float


class EventDetails(Struct, kw_only=True, gc=False):
    """The item of an event and its stock right after it.

    `location` and, after a move, `to_location` are where the event was booked; null where nothing was.
    """

    item_id: int
    item_code: str
    item_name: str
    needs_review: bool
    image_document_id: int | None
    total_quantity: float
    unit: str | None
    location: LocationQuantity | None
    to_location: LocationQuantity | None


class EventResult(Struct, kw_only=True, gc=False):
    """The result of one event. `id` is its (first) row in the ledger.

    `warning` is set when the barcode was probably misread, when less was in stock than requested and all of it was
    taken, or when the scanner's settings lose a part of the barcode.
    """

    index: int
    status: Literal["applied", "duplicate", "rejected"]
    event_id: str | None
    id: int | None
    sku_id: int | None
    quantity_after: float | None
    reason: str | None
    # With `details=true`; null when no item was found.
    details: EventDetails | None | UnsetType = UNSET
    warning: str | UnsetType = UNSET


class EventResults(Struct, kw_only=True):
    """The result of each event, in the order sent. `batch_id` undoes them all."""

    results: list[EventResult]
    applied: int
    duplicates: int
    rejected: int
    batch_id: str


class NewUndo(Struct, kw_only=True, omit_defaults=True):
    """An optional note and event_id for an undo."""

    event_id: EventId | None = None
    note: Notes | None = None


class Undone(Struct):
    """The compensating events."""

    events: list[StockEvent]
