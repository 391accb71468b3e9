"""One shopping list: ticking, adding, filling and undoing; a tick has an event_id of the browser, so it counts once."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.datastructures import State
from msgspec import Meta, Struct

from stocky import clock
from stocky.alerts.attention import count_attention
from stocky.alerts.schemas import AlertCause
from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.db import Connection, Database
from stocky.errors import Conflict, Invalid
from stocky.http.parameters import PathId
from stocky.pages.device_cookies import device_cookie
from stocky.pages.done import Done
from stocky.pages.forms import Form, parse_form, read_form, read_values
from stocky.pages.languages import Text, _, language_of, plural
from stocky.pages.list_details import read_list_details
from stocky.pages.pickers import pick_location, read_item_or_words
from stocky.pages.put_away import LOCATION_COOKIE, chosen_location, make_rows
from stocky.pages.refusals import refused
from stocky.pages.rendering import Html, fragment_of, page, see_other
from stocky.pages.ticks import Tick, book_tick
from stocky.schema import Id
from stocky.shopping import repository, service
from stocky.shopping.schemas import Filling, NewEntry
from stocky.shopping.undoing import undo_changes
from stocky.stock.batch_writer import new_batch_id
from stocky.stock.recorder import Recorder

# Purchases of this time are shown below the list.
_BASKET = timedelta(hours=12)
_DONE: dict[str, Text] = {
    "back": _("The list is back, with its entries."),
    "changed": _("The list is changed."),
    "copied": _("This is the copy."),
    "full": _("Everything that is low is on the list already."),
    "location": _("New things go there from now on."),
    "removed": _("Removed from the list."),
}


class _ChosenLocation(Struct):
    location_id: Id


class _Change(Struct):
    batch_id: Annotated[str, Meta(min_length=1, max_length=64)]


@get("/lists/{list_id:int}", opt=members)
async def show_list(request: Request[Any, Any, Any], state: State, user: Principal, list_id: PathId) -> Html:
    """The list."""
    return await list_page(request, state, user, list_id)


@post("/lists/{list_id:int}/entries/{entry_id:int}/tick", opt=members, status_code=200)
async def tick(
    request: Request[Any, Any, Any],
    state: State,
    recorder: Recorder,
    user: Principal,
    list_id: PathId,
    entry_id: PathId,
) -> Html:
    """Marks an entry as bought; an item is added to the stock. A repeated event_id changes nothing."""
    # Nobody types its numbers: in no language, "1.125" may be 1125.
    form = parse_form(await read_values(request), Tick)
    if form.errors:
        field, message = next(iter(form.errors.items()))
        raise Invalid(f"{field}: {message}" if field else message, field=field)
    try:
        await book_tick(state.database, recorder, user, list_id, entry_id, form.data)
    except (Conflict, Invalid) as error:
        # Without script, the page of the entry asks for what is missing.
        if fragment_of(request):
            raise
        return see_other(request, f"/lists/{list_id}/entries/{entry_id}", why=error.detail[:300])
    if fragment_of(request):
        return await list_page(request, state, user, list_id, ticked=form.data)
    return see_other(request, f"/lists/{list_id}")


@post("/lists/{list_id:int}/purchases/{log_id:int}/undo", opt=members, status_code=200)
async def undo_purchase(
    request: Request[Any, Any, Any],
    state: State,
    database: Database,
    recorder: Recorder,
    user: Principal,
    list_id: PathId,
    log_id: PathId,
) -> Html:
    """Undoes a purchase: the entry is on the list again."""
    async with database.transaction() as tx:
        await service.undo_purchase(tx, recorder, list_id, log_id, user)
    if fragment_of(request):
        return await list_page(request, state, user, list_id)
    return see_other(request, f"/lists/{list_id}")


@post("/lists/{list_id:int}/entries", opt=members, status_code=200)
async def add_entry(
    request: Request[Any, Any, Any], state: State, database: Database, user: Principal, list_id: PathId
) -> Html:
    """Adds an item, or a text that names none."""
    form = parse_form(await read_item_or_words(request, database), NewEntry, language=language_of(request))
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                await service.add_to_list(tx, list_id, form.data, user)
    if not form.errors and not fragment_of(request):
        return see_other(request, f"/lists/{list_id}")
    if form.errors and fragment_of(request):
        raise Invalid(
            next(iter(form.errors.values())), field="item_id" if "quantity" not in form.errors else "quantity"
        )
    return await list_page(request, state, user, list_id, form if form.errors else None)


@post("/lists/{list_id:int}/fill", opt=members)
async def fill(
    request: Request[Any, Any, Any], state: State, database: Database, user: Principal, list_id: PathId
) -> Html:
    """Adds the items at or below their minimum."""
    form = await read_form(request, Filling)
    if form.errors:
        return refused(request, form) or await list_page(request, state, user, list_id, form)
    batch_id = new_batch_id()
    async with database.transaction() as tx:
        filled = await service.fill_from_low_stock(tx, list_id, form.data, user, batch_id)
    number = len(filled.added) + len(filled.raised)
    if not number:
        return see_other(request, f"/lists/{list_id}", done="full")
    return see_other(request, f"/lists/{list_id}", done="filled", number=number, batch=batch_id)


@post("/lists/{list_id:int}/undo", opt=members)
async def undo_change(request: Request[Any, Any, Any], tx: Connection, user: Principal, list_id: PathId) -> Html:
    """Undoes filling the list, or taking an entry off it."""
    form = await read_form(request, _Change)
    if form.errors:
        raise Invalid(next(iter(form.errors.values())), field="batch_id")
    changes = await undo_changes(tx, list_id, form.data.batch_id, user)
    return see_other(request, f"/lists/{list_id}", done="undone", number=changes.undone, changed=changes.changed_since)


@post("/lists/{list_id:int}/location", opt=members)
async def choose_location(
    request: Request[Any, Any, Any], state: State, read: Connection, user: Principal, list_id: PathId
) -> Html:
    """Stores the location for items that have none yet."""
    typed = await read_values(request)
    form: Form[_ChosenLocation] = Form(typed)
    with form.catching():
        await pick_location(read, typed)
        form = parse_form(typed, _ChosenLocation)
    if form.errors:
        return await list_page(request, state, user, list_id, form)
    cookie = device_cookie(request, LOCATION_COOKIE, str(form.data.location_id))
    return see_other(request, f"/lists/{list_id}", done="location", cookies=[cookie])


async def list_page(
    request: Request[Any, Any, Any],
    state: State,
    user: Principal,
    list_id: int,
    form: Form[Any] | None = None,
    *,
    ticked: Tick | None = None,
) -> Html:
    """The page of a list, with the rejected form, or the undo of what was ticked."""
    async with state.database.read() as read:
        shopping_list = await repository.get_list(read, list_id, user)
        location = await chosen_location(request, read)
        rows = await make_rows(read, shopping_list.items, location)
        since = clock.now() - _BASKET
        bought = [each for each in await repository.list_purchases(read, list_id, user) if each.bought_at >= since]
        details = await read_list_details(read, [each.item_id for each in bought], [each.event_id for each in bought])
        counts = {each.name: each.count for each in await count_attention(read)}
    mine = [] if ticked is None else [each for each in bought if each.user.id == user.id]
    return page(
        request,
        "list.html",
        200 if form is None else form.status,
        shopping_list=shopping_list,
        rows=rows,
        bought=bought,
        just_bought=next((each for each in mine if ticked and each.item_id == ticked.item_id), None),
        details=details,
        low_count=counts[AlertCause.LOW_STOCK.value],
        location=location,
        form=form or Form(),
        done=_done(request, list_id),
    )


def _done(request: Request[Any, Any, Any], list_id: int) -> Done | None:
    query = request.query_params
    done, number = query.get("done", ""), query.get("number", "")
    text = _DONE.get(done)
    if done in ("filled", "undone") and number.isascii() and number.isdigit() and len(number) < 6:
        if done == "filled":
            text = plural("%(num)s entry was added or raised.", "%(num)s entries were added or raised.", int(number))
        elif query.get("changed", "0") == "0":
            text = _("Undone")
        else:
            text = _("Undone, except for entries that were changed since.")
    if text is None:
        return None
    batch = query.get("batch", "")[:64]
    return Done(text, f"/lists/{list_id}/undo", {"batch_id": batch}) if batch else Done(text)


routes = [show_list, tick, undo_purchase, add_entry, fill, undo_change, choose_location]
