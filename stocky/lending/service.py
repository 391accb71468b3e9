"""Lends and takes back: both are moves of the ledger, recognised by their event_id when they are sent again."""

from __future__ import annotations

from typing import Any

from msgspec import UnsetType

from stocky.auth.schemas import Principal
from stocky.catalogue.location_repository import get_active_location, get_location
from stocky.db import Connection, Database
from stocky.errors import Conflict, Invalid
from stocky.lending import repository
from stocky.lending.schemas import Lent, Loan, LoanReturn, NewLoan
from stocky.quantity import quantity_text, to_milli
from stocky.schema import LocationKind
from stocky.stock.batch_writer import new_batch_id
from stocky.stock.operations import ItemKey, LocationKey, Operation, Posting
from stocky.stock.recorder import Recorder
from stocky.stock.schemas import StockEvent, named_lot
from stocky.stock.service import error_of, lot_fields, named, raise_if_rejected


async def lend(database: Database, recorder: Recorder, new: NewLoan, by: Principal) -> Lent:
    """Moves stock to a person. Raises NotFound, Invalid for a location that is no person, Conflict for a shortage."""
    operation = Operation(
        kind="move",
        item=None if new.item_id is None else ItemKey(id=new.item_id),
        sku_id=new.sku_id,
        location=None if new.location_id is None else LocationKey(id=new.location_id),
        to_location=LocationKey(id=new.person_id),
        quantity_milli=to_milli(new.quantity),
        unit=new.unit,
        lends=True,
        due_on=new.due_on,
        note=new.note,
        occurred_at=new.occurred_at,
        user_id=by.id,
        with_details=True,
        **_lot(new),
        **named(new.event_id, ("lent", new)),
    )
    posting = await recorder.post(Posting([operation], batch_id=new_batch_id()))
    outcome = posting.outcomes[0]
    if outcome.status == "rejected":
        if outcome.rejection in ("invalid", "not_found"):
            await _check_person(database, new.person_id)
        raise error_of(outcome)
    async with database.read() as read:
        loans = await repository.list_loans_of_events(read, _arrivals(outcome.events))
    return Lent(loans=loans, batch_id=outcome.events[0].batch_id, duplicate=outcome.status == "duplicate")


async def take_back(tx: Connection, recorder: Recorder, loan_id: int, wanted: LoanReturn, by: Principal) -> Loan:
    """Moves all or a part of a loan from the person to a location, within a transaction.

    Raises NotFound, Conflict for more than is outstanding, Invalid without a location in use to bring it to.
    """
    loan = await repository.lock_loan(tx, loan_id)
    quantity = loan.outstanding if wanted.quantity is None else wanted.quantity
    location_id = wanted.location_id or loan.from_location_id
    is_known = wanted.event_id is not None and await tx.value("find_event_ids", event_ids=[wanted.event_id]) is not None
    if not is_known:
        _check(loan, quantity)
        location_id = await _destination(tx, loan, wanted.location_id)
    operation = Operation(
        kind="move",
        sku_id=loan.sku_id,
        to_location=None if location_id is None else LocationKey(id=location_id),
        quantity_milli=to_milli(quantity),
        returns_loan=loan_id,
        note=wanted.note,
        occurred_at=wanted.occurred_at,
        user_id=by.id,
        **named(wanted.event_id, ("returned", loan_id, wanted)),
    )
    raise_if_rejected(await recorder.record_within(tx, operation))
    return await repository.get_loan(tx, loan_id)


async def _check_person(database: Database, location_id: int) -> None:
    """Raises NotFound for a location that is missing or hidden, Invalid for one that is no person."""
    async with database.read() as read:
        location = await get_active_location(read, location_id)
    if location.kind is not LocationKind.PERSON:
        raise Invalid(
            f"{location.path} is a place; lend to a location of the kind person, or move the stock", field="person_id"
        )


async def _destination(tx: Connection, loan: Loan, location_id: int | None) -> int:
    """Where a return goes: the location that it names, else where the loan came from.

    Raises NotFound, Invalid for a person, and if where it came from is not known or no longer in use.
    """
    to = location_id or loan.from_location_id
    if to is None:
        raise Invalid("Nothing says where it came from; name the location to bring it to", field="location_id")
    location = await get_location(tx, to)
    if location.kind is LocationKind.PERSON:
        raise Invalid(
            f"{location.path} is a person, so this is no return; lend it to them instead, or name a place",
            field="location_id",
        )
    if not location.is_active:
        raise Invalid(f"{location.path} is no longer in use; name the location to bring it to", field="location_id")
    return location.id


def _check(loan: Loan, quantity: float) -> None:
    if not loan.outstanding:
        raise Conflict(f"{loan.item_name} was returned already: nothing of this loan is at {loan.person_path}")
    if quantity > loan.outstanding:
        raise Conflict(
            f"Only {quantity_text(to_milli(loan.outstanding))} of this loan of {loan.item_name} is at"
            f" {loan.person_path}; {quantity_text(to_milli(quantity))} cannot be returned",
            field="quantity",
        )


def _lot(new: NewLoan) -> dict[str, Any]:
    expiry_date = new.expiry_date
    if new.lot is None and new.serial is None and isinstance(expiry_date, UnsetType):
        return {}
    return lot_fields(named_lot(new.lot, expiry_date, new.serial))


def _arrivals(events: list[StockEvent]) -> list[int]:
    return [event.id for event in events if event.delta > 0]
