"""The shopping lists that a member sees, a new one, and sharing, copying and deleting a whole list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request, get, post
from litestar.datastructures import State

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.db import Connection, Database
from stocky.http.parameters import PathId
from stocky.pages.done import Done
from stocky.pages.forms import Form, filled, read_changes, read_form, shown_fields
from stocky.pages.languages import _
from stocky.pages.list_details import read_list_details
from stocky.pages.parameters import PageNumber
from stocky.pages.rendering import Html, page, see_other
from stocky.shopping import repository
from stocky.shopping.schemas import Duplication, ListChange, ListLogEntry, NewList

PAGE = 50


@get("/lists", opt=members)
async def show_lists(
    request: Request[Any, Any, Any], state: State, user: Principal, page_number: PageNumber = 1
) -> Html:
    """The lists."""
    return await _page(request, state, user, Form(), page_number)


@post("/lists", opt=members)
async def add_list(request: Request[Any, Any, Any], state: State, database: Database, user: Principal) -> Html:
    """Makes a list."""
    form = await read_form(request, NewList, boxes=("is_public",))
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                made = await repository.add_list(tx, form.data, user)
    if form.errors:
        return await _page(request, state, user, form)
    return see_other(request, f"/lists/{made.id}")


@get("/lists/{list_id:int}/edit", opt=members)
async def show_list_form(request: Request[Any, Any, Any], state: State, user: Principal, list_id: PathId) -> Html:
    """The name of a list, who sees it, copying and deleting it."""
    return await _edit_page(request, state, user, list_id)


@post("/lists/{list_id:int}/edit", opt=members)
async def change_list(
    request: Request[Any, Any, Any], state: State, database: Database, user: Principal, list_id: PathId
) -> Html:
    """Renames a list, or shares it."""
    form = await read_changes(request, ListChange, boxes=("is_public",))
    form.require("name")
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                await repository.change_list(tx, list_id, form.data, user)
    if form.errors:
        return await _edit_page(request, state, user, list_id, form)
    return see_other(request, f"/lists/{list_id}", done="changed")


@post("/lists/{list_id:int}/duplicate", opt=members)
async def duplicate_list(
    request: Request[Any, Any, Any], state: State, database: Database, user: Principal, list_id: PathId
) -> Html:
    """Copies a list for the user."""
    form = await read_form(request, Duplication, boxes=("is_public",))
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                copy = await repository.duplicate_list(tx, list_id, form.data, user)
    if form.errors:
        return await _edit_page(request, state, user, list_id, copy_form=form)
    return see_other(request, f"/lists/{copy.id}", done="copied")


@post("/lists/{list_id:int}/delete", opt=members)
async def delete_list(request: Request[Any, Any, Any], tx: Connection, user: Principal, list_id: PathId) -> Html:
    """Deletes a list."""
    await repository.remove_list(tx, list_id, user)
    return see_other(request, "/lists", done="deleted", list=list_id)


@post("/lists/{list_id:int}/delete/undo", opt=members)
async def undo_deletion(request: Request[Any, Any, Any], tx: Connection, user: Principal, list_id: PathId) -> Html:
    """Shows a deleted list again."""
    await repository.undo_removal(tx, list_id, user)
    return see_other(request, f"/lists/{list_id}", done="back")


@get("/lists/{list_id:int}/log", opt=members)
async def show_list_log(
    request: Request[Any, Any, Any], read: Connection, user: Principal, list_id: PathId, page_number: PageNumber = 1
) -> Html:
    """The changes of a list, newest first."""
    shopping_list = await repository.get_list(read, list_id, user)
    skip = (page_number - 1) * PAGE
    log = await repository.list_log(read, list_id, user, action_type=None, skip=skip, limit=PAGE + 1)
    about = [each.details for each in log[:PAGE]]
    details = await read_list_details(
        read, [each.get("item_id") for each in about], [each.get("stock_event_id") for each in about]
    )
    return page(
        request,
        "list-log.html",
        shopping_list=shopping_list,
        log=log[:PAGE],
        undoable=_undoable(log[:PAGE]),
        details=details,
        page_number=page_number,
        has_more=len(log) > PAGE,
    )


async def _page(
    request: Request[Any, Any, Any], state: State, user: Principal, form: Form[Any], page_number: int = 1
) -> Html:
    async with state.database.read() as read:
        found = await repository.list_lists(read, user, skip=(page_number - 1) * PAGE, limit=PAGE)
    return page(
        request,
        "lists.html",
        form.status,
        lists=found.items,
        has_more=page_number * PAGE < found.total,
        page_number=page_number,
        form=form,
        done=_done(request),
    )


def _undoable(log: Sequence[ListLogEntry]) -> dict[int, tuple[str, int]]:
    """By the newest entry of each request that can be undone: its batch, and how many entries of the log are of it."""
    undone = {each.details.get("undoes") for each in log}
    batches = [each.details.get("batch_id") for each in log]
    found: dict[int, tuple[str, int]] = {}
    for each, batch in zip(log, batches, strict=True):
        if batch and batch not in undone and all(batch != known for known, _ in found.values()):
            found[each.id] = (batch, batches.count(batch))
    return found


def _done(request: Request[Any, Any, Any]) -> Done | None:
    query = request.query_params
    list_id = query.get("list", "")
    if query.get("done") != "deleted" or not (list_id.isascii() and list_id.isdigit()):
        return None
    return Done(_("The list is deleted."), f"/lists/{list_id[:20]}/delete/undo")


async def _edit_page(
    request: Request[Any, Any, Any],
    state: State,
    user: Principal,
    list_id: int,
    form: Form[Any] | None = None,
    copy_form: Form[Any] | None = None,
) -> Html:
    async with state.database.read() as read:
        shopping_list = await repository.get_list(read, list_id, user)
    status = next((each.status for each in (form, copy_form) if each is not None), 200)
    fields = {"name": shopping_list.name, "is_public": shopping_list.is_public}
    form = form or filled(fields)
    return page(
        request,
        "list-edit.html",
        status,
        shopping_list=shopping_list,
        form=form,
        shown=shown_fields(form, fields),
        copy_form=copy_form or filled({"is_public": shopping_list.is_public}),
    )


routes = [show_lists, add_list, show_list_form, change_list, duplicate_list, delete_list, undo_deletion, show_list_log]
