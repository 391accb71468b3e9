"""Finished imports in the database: which rows each booked, so that the stock of a row is never booked twice."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Self

import msgspec

from stocky.db import Connection
from stocky.errors import Conflict, Invalid
from stocky.imports.row_parser import Line, Origin
from stocky.imports.schemas import Written
from stocky.stock.fingerprints import fingerprint

# A file may hold refused rows of at most this many imports.
MAX_ORIGINS = 100
# Higher than any row number.
LAST = 10**9


class _Details(msgspec.Struct):
    filename: str
    fingerprint: str
    stock_events: int
    left: list[tuple[int, int]] = []


class _Earlier(msgspec.Struct):
    details: _Details
    is_booked: bool


class _Entries(msgspec.Struct):
    subject: str
    action: str
    entries: int


async def list_earlier_imports(read: Connection, key: str, fingerprint: str) -> tuple[UnbookedRows, ...]:
    """The unbooked rows of each earlier import that was not completely undone; it booked all its other rows.

    Raises Conflict when the key belongs to an import of another file.
    """
    left = []
    for earlier in await read.all("list_earlier_imports", _Earlier, key=key):
        details = earlier.details
        if details.stock_events and not earlier.is_booked:
            continue
        if details.fingerprint == fingerprint:
            left.append(UnbookedRows(details.left))
        elif details.stock_events or not details.left:
            raise Conflict(f"This import_key was used for {details.filename!r}; use another key for this file")
    return tuple(left)


async def count_written(read: Connection, import_id: str) -> Written:
    """Counts what an import has written so far, from the ledger and the audit trail."""
    rows = await read.all("count_import_entries", _Entries, import_id=import_id)
    entries = {(row.action, row.subject): row.entries for row in rows}
    return Written(
        items_created=entries.get(("created", "item"), 0),
        items_changed=entries.get(("imported", "item"), 0),
        locations_created=entries.get(("created", "location"), 0),
        stock_events=await read.value("count_import_events", import_id=import_id),
    )


class ImportName(msgspec.Struct, frozen=True):
    """Identifies the stock events of an import: its key, and a fingerprint of its content.

    `earlier` are the previous imports of this name that were not undone, as the rows they did not book.
    """

    key: str
    content: str
    import_id: str
    earlier: tuple[UnbookedRows, ...]

    def was_taken(self, number: int) -> bool:
        """Whether an earlier import booked the stock of this row, or found it equal already."""
        return any(number not in left for left in self.earlier)

    def event_id(self, number: int, time: int) -> str:
        """The event id of row `number`, booked for the `time`th time."""
        return f"csv:{self.key}:{number}" if time == 1 else f"csv:{self.key}:{number}~{time}"

    def fingerprint(self, number: int) -> str:
        """Distinguishes this row's event from that of another file under the same key."""
        return fingerprint((self.key, self.content, number))


class ImportKeys:
    """The name of a file, and the names of earlier imports that refused rows of it."""

    def __init__(self, own: ImportName) -> None:
        self.own = own
        self._known = {(own.key, own.content): own}

    async def look_up(self, read: Connection, lines: Iterable[Line]) -> None:
        """Reads the names of the imports that these rows come from. Raises Invalid for too many of them."""
        for origin in {line.origin for line in lines if line.origin is not None}:
            name = (origin.key, origin.content)
            if name not in self._known:
                if len(self._known) > MAX_ORIGINS:
                    raise Invalid(f"The rows come from more than {MAX_ORIGINS} imports; import them in parts")
                earlier = await list_earlier_imports(read, *name)
                self._known[name] = ImportName(*name, self.own.import_id, earlier)

    def of(self, line: Line) -> tuple[ImportName, int]:
        """The import name that the row's stock is booked under, and its number there. Call look_up first."""
        if line.origin is None:
            return self.own, line.number
        return self._known[line.origin.key, line.origin.content], line.origin.number

    def origin(self, line: Line) -> Origin:
        """The origin that identifies the row when it is sent again after it was refused."""
        return line.origin or Origin(self.own.key, self.own.content, line.number)


class UnbookedRows(msgspec.Struct):
    """The rows of a file that an import did not book: refused, or booked before. Stored as runs of row numbers.

    Each run has its first and last row number, and may contain rows without stock. Rows are added in file order.
    """

    runs: list[tuple[int, int]] = []

    def __contains__(self, number: int) -> bool:
        index = bisect_right(self.runs, number, key=lambda run: run[0])
        return index > 0 and number <= self.runs[index - 1][1]

    @classmethod
    def all_but(cls, numbers: Iterable[int]) -> Self:
        """All row numbers except these."""
        runs, first = [], 1
        for number in sorted(numbers):
            if first < number:
                runs.append((first, number - 1))
            first = number + 1
        return cls([*runs, (first, LAST)])

    def add(self, number: int, *, goes_on: bool) -> None:
        """Adds a row after all others; `goes_on` if no stock between it and the last run was booked."""
        if goes_on and self.runs:
            self.runs[-1] = (self.runs[-1][0], number)
        else:
            self.runs.append((number, number))

    def insert(self, numbers: Iterable[int]) -> int:
        """Adds rows at any position; returns how many are new."""
        new = {number for number in numbers if number not in self}
        self.runs = sorted([*self.runs, *((number, number) for number in new)])
        return len(new)
