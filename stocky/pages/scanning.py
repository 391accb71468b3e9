"""One scan of a form, booked by the service of POST /events, and the result that the scan page shows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from msgspec import Struct, structs

from stocky.auth.schemas import Principal
from stocky.barcodes.codes import LONGEST, clean, is_blank, is_too_long
from stocky.catalogue import repository as catalogue
from stocky.catalogue.location_repository import get_location_by_name, get_locations
from stocky.catalogue.schemas import Location
from stocky.db import Connection, Database
from stocky.errors import Conflict, NotFound
from stocky.quantity import Quantity, from_milli, to_milli
from stocky.scanner import scanning as scanner
from stocky.scanner.schemas import Mode
from stocky.schema import Id, LocationKind
from stocky.stock import repository as stock
from stocky.stock import service
from stocky.stock.recorder import Recorder
from stocky.stock.schemas import EventId, EventType, ItemReference, LocationReference, NewEvent, NewEvents, Sku
from stocky.stock.units import PIECE

_TYPES = {Mode.ADD: EventType.ADD, Mode.REMOVE: EventType.REMOVE, Mode.MOVE: EventType.MOVE, Mode.COUNT: EventType.SET}
_MODES = {"add": "add", "remove": "remove", "move": "move", "set": "count", "undo": "undone"}


class ScanForm(Struct, kw_only=True):
    """The form of the scan page. Without a location, stock is where the item is, if that is one location."""

    mode: Mode = Mode.ADD
    location_id: Id | None = None
    location_id_text: str = ""
    amount: Quantity | None = None
    code: str = ""
    event_id: EventId | None = None

    def __post_init__(self) -> None:
        if is_blank(self.code):
            raise ValueError("code: is required")
        if is_too_long(self.code):
            raise ValueError(f"code: a barcode has at most {LONGEST} characters")
        if self.amount is not None and to_milli(self.amount, "amount") == 0 and self.mode is not Mode.COUNT:
            raise ValueError("amount: must be more than 0")
        if self.amount is None and self.mode is Mode.COUNT:
            raise ValueError("amount: is required")
        if self.mode is Mode.MOVE and self.location_id is None and not self.location_id_text.strip():
            raise ValueError("location_id_text: is required")


class Stock(Struct):
    """The stock at one location, for a look-up; `is_lent` is that of a person."""

    location: str
    quantity: float
    unit: str
    location_id: int
    is_lent: bool = False


class Elsewhere(Stock, kw_only=True):
    """Stock at another location than that of a refused removal; `can_take` if the scan means the same amount there."""

    can_take: bool


class Shown(Struct, kw_only=True):
    """A result. `mode` is that of its card: the scanner's, refused, undone or unknown.

    `event_id` is a row of the ledger that can be undone. `warning` is the API's, in English.
    """

    mode: str
    title: str = ""
    quantity: float = 0
    reason: str = ""
    location: str = ""
    there: float = 0
    unit: str = ""
    code: str = ""
    item_id: int | None = None
    event_id: int | None = None
    warning: str = ""
    stock: Sequence[Stock] = ()


async def book(database: Database, recorder: Recorder, form: ScanForm, at: Location | None, by: Principal) -> Shown:
    """Books one scan, once for its event_id."""
    here = LocationReference(id=at.id) if at else None
    event = NewEvent(
        type=_TYPES[form.mode],
        # Stripped, as before: the same form sent again after an upgrade has the same content.
        item=ItemReference(upc=form.code.strip()),
        quantity=1 if form.amount is None else form.amount,
        location=None if form.mode is Mode.MOVE else here,
        to_location=here if form.mode is Mode.MOVE else None,
        event_id=form.event_id,
    )
    answer = await service.record_events_with_details(recorder, database, NewEvents(events=[event]), by)
    [result] = answer.results
    if result.status == "rejected":
        stock = () if form.mode is not Mode.REMOVE else await find_elsewhere(database, recorder, form.code, here, by)
        return Shown(mode="refused", title=clean(form.code), reason=result.reason or "", stock=stock)
    warning = result.warning if isinstance(result.warning, str) else ""
    return Shown(mode=form.mode.value, event_id=result.id, warning=warning)


async def show_event(read: Connection, event_id: int) -> Shown | None:
    """The card of an event; None if there is no such event."""
    try:
        event = await stock.get_event(read, event_id)
        first = event
        if event.transfer_id is not None:
            # The first row of a move is the removal; show the addition.
            rows = await stock.list_transfer(read, event.transfer_id)
            event = next((each for each in rows if each.delta > 0), event)
        item = await catalogue.get_item(read, event.item_id)
        sku = await stock.get_sku(read, event.sku_id)
    except NotFound:
        return None
    locations = await get_locations(read, {event.location_id})
    undone = event.reversed_by_id is not None
    return Shown(
        mode="undone" if undone else _MODES.get(event.type, "undone"),
        title=item.name,
        quantity=event.quantity_after if event.type == "set" else abs(event.delta),
        location=locations[event.location_id].path,
        there=sku.quantity,
        unit=sku.unit,
        code=item.code,
        item_id=item.id,
        event_id=None if undone or event.type == "undo" else first.id,
    )


async def look_up(database: Database, recorder: Recorder, code: str, by: Principal) -> Shown:
    """The item of a code with its stock by location. Raises Invalid for an impossible code."""
    answer = await scanner.look_up(recorder, code, by)
    if answer.item is None:
        return Shown(mode="unknown", title=clean(code))
    return Shown(
        mode=Mode.LOOKUP.value,
        title=answer.item.name,
        quantity=answer.item.total_quantity,
        unit=answer.item.unit or "",
        code=answer.item.code,
        item_id=answer.item.id,
        stock=await _list_stock(database, answer.skus),
    )


async def _list_stock(database: Database, skus: Sequence[Sku]) -> list[Stock]:
    """The stock in these SKUs by location and unit."""
    held = [sku for sku in skus if sku.is_active and sku.quantity]
    async with database.read() as read:
        locations = await get_locations(read, {sku.location_id for sku in held})
    amounts: dict[tuple[int, str], int] = {}
    for sku in held:
        key = (sku.location_id, sku.unit)
        amounts[key] = amounts.get(key, 0) + to_milli(sku.quantity)
    return [
        Stock(
            locations[location_id].path,
            from_milli(milli),
            unit,
            location_id,
            locations[location_id].kind is LocationKind.PERSON,
        )
        for (location_id, unit), milli in amounts.items()
    ]


async def find_elsewhere(
    database: Database, recorder: Recorder, code: str, at: LocationReference | None, by: Principal
) -> list[Elsewhere]:
    """The stock of a code's item at other locations than `at`: first what can be taken, most of it first.

    A scan counts in the unit of the stock where it is booked, and so do labels and packs. It means the same amount at
    two locations if all active SKUs there, also those without stock, have one unit. Raises Invalid, as `look_up`.
    """
    answer = await scanner.look_up(recorder, code, by)
    found = [each for each in await _list_stock(database, answer.skus) if each.quantity > 0]
    if answer.item is None or not found:
        return []
    own = None if at is None else at.id
    if at is not None and at.id is None and at.name is not None:
        with suppress(Conflict, NotFound):
            async with database.read() as read:
                own = (await get_location_by_name(read, at.name)).id
    counted: dict[int | None, set[str]] = {}
    for sku in answer.skus:
        if sku.is_active:
            counted.setdefault(sku.location_id, set()).add(sku.unit)
    asked = counted.get(own) or {answer.item.unit or PIECE}
    elsewhere = [
        Elsewhere(
            **structs.asdict(each),
            can_take=not each.is_lent and len(asked) == 1 and counted[each.location_id] == asked,
        )
        for each in found
        if each.location_id != own
    ]
    return sorted(elsewhere, key=lambda each: (not each.can_take, -each.quantity))
