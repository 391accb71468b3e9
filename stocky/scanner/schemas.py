"""Requests and responses for scans, commands and scanner states."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from stocky.barcodes.codes import LONGEST, LONGEST_TEXT, is_too_long
from stocky.catalogue.schemas import Item
from stocky.quantity import Quantity, to_milli
from stocky.schema import AnyCase, Id
from stocky.stock.schemas import EventId, Sku, StockEvent, Unit

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
    ASSOCIATE_UI = "associate_ui"
    SHOW_VIEW = "show_view"
    UNDO = "undo"


class Command(Struct, kw_only=True):
    """A command, printed as a QR code and scanned like a barcode."""

    command: CommandName
    payload: dict[str, Any] = {}


class Scan(Struct, kw_only=True, gc=False, omit_defaults=True):
    """One scan. `upc` is a barcode, a GS1 code, an item's code, or a command as JSON. `quantity` counts packs of it.

    With a `unit` the quantity is in that unit instead.

    `location_hint`, a location's name or id, overrides the scanner's location; the answer reports an unknown one.
    """

    upc: Annotated[
        str, Meta(min_length=1, max_length=LONGEST_TEXT, description="What was scanned", examples=["4006381333931"])
    ]
    scanner_id: ScannerId | None = None
    location_hint: Annotated[str, Meta(max_length=200)] | Annotated[int, Meta(ge=1, le=2**53 - 1)] | None = None
    quantity: Quantity | None = None
    event_id: EventId | None = None
    scanned_at: Annotated[datetime, Meta(tz=True)] | None = None
    unit: Unit | None = None

    ADDED_LATER: ClassVar = ("unit",)

    def __post_init__(self) -> None:
        if self.quantity is not None:
            to_milli(self.quantity)
        if not self.upc.strip():
            raise ValueError("upc: must not be blank; check what the scanner reads")
        if is_too_long(self.upc) and not self.upc.lstrip().startswith("{"):
            raise ValueError(f"upc: a barcode has at most {LONGEST} characters")


class ScannerState(Struct, kw_only=True, gc=False):
    """The state of a scanner. `associated_user` is the user whose pages show its scans."""

    scanner_id: str
    is_associated: bool
    associated_user: str | None
    associated_user_id: int | None
    last_seen: datetime | None
    mode: Mode
    location_id: int | None
    location_name: str | None
    last_scan: str | None
    view: str | None


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


class Association(Struct, kw_only=True):
    """The user whose pages show a scanner's scans."""

    scanner_id: ScannerId
    user_id: Id


class Activity(Struct, kw_only=True):
    """Marks a scanner as seen."""

    scanner_id: ScannerId


class CommandCode(Struct):
    """A command to print: its text, and its QR code as SVG."""

    data: str
    svg: str
