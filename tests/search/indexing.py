"""Waits until the search index has every item."""

from __future__ import annotations

import asyncio

from litestar import Litestar


async def index_items(app: Litestar) -> None:
    """Processes all marks; the service does so as well, and only one of the two at a time."""
    while not await app.state.search_index.process_pending():  # noqa: ASYNC110  # another task, which has no event
        await asyncio.sleep(0.01)
