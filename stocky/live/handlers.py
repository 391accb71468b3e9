"""`/events/stream`: new ledger events as server-sent events."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from litestar import get
from litestar.datastructures import State
from litestar.params import HeaderParameter, Parameter
from litestar.response import Stream

from stocky.auth.guards import authorize, readers
from stocky.http.openapi import problem
from stocky.http.request import StockyRequest
from stocky.http.routing import Router
from stocky.http.sse import EVENT_STREAM, TOO_MANY_STREAMS, event_stream
from stocky.live.repository import EventFilter
from stocky.live.stream import follow_ledger
from stocky.schema import MAX_ID

ItemId = Annotated[int | None, Parameter(ge=1, le=MAX_ID, description="Only events of this item", required=False)]
LocationId = Annotated[
    int | None, Parameter(ge=1, le=MAX_ID, description="Only events at this location", required=False)
]
TypeFilter = Annotated[
    str | None, Parameter(max_length=20, description="add, remove, move, set or undo", required=False)
]
LastEventId = Annotated[
    int | None,
    HeaderParameter(
        name="Last-Event-ID",
        ge=0,
        le=MAX_ID,
        description="The id of the last event received; the stream resumes after it",
    ),
]
LastEventIdInQuery = Annotated[
    int | None,
    Parameter(ge=0, le=MAX_ID, description="As the header Last-Event-ID, which takes precedence", required=False),
]


@get("/stream", opt=readers, media_type=EVENT_STREAM, responses={429: problem(TOO_MANY_STREAMS)})
async def stream_events(
    request: StockyRequest,
    state: State,
    last_event_id_header: LastEventId = None,
    last_event_id: LastEventIdInQuery = None,
    item_id: ItemId = None,
    location_id: LocationId = None,
    type: TypeFilter = None,
) -> Stream:
    """New ledger events as server-sent events of type `stock`, each with its ledger id, in the form of `/events/{id}`.

    Each also has the names of its item, location and user. With `Last-Event-ID` (or `?last_event_id=`) the stream
    starts after that id, otherwise with the next event. The first message is `ready`, with the starting position:
    data read by other requests after it, together with the stream, is complete. After a restore, `reset` is sent:
    reload all data and continue from its position. A comment is sent every 15 seconds without events. A client that
    does not read the stream is disconnected; reconnecting with the last id it received loses nothing.
    """
    state.streams.admit(request.user.id)
    wanted = EventFilter(item_id, location_id, type.lower() if type else None)
    after = last_event_id if last_event_id_header is None else last_event_id_header
    return event_stream(follow_ledger(state.tail, state.streams, wanted, after, partial(authorize, request)))


live_routes = Router("/events", route_handlers=[stream_events], tags=["Events"])
