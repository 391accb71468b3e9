"""Loads the ledger of an increment from its chain of dumps: every event once, without a gap, and as it was written.

Each dump may also hold events above the position at which the next one continues; the next one has these again, with
those that were committed late, so they are removed first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from stocky.backup.dump.format import LEDGER, Header
from stocky.backup.dump.lines import table_digest
from stocky.backup.load.dump_text import Unpacked
from stocky.backup.load.reading import Batch, DumpReader
from stocky.backup.load.rows import Table
from stocky.backup.load.scratch import known_names
from stocky.backup.requests import LoadRequest
from stocky.errors import BadRequest
from stocky.progress import ProgressCallback

Insert = Callable[[Iterator[Batch]], None]


class LedgerChain:
    """The ledger of an increment while its chain is loaded. `problems` are the differences found by a verification."""

    def __init__(self, connection: sqlite3.Connection, request: LoadRequest, header: Header) -> None:
        self.problems: list[str] = []
        self._connection = connection
        self._request = request
        self._header = header
        self._events = 0

    def load_parents(self, tables: dict[str, Table], insert: Insert, report: ProgressCallback) -> None:
        """Loads the ledger of the parents, up to where the increment continues. Raises BadRequest."""
        for number, file in enumerate(self._request.parents):
            try:
                self._load(Path(file), number, tables, insert, report)
            except BadRequest as error:
                raise BadRequest(f"Part {number + 1} of the increment's chain: {error.detail}") from error
        self._begin(self._header)

    def finish(self, rows: int) -> None:
        """Checks the ledger after the increment itself, of which `rows` events were read. Raises BadRequest."""
        self._end(self._header, rows)

    def _load(
        self, file: Path, number: int, tables: dict[str, Table], insert: Insert, report: ProgressCallback
    ) -> None:
        with closing(Unpacked(file, self._request.max_bytes)) as source:
            reader = DumpReader(source, report)
            header = reader.header
            if header is None or (header.increment is None) != (number == 0):
                raise BadRequest("it is not a dump that this increment continues")
            if (header.schema, header.dialect) != (self._header.schema, self._header.dialect):
                raise BadRequest("it is of another schema or database than the increment")
            self._begin(header)
            insert(each for each in reader.batches(tables, known_names()) if each.table.name == LEDGER)
            assert reader.footer is not None
            dumped = reader.footer.tables.get(LEDGER)
            if dumped is None:
                raise BadRequest("it has no ledger")
            self._end(header, dumped.rows)
        after = None if header.increment is None else header.increment.after
        if self._request.purpose == "verify":
            found = table_digest(self._connection, LEDGER, header.dialect, after)
            if found != dumped:
                self.problems.append(
                    f"{LEDGER}: {found.rows} of {dumped.rows} rows of part {number + 1} restored, or with different"
                    " content"
                )

    def _begin(self, header: Header) -> None:
        """Removes what a dump has again."""
        if header.increment is not None:
            removed = self._connection.execute("DELETE FROM stock_event WHERE id > ?", (header.increment.after,))
            self._events -= removed.rowcount

    def _end(self, header: Header, rows: int) -> None:
        """Checks that a dump, of which `rows` events were inserted, continues the ones before."""
        self._events += rows
        if header.increment is None:
            return
        query = "SELECT count(*) FROM stock_event WHERE id > ?"
        (later,) = self._connection.execute(query, (header.increment.after,)).fetchone()
        if later != rows or self._events != header.increment.events:
            raise BadRequest(
                f"The backup is damaged: with its parents it has {self._events:,} events, and was made of"
                f" {header.increment.events:,}"
            )
