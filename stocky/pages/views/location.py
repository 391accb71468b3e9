"""One location: its stock with a stepper in each row, adding to it, and the locations in it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from litestar import Request, get, post
from litestar.datastructures import State

from stocky import clock
from stocky.auth.guards import members, readers
from stocky.auth.schemas import Principal
from stocky.catalogue import location_repository
from stocky.http.parameters import PathId
from stocky.lending.repository import list_loans
from stocky.pages.forms import Form, parse_form, read_form, read_values
from stocky.pages.languages import Text, _, language_of, plural
from stocky.pages.location_nodes import links_to, make_nodes
from stocky.pages.parameters import PageNumber, Typed, at_most_last
from stocky.pages.pickers import pick_item
from stocky.pages.refusals import refused
from stocky.pages.rendering import Html, fragment_of, page, see_other
from stocky.schema import Id, LocationKind
from stocky.settings.repository import get_settings
from stocky.stock import service
from stocky.stock.location_stock import count_skus_at, list_skus_at
from stocky.stock.recorder import Recorder
from stocky.stock.schemas import Adjustment, NewSku, Sku

PAGE = 50
# At most this many of the locations in it are listed.
MOST_INSIDE = 100
# At most this many used-up lots are listed; the search finds the others.
MOST_EMPTY = 50

_DONE: dict[str, Text] = {
    "added": _("The location is created. Put the first thing in."),
    "changed": _("The location is changed."),
    "hidden": _("The location is hidden."),
    "shown": _("The location is shown again."),
    "stocked": _("Added to the stock."),
    "same": _("Nothing differs from what was counted, so nothing was booked."),
    "undone": _("It is undone."),
    "returned": _("The return is booked"),
}


class Step(Adjustment, kw_only=True):
    """A press on − or +."""

    sku_id: Id


@get("/locations/{location_id:int}", opt=readers)
async def show_location(
    request: Request[Any, Any, Any], state: State, location_id: PathId, q: Typed = "", page_number: PageNumber = 1
) -> Html:
    """The stock of a location."""
    return await _page(request, state, location_id, q.strip(), page_number)


@post("/locations/{location_id:int}/step", opt=members, status_code=200)
async def step(
    request: Request[Any, Any, Any],
    state: State,
    recorder: Recorder,
    user: Principal,
    location_id: PathId,
    q: Typed = "",
    page_number: PageNumber = 1,
) -> Html:
    """Adds one or takes one."""
    form = await read_form(request, Step)
    if form.errors:
        return await _page(request, state, location_id, q.strip(), page_number, form)
    change = Adjustment(delta=form.data.delta, event_id=form.data.event_id)
    await service.adjust_stock(recorder, form.data.sku_id, change, user)
    if fragment_of(request):
        return await _page(request, state, location_id, q.strip(), page_number)
    return see_other(request, f"/locations/{location_id}", q=q.strip(), page=page_number if page_number > 1 else None)


@post("/locations/{location_id:int}/stock", opt=members)
async def add_stock(
    request: Request[Any, Any, Any], state: State, recorder: Recorder, user: Principal, location_id: PathId
) -> Html:
    """Adds an item to the location."""
    typed = await read_values(request)
    form: Form[NewSku] = Form(typed)
    with form.catching():
        async with state.database.read() as read:
            await pick_item(read, typed)
        at_location = {**typed, "location_id": [str(location_id)]}
        form = parse_form(at_location, NewSku, language=language_of(request))
    if not form.errors:
        with form.catching():
            await service.add_stock(recorder, form.data, user)
    if form.errors:
        return refused(request, form) or await _page(request, state, location_id, "", 1, form)
    return see_other(request, f"/locations/{location_id}", done="stocked")


@post("/locations/{location_id:int}/undo", opt=members)
async def undo_batch(request: Request[Any, Any, Any], recorder: Recorder, user: Principal, location_id: PathId) -> Html:
    """Undoes a move or a stock-take."""
    typed = await read_values(request)
    await service.undo(recorder, None, user, batch=typed.get("batch_id", [""])[-1][:64])
    return see_other(request, f"/locations/{location_id}", done="undone")


async def _page(
    request: Request[Any, Any, Any],
    state: State,
    location_id: int,
    typed: str,
    page_number: int,
    form: Form[Any] | None = None,
) -> Html:
    search = typed or None
    async with state.database.read() as read:
        location = await location_repository.get_location(read, location_id)
        around = await location_repository.list_ancestors(read, location)
        inside = await location_repository.list_locations_directly_in(read, location_id, limit=MOST_INSIDE + 1)
        await location_repository.add_counts(read, [location])
        nodes = await make_nodes(read, inside[:MOST_INSIDE])
        total = await count_skus_at(read, location_id, search=search)
        page_number = at_most_last(page_number, total, PAGE)
        skus = await list_skus_at(read, location_id, skip=(page_number - 1) * PAGE, limit=PAGE, search=search)
        empty = await list_skus_at(read, location_id, skip=0, limit=MOST_EMPTY, holds_stock=False, search=search)
        empty = _used_up(empty, skus)
        loans = await list_loans(read, person_id=location_id, skip=0, limit=PAGE)
        soon_days = (await get_settings(read)).expiring_soon_days
    today: date = clock.local_today()
    return page(
        request,
        "location.html",
        200 if form is None else form.status,
        location=location,
        up=links_to(around),
        nodes=nodes,
        has_more_inside=len(inside) > MOST_INSIDE,
        skus=skus,
        empty=empty,
        total=total,
        typed=typed,
        page_number=page_number,
        page_size=PAGE,
        today=today,
        soon=today + timedelta(days=soon_days),
        form=form or Form(),
        done=_done(request),
        batch_id=request.query_params.get("batch", "")[:64],
        is_person=location.kind is LocationKind.PERSON,
        loans=loans,
    )


def _used_up(empty: list[Sku], skus: list[Sku]) -> list[Sku]:
    """One lot of each item of which nothing is left: the one that expires last, or has no expiry date."""
    held = {sku.item_id for sku in skus}
    return list({sku.item_id: sku for sku in empty if sku.item_id not in held}.values())


def _done(request: Request[Any, Any, Any]) -> Text | None:
    done, number = request.query_params.get("done", ""), request.query_params.get("number", "")
    count = int(number) if number.isascii() and number.isdigit() and len(number) < 6 else 0
    if done == "moved":
        return plural("%(num)s lot was moved.", "%(num)s lots were moved.", count)
    if done == "counted":
        return plural("%(num)s quantity was corrected.", "%(num)s quantities were corrected.", count)
    return _DONE.get(done)


routes = [show_location, step, add_stock, undo_batch]
