"""Keeps what is lent: each arrival of stock at a person is a loan, in the transaction that books it.

The outstanding quantity is never stored. The view `loan_detail` and `share_out` derive it from the stock of the SKU,
which is allocated to the newest loans first. A loan ends with the event that leaves nothing of it outstanding; an undo
of that event reopens it.
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
    """Adds and ends loans by the written entries. Returns the items with changed stock at persons."""
    persons, moment = ledger.persons, ledger.moment
    items = {entry.sku.item_id for entry in ledger.entries if entry.sku.location_id in persons}
    if not items:
        return items
    for source, entry in _booked(ledger.entries):
        is_here = entry.sku.location_id in persons
        if source is not None and source.sku.location_id in persons:
            if source.delta_milli > 0:
                # An undo of what was taken from an item before it was merged brings it back to where it is now.
                await _put_back(tx, source, moment)
            else:
                await _take(tx, source, entry if is_here else None, moment)
                is_here = False
        if not is_here:
            continue
        if entry.delta_milli < 0:
            await _take(tx, entry, None, moment)
        elif entry.reverses_id is not None:
            await _put_back(tx, entry, moment)
        elif entry.delta_milli > 0:
            await _add(
                tx,
                entry,
                entry.delta_milli,
                moment,
                from_location_id=None if source is None else source.sku.location_id,
            )
            await _end_below_zero(tx, entry)
    return items


def share_out(claims: Sequence[Claim], quantity_milli: int) -> dict[int, int]:
    """What of each loan is outstanding if the SKU has this quantity: the newest come first."""
    left = max(quantity_milli, 0)
    shares = {}
    for claim in reversed(claims):
        shares[claim.id] = max(min(claim.claim_milli, left), 0)
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


async def _open_claims(tx: Connection, entry: Entry) -> list[Claim]:
    return await tx.all("list_loan_claims", Claim, sku_id=entry.sku.id)


async def _end(tx: Connection, entry: Entry, claims: Sequence[Claim]) -> None:
    shares = share_out(claims, entry.quantity_after_milli)
    if gone := [claim.id for claim in claims if not shares[claim.id]]:
        await tx.execute("end_loans", ids=gone, event_id=entry.id)


async def _end_below_zero(tx: Connection, entry: Entry) -> None:
    """Ends what arrived where less than nothing was."""
    if entry.quantity_after_milli < entry.delta_milli:
        await _end(tx, entry, await _open_claims(tx, entry))


async def _put_back(tx: Connection, entry: Entry, moment: datetime) -> None:
    """An undo brought stock back to a person: to the loans that were open before what it undoes, newest first.

    The rest is a loan of its own. So it is where the location was no person yet when the stock left it.
    """
    missing = entry.quantity_after_milli - sum(claim.claim_milli for claim in await _open_claims(tx, entry))
    if missing > 0 and entry.reverses_id is not None:
        ended: list[Claim] = await tx.all("list_claims_before", Claim, sku_id=entry.sku.id, event_id=entry.reverses_id)
        opened = []
        for claim in ended:
            if missing > 0:
                opened.append(claim.id)
                missing -= claim.claim_milli
        if opened:
            await tx.execute("end_loans", ids=opened, event_id=None)
    if missing > 0:
        await _add(tx, entry, min(missing, entry.delta_milli), moment)


async def _take(tx: Connection, entry: Entry, target: Entry | None, moment: datetime) -> None:
    """Stock left a person. With `target` it went to a person, so that the loans go on there, each with its share."""
    if entry.operation.returns_loan is not None:
        await tx.execute("add_loan_returns", event_id=entry.id, loan_id=entry.operation.returns_loan)
    claims = await _open_claims(tx, entry)
    await _end(tx, entry, claims)
    if target is None:
        return
    if entry.operation.lends:
        await _add(tx, target, target.delta_milli, moment, from_location_id=entry.sku.location_id)
    else:
        await _carry_on(tx, claims, entry, target, moment)
    await _end_below_zero(tx, target)


async def _carry_on(tx: Connection, claims: Sequence[Claim], entry: Entry, target: Entry, moment: datetime) -> None:
    """Adds loans with the details of those that the stock was of."""
    before = share_out(claims, entry.quantity_after_milli - entry.delta_milli)
    after = share_out(claims, entry.quantity_after_milli)
    moved = given = 0
    for claim in claims:
        moved += before[claim.id] - after[claim.id]
        # In the target's unit. Of the sum, so that rounding loses nothing.
        share = target.delta_milli * moved // -entry.delta_milli - given
        if share:
            given += share
            details = {"from_location_id": claim.from_location_id, "due_on": claim.due_on, "note": claim.note}
            if target.sku.location_id == entry.sku.location_id:
                # A merge, or opening. Another person has it as a loan of its own, whose due date may become another.
                details |= {"continues_id": claim.id, "lent_at": claim.lent_at}
            await _add(tx, target, share, moment, **details)
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
