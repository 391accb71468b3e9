"""What belongs to an item beside its stock: barcodes, shopping lists, product data, and whether it is hidden."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.datastructures import State
from msgspec import Struct

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.catalogue import repository as catalogue
from stocky.catalogue.schemas import Barcode, BarcodeText, ItemChange, Name
from stocky.db import Connection, Database
from stocky.http.parameters import PathId
from stocky.lookup.service import Lookups
from stocky.pages.forms import Form, read_form, read_values
from stocky.pages.lists import add_items_to_list
from stocky.pages.refusals import checked, refused
from stocky.pages.rendering import Html, page, see_other
from stocky.quantity import Quantity
from stocky.schema import Id
from stocky.shopping.repository import list_lists
from stocky.shopping.schemas import check_positive

_MOST_LISTS = 100


class GivenBarcode(Struct):
    """A barcode in a form."""

    barcode: BarcodeText


class Listing(Struct, kw_only=True):
    """The amount for a shopping list; with a name, for a new one."""

    quantity: Quantity = 1
    list_id: Id | None = None
    name: Name | None = None

    def __post_init__(self) -> None:
        check_positive(self.quantity)


@get("/items/{item_id:int}/barcodes", opt=members)
async def show_barcodes(request: Request[Any, Any, Any], read: Connection, item_id: PathId) -> Html:
    """The barcodes, each with a way to remove it."""
    return page(request, "item-barcodes.html", item=await catalogue.get_item(read, item_id), form=Form())


@post("/items/{item_id:int}/barcodes", opt=members)
async def add_barcode(request: Request[Any, Any, Any], database: Database, user: Principal, item_id: PathId) -> Html:
    """Adds a barcode."""
    form = await read_form(request, Barcode)
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                await catalogue.add_item_barcode(tx, item_id, form.data, user)
    if not form.errors:
        return see_other(request, f"/items/{item_id}", done="barcode")
    if "barcodes" in form.errors:
        form.errors["barcode"] = form.errors.pop("barcodes")
    if (refusal := refused(request, form)) is not None:
        return refusal
    async with database.read() as read:
        item = await catalogue.get_item(read, item_id)
    return page(request, "item-barcodes.html", form.status, item=item, form=form)


@post("/items/{item_id:int}/barcodes/remove", opt=members)
async def remove_barcode(request: Request[Any, Any, Any], database: Database, user: Principal, item_id: PathId) -> Html:
    """Removes a barcode."""
    data = checked(await read_form(request, GivenBarcode))
    async with database.transaction() as tx:
        await catalogue.remove_item_barcode(tx, item_id, data.barcode, user)
    return see_other(request, f"/items/{item_id}", done="no-barcode")


@get("/items/{item_id:int}/list", opt=members)
async def show_lists(request: Request[Any, Any, Any], read: Connection, user: Principal, item_id: PathId) -> Html:
    """The form for the list and the amount."""
    return await _lists_page(request, read, user, item_id, Form())


@post("/items/{item_id:int}/list", opt=members)
async def put_on(request: Request[Any, Any, Any], database: Database, user: Principal, item_id: PathId) -> Html:
    """Puts the item on a shopping list."""
    form = await read_form(request, Listing)
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                data = form.data
                await add_items_to_list(
                    tx, [item_id], user, list_id=data.list_id, name=data.name, quantity=data.quantity
                )
    if not form.errors:
        return see_other(request, f"/items/{item_id}", done="listed")
    if (refusal := refused(request, form)) is not None:
        return refusal
    async with database.read() as read:
        return await _lists_page(request, read, user, item_id, form)


@post("/items/{item_id:int}/look-up", opt=members)
async def look_up(request: Request[Any, Any, Any], state: State, user: Principal, item_id: PathId) -> Html:
    """Asks the look-up service about the barcode."""
    lookups: Lookups = state.lookups
    await lookups.refresh_item(item_id, user)
    return see_other(request, f"/items/{item_id}", done="looked-up")


@get("/items/{item_id:int}/hide", opt=members)
async def ask_to_hide(request: Request[Any, Any, Any], read: Connection, item_id: PathId) -> Html:
    """Asks before an item is hidden."""
    return page(request, "item-hide.html", item=await catalogue.get_item(read, item_id), form=Form())


@post("/items/{item_id:int}/hide", opt=members)
async def hide(request: Request[Any, Any, Any], database: Database, user: Principal, item_id: PathId) -> Html:
    """Hides the item; one that holds stock stays."""
    form: Form[Any] = Form(await read_values(request))
    with form.catching():
        async with database.transaction() as tx:
            await catalogue.remove_item(tx, item_id, user)
    if not form.errors:
        return see_other(request, f"/items/{item_id}", done="hidden")
    if (refusal := refused(request, form)) is not None:
        return refusal
    async with database.read() as read:
        item = await catalogue.get_item(read, item_id)
    return page(request, "item-hide.html", form.status, item=item, form=form)


@post("/items/{item_id:int}/show", opt=members)
async def show_again(request: Request[Any, Any, Any], tx: Connection, user: Principal, item_id: PathId) -> Html:
    """Shows a hidden item again."""
    await catalogue.change_item(tx, item_id, ItemChange(is_active=True), user)
    return see_other(request, f"/items/{item_id}", done="shown")


async def _lists_page(
    request: Request[Any, Any, Any], read: Connection, user: Principal, item_id: int, form: Form[Any]
) -> Html:
    item = await catalogue.get_item(read, item_id)
    lists = (await list_lists(read, user, skip=0, limit=_MOST_LISTS)).items
    return page(
        request,
        "item-list.html",
        form.status,
        item=item,
        list_options=[(each.id, each.name) for each in lists],
        form=form,
    )


routes = [
    show_barcodes,
    add_barcode,
    remove_barcode,
    show_lists,
    put_on,
    look_up,
    ask_to_hide,
    hide,
    show_again,
]
