"""Loans in the database; what is outstanding comes from the stock, in the view `loan_detail`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from msgspec import UNSET, to_builtins

from stocky import clock
from stocky.alerts.evaluate import evaluate_items
from stocky.auth.schemas import Principal
from stocky.db import Connection, Listing
from stocky.errors import NotFound
from stocky.lending.schemas import Loan, LoanChange
from stocky.logs import audit
from stocky.schema import is_empty, or_current


async def list_loans(
    read: Connection,
    *,
    skip: int,
    limit: int,
    person_id: int | None = None,
    item_id: int | None = None,
    overdue: bool = False,
    is_open: bool = True,
    listing: Listing | None = None,
) -> list[Loan]:
    """Loans that are outstanding, or those that were returned; in the order of their due dates, or of `listing`."""
    return await read.page(
        "list_loans",
        Loan,
        listing,
        skip=skip,
        limit=limit,
        person_id=person_id,
        item_id=item_id,
        overdue=overdue,
        is_open=is_open,
        today=clock.local_today(),
    )


async def get_loan(read: Connection, loan_id: int) -> Loan:
    """Raises NotFound."""
    found = await _find(read, ids=[loan_id], event_ids=[])
    if not found:
        raise NotFound(f"There is no loan with id {loan_id}")
    return found[0]


async def list_loans_of_events(read: Connection, event_ids: Collection[int]) -> list[Loan]:
    """The loans that these events of the ledger made."""
    return await _find(read, ids=[], event_ids=event_ids)


async def lock_loan(tx: Connection, loan_id: int) -> Loan:
    """A loan whose item is locked, so that what is outstanding stays until the transaction ends. Raises NotFound."""
    loan = await get_loan(tx, loan_id)
    await tx.all("lock_items", dict[str, Any], ids=[loan.item_id])
    return await get_loan(tx, loan_id)


async def change_loan(tx: Connection, loan_id: int, change: LoanChange, by: Principal) -> Loan:
    """Applies `change`; another due date may raise or resolve an alert. Raises NotFound."""
    loan = await lock_loan(tx, loan_id)
    if is_empty(change):
        return loan
    await tx.execute(
        "change_loan",
        id=loan_id,
        due_on=or_current(change.due_on, loan.due_on),
        note=or_current(change.note, loan.note) or "",
        updated_at=clock.now(),
    )
    await evaluate_items(tx, [loan.item_id])
    details = {name: value for name, value in to_builtins(change).items() if value is not UNSET}
    await audit.record(tx, by, "changed", "loan", loan_id, {"name": loan.item_name, **details})
    return await get_loan(tx, loan_id)


async def _find(read: Connection, *, ids: Collection[int], event_ids: Collection[int]) -> list[Loan]:
    return await read.all("list_loans_by_id", Loan, ids=ids, event_ids=event_ids, today=clock.local_today())
