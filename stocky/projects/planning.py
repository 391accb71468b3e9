"""Changes the requirements of a project, and adds missing ones to a shopping list; a withdrawn project is fixed."""

from __future__ import annotations

from typing import Any

from msgspec import to_builtins

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.catalogue.repository import get_items
from stocky.db import Connection
from stocky.errors import Conflict
from stocky.logs import audit
from stocky.projects import repository
from stocky.projects.requirements import (
    RequirementRow,
    add_requirements,
    change_requirement,
    get_row,
    list_requirements,
    list_rows,
    remove_requirement,
)
from stocky.projects.schemas import Listed, ListWish, Requirement
from stocky.shopping import repository as shopping
from stocky.shopping.entries import Addition, list_entries, raise_entries
from stocky.shopping.schemas import ItemEntryChange, NewEntry, NewList, PlaceholderChange


async def add_requirement(tx: Connection, project_id: int, new: NewEntry, by: Principal) -> Requirement:
    """Raises NotFound, Conflict when the project needs it already or has been withdrawn."""
    await _open_unwithdrawn(tx, project_id)
    (entry_id,) = await add_requirements(tx, project_id, [new])
    await _log_change(tx, project_id, by, {"added": to_builtins(new)})
    return await _read_back(tx, project_id, entry_id)


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
    row = await get_row(tx, project_id, item_id=item_id, entry_id=entry_id)
    sent = to_builtins(change)
    await change_requirement(tx, row, sent)
    await _log_change(tx, project_id, by, {"changed": _named(row) | sent})
    return await _read_back(tx, project_id, row.id)


async def remove_need(
    tx: Connection, project_id: int, by: Principal, *, item_id: int | None = None, entry_id: int | None = None
) -> None:
    """Raises NotFound, Conflict when the project has been withdrawn."""
    await _open_unwithdrawn(tx, project_id)
    row = await get_row(tx, project_id, item_id=item_id, entry_id=entry_id)
    await remove_requirement(tx, row)
    await _log_change(tx, project_id, by, {"removed": _named(row)})


async def put_missing_on_list(tx: Connection, project_id: int, wish: ListWish, by: Principal) -> Listed:
    """Puts at least the missing quantity of each requirement on a shopping list; repeating it changes nothing.

    Raises NotFound for an unknown project or list, Conflict when nothing is missing for a new list, or the list
    is too full.
    """
    project = await repository.open_project(tx, project_id)
    is_withdrawn = await repository.find_withdrawal(tx, project_id) is not None
    missing = [row for row in await list_rows(tx, project_id) if row.missing_milli and not is_withdrawn]
    list_id = wish.list_id
    if list_id is None:
        if not missing:
            raise Conflict("Nothing is missing, so a new list would be empty")
        new = NewList(name=wish.name or project.name, is_public=wish.is_public)
        list_id = (await shopping.add_list(tx, new, by)).id
    await shopping.open_list(tx, list_id, by)
    because = {"project_id": project_id, "project": project.name}
    items = await get_items(tx, {row.item_id for row in missing if row.item_id is not None})
    wanted = [
        Addition(
            row.item_id,
            row.text,
            row.missing_milli,
            what=row.text or "" if row.item_id is None else items[row.item_id].name,
        )
        for row in missing
    ]
    added, raised = await raise_entries(tx, list_id, wanted, by, because)
    entries = await list_entries(tx, list_id)
    return Listed(
        await shopping.get_list(tx, list_id, by),
        [entry for entry in entries if entry.id in added],
        [entry for entry in entries if entry.id in raised],
    )


async def _open_unwithdrawn(tx: Connection, project_id: int) -> None:
    await repository.open_project(tx, project_id)
    if withdrawal := await repository.find_withdrawal(tx, project_id):
        raise Conflict(
            f"The project has been withdrawn from stock; to change it, undo the batch {withdrawal.batch_id} first"
        )


async def _read_back(read: Connection, project_id: int, entry_id: int) -> Requirement:
    requirements = await list_requirements(read, project_id, is_withdrawn=False)
    return next(each for each in requirements if each.id == entry_id)


async def _log_change(tx: Connection, project_id: int, by: Principal, details: dict[str, Any]) -> None:
    await tx.execute("touch_project", id=project_id, updated_at=clock.now())
    await audit.record(tx, by, "changed", "project", project_id, details)


def _named(row: RequirementRow) -> dict[str, Any]:
    return {"text": row.text} if row.item_id is None else {"item_id": row.item_id}
