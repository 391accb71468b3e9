"""One requirement of a project: its amount or its text, and removing it."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.datastructures import State

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.db import Connection, Database
from stocky.errors import NotFound
from stocky.http.parameters import PathId
from stocky.pages.forms import Form, filled, read_changes
from stocky.pages.rendering import Html, page, see_other
from stocky.projects import repository, service
from stocky.projects.schemas import Project, Requirement
from stocky.shopping.schemas import ItemEntryChange, PlaceholderChange


@get("/projects/{project_id:int}/entries/{entry_id:int}", opt=members)
async def show_requirement(request: Request[Any, Any, Any], state: State, project_id: PathId, entry_id: PathId) -> Html:
    """The form of a requirement."""
    return await _page(request, state, project_id, entry_id)


@post("/projects/{project_id:int}/entries/{entry_id:int}", opt=members)
async def change_requirement(
    request: Request[Any, Any, Any],
    state: State,
    database: Database,
    user: Principal,
    project_id: PathId,
    entry_id: PathId,
) -> Html:
    """Changes the amount or the text."""
    async with state.database.read() as read:
        _project, found = await _find(read, project_id, entry_id)
    form: Form[Any] = await read_changes(request, PlaceholderChange if found.item is None else ItemEntryChange)
    form.require("quantity", *(("text",) if found.item is None else ()))
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                await service.change_need(tx, project_id, form.data, user, **_named(found))
    if form.errors:
        return await _page(request, state, project_id, entry_id, form)
    return see_other(request, f"/projects/{project_id}")


@post("/projects/{project_id:int}/entries/{entry_id:int}/remove", opt=members)
async def remove_requirement(
    request: Request[Any, Any, Any], tx: Connection, user: Principal, project_id: PathId, entry_id: PathId
) -> Html:
    """Removes the requirement."""
    _project, found = await _find(tx, project_id, entry_id)
    await service.remove_need(tx, project_id, user, **_named(found))
    return see_other(request, f"/projects/{project_id}", done="removed")


def _named(found: Requirement) -> dict[str, int]:
    return {"entry_id": found.id} if found.item is None else {"item_id": found.item.id}


async def _find(read: Connection, project_id: int, entry_id: int) -> tuple[Project, Requirement]:
    project = await repository.get_project(read, project_id)
    for each in project.items:
        if each.id == entry_id:
            return project, each
    raise NotFound(f"{project.name} has no requirement {entry_id}")


async def _page(
    request: Request[Any, Any, Any], state: State, project_id: int, entry_id: int, form: Form[Any] | None = None
) -> Html:
    async with state.database.read() as read:
        project, found = await _find(read, project_id, entry_id)
    form = form or filled({"quantity": found.quantity, "text": found.text})
    return page(request, "requirement.html", form.status, project=project, found=found, form=form)


routes = [show_requirement, change_requirement, remove_requirement]
