"""One shopping list: ticking what is bought, adding to it and filling it; a tick is named by the browser's event_id."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from litestar import Request, get, post
from litestar.datastructures import Cookie, State
from msgspec import Struct

from stocky import clock
from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.db import Connection, Database
from stocky.errors import Conflict, Invalid
from stocky.http.parameters import PathId
from stocky.pages.forms import Form, parse_form, read_form, read_values
from stocky.pages.languages import Text, _, plural
from stocky.pages.pickers import pick_location, read_item_or_words
from stocky.pages.put_away import PLACE_COOKIE, chosen_place, make_rows
from stocky.pages.rendering import Html, fragment_of, page, see_other
from stocky.pages.ticks import Tick, book_tick
from stocky.schema import Id
from stocky.shopping import repository, service
from stocky.shopping.schemas import Filling, NewEntry
from stocky.stock.recorder import Recorder

_YEAR = 365 * 24 * 3600
# What was bought in this time is shown below the list.
_BASKET = timedelta(hours=12)
_DONE: dict[str, Text] = {
    "changed": _("The list is changed."),
    "copied": _("This is the copy."),
    "full": _("Nothing is low that is not on the list already."),
    "place": _("New things go there from now on."),
    "removed": _("It is off the list; nothing was bought."),
}


class _Place(Struct):
    location_id: Id


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
    form = await read_form(request, Tick)
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
        return await list_page(request, state, user, list_id)
    return see_other(request, f"/lists/{list_id}")


@post("/lists/{list_id:int}/purchases/{log_id:int}/undo", opt=members, status_code=200)
async def take_back(
    request: Request[Any, Any, Any],
    state: State,
    database: Database,
    recorder: Recorder,
    user: Principal,
    list_id: PathId,
    log_id: PathId,
) -> Html:
    """Puts what was bought back on the list."""
    async with database.transaction() as tx:
        await service.take_back(tx, recorder, list_id, log_id, user)
    if fragment_of(request):
        return await list_page(request, state, user, list_id)
    return see_other(request, f"/lists/{list_id}")


@post("/lists/{list_id:int}/entries", opt=members, status_code=200)
async def add_entry(
    request: Request[Any, Any, Any], state: State, database: Database, user: Principal, list_id: PathId
) -> Html:
    """Adds an item, or any words that are none."""
    form = parse_form(await read_item_or_words(request, database), NewEntry)
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
    """Adds what is at or below its minimum."""
    form = await read_form(request, Filling)
    if form.errors:
        return await list_page(request, state, user, list_id, form)
    async with database.transaction() as tx:
        filled = await service.fill_from_low_stock(tx, list_id, form.data, user)
    return see_other(request, f"/lists/{list_id}", done="filled" if filled.added else "full", number=len(filled.added))


@post("/lists/{list_id:int}/place", opt=members)
async def choose_place(
    request: Request[Any, Any, Any], state: State, read: Connection, user: Principal, list_id: PathId
) -> Html:
    """Remembers where things go that have no location yet."""
    typed = await read_values(request)
    form: Form[_Place] = Form(typed)
    with form.catching():
        await pick_location(read, typed)
        form = parse_form(typed, _Place)
    if form.errors:
        return await list_page(request, state, user, list_id, form)
    path = request.app.state.config.base_path or "/"
    cookie = Cookie(
        key=PLACE_COOKIE,
        value=str(form.data.location_id),
        max_age=_YEAR,
        path=path,
        secure=request.scope["scheme"] == "https",
        httponly=True,
        samesite="lax",
    )
    return see_other(request, f"/lists/{list_id}", done="place", cookies=[cookie])


async def list_page(
    request: Request[Any, Any, Any], state: State, user: Principal, list_id: int, form: Form[Any] | None = None
) -> Html:
    """The page of a list, with the form that was refused."""
    async with state.database.read() as read:
        shopping_list = await repository.get_list(read, list_id, user)
        place = await chosen_place(request, read)
        rows = await make_rows(read, shopping_list.items, place)
        bought = await repository.list_purchases(read, list_id, user)
    since = clock.now() - _BASKET
    return page(
        request,
        "list.html",
        200 if form is None else form.status,
        shopping_list=shopping_list,
        rows=rows,
        bought=[each for each in bought if each.bought_at >= since],
        place=place,
        form=form or Form(),
        done=_done(request),
    )


def _done(request: Request[Any, Any, Any]) -> Text | None:
    done, number = request.query_params.get("done", ""), request.query_params.get("number", "")
    if done == "filled" and number.isascii() and number.isdigit() and len(number) < 6:
        return plural("%(num)s entry was added.", "%(num)s entries were added.", int(number))
    return _DONE.get(done)


routes = [show_list, tick, take_back, add_entry, fill, choose_place]
