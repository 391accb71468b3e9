"""Requests and responses for scans, commands and scanner states."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from stocky.auth.schemas import GivenName
from stocky.barcodes.codes import LONGEST, LONGEST_TEXT, is_blank, is_too_long
from stocky.catalogue.schemas import LONGEST_PATH, Item
from stocky.money import UnitPrice, rounded_price
from stocky.quantity import Quantity, rounded
from stocky.schema import AnyCase, Id
from stocky.stock.schemas import EventId, Sku, StockEvent, Unit

# Characters of the details of an activity, which go to the log.
MAX_DETAILS = 4_000
ScannerId = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^\S(.*\S)?$", examples=["kitchen-1"])]


class Mode(AnyCase):
    """What a scan does."""

    ADD = "add"
    REMOVE = "remove"
    MOVE = "move"
    LOOKUP = "lookup"
    COUNT = "count"


class CommandName(AnyCase):
    """What a scanned command does."""

    SET_MODE = "set_mode"
    SET_LOCATION = "set_location"
    SET_NEXT_QUANTITY = "set_next_quantity"
    ASSOCIATE_UI = "associate_ui"
    SHOW_VIEW = "show_view"
    UNDO = "undo"


class Command(Struct, kw_only=True):
    """A command, printed as a label and scanned like a barcode."""

    command: CommandName
    payload: dict[str, Any] = {}


LocationHint = Annotated[str, Meta(max_length=LONGEST_PATH)] | Annotated[int, Meta(ge=1, le=2**53 - 1)]


class Scan(Struct, kw_only=True, gc=False, omit_defaults=True):
    """One scan. `upc` is a barcode, a GS1 code, the label of a distributor's bag, an item's code, or a command as JSON.

    A command may also be the short code of a label. `quantity` counts packs of the barcode; without one, or with 1, the
    scanner's `next_quantity` is used where there is one. JSON without "command" is a barcode.

    With a `unit` the quantity is in that unit instead.

    `location_hint`, a location's path, name or id, overrides the scanner's location; the answer reports an unknown one.
    A name that several locations have books nothing.

    `unit_price` is what was paid for one of the quantity; only a scan that adds records it.
    """

    upc: Annotated[
        str, Meta(min_length=1, max_length=LONGEST_TEXT, description="What was scanned", examples=["4006381333931"])
    ]
    scanner_id: ScannerId | None = None
    location_hint: LocationHint | None = None
    quantity: Quantity | None = None
    event_id: EventId | None = None
    scanned_at: Annotated[datetime, Meta(tz=True)] | None = None
    unit: Unit | None = None
    unit_price: UnitPrice | None = None

    ADDED_LATER: ClassVar = ("unit", "unit_price")

    def __post_init__(self) -> None:
        if self.quantity is not None:
            self.quantity = rounded(self.quantity)
        if self.unit_price is not None:
            self.unit_price = rounded_price(self.unit_price)
        if is_blank(self.upc):
            raise ValueError("upc: must not be blank; check what the scanner reads")
        if is_too_long(self.upc):
            raise ValueError(f"upc: a barcode has at most {LONGEST} characters")


class ScannerState(Struct, kw_only=True, gc=False):
    """The state of a scanner. `associated_user` is the user whose pages show its scans.

    `next_quantity` is what its next booked scan counts, once.
    """

    scanner_id: str
    is_associated: bool
    associated_user: str | None
    associated_user_id: int | None
    last_seen: datetime | None
    mode: Mode
    location_id: int | None
    location_name: str | None
    location_path: Annotated[str | None, Meta(description="The names from the top down", examples=["Garage / Shelf 2"])]
    last_scan: str | None
    view: str | None
    next_quantity: float | None


class SuggestedAction(Struct):
    """A suggested next step: a name for programs, a label for people, and the command for it."""

    action: Literal["set_location", "review_item", "set_mode", "name_quantity"]
    label: str
    payload: dict[str, Any] = {}


class ScanAnswer(Struct, kw_only=True, gc=False):
    """The result of a scan. `success` false is a rejection by the stock rules, with the current stock."""

    success: bool
    item: Item | None
    skus: list[Sku]
    message: str
    mode: Mode
    scanner_state: ScannerState
    suggested_actions: list[SuggestedAction]
    event: StockEvent | None
    duplicate: bool


class StateChange(Struct, kw_only=True):
    """Changes to a scanner's state; fields not sent keep their values."""

    mode: Mode | UnsetType = UNSET
    location_id: Id | None | UnsetType = UNSET
    next_quantity: Quantity | None | UnsetType = UNSET

    def __post_init__(self) -> None:
        if isinstance(self.next_quantity, (int, float)):
            self.next_quantity = rounded(self.next_quantity, "next_quantity")


class Association(Struct, kw_only=True):
    """The user whose pages show a scanner's scans, by id or by name; yourself by default."""

    scanner_id: ScannerId
    user_id: Id | GivenName | None = None


class Associated(ScannerState, kw_only=True, gc=False):
    """The state of a scanner after it was associated."""

    message: str
    user_id: int


class AssociationEnded(Struct, kw_only=True):
    """A scanner that is no longer associated."""

    message: str
    scanner_id: str


class Associations(Struct):
    """The scanners that are associated with a user, by their ids; `count` is the number of all of them."""

    associations: dict[str, ScannerState]
    count: int


class Activity(Struct, kw_only=True):
    """Marks a scanner as seen, by default your own one. An `action` is logged with its `details`."""

    scanner_id: ScannerId | None = None
    action: Annotated[str, Meta(max_length=200, examples=["charged"])] | None = None
    details: Annotated[str, Meta(max_length=MAX_DETAILS)] | dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.scanner_id is None and self.action is None:
            raise ValueError("scanner_id: name the scanner, or the action of your own one")
        if isinstance(self.details, dict) and len(msgspec.json.encode(self.details)) > MAX_DETAILS:
            raise ValueError(f"details: must have at most {MAX_DETAILS} characters as JSON")


class CommandCode(Struct):
    """A command to print: its text, and its QR code as SVG."""

    data: str
    svg: str
