"""Forms to add and change an item: a name is enough; a change that another user made meanwhile is not overwritten."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from msgspec import UNSET, Meta

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.barcodes.codes import clean
from stocky.catalogue import location_repository, part_repository
from stocky.catalogue import repository as catalogue
from stocky.catalogue.schemas import Barcode, BarcodeText, Item, ItemChange, Location, NewItem, Upc
from stocky.db import Connection, Database
from stocky.errors import Conflict, Invalid, NotFound
from stocky.http.parameters import PathId
from stocky.pages.choices import OVERSELL_POLICIES, STORAGE_TYPES
from stocky.pages.done import done_with_item
from stocky.pages.field_inputs import fill_inputs, list_inputs, place_errors, read_inputs
from stocky.pages.forms import Form, Values, filled, parse_form, read_values
from stocky.pages.languages import language_of
from stocky.pages.refusals import refused
from stocky.pages.rendering import Html, page, see_other
from stocky.pages.typed import find_location, find_type
from stocky.quantity import Quantity, rounded
from stocky.stock import repository as stock_repository
from stocky.stock import service
from stocky.stock.recorder import Recorder
from stocky.stock.schemas import EventId, Lot, NewSku, Serial, Unit

_MOST_SUGGESTED = 100
# The button without script that shows the fields of the chosen type.
_SHOW_FIELDS = "show_fields"
# The fields that the next new item takes from the one before.
_CARRIED = ("default_storage_type", "type_id", "type_id_text", "location_id", "unit")


class FirstItem(NewItem, kw_only=True):
    """A new item with its barcode and its first stock."""

    barcode: BarcodeText | None = None
    quantity: Quantity | None = None
    unit: Unit | None = None
    expiry_date: date | None = None
    lot: Lot | None = None
    serial: Serial | None = None
    event_id: EventId | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.quantity is not None:
            self.quantity = rounded(self.quantity)


class ChangedItem(ItemChange, kw_only=True):
    """A changed item; `version` is the one that the page showed."""

    version: Annotated[int, Meta(ge=1)]


@get("/items/new", opt=members)
async def show_new_item(request: Request[Any, Any, Any], read: Connection) -> Html:
    """The form of a new item, with what the address gives: a name, a barcode, a location."""
    given = {name: value[:200] for name, value in request.query_params.items() if "\0" not in value}
    form = filled({"default_storage_type": "pantry", **given})
    location = await _location(read, form)
    if location is not None:
        form.values |= {"location_id": [str(location.id)], "location_id_text": [location.path]}
        form.values.setdefault("quantity", ["1"])
        if "default_storage_type" not in given:
            form.values["default_storage_type"] = [location.storage_type.value]
    made = given.get("made", "")
    last = await catalogue.get_item(read, int(made[:15])) if made.isascii() and made.isdigit() else None
    return await _page(request, read, form, last=last)


@post("/items/new", opt=members)
async def add_item(request: Request[Any, Any, Any], database: Database, recorder: Recorder, user: Principal) -> Html:
    """Adds the item, and its first stock."""
    values = _with_tags(await read_values(request))
    if _SHOW_FIELDS in values:
        async with database.read() as read:
            return await _page(request, read, Form(values))
    form = parse_form(
        values, FirstItem, without=["upc", "barcodes", "type_id", "fields"], language=language_of(request)
    )
    item: Item | None = None
    if not form.errors:
        with form.catching():
            item = await _add(database, recorder, form, user)
    for name in ("upc", "barcodes"):
        # The form has one field for both.
        if name in form.errors:
            form.errors["barcode"] = form.errors.pop(name)
    if item is None:
        async with database.read() as read:
            return await _page(request, read, form)
    if form.checked("next"):
        carried = {name: form.text(name) for name in _CARRIED}
        return see_other(request, "/items/new", made=item.id, **carried)
    return see_other(request, f"/items/{item.id}", done="added")


@get("/items/{item_id:int}/edit", opt=members)
async def show_edit_item(request: Request[Any, Any, Any], read: Connection, item_id: PathId) -> Html:
    """The form with the item's values; with a type in the address, with the fields of that type."""
    item = await catalogue.get_item(read, item_id)
    form = filled(item)
    form.values["type_id_text"] = [item.type_name or ""]
    for name in ("type_id", "type_id_text"):
        if "\0" not in (given := request.query_params.get(name, "\0")):
            form.values[name] = [given[:200]]
    return await _page(request, read, form, item)


