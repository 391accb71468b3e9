"""Changes and withdraws projects: a withdrawal takes all its items from stock in one batch, or none.

A withdrawn project is fixed.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, structs, to_builtins

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.catalogue.repository import get_items, lock_items
from stocky.db import Connection
from stocky.errors import Conflict, StockyError
from stocky.logs import audit
from stocky.projects import repository
from stocky.projects.repository import (
    RequirementRow,
    add_requirements,
    change_requirement,
    get_requirement_row,
    list_requirement_rows,
    list_requirements,
    lock_requirement_rows,
    remove_requirement,
)
from stocky.projects.schemas import Listed, ListWish, NewWithdrawal, Requirement, Shortage, Withdrawn
from stocky.quantity import MAX_QUANTITY, quantity_text, to_milli
from stocky.shopping import repository as shopping
from stocky.shopping.repository import Addition, list_entries, raise_entries
from stocky.shopping.schemas import ItemEntryChange, NewEntry, NewList, PlaceholderChange
from stocky.stock.batch_writer import new_batch_id
from stocky.stock.fingerprints import has_fingerprint
from stocky.stock.operations import ItemKey, Operation, Posting
from stocky.stock.recorder import Recorder
from stocky.stock.repository import list_batch
from stocky.stock.service import error_of, named

# Shortages named in the message; `results` has all of them.
NAMED_SHORTAGES = 10


async def add_requirement(tx: Connection, project_id: int, new: NewEntry, by: Principal) -> Requirement:
    """Raises NotFound, Conflict when the project needs it already or has been withdrawn."""
    await _open_unwithdrawn(tx, project_id)
    (entry_id,) = await add_requirements(tx, project_id, [new])
    await _log_change(tx, project_id, by, {"added": to_builtins(new)})
    return await _read_back(tx, project_id, entry_id)


async def set_requirements(
    tx: Connection, project_id: int, new: list[NewEntry], by: Principal, because: dict[str, Any]
) -> None:
    """Sets the quantities of these items and texts, of which each occurs once; other requirements stay.

    Raises NotFound, Conflict when there are too many or the project has been withdrawn.
    """
    await _open_unwithdrawn(tx, project_id)
    await lock_items(tx, {each.item_id for each in new if each.item_id is not None})
    rows = {(row.item_id, row.text): row for row in await list_requirement_rows(tx, project_id)}
    added = [each for each in new if (each.item_id, each.text) not in rows]
    if added:
        await add_requirements(tx, project_id, added)
    changed = 0
    for each in new:
        row = rows.get((each.item_id, each.text))
        if row is not None and row.quantity_milli != to_milli(each.quantity):
            await change_requirement(tx, row, {"quantity": each.quantity})
            changed += 1
    await tx.execute("touch_project", id=project_id, updated_at=clock.now())
    details = because | {"added": len(added), "changed": changed}
    await audit.record(tx, by, "imported", "project", project_id, details)


async def change_need(
    tx: Connection,
    project_id: int,
    change: ItemEntryChange | PlaceholderChange,
    by: Principal,
    *,
    item_id: int | None = None,
    entry_id: int | None = None,
) -> Requirement:
    """Raises NotFound, Conflict when the project has the text already or has been withdrawn."""
    await _open_unwithdrawn(tx, project_id)
    row = await _open_requirement(tx, project_id, item_id, entry_id)
    sent = to_builtins(change)
    await change_requirement(tx, row, sent)
    await _log_change(tx, project_id, by, {"changed": _named(row) | sent})
    return await _read_back(tx, project_id, row.id)


async def remove_need(
    tx: Connection, project_id: int, by: Principal, *, item_id: int | None = None, entry_id: int | None = None
) -> None:
    """Raises NotFound, Conflict when the project has been withdrawn."""
    await _open_unwithdrawn(tx, project_id)
    row = await _open_requirement(tx, project_id, item_id, entry_id)
    await remove_requirement(tx, row)
    await _log_change(tx, project_id, by, {"removed": _named(row)})


async def add_missing_to_list(tx: Connection, project_id: int, wish: ListWish, by: Principal) -> Listed:
    """Puts at least the missing quantity of each requirement on a shopping list; repeating it changes nothing.

    Where other projects on the list need the same thing, it is what all of them lack together.

    Raises NotFound for an unknown project or list, Conflict when nothing is missing for a new list, or the list
    is too full.
    """
    project = await repository.open_project(tx, project_id)
    is_withdrawn = await repository.find_withdrawal(tx, project_id) is not None
    list_id = wish.list_id
    if list_id is None:
        if is_withdrawn or not any(row.missing_milli for row in await list_requirement_rows(tx, project_id)):
            raise Conflict("Nothing is missing, so a new list would be empty")
        new = NewList(name=wish.name or project.name, is_public=wish.is_public)
        list_id = (await shopping.add_list(tx, new, by)).id
    await shopping.open_list(tx, list_id, by)
    needed = [] if is_withdrawn else await lock_requirement_rows(tx, project_id)
    because = {"project_id": project_id, "project": project.name}
    others = await repository.list_needs_of_listed_projects(tx, list_id, project_id)
    # The stock is for all projects on the list together.
    missing = [(row, row.missing_beside(others.get((row.item_id, row.text), 0))) for row in needed]
    items = await get_items(tx, {row.item_id for row, milli in missing if milli and row.item_id is not None})
    wanted = [
        Addition(
            row.item_id,
            row.text,
            min(milli, MAX_QUANTITY * 1000),
            what=row.text or "" if row.item_id is None else items[row.item_id].name,
        )
        for row, milli in missing
        if milli
    ]
    added, raised = await raise_entries(tx, list_id, wanted, by, because)
    await repository.note_listed_project(tx, list_id, project_id)
    entries = await list_entries(tx, list_id)
    return Listed(
        await shopping.get_list(tx, list_id, by),
        [entry for entry in entries if entry.id in added],
        [entry for entry in entries if entry.id in raised],
    )


class _EarlierWithdrawal(Struct):
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
        earlier = await tx.one("find_withdrawal_of_event", _EarlierWithdrawal, event_id=new.event_id)
        if earlier is not None and has_fingerprint(content, earlier.fingerprint):
            return Withdrawn(earlier.batch_id, await list_batch(tx, earlier.batch_id), duplicate=True)
    if withdrawal := await repository.find_withdrawal(tx, project_id):
        raise Conflict(
            f"The project is already withdrawn from stock; to withdraw it again, undo batch {withdrawal.batch_id} first"
        )
    needed = [row for row in await list_requirement_rows(tx, project_id) if row.item_id is not None]
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


async def require_unwithdrawn(read: Connection, project_id: int) -> None:
    """Raises NotFound, Conflict when the project has been withdrawn."""
    await repository.get_project_row(read, project_id)
    if withdrawal := await repository.find_withdrawal(read, project_id):
        raise Conflict(
            f"The project has been withdrawn from stock; to change it, undo the batch {withdrawal.batch_id} first"
        )


async def _open_unwithdrawn(tx: Connection, project_id: int) -> None:
    await repository.open_project(tx, project_id)
    await require_unwithdrawn(tx, project_id)


async def _open_requirement(
    tx: Connection, project_id: int, item_id: int | None, entry_id: int | None
) -> RequirementRow:
    """A requirement, with its item locked: a merge moves or removes it. Raises NotFound."""
    if item_id is not None:
        await lock_items(tx, {item_id})
    return await get_requirement_row(tx, project_id, item_id=item_id, entry_id=entry_id)


async def _read_back(read: Connection, project_id: int, entry_id: int) -> Requirement:
    requirements = await list_requirements(read, project_id, is_withdrawn=False)
    return next(each for each in requirements if each.id == entry_id)


async def _log_change(tx: Connection, project_id: int, by: Principal, details: dict[str, Any]) -> None:
    await tx.execute("touch_project", id=project_id, updated_at=clock.now())
    await audit.record(tx, by, "changed", "project", project_id, details)


def _named(row: RequirementRow) -> dict[str, Any]:
    return {"text": row.text} if row.item_id is None else {"item_id": row.item_id}


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
    listed = "; ".join(
        f"{quantity_text(to_milli(each.missing))} of {each.name} missing" for each in shortages[:NAMED_SHORTAGES]
    )
    more = f"; and {len(shortages) - NAMED_SHORTAGES} more" if len(shortages) > NAMED_SHORTAGES else ""
    return Conflict(f"Nothing was taken from stock. {listed}{more}", results=shortages, kind="oversell")
