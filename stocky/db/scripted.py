"""Turns work that is written for a connection into a script, so that much of it can share one hop and one transaction.

What the work awaits becomes what the script asks: nothing else may be awaited in it.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any, TypeVar

from stocky.db.connection import Ask, Connection, Script, Work

T = TypeVar("T")


def scripted(work: Callable[[Connection], Coroutine[Any, Any, T]]) -> Script[T]:
    """`work(connection)` as a script. A query that fails ends the script: the work cannot catch it."""
    # The script may be run on another thread, where this one's context (whose request it is) is not known.
    return _driven(work(_Asking()), copy_context())


def _driven(coroutine: Coroutine[Any, Any, T], context: Context) -> Script[T]:
    answer: Any = None
    while True:
        try:
            ask = context.run(coroutine.send, answer)
        except StopIteration as end:
            result: T = end.value
            return result
        answer = yield ask


@types.coroutine
def _answered(ask: Ask | Work) -> Generator[Ask | Work, Any, Any]:
    return (yield ask)


class _Asking(Connection):
    """A connection whose verbs ask whoever runs the script."""

    async def one(self, query: str, into: type[T], /, **arguments: Any) -> T | None:
        rows: list[T] = await _answered(Ask(query, arguments, into))
        return rows[0] if rows else None

    async def all(self, query: str, into: type[T], /, **arguments: Any) -> list[T]:
        rows: list[T] = await _answered(Ask(query, arguments, into))
        return rows

    async def value(self, query: str, /, **arguments: Any) -> Any:
        rows = await _answered(Ask(query, arguments))
        return rows[0][0] if rows else None

    async def execute(self, query: str, /, **arguments: Any) -> int:
        changed: int = await _answered(Ask(query, arguments, counted=True))
        return changed

    async def run(self, script: Script[T], /) -> T:
        answer: Any = None
        while True:
            try:
                ask = script.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            answer = await _answered(ask)
