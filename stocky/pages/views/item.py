"""The page of an item and its history; a printed label leads to it by the four-letter code."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get
from litestar.params import Parameter

from stocky.auth.guards import readers
from stocky.auth.schemas import Principal, Role
from stocky.catalogue import repository as catalogue
from stocky.db import Connection
from stocky.http.parameters import PathId
from stocky.pages.done import done_with_item
from stocky.pages.item_page import show
from stocky.pages.rendering import Html, page, see_other
from stocky.schema import MAX_ID
from stocky.stock.event_lines import describe_events
from stocky.stock.repository import list_events

_EVENTS = 100
Code = Annotated[str, Parameter(max_length=20)]
Cursor = Annotated[int | None, Parameter(ge=1, le=MAX_ID)]


@get("/items/{item_id:int}", opt=readers)
async def show_item(
    request: Request[Any, Any, Any], read: Connection, user: Principal, item_id: PathId, booked: bool = False
) -> Html:
    """One item: its stock, its history and its details."""
    return await show(request, read, user, item_id, shows_booking=booked)


@get("/i/{code:str}", opt=readers)
async def find_by_code(request: Request[Any, Any, Any], read: Connection, code: Code) -> Html:
    """Redirects to the item with the code of a label."""
    item = await catalogue.get_item_by_code(read, code)
    return see_other(request, f"/items/{item.id}")


@get("/items/{item_id:int}/history", opt=readers)
async def show_history(
    request: Request[Any, Any, Any], read: Connection, user: Principal, item_id: PathId, cursor: Cursor = None
) -> Html:
    """All events of an item, newest first."""
    item = await catalogue.get_item(read, item_id)
    events = await list_events(read, item_id=item_id, cursor=cursor, limit=_EVENTS)
    return page(
        request,
        "item-history.html",
        item=item,
        lines=await describe_events(read, events.events, of_item=item.id),
        is_newest=cursor is None,
        older=events.next_cursor,
        can_change=user.user.role in (Role.ADMIN, Role.MEMBER),
        done=done_with_item(request),
    )


routes = [show_item, find_by_code, show_history]