@post("/items/{item_id:int}/edit", opt=members)
async def change_item(request: Request[Any, Any, Any], database: Database, user: Principal, item_id: PathId) -> Html:
    """Changes the fields that differ."""
    without = ["upc", "barcodes", "type_id", "image_document_id", "needs_review", "is_active", "fields"]
    values = _with_tags(await read_values(request))
    if _SHOW_FIELDS in values:
        async with database.read() as read:
            return await _page(request, read, Form(values), await catalogue.get_item(read, item_id))
    form = parse_form(values, ChangedItem, without=without, language=language_of(request))
    form.require("name")
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                item = await catalogue.get_item(tx, item_id)
                item_type = await find_type(tx, form, "type_id", user)
                type_id = None if item_type is None else item_type.id
                change = _changes(form.data, item, type_id)
                if custom := await read_inputs(tx, form, type_id, item):
                    change.fields = custom
                await catalogue.change_item(tx, item_id, change, user, if_versions=[form.data.version])
    if form.errors:
        async with database.read() as read:
            return await _page(request, read, form, await catalogue.get_item(read, item_id))
    return see_other(request, f"/items/{item_id}", done="saved")


async def _add(database: Database, recorder: Recorder, form: Form[FirstItem], by: Principal) -> Item:
    data = form.data
    location: Location | None = None
    if data.quantity or form.text("location_id") or form.text("location_id_text"):
        # Before anything is written, so that the form can be sent again.
        location = await find_location(database, form, "location_id", by)
        if not location.is_active:
            raise Invalid(f"{location.path} is no longer in use; choose another location", field="location_id")
    new = NewItem(**{name: getattr(data, name) for name in NewItem.__struct_fields__})
    if data.barcode:
        try:
            new.upc = msgspec.convert(clean(data.barcode), Upc)
        except msgspec.ValidationError:
            new.barcodes = [Barcode(data.barcode)]
    async with database.transaction() as tx:
        if (made := await _made_before(tx, data, by)) is not None:
            return made
        item_type = await find_type(tx, form, "type_id", by)
        new.type_id = None if item_type is None else item_type.id
        new.fields = await read_inputs(tx, form, new.type_id, None)
        item = await catalogue.add_item(tx, new, by, event_id=None if data.quantity else data.event_id)
        if location is not None and data.quantity:
            stock = NewSku(
                item_id=item.id,
                location_id=location.id,
                quantity=data.quantity,
                unit=data.unit,
                expiry_date=data.expiry_date.isoformat() if data.expiry_date else None,
                lot=data.lot,
                serial=data.serial,
                event_id=data.event_id,
            )
            await service.add_stock_within(tx, recorder, stock, by)
    return item


async def _made_before(tx: Connection, data: FirstItem, by: Principal) -> Item | None:
    """The item that was added with this event_id, or whose first stock was: the answer to the form was lost.

    Raises Conflict when the form was changed since: nothing of that would be saved.
    """
    if data.event_id is None:
        return None
    try:
        event = await stock_repository.get_event_by_event_id(tx, data.event_id)
    except NotFound:
        item, quantity = await catalogue.find_item_added_with(tx, data.event_id, by), 0.0
    else:
        item, quantity = await catalogue.get_item(tx, event.item_id), event.delta
    if item is not None and (item.name != data.name or quantity != (data.quantity or 0)):
        raise Conflict(f"This form was sent before and added {item.name} ({item.code}); change that item instead")
    return item


def _changes(data: ChangedItem, item: Item, type_id: int | None) -> ItemChange:
    """The fields that differ from the item; sending an unchanged name would end its review."""
    wanted = {name: getattr(data, name) for name in ItemChange.__struct_fields__} | {"type_id": type_id}
    return ItemChange(
        **{
            name: value
            for name, value in wanted.items()
            if value is not UNSET and _bare(value) != _bare(getattr(item, name))
        }
    )


def _bare(value: Any) -> Any:
    """The value, with None for an empty text or list."""
    return None if value in ("", []) else value


def _with_tags(values: Values) -> dict[str, list[str]]:
    """The fields with the tags as a list: they are typed into one field with commas between them."""
    typed = ",".join(values.get("tags", []))
    return {**values, "tags": list(dict.fromkeys(" ".join(each.split()) for each in typed.split(",") if each.strip()))}


async def _location(read: Connection, form: Form[Any]) -> Location | None:
    chosen = str(form.text("location_id"))
    if not (chosen.isascii() and chosen.isdigit()):
        return None
    return await location_repository.get_location(read, int(chosen[:15]))


async def _page(
    request: Request[Any, Any, Any],
    read: Connection,
    form: Form[Any],
    item: Item | None = None,
    *,
    last: Item | None = None,
) -> Html:
    fields = await list_inputs(read, form)
    place_errors(form, fields)
    if form.errors and (refusal := refused(request, form)) is not None:
        return refusal
    if item is not None:
        fill_inputs(form, fields, item)
    sellers = await part_repository.list_sellers(read, skip=0, limit=_MOST_SUGGESTED, pattern=None)
    return page(
        request,
        "item-form.html",
        form.status,
        form=form,
        item=item,
        last=last,
        sellers=[each.name for each in sellers],
        storage_types=STORAGE_TYPES,
        policies=OVERSELL_POLICIES,
        fields=fields,
        is_stale=form.status == 412,
        done=done_with_item(request),
    )


routes = [show_new_item, add_item, show_edit_item, change_item]
