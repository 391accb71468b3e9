"""The SQL that Stocky executes, recorded for yardsticks that run it by plain `sqlite3`."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from stocky.db.queries import load_queries
from stocky.db.sqlite import Bound, DirectConnection, drive
from stocky.resources import resource

Statements = list[tuple[str, Any]]


class _Recorder:
    """A connection that records the statements it executes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.statements: Statements = []

    def execute(self, text: str, values: Any) -> sqlite3.Cursor:
        self.statements.append((text, values))
        return self._connection.execute(text, values)


def statements_of(connection: sqlite3.Connection, work: Bound[Any]) -> Statements:
    """The statements that the work executes on this database."""
    recorder: Any = _Recorder(connection)
    drive(work, DirectConnection(load_queries(resource("sql"), "sqlite"), recorder))
    statements: Statements = recorder.statements
    return statements


def seconds(connection: sqlite3.Connection, statements: Statements) -> float:
    """The time to fetch all their rows."""
    started = time.perf_counter()
    for text, values in statements:
        connection.execute(text, values).fetchall()
    return time.perf_counter() - started
