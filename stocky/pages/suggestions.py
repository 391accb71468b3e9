"""Reads what pages show of assistance: open suggestions, and the last job that asked; nothing while it is off."""

from __future__ import annotations

from typing import Any

from litestar import Request
from msgspec import Struct

from stocky.assistance.repository import list_suggestions
from stocky.assistance.schemas import Suggestion, SuggestionStatus
from stocky.assistance.service import Assistance
from stocky.db import Connection
from stocky.jobs.schemas import Job

_MOST = 20


class ShownSuggestions(Struct, frozen=True):
    """Open suggestions, of one item or of all, and the last job that asked about the item."""

    open: list[Suggestion]
    job: Job | None

    @property
    def is_polled(self) -> bool:
        """Whether more is about to come."""
        is_asking = self.job is not None and not self.job.status.is_final
        return is_asking or any(each.is_fetching for each in self.open)


async def shown_suggestions(
    request: Request[Any, Any, Any], read: Connection, item_id: int | None, *, of_all: bool = False
) -> ShownSuggestions | None:
    """The suggestions about an item, or `of_all` items; None while assistance is off."""
    assistance: Assistance = request.app.state.assistance
    if assistance.off_reason is not None:
        return None
    return ShownSuggestions(
        await list_suggestions(
            read, skip=0, limit=_MOST, status=SuggestionStatus.OPEN, item_id=None if of_all else item_id
        ),
        None if item_id is None else await assistance.find_job(read, item_id),
    )
