"""Projects and their requirements in the database; callers lock the project while they change it.

The ledger decides whether a project is withdrawn, so undoing its batch is enough.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct, to_builtins

from stocky import clock
from stocky.auth.repository import get_shown_users
from stocky.auth.schemas import Principal
from stocky.catalogue.repository import get_items, get_usable_items, like_pattern, lock_items
from stocky.db import Connection, Listing
from stocky.errors import Conflict, NotFound
from stocky.logs import audit
from stocky.projects.schemas import (
    MAX_REQUIREMENTS,
    Missing,
    NewProject,
    Project,
    ProjectChange,
    ProjectSummary,
    Requirement,
    Withdrawal,
)
from stocky.quantity import from_milli, to_milli
from stocky.schema import is_empty, or_current
from stocky.shopping.schemas import NewEntry


class ProjectRow(Struct):
    """A stored project."""

    id: int
    name: str
    notes: str
    created_at: datetime
    updated_at: datetime


class _WithdrawalRow(Struct):
    batch_id: str
    user_id: int
    recorded_at: datetime


async def list_projects(
    read: Connection, *, skip: int, limit: int, search: str | None = None, listing: Listing | None = None
) -> list[ProjectSummary]:
    """Projects in the order they were added, or that of `listing`."""
    return await read.page(
        "list_projects", ProjectSummary, listing, skip=skip, limit=limit, pattern=like_pattern(search)
    )


async def get_project_names(read: Connection, project_ids: set[int]) -> dict[int, str]:
    """The names of projects by their ids; deleted ones are left out."""
    rows = await read.all("list_project_names", dict[str, Any], ids=project_ids) if project_ids else []
    return {row["id"]: row["name"] for row in rows}


async def get_project(read: Connection, project_id: int, viewer: Principal | None = None) -> Project:
    """A project with its requirements and what is missing. Raises NotFound."""
    row = await get_project_row(read, project_id)
    withdrawal = await find_withdrawal(read, project_id, viewer)
    return Project(
        id=row.id,
        name=row.name,
        notes=row.notes,
        items=await list_requirements(read, project_id, is_withdrawn=withdrawal is not None),
        withdrawal=withdrawal,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


async def get_missing(read: Connection, project_id: int) -> Missing:
    """The requirements that stock does not cover. Raises NotFound."""
    project = await get_project(read, project_id)
    missing = [each for each in project.items if each.missing]
    return Missing(not missing, missing)


async def open_project(tx: Connection, project_id: int) -> ProjectRow:
    """A project, locked against changes and withdrawal until the transaction ends. Raises NotFound."""
    await tx.value("lock_project", id=project_id)
    return await get_project_row(tx, project_id)


async def find_withdrawal(read: Connection, project_id: int, viewer: Principal | None = None) -> Withdrawal | None:
    """The project's withdrawal from stock; None when there is none or all of it was undone."""
    row = await read.one("find_active_withdrawal", _WithdrawalRow, project_id=project_id)
    if row is None:
        return None
    users = await get_shown_users(read, {row.user_id}, viewer)
    return Withdrawal(batch_id=row.batch_id, user=users[row.user_id], withdrawn_at=row.recorded_at)


async def add_project(tx: Connection, new: NewProject, by: Principal) -> Project:
    """Raises NotFound for an unknown item, Conflict for a duplicate requirement."""
    moment = clock.now()
    project_id = await tx.value("add_project", name=new.name, notes=new.notes or "", created_at=moment)
    await add_requirements(tx, project_id, new.items)
    await audit.record(tx, by, "created", "project", project_id, {"name": new.name})
    return await get_project(tx, project_id, by)


async def change_project(tx: Connection, project_id: int, change: ProjectChange, by: Principal) -> Project:
    """Applies the fields set in `change`. Raises NotFound."""
    row = await open_project(tx, project_id)
    if is_empty(change):
        return await get_project(tx, project_id, by)
    await tx.execute(
        "change_project",
        id=project_id,
        name=or_current(change.name, row.name),
        notes=or_current(change.notes, row.notes) or "",
        is_active=True,
        updated_at=clock.now(),
    )
    await audit.record(tx, by, "changed", "project", project_id, to_builtins(change))
    return await get_project(tx, project_id, by)


async def remove_project(tx: Connection, project_id: int, by: Principal) -> None:
    """Hides a project; its withdrawal is not undone. Raises NotFound."""
    row = await open_project(tx, project_id)
    await tx.execute(
        "change_project", id=project_id, name=row.name, notes=row.notes, is_active=False, updated_at=clock.now()
    )
    await audit.record(tx, by, "removed", "project", project_id, {"name": row.name})


