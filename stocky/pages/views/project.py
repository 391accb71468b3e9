"""One project: its requirements and their stock; withdrawing all of it at once, and listing what is missing."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from litestar import Request, get, post
from litestar.datastructures import State

from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.db import Database
from stocky.http.parameters import PathId
from stocky.pages.forms import Form, parse_form, read_form
from stocky.pages.languages import Text, _, language_of, plural
from stocky.pages.pickers import read_item_or_words
from stocky.pages.refusals import refused
from stocky.pages.rendering import Html, page, see_other
from stocky.projects import repository, service
from stocky.projects.schemas import ListWish, NewWithdrawal
from stocky.shopping import repository as shopping
from stocky.shopping.schemas import NewEntry
from stocky.stock import service as stock
from stocky.stock.recorder import Recorder

# At most this many lists are offered.
MOST_LISTS = 100
_DONE: dict[str, Text] = {
    "changed": _("The project is changed."),
    "added": _("It is added."),
    "removed": _("It is removed."),
    "withdrawn": _("All of it is taken from stock."),
    "undone": _("It is back in stock."),
    "same": _("All of it is on the list already."),
}


@get("/projects/{project_id:int}", opt=members)
async def show_project(request: Request[Any, Any, Any], state: State, user: Principal, project_id: PathId) -> Html:
    """The project."""
    return await _page(request, state, user, project_id)


@post("/projects/{project_id:int}/entries", opt=members)
async def add_requirement(
    request: Request[Any, Any, Any], state: State, database: Database, user: Principal, project_id: PathId
) -> Html:
    """Adds an item that the project needs, or any words that are none."""
    form = parse_form(await read_item_or_words(request, database), NewEntry, language=language_of(request))
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                await service.add_requirement(tx, project_id, form.data, user)
    if form.errors:
        return await _page(request, state, user, project_id, form)
    return see_other(request, f"/projects/{project_id}", done="added")


@post("/projects/{project_id:int}/withdraw", opt=members)
async def withdraw(
    request: Request[Any, Any, Any],
    state: State,
    database: Database,
    recorder: Recorder,
    user: Principal,
    project_id: PathId,
) -> Html:
    """Withdraws everything that the project needs, or nothing."""
    form = await read_form(request, NewWithdrawal)
    if not form.errors:
        with form.catching():
            async with database.transaction() as tx:
                await service.withdraw(tx, recorder, project_id, form.data, user)
    if form.errors:
        return refused(request, form) or await _page(request, state, user, project_id, withdrawal=form)
    return see_other(request, f"/projects/{project_id}", done="withdrawn")


@post("/projects/{project_id:int}/undo", opt=members)
async def undo_withdrawal(
    request: Request[Any, Any, Any], state: State, recorder: Recorder, user: Principal, project_id: PathId
) -> Html:
    """Undoes the withdrawal."""
    async with state.database.read() as read:
        withdrawal = await repository.find_withdrawal(read, project_id)
    if withdrawal is not None:
        await stock.undo(recorder, None, user, batch=withdrawal.batch_id)
    return see_other(request, f"/projects/{project_id}", done="undone")


@post("/projects/{project_id:int}/list", opt=members)
async def add_missing_to_list(
    request: Request[Any, Any, Any], state: State, database: Database, user: Principal, project_id: PathId
) -> Html:
    """Puts what is missing on a shopping list."""
    form = await read_form(request, ListWish, boxes=("is_public",))
    if not form.errors:
        if form.data.name:
            # A typed name has precedence: the dialog begins with an existing list.
            form.data.list_id = None
        with form.catching():
            async with database.transaction() as tx:
                listed = await service.add_missing_to_list(tx, project_id, form.data, user)
    if form.errors:
        return refused(request, form) or await _page(request, state, user, project_id, wish=form)
    number = len(listed.added) + len(listed.raised)
    query: dict[str, Any] = {"number": number, "list": listed.shopping_list.id}
    return see_other(request, f"/projects/{project_id}", done="listed" if number else "same", **query)


async def _page(
    request: Request[Any, Any, Any],
    state: State,
    user: Principal,
    project_id: int,
    form: Form[Any] | None = None,
    *,
    withdrawal: Form[Any] | None = None,
    wish: Form[Any] | None = None,
) -> Html:
    async with state.database.read() as read:
        project = await repository.get_project(read, project_id, user)
        lists = (await shopping.list_lists(read, user, skip=0, limit=MOST_LISTS)).items
    items = [each for each in project.items if each.item is not None]
    wrong = next((each for each in (form, withdrawal, wish) if each is not None), None)
    return page(
        request,
        "project.html",
        200 if wrong is None else wrong.status,
        project=project,
        lists=lists,
        lacking=[each for each in project.items if each.missing],
        is_complete=bool(items) and not any(each.missing for each in items),
        has_items=bool(items),
        form=form or Form(),
        withdrawal=withdrawal or Form(),
        wish=wish or Form(),
        event_id=str(uuid4()),
        done=_done(request),
        list_id=_number(request, "list"),
    )


def _done(request: Request[Any, Any, Any]) -> Text | None:
    done = request.query_params.get("done", "")
    if done == "listed":
        return plural("%(num)s entry is on the list.", "%(num)s entries are on the list.", _number(request, "number"))
    return _DONE.get(done)


def _number(request: Request[Any, Any, Any], name: str) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else 0


routes = [show_project, add_requirement, withdraw, undo_withdrawal, add_missing_to_list]
