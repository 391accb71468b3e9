"""One lot of an item at one location: count, add or take any amount, move, open, write off, and its details."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from litestar import Request, get, post
from msgspec import UNSET, Meta, Struct, UnsetType

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.catalogue import repository as catalogue
from stocky.db import Connection, Database
from stocky.errors import Invalid, NotFound
from stocky.http.parameters import PathId
from stocky.money import UnitPrice
from stocky.pages.forms import Form, read_form
from stocky.pages.refusals import refused
from stocky.pages.rendering import Html, page, see_other
from stocky.pages.typed import find_location
from stocky.quantity import Quantity, to_milli
from stocky.settings.repository import get_currency
from stocky.stock import repository, service, units
from stocky.stock.item_stock import get_stocked_items
from stocky.stock.recorder import Recorder
from stocky.stock.schemas import Adjustment, EventId, Notes, Opening, QuantityChange, SkuChange, Unit

_SKU = "/items/{item_id:int}/stock/{sku_id:int}"


class Amount(Struct, kw_only=True):
    """An amount to count, add or take."""

    quantity: Quantity
    how: Literal["set", "add", "remove"] = "set"
    unit: Unit | UnsetType = UNSET
    note: Notes | None = None
    event_id: EventId | None = None
    unit_price: UnitPrice | None = None

    def __post_init__(self) -> None:
        if to_milli(self.quantity) == 0 and self.how != "set":
            raise ValueError("quantity: must be more than 0")
        if self.unit_price is not None and self.how != "add":
            raise ValueError("unit_price: is for what is added")


class Moving(Struct, kw_only=True):
    """An amount to move; the location is that of a picker."""

    quantity: Quantity
    event_id: EventId | None = None

    def __post_init__(self) -> None:
        to_milli(self.quantity)


class Details(SkuChange, kw_only=True):
    """Changes of a SKU; `version` is the one that the page showed."""

    version: Annotated[int, Meta(ge=1)]


@get(_SKU, opt=members)
async def show_sku(request: Request[Any, Any, Any], read: Connection, item_id: PathId, sku_id: PathId) -> Html:
    """The SKU with the forms to book and change it."""
    return await _page(request, read, item_id, sku_id, Form())


@post(f"{_SKU}/amount", opt=members)
async def book_amount(
    request: Request[Any, Any, Any],
    database: Database,
    recorder: Recorder,
    user: Principal,
    item_id: PathId,
    sku_id: PathId,
) -> Html:
    """Counts, adds or takes."""
    form = await read_form(request, Amount)
    if not form.errors:
        with form.catching():
            await _book(database, recorder, sku_id, form.data, user)
    return await _answer(request, database, item_id, sku_id, form)


@post(f"{_SKU}/move", opt=members)
async def move(
    request: Request[Any, Any, Any],
    database: Database,
    recorder: Recorder,
    user: Principal,
    item_id: PathId,
    sku_id: PathId,
) -> Html:
    """Moves some or all of it to another location."""
    form = await read_form(request, Moving)
    if not form.errors:
        with form.catching():
            location = await find_location(database, form, "to_location", user)
            moved = [(sku_id, form.data.quantity)]
            await service.move_stock(recorder, moved, location.id, user, form.data.event_id)
    return await _answer(request, database, item_id, sku_id, form)


@post(f"{_SKU}/open", opt=members)
async def open_sku(
    request: Request[Any, Any, Any],
    database: Database,
    recorder: Recorder,
    user: Principal,
    item_id: PathId,
    sku_id: PathId,
) -> Html:
    """Opens some or all of it."""
    form = await read_form(request, Opening, without=["occurred_at", "note"])
    if not form.errors:
        with form.catching():
            await service.open_stock(recorder, sku_id, form.data, user)
    return await _answer(request, database, item_id, sku_id, form)


@post(f"{_SKU}/details", opt=members)
async def change_details(
    request: Request[Any, Any, Any],
    database: Database,
    recorder: Recorder,
    user: Principal,
    item_id: PathId,
    sku_id: PathId,
) -> Html:
    """Changes the expiry date, the lot and the serial number, the unit and the notes."""
    form = await read_form(request, Details, without=["item_id", "location_id", "quantity", "is_active"])
    form.require("unit")
    if not form.errors:
        data = form.data
        change = SkuChange(
            unit=data.unit, expiry_date=data.expiry_date, lot=data.lot, serial=data.serial, notes=data.notes
        )
        with form.catching():
            async with database.transaction() as tx:
                await service.change_sku(tx, recorder, sku_id, change, user, [data.version])
    return await _answer(request, database, item_id, sku_id, form, done="saved")


@post(f"{_SKU}/write-off", opt=members)
async def write_off(
    request: Request[Any, Any, Any], recorder: Recorder, user: Principal, item_id: PathId, sku_id: PathId
) -> Html:
    """Removes the remaining stock, and hides the SKU."""
    if await service.write_off(recorder, sku_id, user):
        return see_other(request, f"/items/{item_id}", booked="true")
    # An empty lot writes no event: the newest event is an older booking, which this page must not offer to undo.
    return see_other(request, f"/items/{item_id}", done="saved")


async def _book(database: Database, recorder: Recorder, sku_id: int, amount: Amount, by: Principal) -> None:
    unit, quantity = amount.unit, amount.quantity
    if amount.how != "set":
        delta = quantity if amount.how == "add" else -quantity
        change = Adjustment(
            delta=delta, unit=unit, event_id=amount.event_id, note=amount.note, unit_price=amount.unit_price
        )
        await service.adjust_stock(recorder, sku_id, change, by)
        return
    if unit is not UNSET:
        async with database.read() as read:
            counted_in = (await repository.get_sku(read, sku_id)).unit
        if units.name_of(unit) != units.name_of(counted_in):
            raise Invalid(f"It is counted in {counted_in}", field="unit")
    change_to = QuantityChange(quantity=quantity, event_id=amount.event_id, note=amount.note)
    await service.count_stock(recorder, sku_id, change_to, by, None)


async def _answer(
    request: Request[Any, Any, Any],
    database: Database,
    item_id: int,
    sku_id: int,
    form: Form[Any],
    *,
    done: str | None = None,
) -> Html:
    """Redirects to the item, which shows the booking, or shows the form again."""
    if not form.errors:
        return see_other(request, f"/items/{item_id}", booked=None if done else "true", done=done)
    if (refusal := refused(request, form)) is not None:
        return refusal
    async with database.read() as read:
        return await _page(request, read, item_id, sku_id, form)


async def _page(request: Request[Any, Any, Any], read: Connection, item_id: int, sku_id: int, form: Form[Any]) -> Html:
    sku = await repository.get_sku(read, sku_id)
    for found in await get_stocked_items(read, [item_id]):
        for stock in found.stock:
            if stock.sku_id == sku_id:
                kin = units.measure_of(sku.unit).kind
                names = [name for name, measure in units.MEASURES.items() if measure.kind == kin and len(name) < 6]
                return page(
                    request,
                    "item-sku.html",
                    form.status,
                    item=found.item,
                    stock=stock,
                    sku=sku,
                    form=form,
                    units=names,
                    currency=await get_currency(read),
                )
    item = await catalogue.get_item(read, item_id)
    raise NotFound(f"{item.name} has no such stock any more; its history has it")


routes = [show_sku, book_amount, move, open_sku, change_details, write_off]
