"""`/projects`: what something takes, what of it is missing, and taking it from stock as a whole.

An item is named by its own id, the one of `/items`; a placeholder, which is no item, by the id of its entry.
"""

from __future__ import annotations

from litestar import Router, delete, get, post, put, route

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.http.parameters import Paging, PathId, Search
from stocky.projects import planning, repository, withdrawing
from stocky.projects.schemas import (
    Listed,
    ListWish,
    Missing,
    NewProject,
    NewWithdrawal,
    Project,
    ProjectChange,
    ProjectSummary,
    Requirement,
    Withdrawn,
)
from stocky.shopping.schemas import ItemEntryChange, NewEntry, PlaceholderChange
from stocky.stock.recorder import Recorder


@get("/", opt=members)
async def list_projects(read: Connection, paging: Paging, search: Search = None) -> list[ProjectSummary]:
    """Projects in the order they were added."""
    return await repository.list_projects(read, skip=paging.skip, limit=paging.limit, search=search)


@post("/", opt=members)
async def create_project(data: NewProject, tx: Connection, user: Principal) -> Project:
    """Plan a project."""
    return await repository.add_project(tx, data, user)


@get("/{project_id:int}", opt=members)
async def get_project(read: Connection, user: Principal, project_id: PathId) -> Project:
    """One project with what it needs and what of it is missing."""
    return await repository.get_project(read, project_id, user)


@route("/{project_id:int}", http_method=["PUT", "PATCH"], opt=members)
async def change_project(data: ProjectChange, tx: Connection, user: Principal, project_id: PathId) -> Project:
    """Rename a project or change its notes; what is not sent stays."""
    return await repository.change_project(tx, project_id, data, user)


@delete("/{project_id:int}", opt=members)
async def delete_project(tx: Connection, user: Principal, project_id: PathId) -> None:
    """Delete a project; what it took from stock stays taken."""
    await repository.remove_project(tx, project_id, user)


@post("/{project_id:int}/items", opt=members)
async def add_project_item(data: NewEntry, tx: Connection, user: Principal, project_id: PathId) -> Requirement:
    """Add an item that the project needs, or by `text` a placeholder for what is no item."""
    return await planning.add_requirement(tx, project_id, data, user)


@put("/{project_id:int}/items/{item_id:int}", opt=members)
async def change_project_item(
    data: ItemEntryChange, tx: Connection, user: Principal, project_id: PathId, item_id: PathId
) -> Requirement:
    """Change how much of an item the project needs."""
    return await planning.change_need(tx, project_id, data, user, item_id=item_id)


@delete("/{project_id:int}/items/{item_id:int}", opt=members)
async def delete_project_item(tx: Connection, user: Principal, project_id: PathId, item_id: PathId) -> None:
    """Say that the project needs an item no longer."""
    await planning.remove_need(tx, project_id, user, item_id=item_id)


@put("/{project_id:int}/placeholders/{entry_id:int}", opt=members)
async def change_project_placeholder(
    data: PlaceholderChange, tx: Connection, user: Principal, project_id: PathId, entry_id: PathId
) -> Requirement:
    """Change the text or the quantity of a placeholder."""
    return await planning.change_need(tx, project_id, data, user, entry_id=entry_id)


@delete("/{project_id:int}/placeholders/{entry_id:int}", opt=members)
async def delete_project_placeholder(tx: Connection, user: Principal, project_id: PathId, entry_id: PathId) -> None:
    """Say that the project needs a placeholder no longer."""
    await planning.remove_need(tx, project_id, user, entry_id=entry_id)


@get("/{project_id:int}/missing", opt=members)
async def get_project_missing(read: Connection, project_id: PathId) -> Missing:
    """What the stock does not hold of what the project needs."""
    return await repository.get_missing(read, project_id)


@post("/{project_id:int}/shopping-list", opt=members, status_code=200)
async def put_missing_on_list(
    tx: Connection, user: Principal, project_id: PathId, data: ListWish | None = None
) -> Listed:
    """Put what is missing on a shopping list, an existing or a new one; what is there already is not added again."""
    return await planning.put_missing_on_list(tx, project_id, data or ListWish(), user)


@post("/{project_id:int}/withdraw", opt=members, status_code=200)
async def withdraw_project(
    tx: Connection, recorder: Recorder, user: Principal, project_id: PathId, data: NewWithdrawal | None = None
) -> Withdrawn:
    """Take all items that the project needs from stock, or none of them; the `batch_id` of the answer undoes it.

    What expires first is taken first, from as many places as it takes. Of what is missing, `results` of the refusal
    has a list.
    """
    return await withdrawing.withdraw(tx, recorder, project_id, data or NewWithdrawal(), user)


project_routes = Router(
    "/projects",
    route_handlers=[
        list_projects,
        create_project,
        get_project,
        change_project,
        delete_project,
        add_project_item,
        change_project_item,
        delete_project_item,
        change_project_placeholder,
        delete_project_placeholder,
        get_project_missing,
        put_missing_on_list,
        withdraw_project,
    ],
    tags=["Projects"],
)
