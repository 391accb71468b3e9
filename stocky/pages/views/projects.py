"""All projects, a new one, and changing or deleting one."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.datastructures import State

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.db import Connection, Database
from stocky.http.parameters import PathId
from stocky.pages.forms import Form, filled, read_changes, read_form, shown_fields
from stocky.pages.languages import Text, _
from stocky.pages.parameters import PageNumber, Typed
from stocky.pages.rendering import Html, page, see_other
from stocky.projects import repository
from stocky.projects.schemas import NewProject, ProjectChange

PAGE = 50
_DONE: dict[str, Text] = {"deleted": _("The project is deleted.")}


@get("/projects", opt=members)
async def show_projects(
    request: Request[Any, Any, Any], read: Connection, q: Typed = "", page_number: PageNumber = 1
) -> Html:
    """The projects."""
    found = await repository.list_projects(
        read, skip=(page_number - 1) * PAGE, limit=PAGE + 1, search=q.strip() or None
    )
    return page(
        request,
        "projects.html",
        projects=found[:PAGE],
        has_more=len(found) > PAGE,
        page_number=page_number,
        typed=q.strip(),
        done=_DONE.get(request.query_params.get("done", "")),
    )


@get("/projects/new", opt=members)
async def show_new_project(request: Request[Any, Any, Any]) -> Html:
    """The form of a new project."""
    return page(request, "project-new.html", form=Form())


@post("/projects/new", opt=members)
async def add_project(request: Request[Any, Any, Any], database: Database, user: Principal) -> Html:
    """Makes a project without requirements."""
    form = await read_form(request, NewProject, without=("items",))
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                project = await repository.add_project(tx, form.data, user)
    if form.errors:
        return page(request, "project-new.html", form.status, form=form)
    return see_other(request, f"/projects/{project.id}")


@get("/projects/{project_id:int}/edit", opt=members)
async def show_project_form(request: Request[Any, Any, Any], state: State, project_id: PathId) -> Html:
    """The form of a project."""
    return await _edit_page(request, state, project_id)


@post("/projects/{project_id:int}/edit", opt=members)
async def change_project(
    request: Request[Any, Any, Any], state: State, database: Database, user: Principal, project_id: PathId
) -> Html:
    """Changes the name or the notes."""
    form = await read_changes(request, ProjectChange)
    form.require("name")
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                await repository.change_project(tx, project_id, form.data, user)
    if form.errors:
        return await _edit_page(request, state, project_id, form)
    return see_other(request, f"/projects/{project_id}", done="changed")


@post("/projects/{project_id:int}/delete", opt=members)
async def delete_project(request: Request[Any, Any, Any], tx: Connection, user: Principal, project_id: PathId) -> Html:
    """Deletes a project; its withdrawal is not undone."""
    await repository.remove_project(tx, project_id, user)
    return see_other(request, "/projects", done="deleted")


async def _edit_page(
    request: Request[Any, Any, Any], state: State, project_id: int, form: Form[Any] | None = None
) -> Html:
    async with state.database.read() as read:
        project = await repository.get_project(read, project_id)
    fields = {"name": project.name, "notes": project.notes}
    form = form or filled(fields)
    shown = shown_fields(form, fields)
    return page(request, "project-edit.html", form.status, project=project, form=form, shown=shown)


routes = [show_projects, show_new_project, add_project, show_project_form, change_project, delete_project]
