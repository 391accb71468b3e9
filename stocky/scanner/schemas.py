"""Scans, commands and scanner states as they are asked for and answered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from stocky.barcodes.reading import LONGEST, LONGEST_TEXT, is_too_long
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

    With a `unit` the quantity is in it instead.

    `location_hint`, a location's name or id, goes before the scanner's own; one that names none is told in the answer.
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
            raise ValueError("upc: there is nothing in it; look whether the scanner reads what it should")
        if is_too_long(self.upc) and not self.upc.lstrip().startswith("{"):
            raise ValueError(f"upc: a barcode has at most {LONGEST} characters")


class ScannerState(Struct, kw_only=True, gc=False):
    """What a scanner is set to. `associated_user` is whose pages it shows things on."""

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
    """What would help next: a name for programs, a label for people, and the command that does it."""

    action: Literal["set_location", "review_item", "set_mode", "name_quantity"]
    label: str
    payload: dict[str, Any] = {}


class ScanAnswer(Struct, kw_only=True, gc=False):
    """What a scan led to. `success` false is a refusal by the rules of stock, with the stock as it is."""

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
    """What to set of a scanner; what is not sent stays."""

    mode: Mode | UnsetType = UNSET
    location_id: Id | None | UnsetType = UNSET


class Association(Struct, kw_only=True):
    """Whose pages a scanner shows things on."""

    scanner_id: ScannerId
    user_id: Id


class Activity(Struct, kw_only=True):
    """A sign of life."""

    scanner_id: ScannerId


class CommandCode(Struct):
    """A command to print: its text, and the QR code of it as SVG."""

    data: str
    svg: str
