"""`/assistance` and `/suggestions`: suggestions of a model about items, which people accept or reject."""

from __future__ import annotations

from typing import Annotated

from litestar import get, post
from litestar.params import Parameter

from stocky.assistance import repository
from stocky.assistance.schemas import AssistanceState, Suggestion, SuggestionStatus
from stocky.assistance.service import Assistance
from stocky.auth.guards import members
from stocky.auth.schemas import Principal
from stocky.db import Connection
from stocky.errors import NotFound
from stocky.http.openapi import problem
from stocky.http.parameters import IfMatch, Paging, PathId, versions_of
from stocky.http.routing import Router
from stocky.jobs.schemas import Job
from stocky.schema import MAX_ID

Status = Annotated[
    SuggestionStatus | None, Parameter(description="Only suggestions with this status, in any case", required=False)
]
ItemFilter = Annotated[
    int | None, Parameter(ge=1, le=MAX_ID, description="Only suggestions about this item", required=False)
]


@get("/", opt=members)
async def get_assistance(read: Connection, assistance: Assistance) -> AssistanceState:
    """Whether the model may be asked, and what was asked today."""
    return await assistance.state(read)


@post(
    "/{item_id:int}/suggestions",
    opt=members,
    status_code=202,
    responses={429: problem("The limits of the day are reached")},
)
async def ask_for_suggestions(assistance: Assistance, user: Principal, item_id: PathId) -> Job:
    """Start a job that asks the model about an item; the answer is the job, or the one that asks already."""
    return await assistance.ask(item_id, user)


@get("/{item_id:int}/suggestions", opt=members)
async def list_item_suggestions(read: Connection, item_id: PathId, paging: Paging) -> list[Suggestion]:
    """List all suggestions about an item, decided ones included, in the order they were made."""
    return await repository.list_item_suggestions(read, item_id, skip=paging.skip, limit=paging.limit, listing=paging)


@get("/{item_id:int}/suggestions/job", opt=members)
async def get_suggestion_job(read: Connection, assistance: Assistance, item_id: PathId) -> Job:
    """Get the last job that asked the model about an item."""
    job = await assistance.find_job(read, item_id)
    if job is None:
        raise NotFound(f"The model was not asked about item {item_id}")
    return job


@get("/", opt=members)
async def list_suggestions(
    read: Connection, paging: Paging, status: Status = None, item_id: ItemFilter = None
) -> list[Suggestion]:
    """List suggestions about items in use, in the order they were made."""
    return await repository.list_suggestions(
        read, skip=paging.skip, limit=paging.limit, listing=paging, status=status, item_id=item_id
    )


@get("/{suggestion_id:int}", opt=members)
async def get_suggestion(read: Connection, suggestion_id: PathId) -> Suggestion:
    """Get one suggestion."""
    return await repository.get_suggestion(read, suggestion_id)


@post("/{suggestion_id:int}/accept", opt=members, status_code=200)
async def accept_suggestion(
    assistance: Assistance, user: Principal, suggestion_id: PathId, if_match: IfMatch = None
) -> Suggestion:
    """Change the item as suggested. A datasheet is fetched first: it stays open with `is_fetching` until it is stored.

    `If-Match` is for the version of the item.
    """
    return await assistance.accept(suggestion_id, user, versions_of(if_match))


@post("/{suggestion_id:int}/reject", opt=members, status_code=200)
async def reject_suggestion(tx: Connection, user: Principal, suggestion_id: PathId) -> Suggestion:
    """Reject a suggestion: it is not made again for this item."""
    return await repository.reject_suggestion(tx, suggestion_id, user)


assistance_routes = [
    Router("/assistance", route_handlers=[get_assistance], tags=["Assistance"]),
    Router(
        "/items",
        route_handlers=[ask_for_suggestions, list_item_suggestions, get_suggestion_job],
        tags=["Assistance"],
    ),
    Router(
        "/suggestions",
        route_handlers=[list_suggestions, get_suggestion, accept_suggestion, reject_suggestion],
        tags=["Assistance"],
    ),
]
