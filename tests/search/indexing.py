"""Waits until the search index has every item."""

from __future__ import annotations

import asyncio

from litestar import Litestar


async def index_items(app: Litestar) -> None:
    """Processes all marks, or waits while the service does, which signals nothing when it is done."""
    while True:
        if await app.state.search_index.process_pending():
            return
        await asyncio.sleep(0.01)
