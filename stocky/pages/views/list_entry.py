"""One entry of a shopping list: its amount, buying it with amount, location and expiry date, and taking it off."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from litestar import Request, get, post
from litestar.datastructures import State

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.db import Connection, Database
from stocky.errors import NotFound
from stocky.http.parameters import PathId
from stocky.pages.forms import Form, filled, parse_form, read_changes, read_values
from stocky.pages.languages import language_of
from stocky.pages.pickers import pick_location
from stocky.pages.put_away import chosen_location, make_rows
from stocky.pages.rendering import Html, page, see_other
from stocky.pages.ticks import Tick, book_tick
from stocky.settings.repository import get_currency
from stocky.shopping import repository, service
from stocky.shopping.schemas import Entry, ItemEntryChange, PlaceholderChange
from stocky.stock.batch_writer import new_batch_id
from stocky.stock.recorder import Recorder


@get("/lists/{list_id:int}/entries/{entry_id:int}", opt=members)
async def show_entry(
    request: Request[Any, Any, Any], state: State, user: Principal, list_id: PathId, entry_id: PathId
) -> Html:
    """An entry."""
    form: Form[Any] = Form()
    if why := request.query_params.get("why", "")[:300]:
        form = Form({}, {"location_id": why})
    return await _page(request, state, user, list_id, entry_id, buying=form, status=200)


@post("/lists/{list_id:int}/entries/{entry_id:int}", opt=members)
async def change_entry(
    request: Request[Any, Any, Any],
    state: State,
    database: Database,
    user: Principal,
    list_id: PathId,
    entry_id: PathId,
) -> Html:
    """Changes the amount, or the words."""
    async with state.database.read() as read:
        entry = await _find(read, user, list_id, entry_id)
    form: Form[Any] = await read_changes(request, PlaceholderChange if entry.item.id is None else ItemEntryChange)
    form.require("quantity", *(("text",) if entry.item.id is None else ()))
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                if entry.item.id is None:
                    await service.change_placeholder(tx, list_id, entry_id, form.data, user)
                else:
                    await service.change_item(tx, list_id, entry.item.id, form.data, user)
    if form.errors:
        return await _page(request, state, user, list_id, entry_id, form=form, status=form.status)
    return see_other(request, f"/lists/{list_id}")


@post("/lists/{list_id:int}/entries/{entry_id:int}/buy", opt=members)
async def buy_entry(
    request: Request[Any, Any, Any],
    state: State,
    recorder: Recorder,
    user: Principal,
    list_id: PathId,
    entry_id: PathId,
) -> Html:
    """Buys with an amount, a location and an expiry date."""
    typed = await read_values(request)
    form: Form[Tick] = Form(typed)
    with form.catching():
        async with state.database.read() as read:
            await pick_location(read, typed)
        form = parse_form(typed, Tick, language=language_of(request))
    if not form.errors:
        with form.catching():
            await book_tick(state.database, recorder, user, list_id, entry_id, form.data)
    if form.errors:
        return await _page(request, state, user, list_id, entry_id, buying=form, status=form.status)
    return see_other(request, f"/lists/{list_id}")


@post("/lists/{list_id:int}/entries/{entry_id:int}/remove", opt=members)
async def remove_entry(
    request: Request[Any, Any, Any], tx: Connection, user: Principal, list_id: PathId, entry_id: PathId
) -> Html:
    """Takes an entry off the list without buying it."""
    entry = await _find(tx, user, list_id, entry_id)
    batch_id = new_batch_id()
    if entry.item.id is None:
        await service.remove_from_list(tx, list_id, user, entry_id=entry_id, batch_id=batch_id)
    else:
        await service.remove_from_list(tx, list_id, user, item_id=entry.item.id, batch_id=batch_id)
    return see_other(request, f"/lists/{list_id}", done="removed", batch=batch_id)


async def _find(read: Connection, user: Principal, list_id: int, entry_id: int) -> Entry:
    shopping_list = await repository.get_list(read, list_id, user)
    for entry in shopping_list.items:
        if entry.id == entry_id:
            return entry
    raise NotFound(f"There is no entry {entry_id} on {shopping_list.name}; it may have been bought")


async def _page(
    request: Request[Any, Any, Any],
    state: State,
    user: Principal,
    list_id: int,
    entry_id: int,
    *,
    status: int,
    form: Form[Any] | None = None,
    buying: Form[Any] | None = None,
) -> Html:
    async with state.database.read() as read:
        shopping_list = await repository.get_list(read, list_id, user)
        entry = await _find(read, user, list_id, entry_id)
        (row,) = await make_rows(read, [entry], await chosen_location(request, read))
        currency = await get_currency(read)
    return page(
        request,
        "list-entry.html",
        status,
        shopping_list=shopping_list,
        row=row,
        form=form or filled({"quantity": entry.quantity, "text": entry.text}),
        buying=buying or Form(),
        event_id=str(uuid4()),
        currency=currency,
    )


routes = [show_entry, change_entry, buy_entry, remove_entry]
