"""Projects in the database. The ledger decides whether one is withdrawn, so undoing its batch is enough."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct, to_builtins

from stocky import clock
from stocky.auth.repository import get_shown_users
from stocky.auth.schemas import Principal
from stocky.catalogue.repository import like_pattern
from stocky.db import Connection
from stocky.errors import NotFound
from stocky.logs import audit
from stocky.projects.requirements import add_requirements, list_requirements
from stocky.projects.schemas import Missing, NewProject, Project, ProjectChange, ProjectSummary, Withdrawal
from stocky.schema import or_current


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


async def list_projects(read: Connection, *, skip: int, limit: int, search: str | None = None) -> list[ProjectSummary]:
    """Projects in the order they were added."""
    return await read.all("list_projects", ProjectSummary, skip=skip, limit=limit, pattern=like_pattern(search))


async def get_project(read: Connection, project_id: int, viewer: Principal | None = None) -> Project:
    """A project with its requirements and what is missing. Raises NotFound."""
    row = await _find(read, project_id)
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
    return await _find(tx, project_id)


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


async def _find(read: Connection, project_id: int) -> ProjectRow:
    row = await read.one("get_project", ProjectRow, id=project_id)
    if row is None:
        raise NotFound(f"There is no project with id {project_id}")
    return row
