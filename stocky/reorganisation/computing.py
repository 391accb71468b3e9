"""Computes the proposal of a plan in a child process, which reads the stock itself: the server's memory stays small."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from stocky.db import Lane, make_reading_database
from stocky.progress import ProgressCallback
from stocky.reorganisation.planning import Proposal, propose
from stocky.reorganisation.repository import list_what_there_is
from stocky.worker.messages import Request
from stocky.worker.process import run_worker


class _Order(Request, frozen=True, kw_only=True):
    """What the child process is asked for."""

    entry: ClassVar[str] = f"{__name__}:compute"

    database_url: str
    max_moves: int


async def compute_proposal(database_url: str, max_moves: int, report: ProgressCallback) -> Proposal:
    """At most so many lots to move. Raises Unavailable, or OutOfSpace when memory does not suffice."""
    order = _Order(database_url=database_url, max_moves=max_moves)
    return await run_worker(order, Proposal, report)


def compute(order: _Order, report: ProgressCallback) -> Proposal:
    """In the child process. Raises Unavailable."""
    return asyncio.run(_compute(order, report))


async def _compute(order: _Order, report: ProgressCallback) -> Proposal:
    database = make_reading_database(order.database_url)
    await database.open()
    try:
        report("reading", 0, None, "")
        async with database.read(Lane.BACKGROUND) as read:
            spots, things, lots = await list_what_there_is(read)
    finally:
        await database.close()
    report("planning", len(lots), len(lots), "stock records")
    return propose(spots, things, lots, order.max_moves)
