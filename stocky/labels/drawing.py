"""Lays out and draws sheets of labels in a thread of their own, one request after another.

A thousand labels take seconds; when the queue is full, further requests get 503 with Retry-After.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal, ParamSpec, TypeVar

from stocky.errors import NotFound, Unavailable
from stocky.labels.layout import Label, Sheet, draw, lay_out
from stocky.labels.pdf import draw_pdf

P = ParamSpec("P")
T = TypeVar("T")
FileFormat = Literal["svg", "pdf"]

MOST_WAITING = 8
_threads = ThreadPoolExecutor(1, thread_name_prefix="labels")
_waiting = 0


async def in_turn(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of a function that draws. Raises Unavailable while many requests wait."""
    global _waiting
    if _waiting >= MOST_WAITING:
        raise Unavailable("Many sheets of labels are being drawn; send it again in some seconds", retry_after=5)
    _waiting += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, partial(function, *args, **kwargs))
    finally:
        _waiting -= 1


def draw_file(labels: Sequence[Label], sheet: Sheet, file: FileFormat, *, used: int, page: int) -> tuple[bytes, int]:
    """The sheets as PDF, or one of them as SVG, and their number.

    Raises Invalid, and NotFound for a sheet beyond the last.
    """
    pages = lay_out(labels, sheet, used=used)
    if page > len(pages):
        raise NotFound(f"There is no sheet {page}; the labels fill {len(pages)}")
    content = draw_pdf(pages) if file == "pdf" else draw(pages[page - 1]).encode()
    return content, len(pages)
