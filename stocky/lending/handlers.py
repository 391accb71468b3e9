"""`/loans`: what is lent to whom, until when, and its return."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, get, post, route
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter

from stocky.auth.guards import members, readers
from stocky.auth.schemas import Principal
from stocky.db import Connection, Database
from stocky.http.openapi import may_be_missing
from stocky.http.parameters import Paging, PathId
from stocky.http.request import long_read
from stocky.http.routing import Router
from stocky.lending import repository, service
from stocky.lending.schemas import Lent, Loan, LoanChange, LoanReturn, NewLoan
from stocky.schema import MAX_ID
from stocky.stock.recorder import Recorder

PersonId = Annotated[
    int | None, Parameter(ge=1, le=MAX_ID, description="Only what is lent to this person", required=False)
]
ItemId = Annotated[int | None, Parameter(ge=1, le=MAX_ID, description="Only loans of this item", required=False)]
Overdue = Annotated[bool, Parameter(description="Only loans whose due date has passed", required=False)]
IsOpen = Annotated[bool, Parameter(description="`false`: those that were returned instead", required=False)]
_LENT = may_be_missing | {200: ResponseSpec(Lent, generate_examples=False)}


@get("/", opt=readers | long_read())
async def list_loans(
    read: Connection,
    paging: Paging,
    person_id: PersonId = None,
    item_id: ItemId = None,
    overdue: Overdue = False,
    is_open: IsOpen = True,
) -> list[Loan]:
    """Loans in the order of their due dates, those without one last."""
    return await repository.list_loans(
        read,
        skip=paging.skip,
        limit=paging.limit,
        listing=paging,
        person_id=person_id,
        item_id=item_id,
        overdue=overdue,
        is_open=is_open,
    )


@post("/", opt=members, responses=_LENT)
async def create_loan(data: NewLoan, database: Database, recorder: Recorder, user: Principal) -> Response[Lent]:
    """Lend stock to a person: it moves to the location of that person. Sent again with its `event_id`, it counts once.

    `POST /events/batches/{batch_id}/undo` takes it back as if it had not been lent.
    """
    lent = await service.lend(database, recorder, data, user)
    return Response(lent, status_code=200 if lent.duplicate else 201)


@get("/{loan_id:int}", opt=readers)
async def get_loan(read: Connection, loan_id: PathId) -> Loan:
    """One loan."""
    return await repository.get_loan(read, loan_id)


@route("/{loan_id:int}", http_method=["PUT", "PATCH"], opt=members)
async def change_loan(data: LoanChange, tx: Connection, user: Principal, loan_id: PathId) -> Loan:
    """Change the due date or the note of a loan; fields not sent keep their values."""
    return await repository.change_loan(tx, loan_id, data, user)


@post("/{loan_id:int}/return", opt=members, status_code=200)
async def return_loan(
    tx: Connection, recorder: Recorder, user: Principal, loan_id: PathId, data: LoanReturn | None = None
) -> Loan:
    """Return all or a part of a loan, to where it came from unless `location_id` names another location."""
    return await service.take_back(tx, recorder, loan_id, data or LoanReturn(), user)


loan_routes = Router(
    "/loans",
    route_handlers=[list_loans, create_loan, get_loan, change_loan, return_loan],
    tags=["Lending"],
)
