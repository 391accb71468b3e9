"""`/projects`: their requirements, what is missing, and their withdrawal from stock as a whole.

An item is addressed by its id from `/items`; a placeholder, which is not an item, by the id of its entry.
"""

from __future__ import annotations

from litestar import delete, get, post, put, route

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.http.openapi import may_be_missing
from stocky.http.parameters import Paging, PathId, Search
from stocky.http.routing import Router
from stocky.projects import repository, service
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
    """List projects in the order they were added."""
    return await repository.list_projects(read, skip=paging.skip, limit=paging.limit, listing=paging, search=search)


@post("/", opt=members, responses=may_be_missing)
async def create_project(data: NewProject, tx: Connection, user: Principal) -> Project:
    """Create a project."""
    return await repository.add_project(tx, data, user)


@get("/{project_id:int}", opt=members)
async def get_project(read: Connection, user: Principal, project_id: PathId) -> Project:
    """Get one project with its requirements and what is missing."""
    return await repository.get_project(read, project_id, user)


@route("/{project_id:int}", http_method=["PUT", "PATCH"], opt=members)
async def change_project(data: ProjectChange, tx: Connection, user: Principal, project_id: PathId) -> Project:
    """Rename a project or change its notes; fields that are not sent stay unchanged."""
    return await repository.change_project(tx, project_id, data, user)


@delete("/{project_id:int}", opt=members)
async def delete_project(tx: Connection, user: Principal, project_id: PathId) -> None:
    """Delete a project; its withdrawal from stock is not undone."""
    await repository.remove_project(tx, project_id, user)


@post("/{project_id:int}/items", opt=members)
async def add_project_item(data: NewEntry, tx: Connection, user: Principal, project_id: PathId) -> Requirement:
    """Add an item that the project needs, or with `text` a placeholder."""
    return await service.add_requirement(tx, project_id, data, user)


@put("/{project_id:int}/items/{item_id:int}", opt=members)
async def change_project_item(
    data: ItemEntryChange, tx: Connection, user: Principal, project_id: PathId, item_id: PathId
) -> Requirement:
    """Change the quantity of an item that the project needs."""
    return await service.change_need(tx, project_id, data, user, item_id=item_id)


@delete("/{project_id:int}/items/{item_id:int}", opt=members)
async def delete_project_item(tx: Connection, user: Principal, project_id: PathId, item_id: PathId) -> None:
    """Remove an item from the project."""
    await service.remove_need(tx, project_id, user, item_id=item_id)


@put("/{project_id:int}/placeholders/{entry_id:int}", opt=members)
async def change_project_placeholder(
    data: PlaceholderChange, tx: Connection, user: Principal, project_id: PathId, entry_id: PathId
) -> Requirement:
    """Change the text or the quantity of a placeholder."""
    return await service.change_need(tx, project_id, data, user, entry_id=entry_id)


@delete("/{project_id:int}/placeholders/{entry_id:int}", opt=members)
async def delete_project_placeholder(tx: Connection, user: Principal, project_id: PathId, entry_id: PathId) -> None:
    """Remove a placeholder from the project."""
    await service.remove_need(tx, project_id, user, entry_id=entry_id)


@get("/{project_id:int}/missing", opt=members)
async def get_project_missing(read: Connection, project_id: PathId) -> Missing:
    """Get the requirements that stock does not cover."""
    return await repository.get_missing(read, project_id)


@post("/{project_id:int}/shopping-list", opt=members, status_code=200)
async def add_missing_to_list(
    tx: Connection, user: Principal, project_id: PathId, data: ListWish | None = None
) -> Listed:
    """Add what is missing to an existing or new shopping list; entries already there are not duplicated."""
    return await service.add_missing_to_list(tx, project_id, data or ListWish(), user)


@post("/{project_id:int}/withdraw", opt=members, status_code=200)
async def withdraw_project(
    tx: Connection, recorder: Recorder, user: Principal, project_id: PathId, data: NewWithdrawal | None = None
) -> Withdrawn:
    """Take all items that the project needs from stock, or none; undo it with the `batch_id` of the response.

    Stock that expires first is taken first, from as many locations as needed. When items are missing, the 409 lists
    them in `results`.
    """
    return await service.withdraw(tx, recorder, project_id, data or NewWithdrawal(), user)


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
        add_missing_to_list,
        withdraw_project,
    ],
    tags=["Projects"],
)
