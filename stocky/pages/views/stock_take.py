"""Counting and moving the stock of a location: all rows in one form; a count books only the rows that differ."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.datastructures import State
from msgspec import Meta, Struct

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.catalogue import location_repository
from stocky.db import Database
from stocky.http.parameters import PathId
from stocky.pages.forms import Form, parse_form, read_values
from stocky.pages.languages import language_of
from stocky.pages.parameters import PageNumber, at_most_last
from stocky.pages.pickers import pick_location
from stocky.pages.rendering import Html, page, see_other
from stocky.pages.typed import as_id
from stocky.quantity import Quantity, to_milli
from stocky.schema import Id
from stocky.stock.location_stock import Counted, book_stock_take, count_skus_at, find_skus_at, list_skus_at, move_stock
from stocky.stock.recorder import Recorder

# The rows of one form; a location with more is counted page by page.
PAGE = 200


class _Count(Struct):
    """The field of a row."""

    quantity: Quantity

    def __post_init__(self) -> None:
        to_milli(self.quantity)


class Move(Struct, kw_only=True):
    """The target location and the SKUs to move: none means all."""

    to_location_id: Id
    id: Annotated[list[Id], Meta(max_length=1000)] = []


@get("/locations/{location_id:int}/count", opt=members)
async def show_stock_take(
    request: Request[Any, Any, Any], state: State, location_id: PathId, page_number: PageNumber = 1
) -> Html:
    """All rows with their quantities, to be corrected."""
    return await _count_page(request, state, location_id, page_number, Form())


@post("/locations/{location_id:int}/count", opt=members)
async def book_counts(
    request: Request[Any, Any, Any],
    state: State,
    recorder: Recorder,
    user: Principal,
    location_id: PathId,
    page_number: PageNumber = 1,
) -> Html:
    """Books the quantities that differ from those that the form showed."""
    typed = await read_values(request)
    counted, errors = _read_counts(typed, language_of(request))
    if errors:
        ids = {one.sku_id for one in counted} | {int(name.removeprefix("count-")) for name in errors}
        return await _count_page(request, state, location_id, page_number, Form(typed, errors), ids, booked=None)
    query: dict[str, Any] = {"done": "same"}
    if counted:
        booked = await book_stock_take(recorder, counted, user)
        if booked.refused:
            # For rows that were booked, the form shows the new quantities.
            left = {name: values for name, values in typed.items() if _sku_id(name, "count-") in booked.refused}
            errors = {f"count-{sku_id}": reason for sku_id, reason in booked.refused.items()}
            form: Form[Any] = Form(left, errors)
            return await _count_page(
                request, state, location_id, page_number, form, booked.refused.keys(), booked.booked
            )
        query = {"done": "counted", "number": booked.booked, "batch": booked.batch_id}
    return see_other(request, f"/locations/{location_id}", **query)


@get("/locations/{location_id:int}/move", opt=members)
async def show_move(request: Request[Any, Any, Any], state: State, location_id: PathId) -> Html:
    """Asks for the location to move all of it to."""
    return await _move_page(request, state, location_id, Form())


@post("/locations/{location_id:int}/move", opt=members)
async def move(
    request: Request[Any, Any, Any],
    state: State,
    database: Database,
    recorder: Recorder,
    user: Principal,
    location_id: PathId,
) -> Html:
    """Moves the selected stock, or all, to another location; with `choose` asks for the location first."""
    typed = await read_values(request)
    if "choose" in typed:
        if not any(typed.get("id", [])):
            # An empty selection must not move everything.
            return see_other(request, f"/locations/{location_id}")
        return await _move_page(request, state, location_id, Form(typed))
    form: Form[Move] = Form(typed)
    with form.catching():
        async with database.read() as read:
            await pick_location(read, typed, "to_location_id")
        form = parse_form(typed, Move)
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                chosen = set(form.data.id) or None
                number, batch_id = await move_stock(tx, recorder, location_id, form.data.to_location_id, user, chosen)
    if form.errors:
        return await _move_page(request, state, location_id, form)
    return see_other(request, f"/locations/{location_id}", done="moved", number=number, batch=batch_id)


async def _count_page(
    request: Request[Any, Any, Any],
    state: State,
    location_id: int,
    page_number: int,
    form: Form[Any],
    unbooked: Collection[int] = (),
    booked: int | None = 0,
) -> Html:
    """The rows of a page, after those of the SKUs `unbooked` that it no longer has: their counts are in `form`.

    `booked`: how many rows were; None if the form could not be read, so that nothing was tried.
    """
    async with state.database.read() as read:
        location = await location_repository.get_location(read, location_id)
        total = await count_skus_at(read, location_id)
        page_number = at_most_last(page_number, total, PAGE)
        skus = await list_skus_at(read, location_id, skip=(page_number - 1) * PAGE, limit=PAGE)
        gone = set(unbooked) - {sku.id for sku in skus}
        if gone:
            skus = await find_skus_at(read, location_id, gone, with_empty=True) + skus
    return page(
        request,
        "stock-take.html",
        form.status,
        location=location,
        skus=skus,
        total=total,
        page_number=page_number,
        page_size=PAGE,
        form=form,
        booked=booked,
    )


async def _move_page(request: Request[Any, Any, Any], state: State, location_id: int, form: Form[Any]) -> Html:
    ids = {id for each in form.texts("id") if (id := as_id(each)) is not None}
    async with state.database.read() as read:
        location = await location_repository.get_location(read, location_id)
        total = await count_skus_at(read, location_id)
        chosen = await find_skus_at(read, location_id, ids) if ids else []
    return page(
        request, "move.html", form.status, location=location, ids=sorted(ids), chosen=chosen, total=total, form=form
    )


def _read_counts(typed: dict[str, list[str]], language: str) -> tuple[list[Counted], dict[str, str]]:
    """The rows that differ, and the errors of those that are no quantity; an empty field was not counted."""
    counted: list[Counted] = []
    errors: dict[str, str] = {}
    for name, values in typed.items():
        sku_id = _sku_id(name, "count-")
        if sku_id is None or not values[-1].strip():
            continue
        row = parse_form({"quantity": values}, _Count, language=language)
        if row.errors:
            errors[name] = row.errors["quantity"]
            continue
        before = parse_form({"quantity": typed.get(f"was-{sku_id}", [])}, _Count)
        if before.errors or before.data.quantity != row.data.quantity:
            counted.append(Counted(sku_id, row.data.quantity, _version(typed, sku_id)))
    return counted, errors


def _version(typed: dict[str, list[str]], sku_id: int) -> int:
    text = typed.get(f"version-{sku_id}", ["0"])[-1]
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else 0


def _sku_id(name: str, prefix: str) -> int | None:
    number = name.removeprefix(prefix)
    if not name.startswith(prefix) or not number.isascii() or not number.isdigit() or len(number) > 15:
        return None
    return int(number)


routes = [show_stock_take, book_counts, show_move, move]
