"""Runs what cleans up to its end, also when its caller is cancelled meanwhile: the loop may close right after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


async def complete(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. A cancellation is raised once it has ended."""
    running = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return running.result()


@asynccontextmanager
async def opened_in_thread(open_it: Callable[[], T], close: Callable[[T], None]) -> AsyncIterator[T]:
    """What `open_it` returns in a thread, closed with the block.

    A thread cannot be cancelled: what it opens for a caller that is cancelled meanwhile is closed as well.
    """
    opened: list[T] = []

    async def open_in_thread() -> None:
        opened.append(await asyncio.to_thread(open_it))

    try:
        await complete(open_in_thread())
        yield opened[0]
    finally:
        for each in opened:
            close(each)
