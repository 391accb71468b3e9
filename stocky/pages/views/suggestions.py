"""Asking the model about an item, and accepting or rejecting its suggestions, on the item's page and in the review."""

from __future__ import annotations

from typing import Any

from litestar import Request, post

from stocky.assistance import repository
from stocky.assistance.schemas import Suggestion, SuggestionStatus
from stocky.assistance.service import Assistance
from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.http.parameters import PathId
from stocky.pages.forms import Form, read_values
from stocky.pages.rendering import Html, see_other


@post("/items/{item_id:int}/suggestions", opt=members)
async def ask(request: Request[Any, Any, Any], assistance: Assistance, user: Principal, item_id: PathId) -> Html:
    """Starts the job that asks the model about an item."""
    form: Form[Any] = Form(await read_values(request))
    await assistance.ask(item_id, user)
    return see_other(request, _back(form, item_id), done="asked")


@post("/suggestions/{suggestion_id:int}/accept", opt=members)
async def accept(
    request: Request[Any, Any, Any], assistance: Assistance, user: Principal, suggestion_id: PathId
) -> Html:
    """Changes the item as suggested, if it is as the page showed it; or starts to fetch a datasheet."""
    form: Form[Any] = Form(await read_values(request))
    version = str(form.text("version"))[:16]
    versions = {int(version)} if version.isascii() and version.isdigit() else None
    suggestion = await assistance.accept(suggestion_id, user, versions)
    is_done = suggestion.status is SuggestionStatus.ACCEPTED
    return see_other(request, _back(form, suggestion.item_id), done="accepted" if is_done else "fetching")


@post("/suggestions/{suggestion_id:int}/reject", opt=members)
async def reject(request: Request[Any, Any, Any], tx: Connection, user: Principal, suggestion_id: PathId) -> Html:
    """Rejects a suggestion for good."""
    form: Form[Any] = Form(await read_values(request))
    suggestion: Suggestion = await repository.reject_suggestion(tx, suggestion_id, user)
    return see_other(request, _back(form, suggestion.item_id), done="rejected")


def _back(form: Form[Any], item_id: int) -> str:
    return "/review" if form.text("back") == "review" else f"/items/{item_id}"


routes = [ask, accept, reject]
