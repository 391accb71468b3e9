"""Computes a proposal in a child process, which reads the stock itself, so that the server's memory stays small."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from stocky.db import Lane, make_reading_database
from stocky.progress import ProgressCallback
from stocky.reorganisation.planning import Proposal, propose
from stocky.reorganisation.repository import read_stock
from stocky.worker.messages import Request
from stocky.worker.process import run_worker


class _ProposalRequest(Request, frozen=True, kw_only=True):
    """The request to the child process."""

    entry: ClassVar[str] = f"{__name__}:compute"

    database_url: str
    max_moves: int


async def compute_proposal(database_url: str, max_moves: int, report: ProgressCallback) -> Proposal:
    """A proposal of at most `max_moves` lots. Raises Unavailable, or OutOfSpace when memory does not suffice."""
    request = _ProposalRequest(database_url=database_url, max_moves=max_moves)
    return await run_worker(request, Proposal, report)


def compute(request: _ProposalRequest, report: ProgressCallback) -> Proposal:
    """The entry point of the child process. Raises Unavailable."""
    return asyncio.run(_compute(request, report))


async def _compute(request: _ProposalRequest, report: ProgressCallback) -> Proposal:
    database = make_reading_database(request.database_url)
    await database.open()
    try:
        report("reading", 0, None, "")
        async with database.read(Lane.BACKGROUND) as read:
            spots, things, lots = await read_stock(read)
    finally:
        await database.close()
    report("planning", len(lots), len(lots), "SKUs")
    return propose(spots, things, lots, request.max_moves)
