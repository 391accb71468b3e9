"""What is lent: the list with what is overdue first, the return of a loan, its due date, and lending an item."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.params import QueryParameter
from msgspec import Struct

from stocky import clock
from stocky.auth.guards import members, readers
from stocky.auth.schemas import Principal, Role
from stocky.catalogue import location_repository
from stocky.db import Connection, Database
from stocky.errors import Invalid
from stocky.http.parameters import PathId
from stocky.lending import repository, service
from stocky.lending.schemas import LoanChange, LoanReturn, NewLoan
from stocky.pages.forms import Form, filled, parse_form, read_changes, read_form, read_values, shown_fields
from stocky.pages.languages import Text, _, language_of
from stocky.pages.parameters import PageNumber
from stocky.pages.pickers import pick_location
from stocky.pages.problems import own_path
from stocky.pages.refusals import refused
from stocky.pages.rendering import Html, make_url, page, see_other
from stocky.pages.typed import find_location
from stocky.quantity import Quantity, rounded
from stocky.schema import MAX_ID, Id, LocationKind
from stocky.stock import repository as stock_repository
from stocky.stock.item_stock import StockedItem, get_stocked_items
from stocky.stock.recorder import Recorder
from stocky.stock.schemas import EventId, Notes

PAGE = 50
PersonId = Annotated[int | None, QueryParameter(ge=1, le=MAX_ID, required=False)]
_PAST = "must not be in the past"
_DONE: dict[str, Text] = {
    "returned": _("The return is booked"),
    "changed": _("Saved"),
}


class Lending(Struct, kw_only=True):
    """What the form to lend an item sends; the person is that of a picker."""

    sku_id: Id
    quantity: Quantity
    due_on: date | None = None
    note: Notes | None = None
    event_id: EventId | None = None

    def __post_init__(self) -> None:
        if rounded(self.quantity) == 0:
            raise ValueError("quantity: must be more than 0")
        if self.due_on is not None and self.due_on < clock.local_today():
            raise ValueError(f"due_on: {_PAST}")


@get("/lent", opt=readers)
async def show_loans(
    request: Request[Any, Any, Any],
    read: Connection,
    user: Principal,
    overdue: bool = False,
    returned: bool = False,
    person_id: PersonId = None,
    page_number: PageNumber = 1,
) -> Html:
    """What is lent, or what was returned; all of it or that of one person."""
    wanted: dict[str, Any] = {"overdue": overdue, "is_open": not returned, "person_id": person_id, "limit": PAGE + 1}
    loans = await repository.list_loans(read, **wanted, skip=(page_number - 1) * PAGE)
    if page_number > 1 and not loans:
        # All on this page, the last one, came back.
        page_number, loans = 1, await repository.list_loans(read, **wanted, skip=0)
    person = None if person_id is None else await location_repository.get_location(read, person_id)
    query = {
        "overdue": "true" if overdue else None,
        "returned": "true" if returned else None,
        "person_id": person_id,
    }
    return page(
        request,
        "lent.html",
        loans=loans[:PAGE],
        has_more=len(loans) > PAGE,
        person=person,
        is_overdue=overdue,
        is_returned=returned,
        query=query,
        # Without the base path, which the redirect adds.
        back=make_url("", "/lent", {**query, "page": page_number if page_number > 1 else None}),
        page_number=page_number,
        can_change=_may_change(user),
        done=_DONE.get(request.query_params.get("done", "")),
    )


@get("/lent/{loan_id:int}", opt=readers)
async def show_loan(request: Request[Any, Any, Any], read: Connection, user: Principal, loan_id: PathId) -> Html:
    """One loan, with the forms to return it and to change its due date."""
    return await _loan_page(request, read, user, loan_id, Form())


@post("/lent/{loan_id:int}/return", opt=members)
async def return_loan(
    request: Request[Any, Any, Any], database: Database, recorder: Recorder, user: Principal, loan_id: PathId
) -> Html:
    """Books the return of all or a part of a loan."""
    values = await read_values(request)
    form: Form[LoanReturn] = Form(values)
    with form.catching():
        async with database.read() as read:
            await pick_location(read, values, "location_id")
        form = parse_form(values, LoanReturn, without=["occurred_at"], language=language_of(request))
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                await service.take_back(tx, recorder, loan_id, form.data, user)
    if not form.errors:
        return see_other(request, own_path(form.text("back", "/lent")), done="returned")
    if (refusal := refused(request, form)) is not None:
        return refusal
    async with database.read() as read:
        return await _loan_page(request, read, user, loan_id, form)


@post("/lent/{loan_id:int}", opt=members)
async def change_loan(request: Request[Any, Any, Any], database: Database, user: Principal, loan_id: PathId) -> Html:
    """Changes the due date and the note of a loan, each if it was changed."""
    form = await read_changes(request, LoanChange)
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                await _check_due_date(tx, loan_id, form.data)
                await repository.change_loan(tx, loan_id, form.data, user)
    if not form.errors:
        return see_other(request, "/lent", done="changed")
    async with database.read() as read:
        return await _loan_page(request, read, user, loan_id, form)


@get("/items/{item_id:int}/lend", opt=members)
async def show_lending(
    request: Request[Any, Any, Any], read: Connection, item_id: PathId, person_id: PersonId = None
) -> Html:
    """The form to lend an item, to the person with this id if there is one."""
    person = None if person_id is None else await location_repository.get_location(read, person_id)
    chosen = {} if person is None else {"person_id": person.id, "person_id_text": person.path}
    return await _lending_page(request, read, item_id, filled({"quantity": 1, **chosen}))


@post("/items/{item_id:int}/lend", opt=members)
async def lend(
    request: Request[Any, Any, Any], database: Database, recorder: Recorder, user: Principal, item_id: PathId
) -> Html:
    """Lends some of an item."""
    form = await read_form(request, Lending)
    if not form.errors:
        with form.catching():
            data = form.data
            person = await find_location(database, form, "person_id", user, LocationKind.PERSON)
            async with database.read() as read:
                await _check_source(read, item_id, data.sku_id)
            new = NewLoan(
                person_id=person.id,
                quantity=data.quantity,
                sku_id=data.sku_id,
                due_on=data.due_on,
                note=data.note,
                event_id=data.event_id,
            )
            await service.lend(database, recorder, new, user)
    if not form.errors:
        return see_other(request, f"/items/{item_id}", booked="true")
    if (refusal := refused(request, form)) is not None:
        return refusal
    async with database.read() as read:
        return await _lending_page(request, read, item_id, form)


async def _loan_page(
    request: Request[Any, Any, Any], read: Connection, user: Principal, loan_id: int, form: Form[Any]
) -> Html:
    loan = await repository.get_loan(read, loan_id)
    return page(
        request,
        "loan.html",
        form.status,
        loan=loan,
        form=form,
        shown=shown_fields(form, {"due_on": loan.due_on, "note": loan.note}),
        today=clock.local_today(),
        can_change=_may_change(user),
    )


async def _lending_page(request: Request[Any, Any, Any], read: Connection, item_id: int, form: Form[Any]) -> Html:
    found: list[StockedItem] = await get_stocked_items(read, [item_id])
    if not found:
        return see_other(request, f"/items/{item_id}")
    stock = [sku for sku in found[0].stock if sku.quantity > 0 and not sku.is_lent]
    today = clock.local_today()
    return page(request, "item-lend.html", form.status, item=found[0].item, stock=stock, form=form, today=today)


async def _check_due_date(read: Connection, loan_id: int, change: LoanChange) -> None:
    """Raises Invalid for another due date that has passed; the note of an overdue loan can be changed."""
    due_on = change.due_on
    is_past = isinstance(due_on, date) and due_on < clock.local_today()
    if is_past and due_on != (await repository.get_loan(read, loan_id)).due_on:
        raise Invalid(_PAST, field="due_on")


async def _check_source(read: Connection, item_id: int, sku_id: int) -> None:
    """Raises Invalid for a SKU of another item, or at a person. One without stock may be that of a repeated request."""
    sku = await stock_repository.get_sku(read, sku_id, with_hidden=True)
    location = await location_repository.get_location(read, sku.location_id)
    if sku.item_id != item_id or location.kind is LocationKind.PERSON:
        raise Invalid("choose one of the list", field="sku_id")


def _may_change(user: Principal) -> bool:
    return user.user.role in (Role.ADMIN, Role.MEMBER)


routes = [show_loans, show_loan, return_loan, change_loan, show_lending, lend]
