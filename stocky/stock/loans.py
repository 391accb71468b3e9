"""Keeps what is lent: each arrival of stock at a person is a loan, in the transaction that books it.

How much of a loan is outstanding is never stored. It follows from the stock of its SKU, in the view `loan_detail` and
in `share_out` by one rule: what is there belongs to the newest loans.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

from msgspec import Struct

from stocky.db import Connection
from stocky.stock.ledger import Ledger
from stocky.stock.models import Entry

# Characters of the note of a loan.
MAX_NOTE = 1000


class Claim(Struct):
    """A loan of a SKU, with what of it was neither undone nor returned by name."""

    id: int
    from_location_id: int | None
    due_on: date | None
    note: str
    lent_at: datetime
    claim_milli: int


async def record_loans(tx: Connection, ledger: Ledger) -> set[int]:
    """Adds the loans and the returns by name among the written entries. Returns the items with changed stock there."""
    if not any(entry.sku.location_id in ledger.persons for entry in ledger.entries):
        return set()
    for source, entry in _booked(ledger.entries):
        if entry.reverses_id is not None:
            if entry.sku.location_id in ledger.persons and entry.delta_milli > 0:
                await _put_back(tx, entry, ledger.moment)
            continue
        if source is not None and source.sku.location_id in ledger.persons:
            if source.sku.location_id == entry.sku.location_id:
                await _continue(tx, source, entry, ledger.moment)
                continue
            if (loan_id := source.operation.returns_loan) is not None:
                await tx.execute("add_loan_returns", event_id=source.id, loan_id=loan_id)
        if entry.sku.location_id in ledger.persons and entry.delta_milli > 0:
            from_location_id = None if source is None else source.sku.location_id
            await _add(tx, entry, entry.delta_milli, ledger.moment, from_location_id=from_location_id)
    return {entry.sku.item_id for entry in ledger.entries if entry.sku.location_id in ledger.persons}


def share_out(claims: Sequence[Claim], quantity_milli: int) -> dict[int, int]:
    """What of each loan is outstanding if the SKU has this quantity: the newest come first."""
    left = max(quantity_milli, 0)
    shares = {}
    for claim in reversed(claims):
        shares[claim.id] = min(claim.claim_milli, left)
        left -= shares[claim.id]
    return shares


def _booked(entries: list[Entry]) -> Iterator[tuple[Entry | None, Entry]]:
    """The entries; the two sides of a move are next to each other, and come as one."""
    following = iter(entries)
    for entry in following:
        if entry.kind == "move" and entry.reverses_id is None:
            yield entry, next(following)
        else:
            yield None, entry


async def _put_back(tx: Connection, entry: Entry, moment: datetime) -> None:
    """An undo brought stock back to a person: to its loans, or as one where none is left that it could belong to.

    So it is where the location was no person yet when the stock left it.
    """
    claims: list[Claim] = await tx.all("list_loan_claims", Claim, sku_id=entry.sku.id)
    missing = entry.quantity_after_milli - sum(claim.claim_milli for claim in claims)
    if missing > 0:
        await _add(tx, entry, min(missing, entry.delta_milli), moment)


async def _continue(tx: Connection, source: Entry, target: Entry, moment: datetime) -> None:
    """A merge, or opening, moved stock to another SKU at the person: its loans go on there, each with its share."""
    if target.delta_milli <= 0:
        return
    claims: list[Claim] = await tx.all("list_loan_claims", Claim, sku_id=source.sku.id)
    before = share_out(claims, source.quantity_after_milli - source.delta_milli)
    after = share_out(claims, source.quantity_after_milli)
    moved = given = 0
    for claim in claims:
        moved += before[claim.id] - after[claim.id]
        # In the target's unit. Of the sum, so that rounding loses nothing.
        share = target.delta_milli * moved // -source.delta_milli - given
        if share:
            given += share
            await _add(
                tx,
                target,
                share,
                moment,
                from_location_id=claim.from_location_id,
                due_on=claim.due_on,
                note=claim.note,
                continues_id=claim.id,
                lent_at=claim.lent_at,
            )
    if given < target.delta_milli:
        await _add(tx, target, target.delta_milli - given, moment)


async def _add(tx: Connection, entry: Entry, quantity_milli: int, moment: datetime, **details: Any) -> None:
    values = {
        "from_location_id": None,
        "due_on": entry.operation.due_on,
        # A scan adds what its label says to the note of the event.
        "note": (entry.operation.note or "")[:MAX_NOTE],
        "continues_id": None,
        "lent_at": entry.operation.occurred_at or moment,
    } | details
    await tx.execute(
        "add_loans",
        event_id=entry.id,
        sku_id=entry.sku.id,
        quantity_milli=quantity_milli,
        created_at=moment,
        **values,
    )