class RequirementRow(Struct):
    """A stored requirement, with the quantity that can be taken from stock: both in the item's main unit."""

    id: int
    item_id: int | None
    text: str | None
    quantity_milli: int
    created_at: datetime
    updated_at: datetime
    in_stock_milli: float

    @property
    def missing_milli(self) -> int:
        return self.missing_beside(0)

    def missing_beside(self, others_milli: int) -> int:
        """What is missing where others need this much as well."""
        return int(max(self.quantity_milli + others_milli - self.in_stock_milli, 0))


async def list_requirement_rows(read: Connection, project_id: int) -> list[RequirementRow]:
    """The requirements of a project, in the order they were added."""
    return await read.all("list_requirements", RequirementRow, project_id=project_id)


async def lock_requirement_rows(tx: Connection, project_id: int) -> list[RequirementRow]:
    """The same, with their items locked: a merge that is under way has given them to another item by then."""
    locked: set[int] = set()
    while True:
        rows = await list_requirement_rows(tx, project_id)
        items = {row.item_id for row in rows if row.item_id is not None} - locked
        if not items:
            return rows
        await lock_items(tx, items)
        locked |= items


class _Need(Struct):
    item_id: int | None
    text: str | None
    quantity_milli: int


async def list_needs_of_listed_projects(
    read: Connection, list_id: int, project_id: int
) -> dict[tuple[int | None, str | None], int]:
    """What all other projects on a shopping list need together, in thousandths by item or text."""
    needs = await read.all("list_needs_of_listed_projects", _Need, list_id=list_id, project_id=project_id)
    return {(each.item_id, each.text): each.quantity_milli for each in needs}


async def note_listed_project(tx: Connection, list_id: int, project_id: int) -> None:
    """Notes that what a project lacks is on a shopping list."""
    await tx.execute("note_listed_project", list_id=list_id, project_id=project_id)


async def list_requirements(read: Connection, project_id: int, *, is_withdrawn: bool) -> list[Requirement]:
    """The requirements for a response; nothing is missing once the project is withdrawn."""
    rows = await list_requirement_rows(read, project_id)
    items = await get_items(read, {row.item_id for row in rows if row.item_id is not None})
    return [
        Requirement(
            id=row.id,
            item=None if row.item_id is None else items[row.item_id],
            text=row.text,
            quantity=from_milli(row.quantity_milli),
            in_stock=row.in_stock_milli / 1000,
            missing=0 if is_withdrawn else from_milli(row.missing_milli),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in rows
    ]


async def get_requirement_row(
    read: Connection, project_id: int, *, item_id: int | None = None, entry_id: int | None = None
) -> RequirementRow:
    """The requirement of an item, or the placeholder with the id `entry_id`. Raises NotFound."""
    for row in await list_requirement_rows(read, project_id):
        if row.item_id == item_id if item_id is not None else row.text is not None and row.id == entry_id:
            return row
    what = f"placeholder {entry_id}" if item_id is None else f"item with id {item_id}"
    raise NotFound(f"The project {project_id} needs no {what}")


async def add_requirements(tx: Connection, project_id: int, new: list[NewEntry]) -> list[int]:
    """Adds requirements and returns their ids.

    Raises NotFound for an unknown item, Conflict for a duplicate requirement, or too many.
    """
    if len(await list_requirement_rows(tx, project_id)) + len(new) > MAX_REQUIREMENTS:
        raise Conflict(f"A project needs at most {MAX_REQUIREMENTS} things; split it")
    await get_usable_items(tx, {each.item_id for each in new if each.item_id is not None})
    return await _add_requirement_rows(tx, project_id, new)


async def change_requirement(tx: Connection, row: RequirementRow, change: dict[str, Any]) -> None:
    """Changes `text` or `quantity`. Raises Conflict for a text that the project has already."""
    quantity = change.get("quantity")
    await tx.execute(
        "change_requirement",
        id=row.id,
        text=change.get("text", row.text),
        quantity_milli=row.quantity_milli if quantity is None else to_milli(quantity),
        updated_at=clock.now(),
    )


async def remove_requirement(tx: Connection, row: RequirementRow) -> None:
    """Removes a requirement."""
    await tx.execute("remove_requirement", id=row.id)


async def get_project_row(read: Connection, project_id: int) -> ProjectRow:
    """A project without its requirements. Raises NotFound."""
    row = await read.one("get_project", ProjectRow, id=project_id)
    if row is None:
        raise NotFound(f"There is no project with id {project_id}")
    return row


async def _add_requirement_rows(tx: Connection, project_id: int, new: list[NewEntry]) -> list[int]:
    moment = clock.now()
    ids = []
    for each in new:
        rows = await tx.rows(
            "add_requirement",
            project_id=project_id,
            item_id=each.item_id,
            text=each.text,
            quantity_milli=to_milli(each.quantity),
            created_at=moment,
        )
        ids.append(rows[0][0])
    return ids
