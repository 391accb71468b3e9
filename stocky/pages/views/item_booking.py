"""Bookings on the page of an item: one more or less, stock at another location, undo; each counts once."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from litestar import Request, get, post
from msgspec import Struct

from stocky import clock
from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.catalogue import location_repository
from stocky.catalogue import repository as catalogue
from stocky.db import Connection, Database
from stocky.errors import Conflict
from stocky.http.parameters import PathId
from stocky.money import UnitPrice
from stocky.pages.forms import Form, filled, read_form
from stocky.pages.item_page import show
from stocky.pages.languages import language_context
from stocky.pages.messages import message
from stocky.pages.refusals import checked, refused
from stocky.pages.rendering import Html, fragment_of, page, see_other
from stocky.pages.typed import find_location
from stocky.quantity import Quantity, to_milli
from stocky.schema import Id
from stocky.settings.repository import get_currency
from stocky.stock import repository, service
from stocky.stock.recorder import Recorder
from stocky.stock.schemas import Adjustment, EventId, Lot, NewSku, NewUndo, Notes, Seller, Serial, Unit


class Step(Adjustment, kw_only=True):
    """A press on the stepper of a SKU."""

    sku_id: Id


class NewStock(Struct, kw_only=True):
    """Stock to add; its location is that of a picker."""

    quantity: Quantity
    unit: Unit | None = None
    expiry_date: date | None = None
    notes: Notes | None = None
    event_id: EventId | None = None
    lot: Lot | None = None
    serial: Serial | None = None
    unit_price: UnitPrice | None = None
    seller: Seller | None = None

    def __post_init__(self) -> None:
        to_milli(self.quantity)


@post("/items/{item_id:int}/step", opt=members)
async def step(
    request: Request[Any, Any, Any], database: Database, recorder: Recorder, user: Principal, item_id: PathId
) -> Html:
    """Adds or takes by the stepper; a script gets the new stock and history."""
    data = checked(await read_form(request, Step))
    try:
        await service.adjust_stock(recorder, data.sku_id, Adjustment(delta=data.delta, event_id=data.event_id), user)
    except Conflict as error:
        # The page shows the stock of several locations.
        with language_context(request):
            error.detail = f"{await _location_of(database, data.sku_id)}: {message(error.detail)}"
        raise
    if fragment_of(request) is None:
        return see_other(request, f"/items/{item_id}")
    async with database.read() as read:
        return await show(request, read, user, item_id)


@get("/items/{item_id:int}/stock/new", opt=members)
async def show_new_stock(request: Request[Any, Any, Any], read: Connection, item_id: PathId) -> Html:
    """The form for stock at another location, or of another lot."""
    return await _new_stock_page(request, read, item_id, filled({"quantity": 1}))


@post("/items/{item_id:int}/stock/new", opt=members)
async def add_stock(
    request: Request[Any, Any, Any], database: Database, recorder: Recorder, user: Principal, item_id: PathId
) -> Html:
    """Adds stock."""
    form = await read_form(request, NewStock)
    if not form.errors:
        data = form.data
        with form.catching():
            async with database.read() as read:
                await catalogue.get_item(read, item_id)
            location = await find_location(database, form, "location_id", user)
            new = NewSku(
                item_id=item_id,
                location_id=location.id,
                quantity=data.quantity,
                unit=data.unit,
                expiry_date=data.expiry_date.isoformat() if data.expiry_date else None,
                notes=data.notes,
                event_id=data.event_id,
                lot=data.lot,
                serial=data.serial,
                unit_price=data.unit_price,
                # The form has the field for a seller even where nothing was paid.
                seller=None if data.unit_price is None else data.seller or None,
            )
            await service.add_stock(recorder, new, user)
    if not form.errors:
        # An amount of 0 writes no event: the newest event is an older booking, which this page must not offer to undo.
        if form.data.quantity:
            return see_other(request, f"/items/{item_id}", booked="true")
        return see_other(request, f"/items/{item_id}", done="stocked")
    if (refusal := refused(request, form)) is not None:
        return refusal
    async with database.read() as read:
        return await _new_stock_page(request, read, item_id, form)


@post("/items/{item_id:int}/events/{event_id:int}/undo", opt=members)
async def undo_event(
    request: Request[Any, Any, Any], recorder: Recorder, user: Principal, item_id: PathId, event_id: PathId
) -> Html:
    """Undoes an event with its transfer."""
    form = await read_form(request, NewUndo)
    await service.undo(recorder, checked(form), user, event=event_id)
    if form.text("back") == "history":
        return see_other(request, f"/items/{item_id}/history", done="undone")
    return see_other(request, f"/items/{item_id}", done="undone")


async def _location_of(database: Database, sku_id: int) -> str:
    async with database.read() as read:
        sku = await repository.get_sku(read, sku_id, with_hidden=True)
        return (await location_repository.get_location(read, sku.location_id)).path


async def _new_stock_page(request: Request[Any, Any, Any], read: Connection, item_id: int, form: Form[Any]) -> Html:
    item = await catalogue.get_item(read, item_id)
    if request.method == "GET" and item.shelf_life_days is not None:
        form.values["expiry_date"] = [(clock.local_today() + timedelta(days=item.shelf_life_days)).isoformat()]
    location_path = form.text("location_id_text")
    chosen = request.query_params.get("location_id", "")
    if request.method == "GET" and chosen.isascii() and chosen.isdigit():
        form.values["location_id"] = [chosen]
        location_path = (await location_repository.get_location(read, int(chosen[:15]))).path
    return page(
        request,
        "item-stock-new.html",
        form.status,
        item=item,
        form=form,
        location_path=location_path,
        currency=await get_currency(read),
    )


routes = [step, show_new_stock, add_stock, undo_event]
