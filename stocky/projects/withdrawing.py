"""Withdraws a project: takes all its items from stock in one transaction and one batch, or none."""

from __future__ import annotations

from msgspec import Struct, structs

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.errors import Conflict, StockyError
from stocky.logs import audit
from stocky.projects import repository
from stocky.projects.requirements import RequirementRow, list_requirements, list_rows
from stocky.projects.schemas import NewWithdrawal, Shortage, Withdrawn
from stocky.stock.batch_writer import new_batch_id
from stocky.stock.fingerprints import has_fingerprint
from stocky.stock.operations import ItemKey, Operation, Posting
from stocky.stock.recorder import Recorder
from stocky.stock.repository import list_batch
from stocky.stock.service import error_of, named

# Shortages named in the message; `results` has all of them.
NAMED_SHORTAGES = 10


class _Earlier(Struct):
    project_id: int
    batch_id: str
    fingerprint: str


async def withdraw(tx: Connection, recorder: Recorder, project_id: int, new: NewWithdrawal, by: Principal) -> Withdrawn:
    """Takes every item that the project needs from all locations, earliest expiry first. Placeholders have no stock.

    The same event_id sent again returns the first events and changes nothing. Raises NotFound, and Conflict with the
    shortages as results when any item is short, or when the project is already withdrawn.
    """
    project = await repository.open_project(tx, project_id)
    content = ("withdraw", project_id, new)
    if new.event_id is not None:
        earlier = await tx.one("find_withdrawal_of_event", _Earlier, event_id=new.event_id)
        if earlier is not None and has_fingerprint(content, earlier.fingerprint):
            return Withdrawn(earlier.batch_id, await list_batch(tx, earlier.batch_id), duplicate=True)
    if withdrawal := await repository.find_withdrawal(tx, project_id):
        raise Conflict(
            f"The project is already withdrawn from stock; to withdraw it again, undo batch {withdrawal.batch_id} first"
        )
    needed = [row for row in await list_rows(tx, project_id) if row.item_id is not None]
    if not needed:
        raise Conflict("The project needs no items, so there is nothing to take from stock")
    operations = [_operation(row, new.note or f"For {project.name}", by) for row in needed]
    operations[0] = structs.replace(operations[0], **named(new.event_id, content))
    posting = Posting(operations, batch_id=new_batch_id(), atomic=True)
    await recorder.post_within(tx, posting)
    if posting.rejected_whole:
        raise await _rejection(tx, project_id, posting)
    await tx.execute(
        "add_withdrawal", project_id=project_id, batch_id=posting.batch_id, user_id=by.id, recorded_at=clock.now()
    )
    await audit.record(tx, by, "withdrawn", "project", project_id, {"batch_id": posting.batch_id})
    assert posting.batch_id is not None
    return Withdrawn(posting.batch_id, await list_batch(tx, posting.batch_id), duplicate=False)


def _operation(row: RequirementRow, note: str, by: Principal) -> Operation:
    return Operation(
        kind="remove",
        item=ItemKey(id=row.item_id),
        quantity_milli=row.quantity_milli,
        all_locations=True,
        in_main_unit=True,
        note=note,
        user_id=by.id,
    )


async def _rejection(tx: Connection, project_id: int, posting: Posting) -> StockyError:
    shortages = [
        Shortage(
            item_id=each.item.id,
            code=each.item.code,
            name=each.item.name,
            quantity=each.quantity,
            in_stock=each.in_stock,
            missing=each.missing,
        )
        for each in await list_requirements(tx, project_id, is_withdrawn=False)
        if each.item is not None and each.missing
    ]
    first = next(outcome for outcome in posting.outcomes if outcome.status == "rejected")
    if first.rejection != "policy" or not shortages:
        return error_of(first)
    listed = "; ".join(f"{each.missing:g} of {each.name} missing" for each in shortages[:NAMED_SHORTAGES])
    more = f"; and {len(shortages) - NAMED_SHORTAGES} more" if len(shortages) > NAMED_SHORTAGES else ""
    return Conflict(f"Nothing was taken from stock. {listed}{more}", results=shortages)
